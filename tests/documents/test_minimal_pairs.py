"""Reading minimal pairs: their forms, and a sentence with the line for a pair that is none."""

import json
import lzma
from pathlib import Path

import pytest

from neoxjp.documents import MinimalPair, minimal_pairs_in, read_minimal_pairs
from neoxjp.errors import ParameterError

PAIRS = [MinimalPair("猫がいる", "猫をいる", "particle", 1), MinimalPair("犬だ", "犬た", "", 2)]
ROWS = [{"good": pair.good, "bad": pair.bad, "phenomenon": pair.phenomenon} for pair in PAIRS]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.mark.parametrize(
    ("name", "content", "first"),
    [
        ("a.jsonl", JSONL, 1),
        ("a.csv", "good,bad,phenomenon\n猫がいる,猫をいる,particle\n犬だ,犬た,\n", 2),
        ("a.tsv", "phenomenon\tbad\tgood\nparticle\t猫をいる\t猫がいる\n\t犬た\t犬だ\n", 2),
        ("a.jsonl", JSONL.replace('"good"', '"sentence_good"').replace('"bad"', '"sentence_bad"'), 1),
    ],
)
def test_pairs_are_read_from_every_form(tmp_path: Path, name: str, content: str, first: int) -> None:
    expected = [MinimalPair(pair.good, pair.bad, pair.phenomenon, pair.line + first - 1) for pair in PAIRS]
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert list(read_minimal_pairs(tmp_path / name)) == expected
    (tmp_path / f"{name}.xz").write_bytes(lzma.compress(content.encode()))
    assert list(read_minimal_pairs(tmp_path / f"{name}.xz")) == expected


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.jsonl", JSONL + '{"good": "猫"}\n', "line 3: there is no text 'bad'"),
        ("a.jsonl", '{"good": "猫", "bad": 3}\n', "line 1: there is no text 'bad'"),
        ("a.jsonl", '{"good": " ", "bad": "猫"}\n', "line 1: the text 'good' is empty"),
        ("a.jsonl", '{"good": "猫", "bad": "猫"}\n', "line 1: both texts are '猫'"),
        ("a.jsonl", JSONL + "{oops\n", "line 3: "),
        ("a.csv", "good,bad\n猫,犬\n猫,\n", "line 3: the text 'bad' is empty"),
        ("a.csv", "good,worse\n猫,犬\n", "line 1: there is no column 'bad', but 'good', 'worse'"),
        ("a.csv", 'good,bad\n猫,犬\n鳥,"魚\n馬,牛\n', "line 3: the row that begins here is not CSV (unexpected end of data)"),
        ("a.tsv", "good\tbad\n", "there is no minimal pair"),
        ("a.jsonl", "", "there is no minimal pair"),
        ("a.jsonl", "猫" * 3_000_000, "line 1: a row of more than 1,048,576 characters begins here"),
        (
            "a.csv",
            "good,bad,phenomenon\n" + "".join(f"猫,犬,{number}\n" for number in range(2_000)),
            "line 1,002: '1000' is the 1,001th phenomenon or source: name at most 1,000",
        ),
        ("a.txt", "猫", "minimal pairs are read from .jsonl, .csv, .tsv files"),
    ],
)
def test_what_is_no_pair_is_refused_with_file_and_line(tmp_path: Path, name: str, content: str, fault: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError) as caught:
        list(read_minimal_pairs(tmp_path / name))
    assert f"{name}': {fault}" in str(caught.value)


def test_the_encoding_can_be_chosen_and_a_number_is_a_phenomenon(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("good,bad\n猫,犬\n".encode("cp932"))
    assert [pair.good for pair in read_minimal_pairs(tmp_path / "a.csv", "cp932")] == ["猫"]
    (tmp_path / "a.jsonl").write_text('{"good": "猫", "bad": "犬", "phenomenon": 0}\n', encoding="utf-8")
    assert [pair.phenomenon for pair in read_minimal_pairs(tmp_path / "a.jsonl")] == ["0"]


@pytest.mark.parametrize("content", [JSONL, "good,bad,phenomenon\n猫がいる,猫をいる,particle\n犬だ,犬た,\n"])
def test_a_byte_order_mark_in_a_pasted_text_is_not_a_part_of_it(content: str) -> None:
    assert [pair.good for pair in minimal_pairs_in("\ufeff" + content)] == ["猫がいる", "犬だ"]
