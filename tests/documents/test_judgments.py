"""Reading judged sentences and questions: their forms, and a sentence with the line for what is none."""

import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from neoxjp.documents import JudgedSentence, Question, read_judgments, read_questions
from neoxjp.errors import ParameterError

SENTENCES = [JudgedSentence("猫がいる。", True, "particle", 1), JudgedSentence("猫をいる。", False, "", 2)]
JCOLA = """{"uid":1,"source":"Kuno_1973","label":0,"diacritic":"*","sentence":"猫をいる。","original":"猫をいる。"}
{"uid":2,"source":"Kuno_1973","label":1,"diacritic":"g","sentence":"猫がいる。","original":"猫がいる。"}
"""
GOOD = '{"sentence": "猫がいる。", "label": 1, "phenomenon": "particle"}\n{"text": "猫をいる。", "label": false}\n'
QUESTIONS = [Question("犬は？", ("わん", "にゃー"), 0, 1), Question("猫は？", ("わん", "にゃー", "もー"), 1, 2)]
ROWS = [{"question": each.text, "options": each.options, "label": each.answer} for each in QUESTIONS]
CHOICES = "".join(json.dumps(row) + "\n" for row in ROWS)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


@pytest.mark.parametrize(
    ("name", "content", "first"),
    [
        ("a.jsonl", GOOD, 1),
        ("a.csv", "sentence,label,phenomenon\n猫がいる。,1,particle\n猫をいる。,0,\n", 2),
        ("a.tsv", "label\ttext\tphenomenon\n1\t猫がいる。\tparticle\n0\t猫をいる。\t\n", 2),
        ("a.jsonl.xz", lzma.compress(GOOD.encode()), 1),
        ("a.csv", "sentence,label,phenomenon\n猫がいる。,1,particle\n猫をいる。,0,\n".encode("cp932"), 2),
    ],
)
def test_sentences_are_read_from_every_form(tmp_path: Path, name: str, content: str | bytes, first: int) -> None:
    expected = [JudgedSentence(each.text, each.acceptable, each.group, each.line + first - 1) for each in SENTENCES]
    assert list(read_judgments(write(tmp_path, name, content))) == expected


def test_jcola_is_read_as_it_is(tmp_path: Path) -> None:
    found = list(read_judgments(write(tmp_path, "jcola.jsonl", JCOLA)))
    assert [(each.text, each.acceptable, each.group) for each in found] == [
        ("猫をいる。", False, "Kuno_1973"),
        ("猫がいる。", True, "Kuno_1973"),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", CHOICES),
        ("a.jsonl", CHOICES.replace('"options"', '"choices"')),
        ("a.csv", "question,option0,option1,option2,label\n犬は？,わん,にゃー,,0\n猫は？,わん,にゃー,もー,1\n"),
        (
            "a.tsv",
            "q_id\tquestion\tchoice0\tchoice1\tchoice2\tlabel\n1\t犬は？\tわん\tにゃー\t\t0\n2\t猫は？\tわん\tにゃー\tもー\t1\n",
        ),
    ],
)
def test_questions_are_read_from_every_form(tmp_path: Path, name: str, content: str) -> None:
    found = list(read_questions(write(tmp_path, name, content)))
    assert [(each.text, each.options, each.answer) for each in found] == [
        (each.text, each.options, each.answer) for each in QUESTIONS
    ]


def line(label: Any, **more: Any) -> str:
    return json.dumps({"sentence": "猫", "label": label} | more) + "\n"


def question(**changes: Any) -> str:
    return json.dumps(ROWS[0] | changes) + "\n"


@pytest.mark.parametrize(
    ("read", "name", "content", "fault"),
    [
        (read_judgments, "a.jsonl", GOOD + line("good"), "line 3: the label is 'good': write 1"),
        (read_judgments, "a.jsonl", GOOD + line(2), "line 3: the label is '2'"),
        (read_judgments, "a.jsonl", GOOD + line(None), "line 3: there is no label"),
        (read_judgments, "a.jsonl", GOOD + line([1]), "line 3: the label is '[1]'"),
        (read_judgments, "a.jsonl", GOOD + line(1, sentence="　"), "line 3: the text 'sentence' is empty"),
        (read_judgments, "a.jsonl", '{"label": 1}\n', "line 1: there is no text 'sentence'"),
        (read_judgments, "a.jsonl", line(1) + line(1), "all sentences have the label 1"),
        (read_judgments, "a.jsonl", GOOD + "{oops\n", "line 3: "),
        (read_judgments, "a.jsonl", GOOD + "3\n", "line 3: a JSON int, not an object"),
        (read_judgments, "a.jsonl", "", "there is no judged sentence"),
        (read_judgments, "a.csv", "sentence\n猫\n", "line 1: there is no column 'label', but 'sentence'"),
        (read_judgments, "a.csv", "sentence,label\n猫, 犬,1\n", "line 2: 3 cells, but line 1 names 2 columns"),
        (read_judgments, "a.csv", "sentence,label\n猫,1\n犬\n", "line 3: there is no label"),
        (
            read_judgments,
            "a.jsonl",
            "".join(line(1, source=f"s{number}") for number in range(1_001)),
            "line 1,001: 's1000' is the 1,001th phenomenon or source: name at most 1,000",
        ),
        (read_judgments, "a.parquet", "猫", "judged sentences are read from .jsonl, .csv, .tsv files"),
        (
            read_questions,
            "a.jsonl",
            CHOICES + question(label=2),
            "line 3: the label is '2': write the number of the right option",
        ),
        (read_questions, "a.jsonl", CHOICES + question(label=-1), "line 3: the label is '-1'"),
        (read_questions, "a.jsonl", CHOICES + question(label=True), "line 3: the label is 'True'"),
        (read_questions, "a.jsonl", CHOICES + question(label="わん"), "line 3: the label is 'わん'"),
        (read_questions, "a.jsonl", CHOICES + question(options=["わん"]), "line 3: 1 options"),
        (read_questions, "a.jsonl", CHOICES + question(options="わん"), "line 3: 0 options"),
        (read_questions, "a.jsonl", CHOICES + question(options=["わん", ""]), "line 3: option 1 has no text"),
        (read_questions, "a.jsonl", CHOICES + question(options=["わん", 3]), "line 3: option 1 has no text"),
        (read_questions, "a.jsonl", CHOICES + question(question=" "), "line 3: the text 'question' is empty"),
        (read_questions, "a.csv", "question,label\n犬は？,0\n", "line 2: 0 options"),
        (read_questions, "a.jsonl", "\n", "there is no question"),
    ],
)
def test_what_is_broken_is_refused_with_file_and_line(
    tmp_path: Path, read: Callable[[Path], Iterator[Any]], name: str, content: str | bytes, fault: str
) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(ParameterError) as caught:
        list(read(path))
    assert str(caught.value).startswith(f"{str(path)!r}: {fault}")
    assert "\n" not in str(caught.value)
    assert caught.value.ja != str(caught.value)


def test_a_byte_of_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", GOOD.encode() * 50_000 + b"\xff\n")
    with pytest.raises(ParameterError, match=r"line 100,001\)"):
        list(read_judgments(path))


def test_a_quotation_mark_that_is_not_closed_does_not_read_the_whole_file_as_one_row(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'sentence,label\n猫,1\n"犬,0\n' + "犬,0\n" * 400_000)
    with pytest.raises(ParameterError, match="line 3: a row of more than 1,048,576 characters begins here"):
        list(read_judgments(path))
