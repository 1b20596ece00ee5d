"""What a page and an engine in another process send each other, as JSON.

The types say what is accepted: each value is checked against them, and nothing else is made of it. A float has all its digits (or
is NaN, Infinity), an array is its little-endian bytes in base64. Both sides bound the size of what they read.
"""

import base64
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from inspect import signature
from typing import Annotated, Any, Literal, get_type_hints

import numpy as np
from pydantic import PlainValidator, TypeAdapter, ValidationError

from neoxjp.engine import Finish, Stats, Step
from neoxjp.errors import (
    ConfigError,
    EngineAway,
    NeoxjpError,
    NotReady,
    ParameterError,
    PromptTooLong,
    QueueFull,
    ShuttingDown,
    VocabularyError,
)
from neoxjp.labs.common.fingerprints import Setup
from neoxjp.page_parts.session.model_facts import ModelFacts
from neoxjp.sampling import SamplingParams

VERSION = 2  # of everything in this file
MODEL_HEADER = "x-neoxjp-model"  # the token of the model that a page asks; another one answers 409
LONGEST = 1_000  # characters of an error's sentence


class OtherModel(NeoxjpError, RuntimeError):
    """The engine has another model than the page."""


@dataclass(frozen=True)
class Card:
    """The model of an engine, and how much the engine lets a page ask for."""

    version: int
    token: str  # differs where a text would differ, and stays when the engine is started again
    facts: ModelFacts
    setup: Setup
    positions_are_identical: bool
    device: str
    running: int  # texts at once
    waiting: int  # texts that may wait
    new_tokens: int | None  # of one text


@dataclass(frozen=True)
class Status:
    """The engine at this moment."""

    token: str
    draining: bool
    free_bytes: int  # of memory


@dataclass(frozen=True)
class VocabularyFiles:
    """The files of the model's vocabulary."""

    vocab: str
    emoji: str


@dataclass(frozen=True)
class Prompt:
    """A text to generate, as `Engine.submit` takes it."""

    ids: tuple[int, ...]
    params: SamplingParams
    top: int
    overflow: Literal["error", "truncate"]
    drawn: int
    store_logits: bool  # for `stored_logits`


@dataclass(frozen=True)
class Accepted:
    """What is known of a request at its start."""

    seed: int
    truncated_tokens: int


@dataclass(frozen=True)
class News:
    """What has changed since the last line of a request."""

    steps: tuple[Step, ...]
    position: int
    prefilled: int
    finish: Finish | None
    stats: Stats


@dataclass(frozen=True)
class Problem:
    """An error for the visitor of a page."""

    kind: str
    message: str
    ja: str
    seconds: int = 0

    @classmethod
    def of(cls, error: NeoxjpError) -> "Problem":
        kind = next((name for name, known in KINDS.items() if isinstance(error, known)), "NeoxjpError")
        seconds = error.seconds if isinstance(error, QueueFull) else 0
        return cls(kind, error.plain[:LONGEST], error.ja[:LONGEST], seconds)

    @property
    def error(self) -> NeoxjpError:
        message, ja = self.message[:LONGEST], self.ja[:LONGEST]
        if self.kind == "QueueFull":
            return QueueFull(message, ja, max(1, min(self.seconds, 3600)))
        return KINDS.get(self.kind, NeoxjpError)(message, ja)


KINDS: dict[str, type[NeoxjpError]] = {
    kind.__name__: kind
    for kind in (
        PromptTooLong,
        QueueFull,
        ShuttingDown,
        NotReady,
        OtherModel,
        EngineAway,
        VocabularyError,
        ConfigError,
        ParameterError,
    )
}


@dataclass(frozen=True)
class Line:
    """One line of a stream: one of these."""

    accepted: Accepted | None = None
    news: News | None = None
    problem: Problem | None = None


# ---- to bytes and back


def encode(value: Any) -> bytes:
    """A record as JSON."""
    return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def decode(data: bytes, kind: Any) -> Any:
    """The record of this type in the JSON. Raises ValidationError."""
    return _adapter(kind).validate_json(data)


def arguments_of(function: Callable[..., Any]) -> Any:
    """The type of a call's arguments after the first one, as a tuple."""
    hints = get_type_hints(function, include_extras=True)
    return tuple[tuple(hints[name] for name in list(signature(function).parameters)[1:])]  # type: ignore[misc]


def result_of(function: Callable[..., Any]) -> Any:
    """The type of a call's result."""
    return get_type_hints(function, include_extras=True)["return"]


def reason(error: ValidationError) -> str:
    """What is wrong, without the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))[:100]}: {first['msg'][:300]}"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = np.ascontiguousarray(value, dtype="<f4")
        return {"shape": data.shape, "data": base64.b64encode(data.tobytes()).decode()}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} is no record")


def _array(given: Any) -> np.ndarray:
    """A float32 array. Raises ValueError: it is none, it is too large, or its shape is another one."""
    shape, data = (given.get("shape"), given.get("data")) if isinstance(given, dict) else (None, None)
    if not isinstance(data, str) or not isinstance(shape, list) or len(shape) > 2:
        raise ValueError("this is no array")
    if not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise ValueError("this is no shape of an array")
    values = np.frombuffer(base64.b64decode(data, validate=True), "<f4")
    if len(values) != math.prod(shape):
        raise ValueError("the shape is not that of the array")
    return values.reshape(shape).astype(np.float32)  # a copy that can be written


Array = Annotated[np.ndarray, PlainValidator(_array)]
"""A float32 array that is sent."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
