"""The table of the tokenizer: its rows, and the message where a peer is missing. No figure is judged."""

import base64
import json

import pytest

from neoxjp.cli.main import main


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text("慶應大学 である。\n" * 200, encoding="utf-8")
    return tmp_path / "text.txt"


def run(capsys, *arguments):
    code = main(["bench", "tokenize", *map(str, arguments)])
    return code, capsys.readouterr()


def test_the_table_names_each_way_with_its_unit(capsys, text, tiny_vocabulary, monkeypatch):
    monkeypatch.setattr("neoxjp.bench.tokenize.TIMES", 1)
    code, printed = run(capsys, text, "--model", tiny_vocabulary, "--rounds", 1, "--json", "--against", "transformers")
    report = json.loads(printed.out)
    assert code == 0
    rows = {(row["who"], row["what"], row["unit"]) for row in report["rows"]}
    assert {("ours", "encode", "MB/s"), ("ours, dictionary", "encode", "MB/s"), ("transformers", "encode", "MB/s")} <= rows
    assert {("ours", "decode", "MB/s"), ("transformers", "14 characters", "µs"), ("ours", "load", "ms")} <= rows
    assert report["facts"]["tokens"] == 6 * 200
    assert report["facts"]["transformers"]


def test_tiktoken_runs_on_a_file_of_ranks(capsys, text, tiny_vocabulary, tmp_path, monkeypatch):
    pytest.importorskip("tiktoken")
    monkeypatch.setattr("neoxjp.bench.tokenize.TIMES", 1)
    ranks = tmp_path / "bytes.tiktoken"
    ranks.write_bytes(b"".join(base64.b64encode(bytes([byte])) + b" %d\n" % byte for byte in range(256)))
    arguments = (text, "--model", tiny_vocabulary, "--rounds", 1, "--against", "tiktoken", "--ranks", ranks)
    code, printed = run(capsys, *arguments)
    assert code == 0
    assert "tiktoken" in printed.out
    ranks.write_text("no ranks")
    code, printed = run(capsys, *arguments)
    assert code == 2
    assert "not a file of tiktoken ranks" in printed.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--against", "sudachi"], "--against 'sudachi' is not a peer of this table: choose transformers, tiktoken, tokenizers"),
        (["--against", "tokenizers"], "needs --tokenizer-json"),
        (["--megabytes", "0"], "--megabytes 0.0 must be above 0"),
        (["--megabytes", "nan"], "--megabytes nan must be above 0"),
    ],
)
def test_a_table_that_cannot_be_made_says_why(capsys, text, tiny_vocabulary, options, message):
    code, printed = run(capsys, text, "--model", tiny_vocabulary, *options)
    assert code == 2
    assert message in printed.err


def test_a_peer_that_is_not_installed_is_named_with_its_package(capsys, text, tiny_vocabulary, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tiktoken", None)
    code, printed = run(capsys, text, "--model", tiny_vocabulary, "--against", "tiktoken")
    assert code == 2
    assert "tiktoken is not installed here (pip install tiktoken)" in printed.err
