"""Values for view.html from the report's records: tables whose cells have a number and its share of the column's largest."""

from dataclasses import dataclass, replace
from typing import Any

from neoxjp.labs.common.templates import render
from neoxjp.labs.tokenizer_report.columns import GROUPS, MEASURES, Column, columns, pick, tables
from neoxjp.labs.tokenizer_report.formats import format_value
from neoxjp.labs.tokenizer_report.records import Report


@dataclass(frozen=True)
class Cell:
    """A number of a table."""

    text: str
    share: float | None  # of the largest in its column


def report_html(report: Report, t: Any) -> str:
    """The tables and what their columns mean. `t`: the strings in the visitor's language."""
    named = [
        replace(row, name=t(key)) if (key := f"tokenizer_{row.key}") in t.table and row.key != "neoxjp" else row
        for row in report.rows
    ]
    measured = [(place, row) for place, row in enumerate(named) if not row.problem]
    groups = [
        {
            "title": pick(GROUPS[key][0], t.lang),
            "heads": [column.head(t.lang) for column in found],
            "rows": [(row.name, [_cell(column, place) for column in found]) for place, row in measured],
        }
        for key, found in tables(report)
    ]
    meanings = [
        tuple(pick(text, t.lang) for text in (measure.name, measure.definition, measure.weakness))
        for measure in (MEASURES[key] for key in dict.fromkeys(column.measure for column in columns(report)))
    ]
    failed = [f"{row.name}: {row.problem_ja if t.lang == 'ja' else row.problem}" for row in named if row.problem]
    return render("labs/tokenizer_report/view.html", "report", t, groups=groups, meanings=meanings, failed=failed)


def _cell(column: Column, place: int) -> Cell:
    value, largest = column.values[place], max((value for value in column.values if value is not None), default=0)
    return Cell(format_value(value, column.style), value / largest if value is not None and largest else None)
