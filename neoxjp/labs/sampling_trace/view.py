"""Values for view.html: the intervals of the number line, the sentence about the draw, the result of each candidate."""

import re
from collections.abc import Iterable, Iterator, Mapping

from neoxjp.labs.common.measures import percent
from neoxjp.labs.common.steps import plain
from neoxjp.labs.common.templates import Words, render
from neoxjp.labs.sampling_trace.records import Candidate, StepTrace
from neoxjp.sampling import OPTIONS, Option, SamplingParams

Names = Mapping[str, str]  # stage → its name, as `filter_names` gives them
TEMPLATE = "labs/sampling_trace/view.html"


def draw(record: StepTrace, names: Names, tried: bool, known: bool, position: int, count: int, t: Words) -> str:
    """HTML of the token, the number line from 0 to 1, and a sentence about the draw.

    tried: the settings are not those of the generation. known: those of the generation are known. position: of the token, from 0,
    among the `count` generated ones.
    """
    differs = record.written is not None and record.drawn not in (None, record.written)
    return render(
        TEMPLATE,
        "draw",
        t,
        record=record,
        written=_row(record, record.written),
        position=position,
        count=count,
        sentence=_sentence(record, names, tried, known, differs, t),
        differs=differs,
        intervals=list(_intervals(record, t)),
        spoken=_spoken(record, t),
    )


def candidates(record: StepTrace, names: Names, t: Words) -> str:
    """HTML table: a row for each candidate, a column for each filter, and the sum of all other tokens."""
    filters = [names[stage.name] for stage in record.stages]
    rows = [(row, *_verdict(row, record, names, t)) for row in record.candidates]
    largest = max(chance for row in record.candidates for chance in row.probabilities)
    return render(TEMPLATE, "candidates", t, record=record, filters=filters, rows=rows, largest=largest)


def filters(record: StepTrace, names: Names, t: Words) -> str:
    """HTML table: the tokens left by each filter, the probability mass that it removed, and the entropy before and after."""
    shown = [names[stage.name] for stage in record.stages]
    return render(TEMPLATE, "filters", t, record=record, names=shown)


def hint(sentence: str, t: Words) -> str:
    """HTML of an empty section: what to do."""
    return render(TEMPLATE, "hint", t, sentence=sentence)


def filter_names(params: SamplingParams, t: Words, options: Iterable[Option] = OPTIONS) -> dict[str, str]:
    """For each stage its name: the label of the option that feeds it, and its value. "top_p" → "Top-p 0.95"."""
    names = {stage: t(f"sampling_trace_f_{stage}") for stage in ("model", "greedy")}
    for option in options:
        if option.stage:
            label = re.sub(r"\s*[(（].*", "", t(f"option_{option.name}"))  # without the name in code
            names[option.stage] = f"{label} {getattr(params, option.name):g}"
    return names


def _sentence(record: StepTrace, names: Names, tried: bool, known: bool, differs: bool, t: Words) -> str:
    drawn, written = _row(record, record.drawn), _row(record, record.written)
    if not known and record.drawn is None:
        return t("sampling_trace_unknown")
    if drawn is None or drawn.interval is None:
        return t("sampling_trace_no_seed")
    values = {"name": _quoted(drawn.text, t), "p": percent(drawn.probabilities[-1]), "u": f"{record.uniform or 0:.4f}"}
    if not differs:
        how = "greedy" if record.uniform is None else "drawn"
        begin, end = drawn.interval
        key = f"sampling_trace_same_{how}" if tried else f"sampling_trace_{how}"
        return t(key, **values, a=f"{begin:.4f}", b=f"{end:.4f}")
    assert written is not None
    removed = t("sampling_trace_removed_by", filter=names[written.removed_by]) if written.removed_by else ""
    key = "sampling_trace_tried_other" if tried else "sampling_trace_recomputed_other"
    return t(key, **values, was=_quoted(written.text, t), removed=removed)


def _intervals(record: StepTrace, t: Words) -> Iterator[tuple[Candidate | None, float, float, str]]:
    """The candidates from 0 to 1 with their begin, end and title; None: tokens without a row of their own."""
    reached = 0.0
    known = [(row.interval, row) for row in record.candidates if row.interval is not None]
    for (begin, end), row in [*sorted(known, key=lambda item: item[0]), ((1.0, 1.0), None)]:
        if begin - reached > 1e-12:
            yield None, reached, begin, t("sampling_trace_rest", p=percent(begin - reached))
        if row is not None:
            yield row, begin, end, f"{plain(row.text) or row.id} {percent(end - begin)} ({begin:.4f}–{end:.4f})"
        reached = end


def _spoken(record: StepTrace, t: Words) -> str:
    """The number line for screen readers."""
    drawn, spoken = _row(record, record.drawn), t("sampling_trace_line", n=f"{record.stages[-1].tokens_left:,}")
    if drawn is not None and drawn.interval is not None and record.uniform is not None:
        a, b = (f"{edge:.4f}" for edge in drawn.interval)
        spoken += t("sampling_trace_line_drawn", a=a, b=b, name=_quoted(drawn.text, t), u=f"{record.uniform:.4f}")
    return spoken


def _verdict(row: Candidate, record: StepTrace, names: Names, t: Words) -> tuple[str, str]:
    """The class of a candidate's row, and its result as a sign and a word."""
    removed = f"× {names[row.removed_by]}" if row.removed_by else ""
    if row.id == record.drawn:
        also = f" {t('sampling_trace_and_written')}" if row.id == record.written else ""
        return "drawn", f"✓ {t('sampling_trace_is_drawn')}{also}"
    if row.id == record.written:
        return "written", f"◆ {t('sampling_trace_written')} {removed}".rstrip()
    return ("lost", removed) if removed else ("", f"◇ {t('sampling_trace_possible')}")


def _row(record: StepTrace, id: int | None) -> Candidate | None:
    return next((row for row in record.candidates if row.id == id), None)


def _quoted(text: str, t: Words) -> str:
    return t("sampling_trace_end") if text == "<|endoftext|>" else plain(text) or "∅"
