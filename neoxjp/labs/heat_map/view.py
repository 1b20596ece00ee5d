"""A text coloured by the model's surprise, as HTML: pieces, legend, curve, numbers; and two texts side by side.

What pointing and arrow keys do stands in `page_parts/walk.js`: a piece's numbers are its `aria-label`, behind its name and a
newline.
"""

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import Literal, get_args

from neoxjp.labs.common.html import attributes, bar, notice, visible
from neoxjp.labs.common.measures import LN2, percent
from neoxjp.labs.common.steps import LEVELS, level, plain
from neoxjp.labs.heat_map.records import Heat, Pair, ScoredPiece, Stretch

Words = Callable[..., str]
Measure = Literal["logprob", "rank", "entropy"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
RANKS = (1, 5, 20, 100, 1000)
"""Borders of the scale of ranks: rank 1 has level 0, one above the last has level 5."""
ENTROPIES = (1, 3, 5, 7, 9)
"""Borders of the scale of entropies, bits: one below the first has level 0."""
BARS = 480  # of the curve; a longer text has the means of equally many pieces
SHOWN = 60  # characters of a text or a stretch in a table
BEFORE = 8  # characters shown before a surprising piece


def view(heat: Heat, measure: Measure, say: Words, limit: int = 3_000) -> str:
    """The whole answer to one text; only the first `limit` pieces are drawn."""
    return (
        f"{numbers(heat, say)}{text(heat, measure, say, limit)}{scale(measure, say)}{told(say)}{curve(heat, measure, say)}"
        f"{surprising(heat, say, limit)}{definitions(say)}"
    )


# ---------------------------------------------------------------- the text


def text(heat: Heat, measure: Measure, say: Words, limit: int) -> str:
    """The pieces, each with its level on the page's scale."""
    shown = heat.pieces[:limit]
    boxes = "".join(_box(piece, measure, say, tab=0 if place == 0 else -1) for place, piece in enumerate(shown))
    rest = len(heat.pieces) - len(shown)
    more = notice(say("not_drawn", drawn=f"{len(shown):,}", rest=f"{rest:,}")) if rest else ""
    facts = attributes(aria_label=say("heat_view", n=f"{len(heat.pieces):,}"))
    return f'<div class="walk lab-text" role="listbox" lang="ja"{facts}>{boxes}</div>{more}'


def _box(piece: ScoredPiece, measure: Measure, say: Words, tab: int) -> str:
    found = level_of(piece, measure)
    count = f"<sup>{len(piece.ids)}</sup>" if len(piece.ids) > 1 else ""
    facts = attributes(class_="w none" if found is None else f"w l{found}", tabindex=tab, aria_label=_told(piece, say))
    shown = visible(piece.surface) if piece.surface else '<i class="blank">∅</i>'
    breaks = "<br>" * piece.surface.replace("\r\n", "\n").count("\n")
    return f'<span role="option"{facts}>{shown}{count}</span>{breaks}'


def _told(piece: ScoredPiece, say: Words) -> str:
    """The piece's name, a newline, its numbers."""
    ids = " ".join(map(str, piece.ids))
    if piece.logprob is None:
        facts = say("heat_told_first", ids=ids)
    else:
        p, entropy = percent(math.exp(piece.logprob)), (piece.entropy or 0.0) / LN2
        facts = say("heat_told", p=p, bits=f"{piece.bits:.2f}", rank=f"{piece.rank:,}", entropy=f"{entropy:.2f}", ids=ids)
    return f"{plain(piece.surface) or '∅'}\n{facts}"


def level_of(piece: ScoredPiece, measure: Measure) -> int | None:
    """0 (pale) to 5 (strong); None where it was not scored."""
    if piece.logprob is None or piece.rank is None or piece.entropy is None:
        return None
    if measure == "logprob":
        return level(math.exp(piece.logprob))
    if measure == "rank":
        return sum(piece.rank > border for border in RANKS)
    return sum(piece.entropy / LN2 >= border for border in ENTROPIES)


def scale(measure: Measure, say: Words) -> str:
    """The legend: six levels with their numbers."""
    if measure == "logprob":
        shares = [f"{100 * border:g}" for border in LEVELS]
        bits = [f"{-math.log2(border):.1f}".removesuffix(".0") for border in LEVELS]
        between = [f"{low}–{high} %" for high, low in pairwise(shares)]
        costs = [f"≤ {bits[0]}", *(f"{low}–{high}" for low, high in pairwise(bits)), f"> {bits[-1]}"]
        wide = [f"≥ {shares[0]} %", *between, f"< {shares[-1]} %"]
        texts = [f"{share}（{cost}）" for share, cost in zip(wide, costs, strict=True)]
    elif measure == "rank":
        texts = ["1", *(f"{low + 1:,}–{high:,}" for low, high in pairwise(RANKS)), f"> {RANKS[-1]:,}"]
    else:
        texts = [f"< {ENTROPIES[0]}", *(f"{low}–{high}" for low, high in pairwise(ENTROPIES)), f"≥ {ENTROPIES[-1]}"]
    items = "".join(f'<li><i class="l{number}">字</i>{escape(shown)}</li>' for number, shown in enumerate(texts))
    none = f'<li><i class="none">字</i>{escape(say("heat_unscored"))}</li>'
    return f'<ul class="prob-scale"><li class="name">{escape(say(f"heat_scale_{measure}"))}</li>{items}{none}</ul>'


def told(say: Words) -> str:
    """The place where a piece's numbers appear."""
    return f'<p class="lab-facts" data-hint="{escape(say("heat_hint"))}">{escape(say("heat_hint"))}</p>'


# ---------------------------------------------------------------- curve, numbers, list


def curve(heat: Heat, measure: Measure, say: Words) -> str:
    """A bar for each scored piece, the axis at the left; "" for fewer than two."""
    scored = [piece for piece in heat.pieces if piece.bits is not None]
    if len(scored) < 2:
        return ""
    values = [_height(piece, measure) for piece in scored]
    each = -(-len(values) // BARS)
    bars = [math.fsum(group) / len(group) for group in (values[i : i + each] for i in range(0, len(values), each))]
    marks = _marks(max(bars), measure)
    top = max(max(bars), marks[-1][0]) * 1.02
    path = "".join(f"M{at + 0.5:g} 100V{100 - 100 * max(value, 0) / top:.1f}" for at, value in enumerate(bars))
    lines = "".join(f'<path class="grid" d="M0 {100 - 100 * at / top:.1f}H{len(bars)}"/>' for at, _ in marks)
    labels = "".join(f'<span style="bottom:{100 * at / top:.1f}%">{shown}</span>' for at, shown in marks)
    name, most = say(f"heat_curve_{measure}"), max(bars)
    highest = f"{10**most:,.0f}" if measure == "rank" else f"{most:.1f}"
    spoken = say("heat_curve_spoken", name=name, n=f"{len(values):,}", most=highest)
    under = say("heat_curve_x", n=f"{len(heat.pieces):,}")
    if each > 1:
        under = f"{say('heat_curve_mean', k=each)} · {under}"
    width = attributes(style=f"stroke-width:clamp(1px, calc(60vw / {len(bars)} * .7), 14px)")
    return (
        f'<figure class="heat-curve"><figcaption><span>↑ {escape(name)}</span><span>{escape(under)} →</span></figcaption>'
        f'<div class="plot"><div class="marks" aria-hidden="true">{labels}</div>'
        f'<svg viewBox="0 0 {len(bars)} 100" preserveAspectRatio="none" role="img"{attributes(aria_label=spoken)}>'
        f'{lines}<path class="bars" d="{path}"{width}/></svg></div></figure>'
    )


def _height(piece: ScoredPiece, measure: Measure) -> float:
    """On the curve's axis: bits, or the logarithm of the rank."""
    if measure == "rank":
        return math.log10(piece.rank or 1)
    return (piece.bits or 0.0) if measure == "logprob" else (piece.entropy or 0.0) / LN2


def _marks(most: float, measure: Measure) -> list[tuple[float, str]]:
    """Where the axis has its lines, and what stands there."""
    if measure == "rank":
        return [(at, f"{10**at:,}") for at in range(max(1, math.floor(most)) + 1)]
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1e9) if most / step <= 4)
    return [(at * step, f"{at * step:g}") for at in range(max(1, int(most / step)) + 1)]


