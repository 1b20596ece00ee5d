"""Files of visitors: every encoding is found and named, every kind is read, what is broken is counted and reported."""

import io
import json
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from neoxjp.documents import Faults, detect_encoding, encodings, inspect_file, parse_encoding, read_texts
from neoxjp.documents.encodings import CHUNK
from neoxjp.documents.text_files import MAX_COLUMNS, MAX_LINE, MAX_NAME, MAX_VALUES
from neoxjp.errors import ParameterError

PROSE = (
    "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。何でも薄暗いじめじめした所で\r\n"
    "ニャーニャー泣いていた事だけは記憶している。Python 3.11 と①㈱。\r\n"
)
SHORT = ["猫", "猫だ。", "東京都", "カタカナ", "ご確認ください。", "営業部 山田", "id,名前\n1,佐藤\n", "こんにちは world"]
ENCODINGS = ["utf-8", "utf-8-sig", "cp932", "euc_jis_2004", "iso2022_jp_2004", "utf-16", "utf-16-le", "utf-16-be"]


def texts(name: str, data: bytes, column: str = "", encoding: str = "") -> tuple[list[str], Faults]:
    file, faults, found, open_text = io.BytesIO(data), Faults(), [], ""
    for part in read_texts(file, name, inspect_file(file, name, encoding), faults, column):
        open_text += part.text
        if part.last:
            found.append(open_text)
            open_text = ""
    return found, faults


# ---------------------------------------------------------------- encodings


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_encoding_is_found_and_the_text_is_read(encoding: str) -> None:
    found, faults = texts("a.txt", (PROSE * 40).encode(encoding))
    assert found == [PROSE * 40]
    assert faults.invalid_bytes == 0


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16"])
@pytest.mark.parametrize("text", SHORT)
def test_a_short_text_is_read_in_every_encoding(text: str, encoding: str) -> None:
    if (text, encoding) == ("猫", "euc_jp"):
        text = "猫と"  # two bytes alone are "ǭ" in UTF-8 as well
    assert texts("a.txt", text.encode(encoding))[0] == [text]


NAMES_OF_PEOPLE = [
    "髙橋さん",
    "山﨑",
    "髙橋,山﨑\n",
    "名前,住所\n髙橋一郎,東京都\n山﨑次郎,大阪府\n",
    "㈱髙島屋",
    "私は髙橋です。\n" * 40,
]


@pytest.mark.parametrize("text", NAMES_OF_PEOPLE)
def test_names_with_kanji_that_only_cp932_has_are_read_as_cp932(text: str) -> None:
    """These bytes are other kanji in Shift_JIS-2004: 髙橋 was read as 郄橋."""
    assert texts("a.csv" if "," in text else "a.txt", text.encode("cp932")) == texts(
        "a.csv" if "," in text else "a.txt", text.encode()
    )
    assert detect_encoding(io.BytesIO(text.encode("cp932"))).codec == "cp932"


def test_damaged_cp932_with_such_names_is_read_as_cp932() -> None:
    found, faults = texts("a.txt", "髙橋さんと山﨑さん。\n".encode("cp932") * 20 + b"\x81 \n")
    assert found == ["髙橋さんと山﨑さん。\n" * 20 + "\ufffd \n"]
    assert faults.invalid_bytes == 1


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("shift_jis_2004", "𠮟られて頰が熱い。"), ("euc_jis_2004", "𠮟られて頰が熱い。"), ("euc_jp", "驎は丂と読む。")],
)
def test_kanji_that_the_common_encoding_lacks_are_read(encoding: str, text: str) -> None:
    assert texts("a.txt", text.encode(encoding))[0] == [text]


@pytest.mark.parametrize("name", [name for name in encodings.NAMES if not name.startswith(("utf", "iso"))])
def test_an_encoding_after_pages_of_ascii_is_found_too(name: str) -> None:
    data = b"x = 1\n" * 100_000 + "吾輩は猫である。名前はまだ無い。\n".encode(name) * 3
    found = detect_encoding(io.BytesIO(data))
    assert data.decode(found.codec) == data.decode(name)


def test_it_says_how_it_was_found_and_the_confidence() -> None:
    def found(data: bytes) -> tuple[str, str, str]:
        one = detect_encoding(io.BytesIO(data))
        return one.name, one.method, one.confidence

    assert found(PROSE.encode()) == ("UTF-8", "utf-8", "certain")
    assert found(PROSE.encode("utf-8-sig")) == ("UTF-8 (BOM)", "bom", "certain")
    assert found(PROSE.encode("cp932")) == ("Shift_JIS (CP932)", "score", "likely")
    assert found("吾輩は猫".encode("iso2022_jp")) == ("ISO-2022-JP (JIS)", "escapes", "certain")
    assert found("骨".encode("cp932"))[1:] == ("score", "guess")
    assert found(b"") == ("UTF-8", "utf-8", "certain")


def test_a_foreign_encoding_is_guessed() -> None:
    found = detect_encoding(io.BytesIO(("Съешь же ещё этих мягких французских булок, да выпей чаю.\n" * 20).encode("cp1251")))
    assert (found.codec, found.method, found.confidence) == ("cp1251", "charset-normalizer", "guess")


