"""Reading Japanese and English pairs: their forms, and a sentence with the line for a pair that is none."""

import gzip
import json
from pathlib import Path

import pytest

from neoxjp.documents import read_pairs
from neoxjp.errors import ParameterError

PAIRS = [("猫がいる。", "There is a cat."), ("OK。", "OK.")]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "猫がいる。\tThere is a cat.\n\nOK。\tOK.\n"),
        ("a.txt", "ja\ten\r\n猫がいる。\tThere is a cat.\r\nOK。\tOK."),
        ("a.tsv", "English\tJapanese\nThere is a cat.\t猫がいる。\nOK.\tOK。\n"),
        ("a.tsv", "\n\nja\ten\n猫がいる。\tThere is a cat.\nOK。\tOK.\n"),
        ("a.csv", 'ja,en\n猫がいる。,"There is a cat."\nOK。,OK.\n'),
        ("a.jsonl", "".join(json.dumps({"ja": ja, "en": en, "id": 1}) + "\n" for ja, en in PAIRS)),
    ],
)
def test_pairs_are_read_from_every_form(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_bytes(content.encode())
    assert list(read_pairs(tmp_path / name)) == PAIRS
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content.encode()))
    assert list(read_pairs(tmp_path / f"{name}.gz")) == PAIRS


def test_another_encoding_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes("吾輩は猫である。\tI am a cat.\n".encode("cp932") * 20)
    assert next(iter(read_pairs(tmp_path / "a.tsv"))) == ("吾輩は猫である。", "I am a cat.")


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.tsv", "猫\tcat\n犬\t\n", "line 2: the English side is empty"),
        ("a.tsv", "猫\tcat\n \tdog\n", "line 2: the Japanese side is empty"),
        ("a.tsv", "猫\tcat\n犬\n", "line 2: 1 column .separated by tabs. instead of 2"),
        ("a.tsv", "猫\tcat\tneko\n", "line 1: 3 columns .separated by tabs. instead of 2"),
        ("a.csv", "猫,cat\n犬\tdog\n", "line 2: 1 column .separated by commas."),
        ("a.tsv", "cat\t猫\n", "line 1: the first column is English and the second Japanese"),
        ("a.jsonl", '{"ja": "猫"}\n', 'line 1: the JSON object has no text "en"'),
        ("a.jsonl", '{"ja": "猫", "en": "cat"}\n{oops\n', "line 2: "),
        ("a.tsv", "", "the file has no pair of texts"),
        ("a.tsv", "ja\ten\n\n", "the file has no pair of texts"),
        ("a.tsv", "猫" * 1_100_000, "line 1: more than 1,048,576 characters"),
    ],
)
def test_what_is_no_pair_is_refused_with_file_and_line(tmp_path: Path, name: str, content: str, fault: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError, match=rf"{name}.*{fault}"):
        list(read_pairs(tmp_path / name))
