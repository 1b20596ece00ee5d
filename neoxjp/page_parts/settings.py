"""What a visitor can set for a generation: the fields, their ranges, their presets, and how they become `SamplingParams`.

One row of `CONTROLS` is one control on the page; its words are `g_<name>` and `g_<name>_help` in strings.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.sampling import SamplingParams
from neoxjp.sampling.options import error_of, problems


@dataclass(frozen=True)
class Control:
    """A number to set: the smallest and the largest value on the page, and its step."""

    name: str
    low: float
    high: float
    step: float


CONTROLS = (
    Control("temperature", 0, 2, 0.05),
    Control("top_p", 0.05, 1, 0.01),
    Control("length", 1, 512, 1),  # the largest follows the model's context
    Control("top_k", 0, 200, 1),
    Control("min_p", 0, 0.5, 0.01),
    Control("typical_p", 0.05, 1, 0.01),
    Control("repetition_penalty", 1, 2, 0.05),
    Control("no_repeat_ngram_size", 0, 10, 1),
    Control("min_new_tokens", 0, 512, 1),
)
MOST_STOPS, LONGEST_STOP = 32, 200  # stop strings of one generation, characters of each
IN_VIEW = ("temperature", "top_p", "length")


@dataclass(frozen=True)
class Settings:
    """The page's controls in the order of its inputs. Only `temperature` is special: 0 takes the likeliest token each time."""

    temperature: float = 0.7  # chosen by reading samples of the bundled model: its card says how
    top_p: float = 0.95
    length: int = 100  # new tokens
    top_k: int = 0  # 0: off
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.1
    no_repeat_ngram_size: int = 0
    min_new_tokens: int = 0
    seed: str = ""  # a whole number; empty: a fresh one each time
    stop: str = ""  # one string a line; \\n in it is a newline
    cut: bool = False  # a text that is too long loses its beginning instead of being refused

    @classmethod
    def of(cls, values: tuple[Any, ...]) -> "Settings":
        """From the controls' values; one that was emptied has its default."""
        given = {field.name: value for field, value in zip(fields(cls), values, strict=True) if value is not None}
        return cls(**given)

    def params(self, new_tokens: int, seed: int | None = None) -> SamplingParams:
        """For the engine; `seed` instead of the one that is set.

        Raises:
            ParameterError: a value out of its range, all of them named.
        """
        stop = stop_strings([line.replace("\\n", "\n") for line in self.stop.splitlines() if line])
        return SamplingParams(
            do_sample=True,
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            typical_p=self.typical_p,
            repetition_penalty=self.repetition_penalty,
            no_repeat_ngram_size=self.no_repeat_ngram_size,
            seed=seed_of(self.seed) if seed is None else seed,
            max_new_tokens=new_tokens,
            min_new_tokens=min(self.min_new_tokens, new_tokens),
            stop=stop,
        )


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
    """Stop strings, few and short enough: each is looked for at every token, while other visitors wait.

    Raises:
        ParameterError: too many, too long, or not a list of strings.
    """
    if not isinstance(given, list | tuple) or not all(isinstance(string, str) for string in given):
        raise ParameterError(f"stop={str(given)!r:.40}: expected a list of strings")
    if len(given) > MOST_STOPS or any(len(string) > LONGEST_STOP for string in given):
        raise ParameterError(
            f"at most {MOST_STOPS} stop strings of up to {LONGEST_STOP} characters can be used: leave some out",
            ja=f"止める文字列は {MOST_STOPS} 個まで、それぞれ {LONGEST_STOP} 文字までです。減らしてください。",
        )
    return tuple(given)


def seed_of(text: str) -> int | None:
    """ "42" and "４２" → 42; "" → None. Raises ParameterError for anything else."""
    try:
        return int(text.strip()) if text.strip() else None
    except ValueError:
        raise ParameterError(
            f"the seed {text!r:.40} is not a whole number: enter one, or leave it empty",
            ja=f"シード {text!r:.40} は整数ではありません。整数を入れるか、空にしてください。",
        ) from None


PRESETS: dict[str, dict[str, float]] = {
    "normal": {},
    "careful": {"temperature": 0.5, "top_p": 0.9, "repetition_penalty": 1.15},
    "lively": {"temperature": 0.9},
    "wild": {"temperature": 1.2, "top_p": 1.0, "repetition_penalty": 1.0},
    "greedy": {"temperature": 0.0},
}
"""What a preset changes; every other filter goes back to its default. Length, seed, stop strings and `cut` stay.

Chosen by reading 40 samples of 60 tokens of the bundled model each: none ran in a circle (`neoxjp bench repetition`). At
temperature 1.1 (top-p 0.98, penalty 1.05) the lively ones were no sentences any more, at 1.5 the wild ones hardly words. Greedy
text comes back to the same words; that is what it shows.
"""

PRESET_FIELDS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "typical_p",
    "repetition_penalty",
    "no_repeat_ngram_size",
    "min_new_tokens",
)


def preset(name: str) -> list[float]:
    """The values of `PRESET_FIELDS`."""
    defaults = Settings()
    return [PRESETS[name].get(field, getattr(defaults, field)) for field in PRESET_FIELDS]
