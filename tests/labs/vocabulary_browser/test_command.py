"""`neoxjp vocabulary`: what it prints, its JSON, its CSV, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from neoxjp.cli.main import main
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.tiny import LINES

Run = Any


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tiny_vocabulary: Path) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        code = main(["vocabulary", "--model", str(tiny_vocabulary), *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_a_query_prints_its_entries_and_their_number(run: Run) -> None:
    code, out, err = run("應")
    assert code == 0
    head, *lines = out.splitlines()
    assert head.split() == ["id", "length", "spellings", "kind", "script", "entry"]
    assert [line.split()[-3:] for line in lines] == [["慶応", "≈", "慶應"], ["応", "≈", "應"]]
    assert lines[0].split()[1:5] == ["2", "2", "word", "kanji"]
    assert err == f"2 of {len(LINES)} entries\n"


def test_nothing_found_prints_nothing(run: Run) -> None:
    assert run("麒麟") == (0, "", f"0 of {len(LINES)} entries\n")


def test_filters_order_and_limit(run: Run) -> None:
    _, out, err = run("--kind", "word", "--spellings", "2-", "--sort", "spellings", "--descending", "--limit", 1, "--json")
    found = json.loads(out)
    assert [(row["piece"], row["spellings"]) for row in found["rows"]] == [("1", 3)]
    assert found["total"] == sum("," in line and line != "," for line in LINES)
    assert "first 1 shown" in run("--kind", "word", "--limit", 1)[2]
    assert err == ""


def test_an_id_is_opened(run: Run, tiny_vocabulary: Path) -> None:
    id = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary).encode("慶應")[0]
    _, out, err = run("--id", id)
    assert out.startswith(f"{id}  慶応  (word, kanji, 2 characters)\nbytes       E6 85 B6 E5 BF 9C\nspellings   2: 慶応 慶應\n")
    assert err == ""
    assert json.loads(run("--id", id, "--json")[1])["spellings"][1] == {"text": "慶應", "ids": [id]}


def test_statistics_and_the_ids_a_corpus_uses(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("猫と猫", encoding="utf-8")
    _, out, _ = run("--stats", "--corpus", tmp_path / "a.txt")
    assert f"{len(LINES):,} ids" in out
    assert "2 ids" in out.split("used: ")[1]
    found = json.loads(run("--stats", "--corpus", tmp_path / "a.txt", "--json")[1])
    assert (found["usage"]["tokens"], found["usage"]["ids"]) == (3, 2)
    assert json.loads(run("--stats", "--json")[1])["usage"] is None


def test_two_vocabularies(run: Run, tiny_vocabulary: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary).save_pretrained(folder)
    lines = ["麒麟", *LINES[1:]]
    (folder / "vocab.txt").write_text("\n".join(lines), encoding="utf-8")
    code, out, err = run("--against", folder)
    assert code == 0
    assert "only here 1, only there 1, other id 0" in out
    assert out.splitlines()[-1].split() == ["0", "–", LINES[0]]
    assert err == "1 spellings\n"
    assert json.loads(run("--against", folder, "--list", "only-there", "--json")[1])["rows"] == [
        {"spelling": "麒麟", "here": None, "there": 0}
    ]


def test_the_csv_holds_every_found_entry_with_all_spellings(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "found.csv"
    assert run("応", "--csv", path, "--limit", 1)[0] == 0
    lines = path.read_bytes().decode("utf-8-sig").split("\r\n")
    assert lines[0] == "id,piece,kind,script,length,spellings,all_spellings"
    assert [line.split(",", 1)[1] for line in lines[1:-1]] == ['慶応,word,kanji,2,2,"慶応,慶應"', '応,word,kanji,1,2,"応,應"']


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--id", "999999"], "id 999999 is not in this vocabulary (0 to "),
        (["--ids", "x"], "--ids 'x': write one number or a range"),
        (["--ids", "9-3"], "--ids '9-3' is empty: write the smaller number first, such as 3-9"),
        (["--kind", "verb"], "--kind 'verb': choose one of word, byte"),
        (["--match", "like"], "--match 'like': choose one of contains"),
        (["--stats", "--id", "3"], "--id and --stats: ask for one of them at a time"),
        (["--corpus", "a.txt"], "--corpus counts the ids that files use: add --stats"),
        (["--stats", "--corpus", "/no/such.txt"], "no file '/no/such.txt'"),
        (["--stats", "--csv", "x.csv"], "--csv writes the list of entries"),
        (["--csv", "/no/such/x.csv"], "cannot write /no/such/x.csv: No such file"),
        (["--limit", "-1"], "--limit -1 must be 0 (all) or more"),
        (["--against", "/no/such/folder", "--offline"], "/no/such/folder"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(run: Run, given: list[str], message: str) -> None:
    code, out, err = run(*given)
    assert (code, out) == (2, "")
    assert err.startswith("neoxjp vocabulary: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("query", ["<script>alert(1)</script>", "\udc80", "${x}", "あ" * 100_000])
def test_any_query_can_be_asked(run: Run, query: str) -> None:
    assert run(query)[:2] == (0, "")
