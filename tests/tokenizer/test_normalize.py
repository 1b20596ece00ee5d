"""Scripts, replacements that remember their source, and do_clean_text against the regular expressions of transformers."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.tokenizer import AlignedText, EmojiTable, findable_emoji, normalize_text, script_of
from neoxjp.tokenizer.normalize import SCRIPTS, clean_text
from tests.support.texts import texts, words

SMALL = st.text("ab<", max_size=12)


@pytest.mark.parametrize(
    ("script", "characters"),
    [
        ("hiragana", "あんゔゝ\u3099"),
        ("katakana", "アヴーｱﾞヶㇷ"),
        ("kanji", "慶應々〇〆𩸽﨑"),
        ("latin", "aZéＡß"),
        ("digit", "1１①٣"),
        ("symbol", "。・、「×♪─￥＋"),
        ("emoji", "😀👋🏻🇯⚽\ufe0f"),
        ("space", " \u3000\n\t\u00a0"),
        ("other", "한\x00α\ud800\ue000\u0301"),
    ],
)
def test_each_character_has_the_script_a_reader_would_say(script, characters):
    assert {character: script_of(character) for character in characters} == dict.fromkeys(characters, script)


@given(st.characters())
def test_every_character_has_one_of_the_scripts(character):
    assert script_of(character) in SCRIPTS


@given(SMALL, st.text("ab<", max_size=2), st.text("abc", max_size=3))
def test_replace_gives_the_text_of_str_replace(text, old, new):
    aligned = AlignedText(text).replace(old, new)
    assert aligned.text == text.replace(old, new)
    assert_aligned(aligned, text)


@given(
    SMALL,
    st.sampled_from([r"a+", r"(a)(b)?", r"a*", r"b|(?=a)", r"$", r"(<)a"]),
    st.sampled_from(["", "x", r"[\1]", r"\g<0>\g<0>"]),
)
def test_sub_gives_the_text_of_re_sub(text, pattern, new):
    if r"\1" in new and "(a)" not in pattern and "(<)" not in pattern:
        new = "-"
    aligned = AlignedText(text).sub(pattern, new)
    assert aligned.text == re.sub(pattern, new, text)
    assert_aligned(aligned, text)


@given(SMALL, st.lists(st.tuples(st.text("ab<", min_size=1, max_size=2), st.text("ab<", max_size=3)), max_size=4))
def test_replacements_of_replacements_keep_their_source(text, pairs):
    aligned, expected = AlignedText(text), text
    for old, new in pairs:
        aligned, expected = aligned.replace(old, new), expected.replace(old, new)
    assert aligned.text == expected
    assert_aligned(aligned, text)


def assert_aligned(aligned, text):
    assert len(aligned.source) == len(aligned.text)
    assert all(0 <= start <= end <= len(text) for start, end in aligned.source)
    assert all(a <= c and b <= d for (a, b), (c, d) in zip(aligned.source, aligned.source[1:], strict=False))


def test_a_character_that_was_not_replaced_stands_for_itself():
    aligned = AlignedText("x a\r\nb").replace(" ", "<SP>").replace("\r\n", "<BR>")
    assert [aligned.source[aligned.text.index(c)] for c in "xab"] == [(0, 1), (2, 3), (5, 6)]
    assert aligned.source[aligned.text.index("<BR>")] == (3, 5)


def test_a_part_of_a_text_counts_from_the_beginning_of_the_whole():
    assert AlignedText("abcd", 1, 3).replace("b", "xy").source == [(1, 2), (1, 2), (2, 3)]


def test_emoji_are_replaced_in_the_order_of_the_file():
    assert EmojiTable({"👋": "<w>", "👋🏻": "<never>"}).replace("👋🏻👋") == "<w>🏻<w>"
    assert EmojiTable({"👋🏻": "<both>", "👋": "<w>"}).replace("👋🏻👋") == "<both><w>"


def test_emoji_with_blanks_are_left_out_because_blanks_are_replaced_before():
    assert findable_emoji({"(^ _ ^)": "<a>", "(^_^)": "<a>", "—": "<b>"}) == {"(^_^)": "<a>"}
    assert findable_emoji({"(^ _ ^)": "<a >"}) == {"(^ _ ^)": "<a >"}  # not where a tag brings blanks back


def test_an_emoji_may_be_completed_by_the_tag_of_an_earlier_one():
    assert EmojiTable({"👋": "<w>", "w>!": "<later>"}).replace("👋 👋!") == "<w> <<later>"


@given(
    st.text("ab!", max_size=8),
    st.dictionaries(st.text("ab!<", min_size=1, max_size=3), st.text("<>", min_size=1, max_size=2), max_size=6),
)
def test_one_pass_gives_the_same_as_replacing_one_after_the_other(text, tags):
    expected = text
    for key, tag in tags.items():
        expected = expected.replace(key, tag)
    assert EmojiTable(tags).replace(text) == expected
    aligned = EmojiTable(tags).replace(AlignedText(text))
    assert aligned.text == expected
    assert_aligned(aligned, text)


@given(texts())
def test_normalising_is_the_same_with_and_without_sources(text):
    table = EmojiTable({"👋": "<|emoji2|>", "👋🏻": "<|emoji2|>", "(^_^)": "<|emoji1|>"})
    assert normalize_text(AlignedText(text), table).text == normalize_text(text, table)


# --- do_clean_text

DATA = "0123456789,億万千円年月日時分/-@.ab:()１２<>" + "㈰㍻\u32ff─▀"
DATA_PIECES = words("2012/ 1999年 12月 31日 2020- 1,234 千円 千万円 ドル ユーロ (税込) +tax (日) 10時 昭和 令和")
DATA_PIECES += words("http:// ftp://x https a@b.com x.y+z@ 03- (090) <BLOCK> <SP>")


@pytest.fixture(scope="module")
def reference_clean():
    """transformers' own clean_text."""
    from transformers.models.gpt_neox_japanese.tokenization_gpt_neox_japanese import SubWordJapaneseTokenizer

    return SubWordJapaneseTokenizer(vocab={"a": 0}, ids_to_tokens={0: ["a"]}, emoji={}).clean_text


