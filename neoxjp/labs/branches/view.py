"""Values for view.html: which tokens of a long text are drawn, and how they share boxes. Arrow keys: script.js."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from neoxjp.labs.branches.files import Listed
from neoxjp.labs.branches.records import Author, Edited, ForcedSurprisal
from neoxjp.labs.common.html import notice
from neoxjp.labs.common.templates import render

Words = Callable[..., str]
SIGNS: dict[Author, str] = {"user": "●", "model": "○", "edit": "✎", "forced": "▲"}
AROUND, MOST = 40, 400  # tokens drawn beside an edit, and of one stretch
TEMPLATE = "labs/branches/view.html"


def tree(rows: Sequence[Listed], t: Words, not_stored: bool = False) -> str:
    """HTML list of all branches. not_stored: the browser cannot store all of them."""
    selected = next((row.key for row in rows if row.current), rows[0].key if rows else None)
    return render(TEMPLATE, "tree", t, rows=rows, selected=selected, not_stored=not_stored)


def number_of(key: int) -> str:
    """A branch's number: 0 → "#1"."""
    return f"#{key + 1}"


def label(row: Listed, t: Words) -> str:
    """A branch in a list of choices, as plain text: "#3 ○ まだ無い…（40 tokens）"."""
    begins = row.name or row.begins.replace("\n", " ")[:24] or t("branches_no_text")
    return f"{number_of(row.key)} {SIGNS[row.author]} {begins}（{t('branches_own', n=f'{row.length:,}')}）"


def compared(same: Sequence[str], left: Sequence[str], right: Sequence[str], names: tuple[str, str], t: Words) -> str:
    """HTML of two branches: their common beginning once, then both continuations with the first difference marked.

    same, left, right: the text of each id.
    """
    if not left and not right:
        return notice(t("branches_same", n=f"{len(same):,}"))
    sides = [(name, len(rest), _first(rest, "", marked=True)) for name, rest in zip(names, (left, right), strict=True)]
    return render(TEMPLATE, "compared", t, same=_last(same, ""), same_number=len(same), sides=sides)


def edited(found: Edited, kept: Sequence[str], new: Sequence[str], again: Sequence[str], t: Words) -> str:
    """HTML of an edit's effect: a sentence, and the text around the edit in three stretches.

    kept, new, again: the text of each id before the edit, of the edit, and from where the old ids return.
    """
    old = f"{found.replaced[1] - found.replaced[0]:,}"
    sentences = [t("branches_edited", kept=f"{found.kept:,}", old=old, new=f"{found.cut_anew[1] - found.cut_anew[0]:,}")]
    agree = found.agree_from
    sentences.append(t("branches_agree_none") if agree is None else t("branches_agree", n=f"{agree + 1:,}"))
    changed = _first(new, "new")
    if not changed["boxes"]:
        changed["boxes"] = [("", 1)]  # a pair of scissors: text was only deleted
    stretches = [_last(kept, "kept"), changed, _first(again, "again", AROUND)]
    return render(TEMPLATE, "edited", t, sentences=sentences, lossy=found.lossy, stretches=stretches)


def forced(found: ForcedSurprisal, t: Words) -> str:
    """HTML table of forced tokens: their surprisal in bits, and the model's own first choice at each place."""
    return render(TEMPLATE, "forced", t, found=found, own=sum(token.likeliest_bits for token in found.tokens))


def _first(pieces: Sequence[str], kind: str, most: int = MOST, marked: bool = False) -> dict[str, Any]:
    """The first tokens of a stretch, and how many are left out after them."""
    boxes = list(_boxes(pieces[:most]))
    return {"kind": kind, "boxes": boxes, "before": 0, "after": max(0, len(pieces) - most), "marked": marked}


def _last(pieces: Sequence[str], kind: str) -> dict[str, Any]:
    """The last tokens of a stretch, and how many are left out before them."""
    left = max(0, len(pieces) - AROUND)
    return {"kind": kind, "boxes": list(_boxes(pieces[left:])), "before": left, "after": 0, "marked": False}


def _boxes(pieces: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Text and number of tokens of each box: the bytes of one character, whose text is at the last one, share a box."""
    count = 0
    for text in pieces:
        count += 1
        if text:
            yield text, count
            count = 0
