"""A corpus in numbers: against a slow obvious count, over every kind of file, stopped half-way."""

import io
import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.cli import main as cli
from neoxjp.compare import builtin_peers
from neoxjp.errors import ParameterError
from neoxjp.labs.corpus.costs import PieceCounter
from neoxjp.labs.corpus.records import Corpus, Progress, Source, analyse
from neoxjp.labs.round_trip.records import roundtrip
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

SAMPLES = [
    "慶應の大学 と\u3000国",
    "1１①、日夲\r\n猫\r犬\n",
    "𩸽é×→—−",
    "👋🏻😀(^_^) 私",
    "ｱｲ <SP><BR>x",
    "\u202e\u200d",
    "吾輩は猫である。\t",
]


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


def source(texts: list[str], name: str = "a.jsonl") -> Source:
    return Source(name, io.BytesIO("".join(json.dumps({"text": text}) + "\n" for text in texts).encode()))


def run(*arguments: Any) -> Corpus:
    """The corpus at the end of `analyse`."""
    *_, last = analyse(*arguments)
    assert isinstance(last, Corpus)
    return last


def slow(texts: list[str], tokenizer: GPTNeoXJapaneseTokenizer) -> tuple[int, int, Counter[tuple[str, str]]]:
    """Tokens, byte tokens and losses (text, what comes back), token by token."""
    tokens = in_bytes = 0
    lost: Counter[tuple[str, str]] = Counter()
    for text in texts:
        found = tokenizer.analyze(text)
        tokens += len(found)
        in_bytes += sum(token.kind == "byte" for token in found)
        for (start, end), group in groupby(found, key=lambda token: (token.start, token.end)):
            back = "".join(token.text for token in group)
            lost[text[start:end], back] += back != text[start:end]
    return tokens, in_bytes, +lost


@settings(max_examples=30)
@given(st.lists(st.lists(st.sampled_from(SAMPLES), max_size=8).map("".join), max_size=5))
def test_a_fast_count_is_the_slow_one(tokenizer: GPTNeoXJapaneseTokenizer, texts: list[str]) -> None:
    found = run([source(texts)], tokenizer)
    tokens, in_bytes, lost = slow(texts, tokenizer)
    assert found.documents == len(texts)
    assert found.characters == sum(map(len, texts))
    assert found.utf8_bytes == sum(len(text.encode()) for text in texts)
    assert (found.costs[0].tokens, found.costs[0].byte_tokens) == (tokens, in_bytes)
    assert {(loss.text, loss.back): loss.count for loss in found.losses} == lost
    assert found.lost_characters == sum(roundtrip(tokenizer, text).changed for text in texts)
    assert sum(loss.characters for loss in found.losses) == found.lost_characters
    assert found.costs[0].ids_used == len({id for text in texts for id in tokenizer.encode(text)})
    assert sum(script.characters for script in found.scripts) == found.characters


