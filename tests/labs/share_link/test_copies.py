"""Rules of the copies of a token view: each is what the page shows, and nothing of a text becomes markup in it."""

import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from neoxjp.cli.main import main
from neoxjp.errors import ParameterError
from neoxjp.labs.common.glyphs import SCRIPTS, boxes, glyphs
from neoxjp.labs.common.html import replace_surrogates
from neoxjp.labs.share_link import copies
from neoxjp.page_parts.strings import words
from neoxjp.page_parts.tabs.tokenize import pieces_of
from neoxjp.page_parts.token_editor import Piece
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.texts import ODD, texts

NASTY = "<script>alert(1)</script> ${alert(1)} {{value}} &amp; \" ' <img src=x onerror=alert(1)> `*_[x](y)|"
MIXED = "慶應と慶応 \u3000\t𩸽\r\n①🐯\u202e右`"


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


class Reader(HTMLParser):
    """What a browser would read: the text with its line breaks, and the tags, which must nest."""

    def __init__(self, html: str):
        super().__init__()
        self.text, self.tags, self.open = "", set[str](), list[str]()
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"style", "lang", "class", "role", "tabindex", "aria-label", "aria-live"} or any(
            name.startswith("data-") for name, _ in attrs
        )
        classes = (dict(attrs).get("class") or "").split()
        self.text += "≈" if "folded" in classes else "≠" if "lossy" in classes else ""
        if tag == "br":
            self.text += "\n"
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def on_the_page(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> str:
    """The pieces of the page's text with their marks and numbers, and signs for what is invisible."""
    pieces = pieces_of(boxes(tokenizer.analyze(text), text), text, 3_000)

    def shown(piece: Piece) -> str:
        mark = next((sign for name, sign in copies.SIGNS.items() if name in piece.marks.split()), "")
        number = str(len(piece.ids)) if len(piece.ids) > 1 else ""
        return mark + "".join(sign for sign, _ in glyphs(piece.text)) + number + "\n" * ("\n" in piece.text)

    return "".join(map(shown, pieces))


def in_the_copy(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> str:
    html = copies.copy(tokenizer.analyze(text), text, "html")
    inside = re.search(r'<div lang="ja".*?</div>', html, re.DOTALL)
    assert inside
    return Reader(inside[0]).text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(texts(), ODD, st.text(max_size=30)))
@example("<BR>").via("the id of a newline, but no line break")
def test_the_html_says_what_the_page_shows(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> None:
    text = replace_surrogates(text)  # as the page has it
    assert in_the_copy(tokenizer, text) == on_the_page(tokenizer, text)


@pytest.mark.parametrize("ids", [False, True])
def test_markup_in_a_text_stays_text(tokenizer: GPTNeoXJapaneseTokenizer, ids: bool) -> None:
    html = copies.copy(tokenizer.analyze(NASTY), NASTY, "html", ids=ids, caption="<img src=y>")
    assert Reader(html).tags <= {"div", "span", "p", "sup", "small", "br"}
    assert escape("<img src=y>") in html


def test_the_words_of_a_legend_are_escaped(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    named = {key: f"<b>{word}" for key, word in copies.ENGLISH.items()}
    assert "b" not in Reader(copies.copy(tokenizer.analyze(MIXED), MIXED, "html", words=named)).tags


def test_text_has_a_separator_between_boxes_and_every_mark(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    assert copies.copy(tokenizer.analyze(MIXED), MIXED, "text").splitlines() == [
        "≈慶應│と│慶応│␣│≠□│⇥│𩸽⁴│≠⏎",
        "≈①│🐯│≠U+202E│右³│`",
    ]


def test_text_takes_another_separator_and_ids(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    tokens = tokenizer.analyze("慶應と𩸽")
    one, two, *rest = (token.id for token in tokens)
    assert copies.copy(tokens, "慶應と𩸽", "text", separator=" / ", ids=True) == (
        f"≈慶應 [{one}] / と [{two}] / 𩸽⁴ [{' '.join(map(str, rest))}]"
    )


def test_a_separator_of_any_length_is_refused(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    with pytest.raises(ParameterError, match="expected up to 20 characters"):
        copies.copy([], "", "text", separator="-" * 21)


def spans(markdown: str) -> list[str]:
    """The code spans of a line of Markdown (CommonMark 6.1)."""
    found, rest = [], markdown
    while match := re.search(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", rest):
        inside = match[2]
        found.append(inside[1:-1] if inside[:1] == inside[-1:] == " " and inside.strip() else inside)
        rest = rest[match.end() :]
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.sampled_from("慶應と`*_|[](<&\\犬 \t𩸽"), max_size=30))
def test_markdown_reads_each_box_as_it_stands(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> None:
    tokens = tokenizer.analyze(text)
    lines = copies.copy(tokens, text, "markdown", caption="").split("\n\n")[0]
    assert spans(lines) == [box.shown for box in boxes(tokens, text)]


def test_a_box_of_backticks_gets_a_longer_fence() -> None:
    assert copies._code("a``b") == "```a``b```"
    assert copies._code("`") == "`` ` ``"


def test_markdown_explains_the_marks_that_are_there(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    def copied(text: str) -> str:
        return copies.copy(tokenizer.analyze(text), text, "markdown")

    assert copied("犬").endswith("\n\n1 token")
    assert copied("慶應").endswith("\n\n1 token · ≈ decoded as another spelling")
    assert copied("𩸽").endswith("\n\n4 tokens · small number = tokens of a character split into bytes")


def test_nothing_is_copied_of_nothing() -> None:
    assert copies.copy([], "", "text") == ""
    assert copies.copy([], "", "markdown", caption="") == ""
    assert Reader(copies.copy([], "", "html", caption="")).text == ""


def test_a_limit_never_splits_a_character(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    tokens = tokenizer.analyze("犬𩸽鱈")
    assert [len(copies.first(tokens, limit)) for limit in (0, 1, 2, 3, 9)] == [0, 1, 5, len(tokens), len(tokens)]


def test_another_format_is_refused_with_the_choice() -> None:
    with pytest.raises(ParameterError, match="choose 'text', 'markdown', 'html'"):
        copies.copy([], "", "pdf")  # type: ignore[arg-type]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_line_can_be_seen_on_light_and_on_dark_pages(script: str) -> None:
    own = luminance(copies.COLOURS[script])  # type: ignore[index]
    assert 1.05 / (own + 0.05) >= 3
    assert (own + 0.05) / (luminance("#12161f") + 0.05) >= 3


def test_every_legend_can_be_said_in_both_languages() -> None:
    for lang in ("ja", "en"):
        assert copies.ENGLISH.keys() <= {*SCRIPTS, "folded", "lossy", "bytes"}
        assert all(words(lang)(key if key in SCRIPTS else f"legend_{key}") for key in copies.ENGLISH)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "text"), "≈慶應│と\n"),
        (("--format", "text", "--ids"), "≈慶應 ["),
        (("--format", "markdown"), "≈`慶應` `と`\n\n2 tokens · ≈ decoded as"),
        (("--format", "html"), '<div style="'),
        (("--format", "text", "--json"), '{"text": "慶應と", "copy": "≈慶應│と"}\n'),
    ],
)
def test_the_command_line_copies_too(capsys, tiny_vocabulary: Path, options: tuple[str, ...], said: str) -> None:
    assert main(["tokenize", "慶應と", "--model", str(tiny_vocabulary), *options]) == 0
    assert capsys.readouterr().out.startswith(said)
