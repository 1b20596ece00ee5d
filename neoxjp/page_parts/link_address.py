"""The query string of a shared link, `?lab=1…` or `?gen=1…`: what it contains and how it is encoded. No Gradio here.

Format: a version digit, base64url of raw deflate of compact JSON, six hex digits of a CRC. Japanese written directly would take
nine characters a letter after percent-encoding, and programs that detect links in a text stop at 「。」. Line breaks and blanks
that mail programs insert are dropped, as is punctuation after the link. A link is untrusted input: it is inflated up to a limit,
parsed as JSON, checked for types, and never evaluated.

A generated text may have ids that encoding it again would not give. For it a link has its runs, one for each author: a number of
characters, the author, and the ids as a list only where encoding these characters gives others. Deflated, such a list takes two
bytes an id (100 ids of prose: 215 as JSON, 235 as varints in base64), but few texts need one. A link to 100 tokens that the
model wrote has about 450 characters, with ids 750.

>>> read(write(View("慶應", "why"))).text
'慶應'
"""

import json
import os
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any, Literal

from neoxjp.labs.branches.records import AUTHORS, Author
from neoxjp.labs.common.savefile import parse_json

Tab = Literal["tokenize", "generate"]
NAMES: dict[Tab, str] = {"tokenize": "lab", "generate": "gen"}
"""The name of each tab's parameter in the query string."""

VERSION = "1"
LONGEST = 4_096  # characters of a whole link: what servers, proxies and chat programs accept
ADDRESS = 96  # of these, characters reserved for the page's own address
INFLATED = 1 << 20  # bytes; a link of 4 kB could inflate to 4 MB
MOST_RUNS = 1_000
SPARE_IDS = 64  # that have no text, such as the end-of-text token; a character has at most four


class DamagedLink(ValueError):
    """The link is truncated, altered, from another version, or not a link of this page."""


@dataclass(frozen=True)
class LinkedRun:
    """What one author wrote of a text."""

    characters: int  # how many
    author: Author
    ids: tuple[int, ...] | None = None  # None: those that encoding the characters gives


@dataclass(frozen=True)
class View:
    """The state of a tab that a link restores."""

    text: str  # the visitor's text, with what the model wrote
    section: str  # key of the lab's open section
    choices: dict[str, dict[str, Any]] = field(default_factory=dict)  # section → short name → JSON value
    runs: tuple[LinkedRun, ...] = ()  # of the text, the first one is the prompt; (): all of it is to be encoded
    vocabulary: str = ""  # the first digits of the fingerprint of that which the runs belong to
    selected: int | None = None  # place of the selected token's first id


def write(view: View) -> str:
    """The view as the parameter's value."""
    content: dict[str, Any] = {"t": view.text, "s": view.section}
    if view.runs:
        content["r"] = [[run.characters, AUTHORS.index(run.author), *([] if run.ids is None else [run.ids])] for run in view.runs]
        content["v"] = view.vocabulary
    if view.selected is not None:
        content["a"] = view.selected
    if view.choices:
        content["c"] = view.choices
    return pack(content)


def pack(content: dict[str, Any]) -> str:
    """A JSON object as a parameter's value."""
    # surrogatepass: a lone surrogate, which some programs paste, is kept
    plain = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "surrogatepass")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(plain) + deflate.flush()
    return f"{VERSION}{urlsafe_b64encode(packed).decode().rstrip('=')}{_check(packed)}"


def query(view: View, tab: Tab = "tokenize") -> str:
    """The query string: "?lab=1q1YqU7JSslJ…"."""
    return f"?{NAMES[tab]}={write(view)}"


def read(value: str) -> View:
    """The view in a parameter's value. The caller checks the names and types within `choices`.

    Raises:
        DamagedLink: `write` did not make the value.
    """
    content = unpack(value)
    text, section, choices = content.get("t"), content.get("s"), content.get("c", {})
    if not isinstance(text, str) or not isinstance(section, str) or not isinstance(choices, dict):
        raise DamagedLink
    vocabulary, selected = content.get("v", ""), content.get("a")
    if not isinstance(vocabulary, str) or not (selected is None or _count(selected)):
        raise DamagedLink
    choices = {name: chosen for name, chosen in choices.items() if isinstance(chosen, dict)}
    return View(text, section, choices, _runs(content.get("r", []), text), vocabulary, selected)


def _runs(given: Any, text: str) -> tuple[LinkedRun, ...]:
    """The runs of a link: together they are the text. Raises DamagedLink."""
    if not isinstance(given, list) or len(given) > MOST_RUNS:
        raise DamagedLink
    found = []
    for each in given:
        match each:
            case [characters, author, *ids] if _count(characters) and _count(author) and author < len(AUTHORS) and len(ids) <= 1:
                if ids and not (isinstance(ids[0], list) and all(map(_count, ids[0]))):
                    raise DamagedLink
                found.append(LinkedRun(characters, AUTHORS[author], tuple(ids[0]) if ids else None))
            case _:
                raise DamagedLink
    number = sum(len(run.ids or ()) for run in found)
    if found and (sum(run.characters for run in found) != len(text) or number > 4 * len(text) + SPARE_IDS):
        raise DamagedLink
    return tuple(found)


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31


def unpack(value: str) -> dict[str, Any]:
    """The JSON object in a parameter's value. The caller checks its content.

    Raises:
        DamagedLink: `pack` did not make the value.
    """
    letters = re.match(r"[0-9A-Za-z_-]*", "".join(value[: 2 * LONGEST].split()))
    found = letters[0] if letters else ""
    if len(value) > 2 * LONGEST or len(found) < 8 or found[0] != VERSION:
        raise DamagedLink
    body, check = found[1:-6], found[-6:]
    try:
        packed = urlsafe_b64decode(body + "=" * (-len(body) % 4))
        if _check(packed) != check:
            raise DamagedLink
        inflate = zlib.decompressobj(-15)
        plain = inflate.decompress(packed, INFLATED)
        if not inflate.eof or inflate.unused_data:
            raise DamagedLink  # more than INFLATED bytes, or extra bytes after the end
        content = parse_json(plain)
    except (ValueError, zlib.error, RecursionError) as error:  # base64, UTF-8 and JSON all raise ValueErrors
        raise DamagedLink from error
    if not isinstance(content, dict):
        raise DamagedLink
    return content


def complete(query: str) -> str | None:
    """The link with this query string: on a Space a complete address; elsewhere the browser adds the page's. None: too long."""
    base = space_address(os.environ.get("SPACE_ID", ""))
    return base + query if len(query) + (len(base) or ADDRESS) <= LONGEST else None


def space_address(space: str) -> str:
    """ "someone/something" → "https://huggingface.co/spaces/someone/something"; "" if `space` is not the name of a Space.

    A Space shows the page in a frame: visitors see the Space's address, and a link to the page's own would lead out of it.
    """
    return f"https://huggingface.co/spaces/{space}" if re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", space) else ""


def _check(packed: bytes) -> str:
    """The CRC. It is also the end of a link because a program may take a last "-" or "_" for punctuation."""
    return f"{zlib.crc32(packed) & 0xFFFFFF:06x}"
