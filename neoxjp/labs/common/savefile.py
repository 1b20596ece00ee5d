"""JSON files that the lab saves and loads: format, version, and one error message for a damaged file.

A file to load may be anything: truncated, edited by hand, from another program. Who loads one checks every value and raises
ValueError, TypeError or KeyError for a wrong one; `wrap_errors` turns these into one ParameterError.
"""

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from neoxjp.errors import ParameterError
from neoxjp.sampling import SamplingParams

MOST_CONTAINERS = 30_000  # lists and objects
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)  # of JSON
MOST_STOPS, LONGEST_STOP = 32, 200  # stop strings of one generation, characters of each


def dumps(name: str, version: int, content: dict[str, Any]) -> str:
    """The text of a file: format, version and content. Lone surrogates are written as escapes."""
    return json.dumps({"format": name, "version": version} | content, ensure_ascii=True, allow_nan=False)


def parse_json(data: str | bytes) -> Any:
    """The value of JSON that came from somebody else.

    Raises ValueError: it is not JSON, or has more lists and objects than any file or link of ours. Each takes some hundred bytes
    of memory, and all of them are made in one step, during which nothing else runs.
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "surrogatepass")
    if _brackets(text) > MOST_CONTAINERS and _brackets(_STRING.sub("", text)) > MOST_CONTAINERS:
        raise ValueError(f"it has more than {MOST_CONTAINERS:,} lists and objects")
    return json.loads(text, parse_constant=_refuse)


def _brackets(text: str) -> int:
    return text.count("[") + text.count("{")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def loads(data: str | bytes, name: str, version: int, max_bytes: int) -> dict[str, Any]:
    """The object of a file, its format and version checked.

    Raises ParameterError: it is too large, not JSON, of another format or version.
    """
    if len(data) > max_bytes:
        raise ParameterError(
            f"the file has {len(data):,} bytes, more than the {max_bytes:,} that a {name} file may have",
            ja=f"ファイルが大きすぎます（{len(data):,} バイト。{max_bytes:,} バイトまで）。",
        )
    with wrap_errors(name):
        found = parse_json(data)
        if not isinstance(found, dict) or found.get("format") != name or type(found.get("version")) is not int:
            raise ValueError(f"it is not a {name} file")
    if found["version"] != version:
        raise ParameterError(
            f"the file is {name} version {found['version']}, but this program reads version {version}: use the one that wrote it",
            ja=f"ファイルのバージョンは {found['version']} ですが、読み込めるのはバージョン {version} です。",
        )
    return found


@contextmanager
def wrap_errors(name: str) -> Iterator[None]:
    """Turn the errors of wrong values into one ParameterError. A ParameterError passes unchanged."""
    try:
        yield
    except ParameterError:
        raise
    except KeyError as error:
        raise _damaged(name, f"{error.args[0]!r:.40} is missing") from None
    except (TypeError, ValueError, OverflowError, RecursionError, AttributeError) as error:
        raise _damaged(name, str(error) if type(error) is ValueError else "a value is of the wrong kind") from None


def _damaged(name: str, why: str) -> ParameterError:
    return ParameterError(
        f"this is not a {name} file, or it is damaged ({why:.80}): save it again, or choose another file",
        ja="ファイルが壊れているか、別の種類のものです。保存し直すか、別のファイルを選んでください。",
    )


def parse_int(value: Any, low: int, high: int, what: str) -> int:
    """An integer of [low, high]; ValueError for anything else."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{what} is not an integer from {low} to {high}")
    return value


def parse_ids(value: Any, vocab_size: int, most: int, what: str) -> tuple[int, ...]:
    """A list of ids of a vocabulary; ValueError for anything else."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"{what} is not a list of at most {most} ids")
    return tuple(parse_int(id, 0, vocab_size - 1, what) for id in value)


def parse_string(value: Any, most: int, what: str) -> str:
    """A string of at most this many characters; ValueError for anything else."""
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(f"{what} is not a string of at most {most} characters")
    return value


def parse_params(value: Any, kind: type[SamplingParams] = SamplingParams) -> SamplingParams:
    """All sampling settings. ValueError or TypeError for anything else, ParameterError for a value out of range."""
    names = {field.name for field in dataclasses.fields(kind)}
    if not isinstance(value, dict) or set(value) != names:
        raise ValueError("params are not the settings of a generation")
    params = kind(**value)
    check_stops(params.stop)
    return params


def check_stops(stop: Sequence[str]) -> None:
    """Raises ParameterError: too many stop strings, or too long ones. Each is looked for at every token."""
    if len(stop) > MOST_STOPS or any(len(string) > LONGEST_STOP for string in stop):
        raise ParameterError(
            f"at most {MOST_STOPS} stop strings of up to {LONGEST_STOP} characters can be used: leave some out",
            ja=f"停止文字列は {MOST_STOPS} 個まで、それぞれ {LONGEST_STOP} 文字までです。減らしてください。",
        )
