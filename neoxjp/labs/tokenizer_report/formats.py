"""The report as Markdown, as records for a CSV, and as values for JSON."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from neoxjp.labs.common.measures import percent
from neoxjp.labs.tokenizer_report.columns import GROUPS, MEASURES, PARTS, Column, Lang, Style, Text, columns, pick, tables
from neoxjp.labs.tokenizer_report.records import UNITS, Report

# fmt: off
WORDS: dict[str, Text] = {
    "title": ("トークナイザーの比較", "Tokenizers compared"),
    "tokenizer": ("トークナイザー", "tokenizer"),
    "texts": ("テキスト", "Texts"),
    "domain": ("出典", "source"),
    "documents": ("文書", "documents"),
    "characters": ("文字", "characters"),
    "bytes": ("バイト（UTF-8）", "bytes (UTF-8)"),
    "spelled": ("うち表記を変えた文字", "of them in other spellings"),
    "sentences": ("人が境界を付けた文：{n}（{units}）。", "Sentences with boundaries set by hand: {n} ({units})."),
    "pairs": ("日本語と英語の組：{n}。", "Pairs of Japanese and English: {n}."),
    "columns": ("列の意味と弱点", "What the columns mean, and their weaknesses"),
    "weakness": ("弱点：", "Weakness: "),
    "missing": ("測れなかったもの", "Not measured"),
}
# fmt: on


def format_value(value: float | None, style: Style) -> str:
    """A cell: 1.4756 → "1.476", of a share 0.0123 → "1.23 %", of a speed 6.97 → "7.0"; None → "–"."""
    if value is None:
        return "–"
    if style == "share":
        return percent(value, 2)
    return f"{value:.1f}" if style == "speed" else f"{value:.3f}"


def to_markdown(report: Report, lang: Lang = "en") -> str:
    """The whole report, with what each column means."""
    return "\n".join(_markdown(report, lang)) + "\n"


def _markdown(report: Report, lang: Lang) -> Iterator[str]:
    def t(key: str, **values: object) -> str:
        return pick(WORDS[key], lang).format(**values)

    yield f"# {t('title')}"
    yield from ("", f"## {t('texts')}", "")
    if report.domains:
        sizes = [
            (each.name, f"{each.documents:,}", f"{each.characters:,}", f"{each.utf8_bytes:,}", f"{each.spelled:,}")
            for each in report.domains
        ]
        yield from _table([t(key) for key in ("domain", "documents", "characters", "bytes", "spelled")], sizes)
        yield ""
    yield from _paragraphs(given(report, lang))
    rows = [(place, row) for place, row in enumerate(report.rows) if not row.problem]
    for key, found in tables(report):
        yield f"## {pick(GROUPS[key][0], lang)}"
        yield ""
        heads = [t("tokenizer"), *(column.head(lang) for column in found)]
        yield from _table(heads, [(row.name, *(_cell(column, place) for column in found)) for place, row in rows])
        yield ""
    yield from (f"## {t('columns')}", "")
    for name in dict.fromkeys(column.measure for column in columns(report)):
        measure = MEASURES[name]
        definition, weakness = pick(measure.definition, lang), pick(measure.weakness, lang)
        yield f"- **{pick(measure.name, lang)}**: {definition} *{t('weakness')}{weakness}*"
    if failed := [row for row in report.rows if row.problem]:
        yield from ("", f"## {t('missing')}", "")
        yield from (f"- {_escaped(row.name)}: {_escaped(row.problem_ja if lang == 'ja' else row.problem)}" for row in failed)


def given(report: Report, lang: Lang) -> list[str]:
    """Sentences about the sentences and pairs that were measured."""
    found = []
    if report.sentences:
        counted = [f"{pick(PARTS[unit], lang)} {report.units[unit]:,}" for unit in UNITS if report.units[unit]]
        units = ("、" if lang == "ja" else ", ").join(counted)
        found.append(pick(WORDS["sentences"], lang).format(n=f"{report.sentences:,}", units=units))
    if report.pairs:
        found.append(pick(WORDS["pairs"], lang).format(n=f"{report.pairs:,}"))
    return found


def _paragraphs(sentences: Sequence[str]) -> Iterator[str]:
    for sentence in sentences:
        yield from (sentence, "")


def _cell(column: Column, place: int) -> str:
    return format_value(column.values[place], column.style)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(map(_escaped, heads)) + " |"
    yield "|---" + "|---:" * (len(heads) - 1) + "|"
    for row in rows:
        yield "| " + " | ".join(map(_escaped, row)) + " |"


def _escaped(text: str) -> str:
    """A name in one cell of a Markdown table."""
    return " ".join(text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").split())


def to_records(report: Report) -> list[dict[str, Any]]:
    """One record for each tokenizer, its columns by name, for a CSV."""
    found = columns(report)
    return [
        {"tokenizer": row.name, "key": row.key, "tokens": row.tokens, "vocabulary": row.vocabulary}
        | {column.key: None if (value := column.values[place]) is None else round(value, 6) for column in found}
        | {"problem": row.problem}
        for place, row in enumerate(report.rows)
    ]


def to_json(report: Report) -> dict[str, Any]:
    """The records, and what each column means in both languages."""
    meanings = {
        name: {
            lang: {key: pick(getattr(measure, key), lang) for key in ("name", "definition", "weakness")} for lang in ("ja", "en")
        }
        for name, measure in MEASURES.items()
    }
    return {**asdict(report), "measures": meanings}
