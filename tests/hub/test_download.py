"""Finding models by name: local folders, the Hub (played by a local server), its cache, its absence, its errors."""

import errno
import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from neoxjp.errors import CheckpointError
from neoxjp.hub import ABEJA, KNOWN_CONVERSIONS, resolve_folder, resolve_model, revision_of
from tests.support.hub_server import LocalHub

CONVERSION = KNOWN_CONVERSIONS[ABEJA]
CONFIG = {"config.json": b"{}"}
SINGLE = CONFIG | {"model.safetensors": b"s" * 5000, "README.md": b"r"}
PICKLE = CONFIG | {"pytorch_model.bin": b"p" * 5000}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with LocalHub() as hub:
        hub.use(monkeypatch, tmp_path / "home")
        yield hub
        from huggingface_hub import close_session

        close_session()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def index_of(*shards: str) -> bytes:
    return json.dumps({"metadata": {}, "weight_map": {f"t{n}": shard for n, shard in enumerate(shards)}}).encode()


def test_a_local_folder_is_taken_as_it_is(tmp_path):
    (tmp_path / "vocab.txt").write_text("a")
    assert resolve_folder(tmp_path, files=["vocab.txt"], optional=["other.json"]) == tmp_path
    assert resolve_folder(str(tmp_path), files=["vocab.txt"]) == tmp_path


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "x" * 5_000])
def test_a_name_that_cannot_be_opened_is_refused_in_one_short_line(name):
    with pytest.raises(CheckpointError, match="cannot be opened") as caught:
        resolve_model(name)
    assert len(str(caught.value)) < 300
    assert "開けません" in caught.value.ja


def test_a_local_folder_that_lacks_files_is_refused_with_what_it_holds(tmp_path):
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(CheckpointError, match=r"lacks 'emoji.json', 'vocab.txt'; it holds 'notes.txt'"):
        resolve_folder(tmp_path, files=["vocab.txt", "emoji.json"])


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "a/b/c", "", "no such folder", Path("missing")])
def test_a_name_that_is_neither_folder_nor_hub_id_is_refused_without_asking_the_hub(name, hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "":
        name = tmp_path / "gone"
    with pytest.raises(CheckpointError, match="no folder"):
        resolve_folder(name, files=["config.json"])
    assert hub.requests == []


def test_a_file_is_not_taken_for_a_folder(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="is a file; name the folder"):
        resolve_folder(tmp_path / "model.safetensors", files=["config.json"])


def test_only_the_asked_files_are_downloaded(hub):
    hub.add("some/model", SINGLE | {"vocab.txt": b"v", "vocab[1].txt": b"w"})
    folder = resolve_folder("some/model", files=["vocab.txt"], optional=["emoji.json"])
    assert names(folder) == ["vocab.txt"]
    assert (folder / "vocab.txt").read_bytes() == b"v"
    assert (resolve_folder("some/model", files=["vocab[1].txt"]) / "vocab[1].txt").read_bytes() == b"w"


def test_a_repository_that_lacks_files_is_refused(hub):
    hub.add("some/model", CONFIG)
    with pytest.raises(CheckpointError, match=r"'some/model' at revision 'main' lacks 'vocab.txt'"):
        resolve_folder("some/model", files=["vocab.txt"])


def test_branches_tags_and_commits_are_revisions(hub):
    old = hub.add("some/model", {"config.json": b'{"n": 1}'})
    hub.add("some/model", {"config.json": b'{"n": 2}'})
    hub.add("some/model", {"config.json": b'{"n": 3}'}, revision="v3")
    hub.add("some/model", {"config.json": b'{"n": 4}'}, revision="refs/pr/3")
    found = {
        revision: json.loads(
            (resolve_folder("some/model", files=["config.json"], revision=revision) / "config.json").read_text()
        )["n"]
        for revision in (old, None, "v3", "refs/pr/3")
    }
    assert found == {old: 1, None: 2, "v3": 3, "refs/pr/3": 4}
    assert revision_of(resolve_folder("some/model", files=["config.json"], revision=old)) == old


def test_unknown_repositories_and_revisions_and_gated_repositories_are_named(hub):
    hub.add("some/model", CONFIG)
    with pytest.raises(CheckpointError, match=r"no folder 'some/other' here and no model of that name on the Hub"):
        resolve_folder("some/other", files=["config.json"])
    with pytest.raises(CheckpointError, match=r"'some/model' has no revision 'v9'"):
        resolve_folder("some/model", files=["config.json"], revision="v9")
    hub.repositories["model", "some/model"].gated = True
    with pytest.raises(CheckpointError, match=r"is gated: accept its conditions"):
        resolve_folder("some/model", files=["config.json"])


def test_the_cache_serves_while_the_hub_is_out_of_reach(hub):
    hub.add("some/model", SINGLE)
    folder = resolve_model("some/model")
    hub.close()
    assert resolve_model("some/model") == folder
    assert resolve_model("some/model", local_files_only=True) == folder
    assert (
        resolve_folder("some/model", files=["config.json"], optional=["README.md"]) == folder
    )  # there was one, but nobody fetched it
    with pytest.raises(CheckpointError, match=r"'README.md' of 'some/model' is not in the cache"):
        resolve_folder("some/model", files=["README.md"])
    with pytest.raises(CheckpointError, match=r"'some/other' is not in the cache.*cannot be reached"):
        resolve_folder("some/other", files=["config.json"])


def test_a_hub_that_accepts_and_says_nothing_is_not_waited_for(hub, monkeypatch):
    hub.add("some/model", SINGLE)
    folder = resolve_model("some/model")
    hub.close()
    monkeypatch.setattr("neoxjp.hub.download.HUB_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", int(hub.url.rsplit(":", 1)[1]))):
        assert resolve_model("some/model") == folder
        with pytest.raises(CheckpointError, match=r"'some/other' is not in the cache.*cannot be reached"):
            resolve_folder("some/other", files=["config.json"])


