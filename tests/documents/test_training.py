"""Texts read from files: every format, one document at a time, and every fault named with its file."""

import csv
import gzip
import json
import lzma
import sys
from pathlib import Path

import pytest

from neoxjp.documents import join_pieces, read_documents, text_files
from neoxjp.errors import ParameterError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.corpus import Document, pack, pack_once


def texts(path: Path, **options: str) -> list[str]:
    return [document.text for document in read_documents(path, **options)]  # type: ignore[arg-type]


def test_documents_come_from_jsonl_csv_and_txt_compressed_or_not(tmp_path: Path) -> None:
    line = json.dumps({"text": "猫", "source": "a", "licence": "b"}, ensure_ascii=False)
    (tmp_path / "a.jsonl").write_text(line + "\n\n" + line, encoding="utf-8")
    with lzma.open(tmp_path / "a.jsonl.xz", "wt", encoding="utf-8") as file:
        file.write(line)
    (tmp_path / "a.txt").write_text("犬", encoding="utf-8")
    with gzip.open(tmp_path / "b.txt.gz", "wt", encoding="utf-8") as file:
        file.write("犬")
    (tmp_path / "a.csv").write_text('source,text,licence\na,"猫,\n犬",b\n,,\n', encoding="utf-8")
    assert list(read_documents(tmp_path / "a.jsonl")) == [Document("猫", "a", "b")] * 2
    assert list(read_documents(tmp_path / "a.jsonl.xz")) == [Document("猫", "a", "b")]
    assert list(read_documents(tmp_path / "a.txt")) == [Document("犬", "a.txt")]
    assert list(read_documents(tmp_path / "b.txt.gz")) == [Document("犬", "b.txt.gz")]
    assert list(read_documents(tmp_path / "a.csv")) == [Document("猫,\n犬", "a", "b"), Document("")]


def test_the_column_has_the_name_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,body\n1,猫\n", encoding="utf-8-sig")
    (tmp_path / "a.jsonl").write_text('{"body": "猫"}\n', encoding="utf-8")
    assert texts(tmp_path / "a.csv", column="body") == texts(tmp_path / "a.jsonl", column="body") == ["猫"]
    with pytest.raises(ParameterError, match=r"a\.csv has no column 'text', but 'body', 'id'.*--column"):
        texts(tmp_path / "a.csv")


def test_a_text_of_a_csv_may_be_longer_than_python_expects(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], ["猫" * 200_000]])
    assert texts(tmp_path / "a.csv") == ["猫" * 200_000]


def test_parquet_is_read_in_batches(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns = {"text": ["猫", None, "犬"] * 200, "source": ["s"] * 600, "number": list(range(600))}
    parquet.write_table(arrow.table(columns), tmp_path / "a.parquet")
    assert list(read_documents(tmp_path / "a.parquet")) == [Document("猫", "s"), Document("", "s"), Document("犬", "s")] * 200
    with pytest.raises(ParameterError, match=r"a\.parquet has no column 'body', but 'number', 'source', 'text'"):
        texts(tmp_path / "a.parquet", column="body")
    (tmp_path / "b.parquet").write_bytes(b"no such thing")
    with pytest.raises(ParameterError, match=r"b\.parquet' is not a Parquet file"):
        texts(tmp_path / "b.parquet")


def test_parquet_without_its_package_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").touch()
    with pytest.raises(ParameterError, match="needs the package pyarrow: pip install pyarrow"):
        texts(tmp_path / "a.parquet")


def test_a_txt_is_one_document_or_one_a_paragraph_or_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("一\n二\n\n \n三\n", encoding="utf-8")
    assert texts(tmp_path / "a.txt") == ["一\n二\n\n \n三\n"]
    assert texts(tmp_path / "a.txt", split="blank") == ["一\n二", "三"]
    assert texts(tmp_path / "a.txt", split="line") == ["一", "二", "三"]


def test_a_long_txt_comes_in_pieces_and_packs_to_the_ids_of_the_whole(
    tmp_path: Path, tiny_vocabulary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "PIECE", 10)
    whole = "吾輩は猫である。\n名前は\nまだない。" * 40 + "\n"
    (tmp_path / "a.txt").write_text(whole, encoding="utf-8")
    pieces = list(read_documents(tmp_path / "a.txt"))
    assert len(pieces) > 40
    assert "".join(piece.text for piece in pieces) == whole
    packed = pack(pieces, tiny_vocabulary, tmp_path / "packed")
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(str(tiny_vocabulary))
    assert packed.ids.tolist() == [*tokenizer.encode(whole), tokenizer.eos_token_id]
    assert (packed.documents, packed.characters) == (1, len(whole))


def test_a_line_without_end_is_cut_rather_than_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "PIECE", 10)
    monkeypatch.setattr(text_files, "MAX_LINE", 160)
    (tmp_path / "a.txt").write_text("猫" * 1000, encoding="utf-8")
    found = texts(tmp_path / "a.txt")
    assert "".join(found) == "猫" * 1000
    assert max(map(len, found)) <= 170


def test_a_bad_line_is_named_with_its_file_and_number(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "猫"}\n{"txt": 1}\n', encoding="utf-8")
    with pytest.raises(ParameterError, match=r"a\.jsonl': line 2: the JSON object has no field 'text' \(--column"):
        texts(tmp_path / "a.jsonl")


