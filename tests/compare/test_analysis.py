"""Records of spellings × tokenizers, and their tables."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

from neoxjp.compare import (
    SEPARATOR,
    Characters,
    Counts,
    Utf8Bytes,
    builtin_peers,
    compare,
    count_text,
    own_peer,
    to_csv,
    to_frame,
    token_records,
)
from neoxjp.japanese import Spelling
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


def parsed(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_counts_of_a_text(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "東京都です"
    assert count_text(text, tokenizer.analyze(text)) == Counts(2, 5, 15, 2.5, {"kanji": 3, "hiragana": 2})


def test_counts_take_tokens_pieces_or_a_number(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "鰯です"
    tokens = tokenizer.analyze(text)
    assert count_text(text, tokens) == count_text(text, own_peer(tokenizer).pieces(text)) == count_text(text, len(tokens))
    assert count_text(text, tokens).tokens == 4


def test_an_empty_text_counts_nothing() -> None:
    assert count_text("", []) == Counts(0, 0, 0, 0.0, {})


def test_the_scripts_add_up_to_the_characters() -> None:
    text = "漢字かなカナabc123。 😀\ud800"
    assert sum(count_text(text, 1).by_script.values()) == len(text)


def test_compare_takes_a_text_in_its_spellings(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    records = compare("東京都", builtin_peers(tokenizer))
    assert [(record.spelling, record.tokenizer) for record in records[:5]] == [
        ("written", "neoxjp"),
        ("written", "transformers"),
        ("written", "UTF-8 bytes"),
        ("written", "characters"),
        ("hiragana", "neoxjp"),
    ]
    assert len(records) == 16
    for record in records:
        assert "".join(piece.text for piece in record.pieces) == record.text


def test_the_ratio_is_against_the_text_as_written() -> None:
    written, hiragana, *_ = compare("東京都", [Characters()])
    assert (written.ratio, hiragana.text, hiragana.ratio) == (1.0, "とうきょうと", 2.0)


def test_an_empty_text_has_no_ratio() -> None:
    assert {record.ratio for record in compare("", [Characters()])} == {None}


def test_spellings_of_the_users_own_are_compared_too() -> None:
    records = compare([Spelling("custom", "猫"), Spelling("custom", "ねこ")], [Utf8Bytes()])
    assert [record.counts.tokens for record in records] == [3, 6]


def test_two_peers_of_one_name_keep_their_own_ratio() -> None:
    records = compare([Spelling("written", "猫"), Spelling("hiragana", "ねこ")], [Characters("x"), Utf8Bytes("x")])
    assert [record.ratio for record in records] == [1.0, 1.0, 2.0, 2.0]


def test_the_frame_is_tidy(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    table = to_frame(compare("東京都です", [own_peer(tokenizer)]))
    assert list(table.columns) == [
        "spelling", "tokenizer", "tokens", "characters", "utf8_bytes", "characters_per_token", "ratio", "text", "pieces",
    ]  # fmt: skip
    assert list(table["spelling"]) == ["written", "hiragana", "katakana", "halfwidth"]
    assert table["pieces"][0] == SEPARATOR.join(["東京都", "です"])
    assert pandas.api.types.is_integer_dtype(table["tokens"])


def test_token_records_are_ready_for_json(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "慶應é"
    records = json.loads(json.dumps(token_records(tokenizer.analyze(text), text)))
    assert records[0] == {
        "index": 0, "id": tokenizer.encode("慶應")[0], "piece": "慶應", "text": "慶応", "surface": "慶應", "start": 0, "end": 2,
        "bytes": 6, "kind": "word", "script": "kanji", "folded": True, "lossy": True,
    }  # fmt: skip
    assert [(record["surface"], record["bytes"], record["kind"]) for record in records[1:]] == [
        ("é", 1, "byte"),
        ("é", 1, "byte"),
    ]
    assert len(to_frame(token_records(tokenizer.analyze(text), text))) == 3


def test_csv_opens_in_a_spreadsheet() -> None:
    data = to_csv(to_frame(compare('猫\n犬,"x"', [Characters()])))
    assert data.startswith(b"\xef\xbb\xbf")
    header, first, *_ = parsed(data)
    assert header[0] == "spelling"
    assert first[header.index("text")] == '猫\n犬,"x"'
    assert pandas.read_csv(io.BytesIO(data), encoding="utf-8-sig")["text"][0] == '猫\n犬,"x"'


@pytest.mark.parametrize("text", ["=1+1", "+81", "-1", "@SUM(A1)", "\tx", "\rx", "\0=1+1", "＝1+1", "＠SUM(A1)"])
def test_csv_keeps_a_spreadsheet_from_running_a_text(text: str) -> None:
    header, first, *_ = parsed(to_csv(to_frame(compare(text, [Characters()]))))
    assert first[header.index("text")] == "'" + text


def test_csv_takes_lone_surrogates_and_an_empty_table() -> None:
    header, first, *_ = parsed(to_csv(to_frame(compare("\ud800", [Characters()]))))
    assert first[header.index("text")] == "\ufffd"
    assert to_csv(to_frame([])).startswith(b"\xef\xbb\xbf")


def test_the_example_compares_spellings_and_writes_its_table(tiny_vocabulary: Path, tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    command = [
        sys.executable,
        "examples/compare_spellings.py",
        "東京都です",
        "--model",
        str(tiny_vocabulary),
        "--csv",
        str(tmp_path / "x.csv"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONIOENCODING": "utf-8"}
    ran = subprocess.run(command, cwd=root, env=environment, capture_output=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stderr
    assert "written       2 tokens  東京都│です" in ran.stdout
    assert len(parsed((tmp_path / "x.csv").read_bytes())) == 17
