"""Rules of the section corpus, without a browser: a look at a file, a count and its end, the drawn report, the endpoint."""

import json
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from neoxjp.errors import ParameterError
from neoxjp.labs.corpus import section as corpus
from neoxjp.labs.corpus import view as render_corpus
from neoxjp.labs.corpus.command import to_csv
from neoxjp.labs.corpus.records import Corpus, Source, run
from neoxjp.labs.corpus.strings import WORDS
from neoxjp.page_parts import uploads
from neoxjp.page_parts.session import Choice, Loaded, Playground
from neoxjp.page_parts.strings import words
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

EN, JA = words("en"), words("ja")
TEXT = "吾輩は猫である。慶應の大学。\n"
HOSTILE = "<script>x</script>${x}\u202e\u200b"


@pytest.fixture(scope="module")
def playground(tiny_vocabulary: Path) -> Playground:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    return Playground(loaded=Loaded(Choice(str(tiny_vocabulary)), tokenizer, serial=1))


@pytest.fixture(autouse=True)
def empty_door() -> Iterator[None]:
    yield
    assert len(uploads.door) == 0
    assert uploads.line.place("test") == 0
    uploads.line.leave("test")


def left(data: bytes) -> str:
    """The key of a file at the door."""
    key, file = uploads.door.open()
    file.write(data)
    uploads.door.sent(key)
    return key


def given(key: str, name: str) -> str:
    return json.dumps({"file": key, "name": name})


def counted(playground: Playground, data: bytes, name: str = "a.txt", **options: Any) -> tuple[list[str], Corpus, str]:
    asked = {"column": "", "encoding": "", "tokenizers": [], "say": EN} | options
    *told, (done, found, notes) = corpus.counting(playground, left(data), name, **asked)
    assert "deleted" in done or "消しました" in done
    return told, found, notes  # type: ignore[return-value]


def test_a_look_tells_the_encoding_the_columns_and_the_first_characters() -> None:
    key = left("番号,本文\n1,吾輩は猫である。\n".encode("cp932"))
    drawn, column = corpus.look_of(given(key, "a.csv"), "", EN)
    assert "Shift_JIS (CP932) (likely)" in drawn
    assert "columns: 番号, 本文" in drawn
    assert "吾輩は猫" in drawn
    assert (column.value, [value for _, value in column.choices]) == ("本文", ["番号", "本文"])
    drawn, _ = corpus.look_of(given(key, "a.csv"), "euc_jp", JA)
    assert "EUC-JP（選んだもの）" in drawn
    uploads.door.drop(key)


def test_a_count_ends_with_the_corpus_and_the_file_is_gone(playground: Playground) -> None:
    told, found, notes = counted(playground, TEXT.encode("euc_jp") * 9000, tokenizers=["bytes", "compat"])
    assert found.characters == 9000 * len(TEXT)
    assert [cost.name for cost in found.costs[1:]] == ["UTF-8 bytes", "as transformers has it"]
    assert all("<progress" in html for html in told)
    assert notes == ""


def test_a_count_that_is_broken_off_leaves_nothing(playground: Playground) -> None:
    steps = corpus.counting(playground, left(TEXT.encode()), "a.txt", "", "", ["bytes"], EN)
    next(steps)
    assert len(uploads.door) == 1
    steps.close()


def test_stop_is_the_last_that_is_said_of_a_count(playground: Playground) -> None:
    count = corpus.Count()
    steps = corpus.counting(playground, left(TEXT.encode()), "a.txt", "", "", ["bytes"], EN, run=count)
    next(steps)
    count.stop()
    *_, last = steps
    assert "Stopped. The file is deleted." in str(last)
    assert not isinstance(last, tuple)


def test_stop_ends_the_wait_in_the_line(playground: Playground) -> None:
    count = corpus.Count()
    uploads.line.place("someone")
    steps = corpus.counting(playground, left(TEXT.encode()), "a.txt", "", "", [], EN, run=count)
    next(steps)
    count.stop()
    *_, last = steps
    assert "Stopped. The file is deleted." in str(last)
    uploads.line.leave("someone")


def test_another_waits_and_sees_its_place(playground: Playground) -> None:
    uploads.line.place("someone")
    steps = corpus.counting(playground, left(b"x"), "a.txt", "", "", [], EN)
    assert "waiting: 1 before you" in str(next(steps))
    uploads.line.leave("someone")
    *_, last = steps
    assert isinstance(last, tuple)