def test_weights_that_were_never_fetched_are_not_said_to_be_missing_in_the_repository(hub):
    hub.add("some/model", SINGLE)
    resolve_folder("some/model", files=["config.json"])
    hub.close()
    for offline in (True, False):
        with pytest.raises(CheckpointError, match=r"'model.safetensors' of 'some/model' is not in the cache.*Load it once"):
            resolve_model("some/model", local_files_only=offline)


def test_other_files_come_with_the_weights_where_they_exist(hub):
    hub.add(ABEJA, PICKLE)
    hub.add(ABEJA, PICKLE | SINGLE | {"vocab.txt": b"a"}, revision="refs/pr/3", sha=CONVERSION)
    folder = resolve_model(ABEJA, optional=["vocab.txt", "emoji.json"])
    assert names(folder) == ["config.json", "model.safetensors", "vocab.txt"]


def test_offline_nothing_is_asked(hub, monkeypatch):
    from huggingface_hub import constants

    hub.add("some/model", SINGLE)
    folder = resolve_model("some/model")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.requests.clear()
    assert resolve_model("some/model") == folder
    assert hub.requests == []


def test_a_branch_that_moves_between_config_and_weights_does_not_mix_commits(hub, monkeypatch):
    first = hub.add("some/model", SINGLE)
    import neoxjp.hub.download

    listing = neoxjp.hub.download._listing

    def move_then_list(*arguments):
        hub.add("some/model", CONFIG | {"model.safetensors": b"other"})
        return listing(*arguments)

    monkeypatch.setattr(neoxjp.hub.download, "_listing", move_then_list)
    folder = resolve_model("some/model")
    assert folder.name == first
    assert (folder / "model.safetensors").read_bytes() == b"s" * 5000


def test_of_both_formats_only_safetensors_are_downloaded(hub):
    hub.add("some/model", SINGLE | PICKLE)
    assert names(resolve_model("some/model", allow_pickle=True)) == ["config.json", "model.safetensors"]


