"""Old and new forms of kanji: the way there, the way back, and what cannot be known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.japanese import Unsure, kanji_pairs, unstable, unsure
from neoxjp.japanese.kanji_forms import new, old
from neoxjp.japanese.readings import spell


@pytest.mark.parametrize(
    ("modern", "former"), [("国語", "國語"), ("学会", "學會"), ("旧体験", "舊體驗"), ("慶応", "慶應"), ("沢辺", "澤邊")]
)
def test_there_and_back(modern: str, former: str) -> None:
    assert old(modern) == former
    assert new(former) == modern
    assert unsure(former, modern, "new_kanji") == ()


@pytest.mark.parametrize(("modern", "former"), [("弁護", "辯護"), ("弁当", "辨當"), ("花弁", "花瓣")])
def test_ben_is_known_by_its_word(modern: str, former: str) -> None:
    assert old(modern) == former
    assert new(former) == modern


def test_ben_alone_stays_and_is_said_to_be_unsure() -> None:
    assert old("弁") == "弁"
    assert unsure("弁", "弁", "old_kanji") == (Unsure("弁", "弁", "辨瓣辯"),)


def test_what_became_one_cannot_be_told_apart_again() -> None:
    assert unsure("辯護", "弁護", "new_kanji") == (Unsure("辯", "弁", "辨瓣"),)


def test_a_new_form_that_was_a_word_of_its_own_is_a_guess() -> None:
    assert old("余分") == "餘分"
    assert unsure("余分", "餘分", "old_kanji") == (Unsure("余", "餘", "余"),)


def test_the_pronoun_yo_stays() -> None:
    assert spell("余は猫である", "old_kanji").text == "余は猫である"


def test_a_basket_keeps_its_official_form() -> None:
    assert new("灯籠") == "灯籠"


def test_compatibility_characters_are_named() -> None:
    assert old("海") == "\ufa45"
    assert unstable("\ufa45國\ufa45") == "\ufa45"
    assert new("\ufa45") == "海"


def test_the_pairs_are_those_of_kyujipy() -> None:
    from kyujipy import BasicConverter

    theirs = BasicConverter()
    assert {old: new for old, new, _ in kanji_pairs()} == theirs.kyujitai_to_shinjitai_database
    assert {new: old for old, new, both_ways in kanji_pairs() if both_ways} == theirs.shinjitai_to_kyujitai_database


@given(st.text(max_size=30) | st.text("国國学弁辯余海\ufa45あア\ud800", max_size=30))
def test_one_character_for_one_and_nothing_but_kanji(text: str) -> None:
    for convert in (old, new):
        written = convert(text)
        assert len(written) == len(text)
        assert all(a == b for a, b in zip(text, written, strict=True) if ord(a) < 0x3400)


@given(st.text("国學会旧体慶応沢辺発", max_size=20))
def test_new_forms_are_settled(text: str) -> None:
    assert new(new(text)) == new(text) == new(old(new(text)))
