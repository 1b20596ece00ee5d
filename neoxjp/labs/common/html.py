"""Shared HTML parts as Python functions. The markup is in macros.html and tokens.html, which escape whatever they insert."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Literal

from neoxjp.labs.common import glyphs
from neoxjp.labs.common.glyphs import SCRIPTS, Box
from neoxjp.labs.common.glyphs import replace_surrogates as replace_surrogates
from neoxjp.labs.common.templates import Words, render
from neoxjp.labs.common.templates import data as data
from neoxjp.labs.common.templates import visible as visible

if TYPE_CHECKING:
    from neoxjp.compare import Counts

MACROS, TOKENS = "labs/common/macros.html", "labs/common/tokens.html"
LEGEND = (*SCRIPTS, "folded", "lossy", "bytes")


def legend(shown: Sequence[Box], rest: int, t: Words) -> str:
    """The scripts and marks of the boxes that a view of tokens shows, and how many tokens it does not show (`rest`)."""
    words = {key: t(key if key in SCRIPTS else f"legend_{key}") for key in LEGEND}
    keys = glyphs.legend(shown, words, {"folded": "", "lossy": ""})
    return render(TOKENS, "legend", t, keys=keys, drawn=sum(len(box.tokens) for box in shown), rest=rest)


def counts(counted: "Counts", t: Words) -> str:
    """The four numbers of a text, and the share of each script as one bar with its legend."""
    numbers = [(key, f"{getattr(counted, key):,}") for key in ("tokens", "characters", "utf8_bytes")]
    numbers.append(("characters_per_token", f"{counted.characters_per_token:.2f}"))
    scripts = [(script, sign, counted.by_script[script]) for script, sign in SCRIPTS.items() if counted.by_script.get(script)]
    return render(TOKENS, "counts", t, numbers=numbers, scripts=scripts)


def status(facts: Sequence[str], state: Literal["idle", "busy", "ready", "failed"], message: str) -> str:
    """The line in the page's head: facts about the model, then its state as a mark and a word."""
    return render(MACROS, "status", facts=facts, state=state, message=message)


def short_count(number: int) -> str:
    """13_700_000 → "13.7M", 2_700_000_000 → "2.7B"."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def notice(message: str, kind: Literal["info", "error"] = "info") -> str:
    """One sentence; screen readers announce an error."""
    return render(MACROS, "notice", sentence=message, kind=kind)


def attributes(**values: object) -> str:
    """`attributes(data_id=3, hidden=None)` → ` data-id="3"`: escaped; None omits one, underscores become hyphens."""
    given = ((name.rstrip("_").replace("_", "-"), value) for name, value in values.items() if value is not None)
    return "".join(f' {name}="{escape(replace_surrogates(str(value)))}"' for name, value in given)
