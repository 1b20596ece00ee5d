"""Where weights go: device maps, offload to disk, progress, and how much memory a load takes."""

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from neoxjp import GPTNeoXJapaneseForCausalLM
from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.weights import empty_weights, save_weights
from tests.support.model_folders import load, logits, write_pickle
from tests.support.tiny_model import our_config, ours


@pytest.fixture(scope="module")
def model():
    return ours()


@pytest.fixture
def folder(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


# Placement


@pytest.mark.parametrize("dtype", [None, "float64"])
@pytest.mark.parametrize("offload", [False, True])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "device_map",
    ["cpu", "auto", {"": "disk"}, {"gpt_neox_japanese.embed_in": "cpu", "gpt_neox_japanese": "disk", "embed_out": "cpu"}],
    ids=["cpu", "auto", "disk", "mixed"],
)
def test_every_device_map_computes_the_same(tmp_path, device_map, tied, offload, dtype):
    model = ours(tie_word_embeddings=tied)
    model.save_pretrained(tmp_path / "model")
    loaded = load(
        tmp_path / "model", device_map=device_map, dtype=dtype, offload_folder=tmp_path / "offload" if offload else None
    )
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-5, rtol=0)
    assert loaded.load_report.tied is tied
    if isinstance(device_map, dict):
        assert loaded.gpt_neox_japanese.layers[0].mlp.dense_h_to_4h.weight.is_meta


def test_max_memory_sends_what_does_not_fit_to_disk(tmp_path):
    model = ours(num_hidden_layers=4)
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path, max_memory={"cpu": "160KB"})
    assert set(loaded.load_report.device_map.values()) == {"cpu", "disk"}
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-6, rtol=0)


def test_a_pickle_can_be_offloaded_only_into_a_folder(model, tmp_path):
    write_pickle(tmp_path / "model", model.state_dict())
    with pytest.raises(CheckpointError, match=r"name an offload_folder, or convert it"):
        load(tmp_path / "model", allow_pickle=True, device_map={"": "disk"})
    loaded = load(tmp_path / "model", allow_pickle=True, device_map={"": "disk"}, offload_folder=tmp_path / "offload")
    torch.testing.assert_close(logits(loaded), logits(model), atol=1e-6, rtol=0)


def test_an_offload_folder_without_room_is_refused_before_reading(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(CheckpointError, match="0 bytes free, the weights for it take"):
        load(folder, device_map={"": "disk"}, dtype="float64", offload_folder=tmp_path / "offload")


def test_an_offload_folder_that_fills_up_is_said(folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("neoxjp.weights.device_map.write_tensors", full)
    with pytest.raises(CheckpointError, match=r"the disk is full: '.*offload' was not written"):
        load(folder, device_map={"": "disk"}, dtype="float64", offload_folder=tmp_path / "offload")


def test_a_device_without_room_is_said_with_what_to_do(folder, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 5 GiB.")

    monkeypatch.setattr("neoxjp.weights.device_map._put", full)
    with pytest.raises(CheckpointError, match=r"does not fit its device: CUDA out of memory.*smaller dtype"):
        load(folder)


def test_an_offloaded_model_cannot_be_saved_and_says_so(folder, tmp_path):
    with pytest.raises(CheckpointError, match=r"not in memory .*Load the model without offload"):
        load(folder, device_map={"": "disk"}).save_pretrained(tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("device_map", "said"),
    [
        ("cuda:7", "no device 'cuda:7' here"),
        ("gpu", "no device 'gpu' here"),
        ("meta", "no device 'meta' here"),
        (99, "no device 99 here"),
        ({"embed_out": "cpu"}, "leaves out 'gpt_neox_japanese.embed_in.weight'"),
        ({"": "cpu", "transformer": "disk"}, "names no module of the model: 'transformer'"),
        ({"": "cpu", "gpt_neox_japanese.layers.1.mlp": "disk"}, "splits 'gpt_neox_japanese.layers.1' over several devices"),
        ({"gpt_neox_japanese": "cpu", "embed_out": "disk"}, "this checkpoint ties them to one weight: give both the same"),
    ],
)
def test_a_device_map_that_cannot_be_is_refused(folder, device_map, said):
    if device_map == 99 and torch.accelerator.is_available():
        pytest.skip("99 may be said otherwise by an accelerator")
    with pytest.raises(ParameterError, match=said):
        load(folder, device_map=device_map)


def test_a_max_memory_that_cannot_be_is_refused(folder):
    with pytest.raises(ParameterError, match=r"max_memory=.* cannot be used"):
        load(folder, max_memory={"cpu": "lots"})


def test_progress_counts_every_byte_once(folder):
    seen = []
    loaded = load(folder, progress=lambda done, total: seen.append((done, total)))
    size = loaded.load_report.stored_bytes
    assert seen[0] == (0, size)
    assert seen[-1] == (size, size)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


MEASURE = """
import json, os, sys, threading, time
from pathlib import Path
import torch
import accelerate, safetensors
from neoxjp.weights.loader import empty_weights, load_weights, parse_dtype
from neoxjp.model.config import GPTNeoXJapaneseConfig
from neoxjp import GPTNeoXJapaneseForCausalLM

def anonymous():
    with open("/proc/self/status") as file:  # as smaps_rollup's Anonymous, without its walk through the page tables
        return next(int(line.split()[1]) for line in file if line.startswith("RssAnon:")) * 1024

def measure(folder, dtype):
    with empty_weights():
        model = GPTNeoXJapaneseForCausalLM(GPTNeoXJapaneseConfig.from_folder(folder))
    torch.ones(4, dtype=torch.float16).float()
    before, peak, over = anonymous(), 0, threading.Event()

    def watch(*_):
        nonlocal peak
        peak = max(peak, anonymous() - before)

    def poll():
        while not over.wait(0.002):
            watch()

    thread = threading.Thread(target=poll)
    thread.start()
    load_weights(model, folder, dtype=dtype, allow_pickle=True, progress=watch)
    over.set()
    thread.join()
    watch()
    assert "torch._dynamo" not in sys.modules  # seconds to import, and nothing here compiles
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    print(json.dumps([folder.name, str(dtype), weights, peak / weights]), flush=True)

for kind in ("safetensors", "pickle"):
    for dtype in ("float32", "bfloat16", "auto"):
        child = os.fork()  # each in a process of its own, for the price of one import
        if not child:
            measure(Path(sys.argv[1]) / kind, parse_dtype(dtype))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc to see anonymous memory")
def test_loading_takes_no_more_memory_than_the_weights_in_their_dtype(tmp_path):
    """57 million parameters, 114 MB stored in float16, as safetensors and as a pickle, into three dtypes."""
    config = our_config(vocab_size=8000, hidden_size=512, num_hidden_layers=17)
    with empty_weights():
        shapes = {name: tensor.shape for name, tensor in GPTNeoXJapaneseForCausalLM(config).state_dict().items()}
    state = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}
    save_weights(state, config.to_dict(), tmp_path / "safetensors")
    write_pickle(tmp_path / "pickle", state)
    shutil.copy(tmp_path / "safetensors" / "config.json", tmp_path / "pickle")
    ran = subprocess.run([sys.executable, "-c", MEASURE, tmp_path], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(found) == 6
    for kind, dtype, weights, share in found:
        assert weights > 100_000_000
        # The stored dtype stays mapped from the file; others are converted tensor by tensor.
        assert share <= (0.05 if dtype == "None" else 1.15), f"{kind} as {dtype}: {share:.2f} times the weights"
    for kind in ("safetensors", "pickle"):
        shutil.rmtree(tmp_path / kind)
