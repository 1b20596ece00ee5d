"""Texts in parts, wherever they are parted: the ids of the whole; files of any size into files of ids."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.cli.main import main
from neoxjp.errors import ParameterError
from neoxjp.tokenizer.streaming import IdWriter, read_files
from tests.support.texts import ODD, texts


@pytest.fixture(scope="module", params=[None, "transformers"])
def tokenizer(request, folder):
    return GPTNeoXJapaneseTokenizer.from_pretrained(folder, compat=request.param)


def pushed(stream, parts):
    return [id for part in parts for id in stream.push(part).tolist()] + stream.flush().tolist()


@settings(max_examples=150)
@given(data=st.data())
def test_parts_give_the_ids_of_the_whole(data, folder, tokenizer):
    text = "".join(data.draw(st.lists(st.one_of(texts(folder), ODD), max_size=4), label="texts"))
    borders = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6), label="borders"))
    parts = [text[a:b] for a, b in zip([0, *borders], [*borders, len(text)], strict=True)]
    stream = tokenizer.stream_encoder()
    for _ in range(2):  # flush makes the stream new
        assert pushed(stream, parts) == tokenizer.encode(text)
    assert pushed(stream, text) == tokenizer.encode(text)


def test_a_cleaned_text_and_a_vocabulary_without_tables_wait_for_the_end(tmp_path, tokenizer, tiny_vocabulary):
    text = "電話 03-1234-5678 へ。xa😀y"
    assert pushed(tokenizer.stream_encoder(do_clean_text=True), text) == tokenizer.encode(text, do_clean_text=True)
    lines = (tiny_vocabulary / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("a<\n" + lines, encoding="utf-8")
    other = GPTNeoXJapaneseTokenizer(tmp_path / "vocab.txt", tiny_vocabulary / "emoji.json")
    assert pushed(other.stream_encoder(), text) == other.encode(text)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["あ", "(", "<", "👋", "(^_^)", "\r", "\r\n", " ", "𩸽"])
def test_any_text_goes_through_in_constant_memory(tiny_vocabulary, part):
    stream = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary).stream_encoder()
    block = part * (4_000 // len(part))
    for _ in range(3):
        stream.push(block)
    tracemalloc.start()
    try:
        for _ in range(20):
            stream.push(block)
            assert sum(map(len, stream._held)) < 5_000
        assert tracemalloc.get_traced_memory()[0] < 400_000
    finally:
        tracemalloc.stop()


# --- files


@pytest.fixture
def files(tmp_path):
    """Two files whose border parts a CR LF."""
    (tmp_path / "a.txt").write_bytes("東京 である😀é\r".encode() * 30)
    (tmp_path / "b.txt").write_bytes("\n大学👋🏻".encode() * 30)
    return [tmp_path / "a.txt", tmp_path / "b.txt"]


@pytest.mark.parametrize("size", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize("name", ["ids.npy", "ids.bin", "ids.txt"])
def test_files_of_ids_hold_the_ids_of_the_joined_files(files, tiny_vocabulary, tmp_path, capsys, monkeypatch, name, size):
    monkeypatch.setattr("neoxjp.tokenizer.streaming.READ", size)
    out = tmp_path / name
    arguments = ["tokenize", "--model", str(tiny_vocabulary), "--file", *map(str, files), "--out", str(out), "--json"]
    assert main(arguments) == 0
    read = {".npy": np.load, ".bin": lambda path: np.fromfile(path, np.uint16), ".txt": lambda path: np.loadtxt(path, int)}
    text = "".join(file.read_bytes().decode() for file in files)
    expected = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary).encode(text)
    assert read[out.suffix](out).tolist() == expected
    record = json.loads(capsys.readouterr().out)
    assert (record["tokens"], record["characters"]) == (len(expected), len(text))
    assert record["bytes"] == len(text.encode())
    assert not list(tmp_path.glob("*.part"))


def test_without_a_place_the_ids_are_printed(files, tiny_vocabulary, capsys):
    assert main(["tokenize", "--model", str(tiny_vocabulary), "--file", str(files[0])]) == 0
    out, err = capsys.readouterr()
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    assert [*map(int, out.split())] == tokenizer.encode(files[0].read_bytes().decode())
    assert "MB/s" in err


def test_a_terminal_sees_how_far_it_is(files, tiny_vocabulary, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert main(["tokenize", "--model", str(tiny_vocabulary), "--file", str(files[0])]) == 0
    assert "█" * 20 in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "x.npy"], "name them with --file"),
        (["--file", "a.txt", "--out", "x.csv"], "must end in one of .npy, .bin, .txt"),
        (["--file", "a.txt", "--decode"], "it takes no text, --decode, --ids or --format"),
        (["--file", "a.txt", "--json"], "need --out"),
        (["--file", "none.txt"], "cannot read none.txt: No such file"),
        (["--file", "a.txt", "--out", "a.txt"], "is one of the files to read"),
        (["--file", "a.txt", "--out", "folder.npy"], "is a folder: give the name of a file"),
        (["--file", "a.txt", "--out", "none/x.npy"], "cannot write none/x.npy.part: No such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(files, tiny_vocabulary, capsys, monkeypatch, tmp_path, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.npy").mkdir()
    assert main(["tokenize", "--model", str(tiny_vocabulary), *options]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_a_file_that_is_not_utf8_is_named_with_the_byte(tmp_path, monkeypatch, size):
    monkeypatch.setattr("neoxjp.tokenizer.streaming.READ", size)
    (tmp_path / "a.txt").write_bytes("猫".encode())
    (tmp_path / "b.txt").write_bytes("猫é".encode() + b"\xff!")
    with pytest.raises(ParameterError, match=r"b\.txt is not UTF-8 \(byte 0xff at 5\)"):
        list(read_files([tmp_path / "a.txt", tmp_path / "b.txt"]))
    (tmp_path / "b.txt").write_bytes("猫".encode()[:2])
    with pytest.raises(ParameterError, match=r"b\.txt ends within a character \(byte 0xe7\)"):
        list(read_files([tmp_path / "b.txt"]))


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_the_byte_order_mark_of_a_file_is_no_text(tmp_path, monkeypatch, size):
    monkeypatch.setattr("neoxjp.tokenizer.streaming.READ", size)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("猫\ufeff犬", encoding="utf-8-sig")
    assert "".join(read_files([tmp_path / "a.txt", tmp_path / "b.txt"])) == "猫\ufeff犬" * 2


def test_a_large_vocabulary_gets_wider_numbers(tmp_path):
    with IdWriter(tmp_path / "ids.npy", 70_000) as writer:
        writer.write(np.array([1, 69_999]))
    assert np.load(tmp_path / "ids.npy").dtype == np.uint32
