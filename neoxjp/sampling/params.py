"""How to choose tokens: the options of sampling, checked once, all problems named together.

What each option means, its range and its defaults are in options.py.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from neoxjp.sampling.options import OPTIONS, error_of, named, problems, sentence


def _option(name: str) -> Any:
    return field(default=named(OPTIONS, name).neutral)


@dataclass(frozen=True)
class SamplingParams:
    """How to choose tokens. The defaults are those of transformers' `generate`.

    >>> SamplingParams(do_sample=True, temperature=0.9, top_p=0.95, seed=7, stop=("。",))

    Raises ParameterError, naming every field that is out of its range. `stop` may be one string, `eos_token_id` one id.
    """

    do_sample: bool = False  # False: always the most probable token; every field from temperature to typical_p is then unused
    temperature: float = _option("temperature")  # logits are divided by it; 0 means greedy
    top_k: int = _option("top_k")  # what ties with the last of the k most probable is kept, too
    top_p: float = _option("top_p")  # the smallest set of most probable tokens whose mass reaches p
    min_p: float = _option("min_p")
    typical_p: float = _option("typical_p")  # arXiv 2202.00666
    repetition_penalty: float = _option("repetition_penalty")  # positive logits are divided by it, negative ones multiplied
    no_repeat_ngram_size: int = _option("no_repeat_ngram_size")  # the prompt is included
    seed: int | None = _option("seed")  # None: a fresh one for each request (Request.seed says which)
    max_new_tokens: int | None = _option("max_new_tokens")  # None: until the context is full
    min_new_tokens: int = _option("min_new_tokens")  # the end token cannot be drawn before
    stop: tuple[str, ...] = _option("stop")  # the text ends before the first of these
    deadline_s: float | None = None  # seconds after submit, waiting included
    eos_token_id: int | tuple[int, ...] | None = None  # None: the model's own; (): nothing ends the text

    def __post_init__(self) -> None:
        accepted, wrong = problems(vars(self))
        for name, value in accepted.items():
            object.__setattr__(self, name, value)

        def check(name: str, convert: Callable[[Any], Any], ja: str, en: str) -> None:
            given = getattr(self, name)
            try:
                object.__setattr__(self, name, convert(given))
            except (TypeError, ValueError, OverflowError):
                wrong.append(sentence(name, given, (ja, en)))

        check("do_sample", _boolean, "True か False ", "True or False")
        if self.deadline_s is not None:
            check("deadline_s", _seconds, "0 より大きい秒数", "a number of seconds above 0, or None")
        if self.eos_token_id is not None:
            check("eos_token_id", _ids, "ID", "an id or several, or None")
        if not wrong and self.max_new_tokens is not None and self.min_new_tokens > self.max_new_tokens:
            limit = f"max_new_tokens={self.max_new_tokens}"
            wrong.append(sentence("min_new_tokens", self.min_new_tokens, (f"{limit} 以下", f"at most {limit}")))
        if wrong:
            raise error_of(wrong)

    @property
    def greedy(self) -> bool:
        """Whether the most probable token is taken and no random number is used."""
        return not self.do_sample or self.temperature == 0


def _boolean(value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError
    return bool(value)


def _seconds(value: Any) -> float:
    if isinstance(value, (bool, str)) or not 0 < float(value) < math.inf:
        raise ValueError
    return float(value)


def _ids(value: Any) -> tuple[int, ...]:
    ids = value if isinstance(value, (tuple, list)) else (value,)
    if any(isinstance(id, bool) or operator.index(id) < 0 for id in ids):
        raise ValueError
    return tuple(operator.index(id) for id in ids)