def numbers(heat: Heat, say: Words) -> str:
    """Bits, bits per character and both perplexities."""

    def shown(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    size = say("heat_n_size_value", tokens=f"{heat.tokens:,}", characters=f"{heat.characters:,}")
    cells = [
        (say("heat_n_bpc"), shown(heat.bits_per_character, ".2f")),
        (say("heat_n_ppt"), shown(heat.perplexity_per_token, ",.1f")),
        (say("heat_n_ppc"), shown(heat.perplexity_per_character, ",.1f")),
        (say("heat_n_bits"), say("heat_bits_value", bits=f"{heat.bits:,.1f}")),
        (say("heat_n_size"), size),
    ]
    return f'<dl class="heat-numbers">{"".join(f"<div><dt>{escape(a)}</dt><dd>{escape(b)}</dd></div>" for a, b in cells)}</dl>'


def surprising(heat: Heat, say: Words, limit: int) -> str:
    """The pieces with the most bits, each leading to its place in the text."""
    if not heat.surprising:
        return ""
    most = heat.pieces[heat.surprising[0]].bits or 1.0
    rows = ""
    for place in heat.surprising:
        piece = heat.pieces[place]
        assert piece.logprob is not None
        assert piece.bits is not None
        before = heat.text[max(0, piece.start - BEFORE) : piece.start]
        dots = "…" if piece.start > BEFORE else ""
        name = f'<span lang="ja">{dots}{visible(before)}<b>{visible(piece.surface) or "∅"}</b></span>'
        go = f'<button type="button" data-go="{place}">{name}</button>' if place < limit else name
        bits = say("heat_bits_value", bits=f"{piece.bits:.1f}")
        rows += f"<li>{go}{bar(piece.bits, most, f'{bits} · {percent(math.exp(piece.logprob))}')}</li>"
    return f'<h3>{escape(say("heat_top", n=len(heat.surprising)))}</h3><ol class="lab-top">{rows}</ol>'


def definitions(say: Words) -> str:
    """What each number means, folded."""
    lines = "".join(f"<li>{escape(say(f'heat_def_{key}'))}</li>" for key in ("bits", "bpc", "ppt", "ppc", "entropy", "first"))
    return f'<details class="lab-fold"><summary>{escape(say("heat_definitions"))}</summary><ul>{lines}</ul></details>'


# ---------------------------------------------------------------- two texts


def pair(found: Pair, say: Words) -> str:
    """Which is likelier, by how much, and where."""
    rows = ""
    for number, heat in enumerate((found.first, found.second), 1):
        cells = (
            f"{heat.tokens:,}",
            f"{heat.bits:,.2f}",
            "–" if heat.bits_per_character is None else f"{heat.bits_per_character:.2f}",
            "–" if heat.perplexity_per_token is None else f"{heat.perplexity_per_token:,.1f}",
        )
        shown = "".join(f"<td>{cell}</td>" for cell in cells)
        rows += f'<tr><th scope="row">{number}</th><td lang="ja">{_short(heat.text)}</td>{shown}</tr>'
    heads = ["", say("heat_col_text"), say("heat_col_tokens"), say("heat_col_bits"), say("heat_n_bpc"), say("heat_n_ppt")]
    sums = f'<div class="lab-scroll"><table class="lab-table heat-sums">{_heads(heads)}<tbody>{rows}</tbody></table></div>'
    if found.same_ids:
        return verdict(found, say) + sums
    largest = max((abs(part.difference) for part in found.stretches), default=0.0) or 1.0
    rows = "".join(_stretch(part, largest, say) for part in found.stretches)
    names = ["heat_col_first", "heat_col_second", "heat_col_difference", "heat_col_first_bits", "heat_col_second_bits"]
    heads = ["", *(say(name) for name in names)]
    table = f'<table class="lab-table heat-stretches">{_heads(heads)}<tbody>{rows}</tbody></table>'
    where = f'<h3>{escape(say("heat_pair_where"))}</h3><div class="lab-scroll">{table}</div>'
    return f'{verdict(found, say)}{sums}{where}<p class="lab-note">{escape(say("heat_pair_note"))}</p>'


def verdict(found: Pair, say: Words) -> str:
    """The answer as a sentence; a second one where the answers by sum and by character differ."""
    if found.same_ids:
        same = found.first.text == found.second.text
        return _said(say("heat_pair_identical" if same else "heat_pair_same_ids"))
    if found.likelier is None:
        return _said(say("heat_pair_equal"))
    number = {"first": 1, "second": 2}
    bits = abs(found.difference)
    times = 2.0**bits if bits < 40 else None
    factor = "" if times is None else say("heat_pair_times", n=f"{times:,.0f}" if times >= 10 else f"{times:.2g}")
    said = _said(say("heat_pair_likelier", which=number[found.likelier], bits=f"{bits:.2f}", times=factor))
    if found.likelier_per_character not in (None, found.likelier):
        said += notice(say("heat_pair_disagree", which=3 - number[found.likelier]))
    return said


def _stretch(part: Stretch, largest: float, say: Words) -> str:
    sign = "=" if part.kind == "same" else "≠"
    kind = f'<span class="sr">{escape(say(f"heat_kind_{part.kind}"))}</span>'
    nothing = f"<small>{escape(say('heat_nothing_there'))}</small>"
    texts = [_short(text) if text else nothing for text in (part.first_text, part.second_text)]
    size = abs(part.difference)
    if size < 0.005:
        cheaper = escape(say("heat_even"))
    else:
        which = 2 if part.difference > 0 else 1
        cheaper = bar(size, largest, say("heat_cheaper", which=which, bits=f"{size:.2f}"), series=which - 1)
    return (
        f'<tr class="{part.kind}"><th scope="row"><i aria-hidden="true">{sign}</i>{kind}</th>'
        f'<td lang="ja">{texts[0]}</td><td lang="ja">{texts[1]}</td><td class="cheaper">{cheaper}</td>'
        f"<td>{part.first_bits:.2f}</td><td>{part.second_bits:.2f}</td></tr>"
    )


def _said(sentence: str) -> str:
    return f'<p class="lab-said"><i aria-hidden="true">∴</i> {escape(sentence)}</p>'


def _heads(names: Sequence[str]) -> str:
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _short(text: str) -> str:
    """Of a long text its beginning and its end."""
    if len(text) <= SHOWN:
        return visible(text)
    return f"{visible(text[: SHOWN // 2])}…{visible(text[-SHOWN // 2 :])}"
