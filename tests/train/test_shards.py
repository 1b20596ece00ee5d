"""Shards: the same bytes whoever writes them, every document once, also after SIGKILL; and training reads them."""

import errno
import json
import lzma
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.cli.main import main
from neoxjp.documents import read_documents
from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.hub import read_json
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer as Tokenizer
from neoxjp.train.corpus import JoinedIds, pack
from neoxjp.train.shards import Outcome, Shard, ShardSettings, Unit, open_shards, plan, tokenize_files, write_shard
from tests.support.train_tiny import TEXTS, losses

ROOT = Path(__file__).parents[2]
SMALL = ShardSettings(shard_bytes=700)


@pytest.fixture
def tokenizer(tiny_vocabulary: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(str(tiny_vocabulary))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Files of every kind, some larger than a shard of SMALL and some smaller."""
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "texts"
    folder.mkdir()
    lines = [json.dumps({"text": f"{number}{text}"}, ensure_ascii=False) for number, text in enumerate(TEXTS)]
    (folder / "a.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "b.txt").write_text("\n".join(TEXTS[:5]), encoding="utf-8")
    with lzma.open(folder / "c.jsonl.xz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines[:9]))
    (folder / "d.csv").write_text("text\n" + "\n".join(f'"{text}"' for text in TEXTS[:9]), encoding="utf-8")
    parquet.write_table(arrow.table({"text": TEXTS}), folder / "e.parquet", row_group_size=9)
    (folder / "f.jsonl").write_text("\n".join(lines), encoding="cp932")
    return sorted(folder.iterdir())


def in_turn(tokenizer: Tokenizer, backwards: bool = False, at_most: int | None = None) -> object:
    """What writes shards in this process; `at_most` of them, as if it then was stopped."""

    def execute(units: Sequence[Unit], folder: Path, settings: ShardSettings) -> Iterator[Shard]:
        for unit in list(reversed(units) if backwards else units)[:at_most]:
            yield write_shard(unit, folder, tokenizer, settings)
        if at_most is not None:
            raise KeyboardInterrupt

    return execute


def run(files: Sequence[Path], out: Path, tokenizer: Tokenizer, settings: ShardSettings = SMALL, **how: object) -> Outcome:
    return tokenize_files(files, out, tokenizer, settings, in_turn(tokenizer, **how))  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def joined(folder: Path) -> bytes:
    return b"".join((folder / shard["file"]).read_bytes() for shard in read_json(folder / "manifest.json")["shards"])


# ---- what is in the shards


def test_joined_shards_are_what_pack_writes(
    files: list[Path], tokenizer: Tokenizer, tiny_vocabulary: Path, tmp_path: Path
) -> None:
    done = run(files, tmp_path / "out", tokenizer)
    packed = pack((d for path in files for d in read_documents(path)), tiny_vocabulary, tmp_path / "packed")
    assert len(done.shards) > 8
    assert joined(tmp_path / "out") == (tmp_path / "packed" / "ids.bin").read_bytes()
    assert (done.totals["documents"], done.totals["characters"]) == (packed.documents, packed.characters)
    assert done.totals["tokens"] == len(packed.ids)


def test_the_order_of_writing_changes_no_byte_of_any_file(files: list[Path], tokenizer: Tokenizer, tmp_path: Path) -> None:
    run(files, tmp_path / "forwards", tokenizer)
    run(files, tmp_path / "backwards", tokenizer, backwards=True)
    assert contents(tmp_path / "forwards") == contents(tmp_path / "backwards")


def test_the_manifest_has_counts_and_hashes(files: list[Path], tokenizer: Tokenizer, tmp_path: Path) -> None:
    import hashlib

    run(files, tmp_path / "out", tokenizer)
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert manifest["complete"]
    for shard in manifest["shards"]:
        data = (tmp_path / "out" / shard["file"]).read_bytes()
        assert shard["sha256"] == hashlib.sha256(data).hexdigest()
        assert shard["tokens"] == len(data) // 2
        assert shard["documents"] == np.frombuffer(data, "<u2").tolist().count(tokenizer.eos_token_id)
    for name in ("documents", "characters", "tokens", "bytes"):
        assert manifest[name] == sum(shard[name] for shard in manifest["shards"])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [False, True])
@pytest.mark.parametrize("size", [20, 33, 64, 100, 1000, 10**6])
def test_every_document_is_in_one_part_wherever_a_file_is_divided(end: str, bom: bool, size: int, tmp_path: Path) -> None:
    texts = [f"{number}{'猫' * (number * 7 % 23)}" for number in range(60)]
    objects = [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    for name, split, lines in (
        ("a.jsonl", "file", objects),
        ("line.txt", "line", texts),
        ("blank.txt", "blank", [line for text in texts for line in (text, "次の行", "　")]),
    ):
        path = tmp_path / name
        path.write_bytes(end.join(lines).encode("utf-8-sig" if bom else "utf-8"))
        settings = ShardSettings(split=split, shard_bytes=size)  # type: ignore[arg-type]
        units = plan([path], settings)
        found = [d.text for unit in units for piece in unit.pieces for d in piece.documents(settings)]
        assert found == [document.text for document in read_documents(path, split=split)]  # type: ignore[arg-type]
        assert len(units) > 1 or size > 1000 or end == "\r"


def test_small_files_share_a_shard_and_a_folder_stands_for_its_files(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text("猫" * 10, encoding="utf-8")
    (tmp_path / "read.me").write_text("no text")
    units = plan([tmp_path], ShardSettings(shard_bytes=100))
    assert [len(unit.pieces) for unit in units] == [3, 3, 3, 3, 3, 3, 2]
    assert units == plan(sorted(tmp_path.glob("*.txt")), ShardSettings(shard_bytes=100))


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=6), st.integers(0, 40), st.integers(0, 40))
def test_a_slice_of_joined_ids_is_that_of_one_array(parts: list[list[int]], start: int, length: int) -> None:
    one = [number for part in parts for number in part]
    ids = JoinedIds([np.array(part, np.uint16) for part in parts] or [np.zeros(0, np.uint16)], 0)
    assert len(ids) == len(one)
    assert ids[start : start + length].tolist() == one[start : start + length]


# ---- stopped and continued


def test_a_run_that_was_stopped_continues_with_the_missing_shards(
    files: list[Path], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    whole = run(files, tmp_path / "whole", tokenizer)
    with pytest.raises(KeyboardInterrupt):
        run(files, tmp_path / "out", tokenizer, at_most=3)
    assert not read_json(tmp_path / "out" / "manifest.json")["complete"]
    assert run(files, tmp_path / "out", tokenizer).written == len(whole.shards) - 3
    assert contents(tmp_path / "whole") == contents(tmp_path / "out")
    assert run(files, tmp_path / "out", tokenizer).written == 0
    (tmp_path / "out" / "shard-00002.bin").unlink()
    assert run(files, tmp_path / "out", tokenizer).written == 1
    assert contents(tmp_path / "whole") == contents(tmp_path / "out")


KILLED = """
import os, sys, time
from pathlib import Path
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.shards import ShardSettings, tokenize_files, write_shard
vocabulary, out, *files = sys.argv[1:]
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(vocabulary)
slow, encode_batch = False, tokenizer.encode_batch
def encode_slowly(texts, clean):
    time.sleep(3600 * slow)
    return encode_batch(texts, clean)
tokenizer.encode_batch = encode_slowly
def execute(units, folder, settings):
    global slow
    for unit in units:
        if unit.number == 4:
            slow = True
            print("in the middle", flush=True)
        yield write_shard(unit, folder, tokenizer, settings)
tokenize_files(files, Path(out), tokenizer, ShardSettings(shard_bytes=700), execute)
"""


def test_after_sigkill_within_a_shard_no_document_is_lost_or_doubled(
    files: list[Path], tokenizer: Tokenizer, tiny_vocabulary: Path, tmp_path: Path
) -> None:
    out, whole = tmp_path / "out", run(files, tmp_path / "whole", tokenizer)
    command = [sys.executable, "-c", KILLED, str(tiny_vocabulary), str(out), *map(str, files)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        assert process.stdout.readline() == "in the middle\n"
        for _ in range(500):
            if list(out.glob(".shard-00004.bin.*.part")):
                break
            time.sleep(0.01)
        with pytest.raises(ParameterError, match=r"another run writes to '.*out' now: wait"):
            run(files, out, tokenizer)
        process.send_signal(signal.SIGKILL)
    assert list(out.glob("*.part")) + list(out.glob(".*.part")) != []
    assert run(files, out, tokenizer).written == len(whole.shards) - 4
    assert contents(out) == contents(tmp_path / "whole")


def test_a_full_disk_leaves_the_finished_shards_and_the_run_continues(
    files: list[Path], tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, fsync = [0], os.fsync

    def full(number: int) -> None:
        calls[0] += 1
        if calls[0] == 7:  # the first is of the folder of the vocabulary
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        CheckpointError, match=r"the disk is full: .* 2 of \d+ shards are finished, and the same command continues"
    ):
        run(files, tmp_path / "out", tokenizer)
    names = {path.name for path in (tmp_path / "out").iterdir()} - {".lock", "manifest.json", "vocabulary"}
    assert names == {f"shard-0000{number}.{kind}" for number in (0, 1) for kind in ("bin", "json")}
    run(files, tmp_path / "out", tokenizer)
    run(files, tmp_path / "whole", tokenizer)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


# ---- what is refused


def refused(match: str, files: Sequence[Path], out: Path, tokenizer: Tokenizer, settings: ShardSettings = SMALL) -> None:
    before = contents(out) if out.exists() else None
    with pytest.raises(ParameterError, match=match):
        run(files, out, tokenizer, settings)
    assert (contents(out) if out.exists() else None) == before


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        (ShardSettings(shard_bytes=800), r"shard_bytes=700 \(now 800\)"),
        (ShardSettings(shard_bytes=700, split="line"), r"split='file' \(now 'line'\)"),
        (ShardSettings(shard_bytes=700, clean=True), r"clean=False \(now True\)"),
    ],
)
def test_other_settings_are_refused(
    settings: ShardSettings, difference: str, files: list[Path], tokenizer: Tokenizer, tmp_path: Path
) -> None:
    run(files[:2], tmp_path / "out", tokenizer)
    refused(f"was started with {difference}: continue with the same", files[:2], tmp_path / "out", tokenizer, settings)


def test_another_vocabulary_is_refused(files: list[Path], tokenizer: Tokenizer, tmp_path: Path) -> None:
    run(files[:2], tmp_path / "out", tokenizer)
    refused("was started with vocabulary=", files[:2], tmp_path / "out", Tokenizer.from_pretrained("bundled"))


def test_a_changed_file_is_refused(files: list[Path], tokenizer: Tokenizer, tmp_path: Path) -> None:
    run(files, tmp_path / "out", tokenizer)
    with files[0].open("a", encoding="utf-8") as file:
        file.write('{"text": "猫"}\n')
    refused(r"a\.jsonl' has changed since '.*shard-00000\.bin' was made of it", files, tmp_path / "out", tokenizer)
    refused("the list of files has changed since", files[1:], tmp_path / "out", tokenizer)


def test_a_file_that_changes_while_it_is_read_is_refused(files: list[Path], tmp_path: Path) -> None:
    (unit, *_) = plan(files[:1], SMALL)
    os.utime(files[0], (1, 1))
    with pytest.raises(ParameterError, match="has changed while it was read"):
        list(unit.pieces[0].documents(SMALL))


def test_a_folder_with_other_things_is_refused(files: list[Path], tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ParameterError, match="is not empty, and nothing in it is from this command"):
        run(files, tmp_path / "out", tokenizer)
    assert (tmp_path / "out" / "mine.txt").read_text() == "mine"


def test_faulty_files_are_listed_before_anything_is_written(tokenizer: Tokenizer, tmp_path: Path) -> None:
    for name in ("empty.txt", "empty.jsonl"):
        (tmp_path / name).write_text("")
    (tmp_path / "good.txt").write_text("猫")
    names = ["empty.txt", "good.txt", "empty.jsonl", "none.txt", "good.txt"]
    refused(
        r"1 file cannot be found: .*none\.txt'; 2 files without a single byte: .*; 1 file named twice: .*good\.txt'",
        [tmp_path / name for name in names],
        tmp_path / "out",
        tokenizer,
    )
    refused("there is no file to tokenize", [], tmp_path / "out", tokenizer)
    refused("ends in '.pdf'", [tmp_path / "a.pdf"], tmp_path / "out", tokenizer)


def test_broken_parquet_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"text": ["猫" * 1000]}), tmp_path / "a.parquet", compression="none")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[:-20])
    refused(r"cut\.parquet' is not a Parquet file", [tmp_path / "cut.parquet"], tmp_path / "out", tokenizer)
    (tmp_path / "damaged.parquet").write_bytes(data[:4] + b"\xff" * 200 + data[204:])
    refused(r"damaged\.parquet' is not a Parquet file, or a damaged", [tmp_path / "damaged.parquet"], tmp_path / "out", tokenizer)
    refused(
        r"a\.parquet has no column 'body', but 'text'",
        [tmp_path / "a.parquet"],
        tmp_path / "out",
        tokenizer,
        ShardSettings("body"),
    )
    parquet.write_table(arrow.table({"text": arrow.array([], arrow.string())}), tmp_path / "none.parquet")
    refused(r"none\.parquet' has no rows", [tmp_path / "none.parquet"], tmp_path / "out", tokenizer)


@pytest.mark.parametrize(
    ("line", "fault"), [('{"text": "猫"', "Expecting"), ("[1]", "a JSON list"), ('{"body": 1}', "has no field 'text'")]
)
def test_a_bad_line_is_named_by_its_number_in_the_file(line: str, fault: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    lines = ['{"text": "吾輩は猫である。"}'] * 200
    lines[149] = line
    (tmp_path / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(
        ParameterError, match=rf"a\.jsonl': line 150: .*{fault}.* shards are finished, and the same command continues"
    ):
        run([tmp_path / "a.jsonl"], tmp_path / "out", tokenizer)
    assert not list((tmp_path / "out").glob(".*.part"))


def test_bytes_of_another_encoding_are_refused_and_named_by_their_place(tokenizer: Tokenizer, tmp_path: Path) -> None:
    data = '{"text": "吾輩は猫である。"}\n'.encode() * 100
    (tmp_path / "a.jsonl").write_bytes(data + '{"text": "吾輩"}\n'.encode("cp932"))
    settings = ShardSettings(encoding="utf-8", shard_bytes=700)
    with pytest.raises(ParameterError, match=f"cannot be read as UTF-8 .* at {len(data) + 10:,}"):
        run([tmp_path / "a.jsonl"], tmp_path / "out", tokenizer, settings)
    (tmp_path / "b.jsonl").write_bytes(b"\x83\x80\xff\xfe\x00\x00" * 200)
    refused("b.jsonl", [tmp_path / "b.jsonl"], tmp_path / "none", tokenizer)


def test_nothing_but_empty_documents_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": ""}\n')
    with pytest.raises(ParameterError, match="every document is empty"):
        run([tmp_path / "a.jsonl"], tmp_path / "out", tokenizer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2", "猫"], "--workers without --ray has no effect"),
        (["--ray", "猫"], "it takes no text"),
        (["--ray"], "name both"),
        (["--ray", "--file", "a.txt"], "name both"),
        (["--ray", "--file", "a.txt", "--out", "b", "--shard-bytes", "0"], "--shard-bytes 0 must be at least 1"),
        (["--ray", "--file", "a.txt", "--out", "b", "--workers", "0"], "--workers 0 must be at least 1"),
        (["--ray", "--file", "a.txt", "--out", "b", "--encoding", "none"], "--encoding 'none' is not known"),
    ],
)
def test_options_that_cannot_be_combined_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tokenize", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# ---- training


@pytest.mark.parametrize("folders", [1, 2])
def test_training_on_shards_equals_training_on_their_texts(
    folders: int, files: list[Path], tokenizer: Tokenizer, tiny_folder: Path, tmp_path: Path
) -> None:
    half = len(files) if folders == 1 else 3
    run(files[:half], tmp_path / "one", tokenizer)
    shards = [str(tmp_path / "one")]
    if folders == 2:
        run(files[half:], tmp_path / "two", tokenizer)
        shards.append(str(tmp_path / "two"))
    options = ["--from", str(tiny_folder), "--steps", "3", "--rows", "2", "--length", "16"]
    assert main(["train", str(tmp_path / "a"), *shards, *options]) == 0
    assert main(["train", str(tmp_path / "b"), *map(str, files), *options]) == 0
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    assert not list((tmp_path / "a").glob("text-*"))


def test_shards_and_texts_together_need_shares(
    files: list[Path], tokenizer: Tokenizer, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(files, tmp_path / "out", tokenizer)
    options = ["--from", str(tiny_folder), "--steps", "1", "--rows", "2", "--length", "16"]
    assert main(["train", str(tmp_path / "a"), str(tmp_path / "out"), str(files[0]), *options]) == 2
    assert "a share each" in capsys.readouterr().err
    assert main(["train", str(tmp_path / "a"), f"{tmp_path / 'out'}=0.7", f"{files[0]}=0.3", *options]) == 0


def test_only_complete_shards_of_the_same_vocabulary_are_trained_on(
    files: list[Path], tokenizer: Tokenizer, tiny_vocabulary: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(files, out, tokenizer, at_most=3)
    with pytest.raises(ParameterError, match="is not complete: give the command"):
        open_shards([out], tiny_vocabulary)
    run(files, out, tokenizer)
    assert open_shards([out], out / "vocabulary").documents == read_json(out / "manifest.json")["documents"]
    with pytest.raises(ParameterError, match=r"another vocabulary than the model's: train with --vocabulary '.*vocabulary'"):
        open_shards([out], Path(Tokenizer.from_pretrained("bundled").vocabulary.files[0]).parent)
    (out / "shard-00001.bin").write_bytes(b"ab")
    with pytest.raises(ParameterError, match=r"shard-00001\.bin' is missing or was truncated"):
        open_shards([out], tiny_vocabulary)
    with pytest.raises(ParameterError, match=r"is a folder without manifest\.json"):
        open_shards([tmp_path / "texts"], tiny_vocabulary)
