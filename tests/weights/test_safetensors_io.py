"""Damaged and contradictory weight files: every one is an expected error that names the file."""

import json
import struct

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from neoxjp.errors import CheckpointError, NeoxjpError
from neoxjp.hub import read_json
from neoxjp.weights import PREFIX, convert_pickle
from tests.support.model_folders import EMBEDDING, load, logits, shard_pickle, write_pickle
from tests.support.tiny_model import our_config, ours


@pytest.fixture(scope="module")
def model():
    return ours()


@pytest.fixture
def folder(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def with_header(**tensor: list[int]) -> bytes:
    raw = json.dumps({"a": {"dtype": "F32"} | tensor}).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(4)


# Damage


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: raw[:-1], "is truncated: .* bytes, its header describes"),
        (lambda raw: raw[: len(raw) // 3], "is truncated"),
        (lambda raw: raw + b"x", "is too long"),
        (lambda raw: raw[:40], "is not a safetensors file, or is truncated"),
        (lambda raw: raw[:5], "is not a safetensors file, or is truncated"),
        (lambda raw: b"", "is not a safetensors file, or is truncated"),
        (lambda raw: b"<!doctype html><html>" + raw, "is not a safetensors file"),
        (lambda raw: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "is a Git LFS pointer.*git lfs pull"),
        (lambda raw: raw[:8] + b"[" + raw[9:], "is damaged or truncated .its header: "),
        (lambda raw: raw.replace(b"[0,", b"[4,", 1), "is damaged or truncated .its header: "),
        (lambda raw: raw.replace(b'"shape":[', b'"shape":[-', 1), "is damaged or truncated .its header: "),
        (lambda raw: raw.replace(b'"dtype":"F32"', b'"dtype":"F16"', 1), "is damaged or truncated .its header: "),
        (lambda raw: with_header(shape=[10**4000] * 400, data_offsets=[0, 4]), "has 400 dimensions"),
        (lambda raw: with_header(shape=[1], data_offsets=[0, 10**4299]), "or too large"),
    ],
)
def test_a_damaged_file_is_said_to_be_damaged(folder, damage, said):
    path = folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(CheckpointError, match=f"(?s){said}"):
        load(folder)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_to_a_header_is_an_expected_error_or_harmless(folder, data):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    raw = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, 7 + length))] = data.draw(st.integers(0, 255))
    try:
        path.write_bytes(raw)
        load(folder)
    except CheckpointError:
        pass
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("cut", [0, 3, 100, -1000, -1])
def test_a_damaged_pickle_is_said_to_be_damaged(model, tmp_path, cut):
    path = write_pickle(tmp_path, model.state_dict()) / "pytorch_model.bin"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin' (is damaged|contains something other)"):
        load(tmp_path, allow_pickle=True)


@pytest.mark.parametrize(
    "tensor",
    [
        lambda: torch.eye(4).to_sparse(),
        lambda: torch.quantize_per_tensor(torch.ones(4, 4), 0.1, 0, torch.qint8),
        lambda: torch.ones(1).expand(1 << 40, 1),
    ],
    ids=["sparse", "quantized", "larger than the file"],
)
@pytest.mark.filterwarnings("ignore")  # torch says that these kinds of tensors will change
def test_a_pickle_with_other_tensors_is_refused(tmp_path, tensor):
    (tmp_path / "config.json").write_text("{}")
    torch.save({"some.weight": tensor()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"larger than their stored numbers: look at 'some\.weight'"):
        convert_pickle(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "pytorch_model.bin"]


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ("{", r"model.safetensors.index.json' is not JSON: .* at line 1, column 2"),
        ("[]", r"is a JSON list, not an object"),
        ("{}", r'has no "weight_map"'),
        ('{"weight_map": {"a": 3}}', r'has no "weight_map"'),
        ('{"weight_map": {"a": "../secret.safetensors"}}', r"names files outside its folder: '../secret.safetensors'"),
        ('{"weight_map": {"a": "model-9.safetensors"}}', r"names files that do not exist: 'model-9.safetensors'"),
        ('{"weight_map": {"a": "part.safetensors"}}', r"names files for tensors that are not in them: 'a'"),
    ],
)
def test_an_index_that_points_nowhere_is_refused(folder, index, said):
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match=said):
        load(folder)


def test_the_same_tensor_in_two_shards_is_refused(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    index = read_json(tmp_path / "model.safetensors.index.json")["weight_map"]
    shard = tmp_path / index[f"{PREFIX}final_layer_norm.bias"]
    save_file(load_file(shard) | {EMBEDDING: torch.ones(61, 32)}, shard)
    with pytest.raises(CheckpointError, match=f"same tensors in more than one file: '{EMBEDDING}'"):
        load(tmp_path)


def test_of_both_formats_safetensors_are_read_and_this_is_logged(model, folder, caplog):
    write_pickle(folder, ours(seed=1).state_dict())
    assert torch.equal(logits(load(folder, allow_pickle=True)), logits(model))
    assert "ignoring 'pytorch_model.bin'" in caplog.text


def test_of_two_indexes_that_of_the_safetensors_is_read(model, tmp_path, caplog):
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    shard_pickle(tmp_path, ours(seed=1).state_dict())
    assert torch.equal(logits(load(tmp_path)), logits(model))
    assert "ignoring 'pytorch_model.bin.index.json'" in caplog.text


def test_a_dangling_link_counts_as_missing(folder):
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to("../blobs/gone")
    with pytest.raises(CheckpointError, match="holds no weights"):
        load(folder)


def test_a_folder_without_weights_says_what_it_holds(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(our_config().to_dict()))
    (tmp_path / "weights.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"no weights: looked for .*, found 'config.json', 'weights.safetensors'"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "config.json' is not JSON"),
        ('{"vocab_size": 61,\n "hidden_size": }', "is not JSON: .* at line 2"),
        ("[" * 100_000, "config.json' is nested too deeply"),
        ('"text"', "is a JSON str"),
        ("\xff", "is not UTF-8 at byte 0"),
        ('{"hidden_size": -1}', "hidden_size"),
    ],
)
def test_a_config_of_nonsense_is_refused(folder, config, said):
    (folder / "config.json").write_bytes(config.encode("latin-1"))
    with pytest.raises(NeoxjpError, match=said) as caught:
        load(folder)
    assert caught.value.ja != str(caught.value)  # a visitor who loads a model reads it, in Japanese too


def test_a_config_that_is_a_folder_is_refused(folder):
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    with pytest.raises(CheckpointError, match=r"config.json"):
        read_json(folder / "config.json")
    with pytest.raises(CheckpointError, match=r"lacks 'config.json'"):
        load(folder)
