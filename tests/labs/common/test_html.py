"""Rules of the HTML: everything escaped, and signs for what is invisible."""

import re
from html.parser import HTMLParser

import pytest

from neoxjp.compare import analysis
from neoxjp.labs.common import html as render
from neoxjp.labs.common.templates import render as template
from neoxjp.page_parts.strings import words

NASTY = "<script>alert(1)</script> ${alert(1)} {{value}} &amp; \" ' <img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """What a browser would build of it: the tags, which must nest."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("br", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("character", "shown"),
    [
        (" ", "␣"),
        ("\n", "⏎"),
        ("\r\n", "⏎"),
        ("\t", "⇥"),
        ("\u3000", "□"),
        ("\u202e", "U+202E"),
        ("\u200b", "U+200B"),
        ("\ud800", "U+D800"),
    ],
)
def test_what_cannot_be_seen_has_a_sign(character: str, shown: str) -> None:
    assert render.visible(character) == f'<i class="blank">{shown}</i>'


def test_a_family_of_emoji_stays_one_picture() -> None:
    assert render.visible("👨\u200d👩\u200d👧") == "👨\u200d👩\u200d👧"


def test_a_lone_combining_mark_gets_a_circle_to_stand_on() -> None:
    assert render.visible("\u3099") == "◌\u3099"


def test_counts_show_four_numbers_and_only_present_scripts() -> None:
    html = render.counts(analysis.count_text("東京、カ", 3), words("en"))
    assert re.findall(r"<dd>([^<]*)</dd>", html) == ["3", "4", "12", "1.33"]
    assert "kanji" in html
    assert "hiragana" not in html


def test_counts_of_nothing_are_zeros() -> None:
    assert "<dd>0.00</dd>" in render.counts(analysis.count_text("", 0), words("ja"))


@pytest.mark.parametrize(
    "html",
    [
        render.notice(NASTY),
        render.status([NASTY], "ready", NASTY),
        template(render.MACROS, "table", words("en"), head=[NASTY], rows=[[NASTY, NASTY]]),
        template(render.MACROS, "bar", words("en"), value=1, largest=2, label=NASTY, spoken=NASTY),
    ],
)
def test_small_parts_escape_too(html: str) -> None:
    assert not {"script", "img"} & set(Page(html).tags)


def test_attributes_escape_quotes_and_leave_out_none() -> None:
    assert render.attributes(data_a='"><b>', class_="x", data_b=None) == ' data-a="&quot;&gt;&lt;b&gt;" class="x"'


@pytest.mark.parametrize(("number", "written"), [(999, "999"), (1_500, "1.5k"), (13_700_000, "13.7M"), (2_700_000_000, "2.7B")])
def test_counts_of_weights_are_short(number: int, written: str) -> None:
    assert render.short_count(number) == written
