"""Reading CoNLL-U: sentences with word boundaries set by hand, and a sentence with the line for every broken rule."""

import lzma
from pathlib import Path

import pytest

from neoxjp.documents import Sentence, read_conllu
from neoxjp.errors import ParameterError


def word(number: object, form: str, misc: str = "SpaceAfter=No") -> str:
    return f"{number}\t{form}\t{form}\tNOUN\t_\t_\t0\troot\t_\t{misc}"


KEIO = [
    "# sent_id = 1",
    "# text = 慶應義塾は東京",
    word(1, "慶應", "BunsetuBILabel=B|LUWBILabel=B|SpaceAfter=No"),
    word(2, "義塾", "BunsetuBILabel=I|LUWBILabel=I|SpaceAfter=No"),
    word(3, "は", "BunsetuBILabel=I|LUWBILabel=B|SpaceAfter=No"),
    word(4, "東京", "BunsetuBILabel=B|LUWBILabel=B"),
    "",
]


def read(tmp_path: Path, *lines: str, name: str = "a.conllu") -> list[Sentence]:
    (tmp_path / name).write_text("\n".join([*lines, ""]), encoding="utf-8")
    return list(read_conllu(tmp_path / name))


def test_a_sentence_has_the_spans_of_its_words_and_where_longer_units_begin(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, *KEIO)
    assert sentence.text == "慶應義塾は東京"
    assert sentence.words == ((0, 2), (2, 4), (4, 5), (5, 7))
    assert sentence.begins == {"long": {0, 4, 5}, "bunsetsu": {0, 5}}
    assert sentence.line == 3


def test_a_unit_that_is_not_marked_is_missing_and_blanks_are_kept(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, word(1, "New", "_"), word(2, "York", "_"), word(3, "へ"))
    assert sentence.text == "New York へ"
    assert sentence.words == ((0, 3), (4, 8), (9, 10))
    assert sentence.begins == {}


def test_a_range_stands_for_its_words_and_an_empty_node_for_nothing(tmp_path: Path) -> None:
    (sentence,) = read(tmp_path, word("1-2", "じゃ"), word(1, "で"), word(2, "は"), word("2.1", "ない"), word(3, "猫"))
    assert (sentence.text, sentence.words) == ("じゃ猫", ((0, 2), (2, 3)))


def test_a_compressed_file_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.conllu.xz").write_bytes(lzma.compress(b"\xef\xbb\xbf" + "\r\n".join([*KEIO, *KEIO]).encode()))
    read_so_far: list[int] = []
    sentences = list(read_conllu(tmp_path / "a.conllu.xz", read_so_far.append))
    assert [sentence.line for sentence in sentences] == [3, 10]
    assert read_so_far[-1] == (tmp_path / "a.conllu.xz").stat().st_size


@pytest.mark.parametrize(
    ("lines", "line", "fault"),
    [
        ([word(1, "猫"), "2\t犬\t_"], 2, "3 columns instead of 10"),
        ([word(1, "猫"), word(3, "犬")], 2, "the word has the number '3', expected 2"),
        ([word("a", "猫")], 1, "the word has the number 'a', expected 1"),
        ([word(1, "猫"), "# text = 猫"], 2, "a comment inside a sentence"),
        ([word(1, "")], 1, "the word has no form"),
        (["# text = 犬", word(1, "猫")], 1, "the text '犬' is not that of the words below it, '猫'"),
        ([word(1, "猫", "LUWBILabel=I")], 1, "LUWBILabel=I, but the words of a sentence have B or I, the first one B"),
        ([word(1, "猫", "LUWBILabel=B"), word(2, "犬")], 2, "no LUWBILabel"),
        ([word(1, "猫", "BunsetuBILabel=X")], 1, "BunsetuBILabel=X"),
        ([word("2-3", "猫")], 1, "the range 2-3 does not begin at word 1"),
        ([word("1-3", "猫"), word(1, "猫")], 2, "the words of the range end at 1, not at 3"),
    ],
)
def test_a_broken_rule_is_refused_with_file_and_line(tmp_path: Path, lines: list[str], line: int, fault: str) -> None:
    with pytest.raises(ParameterError) as caught:
        read(tmp_path, *lines)
    assert str(caught.value).startswith(f"{str(tmp_path / 'a.conllu')!r}: line {line}: {fault}")
    assert f"{line} 行目：" in caught.value.ja


def test_another_encoding_is_named_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.conllu").write_bytes("\n".join(KEIO * 20).encode("cp932"))
    with pytest.raises(ParameterError, match=r"line 2: byte 0x8c is not UTF-8 \(the file looks like Shift_JIS \(CP932\)\)"):
        list(read_conllu(tmp_path / "a.conllu"))


@pytest.mark.parametrize("content", ["", "\n\n", "# text = 猫\n\n"])
def test_a_file_without_a_sentence_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.conllu").write_text(content, encoding="utf-8")
    with pytest.raises(ParameterError, match=r"a\.conllu.*the file has no sentence"):
        list(read_conllu(tmp_path / "a.conllu"))


def test_a_sentence_that_never_ends_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"line 10,001: the sentence that begins in line 1 has more than 10,000 words"):
        read(tmp_path, *(word(number, "猫") for number in range(1, 10_100)))


def test_a_line_that_never_ends_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="line 1: more than 1,048,576 bytes in one line"):
        read(tmp_path, "猫" * 400_000)


def test_a_damaged_or_missing_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.conllu.xz").write_bytes(lzma.compress("\n".join(KEIO).encode())[:-8])
    with pytest.raises(ParameterError, match=r"a\.conllu\.xz.*cannot be read"):
        list(read_conllu(tmp_path / "a.conllu.xz"))
    with pytest.raises(ParameterError, match=r"no file .*nothing\.conllu"):
        list(read_conllu(tmp_path / "nothing.conllu"))