@pytest.mark.parametrize("value", ['[{"role": "user", "content": "猫"}]', "true", '{"ja": "猫"}'])
def test_a_field_that_holds_no_text_is_refused_with_its_line(tmp_path: Path, value: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "猫"}}\n{{"text": {value}}}\n', encoding="utf-8")
    with pytest.raises(ParameterError, match=r"a\.jsonl': line 2: the field 'text' is no text but"):
        texts(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text('{"text": null}\n{"text": 5}\n{"text": NaN}\n', encoding="utf-8")
    assert texts(tmp_path / "b.jsonl") == ["", "5", ""]  # NaN is what pandas writes for a missing value


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.pdf", b"", r"'\.pdf'.*are read from"),
        ("a", b"", r"are read from"),
        ("a.parquet.xz", b"", r"all but \.parquet"),
        (
            "a.txt",
            "吾輩は猫".encode() * 50 + b"\xff",
            r"a\.txt': the file cannot be read as UTF-8 \(found byte 0xff at 600, line \d+\).*iconv",
        ),
        ("a.txt", "骨".encode("cp932"), r"a\.txt': the encoding cannot be detected with confidence.*iconv"),
        ("a.txt", b"\x89PNG\r\n", r"a\.txt': this is not a text file \(PNG\)"),
        ("a.jsonl", b'{"text": "x"}\n[1]\n', r"a\.jsonl': line 2: a JSON list, not an object"),
        ("a.jsonl", b"{oops\n", r"a\.jsonl': line 1: Expecting property name.*'\{oops'"),
        ("a.jsonl.xz", b"not compressed", r"a\.jsonl\.xz' cannot be read.*complete, and compressed as its name says"),
        ("a.txt.gz", b"not compressed", r"a\.txt\.gz' cannot be read"),
        ("a.txt.gz", gzip.compress(b"cat" * 9999, mtime=0)[:30], r"a\.txt\.gz' cannot be read.*complete"),
        ("a.csv", "text\n東京,大阪\n".encode(), r"a\.csv': line 2: 2 cells, but line 1 names 1 columns: put texts with ','"),
        ("a.csv", 'text\n東京\n"大阪\n京都\n'.encode(), r"a\.csv': line 3: the row that begins here is not CSV"),
        ("a.csv", b"", r"a\.csv has no column 'text', but none at all"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ParameterError, match=message):
        texts(tmp_path / name)


PROSE = "吾輩は猫である。名前はまだ無い。\n" * 5


@pytest.mark.parametrize("codec", ["utf-8-sig", "cp932", "euc_jp", "iso2022_jp", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.txt.gz"])
def test_every_encoding_that_corpus_reads_is_read(tmp_path: Path, name: str, codec: str) -> None:
    content = {"csv": f'text\n"{PROSE}"\n', "jsonl": json.dumps({"text": PROSE}, ensure_ascii=False)}.get(
        name.split(".")[1], PROSE
    )
    data = content.encode(codec)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert texts(tmp_path / name) == [PROSE]


def test_the_encoding_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("骨".encode("cp932"))
    assert texts(tmp_path / "a.txt", encoding="Shift_JIS") == ["骨"]
    with pytest.raises(ParameterError, match=r"a\.txt': encoding='klingon' is not known"):
        texts(tmp_path / "a.txt", encoding="klingon")


@pytest.mark.parametrize("split", ["file", "line", "blank"])
def test_every_line_end_becomes_a_newline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    for chunk in (1, 3, 1 << 18):  # also where a chunk ends between \r and \n
        monkeypatch.setattr(text_files, "CHUNK", chunk)
        (tmp_path / "a.txt").write_bytes("猫\r\n犬\r人\n\r\n".encode())
        expected = {"file": ["猫\n犬\n人\n\n"], "line": ["猫", "犬", "人"], "blank": ["猫\n犬\n人"]}
        assert texts(tmp_path / "a.txt", split=split) == expected[split]


def test_a_file_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"no file .*b\.jsonl"):
        texts(tmp_path / "b.jsonl")


def test_texts_are_packed_once_until_they_change(tmp_path: Path, tiny_vocabulary: Path) -> None:
    (tmp_path / "a.txt").write_text("猫", encoding="utf-8")
    one = pack_once([tmp_path / "a.txt"], tiny_vocabulary, tmp_path / "packed")
    written = (tmp_path / "packed" / "ids.bin").stat().st_mtime_ns
    assert pack_once([tmp_path / "a.txt"], tiny_vocabulary, tmp_path / "packed").ids.tolist() == one.ids.tolist()
    assert (tmp_path / "packed" / "ids.bin").stat().st_mtime_ns == written
    (tmp_path / "a.txt").write_text("猫と犬", encoding="utf-8")
    assert pack_once([tmp_path / "a.txt"], tiny_vocabulary, tmp_path / "packed").characters == 3
    with pytest.raises(ParameterError, match="no file"):
        pack_once([tmp_path / "b.txt"], tiny_vocabulary, tmp_path / "packed")


def test_a_text_that_was_read_in_pieces_is_compared_and_written_whole() -> None:
    pieces = [Document("あ", "a", continues=True), Document("い", "a"), Document("う", "b")]
    assert list(join_pieces(pieces)) == [Document("あい", "a"), Document("う", "b")]
