"""The controls of the Generate tab, as numbers that the engine takes."""

from dataclasses import replace
from itertools import pairwise

import pytest

from neoxjp.errors import ParameterError
from neoxjp.page_parts.settings import CONTROLS, PRESET_FIELDS, PRESETS, Settings, preset
from neoxjp.page_parts.strings import STRINGS, words
from neoxjp.ui import generate

EN = words("en")


def test_emptied_controls_have_their_defaults():
    names = list(Settings.__dataclass_fields__)
    assert Settings.of((None,) * len(names)) == Settings()
    assert Settings.of((0.5, *[None] * (len(names) - 1))).temperature == 0.5


@pytest.mark.parametrize("stop", ["あ\n" * 33, "あ" * 201])
def test_stop_strings_are_few_and_short(stop):
    with pytest.raises(ParameterError, match="at most 32 stop strings of up to 200 characters") as caught:
        replace(Settings(), stop=stop).params(10)
    assert "止める文字列は 32 個まで" in caught.value.ja


def test_stop_strings_are_lines_and_may_hold_newlines():
    assert replace(Settings(), stop="。」\n\n\\n\\n").params(10).stop == ("。」", "\n\n")


def test_the_minimum_length_never_passes_the_length():
    assert Settings(min_new_tokens=50).params(10).min_new_tokens == 10


def test_temperature_zero_is_greedy():
    assert Settings(temperature=0).params(10).greedy


def test_a_seed_that_is_no_number_is_named():
    with pytest.raises(ParameterError, match="'abc' is not a whole number"):
        Settings(seed="abc").params(10)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_within_the_controls(name):
    values = dict(zip(PRESET_FIELDS, preset(name), strict=True))
    replace(Settings(), **values).params(10)
    for control in CONTROLS:
        if control.name in values:
            assert control.low <= values[control.name] <= control.high


def test_the_presets_go_from_the_likeliest_token_to_a_free_draw():
    assert list(PRESETS) == ["normal", "careful", "lively", "wild", "greedy"]
    heat = {name: dict(zip(PRESET_FIELDS, preset(name), strict=True)) for name in PRESETS}
    rising = [heat[name] for name in ("greedy", "careful", "normal", "lively", "wild")]
    assert all(low["temperature"] < high["temperature"] for low, high in pairwise(rising))
    assert all(low["top_p"] <= high["top_p"] for low, high in pairwise(rising[1:]))
    assert heat["wild"]["top_p"] == 1  # nothing is cut away


def test_every_control_has_its_words():
    for control in CONTROLS:
        assert f"g_{control.name}" in STRINGS
        assert f"g_{control.name}_help" in STRINGS
    for name in generate.examples():
        assert f"g_ex_{name}" in STRINGS
