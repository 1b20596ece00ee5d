"""A beam search as values for view.html: position and look of each box of the tree, and the sentence about it.

A column is a step, with its candidates in the order of the search, the most probable at the top. The script in
`page_parts/walk.js` walks the boxes with arrow keys and shows the numbers of one from its `aria-label`.
"""

import math
import unicodedata
from dataclasses import dataclass

from neoxjp.labs.beams.records import BeamTree, Node
from neoxjp.labs.common.html import Words
from neoxjp.labs.common.measures import percent
from neoxjp.labs.common.steps import plain
from neoxjp.labs.common.templates import render

WIDTH, HEIGHT = 86, 24  # of a box, px
COLUMN, ROW = 108, 32  # distance from one box to the next
LEFT, TOP = 30, 26  # of the first box
FITS = 9  # half-width characters of a token's text in a box
PROMPT_SHOWN = 20  # characters of the prompt in the sentence about the best candidate
SIGNS = {"finished": "✓", "outscored": "△", "pruned": "×", "unfinished": "…"}


@dataclass(frozen=True)
class Box:
    """A candidate as the tree and the table show it."""

    node: Node
    text: str  # the whole continuation up to this token
    kind: str  # "best", "active", "finished", "dead-end", "pruned" or "outscored": the box's look
    sign: str
    x: int
    y: int
    edge: str  # SVG path from the parent's box to this one


def view(tree: BeamTree, prompt: str, t: Words) -> str:
    """The best candidate in words, the tree with its legend, the finished texts, all candidates as a table."""
    placed, best = boxes(tree), tree.hypotheses[0]
    given = plain(prompt[-PROMPT_SHOWN:])
    given = f"…{given}" if len(prompt) > PROMPT_SHOWN else given or t("beams_bos")
    numbers = {"total": number(best.total), "score": number(best.score)}
    message = [t("beams_best", prompt=given, text=plain(best.text) or "∅", **numbers), t(f"beams_best_{best.finish}")]
    if tree.stopped == "no_better":
        message.append(t("beams_no_better", n=tree.nodes[-1].step))
    size = (max(box.x for box in placed) + WIDTH + 8, max(box.y for box in placed) + HEIGHT + 8)
    helpers = {"number": number, "fitting": fitting, "plain": plain, "outcome": outcome, "facts": facts}
    return render("labs/beams/view.html", "view", t, tree=tree, boxes=placed, message=" ".join(message), size=size, **helpers)


def boxes(tree: BeamTree) -> list[Box]:
    """Every candidate with its place in the drawing."""
    winner = tree.hypotheses[0].node
    best = {winner}
    while (above := tree.nodes[min(best)].parent) is not None:  # a parent precedes its children
        best.add(above)
    found: list[Box] = []
    for place, node in enumerate(tree.nodes):
        parent = None if node.parent is None else found[node.parent]
        same_step = bool(found) and found[-1].node.step == node.step
        x, y = LEFT + (node.step - 1) * COLUMN, found[-1].y + ROW if same_step else TOP
        start = (LEFT - 16, TOP + HEIGHT // 2) if parent is None else (parent.x + WIDTH, parent.y + HEIGHT // 2)
        middle, end = (start[0] + x) / 2, y + HEIGHT // 2
        edge = f"M{start[0]} {start[1]}C{middle:g} {start[1]} {middle:g} {end} {x} {end}"
        kind = "best" if place in best else kind_of(node)
        text = (parent.text if parent else "") + node.text
        found.append(Box(node, text, kind, "★" if place == winner else sign(node), x, y, edge))
    return found


def facts(node: Node, t: Words) -> str:
    """What walk.js shows of a box: the token, a newline, its numbers."""
    numbers = {"logprob": number(node.logprob), "total": number(node.total), "score": number(node.score)}
    p = percent(math.exp(min(node.logprob, 0.0)))
    return f"{plain(node.text) or '∅'}\n{t('beams_node', step=node.step, p=p, outcome=outcome(node, t), **numbers)}"


def kind_of(node: Node) -> str:
    """The look of a candidate that is not on the way to the best one."""
    if node.outcome in ("finished", "outscored", "pruned"):
        return node.outcome
    return "active" if node.pruned_at is None else "dead-end"


def sign(node: Node) -> str:
    """Its outcome as one character; "✕5": the last of its continuations was pruned at step 5."""
    return SIGNS.get(node.outcome, "" if node.pruned_at is None else f"✕{node.pruned_at}")


def outcome(node: Node, t: Words) -> str:
    """Its outcome in words."""
    key = "pruned_later" if node.outcome == "continued" and node.pruned_at is not None else node.outcome
    return t(f"beams_outcome_{key}", n=node.pruned_at)


def number(value: float) -> str:
    """-1.234 → "−1.23"."""
    return format(value, "z.2f" if abs(value) < 1e6 else ".2g").replace("-", "\N{MINUS SIGN}")


def fitting(text: str) -> str:
    """As much of a token's text as fits into a box; wide characters count two."""
    room = FITS
    for place, character in enumerate(text):
        room -= 2 if unicodedata.east_asian_width(character) in "FWA" else 1
        if room < 0:
            return text[:place] + "…"
    return text
