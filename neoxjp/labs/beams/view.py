"""A beam search as HTML: the tree as an SVG whose boxes can be walked, the finished texts, and all of it as a table.

A column is a step; in it the texts stand as the search ranked them, the likeliest on top. What arrow keys do stands in
`page_parts/walk.js`, which reads a box's numbers from its `aria-label`.
"""

import math
import unicodedata
from collections.abc import Callable, Sequence
from html import escape

from neoxjp.labs.beams.records import Node, Tree
from neoxjp.labs.common.html import attributes, visible, whole
from neoxjp.labs.common.steps import plain

Words = Callable[..., str]
WIDE, HIGH = 86, 24  # of a box, px
ACROSS, DOWN = 108, 32  # from one box to the next
LEFT, TOP = 30, 26  # of the first box
FITS = 9  # half-width characters of a token's text in a box
LEGEND = ("best", "alive", "finished", "dead", "dropped", "outdone")


def view(tree: Tree, prompt: str, say: Words) -> str:
    """The winner, the tree with its legend, the finished texts, the table."""
    return (
        f"{winner(tree, prompt, say)}{picture(tree, say)}{legend(say)}"
        f'<p class="lab-facts" data-hint="{escape(say("beams_hint"))}">{escape(say("beams_hint"))}</p>'
        f"{found(tree, say)}{table(tree, say)}"
        f'<p class="lab-note">{escape(say("beams_unit"))}</p>'
    )


def winner(tree: Tree, prompt: str, say: Words) -> str:
    """What generate would give, as a sentence."""
    best = tree.hypotheses[0]
    shown = plain(prompt[-20:])
    given = f"…{shown}" if len(prompt) > 20 else shown or say("beams_bos")
    numbers = {"score": _number(best.score), "penalised": _number(best.penalised)}
    sentences = [say("beams_winner", prompt=given, text=plain(best.text) or "∅", **numbers), say(f"beams_winner_{best.end}")]
    if tree.over == "settled":
        sentences.append(say("beams_settled", n=tree.nodes[-1].step))
    return f'<p class="lab-said" lang="ja"><i aria-hidden="true">★</i> {escape(whole(" ".join(sentences)))}</p>'


def picture(tree: Tree, say: Words) -> str:
    """The tree in its own box, which scrolls sideways."""
    steps = tree.nodes[-1].step
    rows: list[int] = []  # the row of each node in its column
    for place, node in enumerate(tree.nodes):
        before = tree.nodes[place - 1] if place else None
        rows.append(rows[-1] + 1 if before and before.step == node.step else 0)
    best = set(_path(tree, tree.hypotheses[0].node))
    last = tree.hypotheses[0].node
    width, height = LEFT + (steps - 1) * ACROSS + WIDE + 8, TOP + max(rows) * DOWN + HIGH + 8
    root = (LEFT - 16, TOP + HIGH / 2)
    edges, boxes, heads = [], [], []
    for place, node in enumerate(tree.nodes):
        kind = _kind(node, place, best)
        x, y = LEFT + (node.step - 1) * ACROSS, TOP + rows[place] * DOWN
        start = root
        if node.parent is not None:
            start = (x - ACROSS + WIDE, TOP + rows[node.parent] * DOWN + HIGH / 2)
        middle = (start[0] + x) / 2
        line = f"M{start[0]:g} {start[1]:g}C{middle:g} {start[1]:g} {middle:g} {y + HIGH / 2:g} {x} {y + HIGH / 2:g}"
        edges.append((kind == "best", f'<path class="edge {kind}" d="{line}"/>'))
        boxes.append(_box(node, place, kind, (x, y), "★" if place == last else _sign(node), say, tab=0 if place == 0 else -1))
    for step in range(1, steps + 1):
        heads.append(f'<text class="step" x="{LEFT + (step - 1) * ACROSS + 4}" y="16">{escape(say("beams_step", n=step))}</text>')
    lines = "".join(edge for _, edge in sorted(edges, key=lambda item: item[0]))  # the winner's on top
    name = attributes(aria_label=say("beams_tree", steps=steps, n=f"{len(tree.nodes):,}"))
    return (
        f'<div class="walk beams-box" role="listbox"{name}><svg class="beams" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" lang="ja"><g aria-hidden="true">{"".join(heads)}'
        f'<circle class="root" cx="{root[0] - 5}" cy="{root[1]:g}" r="5"/>{lines}</g>{"".join(boxes)}</svg></div>'
    )


