"""Rules of the frame around the tabs: two languages, limits, the line in the head."""

import re
import string
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from neoxjp.errors import NeoxjpError
from neoxjp.page_parts.session import playground as session
from neoxjp.page_parts.session.playground import Choice, Loaded, NotReady, Playground, Progress, public_limits, short_name
from neoxjp.page_parts.strings import COMMON, PREFIX, STRINGS, both, label, language, translations, words
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.ui import page
from neoxjp.ui.theme import theme
from tests.support.loops import in_loop

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "neoxjp"
GB = 10**9


class Visitor:
    """What a handler sees of a request."""

    def __init__(self, accept: str):
        self.headers = {"accept-language": accept}


# ---------------------------------------------------------------- words


def test_both_languages_say_the_same_with_the_same_values() -> None:
    def fields(sentence: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}

    differ = {key for key, (ja, en) in STRINGS.items() if fields(ja) != fields(en)}
    assert differ == set()


def test_no_sentence_is_empty_or_left_in_the_other_language() -> None:
    japanese = re.compile(r"[ぁ-んァ-ヶ一-龠]")
    quoted = re.compile(r"[「“(][^」”)]*[」”)]|/.*")
    wrong = {key for key, (ja, en) in STRINGS.items() if not ja or not en or japanese.search(quoted.sub("", en))}
    assert wrong == set()


@pytest.mark.parametrize(
    ("accept", "lang"),
    [("ja", "ja"), ("ja-JP,ja;q=0.9,en;q=0.8", "ja"), ("en-US,en;q=0.9,ja;q=0.8", "en"), ("fr", "en"), ("", "en"), ("JA", "ja")],
)
def test_the_first_language_of_the_browser_decides(accept: str, lang: str) -> None:
    assert language(Visitor(accept)) == lang  # type: ignore[arg-type]


def test_without_a_request_it_is_english() -> None:
    assert language(None) == "en"


def test_both_is_escaped_and_marked() -> None:
    html = both("loading_vocabulary", name="<b>")
    assert "&lt;b&gt;" in html
    assert html.count('lang="ja"') == html.count('lang="en"') == 1


def test_a_label_that_is_not_in_the_table_fails_when_the_page_is_built() -> None:
    with pytest.raises(KeyError):
        label("no_such_key")


def test_every_label_is_sent_in_both_languages() -> None:
    sent = translations([]).translations_dict
    assert set(sent["ja"]) == set(sent["en"]) == {PREFIX + key for key in COMMON.table}
    # Gradio translates a value that is a key: that choice came back as 付属モデル, an error 500.
    assert "bundled" not in sent["ja"]


# ---------------------------------------------------------------- limits and states


