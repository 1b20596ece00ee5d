"""Spellings × tokenizers as records: open and closed columns, the common scale, agreement on cuts, the command."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.cli.main import main
from neoxjp.compare import Characters, Utf8Bytes
from neoxjp.errors import PeerUnavailable
from neoxjp.japanese import ALL_KEYS, Spelling, spellings
from neoxjp.japanese.readings import spell
from neoxjp.labs.spellings.records import Column, doubts, matrix, open_columns, records, shared_starts
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

OPEN = [Column("characters", "characters", Characters()), Column("bytes", "bytes", Utf8Bytes())]
CLOSED = Column("gemma", "Gemma", problem=PeerUnavailable("closed: ask its owner"))


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


def test_each_spelling_meets_each_tokenizer(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    found = matrix(spellings("東京都", keys=ALL_KEYS), open_columns(["neoxjp", "bytes", "bytes"], tokenizer))
    assert [column.key for column in found.columns] == ["neoxjp", "bytes"]
    assert [[cell.counts.tokens for cell in row if cell] for row in found.cells[:2]] == [[1, 9], [3, 18]]
    assert found.largest == max(cell.counts.tokens for row in found.cells for cell in row if cell)


def test_a_closed_tokenizer_spoils_no_other() -> None:
    found = matrix([Spelling("written", "犬"), Spelling("custom", "いぬ")], [OPEN[0], CLOSED, OPEN[1]])
    assert [[cell and cell.counts.tokens for cell in row] for row in found.cells] == [[1, None, 3], [2, None, 6]]
    closed = records(found)[1]
    assert (closed["tokenizer"], closed["tokens"], closed["pieces"], closed["ratio"]) == ("gemma", None, None, None)
    assert closed["error"] == "closed: ask its owner"
    assert records(found)[0]["error"] is None
    assert records(found)[5]["ratio"] == 2.0


def test_an_unknown_tokenizer_is_a_closed_column(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    column, other = open_columns(["/no/such/folder", "characters"], tokenizer)
    assert column.peer is None
    assert "/no/such/folder" in str(column.problem)
    assert other.peer is not None


def test_rows_that_changed_nothing_are_known() -> None:
    found = matrix(spellings("いぬ", keys=ALL_KEYS), OPEN)
    same = [spelling.key for row, spelling in enumerate(found.spellings) if not found.changed(row)]
    assert same == ["hiragana", "old_kanji", "new_kanji"]


def test_the_cuts_that_all_share(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    found = matrix([Spelling("written", "東京都です")], [CLOSED, *open_columns(["neoxjp", "characters"], tokenizer)])
    assert shared_starts(found.cells[0]) == {0, 3}


@given(st.text(max_size=30) | st.text("猫東京é😀\u200d\ud800 \n", max_size=30))
def test_pieces_tile_every_cell(text: str) -> None:
    for row in matrix([Spelling("written", text)], OPEN).cells:
        for cell in row:
            assert cell is not None
            assert "".join(piece.text for piece in cell.pieces) == text


def test_doubts_are_of_kanji_forms_only() -> None:
    assert [each.character for each in doubts("余と弁", spell("余と弁", "old_kanji")).unsure] == ["弁"]
    assert doubts("海", spell("海", "old_kanji")).unstable == "\ufa45"
    assert doubts("余", spell("余", "hiragana")).unsure == ()


def test_the_command_prints_a_table_and_says_what_is_closed(tiny_vocabulary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "東京都", "--model", str(tiny_vocabulary), "--tokenizer", "neoxjp", "bytes", "/no/such", "--offline"]
    assert main([*command, "--spelling", "hiragana", "romaji", "--own", "Tokyo", "--reading", "東京=トウケイ"]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[1].split() == ["written", "1", "9", "–", "東京都"]
    assert lines[2].split()[-1] == "とうけいと"
    assert lines[4].split() == ["custom", "5", "5", "–", "Tokyo"]
    assert len(lines) == 5
    assert printed.err.startswith("such: no tokenizer '/no/such'")


def test_the_command_gives_the_records_as_json_and_csv(
    tiny_vocabulary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "cells.csv"
    assert main(["compare", "犬", "--model", str(tiny_vocabulary), "--json", "--tokenizer", "bytes", "--csv", str(table)]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    assert [cell["spelling"] for cell in cells] == list(ALL_KEYS)
    assert cells[0]["tokens"] == 3
    assert table.read_text(encoding="utf-8-sig").startswith("spelling,tokenizer,tokens,")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--spelling", "klingon"], "--spelling 'klingon': choose written, hiragana"),
        (["--own", "a", "b", "c", "d", "e"], "--own: 5 spellings given, at most 4"),
        (["--reading", "日本"], "--reading '日本': write WORD=KANA"),
        (["--tokenizer", "/no/such"], "no tokenizer '/no/such'"),
    ],
)
def test_a_mistake_is_one_line(given: list[str], message: str, tiny_vocabulary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "犬", "--model", str(tiny_vocabulary), *given]) == 2
    assert message in capsys.readouterr().err


def test_a_tokenizer_that_refuses_one_spelling_is_closed_for_all(
    tiny_vocabulary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tokenizer.json").write_bytes(only_cats())
    command = ["compare", "cat", "--model", str(tiny_vocabulary), "--json", "--tokenizer", str(tmp_path), "bytes"]
    assert main([*command, "--spelling", "written", "--own", "犬"]) == 0
    printed = capsys.readouterr()
    cells = json.loads(printed.out)["cells"]
    assert [cell["tokens"] for cell in cells] == [None, 3, None, 3]
    assert "cannot cut this text" in cells[0]["error"]
    assert "cannot cut this text" in printed.err


def only_cats() -> bytes:
    """A tokenizer.json with one word and no token for the unknown."""
    from tokenizers import Tokenizer, models

    return Tokenizer(models.WordLevel({"cat": 0}, unk_token="[UNK]")).to_str().encode()


@pytest.mark.slow
def test_all_asks_for_every_offer_and_the_help_names_each(
    tiny_vocabulary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr("neoxjp.compare.opening._opened", {})
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    command = ["compare", "猫", "--model", str(tiny_vocabulary), "--tokenizer", "all", "--spelling", "written"]
    assert main([*command, "--offline", "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)["cells"]
    missing = [cell["tokenizer"] for cell in cells if cell["error"]]
    assert missing == ["rinna", "llm-jp", "swallow", "qwen", "gemma"]
    assert all("is not in the cache" in cell["error"] for cell in cells if cell["error"])
    assert main(["compare", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(key in said for key in [*missing, "neoxjp", "compat", "bytes", "characters", "sudachi-a|b|c", "tekken"])


def test_a_csv_that_cannot_be_written_is_said(tiny_vocabulary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "猫", "--model", str(tiny_vocabulary), "--tokenizer", "bytes", "--csv", str(tmp_path / "no" / "x.csv")]
    assert main(command) == 2
    assert "cannot write" in capsys.readouterr().err
