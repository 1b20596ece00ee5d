"""The table of sampling options, and what is derived from it."""

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from neoxjp.errors import ParameterError
from neoxjp.sampling import OPTIONS, Option, SamplingParams, expand, filter_options, named, problems

NOT_SAMPLING = {"do_sample", "deadline_s", "eos_token_id"}
EXTRA = Option(
    "extra",
    "number",
    ("追加", "Extra"),
    ("追加の説明", "What the extra option does."),
    0.0,
    0.5,
    ("0 以上の数", "a number"),
    low=0,
)


def test_every_field_of_the_parameters_has_a_row_and_every_row_a_field():
    assert {field.name for field in dataclasses.fields(SamplingParams)} - NOT_SAMPLING == {option.name for option in OPTIONS}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_row_accepts_its_own_defaults_and_slider(option):
    values = [option.neutral, option.recommended, *(option.slider or ())[:2], *([option.off] if option.stage else [])]
    for value in values:
        option.accept(value)
    assert getattr(SamplingParams(), option.name) == option.neutral
    assert all((*option.label, *option.help, *option.range))


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.stage], ids=lambda option: option.name)
def test_off_is_a_value_with_which_no_stage_runs(option):
    torch = pytest.importorskip("torch")
    from neoxjp.sampling.filters import stages

    off = {each.name: each.off for each in OPTIONS if each.stage}
    names = [name for name, _, _ in stages(torch.tensor([1.0, 2.0, 3.0, 4.0]), SamplingParams(do_sample=True, **off), [1], ())]
    assert names == ["model"]


def test_filters_come_in_the_order_in_which_they_are_applied():
    assert [option.name for option in filter_options()] == [
        *("repetition_penalty", "no_repeat_ngram_size", "min_new_tokens"),
        *("temperature", "top_k", "top_p", "min_p", "typical_p"),
    ]


def test_all_problems_are_named_in_both_languages():
    accepted, wrong = problems({"top_p": 7, "top_k": 1.5, "temperature": 1})
    assert accepted == {"temperature": 1.0}
    assert wrong == [
        ("top_p=7 は、0 から 1（無効）までの数にしてください", "top_p=7 must be a number from 0 to 1 (off)"),
        ("top_k=1.5 は、0（無効）以上の整数にしてください", "top_k=1.5 must be a whole number from 0 (off) upwards"),
    ]
    with pytest.raises(ParameterError, match=r"top_p=7 .*; top_k=-1") as error:
        SamplingParams(top_p=7, top_k=-1)
    assert "top_k=-1 は" in error.value.ja


def example(prompt: str, top: int = 0, **sampling: Any) -> dict[str, Any]:
    """Return what it was given.

    Args:
        prompt: A text.
        top: A number.
        **sampling: The sampling options.

    Returns:
        All of it.
    """
    return {"prompt": prompt, "top": top} | sampling


def test_expanding_gives_one_parameter_for_each_row():
    expanded = expand(example, [*OPTIONS, EXTRA])
    names = [option.name for option in OPTIONS]
    parameters = inspect.signature(expanded).parameters
    assert list(parameters) == ["prompt", *names, "extra", "top"]
    assert parameters["extra"].default == 0.5
    assert parameters["seed"].annotation == int | None
    assert "    extra: What the extra option does.\n" in expanded.__doc__
    assert "**sampling" not in expanded.__doc__
    assert expanded("猫", 0.3, top=2) == {"prompt": "猫", "top": 2, "extra": 0.5} | {
        option.name: 0.3 if option.name == "temperature" else option.recommended for option in OPTIONS
    }


def test_expanding_a_generator_gives_a_generator():
    def counts(**sampling: Any) -> Iterator[int]:
        yield from sampling

    expanded = expand(counts, OPTIONS[:2])
    assert inspect.isgeneratorfunction(expanded)
    assert list(expanded()) == ["temperature", "top_p"]


def test_annotations_and_defaults_of_expanded_parameters_can_be_chosen():
    expanded = expand(example, annotation=lambda option: option.flag, default=lambda option: option.neutral)
    parameter = inspect.signature(expanded).parameters["top_k"]
    assert (parameter.annotation, parameter.default) == ("--top-k", 50)


def test_a_function_without_sampling_stays_as_it_is():
    assert expand(named) is named


def test_the_table_needs_no_heavy_library():
    code = "import neoxjp.sampling, sys; print(sorted({'torch', 'gradio'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