def test_shards_are_downloaded_by_their_index(hub):
    index = index_of("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    shards = {f"model-0000{n}-of-00002.safetensors": b"x" * n for n in (1, 2)}
    hub.add("some/model", CONFIG | shards | {"model.safetensors.index.json": index, "model-00001-of-00009.safetensors": b"stale"})
    assert names(resolve_model("some/model")) == ["config.json", *shards, "model.safetensors.index.json"]


def test_an_index_that_names_missing_files_is_refused_before_any_download_of_weights(hub):
    index = index_of("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    hub.add("some/model", CONFIG | {"model.safetensors.index.json": index, "model-00001-of-00002.safetensors": b"x"})
    with pytest.raises(CheckpointError, match=r"'some/model' names files that do not exist: 'model-00002-of-00002.safetensors'"):
        resolve_model("some/model")
    assert not [path for method, path in hub.requests if "00001-of" in path]


def test_a_stranger_with_only_a_pickle_is_refused_before_download(hub):
    hub.add("some/model", PICKLE)
    with pytest.raises(
        CheckpointError, match=r"only as a pickle.*hf download some/\w+ --local-dir FOLDER.*neoxjp convert.*allow_pickle=True"
    ):
        resolve_model("some/model")
    assert not [path for method, path in hub.requests if path.endswith("pytorch_model.bin")]
    assert names(resolve_model("some/model", allow_pickle=True)) == ["config.json", "pytorch_model.bin"]


def test_the_known_model_is_taken_from_its_conversion_and_this_is_logged(hub, caplog):
    hub.add(ABEJA, PICKLE)
    hub.add(ABEJA, PICKLE | SINGLE, revision="refs/pr/3", sha=CONVERSION)
    with caplog.at_level(logging.INFO, logger="neoxjp"):
        folder = resolve_model(ABEJA)
    assert folder.name == CONVERSION
    assert names(folder) == ["config.json", "model.safetensors"]
    assert CONVERSION in caplog.text
    assert "pytorch_model.bin" not in str(hub.requests)
    hub.close()
    assert resolve_model(ABEJA) == folder


def test_the_known_model_is_taken_from_main_once_main_holds_safetensors(hub):
    main = hub.add(ABEJA, SINGLE)
    assert resolve_model(ABEJA).name == main


def test_a_revision_that_was_asked_for_is_never_replaced(hub):
    hub.add(ABEJA, PICKLE)
    hub.add(ABEJA, SINGLE, revision="refs/pr/3", sha=CONVERSION)
    with pytest.raises(CheckpointError, match="only as a pickle"):
        resolve_model(ABEJA, revision="main")


def test_progress_counts_the_bytes_of_a_download(hub):
    hub.add("some/model", CONFIG | {"model.safetensors": b"x" * 3_000_000})
    seen = []
    resolve_model("some/model", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (3_000_000, 3_000_000)


def test_a_download_that_breaks_off_leaves_nothing_that_looks_whole(hub, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    hub.add("some/model", SINGLE)
    hub.cut_after = 700
    with pytest.raises(CheckpointError, match=r"downloading 'some/model'.* failed"):
        resolve_folder("some/model", files=["model.safetensors"])
    hub.cut_after = None
    assert (resolve_folder("some/model", files=["model.safetensors"]) / "model.safetensors").read_bytes() == b"s" * 5000


def test_a_disk_that_fills_up_during_a_download_is_said(hub, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    hub.add("some/model", SINGLE)
    monkeypatch.setattr("huggingface_hub.snapshot_download", full)
    with pytest.raises(CheckpointError, match="the disk is full: 'some/model' does not fit under HF_HOME"):
        resolve_model("some/model")


def test_a_name_the_hub_cannot_have_is_refused(hub):
    with pytest.raises(CheckpointError, match="it is not a Hub id"):
        resolve_model("some--where/model")


def test_the_environment_alone_points_a_process_at_a_hub(tmp_path):
    with LocalHub() as hub:
        sha = hub.add("some/model", SINGLE)
        code = "from neoxjp.hub.download import resolve_model; import sys; print(resolve_model('some/model').name, 'torch' in sys.modules)"  # noqa: E501
        environment = os.environ | hub.environment(tmp_path) | {"HF_TOKEN": "hf_secret"}
        ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert ran.stdout.split() == [sha, "False"]
        assert hub.tokens == {"hf_secret"}


def test_a_folder_can_be_uploaded_and_loaded_again(hub, tmp_path):
    from huggingface_hub import HfApi

    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "app.py").write_text("print()")
    (tmp_path / "space" / "README.md").write_text("---\ntitle: x\n---\n")
    api = HfApi(endpoint=hub.url, token="hf_x")
    for _ in range(2):
        api.create_repo("me/space", repo_type="space", space_sdk="gradio", exist_ok=True)
        api.upload_folder(repo_id="me/space", repo_type="space", folder_path=tmp_path / "space")
    api.add_space_variable("me/space", "NEOXJP_MODEL", ABEJA)
    assert hub.files("me/space", kind="space")["app.py"] == b"print()"
    assert hub.repositories["space", "me/space"].card["sdk"] == "gradio"
    assert hub.repositories["space", "me/space"].variables == {"NEOXJP_MODEL": ABEJA}
