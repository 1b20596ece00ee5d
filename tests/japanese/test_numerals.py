"""Numbers in kanji and the sounds they make with a counter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.japanese import numerals
from neoxjp.japanese.readings import spell


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("千九百四十五", 1945),
        ("二〇二四", 2024),
        ("一九四七", 1947),
        ("五億三千万", 530_000_000),
        ("十", 10),
        ("万", None),
        ("百百", None),
        ("二三百", None),
    ],
)
def test_kanji_are_numbers_with_units_or_digit_by_digit(number: str, expected: int | None) -> None:
    assert numerals.parse_number(number) == expected


@pytest.mark.parametrize("number", ["", "猫", "1", "〇" * 33, "兆億", "万万"])
def test_what_is_no_number_has_no_value_and_no_reading(number: str) -> None:
    assert numerals.parse_number(number) is None
    assert numerals.read_number(number) is None


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("三百六十", "さんびゃくろくじゅう"),
        ("八千八百八", "はっせんはっぴゃくはち"),
        ("一千万", "いっせんまん"),
        ("一千", "いっせん"),
        ("十兆", "じゅっちょう"),
        ("〇一二", "ぜろいちに"),
        ("〇", "れい"),
        ("二三", "にさん"),
        ("二十三", "にじゅうさん"),
    ],
)
def test_numbers_are_said_with_their_sound_changes(number: str, expected: str) -> None:
    assert numerals.read_number(number) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("一本二本三本六本八本十本", "いっぽんにほんさんぼんろっぽんはっぽんじゅっぽん"),
        ("数本の本", "すうほんのほん"),
        ("何本、何分", "なんぼん、なんぷん"),
        ("四月七日", "しがつなのか"),
        ("二〇二四年", "にせんにじゅうよねん"),
        ("二十日、二日間", "はつか、ふつかかん"),
        ("一人、二人、四人", "ひとり、ふたり、よにん"),
        ("四時間三十分", "よじかんさんじゅっぷん"),
        ("三ヶ月、六ヶ月", "さんかげつ、ろっかげつ"),
        ("三分の一", "さんぶんのいち"),
        ("四五人、二三日", "しごにん、にさんにち"),
        ("二三本、五六本", "にさんぼん、ごろっぽん"),
        ("一千円、一千人", "いっせんえん、いっせんにん"),
        ("二十世紀", "にじゅっせいき"),
        ("十分だ、二千十分", "じゅうぶんだ、にせんじゅっぷん"),
        ("二千十分の一", "にせんじゅうぶんのいち"),
        ("三百本、三千本、一万匹", "さんびゃっぽん、さんぜんぼん、いちまんびき"),
        ("二十分後、三千足", "にじゅっぷんご、さんぜんぞく"),
        ("四分、四分間、四泊", "よんぷん、よんぷんかん、よんはく"),
        ("三分割、三分野、三人種、三階級", "さんぶんかつ、さんぶんや、さんじんしゅ、さんかいきゅう"),
        ("一回転、三階建て、三丁目", "いっかいてん、さんがいだて、さんちょうめ"),
        ("二人称、二人前、二人組", "ににんしょう、ににんまえ、ふたりぐみ"),
        ("四つ、六つ、八つ、四つ角", "よっつ、むっつ、やっつ、よつかど"),
    ],
)
def test_counters_behind_kanji(text: str, expected: str) -> None:
    assert spell(text, "hiragana").text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10月3日", "10がつ3か"),
        ("4分、3分野、300本、1000本", "4ぷん、3ぶんや、300ぽん、1000ぼん"),
        ("２本、３本", "２ほん、３ぼん"),
        ("1,234本", "1,234ほん"),
        ("1,000本", "1,000ぼん"),
        ("1,002人", "1,002にん"),
        ("1,020日", "1,020にち"),
        ("3.5本", "3.5ほん"),
        ("20分", "20ぷん"),
        ("9人", "9にん"),
    ],
)
def test_figures_stay_and_their_counter_has_its_sound(text: str, expected: str) -> None:
    assert spell(text, "hiragana").text == expected


@given(st.text("〇零一二三四五六七八九十百千万億兆", max_size=40))
def test_any_row_of_digits_is_a_number_or_none(number: str) -> None:
    found = numerals.parse_number(number)
    assert (numerals.read_number(number) is None) or found is not None


@given(st.integers(0, 10**16), st.sampled_from(sorted(numerals.COUNTERS)))
def test_every_number_is_said_with_every_counter(number: int, counter: str) -> None:
    spoken = numerals.with_counter(number, counter)
    assert (spoken is None) == (number >= 10**16)
    assert spoken is None or spoken[0]
    assert numerals.counter_reading(counter) in numerals.readings_of(counter)