def test_losses_have_their_reason_and_a_place(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    found = run([source(["私は慶應の猫\u3000だ", "a×b—c\r\n👋🏻"])], tokenizer)
    reasons = {(loss.reason, loss.text, loss.back) for loss in found.losses}
    assert {("folded", "慶應", "慶応"), ("blank", "\u3000", " "), ("dash", "—", "ー"), ("newline", "\r\n", "\n")} <= reasons
    keio = next(loss for loss in found.losses if loss.text == "慶應")
    assert (keio.examples[0].before, keio.examples[0].after) == ("私は", "の猫")
    assert found.lost_by_reason["folded"] == 1  # of 慶應 only the second character changes
    assert found.lost_by_reason["newline"] == 1


def test_a_spelling_of_two_characters_of_which_one_changes_is_one_lost_character(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    """慶應 five times in 140 characters: 3.57 %, as the round trip counts it, not 7.14 %."""
    text = ("慶應" + "の" * 26) * 5
    found = run([Source("a.csv", io.BytesIO(f"text\n{text}\n".encode()))], tokenizer)
    assert (found.lost_characters, found.characters) == (5, 140)
    assert found.lost_characters == roundtrip(tokenizer, text).changed


def test_a_vocabulary_with_tags_inside_its_spellings_is_counted_rightly_too(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    compat = GPTNeoXJapaneseTokenizer(*tokenizer.vocabulary.files, compat="transformers")
    texts = ["慶應, é\u3000", "x—y 日夲"]
    found = run([source(texts)], compat)
    tokens, in_bytes, lost = slow(texts, compat)
    assert (found.costs[0].tokens, found.costs[0].byte_tokens) == (tokens, in_bytes)
    assert {(loss.text, loss.back): loss.count for loss in found.losses} == lost


def test_a_long_plain_text_is_one_document_and_costs_what_encode_says(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "吾輩は猫である。慶應の大学。\n" * 30_000
    found = run([Source("a.txt", io.BytesIO(text.encode()))], tokenizer)
    assert (found.documents, found.characters) == (1, len(text))
    assert found.costs[0].tokens == len(tokenizer.encode(text))
    assert found.losses[0].count == 30_000


def test_every_tokenizer_is_counted(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "東京都の猫é"
    found = run([source([text, text])], tokenizer, [(peer.name, peer) for peer in builtin_peers(tokenizer)])
    for cost, peer in zip(found.costs[1:], builtin_peers(tokenizer), strict=True):
        assert cost.tokens == 2 * sum(piece.tokens for piece in peer.pieces(text)), cost.name
    pieces = PieceCounter("x", "x", builtin_peers(tokenizer)[0])
    pieces.add([text, text])
    cost = pieces.cost(14)
    assert (cost.tokens, cost.byte_tokens, cost.longest[0].text) == (found.costs[0].tokens, 4, "東京都")


def test_scripts_and_rare_characters_have_code_points(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    found = run([source(["猫猫猫Жあ"])], tokenizer)
    assert [script.script for script in found.scripts] == ["hiragana", "other: CYRILLIC", "kanji"]
    assert ("Ж", "U+0416", "CYRILLIC CAPITAL LETTER ZHE", 1) in [
        (one.character, one.code, one.name, one.count) for one in found.rarest
    ]
    assert [one.character for one in found.without_entry] == ["Ж"]


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl"])
def test_nothing_is_counted_as_nothing(tokenizer: GPTNeoXJapaneseTokenizer, name: str) -> None:
    if name == "a.csv":
        with pytest.raises(ParameterError, match="has no text"):
            run([Source(name, io.BytesIO())], tokenizer)
        return
    found = run([Source(name, io.BytesIO())], tokenizer)
    assert (found.documents, found.characters, found.costs[0].tokens, found.losses) == (0, 0, 0, ())
    assert found.costs[0].characters_per_token == 0


def test_one_character_is_counted(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    found = run([Source("a.txt", io.BytesIO("猫".encode("cp932")))], tokenizer)
    assert (found.documents, found.characters, found.costs[0].tokens) == (1, 1, 1)


def test_it_tells_how_far_it_came_and_can_be_stopped(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "吾輩は猫である。\n" * 100_000
    steps = analyse([Source("a.txt", io.BytesIO(text.encode()))], tokenizer)
    first = next(steps)
    assert isinstance(first, Progress)
    assert 0 < first.read < first.total == len(text.encode())
    steps.close()
    *progress, last = analyse([Source("a.txt", io.BytesIO(text.encode()))], tokenizer)
    assert [step.read for step in progress] == sorted(step.read for step in progress)
    assert progress[-1].read == progress[-1].total
    assert isinstance(last, Corpus)


# ---------------------------------------------------------------- the command


def command(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = cli.main([*map(str, ("corpus", *arguments))])
    return code, *capsys.readouterr()


def test_the_command_prints_the_same_record_as_json(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_vocabulary: Path, tokenizer: GPTNeoXJapaneseTokenizer
) -> None:
    (tmp_path / "a.txt").write_bytes("慶應の猫".encode("euc_jp"))
    (tmp_path / "b.csv").write_bytes("id,body\n1,猫\n".encode("cp932"))
    files = [tmp_path / "a.txt", tmp_path / "b.csv"]
    code, out, err = command(
        capsys, *files, "--model", tiny_vocabulary, "--tokenizer", "bytes", "--json", "--csv", tmp_path / "c.csv"
    )
    record = json.loads(out)
    assert (code, err) == (0, "")
    assert [one["encoding"] for one in record["files"]] == ["EUC-JP", "Shift_JIS (CP932)"]
    assert [one["column"] for one in record["files"]] == ["", "body"]
    assert [(one["key"], one["tokens"]) for one in record["costs"]] == [("neoxjp", 4), ("bytes", 15)]
    assert (tmp_path / "c.csv").read_text("utf-8-sig").splitlines()[0].startswith("section,")


def test_the_command_prints_a_summary(capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_vocabulary: Path) -> None:
    (tmp_path / "a.txt").write_bytes("慶應の猫Ж".encode("cp932") + b"\x81\x20")
    code, out, _ = command(capsys, tmp_path / "a.txt", "--model", tiny_vocabulary)
    assert code == 0
    assert "Shift_JIS (CP932)" in out
    assert "慶應 → 慶応" in out
    assert "1 byte cannot be read" in out
    assert "no entry alone: � 1, 慶 1, Ж 1" in out


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("a.png", b"\x89PNG\r\n", (), "not a text file"),
        ("a.csv", b"a,b\n1,2\n", ("--column", "c"), "no column 'c'; its columns: 'a', 'b'"),
        ("a.txt", b"x", ("--encoding", "klingon"), "not known"),
        ("a.txt", b"x", ("--tokenizer", "nobody"), "nobody"),
    ],
)
def test_the_command_refuses_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, content: bytes, options: tuple[str, ...], message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    code, out, err = command(capsys, tmp_path / name, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_the_command_names_a_file_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = command(capsys, tmp_path / "no.txt")
    assert code == 2
    assert "no.txt" in err