def test_public_limits_grow_with_memory_and_stay_in_their_bounds() -> None:
    small, large, huge = (public_limits(bytes_, 655_360, 2_048) for bytes_ in (GB // 10, 16 * GB, 1000 * GB))
    assert small.characters == 2_000
    assert small.running == 1
    assert small.characters < large.characters < huge.characters == 200_000
    assert small.running < large.running == huge.running == 8
    assert large.new_tokens == 512


def test_caches_take_half_of_the_memory_but_at_least_one_context() -> None:
    assert session.cache_budget(16 * GB, 655_360, 2_048, 8) == (8 * GB, 2 * GB)
    assert session.cache_budget(GB, 655_360, 2_048, 8)[0] >= 655_360 * 2_048


def test_new_tokens_are_never_more_than_the_context() -> None:
    assert public_limits(GB, 1000, 64).new_tokens == 64


def test_free_memory_is_a_positive_number_of_bytes() -> None:
    assert session.free_memory() > 10**6


def test_only_a_public_playground_is_bounded_by_memory() -> None:
    assert Playground.create(public=False).limits.new_tokens is None
    assert Playground.create(public=True).limits.new_tokens is not None


@pytest.mark.parametrize(
    ("name", "short"),
    [("abeja/gpt-neox-japanese-2.7b", "gpt-neox-japanese-2.7b"), ("/models/mine/", "mine"), ("/", "/")],
)
def test_names_are_shortened_to_their_last_part(name: str, short: str) -> None:
    assert short_name(name) == short


def test_what_is_not_there_yet_says_so_and_what_to_do() -> None:
    waiting, empty = Playground(progress=Progress("vocabulary", "x")), Playground()
    with pytest.raises(NotReady, match="still loading"):
        _ = waiting.tokenizer
    with pytest.raises(NotReady, match="load one in the Model tab"):
        _ = empty.ready


def test_a_folder_without_weights_still_tokenizes(tiny_vocabulary: Path) -> None:
    playground = Playground()
    with pytest.raises(NeoxjpError, match=r"config\.json"):
        playground.load(Choice(str(tiny_vocabulary), offline=True))
    assert playground.tokenizer.encode("東京")
    assert playground.progress.state == "failed"
    with pytest.raises(NotReady):
        _ = playground.ready


def test_the_compat_tokenizer_is_made_once_a_vocabulary(tiny_vocabulary: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    playground = Playground(loaded=Loaded(Choice("x"), tokenizer, serial=1))
    assert playground.tokenizer_as(compat=True) is playground.tokenizer_as(compat=True)
    assert playground.tokenizer_as(compat=True).compat == "transformers"


# ---------------------------------------------------------------- the page's head


@pytest.mark.parametrize(
    ("progress", "state", "said"),
    [
        (Progress(), "idle", "no model loaded"),
        (Progress("vocabulary", "a/b"), "busy", "loading the vocabulary of b"),
        (Progress("weights", "a/b", done=3, total=4), "busy", "loading the weights of b: 75 %"),
        (Progress("weights", "a/b"), "busy", "loading the weights of b: 0 %"),
        (Progress("failed", "a/<b>"), "failed", "&lt;b&gt;: loading failed"),
    ],
)
def test_the_head_says_how_loading_stands(progress: Progress, state: str, said: str) -> None:
    html = page.head_line(Playground(progress=progress), words("en"))
    assert f'class="status {state}"' in html
    assert said in html


def test_the_head_says_when_only_the_vocabulary_is_there(tiny_vocabulary: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    loaded = Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1)
    html = page.head_line(Playground(loaded=loaded, progress=Progress("failed", "x")), words("ja"))
    assert tiny_vocabulary.name in html
    assert "トークナイザーのみ" in html
    assert "読み込みに失敗しました" in html


def test_nothing_of_the_page_lies_on_another_machine() -> None:
    for asset in [path for path in PACKAGE.rglob("*") if path.suffix in (".css", ".js")]:
        found = re.findall(r"(?:https?:)?//[a-z][\w.-]+\.[a-z]{2,}", asset.read_text(encoding="utf-8"))
        assert found == [], asset.name
    assert theme()._stylesheets == []


FEW_SESSIONS = """
import json, urllib.request
from neoxjp.page_parts.session import playground as session
from neoxjp.ui import page
from neoxjp.page_parts.session.caps import Caps
blocks = page.build(session.Playground.create(public=True, caps=Caps(sessions=3)))
_, url, _ = page.launch(blocks, host="127.0.0.1", prevent_thread_lock=True, quiet=True)
tick = next(number for number, each in blocks.fns.items() if each.name == "on_tick")
for visitor in range(6):
    for name, more in (("model_info", {}), ("predict", {"fn_index": tick})):
        session = f"{name}{visitor}"
        body = json.dumps({"data": [], "session_hash": session} | more).encode()
        asked = urllib.request.Request(f"{url}gradio_api/run/{name}", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(asked, timeout=30).close()
print("sessions:", *blocks.state_holder.session_data)
"""


@pytest.mark.slow
def test_a_page_keeps_few_sessions_and_none_for_its_endpoints() -> None:
    done = subprocess.run([sys.executable, "-c", FEW_SESSIONS], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "sessions: predict3 predict4 predict5\n" in done.stdout, done.stderr


def test_no_event_has_two_listeners_that_could_wake_each_other_for_ever() -> None:
    """See ui/events.py: a page that was opened by a link asked some calls a second, without an end."""
    found: Counter[tuple[int, str]] = Counter()
    for listener in in_loop(lambda: page.build(Playground())).get_config_file()["dependencies"]:
        if listener["backend_fn"] and listener["trigger_mode"] == "always_last":
            found.update((target, event) for target, event in listener["targets"] if target is not None)
    assert found
    assert [event for event, listeners in found.items() if listeners > 1] == []
