"""A look inside as HTML: the guess after each layer as a table, and a head's weights over the text.

What pointing and arrow keys do stands in `page_parts/walk.js`, which reads a box's numbers from its `aria-label`.
"""

import math
import re
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise

from neoxjp.labs.common.curve import curve
from neoxjp.labs.common.html import attributes, bar, visible
from neoxjp.labs.common.measures import LN2, percent
from neoxjp.labs.common.steps import plain
from neoxjp.labs.inside.records import Attention, Guess, LayerGuess, Lens

Words = Callable[..., str]
WEIGHTS = (0.01, 0.03, 0.1, 0.2, 0.4)
"""Borders of the scale of weights: one below the first has level 0."""
BYTE = re.compile(r"<\|byte(\d+)\|>")
CURVE, DOTS = (380, 190), 14  # size of the curve, narrow enough for a phone; of more points no values are written beside it
LISTED = 10  # of the largest weights


# ---------------------------------------------------------------- the lens


def lens(found: Lens, say: Words) -> str:
    """Layers × guesses, from the embedding down to the model's own answer."""
    answer = found.layers[-1].top[0]
    piece = plain(found.texts[found.at])
    said = [say("inside_lens_at", at=found.at + 1, piece=piece, answer=plain(answer.text), p=percent(answer.probability))]
    last = found.layers[-1]
    if found.next_id is not None and last.next_logprob is not None:
        follows = plain(found.texts[found.at + 1])
        said.append(say("inside_lens_next", next=follows, p=percent(math.exp(last.next_logprob)), rank=f"{last.next_rank:,}"))
    said.append(say("inside_settled", name=_layers(settled(found), say)))
    guesses = range(1, len(last.top) + 1)
    heads = [
        say("inside_col_layer"),
        *(say("inside_col_guess", n=n) for n in guesses),
        *(say(f"inside_col_{name}") for name in ("rank", "divergence", "entropy")),
    ]
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    most = max(layer.divergence for layer in found.layers[1:]) / LN2  # the embedding's would flatten all the others
    rows = "".join(_layer(layer, answer.id, found.next_id, most, say) for layer in found.layers)
    distances = [(layer.layers, layer.divergence / LN2) for layer in found.layers]
    values = ", ".join(f"{kl:.2f}" for _, kl in distances)
    names = (say("inside_curve_x"), say("inside_curve_y"), say("inside_curve_spoken", n=len(distances), values=values))
    drawn = curve(distances, *names, size=CURVE, ends=(0.0, most or 1.0), dots=len(distances) <= DOTS)
    table = f'<table class="lab-table inside-lens"><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>'
    keys = f"✓ {say('inside_is_answer')}" + ("" if found.next_id is None else f"　→ {say('inside_is_next')}")
    if found.layers[0].divergence / LN2 > most:
        keys += f"　{say('inside_beyond')}"
    return (
        f'<h3>{escape(say("inside_lens"))}</h3><p class="lab-said"><i aria-hidden="true">∴</i> {escape(" ".join(said))}</p>'
        f'<div class="inside-curve">{drawn}</div><div class="lab-scroll">{table}</div>'
        f'<p class="lab-note">{escape(keys)}</p>{_lines("lens", say)}'
    )


def settled(found: Lens) -> int:
    """The number of layers after which the answer has first place and keeps it."""
    first = len(found.layers) - 1
    while first and found.layers[first - 1].answer_rank == 1:
        first -= 1
    return found.layers[first].layers


def _layers(number: int, say: Words) -> str:
    return say("inside_after", n=number) if number else say("inside_embedding")


def _layer(layer: LayerGuess, answer: int, next_id: int | None, most: float, say: Words) -> str:
    name = _layers(layer.layers, say)
    cells = "".join(f"<td>{_guess(guess, answer, next_id, say)}</td>" for guess in layer.top)
    kl = layer.divergence / LN2
    distance = bar(min(kl, most), most, f"{kl:.2f} ≫" if kl > most else f"{kl:.2f}")
    return (
        f'<tr><th scope="row">{escape(name)}</th>{cells}<td>{layer.answer_rank:,}</td>'
        f"<td>{distance}</td><td>{layer.entropy / LN2:.2f}</td></tr>"
    )


