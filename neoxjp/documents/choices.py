"""Questions with options, one of which is right, from a file with one question on each line.

.jsonl, .csv or .tsv (also .xz, .gz) with the fields or columns `question`, `label` (the number of the right option, from 0) and
the options: in JSONL a list `options` or `choices`; in each form also the columns `option0`, `option1`, … or `choice0`, …, as
JCommonsenseQA has them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from neoxjp.documents.rows import Kind, Row, label_found, label_found_ja, open_table, refuse, text_of

QUESTIONS = Kind(
    "question",
    "質問",
    "each line has a question, at least two options, and as label the number of the right one, from 0",
    "各行に質問 question、2 つ以上の選択肢、正解の番号 label（0 から）が必要です",
    {"question": ("question",), "label": ("label",)},
)


@dataclass(frozen=True)
class Question:
    """A question and its options."""

    text: str
    options: tuple[str, ...]
    answer: int  # place of the right option
    line: int  # in the file


def read_questions(path: str | Path, encoding: str = "") -> Iterator[Question]:
    """The questions of a file. encoding: "": detected.

    Raises:
        ParameterError: naming file and line, where the question or an option is missing or empty, there are fewer than two
            options, or the label is not the number of one.
    """
    with open_table(path, QUESTIONS, encoding) as rows:
        for row in rows:
            options = _options(row)
            yield Question(text_of(row, "question", QUESTIONS), options, _answer(row, len(options)), row.number)


def _options(row: Row) -> tuple[str, ...]:
    listed = next((row.values[name] for name in ("options", "choices") if isinstance(row.values.get(name), list)), None)
    if listed is None:
        for name in ("option", "choice"):
            listed = []
            while (text := row.values.get(f"{name}{len(listed)}")) is not None:
                listed.append(text)
            if listed:
                break
        while listed and listed[-1] == "":  # a question with fewer options than the table has columns
            listed.pop()
    if not listed or len(listed) < 2:
        refuse(
            row.number,
            f"{len(listed or [])} options: {QUESTIONS.form}",
            f"選択肢が {len(listed or [])} 個です。{QUESTIONS.form_ja}",
        )
    for place, text in enumerate(listed):
        if not isinstance(text, str) or not text.strip():
            refuse(row.number, f"option {place} has no text", f"選択肢 {place} にテキストがありません")
    return tuple(listed)


def _answer(row: Row, options: int) -> int:
    given = row.values.get("label")
    text = str(given).strip() if isinstance(given, str | int) and not isinstance(given, bool) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) < options):
        refuse(
            row.number,
            f"{label_found(given)}: write the number of the right option, from 0 to {options - 1}",
            f"{label_found_ja(given)}。正解の番号を 0 から {options - 1} までで書いてください",
        )
    return int(text)
