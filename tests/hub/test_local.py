"""Folders are written whole or not at all."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from neoxjp.errors import CheckpointError
from neoxjp.hub import atomic_folder, read_json
from tests.support.model_folders import contents
from tests.support.tiny_model import ours


@pytest.fixture(scope="module")
def model():
    return ours()


@pytest.fixture
def folder(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


# Writing whole or not at all


def test_a_write_that_fails_leaves_the_old_folder_and_nothing_else(folder):
    before = contents(folder)

    def fail() -> None:
        with atomic_folder(folder) as fresh:
            (fresh / "config.json").write_text("new")
            raise RuntimeError("oh")

    with pytest.raises(RuntimeError, match="oh"):
        fail()
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_folder_is_written_where_its_parents_are_not_there_yet(tmp_path):
    with atomic_folder(tmp_path / "a" / "b") as fresh:
        (fresh / "x").write_text("x")
        assert not (tmp_path / "a" / "b").exists()
    assert contents(tmp_path / "a" / "b") == {"x": b"x"}


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "inner").symlink_to("../elsewhere")
    with atomic_folder(tmp_path / "link") as fresh:
        (fresh / "x").write_text("x")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "x").read_text() == "x"
    assert os.readlink(tmp_path / "real" / "inner") == "../elsewhere"


def test_the_working_folder_is_filled_in_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").write_text("k")
    (tmp_path / "old.bin").write_text("o")
    with atomic_folder(Path(), drop=["*.bin"]) as fresh:
        (fresh / "x").write_text("x")
        (fresh / "sub").mkdir()
    assert sorted(os.listdir()) == ["kept", "sub", "x"]
    with atomic_folder(Path(), drop=["*.bin"]) as fresh:
        (fresh / "sub").mkdir()
        (fresh / "sub" / "y").write_text("y")
    assert os.listdir("sub") == ["y"]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "x").write_text("x")
    with pytest.raises(CheckpointError, match="is a file; name a folder"), atomic_folder(tmp_path / "x"):
        pass
    with (
        pytest.raises(CheckpointError, match=r"cannot be written: (Not a directory|File exists)"),
        atomic_folder(tmp_path / "x" / "y"),
    ):
        pass


def test_a_swap_that_fails_half_way_brings_the_old_folder_back(folder, monkeypatch):
    before = contents(folder)
    rename = os.rename

    def fail_for_the_fresh_one(old, new):
        if str(old).endswith(".writing"):
            raise OSError(errno.EIO, "Input/output error")
        rename(old, new)

    monkeypatch.setattr(os, "rename", fail_for_the_fresh_one)
    with pytest.raises(CheckpointError, match="Input/output error; what was there before is unchanged"):
        ours(seed=1).save_pretrained(folder)
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


@pytest.mark.parametrize("after", [1, 2])
def test_ctrl_c_right_after_a_rename_loses_nothing(folder, monkeypatch, after):
    rename, calls = os.rename, []

    def interrupted(*names):
        rename(*names)
        calls.append(names)
        if len(calls) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_folder(folder) as fresh:
        (fresh / "new").write_text("new")
    assert folder.is_dir()
    assert (folder / "new").exists() == (after == 2)
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_a_disk_without_room_is_refused_before_writing(folder, monkeypatch):
    before = contents(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(CheckpointError, match=r"the disk is too full .* bytes, 0 are free"):
        ours(seed=1).save_pretrained(folder)
    assert contents(folder) == before


@pytest.mark.slow
def test_a_write_that_the_system_cuts_off_leaves_the_old_folder(folder):
    """The largest file of this process is limited as a quota would: the real writer fails in the middle."""
    code = (
        "import resource, signal, sys; from tests.support.tiny_model import ours; model = ours(seed=1)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "from neoxjp.errors import CheckpointError\n"
        "try: model.save_pretrained(sys.argv[1])\n"
        "except CheckpointError as error: print(error)"
    )
    before = contents(folder)
    ran = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert "cannot be written" in ran.stdout
    assert "what was there before is unchanged" in ran.stdout
    assert contents(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_disk_that_fills_up_leaves_the_old_folder(tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", disk], capture_output=True).returncode:
        pytest.skip("may not mount a small disk here")
    try:
        (disk / "model").mkdir()
        (disk / "model" / "config.json").write_text("old")
        plenty = shutil._ntuple_diskusage(10**9, 0, 10**9)  # the look beforehand saw room; then someone else took it
        monkeypatch.setattr(shutil, "disk_usage", lambda path: plenty)
        with pytest.raises(CheckpointError, match=r"the disk is full: .* was not written.*unchanged"):
            ours(hidden_size=128).save_pretrained(disk / "model")
        assert contents(disk / "model") == {"config.json": b"old"}
        assert [path.name for path in disk.iterdir()] == ["model"]
        # A mount point itself cannot be renamed: its files are moved into place instead.
        ours().save_pretrained(disk)
        assert {"config.json", "model.safetensors", "model"} == {path.name for path in disk.iterdir()}
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_number_that_python_cannot_read_is_one_error(tmp_path):
    (tmp_path / "config.json").write_text('{"vocab_size": ' + "1" * 5_000 + "}")
    with pytest.raises(CheckpointError, match="holds a number of thousands of digits: fetch it again"):
        read_json(tmp_path / "config.json")
