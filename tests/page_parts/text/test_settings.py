"""The controls of the Generate tab, as numbers that the engine takes."""

from itertools import pairwise

import pytest

from neoxjp.errors import ParameterError
from neoxjp.page_parts.strings import STRINGS, words
from neoxjp.page_parts.text.settings import PRESETS, Settings, preset, start_value
from neoxjp.sampling import OPTIONS, SamplingParams, filter_options
from neoxjp.ui import generate

EN = words("en")


def test_emptied_controls_have_their_defaults():
    emptied = Settings.of((None,) * (len(OPTIONS) + 1))
    assert emptied.params(100) == Settings().params(100)
    assert {option.name: emptied[option.name] for option in OPTIONS} == {option.name: start_value(option) for option in OPTIONS}
    assert Settings.of((0.5, *[None] * len(OPTIONS)))["temperature"] == 0.5


def test_what_is_not_set_has_its_recommended_value():
    recommended = {option.name: option.recommended for option in OPTIONS}
    assert Settings().params(100) == SamplingParams(do_sample=True, **recommended)


@pytest.mark.parametrize("stop", ["あ\n" * 33, "あ" * 201])
def test_stop_strings_are_few_and_short(stop):
    with pytest.raises(ParameterError, match="at most 32 stop strings of up to 200 characters") as caught:
        Settings().change(stop=stop).params(10)
    assert "停止文字列は 32 個まで" in caught.value.ja


def test_stop_strings_are_lines_and_may_hold_newlines():
    assert Settings().change(stop="。」\n\n\\n\\n").params(10).stop == ("。」", "\n\n")


def test_the_minimum_length_never_passes_the_length():
    assert Settings.set(min_new_tokens=50).params(10).min_new_tokens == 10


def test_temperature_zero_is_greedy():
    assert Settings.set(temperature=0).params(10).greedy


def test_a_seed_that_is_no_number_is_named():
    with pytest.raises(ParameterError, match="'abc' is not a whole number"):
        Settings.set(seed="abc").params(10)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_within_the_controls(name):
    values = preset(name)
    Settings().change(**values).params(10)
    for option in filter_options():
        low, high, _ = option.slider
        assert low <= values[option.name] <= high


def test_the_presets_go_from_the_likeliest_token_to_a_free_draw():
    assert list(PRESETS) == ["normal", "careful", "lively", "wild", "greedy"]
    heat = {name: preset(name) for name in PRESETS}
    rising = [heat[name] for name in ("greedy", "careful", "normal", "lively", "wild")]
    assert all(low["temperature"] < high["temperature"] for low, high in pairwise(rising))
    assert all(low["top_p"] <= high["top_p"] for low, high in pairwise(rising[1:]))
    assert heat["wild"]["top_p"] == 1  # nothing is cut away


def test_every_example_has_its_name():
    for name in generate.examples():
        assert f"generate_ex_{name}" in STRINGS