def _guess(guess: Guess, answer: int, next_id: int | None, say: Words) -> str:
    signs = [("✓", "inside_is_answer")] * (guess.id == answer) + [("→", "inside_is_next")] * (guess.id == next_id)
    marks = "".join(f'<i aria-hidden="true">{sign}</i><span class="sr">{escape(say(key))}</span> ' for sign, key in signs)
    name = ' class="answer"' if guess.id == answer else ""
    return f'<span{name}>{marks}<b lang="ja">{_shown(guess.text)}</b> <small>{percent(guess.probability)}</small></span>'


# ---------------------------------------------------------------- attention


def attention(found: Attention, at: int, say: Words) -> str:
    """The weights of position `at`, the last of the record's positions, over the text."""
    weights = found.weights[found.positions.index(at)]
    boxes = "".join(_box(text, place, weights, at, say) for place, text in enumerate(found.texts))
    facts = attributes(aria_label=say("inside_attention_view", n=f"{len(found.texts):,}"))
    rows = ""
    order = sorted(range(len(weights)), key=lambda place: -weights[place])[:LISTED]
    for place in order:
        name = f'<span lang="ja">{_shown(found.texts[place])} <small>{place + 1}</small></span>'
        go = f'<button type="button" data-go="{place}">{name}</button>'
        rows += f"<li>{go}{bar(weights[place], weights[order[0]], percent(weights[place]))}</li>"
    return (
        f"<h3>{escape(say('inside_attention', layer=found.layer, head=found.head))}</h3>"
        f'<div class="walk lab-text inside-text" role="listbox" lang="ja"{facts}>{boxes}</div>{scale(say)}'
        f'<p class="lab-facts" data-hint="{escape(say("inside_hint"))}">{escape(say("inside_hint"))}</p>'
        f'<h4>{escape(say("inside_top", n=len(order)))}</h4><ol class="lab-top">{rows}</ol>{_lines("attention", say)}'
    )


def _box(text: str, place: int, weights: Sequence[float], at: int, say: Words) -> str:
    if place > at:
        names, told, sign = "w none", say("inside_told_later", at=place + 1), ""
    else:
        weight = percent(weights[place])
        names = f"w l{level(weights[place])}"
        told, sign = say("inside_told", at=place + 1, weight=weight), ""
        if place == at:
            names += " query"
            told, sign = say("inside_told_query", at=place + 1, weight=weight), '<i class="mark" aria-hidden="true">▸</i>'
    facts = attributes(
        class_=names, tabindex=0 if place == at else -1, aria_label=f"{plain(text) or '∅'}\n{told}", data_at=place + 1
    )
    return f'<span role="option"{facts}>{sign}{_shown(text)}</span>{"<br>" * text.count(chr(10))}'


def _shown(text: str) -> str:
    """A token as HTML; a byte by its two digits: "<|byte233|>" → E9."""
    byte = BYTE.fullmatch(text)
    return f'<i class="blank">{int(byte[1]):02X}</i>' if byte else visible(text) or "∅"


def level(weight: float) -> int:
    """0 (pale, little) to 5 (strong, much)."""
    return sum(weight >= border for border in WEIGHTS)


def scale(say: Words) -> str:
    """The legend: six levels with their numbers."""
    shares = [f"{100 * border:g}" for border in WEIGHTS]
    texts = [f"< {shares[0]} %", *(f"{low}–{high} %" for low, high in pairwise(shares)), f"≥ {shares[-1]} %"]
    items = "".join(f'<li><i class="l{number}">字</i>{text}</li>' for number, text in enumerate(texts))
    query = f"<li>{escape(say('inside_query'))}</li>"
    return f'<ul class="prob-scale"><li class="name">{escape(say("inside_weight_scale"))}</li>{items}{query}</ul>'


def _lines(view: str, say: Words) -> str:
    """Three lines: what it shows, what that says, what it does not."""
    lines = "".join(f"<li>{escape(say(f'inside_{view}_{name}'))}</li>" for name in ("does", "says", "not"))
    return f'<ul class="inside-lines">{lines}</ul>'
