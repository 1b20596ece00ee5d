"""`neoxjp tokenizer-report`: files and folders in, one table out, one line for bad input and nothing half-written."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from neoxjp.cli import main as cli
from neoxjp.documents import read_documents
from neoxjp.errors import ParameterError
from neoxjp.labs.tokenizer_report import command
from neoxjp.labs.tokenizer_report.opening import keys_of
from neoxjp.labs.tokenizer_report.sources import find_files, read_texts
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

ROWS = ("--tokenizer", "neoxjp", "bytes", "characters")
CONLLU = "1\t猫\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n2\tと\t_\t_\t_\t_\t_\t_\t_\t_\n\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([*map(str, ("tokenizer-report", *arguments))])
    return code, *capsys.readouterr()


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    (folder / "old").mkdir(parents=True)
    (folder / "a.txt").write_bytes("吾輩は猫である。\n慶應の大学。\n".encode("cp932"))
    (folder / "old" / "b.txt.xz").write_bytes(lzma.compress("猫\n".encode()))
    (folder / "picture.png").write_bytes(b"\x89PNG")
    rows = [{"text": "東京都", "source": "news"}, {"text": "猫", "source": "blogs"}, {"text": "犬"}]
    (tmp_path / "web.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


def test_a_folder_a_file_and_the_field_source_are_domains(texts: Path) -> None:
    files = find_files([texts / "books", texts / "web.jsonl"])
    assert {path.name: domain for path, domain in files.items()} == {
        "a.txt": "books",
        "b.txt.xz": "books",
        "web.jsonl": "web.jsonl",
    }
    read: list[int] = []
    found = [(part.domain, part.text.strip()) for part in read_texts(files, "text", "", read.append)]
    assert [domain for domain, _ in found] == ["books", "books", "news", "blogs", "web.jsonl"]
    assert read == sorted(read)
    assert read[-1] == sum(path.stat().st_size for path in files)


def test_files_of_one_name_are_two_domains(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text("猫", encoding="utf-8")
    paths = [tmp_path / "a" / "x.txt", tmp_path / "b" / "x.txt"]
    assert list(find_files(paths).values()) == [str(path) for path in paths]


def test_reading_says_how_far_it_came(texts: Path) -> None:
    read: list[int] = []
    assert len(list(read_documents(texts / "web.jsonl", on_read=read.append))) == 3
    assert read == [(texts / "web.jsonl").stat().st_size] * 3


def test_the_command_prints_a_table_in_three_formats(
    capsys: pytest.CaptureFixture[str], texts: Path, tiny_vocabulary: Path
) -> None:
    (texts / "a.conllu").write_text(CONLLU, encoding="utf-8")
    (texts / "a.tsv").write_text("猫がいる\ta cat\n", encoding="utf-8")
    given = (texts / "books", texts / "web.jsonl", "--model", tiny_vocabulary, *ROWS, "--boundaries", texts / "a.conllu")
    given = (*given, "--parallel", texts / "a.tsv")
    code, out, err = run(capsys, *given)
    assert (code, err) == (0, "")
    assert "| tokenizer | books | news | blogs | web.jsonl | parity with English |" in out
    assert "| characters | 1.000 | 1.000 | 1.000 | 1.000 | 0.800 |" in out
    code, out, _ = run(capsys, *given, "--language", "ja")
    assert "## 語の境界" in out
    code, out, _ = run(capsys, *given, "--format", "json")
    record = json.loads(out)
    assert (code, record["pairs"], record["sentences"]) == (0, 1, 1)
    assert [row["key"] for row in record["rows"]] == ["neoxjp", "bytes", "characters"]
    assert record["rows"][2]["boundaries"]["short"]["recall"] == 1.0
    code, out, _ = run(capsys, *given, "--format", "csv", "--out", texts / "t.csv")
    assert (code, out) == (0, "")
    assert (texts / "t.csv").read_bytes().startswith(b"\xef\xbb\xbftokenizer,key,tokens")
    code, out, _ = run(capsys, *given, "--format", "csv")
    assert out.startswith("tokenizer,key,tokens")


def test_a_folder_of_the_user_is_a_row(capsys: pytest.CaptureFixture[str], texts: Path, tiny_vocabulary: Path) -> None:
    code, out, _ = run(capsys, texts / "web.jsonl", "--tokenizer", tiny_vocabulary, "--spelled", 0)
    assert code == 0
    assert f"| {tiny_vocabulary.name} |" in out
    assert "Stability" not in out


def test_offline_stands_for_all_that_need_no_network(tiny_vocabulary: Path) -> None:
    ours = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    keys = keys_of(["offline", "./mine", "bytes"], ours)
    assert keys[:2] == ["neoxjp", "compat"]
    assert {"gpt-4o", "bytes", "characters", "sudachi-a", "sudachi-b", "sudachi-c", "tekken", "deepseek", "qwen3.6"} < set(keys)
    assert not {"rinna", "llm-jp", "gemma"} & set(keys)
    assert (keys[-1], keys.count("bytes")) == ("./mine", 1)


def test_a_missing_package_is_a_note_where_all_were_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, texts: Path, tiny_vocabulary: Path
) -> None:
    monkeypatch.setattr("neoxjp.labs.tokenizer_report.opening.GROUPS", ("units", "package"))
    monkeypatch.setattr("neoxjp.compare.packages.find_spec", lambda name: None)
    monkeypatch.setattr("neoxjp.compare.opening._opened", {})  # other tests may have opened them
    given = (texts / "web.jsonl", "--model", tiny_vocabulary, "--spelled", 0)
    code, out, err = run(capsys, *given)
    assert code == 0
    assert "Mistral Tekken: the package mistral-common is not installed" in err
    assert "- Mistral Tekken: the package mistral-common is not installed" in out
    code, out, err = run(capsys, *given, "--tokenizer", "offline", "tekken")
    assert (code, out, err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("name", "content", "option", "message"),
    [
        ("a.txt", b"", "", "the texts are empty"),
        ("a.jsonl", b'{"text": "x"}\n{oops\n', "", "a.jsonl': line 2: "),
        ("a.jsonl", b'{"body": "x"}\n', "", "line 1: the JSON object has no field 'text'"),
        ("a.png", b"x", "", "a.png' ends in '.png'"),
        ("a.conllu", "1\t猫\n".encode(), "--boundaries", "a.conllu': line 1: 2 columns instead of 10"),
        (
            "a.conllu",
            CONLLU.encode("euc_jp"),
            "--boundaries",
            "line 2: byte 0xa4 is not UTF-8 (the file looks like EUC-JP): convert the file, for example with iconv -f EUC-JP",
        ),
        ("a.conllu", b"", "--boundaries", "a.conllu': the file has no sentence"),
        ("a.tsv", "猫\tcat\n犬\t\n".encode(), "--parallel", "a.tsv': line 2: the English side is empty"),
        ("a.tsv", b"", "--parallel", "a.tsv': the file has no pair of texts"),
    ],
)
def test_bad_input_is_one_line_with_file_and_line_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes, option: str, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    given: list[Any] = [option, tmp_path / name] if option else [tmp_path / name]
    code, out, err = run(capsys, *given, *ROWS, "--out", tmp_path / "report.md")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert not (tmp_path / "report.md").exists()


def test_what_is_missing_is_named_before_anything_is_measured(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("猫", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    for given, message in (
        ([], "no texts: name files or folders"),
        ([tmp_path / "no.txt"], "no file or folder"),
        ([tmp_path / "empty"], "has no texts: they end in .txt"),
        ([tmp_path / "a.txt", "--boundaries", tmp_path / "no.conllu"], "no file"),
        ([tmp_path / "a.txt", "--tokenizer", "neoxjp", "nobody"], "no tokenizer 'nobody'"),
    ):
        code, out, err = run(capsys, *given)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert message in err


def test_a_terminal_shows_a_bar_that_grows_and_goes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, texts: Path, tiny_vocabulary: Path
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr(command, "INTERVAL", -1)
    _, _, err = run(capsys, texts / "books", "--model", tiny_vocabulary, *ROWS)
    shares = [int(part.split("]")[1].strip(" %\r\x1b[K\n").split("%")[0]) for part in err.split("\r[")[1:]]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert err.endswith("\r\x1b[K")


def test_a_source_that_is_no_string_is_refused_or_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "猫", "source": 3}\n', encoding="utf-8")
    assert [part.domain for part in read_texts(find_files([tmp_path / "a.jsonl"]), "text", "")] == ["3"]
    with pytest.raises(ParameterError, match="no field 'body'"):
        list(read_texts(find_files([tmp_path / "a.jsonl"]), "body", ""))


def test_the_report_replaces_none_of_its_texts(texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = texts / "books" / "a.txt"
    before = file.read_bytes()
    code, out, err = run(capsys, texts / "books", *ROWS, "--out", file)
    assert (code, out) == (2, "")
    assert "is one of the files to read" in err
    assert file.read_bytes() == before
    code, _, err = run(capsys, texts / "books", *ROWS, "--format", "csv", "--language", "ja")
    assert code == 2
    assert "--language ja is of the Markdown" in err
