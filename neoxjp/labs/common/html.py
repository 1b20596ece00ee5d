"""Records → HTML. Everything that came from a user or a vocabulary is escaped here, and only here.

Nothing in this file knows Gradio. Sentences come in through `say` (ui/strings.py), so that a view is written in the visitor's
language. What hovering and arrow keys do with the markup stands in `ui/page.js`, the looks in `ui/page.css`.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import groupby, islice
from typing import TYPE_CHECKING, Literal

from neoxjp.labs.common.glyphs import GLYPHS as GLYPHS
from neoxjp.labs.common.glyphs import SCRIPTS, glyphs
from neoxjp.labs.common.glyphs import unseen as unseen

if TYPE_CHECKING:
    from neoxjp.compare.analysis import Counts
    from neoxjp.tokenizer.tokenizer import Token

Words = Callable[..., str]
"""`say(key, **values)` → a sentence in the visitor's language, not escaped."""

DETAILS = ("id", "piece", "bytes", "script", "kind", "at", "spellings", "more", "folded", "lossy", "nothing")
SPELLINGS_SHOWN = 24  # spellings of one id listed in the detail; an id can have hundreds


# ---------------------------------------------------------------- the token view


def tokens(
    records: Sequence["Token"],
    text: str,
    say: Words,
    *,
    spellings: Callable[[int], Sequence[str]] | None = None,
    limit: int = 3_000,
) -> str:
    """The user's own text as pieces, with a legend and a place for the details of the piece that is pointed at.

    The bytes of one character are one box. Only the first `limit` boxes are drawn; a sentence says how many are not.

    Args:
        records: what `tokenizer.analyze(text)` gave.
        text: the user's text, which the records' spans point into.
        spellings: `tokenizer.spellings`, for the details; left out, none are listed.
    """
    groups = (list(group) for _, group in groupby(records, key=lambda token: (token.start, token.end)))
    shown = list(islice(groups, limit))
    entries: dict[int, dict[str, object]] = {}
    for token in (token for group in shown for token in group):
        if token.id not in entries:
            known = list(spellings(token.id)) if spellings else []
            entries[token.id] = {"piece": token.piece, "all": len(known), "spellings": known[:SPELLINGS_SHOWN]}
    boxes = "".join(_piece(group, text, tab=0 if group is shown[0] else -1) for group in shown)
    total = say("n_tokens", n=len(records))
    drawn = sum(len(group) for group in shown)
    more = notice(say("not_drawn", drawn=f"{drawn:,}", rest=f"{len(records) - drawn:,}")) if drawn < len(records) else ""
    facts = attributes(data_entries=data(entries), data_words=data(_detail_words(say)))
    pieces = f'<div class="pieces" role="listbox" lang="ja"{attributes(aria_label=total, data_all=len(records))}>{boxes}</div>'
    marks = {mark for group in shown for mark in _marks(group)}
    return f'<section class="tokens"{facts}>{pieces}{more}{_legend(shown, marks, say)}{_detail_place(say)}</section>'


def _piece(group: Sequence["Token"], text: str, tab: int) -> str:
    """One box: a token, or all the byte tokens of one character. `tab`: 0 where the Tab key arrives, -1 for the others."""
    first = group[0]
    surface = text[first.start : first.end]
    written = "".join(token.text for token in group)
    marks = _marks(group)
    names = " ".join(["p", first.script, *marks])
    facts = attributes(
        class_=names,
        data_id=" ".join(str(token.id) for token in group),
        data_at=first.start,
        data_text=surface if visible(surface) != surface else None,
        data_out=written if marks else None,
        data_kind=first.kind if first.kind != "word" else None,
    )
    shown = f"<u>{visible(surface)}</u>" if marks else visible(surface)
    count = f"<sup>{len(group)}</sup>" if len(group) > 1 else ""
    broken = "<br>" if first.piece == "<BR>" or "\n" in surface else ""
    return f'<span{facts} role="option" tabindex="{tab}">{shown}{count}</span>{broken}'


def _marks(group: Sequence["Token"]) -> tuple[str, ...]:
    if any(token.folded for token in group):
        return ("folded",)
    return ("lossy",) if any(token.lossy for token in group) else ()