def test_the_encoding_can_be_chosen() -> None:
    assert texts("a.txt", "ｱｲ".encode("cp932"), encoding="Shift_JIS")[0] == ["ｱｲ"]
    assert parse_encoding("sjis").name == "Shift_JIS (CP932)"
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):  # a byte order mark is no text
        for mark in ("", "\ufeff"):
            rows = '{"text": "猫"}\n'
            assert texts("a.jsonl", (mark + rows).encode(encoding), "text", encoding)[0] == ["猫"]
            assert texts("a.csv", (mark + "text,n\n猫,1\n").encode(encoding), "text", encoding)[0] == ["猫"]
            assert texts("a.txt", (mark + "猫").encode(encoding), encoding=encoding)[0] == ["猫"]
    with pytest.raises(ParameterError, match="encoding='klingon' is not known: choose utf-8") as caught:
        parse_encoding("klingon")
    assert "文字コード" in caught.value.ja
    with pytest.raises(ParameterError):
        parse_encoding("base64")


def test_bytes_that_cannot_be_read_are_counted_and_told() -> None:
    data = PROSE.encode() * 30 + b"\xff\xfe" + PROSE.encode()
    found, faults = texts("a.txt", data)
    assert found == [PROSE * 30 + "\ufffd\ufffd" + PROSE]
    assert faults.invalid_bytes == 2
    assert faults.invalid_at == [(len(PROSE.encode()) * 30, "0xFF"), (len(PROSE.encode()) * 30 + 1, "0xFE")]


def test_a_file_cut_within_a_character_lacks_only_that() -> None:
    found, faults = texts("a.txt", (PROSE * 2000).encode()[:-2] + "猫".encode()[:2])
    assert found[0].endswith("\ufffd")
    assert faults.invalid_bytes == 2


def _zip() -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.txt", "猫")
    return held.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        _zip(),
        b"\x1f\x8b\x08" + bytes(9),
        struct.pack("<200i", *range(200)),
        bytes(range(256)) * 9,
    ],
)
def test_what_is_no_text_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(ParameterError, match="this is not a text file") as caught:
        inspect_file(io.BytesIO(data), "a.txt")
    assert "テキストファイルではありません" in caught.value.ja


# ---------------------------------------------------------------- kinds


def test_csv_cells_with_quotes_newlines_and_commas_come_whole() -> None:
    data = 'id,text\r\n1,"犬,と""猫""\r\n二行目"\r\n2,短い\r\n'.encode("cp932")
    found, faults = texts("a.csv", data, "text")
    assert found == ['犬,と"猫"\r\n二行目', "短い"]
    assert faults.broken_lines == 0


@pytest.mark.parametrize(("mark", "name"), [("\t", "a.tsv"), (";", "a.csv"), (",", "a.CSV")])
def test_the_delimiter_is_found(mark: str, name: str) -> None:
    assert texts(name, f"a{mark}text\n1{mark}猫\n".encode())[0] == ["猫"]


def test_columns_are_offered_and_the_one_with_most_text_is_proposed() -> None:
    found = inspect_file(io.BytesIO("番号,題,本文\n1,猫,吾輩は猫である。\n".encode("euc_jp")), "a.csv")
    assert (found.columns, found.column) == (("番号", "題", "本文"), "本文")
    found = inspect_file(io.BytesIO(b'{"id": 3, "title": "x", "text": ""}\n{"note": "y"}\n'), "a.jsonl")
    assert (found.columns, found.column) == (("title", "text", "note"), "text")


def test_a_missing_column_names_those_that_are_there() -> None:
    with pytest.raises(ParameterError, match=r"a\.csv has no column 'body'; its columns: 'id', 'text'"):
        texts("a.csv", b"id,text\n1,x\n", "body")
    with pytest.raises(ParameterError, match=r"a\.jsonl has no column 'body'; its columns: 'text'"):
        texts("a.jsonl", b'{"text": "x"}\n{"text": "y"}\n', "body")


def test_short_rows_are_told_with_their_line() -> None:
    found, faults = texts("a.csv", b"id,text\n1,x\n2\n\n3,z\n")
    assert found == ["x", "z"]
    assert (faults.broken_lines, faults.broken) == (1, [(3, "1 cells, no 'text'", "セルが 1 個で、'text' がありません")])


