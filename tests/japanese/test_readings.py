"""Readings and spellings: what is read, what stays as it is, and that no text makes them fail."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.japanese import ALL_KEYS, KEYS, Spelling, Word, read_words, ruby, spellings
from neoxjp.japanese.readings import spell

HARD = [
    "",
    "\0",
    "\ud800",
    "吾輩\udfff猫",
    "👨‍👩‍👧👍🏽🇯🇵\ufe0f",
    "\ufe0f\ufe0f",
    "ﷺﷺ漢字",
    "㈱東芝の①番㍻",
    "葛\U000e0100城市",
    "か\u3099は\u309a",
    " \t\r\n\u3000",
    "<script>alert(1)</script>${1}",
    "々〆〇",
    "𩸽𠮷野家",
]


def texts(text: str) -> dict[str, str]:
    return {spelling.key: spelling.text for spelling in spellings(text)}


def test_a_sentence_in_its_four_spellings() -> None:
    assert texts("東京へ行くのは、楽しい。") == {
        "written": "東京へ行くのは、楽しい。",
        "hiragana": "とうきょうへいくのは、たのしい。",
        "katakana": "トウキョウヘイクノハ、タノシイ。",
        "halfwidth": "ﾄｳｷｮｳﾍｲｸﾉﾊ､ﾀﾉｼｲ｡",
    }


def test_particles_keep_their_spelling() -> None:
    assert texts("私は駅へ本を")["hiragana"] == "わたしはえきへほんを"


@pytest.mark.parametrize("kept", ["ABC xyz", "ＡＢＣ１２", "2024/10/3", "\n\n\t \u3000", "😀👨‍👩‍👧", "「」（）！？…〜"])
def test_what_has_no_kana_stays_where_it_stands(kept: str) -> None:
    written = texts(f"ねこ{kept}イヌ")
    assert written["hiragana"] == f"ねこ{kept}いぬ"
    assert written["katakana"] == f"ネコ{kept}イヌ"


def test_digits_and_letters_inside_a_word_of_the_dictionary_stay() -> None:
    assert texts("①番")["hiragana"] == "①ばん"
    assert texts("Tシャツ")["hiragana"] == "Tしゃつ"


def test_half_width_has_separate_marks_and_ascii() -> None:
    assert texts("ガパヴー「ＡＢＣ１！」\u3000")["halfwidth"] == "ｶﾞﾊﾟｳﾞｰ｢ABC1!｣ "


def test_half_width_kana_are_read_but_their_punctuation_stays() -> None:
    assert texts("ﾄｳｷｮｳｶﾞｽ｡")["hiragana"] == "とうきょうがす｡"
    assert texts("ﾄｳｷｮｳｶﾞｽ｡")["katakana"] == "トウキョウガス｡"


def test_a_mark_of_its_own_is_composed() -> None:
    assert texts("か\u3099")["katakana"] == "ガ"
    assert texts("か\u3099")["written"] == "か\u3099"


def test_variation_selectors_go_with_their_kanji() -> None:
    (word, *_) = [word for word in read_words("葛\U000e0100") if word.reading]
    assert word.surface == "葛\U000e0100"
    assert "\U000e0100" not in texts("葛\U000e0100")["hiragana"]


def test_old_forms_of_names_are_read() -> None:
    assert texts("髙橋")["hiragana"] == "たかはし"


def test_unknown_kanji_are_kept_and_said_to_be_unknown() -> None:
    (word,) = read_words("𩸽")
    assert word == Word("𩸽", 0, 1, None)
    assert word.unknown
    assert texts("𩸽を")["hiragana"] == "𩸽を"
    assert not read_words("ねこ")[0].unknown


def test_an_override_by_surface_changes_every_occurrence() -> None:
    assert spell("日本と日本", "hiragana", {"日本": "ニッポン"}).text == "にっぽんとにっぽん"


def test_an_override_by_span_changes_one_place() -> None:
    assert spell("日本と日本", "hiragana", {(3, 5): "にっぽん"}).text == "にほんとにっぽん"


def test_an_override_may_join_words_or_span_half_a_word() -> None:
    assert spell("市立図書館", "katakana", {"市立図書館": "いちりつとしょかん"}).text == "イチリツトショカン"
    assert spell("東京都", "hiragana", {(1, 2): "きやう"}).text.startswith("ひがしきやう")


def test_an_override_outside_the_text_is_ignored() -> None:
    assert spell("猫", "hiragana", {(0, 9): "あ", (5, 6): "い", (0, 0): "う"}).text == "ねこ"


def test_an_empty_override_keeps_the_kanji() -> None:
    assert spell("猫だ", "hiragana", {(0, 1): ""}).text == "猫だ"


@pytest.mark.parametrize(
    ("surface", "reading", "expected"),
    [
        ("食べ物", "たべもの", [("食", "た"), ("べ", None), ("物", "もの")]),
        ("無い", "ない", [("無", "な"), ("い", None)]),
        ("東京", "とうきょう", [("東京", "とうきょう")]),
        ("カ月", "かげつ", [("カ", None), ("月", "げつ")]),
        ("今日は", "こんにちわ", [("今日は", "こんにちわ")]),
        ("ねこ", None, [("ねこ", None)]),
    ],
)
def test_ruby_stands_over_the_kanji_only(surface: str, reading: str | None, expected: list[tuple[str, str | None]]) -> None:
    assert ruby(Word(surface, 0, len(surface), reading)) == expected


@pytest.mark.parametrize("text", HARD)
def test_hard_texts_are_tiled_and_kept(text: str) -> None:
    check_tiling(text)


@settings(max_examples=100, deadline=None)
@given(
    st.text(alphabet=st.characters(codec=None), max_size=40)
    | st.text("猫東京ガｶﾞがﾞ\u3099々1Aａ😀\u200d\ufe0f\ud800\n。は行く", max_size=60)
)
def test_words_tile_any_text(text: str) -> None:
    check_tiling(text)


def check_tiling(text: str) -> None:
    for spelling in spellings(text):
        assert "".join(word.surface for word in spelling.readings) == text
        for word, (low, high) in zip(spelling.readings, spelling.spans, strict=True):
            assert text[word.start : word.end] == word.surface != ""
            assert low <= high <= len(spelling.text)
        check_spans(spelling)


def check_spans(spelling: Spelling) -> None:
    edges = [0, *(high for _, high in spelling.spans)]
    assert [low for low, _ in spelling.spans] == edges[:-1]
    assert edges[-1] == len(spelling.text)


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["吾輩は猫である。", "あ", "漢", "ﷺ", "\ud800", "👨‍👩‍👧", "a1 ", "𩸽", "一"])
def test_a_hundred_thousand_characters_are_not_too_many(unit: str) -> None:
    text = (unit * 100_000)[:100_000]
    written, hiragana, *_ = spellings(text)
    assert written.text == text
    assert len(hiragana.text) >= 100_000


def test_a_long_text_is_cut_between_sentences() -> None:
    sentence = "人気がある店に行く。"
    assert texts(sentence * 300)["hiragana"] == texts(sentence)["hiragana"] * 300


def test_each_thread_has_its_own_tokenizer() -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(texts("東京都に住む" * 50)["hiragana"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [texts("東京都に住む" * 50)["hiragana"]] * 8


def test_the_keys_come_in_the_order_of_the_page() -> None:
    assert [spelling.key for spelling in spellings("猫")] == list(KEYS)


@pytest.mark.parametrize("text", HARD)
def test_every_spelling_tiles_hard_texts(text: str) -> None:
    for spelling in spellings(text, keys=ALL_KEYS):
        check_spans(spelling)


@settings(max_examples=60, deadline=None)
@given(st.text("abcXYZ012 .,-\n\t😀№ä\ud800", max_size=30))
def test_every_spelling_keeps_what_it_does_not_convert(kept: str) -> None:
    assert {spelling.text for spelling in spellings(kept, keys=("written", "hiragana", "katakana", *ALL_KEYS[4:]))} == {kept}


def test_a_merged_reading_leaves_its_particle_a_word() -> None:
    assert [(word.surface, word.reading) for word in read_words("何を")] == [("何", "なに"), ("を", None)]
