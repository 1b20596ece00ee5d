"""Rules of the matrix's HTML and of its chart: one scale, nested tags, nothing but text where a text stands."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.compare import Characters, Utf8Bytes
from neoxjp.errors import PeerUnavailable
from neoxjp.japanese import ALL_KEYS, Spelling, read_words, spellings
from neoxjp.labs.spellings import view
from neoxjp.labs.spellings.records import Column, Matrix, matrix
from neoxjp.labs.spellings.strings import strings
from tests.labs.common.test_html import NASTY, Page

ALL: dict[str, Any] = {"selected": 0, "same": True}
EN, JA = strings.words("en"), strings.words("ja")
TAGS = {"table", "thead", "tbody", "tr", "th", "td", "span", "button", "small", "b", "i", "p", "section", "h3", "ul", "li", "div"}
TAGS |= {"sup", "ruby", "rt", "br"}


def found(*texts: str, title: str = "characters") -> Matrix:
    columns = [Column("characters", title, Characters()), Column("bytes", "bytes", Utf8Bytes())]
    return matrix([Spelling("written" if i == 0 else "custom", text) for i, text in enumerate(texts)], columns)


def drawn(of: Matrix) -> str:
    table = view.table(of, JA, selected=0, same=True)
    return table + "".join(view.aligned(of, row, JA) for row in range(len(of.spellings)))


def test_bars_share_one_scale() -> None:
    html = drawn(found("東京", "とうきょう"))
    shares = [float(share) for share in re.findall(r"width:([0-9.]+)%", html)]
    assert shares == pytest.approx([100 * n / 15 for n in (2, 6, 5, 15)], abs=0.01)
    assert "×2.50" in html


def test_a_row_shows_its_pieces_with_the_first_open_tokenizer_and_plain_text_without_one() -> None:
    rows = view.table(
        matrix([Spelling("written", "犬"), Spelling("custom", "いぬ" * 20)], [Column("b", "B", Utf8Bytes())]), JA, **ALL
    )
    assert '<span class="p">い<sup>3</sup></span><span class="p">ぬ<sup>3</sup></span>' in rows
    assert rows.count('<span class="p">') == 1 + 24
    assert "</span>…</small>" in rows
    closed = view.table(matrix([Spelling("written", "犬"), Spelling("custom", "いぬ")], [Column("x", "X")]), JA, **ALL)
    assert '<small class="spellings-sample" lang="ja">いぬ</small>' in closed


def test_a_reason_stands_once_and_every_cell_says_that_it_is_closed() -> None:
    of = matrix([Spelling("written", "犬"), Spelling("custom", "いぬ")], [Column("x", "X", problem=PeerUnavailable("gone"))])
    html = view.table(of, EN, selected=0, same=True)
    assert html.count("gone") == 1
    assert '<p class="spellings-closed"><b>X</b>gone</p>' in html
    assert html.count('<span class="sr">not open</span>') == 2


@given(st.text(max_size=40) | st.text("<&\"'>犬か\u3099\u200d\u202e\ufeff\ud800\n 👨$\\{}", max_size=40))
def test_any_text_gives_nested_html_without_foreign_tags(text: str) -> None:
    html = drawn(found(text, text + "x", title=NASTY)) + view.ruby(read_words(text), [text], EN)
    html.encode("utf-8")
    assert set(Page(html).tags) <= TAGS


@given(st.text(max_size=20))
def test_any_title_gives_a_chart_that_is_xml(title: str) -> None:
    clean = "".join(c for c in title if c >= " " and c not in "\ufffe\uffff")
    ElementTree.fromstring(view.chart(found("犬", title=clean + NASTY), EN))


def test_a_chart_of_nothing_is_nothing() -> None:
    assert view.chart(found(""), EN) == ""


def test_the_longest_bar_stays_on_the_paper() -> None:
    for text in ("a", "𩸽", "a\ud800"):
        chart = ElementTree.fromstring(view.chart(found(text), EN))
        bars = [
            each
            for each in chart.iter("{http://www.w3.org/2000/svg}rect")
            if (each.get("class") or "").startswith("spellings-bar")
        ]
        assert max(float(each.get("x") or 0) + float(each.get("width") or 0) for each in bars) < view.WIDTH - 40


def test_a_long_text_says_what_is_not_drawn() -> None:
    assert "Shows the tokens of the first 10 characters; the other 20 are only counted." in view.aligned(
        found("猫" * 30), 0, EN, limit=10
    )
    assert "Readings are shown for the first 10 characters." in view.ruby(read_words("猫と" * 10), [], EN, limit=10)


def test_every_character_of_every_spelling_has_its_column() -> None:
    of = matrix(spellings("東京で𩸽", keys=ALL_KEYS), found("").columns)
    for row, spelling in enumerate(of.spellings):
        html = view.aligned(of, row, EN)
        assert len(re.findall(r'<span class="spellings-char[ "]', html)) == len(spelling.text)
