"""Sentences that people judged: acceptable or not, from a file with one on each line.

.jsonl, .csv or .tsv (also .xz, .gz) with the fields or columns `sentence` (or `text`), `label` (1: acceptable, 0: not) and,
where there are several kinds, `phenomenon` or `source`. JCoLA's files (Someya, Sugimoto and Oseki, LREC-COLING 2024) are read as
they are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neoxjp.documents.rows import GroupLimit, Kind, Row, group_of, label_found, label_found_ja, open_table, refuse, text_of
from neoxjp.errors import ParameterError

SENTENCES = Kind(
    "judged sentence",
    "文",
    "each line has a sentence, and a label that is 1 or 0",
    "各行に文 sentence と、1 または 0 のラベル label が必要です",
    {"sentence": ("sentence", "text"), "label": ("label",)},
)
_LABELS: dict[Any, bool] = {"1": True, "0": False, "true": True, "false": False}


@dataclass(frozen=True)
class JudgedSentence:
    """A sentence, and whether it is acceptable."""

    text: str
    acceptable: bool
    group: str  # the phenomenon, or where the sentence is from; "" where the file names none
    line: int  # in the file


def read_judgments(path: str | Path, encoding: str = "") -> Iterator[JudgedSentence]:
    """The sentences of a file. encoding: "": detected.

    Raises:
        ParameterError: naming file and line, where a sentence is missing or empty, a label is no label, or there are more than
            1,000 phenomena or sources; without a line, where there is no sentence, or all have the same label.
    """
    labels: set[bool] = set()
    groups = GroupLimit()
    with open_table(path, SENTENCES, encoding) as rows:
        for row in rows:
            sentence = JudgedSentence(text_of(row, "sentence", SENTENCES), _label(row), group_of(row), row.number)
            labels.add(sentence.acceptable)
            groups.add(sentence.group, sentence.line)
            yield sentence
        if len(labels) == 1:
            only = int(labels.pop())
            raise ParameterError(
                f"all sentences have the label {only}: give acceptable sentences (1) and others (0)",
                ja=f"すべての文のラベルが {only} です。容認できる文（1）とできない文（0）の両方が必要です。",
            )


def _label(row: Row) -> bool:
    given = row.values.get("label")
    found = _LABELS.get(str(given).strip().lower()) if isinstance(given, str | int) else None
    if found is None:
        refuse(
            row.number,
            f"{label_found(given)}: write 1 for an acceptable sentence and 0 for another",
            f"{label_found_ja(given)}。容認できる文は 1、できない文は 0 としてください",
        )
    return found