def test_a_cell_as_long_as_the_file_is_read() -> None:
    long = "長い文章。" * (MAX_LINE // 2)
    assert texts("a.csv", f'text\n"{long}"\n'.encode())[0] == [long]


def test_broken_lines_of_jsonl_are_counted_and_told() -> None:
    lines = ['{"text": "一"}', "{oops", "[1]", "", '{"text": 5}', '{"other": "x"}', '{"text": "二\\u2028三"}']
    found, faults = texts("a.jsonl", "\n".join(lines).encode())
    assert found == ["一", "二\u2028三"]
    assert faults.broken_lines == 4
    assert [number for number, *_ in faults.broken] == [2, 3, 5, 6]
    assert [ja for *_, ja in faults.broken] == [
        "JSON として読めません（'{oops'）",
        "JSON の list で、オブジェクトではありません",
        "'text' の値がテキストではありません（int）",
        "'text' がありません",
    ]
    assert "'{oops'" in faults.broken[0][1]


def test_a_json_file_that_is_no_jsonl_says_so() -> None:
    with pytest.raises(ParameterError, match="one JSON object on each line") as caught:
        texts("a.json", json.dumps([{"text": "x"}], indent=1).encode())
    assert "1 行に 1 つの JSON" in caught.value.ja


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_all_three_ways(end: str) -> None:
    data = end.join(["id,text", "1,猫", "2,犬"] + ["3,人"] * 60_000).encode("utf-8")
    assert len(texts("a.csv", data)[0]) == 60_002


def test_a_line_end_between_two_chunks_ends_a_line() -> None:
    first = "1," + "猫" * ((CHUNK - 11) // 3) + "a" * ((CHUNK - 11) % 3)
    data = f"id,text\r{first}\r2,犬".encode()
    assert data[CHUNK - 1 : CHUNK] == b"\r"
    assert texts("a.csv", data)[0] == [first[2:], "犬"]


def test_cells_of_any_length_are_read_in_several_threads_at_once() -> None:
    data = ("id,text\n" + f"1,{'猫' * 200_000}\n" * 20).encode()
    with ThreadPoolExecutor(4) as pool:
        for found, faults in pool.map(lambda _: texts("a.csv", data), range(8)):
            assert [len(text) for text in found] == [200_000] * 20
            assert not faults.broken_lines


def test_a_text_comes_in_pieces_that_end_with_a_line() -> None:
    text = "吾輩は猫である。\r\n" * 20_000 + "終"
    file = io.BytesIO(text.encode("cp932"))
    parts = list(read_texts(file, "a.txt", inspect_file(file, "a.txt"), Faults()))
    assert "".join(part.text for part in parts) == text
    assert len(parts) > 3
    assert all(part.text.endswith("\r\n") for part in parts[:-2])


def test_a_line_without_an_end_is_cut_and_nothing_is_lost() -> None:
    text = "猫" * (3 * MAX_LINE)
    assert texts("a.txt", text.encode())[0] == [text]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "idna", "punycode"])
def test_an_encoding_that_cannot_read_the_file_is_one_sentence(encoding: str) -> None:
    with pytest.raises(ParameterError, match=rf"cannot be read as (?i:{encoding})\b") as caught:
        texts("a.txt", PROSE.encode(), encoding=encoding)
    assert caught.value.ja


# ---------------------------------------------------------------- files made to fill the memory


@pytest.mark.parametrize("columns", [MAX_COLUMNS + 1, MAX_VALUES + 1])
def test_a_first_line_of_too_many_columns_is_refused(columns: int) -> None:
    with pytest.raises(ParameterError, match=r"a\.csv: the first line of a CSV names its columns"):
        inspect_file(io.BytesIO(b"," * columns + b"\nb"), "a.csv")


def test_a_name_of_a_column_is_cut() -> None:
    assert inspect_file(io.BytesIO("猫".encode() * 100_000), "a.csv").columns == ("猫" * MAX_NAME,)
    assert inspect_file(io.BytesIO(json.dumps({"a" * 9999: "b"}).encode()), "a.jsonl").columns == ("a" * MAX_NAME,)


def test_a_wide_row_is_refused_also_where_it_goes_over_many_lines() -> None:
    for row in (b"," * MAX_VALUES * 2, b',,,,,,,,,"\n"' * (MAX_VALUES // 8)):
        with pytest.raises(ParameterError, match="cells: is a closing quotation mark missing"):
            texts("a.csv", b"text,b\nx,y\n" + row)


def test_a_line_of_too_many_values_is_told_and_left_out() -> None:
    found, faults = texts("a.jsonl", b'{"text": "a"}\n{"text": "b", "c": [' + b"[]," * MAX_VALUES + b"[]]}\n")
    assert found == ["a"]
    assert faults.broken == [(2, f"more than {MAX_VALUES:,} values", f"値が {MAX_VALUES:,} 個を超えています")]


def test_at_most_so_many_fields_of_a_line_are_offered() -> None:
    row = {str(i): "" for i in range(MAX_COLUMNS + 5)}
    assert len(inspect_file(io.BytesIO(json.dumps(row).encode()), "a.jsonl").columns) == MAX_COLUMNS


def test_a_number_that_python_does_not_read_is_not_called_nesting() -> None:
    _, faults = texts("a.jsonl", b'{"text": "a"}\n{"text": "b", "n": ' + b"1" * 5000 + b"}\n")
    assert "digits" in faults.broken[0][1]


@pytest.mark.parametrize("data", [b"", b"\r\r\n"])
def test_an_empty_table_is_said_to_be_empty(data: bytes) -> None:
    with pytest.raises(ParameterError, match=r"^a\.csv has no text$"):
        texts("a.csv", data)
