"""Duplicates in a corpus: spelling is ignored, the shorter of two texts is removed, and texts for evaluation are removed."""

import json
import random
from pathlib import Path

import pytest

from neoxjp.cli.main import main
from neoxjp.train.duplicates import containment, find_duplicates, fold_spelling, sample_shingles


def letters(seed: int, count: int = 2000) -> str:
    return "".join(random.Random(seed).choices("春夏秋冬山川草木風花雪月あかさたなまらわん", k=count))


def test_spelling_is_fold_spelling() -> None:
    assert fold_spelling("「思ふ、國ヲ！」") == fold_spelling("思う国お") == "思う国お"
    assert fold_spelling("ずっと　ＡＢＣ") == "ずつとABC"


def test_what_two_texts_share_shows_in_their_shingles() -> None:
    one, other = letters(1), letters(2)
    assert containment(sample_shingles(one), sample_shingles(one + other)) == 1.0
    assert containment(sample_shingles(one), sample_shingles(other)) < 0.05
    assert 0.35 < containment(sample_shingles(one[:1000] + other[:1000]), sample_shingles(one)) < 0.65
    assert containment(sample_shingles("短い"), sample_shingles("短い")) == 0.0


def test_the_shorter_of_two_is_removed_and_what_contains_a_held_out_text() -> None:
    texts = [letters(1), letters(1) + "。" + letters(2), letters(3), letters(4)]
    assert find_duplicates(texts) == [0]
    assert find_duplicates(texts, held_out=[letters(2), letters(4) + letters(5)]) == [1, 3]


def test_of_short_texts_only_equal_ones_are_removed() -> None:
    short = "吾輩は猫である。名前はまだ無い。"
    assert find_duplicates([short] * 3 + ["吾輩ハ猫デアル　名前ハマダ無イ", "吾輩は犬である。", "", ""]) == [1, 2, 3]
    assert find_duplicates([short, "吾輩は犬である。"], held_out=[short]) == [0]


def test_the_command_writes_the_texts_that_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("a", letters(1)), ("b", letters(1) + "続き"), ("c", letters(2)), ("d", letters(2))):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
    files = [str(tmp_path / f"{name}.txt") for name in "abc"]
    assert main(["deduplicate", str(tmp_path / "out.jsonl"), *files, "--held-out", str(tmp_path / "d.txt")]) == 0
    assert "removed 2 of 3 documents, 4,000 of 6,002 characters" in capsys.readouterr().out
    kept = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert kept.count("\n") == 1
    assert "続き" in kept


@pytest.mark.parametrize(
    ("out", "fault"),
    [
        ("a.txt", "is written: give it a name that ends in .jsonl"),
        ("b.jsonl", "is there already: name another file to write"),
        ("no/o.jsonl", "no folder"),
    ],
)
def test_the_file_to_write_is_none_of_the_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str], out: str, fault: str) -> None:
    for name in ("a.txt", "b.jsonl"):
        (tmp_path / name).write_text('{"text": "猫"}\n', encoding="utf-8")
    assert main(["deduplicate", str(tmp_path / out), str(tmp_path / "b.jsonl")]) == 2
    assert fault in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"a.txt", "b.jsonl"}
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == '{"text": "猫"}\n'


def test_half_a_character_is_written_and_a_failure_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, file = tmp_path / "out.jsonl", tmp_path / "a.jsonl"
    file.write_text('{"text": "猫\\ud83d"}\n', encoding="utf-8")
    assert main(["deduplicate", str(out), str(file)]) == 0
    assert json.loads(out.read_text(encoding="utf-8"))["text"].startswith("猫")
    out.unlink()

    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("neoxjp.cli.train.json_line", full)
    assert main(["deduplicate", str(out), str(file)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
