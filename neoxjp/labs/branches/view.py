"""Values for view.html: which tokens of a long text are shown, and how they share boxes. Arrow keys: script.js."""

from collections.abc import Iterator, Sequence
from typing import Any

from neoxjp.labs.branches.files import Row
from neoxjp.labs.branches.records import Author, ForcedSurprisal
from neoxjp.labs.common.html import notice
from neoxjp.labs.common.templates import Words, render

SIGNS: dict[Author, str] = {"user": "●", "model": "○", "edit": "✎", "forced": "▲"}
AROUND, MOST = 40, 400  # tokens shown before a difference, and of one stretch
TEMPLATE = "labs/branches/view.html"


def tree(rows: Sequence[Row], current: int | None, t: Words, not_stored: bool = False) -> str:
    """HTML list of all branches. not_stored: the browser cannot store all of them."""
    focusable = rows[0].node.key if rows and current is None else current
    return render(TEMPLATE, "tree", t, rows=rows, current=current, focusable=focusable, signs=SIGNS, not_stored=not_stored)


def label(row: Row, t: Words) -> str:
    """A branch in a list of choices, as plain text: "#3 ○ まだ無い…（40 tokens）"."""
    begins = row.node.name or row.begins.replace("\n", " ")[:24] or t("branches_no_text")
    return f"#{row.node.key + 1} {SIGNS[row.node.author]} {begins}（{t('branches_own', n=f'{row.node.length:,}')}）"


def compared(same: Sequence[str], left: Sequence[str], right: Sequence[str], names: tuple[str, str], t: Words) -> str:
    """HTML of two branches: their common beginning once, then both continuations with the first difference marked.

    same, left, right: the text of each id.
    """
    if not left and not right:
        return notice(t("branches_same", n=f"{len(same):,}"))
    sides = [(name, len(rest), _first(rest, "differs")) for name, rest in zip(names, (left, right), strict=True)]
    return render(TEMPLATE, "compared", t, same=_last(same, ""), same_number=len(same), sides=sides)


def forced(found: ForcedSurprisal, t: Words) -> str:
    """HTML table of forced tokens: their surprisal in bits, and the model's own first choice at each position."""
    return render(TEMPLATE, "forced", t, found=found)


def _first(pieces: Sequence[str], kind: str, most: int = MOST) -> dict[str, Any]:
    """The first tokens of a stretch, and how many are left out after them."""
    return {"kind": kind, "boxes": list(_boxes(pieces[:most])), "before": 0, "after": max(0, len(pieces) - most)}


def _last(pieces: Sequence[str], kind: str) -> dict[str, Any]:
    """The last tokens of a stretch, and how many are left out before them."""
    left_out = max(0, len(pieces) - AROUND)
    return {"kind": kind, "boxes": list(_boxes(pieces[left_out:])), "before": left_out, "after": 0}


def _boxes(pieces: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Text and number of tokens of each box: the bytes of one character, of which the last one has the text, share a box."""
    count = 0
    for text in pieces:
        count += 1
        if text:
            yield text, count
            count = 0
