"""What a shared link holds, and how it is written: `?lab=1…` or `?gen=1…`, letters that chat programs and mail leave alone.

A version digit, then base64url of raw deflate of compact JSON, then six hex digits of a CRC: Japanese written plainly would take
nine characters a letter once a browser has percent-encoded it, and programs that find links in a text stop at 「。」. A line
break or blank that mail put into a link is dropped, as is a full stop behind it. Whatever comes in was written by a stranger: it
is inflated up to a bound, parsed as JSON, checked for types, and never evaluated. No Gradio here.

>>> read(write(View("慶應", "why")))
View(text='慶應', section='why', choices={})
"""

import json
import re
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any, NoReturn

from neoxjp.page_parts.links import Tab

NAMES: dict[Tab, str] = {"tokenize": "lab", "generate": "gen"}
"""The parameter of the query string that holds a view of each tab."""

VERSION = "1"
LONGEST = 4_096  # characters of a whole link: what servers, proxies and chat programs let through
ADDRESS = 96  # of these are left to the page's own address
INFLATED = 1 << 20  # bytes; a link of 4 kB could inflate to 4 MB


class DamagedLink(ValueError):
    """It was cut, altered, made by another version, or never was a link of this page."""


@dataclass(frozen=True)
class View:
    """What one sees on a tab, in few words."""

    text: str  # that the visitor wrote
    section: str  # key of the lab's open section
    choices: dict[str, dict[str, Any]] = field(default_factory=dict)  # section → short name → JSON value


def write(view: View) -> str:
    """The parameter's value."""
    content: dict[str, Any] = {"t": view.text, "s": view.section}
    if view.choices:
        content["c"] = view.choices
    return pack(content)


def pack(content: dict[str, Any]) -> str:
    """Any JSON object as a parameter's value."""
    # surrogatepass: half of a surrogate pair, as a careless program may paste it, stays what it is
    plain = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "surrogatepass")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(plain) + deflate.flush()
    return f"{VERSION}{urlsafe_b64encode(packed).decode().rstrip('=')}{_check(packed)}"


def query(view: View, tab: Tab = "tokenize") -> str:
    """The query string: "?lab=1q1YqU7JSslJ…"."""
    return f"?{NAMES[tab]}={write(view)}"


def read(value: str) -> View:
    """What the parameter's value says. Names and types within `choices` are the reader's to check.

    Raises:
        DamagedLink: it is not what `write` gives.
    """
    content = unpack(value)
    text, section, choices = content.get("t"), content.get("s"), content.get("c", {})
    if not isinstance(text, str) or not isinstance(section, str) or not isinstance(choices, dict):
        raise DamagedLink
    return View(text, section, {name: chosen for name, chosen in choices.items() if isinstance(chosen, dict)})


def unpack(value: str) -> dict[str, Any]:
    """The JSON object in a parameter's value; whatever it holds is the reader's to check.

    Raises:
        DamagedLink: it is not what `pack` gives.
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
            raise DamagedLink  # more than INFLATED bytes, or something behind the end
        content = json.loads(plain.decode("utf-8", "surrogatepass"), parse_constant=_refuse)
    except (ValueError, zlib.error, RecursionError) as error:  # base64, UTF-8 and JSON all raise ValueErrors
        raise DamagedLink from error
    if not isinstance(content, dict):
        raise DamagedLink
    return content


def space_address(space: str) -> str:
    """ "someone/something" → "https://huggingface.co/spaces/someone/something"; "" where this is no Space.

    There the page stands in a frame: its own address is not the one that visitors see, and takes them out of the Space.
    """
    return f"https://huggingface.co/spaces/{space}" if re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", space) else ""


def _check(packed: bytes) -> str:
    """A link also ends in it so that its last character is a letter or digit, which no program takes for punctuation."""
    return f"{zlib.crc32(packed) & 0xFFFFFF:06x}"


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)  # NaN and Infinity are no JSON