@settings(max_examples=800)
@given(st.lists(st.one_of(st.sampled_from(DATA), st.sampled_from(DATA_PIECES)), max_size=14).map("".join))
def test_cleaning_gives_the_text_of_transformers(reference_clean, text):
    aligned = clean_text(AlignedText(text))
    assert aligned.text == reference_clean(text)
    assert_aligned(aligned, text)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("http://example.jp/~a?b=c を見る", "<URL> を見る"),
        ("連絡はabc.d@example.co.jpへ", "連絡は<EMAIL>へ"),
        ("電話 03-1234-5678 まで", "電話 <TEL> まで"),
        ("2020年12月31日(木)と令和2年1月1日", "<DATE>と令和2年<DATE>"),
        ("1,234円(税込)", "<PRICE>"),
        ("─━│▀▁", "<BLOCK>"),
    ],
)
def test_cleaning_writes_tags(reference_clean, text, cleaned):
    assert clean_text(AlignedText(text)).text == cleaned == reference_clean(text)


HOSTILE = words("億 億万千 1,234 1,23万 2012/ 2000年 2012/2 1/ 12 a a@ a. http: 昭和 (1 <BLOCK> ─")


@pytest.mark.parametrize("part", HOSTILE)
def test_cleaning_is_linear_on_hostile_texts(part):
    # What is quadratic in the 200,000 characters would take from ten minutes to hours here.
    text = part * (200_000 // len(part))
    cleaned = clean_text(AlignedText(text))
    assert cleaned.span(0, len(cleaned.text)) == (0, len(text))


@pytest.mark.parametrize("part", HOSTILE)
def test_cleaning_hostile_texts_gives_what_transformers_gives(reference_clean, part):
    text = part * (300 // len(part))
    assert clean_text(AlignedText(text)).text == reference_clean(text)