def _box(node: Node, place: int, kind: str, at: tuple[int, int], sign: str, say: Words, tab: int) -> str:
    x, y = at
    facts = attributes(
        class_=f"node {kind}",
        tabindex=tab,
        aria_label=_told(node, say),
        data_node=place,
        data_step=node.step,
        data_parent=node.parent,
    )
    mark = f'<text class="sign" x="{x + WIDE - 5}" y="{y + 16.5}" text-anchor="end">{sign}</text>' if sign else ""
    return (
        f'<g role="option"{facts}><rect x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="4"/>'
        f'<text x="{x + 6}" y="{y + 17}">{escape(whole(_fitting(plain(node.text) or "∅")))}</text>{mark}</g>'
    )


def _told(node: Node, say: Words) -> str:
    """The box's name, a newline, its numbers."""
    share = math.exp(min(node.logprob, 0.0))
    numbers = {"logprob": _number(node.logprob), "score": _number(node.score), "penalised": _number(node.penalised)}
    p = f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"
    return f"{plain(node.text) or '∅'}\n{say('beams_told', step=node.step, p=p, fate=fate(node, say), **numbers)}"


def fate(node: Node, say: Words) -> str:
    """What became of it, in words."""
    if node.fate == "followed" and node.died is not None:
        return say("beams_fate_line", n=node.died)
    return say(f"beams_fate_{node.fate}", n=node.died) if node.fate == "died" else say(f"beams_fate_{node.fate}")


def _kind(node: Node, place: int, best: set[int]) -> str:
    """The looks: a class of LEGEND."""
    if place in best:
        return "best"
    if node.fate in ("finished", "outdone", "dropped"):
        return node.fate
    return "alive" if node.died is None else "dead"


def _sign(node: Node) -> str:
    signs = {"finished": "✓", "outdone": "△", "dropped": "×", "stopped": "…"}
    return signs.get(node.fate, "" if node.died is None else f"✕{node.died}")


def legend(say: Words) -> str:
    """Each look with its name."""
    items = "".join(
        f'<li><svg width="34" height="18" aria-hidden="true"><g class="node {kind}">'
        f'<rect x="1" y="2" width="32" height="14" rx="3"/></g></svg>'
        f"{escape(say(f'beams_legend_{kind}'))}</li>"
        for kind in LEGEND
    )
    return f'<ul class="beams-legend">{items}<li>↑ {escape(say("beams_legend_order"))}</li></ul>'


def found(tree: Tree, say: Words) -> str:
    """The finished texts with both scores, best first."""
    heads = ("beams_col_place", "beams_col_text", "beams_col_score", "beams_col_penalised")
    rows = [
        (str(number), f'<td lang="ja">{visible(text.text) or "∅"}</td>', _number(text.score), _number(text.penalised))
        for number, text in enumerate(tree.hypotheses, 1)
    ]
    body = "".join(
        f'<tr{" class=best" if number == "1" else ""}><th scope="row">{number}</th>{text}'
        f"<td>{score}</td><td>{penalised}</td></tr>"
        for number, text, score, penalised in rows
    )
    return f"<h3>{escape(say('beams_found'))}</h3>{_table(heads, body, say)}"


def table(tree: Tree, say: Words) -> str:
    """Every text that was weighed, folded."""
    heads = ("step", "text", "token", "logprob", "score", "penalised", "fate")
    body = ""
    for place, node in enumerate(tree.nodes):
        path = [tree.nodes[at].text for at in reversed(_path(tree, place))]
        numbers = "".join(f"<td>{_number(value)}</td>" for value in (node.logprob, node.score, node.penalised))
        body += (
            f'<tr><th scope="row">{node.step}</th><td lang="ja">{visible("".join(path))}</td>'
            f'<td lang="ja">{visible(node.text) or "∅"}</td>{numbers}<td>{_sign(node)} {escape(fate(node, say))}</td></tr>'
        )
    name = escape(say("beams_table", n=f"{len(tree.nodes):,}"))
    shown = _table([f"beams_col_{head}" for head in heads], body, say)
    return f'<details class="lab-fold"><summary>{name}</summary>{shown}</details>'


def _table(heads: Sequence[str], body: str, say: Words) -> str:
    top = "".join(f'<th scope="col">{escape(say(head))}</th>' for head in heads)
    return f'<div class="lab-scroll"><table class="lab-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _path(tree: Tree, place: int) -> list[int]:
    """A node and those above it."""
    path = [place]
    while (parent := tree.nodes[path[-1]].parent) is not None:
        path.append(parent)
    return path


def _number(value: float) -> str:
    """-1.234 → "−1.23"."""
    return f"{value:.2f}".replace("-", "\N{MINUS SIGN}") if abs(value) < 1e6 else f"{value:.2g}".replace("-", "\N{MINUS SIGN}")


def _fitting(text: str) -> str:
    """As much of a token's text as a box has room for; wide characters count two."""
    room = FITS
    for place, character in enumerate(text):
        room -= 2 if unicodedata.east_asian_width(character) in "FWA" else 1
        if room < 0:
            return text[:place] + "…"
    return text