def _legend(groups: Sequence[Sequence["Token"]], marks: set[str], say: Words) -> str:
    """What the underlines mean: only those that are on show, so that a short text has a short legend."""
    present = {group[0].script for group in groups}
    items: list[tuple[str, str]] = [(script, f"{sign} {say(script)}") for script, sign in SCRIPTS.items() if script in present]
    items += [(mark, say(f"legend_{mark}")) for mark in ("folded", "lossy") if mark in marks]
    if any(len(group) > 1 for group in groups):
        items.append(("bytes", say("legend_bytes")))
    keys = "".join(f'<span class="key {name}">{escape(words)}</span>' for name, words in items)
    return f'<p class="legend">{keys}</p>' if keys else ""


def _detail_place(say: Words) -> str:
    return f'<div class="detail" aria-live="polite"><p class="hint">{escape(say("detail_hint"))}</p></div>'


def _detail_words(say: Words) -> dict[str, str]:
    """The words that page.js needs to write a detail."""
    facts = ["detail_hint", *(f"d_{name}" for name in DETAILS)]
    kinds = [f"kind_{name}" for name in ("word", "byte", "emoji", "blank", "symbol", "tag", "special")]
    return {key: say(key, n="{n}", a="{a}", b="{b}") for key in [*facts, *SCRIPTS, *kinds]}


# ---------------------------------------------------------------- counts


def counts(counted: "Counts", say: Words) -> str:
    """The four numbers of a text and the share of each script as one bar with its legend."""
    numbers = (
        ("tokens", f"{counted.tokens:,}"),
        ("characters", f"{counted.characters:,}"),
        ("utf8_bytes", f"{counted.utf8_bytes:,}"),
        ("characters_per_token", f"{counted.characters_per_token:.2f}"),
    )
    cells = "".join(f"<div><dd>{number}</dd><dt>{escape(say(key))}</dt></div>" for key, number in numbers)
    present = [(script, counted.by_script[script]) for script in SCRIPTS if counted.by_script.get(script)]
    parts = "".join(f'<i class="{script}" style="flex-grow:{number}"></i>' for script, number in present)
    keys = "".join(
        f'<li class="key {script}">{SCRIPTS[script]} {escape(say(script))}<b>{number:,}</b></li>' for script, number in present
    )
    bars = f'<div class="scripts" aria-hidden="true">{parts}</div><ul class="script-keys">{keys}</ul>' if present else ""
    return f'<div class="counts"><dl>{cells}</dl>{bars}</div>'


# ---------------------------------------------------------------- small parts, for every tab


def status(facts: Sequence[str], state: Literal["idle", "busy", "ready", "failed"], message: str) -> str:
    """The line in the page's head: facts about the model, then a mark and a word on how it stands."""
    items = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    return f'<div class="status {state}">{items}<span class="state" role="status">{escape(message)}</span></div>'


def short_count(number: int) -> str:
    """13_700_000 → "13.7M", 2_700_000_000 → "2.7B"."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def notice(message: str, kind: Literal["info", "error"] = "info") -> str:
    """One sentence on the spot; an error is announced to screen readers."""
    role = "alert" if kind == "error" else "status"
    return f'<p class="notice {kind}" role="{role}">{escape(whole(message))}</p>'


def visible(text: str) -> str:
    """Escaped text in which blanks, newlines and tabs are pale glyphs, and invisible or bidirectional controls are named."""
    shown = ((escape(sign), pale) for sign, pale in glyphs(text))
    return "".join(f'<i class="blank">{sign}</i>' if pale else sign for sign, pale in shown)


def attributes(**values: object) -> str:
    """`attributes(data_id=3, hidden=None)` → ` data-id="3"`: escaped; None leaves one out, underscores become hyphens."""
    given = ((name.rstrip("_").replace("_", "-"), value) for name, value in values.items() if value is not None)
    return "".join(f' {name}="{escape(whole(str(value)))}"' for name, value in given)


def whole(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which no HTML or JSON on the wire can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def data(value: object) -> str:
    """JSON for a `data-` attribute; escape it as any other text (`attributes` does)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def bar(value: float, largest: float, label: str, *, series: int = 0, spoken: str | None = None) -> str:
    """A horizontal bar on a scale from 0 to `largest`, its number written beside it; `spoken` is what a screen reader says."""
    share = value / largest if largest else 0
    hidden = ' aria-hidden="true"' if spoken else ""
    words = f"<b{hidden}>{escape(label)}</b>" + (f'<span class="sr">{escape(spoken)}</span>' if spoken else "")
    return f'<div class="bar s{series}"><i style="width:calc((100% - 6.5em) * {share:.4f})"></i>{words}</div>'


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A small table of facts; the first cell of a row is its heading. All cells are escaped."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    return f'<table class="facts">{f"<thead><tr>{top}</tr></thead>" if top else ""}<tbody>{"".join(lines)}</tbody></table>'
