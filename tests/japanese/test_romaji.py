"""Rōmaji as people write it: modified Hepburn, words apart, particles as they are said."""

import pytest

from neoxjp.japanese.readings import spell
from neoxjp.japanese.romaji import hepburn


def romaji(text: str, **overrides: str) -> str:
    return spell(text, "romaji", overrides).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("東京", "Tōkyō"),
        ("私は学校へ行く", "watashi wa gakkō e iku"),
        ("本を読む", "hon o yomu"),
        ("きってを買った", "kitte o katta"),
        ("まっちゃ", "matcha"),
        ("しんぶん", "shinbun"),
        ("禁煙", "kin'en"),
        ("ファイル", "fairu"),
        ("ヴァイオリン", "vaiorin"),
        ("ﾌｧｲﾙ", "fairu"),
        ("コーヒー", "kōhī"),
        ("時々", "tokidoki"),
        ("いすゞ", "isuzu"),
        ("三百人", "sanbyakunin"),
        ("3本", "3-bon"),
        ("2024年4月", "2024-nen 4-gatsu"),
        ("先生", "sensei"),
        ("お母さん", "okāsan"),
        ("大きい", "ōkii"),
        ("場合", "baai"),
        ("湖", "mizuumi"),
        ("井上", "Inoue"),
        ("田中さん", "Tanaka-san"),
        ("何をする", "nani o suru"),
        ("こんにちは", "konnichiwa"),
    ],
)
def test_words_in_hepburn(text: str, expected: str) -> None:
    assert romaji(text) == expected


def test_a_verbs_ending_is_no_long_vowel() -> None:
    assert romaji("行こうと思う。水を吸う") == "ikō to omou. mizu o suu"


def test_endings_stay_with_their_verb() -> None:
    assert romaji("食べました。食べている。行かなかった。飲んだ") == "tabemashita. tabete iru. ikanakatta. nonda"


def test_the_first_lines_of_a_novel() -> None:
    assert romaji("吾輩は猫である。名前はまだ無い。") == "wagahai wa neko de aru. namae wa mada nai."


def test_punctuation_becomes_that_of_latin_script() -> None:
    assert romaji("「猫」と（犬）、鳥。猿？") == "“neko” to (inu), tori. saru?"


@pytest.mark.parametrize("kept", ["GPT-4", "x = 1, y", "😀👨‍👩‍👧", "a\n\tb", "№…—"])
def test_what_is_no_japanese_stays(kept: str) -> None:
    assert romaji(kept) == kept
    assert kept in romaji(f"猫 {kept} 犬")


def test_letters_and_words_are_set_apart_once() -> None:
    assert romaji("AIの会議") == romaji("AI の会議") == "AI no kaigi"


def test_a_corrected_reading_is_written() -> None:
    assert romaji("日本", 日本="ニッポン") == "Nippon"


def test_unknown_kanji_stay() -> None:
    assert romaji("𩸽を") == "𩸽 o"


@pytest.mark.parametrize(
    ("kana", "expected"),
    [
        ("っ", "'"), ("あっ", "a'"), ("ざっし", "zasshi"), ("みっつ", "mittsu"), ("ー", "ー"), ("んー", "nー"),
        ("ほんや", "hon'ya"), ("ぢづ", "jizu"), ("しゃしゅしょ", "shashusho"), ("てぃ", "ti"), ("うぇぶ", "webu"),
        ("こゝろ", "kokoro"), ("ゔ", "vu"), ("", ""),
    ],
)  # fmt: skip
def test_kana_by_themselves(kana: str, expected: str) -> None:
    assert hepburn(kana) == expected
