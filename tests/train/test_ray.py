"""`neoxjp tokenize --ray` and the DataTrove step, each in the environment with these packages that NEOXJP_RAY names.

Two sessions of Ray in all: one of the command line, which is killed, and one of `neoxjp.train.ray` for everything else.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from neoxjp.cli.main import main
from neoxjp.hub import read_json
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.train_tiny import TEXTS

ROOT = Path(__file__).parents[2]
SESSION = """
import json, sys
from pathlib import Path

import psutil

from neoxjp.errors import ParameterError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train import ray as corpus
from neoxjp.train.shards import ShardSettings

vocabulary, folder = sys.argv[1], Path(sys.argv[2])
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(vocabulary)
settings = ShardSettings(shard_bytes=700)
with corpus._started(None, 2):
    def run(out, *files, **options):
        done = corpus.tokenize(files or [folder / "texts"], folder / out, tokenizer, settings, **options)
        return {"written": done.written, "shards": len(done.shards), **done.totals}

    found = {"one": run("one", workers=1), "two": run("two", workers=2), "killed": run("killed", workers=2)}
    try:
        run("broken", folder / "texts" / "a.jsonl", folder / "broken.jsonl")
    except ParameterError as error:
        found["error"] = str(error)
    ours = {process.pid for process in [psutil.Process(), *psutil.Process().children(recursive=True)]}
    found["addresses"] = sorted(
        {each.laddr.ip for each in psutil.net_connections("inet") if each.pid in ours and each.status == "LISTEN"}
    )
print(json.dumps(found))
"""


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"} | more


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some 200 shards of texts, and one file with a broken line."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "texts").mkdir()
    lines = [json.dumps({"text": f"{number}{text}"}, ensure_ascii=False) for number, text in enumerate(TEXTS * 25)]
    (folder / "texts" / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (folder / "texts" / "b.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    (folder / "broken.jsonl").write_text("\n".join([*lines[:50], "{no", *lines[50:60]]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def session(ray_python: str, folder: Path, tiny_vocabulary: Path) -> Iterator[dict[str, Any]]:
    """What the two sessions of Ray found."""
    place = tempfile.mkdtemp(prefix="neoxjp-ray-")  # short, for the names of Ray's sockets
    here = environment(RAY_TMPDIR=place)
    command = [ray_python, "-m", "neoxjp", "tokenize", "--ray", "--workers", "2", "--shard-bytes", "700"]
    command += ["--model", str(tiny_vocabulary), "--file", str(folder / "texts"), "--out", str(folder / "killed")]
    with subprocess.Popen(command, env=here, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list(folder.glob("killed/shard-*.json"))) < 5:
            time.sleep(0.01)
        processes = {each: each.name() for each in psutil.Process(process.pid).children(recursive=True)}
        process.kill()
    # Ray's agents, which write nothing, wait for a minute for a server that is gone
    _, alive = psutil.wait_procs([each for each, name in processes.items() if not name.endswith("Agent")], timeout=30)
    before = {path.name for path in folder.glob("killed/shard-*.json")}
    done = subprocess.run(
        [ray_python, "-c", SESSION, str(tiny_vocabulary), str(folder)],
        env=here, cwd=ROOT, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout.splitlines()[-1]) | {"before": len(before), "alive": alive}
    for each in processes:
        if each.is_running():
            each.kill()
    shutil.rmtree(place, ignore_errors=True)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_shards_are_byte_equal_whatever_the_number_of_workers(session: dict[str, Any], folder: Path) -> None:
    assert session["one"]["shards"] > 100
    assert session["one"] == session["two"]
    assert contents(folder / "one") == contents(folder / "two")


def test_killed_and_started_again_it_finishes_without_a_document_lost_or_doubled(session: dict[str, Any], folder: Path) -> None:
    assert 5 <= session["before"] < session["one"]["shards"]
    assert session["killed"]["written"] == session["one"]["shards"] - session["before"]
    assert contents(folder / "killed") == contents(folder / "one")
    assert session["killed"]["documents"] == len(TEXTS) * 25 + 1


def test_the_processes_of_a_killed_run_end(session: dict[str, Any]) -> None:
    assert session["alive"] == []


def test_a_fault_in_a_file_stops_the_run_with_a_sentence(session: dict[str, Any], folder: Path) -> None:
    assert "broken.jsonl': line 51: Expecting property name" in session["error"]
    assert "shards are finished, and the same command continues" in session["error"]
    assert not list((folder / "broken").glob(".*.part"))


def test_ray_listens_on_this_machine_only(session: dict[str, Any]) -> None:
    assert {address.removeprefix("::ffff:") for address in session["addresses"]} <= {"127.0.0.1", "::1"}


def test_without_ray_the_command_names_the_package(
    folder: Path, tiny_vocabulary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    arguments = ["--model", str(tiny_vocabulary), "--file", str(folder / "texts"), "--out", str(tmp_path / "out")]
    assert main(["tokenize", "--ray", *arguments]) == 2
    assert 'this needs the package ray: pip install "neoxjp[ray]"' in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_datatrove_pipeline_of_the_docs_writes_our_ids(
    ray_python: str, folder: Path, tiny_vocabulary: Path, tmp_path: Path
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for name in ("a", "b"):
        lines = [json.dumps({"text": f"{name}{text}"}, ensure_ascii=False) for text in TEXTS]
        (texts / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "training.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "pipeline.py").write_text(code.replace("abeja/gpt-neox-japanese-2.7b", str(tiny_vocabulary)))
    done = subprocess.run(
        [ray_python, "pipeline.py"], env=environment(), cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(str(tiny_vocabulary))
    for number, name in enumerate("ab"):
        file = tmp_path / "tokenized" / f"0000{number}_unshuffled.ds"
        expected = [[*tokenizer.encode(f"{name}{text}"), tokenizer.eos_token_id] for text in TEXTS]
        assert np.fromfile(file, "<u2").tolist() == [id for ids in expected for id in ids]
        assert np.fromfile(f"{file}.index", "<u8").tolist() == np.cumsum(list(map(len, expected))).tolist()
        facts = Path(f"{file}.metadata").read_text().splitlines()
        assert facts[:2] == [f"{tiny_vocabulary}|2", str(sum(map(len, expected)))]


def test_the_killed_folder_can_be_trained_on(session: dict[str, Any], folder: Path, tiny_folder: Path, tmp_path: Path) -> None:
    assert read_json(folder / "killed" / "manifest.json")["complete"]
    options = ["--from", str(tiny_folder), "--steps", "1", "--rows", "2", "--length", "16"]
    assert main(["train", str(tmp_path / "run"), str(folder / "killed"), *options]) == 0
