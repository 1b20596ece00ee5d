"""The record as values for view.html. `page_parts/walk.js` walks the cells and shows the numbers of one from its `aria-label`."""

from markupsafe import Markup

from neoxjp.labs.common.html import Words, visible
from neoxjp.labs.common.measures import percent
from neoxjp.labs.common.steps import plain, ranges
from neoxjp.labs.common.templates import render
from neoxjp.labs.patching.records import Patching

TEMPLATE = "labs/patching/view.html"
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.95)  # borders of the colour scale of shares
WRITTEN = 0.05  # smaller shares are not written into their cells
LITTLE = 1.0  # bits; of a smaller difference a sentence says that shares are unsteady


def view(found: Patching, t: Words) -> str:
    """Layers × words, from the embedding down to the last layer."""
    base, donor = found.base, found.donor
    said = [
        t(
            "patching_predicts",
            base=plain(base.text),
            base_p=percent(base.probability),
            donor=plain(donor.text),
            donor_p=percent(donor.probability),
        )
    ]
    if found.share(base.score) is None:
        return render(TEMPLATE, "no_difference", t, said=" ".join([*said, t("patching_no_difference")]))
    bits = {"target": plain(found.target_text), "base": signed(base.score), "donor": signed(donor.score)}
    alone = found.other_id is None
    said.append(t("patching_measures_one", **bits) if alone else t("patching_measures", **bits, other=plain(found.other_text)))
    if abs(donor.score - base.score) < LITTLE:
        said.append(t("patching_little", bits=f"{abs(donor.score - base.score):.2f}"))
    last = len(found.scores) - 1
    names = [t("patching_after", n=layers, all=last) if layers else t("patching_embedding") for layers in range(last + 1)]
    pairs = [(plain(pair.text), plain(pair.donor_text)) for pair in found.spans]
    columns = [*(text if text == donor_text else f"{text} ← {donor_text}" for text, donor_text in pairs), t("patching_cell_all")]
    rows = [
        (name, [_cell(found, score, column, name, t) for score, column in zip((*scores, whole), columns, strict=True)])
        for name, scores, whole in zip(names, found.scores, found.whole, strict=True)
    ]
    scale = ranges([100 * border for border in LEVELS], " %")
    return render(TEMPLATE, "grid", t, spans=found.spans, rows=rows, said=" ".join(said), scale=scale, shown=shown)


def _cell(found: Patching, score: float, column: str, name: str, t: Words) -> tuple[int, bool, str, str]:
    """Level, whether it moves the other way, the written number, and the facts."""
    share = found.share(score) or 0.0
    level = sum(abs(share) >= border for border in LEVELS)
    number = f"{100 * share:.0f}".replace("-", "−") if abs(share) >= WRITTEN else ""
    facts = t("patching_cell", after=name, share=f"{100 * share:z.1f} %".replace("-", "−"), bits=signed(score))
    return level, share < 0 and level > 0, number, f"{column}\n{facts}"


def shown(text: str) -> Markup:
    """A span's text as HTML."""
    return Markup(visible(text) or "∅")


def signed(bits: float) -> str:
    """1.5 → "+1.50", -1.5 → "−1.50"."""
    return f"{bits:+z.2f}".replace("-", "−")
