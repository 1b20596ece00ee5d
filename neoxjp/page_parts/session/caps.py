"""The settings of a public page: one row is one option of `neoxjp app` and one row in docs/hosting.md."""

from dataclasses import dataclass, field, fields
from typing import Any

from neoxjp.errors import ParameterError


def _cap(default: int, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Caps:
    """What a public page allows. The first four are for all visitors together, or for one request."""

    running: int = _cap(0, "texts generated at once; 0: from the free memory, at most 8")
    waiting: int = _cap(0, "texts that may wait; 0: sixteen times as many as run")
    new_tokens: int = _cap(0, "new tokens of one text; 0: at most 512")
    characters: int = _cap(0, "characters of one text; 0: from the free memory, at most 200,000")
    running_each: int = _cap(2, "texts of one visitor that run while others wait; 0: no limit")
    waiting_each: int = _cap(2, "waiting texts of one visitor that keep their place in a full queue; 0: no limit")
    tokens_each: int = _cap(100_000, "prompt and new tokens of one visitor in a minute while others wait; 0: no limit")
    characters_each: int = _cap(5_000_000, "characters of one visitor in a minute; 0: no limit")
    file_bytes_each: int = _cap(200_000_000, "bytes of files of one visitor in a minute; 0: no limit")
    sessions: int = _cap(256, "open pages whose texts are kept in memory")
    sessions_mib: int = _cap(512, "MiB of memory for what open pages keep")

    def __post_init__(self) -> None:
        for each in fields(self):
            value, least = getattr(self, each.name), int(each.name.startswith("sessions"))
            if type(value) is not int or value < least:
                raise ParameterError(f"{flag(each.name)} {value!r} must be a whole number of at least {least}")

    @property
    def limits(self) -> dict[str, int]:
        """The limits that do not come from the free memory."""
        return {name: value for name in ("running", "waiting", "new_tokens", "characters") if (value := getattr(self, name))}


UNLIMITED = Caps(running_each=0, waiting_each=0, tokens_each=0, characters_each=0, file_bytes_each=0)
"""For a page that only its owner opens."""


def flag(name: str) -> str:
    """The option of `neoxjp app` for a field of `Caps`: "running_each" → "--running-each"."""
    return "--" + name.replace("_", "-")
