"""What a box shows for characters that cannot be seen."""

import pytest

from neoxjp.labs.common.glyphs import glyphs, sign_of, unseen


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        (" \n", "␣⏎"),
        ("\u00a0", "U+00A0"),
        ("\u2003", "U+2003"),
        ("\u3164", "U+3164"),
        ("\u2800", "U+2800"),
        ("\U000e0100", "U+E0100"),
        ("\ufe0f", "U+FE0F"),
        ("あ", ""),
        ("あ\u00a0", ""),
    ],
)
def test_what_cannot_be_seen_has_a_sign(text: str, sign: str) -> None:
    assert sign_of(text) == sign


def test_a_selector_behind_a_character_stays_with_it() -> None:
    assert list(glyphs("葛\U000e0100")) == [("葛", False), ("\U000e0100", False)]
    assert list(glyphs("☺\ufe0f"))[1] == ("\ufe0f", False)


def test_everyday_blanks_are_not_unusual() -> None:
    assert not unseen(" ")
    assert not unseen("\u3000")
