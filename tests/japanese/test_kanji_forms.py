"""Old and new forms of kanji: the way there, the way back, and what cannot be known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.japanese import UncertainKanji, find_kanji_changed_by_nfc, find_uncertain_kanji, kanji_pairs
from neoxjp.japanese.kanji_forms import to_new_forms, to_old_forms
from neoxjp.japanese.readings import spell


@pytest.mark.parametrize(
    ("modern", "former"), [("国語", "國語"), ("学会", "學會"), ("旧体験", "舊體驗"), ("慶応", "慶應"), ("沢辺", "澤邊")]
)
def test_there_and_back(modern: str, former: str) -> None:
    assert to_old_forms(modern) == former
    assert to_new_forms(former) == modern
    assert find_uncertain_kanji(former, modern, "new_kanji") == ()


@pytest.mark.parametrize(("modern", "former"), [("弁護", "辯護"), ("弁当", "辨當"), ("花弁", "花瓣")])
def test_ben_is_known_by_its_word(modern: str, former: str) -> None:
    assert to_old_forms(modern) == former
    assert to_new_forms(former) == modern


def test_ben_alone_stays_and_is_said_to_be_unsure() -> None:
    assert to_old_forms("弁") == "弁"
    assert find_uncertain_kanji("弁", "弁", "old_kanji") == (UncertainKanji("弁", "弁", "辨瓣辯"),)


def test_what_became_one_cannot_be_told_apart_again() -> None:
    assert find_uncertain_kanji("辯護", "弁護", "new_kanji") == (UncertainKanji("辯", "弁", "辨瓣"),)


def test_a_new_form_that_was_a_word_of_its_own_is_a_guess() -> None:
    assert to_old_forms("余分") == "餘分"
    assert find_uncertain_kanji("余分", "餘分", "old_kanji") == (UncertainKanji("余", "餘", "余"),)


def test_the_pronoun_yo_stays() -> None:
    assert spell("余は猫である", "old_kanji").text == "余は猫である"


def test_a_basket_keeps_its_official_form() -> None:
    assert to_new_forms("灯籠") == "灯籠"


def test_compatibility_characters_are_named() -> None:
    assert to_old_forms("海") == "\ufa45"
    assert find_kanji_changed_by_nfc("\ufa45國\ufa45") == "\ufa45"
    assert to_new_forms("\ufa45") == "海"


def test_the_pairs_are_those_of_kyujipy() -> None:
    from kyujipy import BasicConverter

    theirs = BasicConverter()
    assert {old: new for old, new, _ in kanji_pairs()} == theirs.kyujitai_to_shinjitai_database
    assert {new: old for old, new, both_ways in kanji_pairs() if both_ways} == theirs.shinjitai_to_kyujitai_database


@given(st.text(max_size=30) | st.text("国國学弁辯余海\ufa45あア\ud800", max_size=30))
def test_one_character_for_one_and_nothing_but_kanji(text: str) -> None:
    for convert in (to_old_forms, to_new_forms):
        written = convert(text)
        assert len(written) == len(text)
        assert all(a == b for a, b in zip(text, written, strict=True) if ord(a) < 0x3400)


@given(st.text("国學会旧体慶応沢辺発", max_size=20))
def test_new_forms_are_settled(text: str) -> None:
    assert to_new_forms(to_new_forms(text)) == to_new_forms(text) == to_new_forms(to_old_forms(to_new_forms(text)))
