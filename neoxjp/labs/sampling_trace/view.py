"""The ledger of one token as HTML: where the random number fell, what each filter removed, the candidates after each filter.

How the number line follows a choice in the text stands in `labs/sampling_trace/script.js`.
"""

from collections.abc import Callable
from html import escape

from neoxjp.labs.common.html import attributes, bar, notice, visible
from neoxjp.labs.common.steps import SPECIAL, plain
from neoxjp.labs.sampling_trace.records import Candidate, StepLedger
from neoxjp.sampling import SamplingParams, Stage

Words = Callable[..., str]
NAMED = 0.035  # share of the number line from which on a candidate's name is written on it
TICKS = (0, 0.25, 0.5, 0.75, 1)


def percent(share: float) -> str:
    """0.612 → "61.2 %", 0.0123 → "1.23 %", 0.0004 → "< 0.1 %", 0.0 → "0 %"; as the browser writes them, too."""
    if share >= 0.0995:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.2f} %" if share >= 0.00095 else "< 0.1 %" if share > 0 else "0 %"


def filter_name(stage: Stage, params: SamplingParams, say: Words) -> str:
    """A stage with its setting: "top-p 0.95"."""
    field = {"no_repeat_ngram": "no_repeat_ngram_size"}.get(stage, stage)
    value = "" if stage in ("model", "greedy") else f" {getattr(params, field):g}"
    return say(f"ledger_f_{stage}") + value


# ---------------------------------------------------------------- the draw


def draw(record: StepLedger, params: SamplingParams, tried: bool, known: bool, place: int, count: int, say: Words) -> str:
    """The token, the number line from 0 to 1, and in a sentence what was drawn.

    tried: `params` are not those of the generation. known: those of the generation are known. place: of the token, from 0, of
    the `count` that were written.
    """
    written = _row(record, record.written)
    number = say("ledger_number", i=f"{place + 1:,}", n=f"{count:,}")
    name = f'<b lang="ja">{_shown(written.text, say)}</b>' if written else ""
    facts = f"<span>id <code>{record.written}</code></span><span>{escape(number)}</span>"
    entropy = say("ledger_entropy_line", before=f"{record.entropy_before:.2f}", after=f"{record.entropy_after:.2f}")
    head = f'<p class="xl-head">{name}{facts}<span>{escape(entropy)}</span></p>'
    sign = "≠" if _differs(record) else "∴"
    sentence = escape(_sentence(record, params, tried, known, say))
    said = f'<p class="xl-said"><i aria-hidden="true">{sign}</i> {sentence}</p>'
    again = "" if record.kept_logits else f'<p class="xl-note">{escape(say("ledger_read_again"))}</p>'
    at = attributes(data_place=place, data_count=count)
    return f'<section class="xl"{at}>{head}{number_line(record, say)}<div aria-live="polite">{said}</div>{again}</section>'


def _differs(record: StepLedger) -> bool:
    return record.drawn is not None and record.written is not None and record.drawn != record.written


def _sentence(record: StepLedger, params: SamplingParams, tried: bool, known: bool, say: Words) -> str:
    drawn, written = _row(record, record.drawn), _row(record, record.written)
    if not known and record.drawn is None:
        return say("ledger_unknown")
    if drawn is None or drawn.interval is None:
        return say("ledger_no_seed")
    name, chance = _quoted(drawn.text, say), percent(drawn.probabilities[-1])
    begin, end = (f"{edge:.4f}" for edge in drawn.interval)
    how = "greedy" if record.uniform is None else "drawn"
    values = {"name": name, "p": chance, "u": f"{record.uniform or 0:.4f}", "a": begin, "b": end}
    if not tried and not _differs(record):
        return say(f"ledger_said_{how}", **values)
    if not _differs(record):
        return say(f"ledger_tried_same_{how}", **values)
    assert written is not None
    key = "ledger_tried_other" if tried else "ledger_said_other"
    lost = say("ledger_removed_by", filter=filter_name(written.removed_by, params, say)) if written.removed_by else ""
    return say(key, **values, was=_quoted(written.text, say), lost=lost)


