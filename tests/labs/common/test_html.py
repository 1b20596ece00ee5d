"""Rules of the HTML: everything escaped, one box a character however many tokens, and a sentence for what is not drawn."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neoxjp.compare import analysis
from neoxjp.labs.common import html as render
from neoxjp.labs.common.templates import render as template
from neoxjp.page_parts.strings import words
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

NASTY = "<script>alert(1)</script> ${alert(1)} {{value}} &amp; \" ' <img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


class Page(HTMLParser):
    """What a browser would build of it: the tags, which must nest, and the attributes of the token boxes."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[str] = []
        self.boxes: list[dict[str, str | None]] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("br", "img"):
            self.open.append(tag)
        if ("role", "option") in attrs:
            self.boxes.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def view(tokenizer: GPTNeoXJapaneseTokenizer, text: str, **options: int) -> str:
    return render.tokens(tokenizer.analyze(text), text, words("en"), spellings=tokenizer.spellings, **options)


def boxes(html: str) -> list[dict[str, str | None]]:
    return Page(html).boxes


def test_markup_and_templates_in_the_text_stay_text(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    html = view(tokenizer, NASTY)
    assert not {"script", "img"} & set(Page(html).tags)
    assert "<script" not in html


@given(text=st.text(max_size=60))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_gives_well_formed_html_that_utf8_holds(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> None:
    html = view(tokenizer, text)
    html.encode("utf-8")
    assert set(Page(html).tags) <= {"section", "div", "span", "i", "u", "sup", "p", "br"}


def test_the_bytes_of_a_character_are_one_box_with_their_number(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    html = view(tokenizer, "𩸽")
    (box,) = boxes(html)
    assert len((box["data-id"] or "").split()) == 4
    assert "<sup>4</sup>" in html
    assert "�" not in html


def test_boxes_show_the_users_own_text_and_where_it_stands(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    html = view(tokenizer, "私は慶應大学")
    assert [box["data-at"] for box in boxes(html)] == ["0", "1", "2", "4"]
    assert "慶應" in html


def test_a_folded_spelling_says_what_decoding_writes(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    (box,) = boxes(view(tokenizer, "慶應"))
    assert "folded" in (box["class"] or "").split()
    assert box["data-out"] == "慶応"


def test_a_loss_without_fold_is_marked_apart(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    found = boxes(view(tokenizer, "大\u3000学"))
    assert ["lossy" in (box["class"] or "").split() for box in found] == [False, True, False]
    assert found[1]["data-text"] == "\u3000"


def test_a_plain_piece_has_no_marks(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    (box,) = boxes(view(tokenizer, "大学"))
    assert box["class"] == "p kanji"
    assert "data-out" not in box
    assert "legend_folded" not in view(tokenizer, "大学")


def test_all_spellings_of_each_id_travel_with_the_view(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    html = view(tokenizer, "慶応1")
    found = re.search(r'data-entries="([^"]*)"', html)
    assert found
    entries = json.loads(unescape(found[1]))
    assert entries[str(tokenizer.encode("慶応")[0])] == {"piece": "慶応", "all": 2, "spellings": ["慶応", "慶應"]}


def test_what_is_not_drawn_is_counted_and_said(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    html = view(tokenizer, "犬猫" * 50, limit=10)
    assert len(boxes(html)) == 10
    assert "Only the first 10 tokens are shown. The other 90 are counted but not shown." in html
    assert 'aria-label="100 tokens"' in html


def test_a_whole_character_is_drawn_at_the_limit(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    html = view(tokenizer, "𩸽𩸽", limit=1)
    assert "Only the first 4 tokens are shown. The other 4" in html


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
