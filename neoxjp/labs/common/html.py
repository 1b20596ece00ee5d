"""Shared HTML parts as Python functions. The markup is in macros.html and tokens.html, which escape whatever they insert."""

from collections.abc import Callable, Sequence
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Literal

from neoxjp.labs.common.glyphs import SCRIPTS, boxes, legend
from neoxjp.labs.common.glyphs import replace_surrogates as replace_surrogates
from neoxjp.labs.common.templates import Words, render
from neoxjp.labs.common.templates import data as data
from neoxjp.labs.common.templates import visible as visible

if TYPE_CHECKING:
    from neoxjp.compare import Counts
    from neoxjp.tokenizer import Token

MACROS, TOKENS = "labs/common/macros.html", "labs/common/tokens.html"
DETAILS = ("id", "piece", "bytes", "script", "kind", "at", "spellings", "more", "folded", "lossy", "nothing")
KINDS = ("word", "byte", "emoji", "blank", "symbol", "tag", "special")
LEGEND = (*SCRIPTS, "folded", "lossy", "bytes")
SPELLINGS_SHOWN = 24  # spellings of one id listed in the detail; an id can have hundreds


def tokens(
    records: "Sequence[Token]",
    text: str,
    t: Words,
    *,
    spellings: Callable[[int], Sequence[str]] | None = None,
    limit: int = 3_000,
) -> str:
    """The user's text as boxes, with a legend and a place for the details of the selected box.

    The bytes of one character are one box. Only the first `limit` boxes are drawn; a sentence says how many are not.

    Args:
        records: what `tokenizer.analyze(text)` returns.
        text: the user's text, which the records' spans point into.
        spellings: `tokenizer.spellings`, for the details; None: none are listed.
    """
    shown = list(islice(boxes(records, text), limit))
    entries: dict[int, dict[str, object]] = {}
    for token in (token for box in shown for token in box.tokens):
        if token.id not in entries:
            known = list(spellings(token.id)) if spellings else []
            entries[token.id] = {"piece": token.piece, "all": len(known), "spellings": known[:SPELLINGS_SHOWN]}
    rest = len(records) - sum(len(box.tokens) for box in shown)
    keys = legend(shown, {key: t(key if key in SCRIPTS else f"legend_{key}") for key in LEGEND}, {"folded": "", "lossy": ""})
    names = ["detail_hint", *(f"d_{name}" for name in DETAILS), *SCRIPTS, *(f"kind_{name}" for name in KINDS)]
    words = {key: t(key, n="{n}", a="{a}", b="{b}") for key in names}  # for page.js, which writes the details
    return render(TOKENS, "tokens", t, boxes=shown, number=len(records), entries=entries, words=words, rest=rest, legend=keys)


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