def number_line(record: StepLedger, say: Words) -> str:
    """The candidates' intervals on the way from 0 to 1, and where the random number fell."""
    parts, reached = [], 0.0
    rows = sorted((row for row in record.candidates if row.interval), key=lambda row: row.interval or (0.0, 0.0))
    for row in rows:
        assert row.interval is not None
        begin, end = row.interval
        if begin - reached > 1e-12:
            parts.append(_gap(reached, begin, say))
        parts.append(_interval(row, record, say))
        reached = end
    if 1 - reached > 1e-12:
        parts.append(_gap(reached, 1, say))
    ticks = "".join(f'<span style="left:{100 * tick:g}%">{tick:g}</span>' for tick in TICKS)
    mark = ""
    if record.uniform is not None:
        side = "end" if record.uniform > 0.8 else "start" if record.uniform < 0.2 else "middle"
        number = escape(say("ledger_uniform", u=f"{record.uniform:.4f}"))
        mark = f'<span class="xl-mark {side}" style="left:{100 * record.uniform:.3f}%"><b>{number}</b></span>'
    drawn = _row(record, record.drawn)
    spoken = say("ledger_line", n=f"{record.stages[-1].kept:,}")
    if drawn is not None and drawn.interval is not None and record.uniform is not None:
        values = {"name": _quoted(drawn.text, say), "u": f"{record.uniform:.4f}"}
        spoken += say("ledger_line_drawn", a=f"{drawn.interval[0]:.4f}", b=f"{drawn.interval[1]:.4f}", **values)
    return (
        f'<div class="xl-line" role="img"{attributes(aria_label=spoken)}><div class="xl-marks">{mark}</div>'
        f'<div class="xl-track">{"".join(parts)}</div><div class="xl-ticks">{ticks}</div></div>'
    )


def _interval(row: Candidate, record: StepLedger, say: Words) -> str:
    begin, end = row.interval or (0.0, 0.0)
    names = "xl-i" + (" drawn" if row.id == record.drawn else "") + (" was" if row.id == record.written else "")
    title = f"{plain(row.text) or row.id} {percent(end - begin)} ({begin:.4f}–{end:.4f})"
    text = _shown(row.text, say) if end - begin >= NAMED else ""
    facts = attributes(class_=names, style=f"left:{100 * begin:.3f}%;width:{100 * (end - begin):.3f}%", title=title, lang="ja")
    return f"<span{facts}>{text}</span>"


def _gap(begin: float, end: float, say: Words) -> str:
    title = say("ledger_gap", p=percent(end - begin))
    style = f"left:{100 * begin:.3f}%;width:{100 * (end - begin):.3f}%"
    return f"<span{attributes(class_='xl-i xl-gap', style=style, title=title)}></span>"


# ---------------------------------------------------------------- the candidates and the filters


def candidates(record: StepLedger, params: SamplingParams, say: Words) -> str:
    """A row for each candidate, a column for each filter; what is left over in one row, so that each column sums to one."""
    names = [filter_name(stage.name, params, say) for stage in record.stages]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in ("", *names, say("ledger_result")))
    largest = max(chance for row in record.candidates for chance in row.probabilities)
    rows = "".join(_candidate(row, record, params, largest, say) for row in record.candidates)
    if record.others.count:
        cells = "".join(f"<td><b>{percent(chance)}</b></td>" for chance in record.others.probabilities)  # no bar: it is no token
        left = say("ledger_others_left", n=f"{record.others.kept:,}")
        title = escape(say("ledger_others", n=f"{record.others.count:,}"))
        rows += f'<tr class="others"><th scope="row">{title}</th>{cells}<td class="verdict">{escape(left)}</td></tr>'
    scale = escape(say("ledger_scale", most=percent(largest)))
    return (
        f'<div class="xl-scroll" tabindex="0" role="group"{attributes(aria_label=say("ledger_table"))}>'
        f'<table class="xl-table"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="xl-note">{scale}</p>'
    )