@pytest.mark.parametrize(
    ("data", "name", "column", "message"),
    [
        (b"\x89PNG\r\n", "a.png", "", "テキストファイルではありません"),
        (b"a,b\n1,2\n", "a.csv", "c", "列 'c' はありません"),
        (b"[\n1\n]", "a.jsonl", "", "どれにも文章がありません"),
    ],
)
def test_an_expected_error_leaves_nothing_either(
    playground: Playground, data: bytes, name: str, column: str, message: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        list(corpus.counting(playground, left(data), name, column, "", [], JA))
    assert message in caught.value.ja


def test_without_a_file_it_says_so(playground: Playground) -> None:
    for key, message in (("", "Choose a file first"), ("gone", "send it again")):
        with pytest.raises(ParameterError, match=message):
            list(corpus.counting(playground, key, "a.txt", "", "", [], EN))
    assert corpus.read_given("{") == corpus.read_given("[1]") == corpus.read_given("") == ("", "")


def test_a_tokenizer_that_cannot_be_opened_does_not_spoil_the_rest(playground: Playground) -> None:
    public = Playground(public=True, loaded=playground.loaded)
    _, found, notes = counted(public, b"abc", tokenizers=["/etc/passwd", "characters"])
    assert [cost.key for cost in found.costs] == ["neoxjp", "characters"]
    assert "/etc/passwd: no tokenizer" in notes


def test_a_public_count_has_an_end(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "PUBLIC_SECONDS", 0)
    monkeypatch.setattr(corpus, "TOLD", 0)
    public = Playground(public=True, loaded=playground.loaded)
    with pytest.raises(ParameterError, match="may take 0 s"):
        list(corpus.counting(public, left(TEXT.encode() * 20_000), "a.txt", "", "", [], EN))
    with pytest.raises(ParameterError, match="count with 8 at a time"):
        list(corpus.counting(public, left(b"x"), "a.txt", "", "", list("123456789"), EN))


@pytest.mark.parametrize("say", [EN, JA])
def test_a_report_is_escaped_and_complete(playground: Playground, say: Any) -> None:
    data = json.dumps({HOSTILE: HOSTILE + "慶應Ж"}).encode() + b'\n{"<b>": 1}\n'
    _, found, _ = counted(playground, data, "<img>.jsonl", tokenizers=["compat"], say=say)
    html = render_corpus.corpus(found, say)
    assert "<script" not in html
    assert "<img" not in html
    assert "<b>:" not in html
    assert "&lt;img&gt;.jsonl" in html
    assert "U+0416" in html
    assert html.count("<section") == html.count("</section")
    for key in ("k_frequent", "k_longest", "k_losses", "k_scripts", "k_by_tokenizer"):
        assert say(key) in html
    assert HOSTILE in to_csv(found).decode("utf-8-sig")


def test_every_reason_and_every_degree_has_its_word() -> None:
    from typing import get_args

    from neoxjp.labs.corpus.losses import REASONS

    assert all(f"k_reason_{reason}" in WORDS for reason in REASONS)
    assert all(f"k_sure_{sure}" in WORDS for sure in get_args(corpus.encodings.Sure))


def test_a_report_of_nothing_is_drawn(tiny_vocabulary: Path) -> None:
    import io

    found = run([Source("a.txt", io.BytesIO())], GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary))
    assert "Every character comes back" in render_corpus.corpus(found, EN)


# ---------------------------------------------------------------- over the wire


@pytest.fixture(scope="module")
def client(page_url: str) -> Iterator[Client]:
    with_page = Client(page_url, verbose=False)
    yield with_page
    with_page.close()


def sent(url: str, data: bytes, kind: str = "application/octet-stream") -> str:
    request = urllib.request.Request(f"{url}/neoxjp/file", data, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return str(json.load(answer)["file"])


def test_the_endpoint_counts_a_text_and_a_file_and_keeps_neither(client: Client, page_url: str) -> None:
    text = client.predict(text=TEXT, tokenizers=["characters"], api_name="/corpus")
    assert [(cost["key"], cost["tokens"]) for cost in text["costs"]][1] == ("characters", len(TEXT))
    cache = Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")
    before = {*cache.rglob("*")} if cache.exists() else set()
    key = sent(page_url, f"id,body\n1,{TEXT.strip()}\n".encode("cp932"))
    file = client.predict(file=key, name="a.csv", api_name="/corpus")
    assert file["files"][0]["encoding"] == "Shift_JIS (CP932)"
    assert file["costs"][0]["tokens"] == text["costs"][0]["tokens"] - 1  # the end of the line
    assert ({*cache.rglob("*")} if cache.exists() else set()) == before
    with pytest.raises(AppError, match="send it again"):
        client.predict(file=key, api_name="/corpus")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "either text or the key of a file"),
        ({"text": "x", "file": "y"}, "either text or the key of a file"),
        ({"text": "x", "tokenizers": "bytes"}, "expected a list of keys"),
        ({"text": "a,b\n1,2\n", "name": "a.csv", "column": "c"}, "no column 'c'"),
    ],
)
def test_the_endpoint_refuses_in_one_sentence(client: Client, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(AppError, match=message):
        client.predict(**asked, api_name="/corpus")


def test_the_doors_are_as_narrow_as_they_say(page_url: str) -> None:
    too_much = urllib.request.Request(
        f"{page_url}/neoxjp/file", b"x", {"Content-Type": "application/octet-stream", "Content-Length": "50000001"}
    )
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(too_much, timeout=30)
    with pytest.raises(urllib.error.HTTPError, match="415"):
        sent(page_url, b"x", "text/plain")
