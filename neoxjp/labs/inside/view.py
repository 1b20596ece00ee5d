"""The records as values for view.html.

The script in `page_parts/walk.js` walks tokens and heads with arrow keys and shows the numbers of one from its `aria-label`;
heads.js draws and sorts the heads.
"""

import math
import re
from collections.abc import Sequence

from markupsafe import Markup

from neoxjp.engine import LN2
from neoxjp.labs.common.curve import curve
from neoxjp.labs.common.html import Words, visible
from neoxjp.labs.common.measures import percent
from neoxjp.labs.common.steps import plain, ranges
from neoxjp.labs.common.templates import render
from neoxjp.labs.inside.heads import Heads
from neoxjp.labs.inside.records import Attention, Lens
from neoxjp.labs.inside.salience import MOST, LeftOut, Salience

TEMPLATE = "labs/inside/view.html"
LEVELS = (0.01, 0.03, 0.1, 0.2, 0.4)  # borders of the colour scale of weights: one below the first has level 0
BYTE = re.compile(r"<\|byte(\d+)\|>")
CURVE, DOTS = (380, 190), 14  # size, narrow enough for a phone; with more points than this no values are written beside them
LISTED = 10  # of the largest weights, and of the tokens with the largest effect
CELLS = 20  # rows of a head's picture
EFFECTS = (0.25, 0.5, 1, 2, 4)  # borders of the colour scale of effects, bits
WRITTEN = 0.5  # bits; smaller effects are not written beside their token
SCORES = ("itself", "previous", "first", "induction", "entropy")
SOURCES = {
    "previous": ("Elhage et al. 2021", "https://transformer-circuits.pub/2021/framework/index.html"),
    "first": ("arXiv 2309.17453", "https://arxiv.org/abs/2309.17453"),
    "induction": ("arXiv 2209.11895", "https://arxiv.org/abs/2209.11895"),
}


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
        "scale": _weight_scale(),
    }
    return render(TEMPLATE, "attention", t, **values, shown=shown, plain=plain, level=level)


def heads(found: Heads, t: Words) -> str:
    """All heads as small pictures, which heads.js draws: a row of numbers and levels for each."""
    rows = [
        [head.layer, head.head, *(_rounded(getattr(head, name)) for name in SCORES), _levels(head.picture)]
        for head in found.scores
    ]
    words = {name: t(f"inside_short_{name}") for name in SCORES}
    for key, names in (("name", ("layer", "head")), ("facts", SCORES), ("range", ("start", "end", "all"))):
        words[key] = t(f"inside_head_{key}", **{name: f"{{{name}}}" for name in names})
    values = {"words": words, "scale": _weight_scale(), "queries": max(len(found.ids) - 1, 0), "sources": SOURCES}
    return render(TEMPLATE, "heads", t, found=found, rows=rows, names=("layer", *SCORES), **values)


def _levels(picture: Sequence[Sequence[float]]) -> str:
    """The colour of each cell, row after row: ((1.0,), (0.98, 0.02)) → "551"."""
    return "".join(str(level(weight)) for row in picture for weight in row)


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)


def salience(found: Salience, t: Words) -> str:
    """The tokens before the predicted one, coloured by what leaving them out does to its surprisal."""
    largest = sorted(found.left_out, key=lambda left: -abs(left.bits))[:LISTED]
    boxes = [
        (left, level(abs(left.bits), EFFECTS), signed(left.bits, 1) if abs(left.bits) >= WRITTEN else "")
        for left in found.left_out
    ]
    said = t("inside_salience_at", at=found.start + 1, piece=plain(found.text), bits=f"{found.surprisal:.2f}")
    if largest and largest[0].bits >= WRITTEN:
        said += " " + t("inside_salience_largest", piece=plain(largest[0].text), bits=f"{largest[0].surprisal:.2f}")
    values = {"boxes": boxes, "largest": largest, "said": said, "scale": ranges(EFFECTS), "most": MOST}
    return render(TEMPLATE, "salience", t, found=found, **values, shown=shown, facts=lambda left: _facts(left, t), signed=signed)


def _facts(left: LeftOut, t: Words) -> str:
    """Name, a newline, numbers."""
    numbers = {"bits": f"{left.surprisal:.2f}", "difference": signed(left.bits)}
    return f"{plain(left.text) or '∅'}\n{t('inside_salience_facts', at=left.start + 1, **numbers)}"


def signed(bits: float, digits: int = 2) -> str:
    """1.5 → "+1.50", -1.5 → "−1.50"."""
    return f"{bits:+z.{digits}f}".replace("-", "−")


def hint(sentence: str) -> str:
    """HTML of an empty view: what to do."""
    return render(TEMPLATE, "hint", sentence=sentence)


def shown(text: str) -> Markup:
    """A token as HTML; a byte as two hexadecimal digits: "<|byte233|>" → E9."""
    byte = BYTE.fullmatch(text)
    return Markup(f'<i class="blank">{int(byte[1]):02X}</i>' if byte else visible(text) or "∅")


def level(value: float, borders: Sequence[float] = LEVELS) -> int:
    """Of the colour scale: 0 (pale, little) to 5 (strong, much)."""
    return sum(value >= border for border in borders)


def _weight_scale() -> list[str]:
    return ranges([100 * border for border in LEVELS], " %")