def _candidate(row: Candidate, record: StepLedger, params: SamplingParams, largest: float, say: Words) -> str:
    cells = ""
    gone = False
    for stage, chance in zip(record.stages, row.probabilities, strict=True):
        if gone:
            cells += '<td class="gone">·</td>'
        elif row.removed_by == stage.name:
            gone = True
            cells += f'<td class="gone">× {escape(say("ledger_gone"))}</td>'
        else:
            cells += f"<td>{_share(chance, largest)}</td>"
    kind, verdict = _verdict(row, record, params, say)
    name = f'<i aria-hidden="true">{verdict[0]}</i>{_shown(row.text, say)}'  # the verdict's sign stays in view on a narrow screen
    return f'<tr{kind}><th scope="row" lang="ja">{name}</th>{cells}<td class="verdict">{escape(verdict)}</td></tr>'


def _verdict(row: Candidate, record: StepLedger, params: SamplingParams, say: Words) -> tuple[str, str]:
    """The row's class and what became of the candidate, by a sign and a word."""
    lost = f"× {filter_name(row.removed_by, params, say)}" if row.removed_by else ""
    if row.id == record.drawn:
        return ' class="drawn"', f"✓ {say('ledger_drawn')}" + (
            f" {say('ledger_and_written')}" if row.id == record.written else ""
        )
    if row.id == record.written:
        return ' class="was"', f"◆ {say('ledger_written')}" + (f" {lost}" if lost else "")
    return (' class="lost"', lost) if lost else ("", f"○ {say('ledger_could')}")


def _share(chance: float, largest: float) -> str:
    width = 100 * chance / largest if largest else 0
    return f'<b>{percent(chance)}</b><i style="width:{min(width, 100):.1f}%"></i>'


def filters(record: StepLedger, params: SamplingParams, say: Words) -> str:
    """How many tokens each filter left, what share of the model's probability it cut away, and the entropy before and after."""
    heads = "".join(f'<th scope="col">{escape(say(key))}</th>' for key in ("ledger_filter", "ledger_left", "ledger_cut"))
    largest = max(record.mass_cut, *(stage.cut for stage in record.stages)) or 1.0
    rows = ""
    for stage in record.stages:
        cut = "" if stage.name == "model" else bar(stage.cut, largest, percent(stage.cut))
        name = escape(filter_name(stage.name, params, say))
        rows += f'<tr><th scope="row">{name}</th><td>{stage.kept:,}</td><td>{cut}</td></tr>'
    total = bar(record.mass_cut, largest, percent(record.mass_cut))
    sum_row = f'<th scope="row">{escape(say("ledger_sum"))}</th><td>{record.stages[-1].kept:,}</td><td>{total}</td>'
    most = max(record.entropy_before, record.entropy_after) or 1.0
    pair = (("ledger_entropy_before", record.entropy_before), ("ledger_entropy_after", record.entropy_after))
    unit = say("g_bits")
    entropies = "".join(
        f'<tr><th scope="row">{escape(say(key))}</th><td>{bar(bits, most, f"{bits:.2f}{unit}")}</td></tr>' for key, bits in pair
    )
    return (
        f'<table class="xl-filters"><thead><tr>{heads}</tr></thead><tbody>{rows}<tr class="sum">{sum_row}</tr></tbody></table>'
        f'<table class="xl-filters xl-entropy"><tbody>{entropies}</tbody></table>'
    )


# ---------------------------------------------------------------- small parts


def hint(message: str) -> str:
    """An empty section: what to do."""
    return f'<p class="xl-hint">{escape(message)}</p>'


def trouble(message: str) -> str:
    """An expected error in the place of the number line."""
    return notice(message, "error")


def _row(record: StepLedger, id: int | None) -> Candidate | None:
    return next((row for row in record.candidates if row.id == id), None)


def _shown(text: str, say: Words) -> str:
    """A token's own text; what has none by its name: "<|endoftext|>" → "⏹ end of text"."""
    if text == "<|endoftext|>":
        return f"⏹ {escape(say('ledger_end'))}"
    return f"<code>{escape(text.strip('<|>'))}</code>" if SPECIAL.fullmatch(text) or "<|byte" in text else visible(text) or "∅"


def _quoted(text: str, say: Words) -> str:
    return say("ledger_end") if text == "<|endoftext|>" else plain(text) or "∅"
