"""How to choose tokens: the options of sampling, checked once, all problems named together."""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from neoxjp.errors import ParameterError


@dataclass(frozen=True)
class SamplingParams:
    """How to choose tokens. The defaults are those of transformers' `generate`.

    >>> SamplingParams(do_sample=True, temperature=0.9, top_p=0.95, seed=7, stop=("。",))

    Raises ParameterError, naming every field that is out of its range. `stop` may be one string, `eos_token_id` one id.
    """

    do_sample: bool = False  # False: always the most probable token; every field from temperature to typical_p is then unused
    temperature: float = 1.0  # logits are divided by it; 0 means greedy
    top_k: int = 50  # keep the k most probable (and what ties with the last of them); 0 = off
    top_p: float = 1.0  # keep the smallest set of most probable tokens whose mass reaches p; 1 = off
    min_p: float = 0.0  # drop tokens below min_p times the largest probability; 0 = off
    typical_p: float = 1.0  # keep the tokens whose surprise is nearest the entropy, up to this mass (arXiv 2202.00666); 1 = off
    repetition_penalty: float = 1.0  # of ids in prompt and text: positive logits are divided by it, negative multiplied; 1 = off
    no_repeat_ngram_size: int = 0  # no run of n ids comes twice, prompt included; 0 = off
    seed: int | None = None  # None: a fresh one for each request (Request.seed says which)
    max_new_tokens: int | None = None  # None: until the context is full
    min_new_tokens: int = 0  # the end token cannot be drawn before
    stop: tuple[str, ...] = ()  # the text ends before the first of these
    deadline_s: float | None = None  # seconds after submit, waiting included
    eos_token_id: int | tuple[int, ...] | None = None  # None: the model's own; (): nothing ends the text

    def __post_init__(self) -> None:
        problems: list[tuple[str, str]] = []

        def check(name: str, convert: Callable[[Any], Any], good: Callable[[Any], bool], wanted: str, ja: str) -> None:
            given = getattr(self, name)
            try:
                value = convert(given)
                fits = good(value)
            except (TypeError, ValueError, OverflowError):
                fits = False
            if fits:
                object.__setattr__(self, name, value)
            else:
                problems.append((f"{name}={given!r} must be {wanted}", f"{name}={given!r} は{ja}にしてください"))

        check("do_sample", _boolean, lambda v: True, "True or False", "True か False ")
        check("temperature", _number, lambda v: v >= 0, "a number from 0 (greedy) upwards", "0（貪欲法）以上の数")
        check("top_k", _integer, lambda v: v >= 0, "a whole number from 0 (off) upwards", "0（なし）以上の整数")
        check("top_p", _number, lambda v: 0 <= v <= 1, "a number from 0 to 1 (off)", "0 から 1（なし）までの数")
        check("min_p", _number, lambda v: 0 <= v <= 1, "a number from 0 (off) to 1", "0（なし）から 1 までの数")
        check("typical_p", _number, lambda v: 0 < v <= 1, "a number above 0 and up to 1 (off)", "0 より大きく 1（なし）以下の数")
        check("repetition_penalty", _number, lambda v: v > 0, "a number above 0 (1 is off)", "0 より大きい数（1 はなし）")
        check("no_repeat_ngram_size", _integer, lambda v: v >= 0, "a whole number from 0 (off) upwards", "0（なし）以上の整数")
        check("min_new_tokens", _integer, lambda v: v >= 0, "a whole number from 0 upwards", "0 以上の整数")
        check("stop", _strings, lambda v: all(v), "strings of at least one character", "1 文字以上の文字列")
        if self.seed is not None:
            check(
                "seed",
                _integer,
                lambda v: 0 <= v < 2**63,
                "a whole number from 0 to 2**63 - 1, or None",
                "0 以上 2**63 未満の整数",
            )
        if self.max_new_tokens is not None:
            check("max_new_tokens", _integer, lambda v: v >= 1, "a whole number from 1 upwards, or None", "1 以上の整数")
        if self.deadline_s is not None:
            check("deadline_s", _number, lambda v: v > 0, "a number of seconds above 0, or None", "0 より大きい秒数")
        if self.eos_token_id is not None:
            check("eos_token_id", _ids, lambda v: all(i >= 0 for i in v), "an id or several, or None", "ID")
        if not problems and self.max_new_tokens is not None and self.min_new_tokens > self.max_new_tokens:
            limits = f"min_new_tokens={self.min_new_tokens} must be at most max_new_tokens={self.max_new_tokens}"
            problems.append(
                (limits, f"min_new_tokens={self.min_new_tokens} は max_new_tokens={self.max_new_tokens} 以下にしてください")
            )
        if problems:
            raise ParameterError("; ".join(p[0] for p in problems), ja="。".join(p[1] for p in problems))

    @property
    def greedy(self) -> bool:
        """Whether the most probable token is taken and no random number is used."""
        return not self.do_sample or self.temperature == 0


def _boolean(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _number(value: Any) -> float:
    if isinstance(value, (bool, str)) or not math.isfinite(float(value)):
        raise TypeError
    return float(value)


def _strings(value: Any) -> tuple[str, ...]:
    strings = (value,) if isinstance(value, str) else tuple(value)
    if not all(isinstance(s, str) for s in strings):
        raise TypeError
    return strings


def _ids(value: Any) -> tuple[int, ...]:
    return tuple(_integer(i) for i in value) if isinstance(value, (tuple, list)) else (_integer(value),)
