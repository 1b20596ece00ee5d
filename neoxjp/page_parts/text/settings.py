"""What a visitor can set for a generation: what the controls of the sampling options hold, and how that becomes `SamplingParams`.

The options, their ranges and their words are the rows of `neoxjp.sampling.options`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.common.savefile import check_stops
from neoxjp.sampling import OPTIONS, Option, SamplingParams, error_of, named, problems


def start_value(option: Option) -> Any:
    """What the option's control shows at first: a slider's number, "" in a text field that may stay empty."""
    return option.recommended if option.slider else ""


@dataclass(frozen=True)
class Settings:
    """What the controls hold: numbers of sliders, texts of text fields. What is not set has its recommended value.

    >>> Settings.set(temperature=0, seed="7").params(20).greedy
    True
    """

    values: Mapping[str, Any] = field(default_factory=dict)  # by option name
    truncate: bool = False  # a text that is too long loses its beginning instead of being refused
    options: tuple[Option, ...] = OPTIONS

    @classmethod
    def set(cls, *, truncate: bool = False, **values: Any) -> "Settings":
        """With some values set by name."""
        return cls(values, truncate)

    @classmethod
    def of(cls, given: Sequence[Any], options: tuple[Option, ...] = OPTIONS) -> "Settings":
        """From the controls' values: one for each option, and `truncate`. An emptied control has its recommended value."""
        *values, truncate = given
        pairs = zip(options, values, strict=True)
        return cls({option.name: value for option, value in pairs if value is not None}, bool(truncate), options)

    def __getitem__(self, name: str) -> Any:
        """What the control of an option holds. Raises KeyError: there is no such option."""
        if name in self.values:
            return self.values[name]
        return start_value(named(self.options, name))

    def change(self, **values: Any) -> "Settings":
        """With other values for some options."""
        return replace(self, values={**self.values, **values})

    def params(self, new_tokens: int, seed: int | None = None) -> SamplingParams:
        """For the engine; `seed` instead of the one that is set.

        Raises:
            ParameterError: a value out of its range, all of them named.
        """
        fixed: dict[str, Any] = {} if seed is None else {"seed": seed}
        own = {option.name: _value(option, self[option.name]) for option in self.options if option.name not in fixed}
        return params_of(own | fixed, new_tokens)


def _value(option: Option, held: Any) -> Any:
    """What a control holds, as SamplingParams takes it."""
    if option.kind == "strings":
        return stop_strings([line.replace("\\n", "\n") for line in held.splitlines() if line])
    return held if option.slider else seed_of(held)


def checked(sampling: Mapping[str, Any]) -> dict[str, Any]:
    """The sampling options of an API call, by name, as `SamplingParams` holds them.

    Raises:
        ParameterError: a value out of its range, all of them named.
    """
    values, wrong = problems(dict(sampling) | {"stop": stop_strings(sampling["stop"])})
    if wrong:
        raise error_of(wrong)
    return values


def params_of(values: Mapping[str, Any], new_tokens: int | None) -> SamplingParams:
    """Checked values as parameters for the engine. A minimum above `new_tokens` becomes `new_tokens`."""
    least = values["min_new_tokens"] if new_tokens is None else min(values["min_new_tokens"], new_tokens)
    return SamplingParams(do_sample=True, **dict(values) | {"max_new_tokens": new_tokens, "min_new_tokens": least})


def stop_strings(given: Any) -> tuple[str, ...]:
    """Stop strings, few and short enough.

    Raises:
        ParameterError: too many, too long, or not a list of strings.
    """
    if not isinstance(given, list | tuple) or not all(isinstance(string, str) for string in given):
        raise ParameterError(
            f"stop={str(given)!r:.40}: expected a list of strings", ja=f"stop={str(given)!r:.40} は文字列のリストではありません。"
        )
    check_stops(given)
    return tuple(given)


def seed_of(text: str) -> int | None:
    """ "42" and "４２" → 42; "" → None. Raises ParameterError for anything else."""
    try:
        return int(text.strip()) if text.strip() else None
    except ValueError:
        raise ParameterError(
            f"the seed {text!r:.40} is not a whole number: enter one, or leave it empty",
            ja=f"シード {text!r:.40} は整数ではありません。整数を入力するか、空欄にしてください。",
        ) from None


PRESETS: dict[str, dict[str, float]] = {
    "normal": {},
    "careful": {"temperature": 0.5, "top_p": 0.9, "repetition_penalty": 1.15},
    "lively": {"temperature": 0.9},
    "wild": {"temperature": 1.2, "top_p": 1.0, "repetition_penalty": 1.0},
    "greedy": {"temperature": 0.0},
}
"""What a preset changes; every other filter goes back to its recommended value. The other options stay as they are.

Chosen by reading 40 samples of 60 tokens of the bundled model each: none ran in a circle (`neoxjp bench repetition`). At
temperature 1.1 (top-p 0.98, penalty 1.05) the lively ones were no sentences any more, at 1.5 the wild ones hardly words. Greedy
text comes back to the same words; that is what it shows.
"""


def preset(name: str, options: Iterable[Option] = OPTIONS) -> dict[str, float]:
    """The value of each filter's control for a preset, by option name."""
    return {option.name: PRESETS[name].get(option.name, option.recommended) for option in options if option.stage}
