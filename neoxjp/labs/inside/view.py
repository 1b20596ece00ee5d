"""The logit lens and a head's attention weights as values for view.html.

The script in `page_parts/walk.js` walks the tokens with arrow keys and shows the numbers of one from its `aria-label`.
"""

import math
import re

from markupsafe import Markup

from neoxjp.engine import LN2
from neoxjp.labs.common.curve import curve
from neoxjp.labs.common.html import Words, visible
from neoxjp.labs.common.measures import percent
from neoxjp.labs.common.steps import plain, ranges
from neoxjp.labs.common.templates import render
from neoxjp.labs.inside.records import Attention, Lens

TEMPLATE = "labs/inside/view.html"
LEVELS = (0.01, 0.03, 0.1, 0.2, 0.4)  # borders of the colour scale of weights: one below the first has level 0
BYTE = re.compile(r"<\|byte(\d+)\|>")
CURVE, DOTS = (380, 190), 14  # size, narrow enough for a phone; with more points than this no values are written beside them
LISTED = 10  # of the largest weights


def lens(found: Lens, t: Words) -> str:
    """Layers × predictions, from the embedding down to the model's own output."""
    last, layers = found.layers[-1], found.layers
    answer = last.top[0]
    names = [t("inside_after", n=layer.layers, all=last.layers) if layer.layers else t("inside_embedding") for layer in layers]
    piece = plain(found.texts[found.at])
    said = [t("inside_lens_at", at=found.at + 1, piece=piece, answer=plain(answer.text), p=percent(answer.probability))]
    if found.next_id is not None and last.next_logprob is not None:
        follows = plain(found.texts[found.at + 1])
        said.append(t("inside_lens_next", next=follows, p=percent(math.exp(last.next_logprob)), rank=f"{last.next_rank:,}"))
    said.append(t("inside_settled", name=names[settled(found)]))
    bits = [layer.divergence / LN2 for layer in layers]
    texts = (t("inside_curve_x"), t("inside_curve_y"))
    spoken = t("inside_curve_spoken", n=len(bits), values=", ".join(f"{value:.2f}" for value in bits))
    points = [(layer.layers, value) for layer, value in zip(layers, bits, strict=True)]
    drawn = curve(points, *texts, spoken, size=CURVE, log=True, dots=len(bits) <= DOTS)
    rows = [(name, layer, value, math.log1p(value)) for name, layer, value in zip(names, layers, bits, strict=True)]
    values = {"rows": rows, "longest": max(row[3] for row in rows), "answer": answer.id}
    values |= {"next_id": found.next_id, "said": " ".join(said), "curve": drawn}
    return render(TEMPLATE, "lens", t, **values, shown=shown, LN2=LN2)


def settled(found: Lens) -> int:
    """Index of the first layer from which on the output token ranks first."""
    first = len(found.layers) - 1
    while first and found.layers[first - 1].answer_rank == 1:
        first -= 1
    return first


def attention(found: Attention, at: int, t: Words) -> str:
    """The weights of the query token at position `at` over the text."""
    weights = found.weights[found.positions.index(at)]
    largest = sorted(range(len(weights)), key=lambda place: -weights[place])[:LISTED]
    values = {
        "found": found,
        "weights": weights,
        "at": at,
        "largest": largest,
        "scale": ranges([100 * border for border in LEVELS], " %"),
    }
    return render(TEMPLATE, "attention", t, **values, shown=shown, plain=plain, level=level)


def shown(text: str) -> Markup:
    """A token as HTML; a byte as two hexadecimal digits: "<|byte233|>" → E9."""
    byte = BYTE.fullmatch(text)
    return Markup(f'<i class="blank">{int(byte[1]):02X}</i>' if byte else visible(text) or "∅")


def level(weight: float) -> int:
    """Of the colour scale: 0 (pale, little) to 5 (strong, much)."""
    return sum(weight >= border for border in LEVELS)
