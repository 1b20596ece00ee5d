"""Loading and saving model folders: names, ties, dtypes, conversion, the view of transformers, the documented example."""

import json
import logging
import os
import pickle
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from neoxjp import GPTNeoXJapaneseModel, GPTNeoXJapaneseTokenizer
from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.hub import ABEJA, KNOWN_CONVERSIONS, read_json
from neoxjp.weights import OUTPUT, PREFIX, convert_pickle, parse_dtype, save_weights
from neoxjp.weights.safetensors_io import read_header
from tests.support.hub_server import LocalHub
from tests.support.model_folders import EMBEDDING, IDS, load, logits, shard_pickle, write, write_pickle
from tests.support.tiny_model import our_config, ours, pair


@pytest.fixture(scope="module")
def model():
    return ours()


@pytest.fixture
def folder(model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


# Saving and loading


def test_a_saved_model_loads_with_the_same_weights(model, folder):
    loaded = load(folder)
    assert not loaded.training
    assert torch.equal(logits(loaded), logits(model))
    assert loaded.load_report.tied
    assert loaded.embed_out.weight is loaded.gpt_neox_japanese.embed_in.weight
    assert {path.name for path in folder.iterdir()} == {"config.json", "model.safetensors"}


def test_a_saved_file_says_its_format_and_can_be_read_by_others(folder):
    with safe_open(folder / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    mask = os.umask(0)
    os.umask(mask)
    assert (folder / "model.safetensors").stat().st_mode & 0o777 == 0o666 & ~mask
    assert folder.stat().st_mode & 0o777 == 0o777 & ~mask


def test_shards_and_their_index_load_as_one(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    index = read_json(tmp_path / "model.safetensors.index.json")
    assert len(set(index["weight_map"].values())) > 2
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for name, tensor in model.state_dict().items() if name != OUTPUT)
    assert torch.equal(logits(load(tmp_path)), logits(model))


def test_saving_again_leaves_no_weights_of_the_earlier_save_and_keeps_other_files(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    (tmp_path / "vocab.txt").write_text("a")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "one.md").write_text("b")
    (tmp_path / "pytorch_model.bin").write_bytes(b"old")
    ours(seed=1).save_pretrained(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "notes", "vocab.txt"}
    assert (tmp_path / "notes" / "one.md").read_text() == "b"
    assert torch.equal(logits(load(tmp_path)), logits(ours(seed=1)))


def test_a_model_can_be_saved_over_the_folder_it_is_mapped_from(folder):
    loaded = load(folder)
    before = logits(loaded)
    with torch.no_grad():
        loaded.gpt_neox_japanese.final_layer_norm.bias += 1  # writes to a private page, not to the file
    changed = logits(loaded)
    assert torch.equal(logits(load(folder)), before)
    loaded.save_pretrained(folder)
    assert torch.equal(logits(load(folder)), changed)
    assert torch.equal(logits(loaded), changed)


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_loads_what_we_save(tmp_path, tied):
    from transformers import GPTNeoXJapaneseForCausalLM as Theirs

    our, _ = pair(tie_word_embeddings=tied)
    our.save_pretrained(tmp_path, max_shard_size="20KB")
    theirs, info = Theirs.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(IDS).logits, logits(our), atol=1e-5, rtol=0)


@pytest.mark.parametrize("tied", [True, False])
def test_we_load_what_transformers_saves(tmp_path, tied):
    our, theirs = pair(tie_word_embeddings=tied)
    theirs.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert loaded.load_report.tied is tied
    torch.testing.assert_close(logits(loaded), logits(our), atol=1e-6, rtol=0)


def test_extra_files_are_written_with_the_weights(model, tmp_path):
    (tmp_path / "card").write_text("card")
    save_weights(model.state_dict(), {}, tmp_path / "out", extra={"README.md": tmp_path / "card", "vocab.txt": b"v"})
    assert (tmp_path / "out" / "README.md").read_text() == "card"
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == b"v"


def test_the_saved_config_tells_the_truth_about_dtype_and_tie(tmp_path):
    state = ours(tie_word_embeddings=False).half().state_dict()
    save_weights(state, our_config().to_dict(), tmp_path)
    assert read_json(tmp_path / "config.json")["torch_dtype"] == "float16"
    assert read_json(tmp_path / "config.json")["tie_word_embeddings"] is False


def test_a_shard_size_that_is_no_size_is_refused(model, tmp_path):
    with pytest.raises(ParameterError, match="max_shard_size='big' is not a size"):
        model.save_pretrained(tmp_path / "x", max_shard_size="big")
    assert not list(tmp_path.iterdir())


# Names and ties


def test_an_output_that_equals_the_embedding_is_tied(model, tmp_path):
    state = model.state_dict()
    loaded = load(write(tmp_path, state, tie_word_embeddings=False))
    assert loaded.load_report.tied
    assert loaded.embed_out.weight is loaded.gpt_neox_japanese.embed_in.weight
    assert sum(p.numel() for p in loaded.parameters()) == sum(p.numel() for p in model.parameters())


def test_an_output_of_its_own_is_kept_whatever_the_config_says(model, tmp_path, caplog):
    state = model.state_dict() | {OUTPUT: torch.randn(61, 32)}
    with caplog.at_level(logging.INFO, logger="neoxjp"):
        loaded = load(write(tmp_path, state, tie_word_embeddings=True))
    assert not loaded.load_report.tied
    assert torch.equal(loaded.embed_out.weight, state[OUTPUT])
    assert torch.equal(loaded.gpt_neox_japanese.embed_in.weight, state[EMBEDDING])
    assert "output of its own" in caplog.text


def test_an_output_that_is_stored_under_the_prefix_counts(model, tmp_path):
    state = model.state_dict() | {PREFIX + OUTPUT: torch.randn(61, 32)}
    del state[OUTPUT]
    loaded = load(write(tmp_path, state, tie_word_embeddings=True))
    assert not loaded.load_report.tied
    assert torch.equal(loaded.embed_out.weight, state[PREFIX + OUTPUT])


def test_a_missing_output_is_tied(model, tmp_path):
    state = {name: tensor for name, tensor in model.state_dict().items() if name != OUTPUT}
    loaded = load(write(tmp_path, state, tie_word_embeddings=False))
    assert loaded.load_report.tied
    assert torch.equal(logits(loaded), logits(model))


def test_a_save_of_the_base_model_fills_the_whole_one_and_back(model, tmp_path):
    bare = {name.removeprefix(PREFIX): tensor for name, tensor in model.state_dict().items() if name != OUTPUT}
    loaded = load(write(tmp_path / "bare", bare))
    assert torch.equal(logits(loaded), logits(model))
    assert loaded.load_report.renamed == len(bare)
    model.save_pretrained(tmp_path / "whole")
    base = GPTNeoXJapaneseModel.from_pretrained(tmp_path / "whole")
    assert torch.equal(base.embed_in.weight, bare["embed_in.weight"])
    base.save_pretrained(tmp_path / "again")
    assert torch.equal(logits(load(tmp_path / "again")), logits(model))


def test_the_early_forks_name_of_the_last_bias_is_understood(model, tmp_path):
    state = {name.replace("attention.dense_bias", "attention.dense.bias"): tensor for name, tensor in model.state_dict().items()}
    assert state.keys() != model.state_dict().keys()
    assert torch.equal(logits(load(write(tmp_path, state))), logits(model))


def test_stray_buffers_are_ignored(model, tmp_path):
    stray = {
        f"{PREFIX}layers.0.attention.rotary_emb.inv_freq": torch.ones(4).half(),
        f"{PREFIX}layers.1.attention.bias": torch.ones(1, 1, 64, 64, dtype=torch.bool),
        f"{PREFIX}layers.1.attention.masked_bias": torch.tensor(-1e9),
    }
    loaded = load(write(tmp_path, model.state_dict() | stray))
    assert torch.equal(logits(loaded), logits(model))
    assert loaded.load_report.ignored == tuple(sorted(stray))


def test_every_tensor_that_does_not_fit_is_named_in_one_error(model, tmp_path):
    state = dict(model.state_dict())
    del state[f"{PREFIX}layers.0.input_layernorm.bias"], state[f"{PREFIX}layers.1.attention.dense_bias"]
    state |= {"other.weight": torch.ones(2), f"{PREFIX}final_layer_norm.bias": torch.ones(31)}
    state |= {f"{PREFIX}final_layer_norm.weight": torch.ones(32, dtype=torch.int64)}
    with pytest.raises(CheckpointError) as caught:
        load(write(tmp_path, state))
    message = str(caught.value)
    for part in (
        "missing (2): 'gpt_neox_japanese.layers.0.input_layernorm.bias', 'gpt_neox_japanese.layers.1.attention.dense_bias'",
        "unexpected (1): 'other.weight'",
        "'gpt_neox_japanese.final_layer_norm.bias' is [31] in the file and [32] in the model",
        "'gpt_neox_japanese.final_layer_norm.weight' is I64",
    ):
        assert part in message


def test_long_lists_of_faults_are_shortened_with_a_count(tmp_path):
    with pytest.raises(CheckpointError, match=r"unexpected \(30\): .* and 20 more"):
        load(write(tmp_path, {f"t{n}": torch.ones(1) for n in range(30)}))


def test_faults_are_found_before_a_byte_of_weight_is_read(model, folder, monkeypatch):
    header = read_header(folder / "model.safetensors")
    shutil.copytree(folder, folder.with_name("whole"))
    config = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": 3}
    (folder / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("neoxjp.weights.safetensors_io.StoredWeights.read", lambda *_: pytest.fail("a weight was read"))
    with pytest.raises(ParameterError, match="no device 'cuda:99'"):
        load(folder.with_name("whole"), device_map="cuda:99")
    with pytest.raises(CheckpointError, match=r"missing \(9\)"):
        load(folder)
    assert len(header) == len(model.state_dict()) - 1


def test_one_tensor_under_two_names_is_refused(model, tmp_path):
    with pytest.raises(CheckpointError, match=r"'embed_in.weight'.*same tensor|same tensor.*'embed_in.weight'"):
        load(write(tmp_path, model.state_dict() | {"embed_in.weight": model.state_dict()[EMBEDDING]}))


# Dtypes


def test_the_stored_dtype_is_kept_unless_another_is_asked(model, tmp_path):
    save_weights({name: tensor.half() for name, tensor in model.state_dict().items()}, our_config().to_dict(), tmp_path)
    assert {p.dtype for p in load(tmp_path, dtype="auto").parameters()} == {torch.float16}
    assert {p.dtype for p in load(tmp_path, dtype="bfloat16").parameters()} == {torch.bfloat16}
    loaded = load(tmp_path, torch_dtype=torch.float32)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert (loaded.load_report.stored_dtype, loaded.load_report.dtype) == (torch.float16, torch.float32)
    torch.testing.assert_close(logits(loaded), logits(model), atol=0.02, rtol=0)


def test_of_mixed_dtypes_the_one_with_most_bytes_is_taken(model, tmp_path):
    state = {name: tensor if "norm" in name else tensor.half() for name, tensor in model.state_dict().items()}
    assert {p.dtype for p in load(write(tmp_path, state), dtype="auto").parameters()} == {torch.float16}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("auto", None), (None, None), ("fp16", torch.float16), ("torch.bfloat16", torch.bfloat16), (torch.float32,) * 2],
)
def test_dtypes_are_read_in_their_usual_spellings(name, dtype):
    assert parse_dtype(name) is dtype


@pytest.mark.parametrize("name", ["int8", "float17", torch.int8])
def test_an_unknown_dtype_is_refused_with_the_choices(name):
    with pytest.raises(ParameterError, match=r"'auto', 'float32', 'bfloat16', 'float16', 'float64', not "):
        parse_dtype(name)


def test_a_header_of_odd_length_loads_with_aligned_tensors(folder, model):
    raw = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", length + 1) + raw[8 : 8 + length] + b" " + raw[8 + length :])
    loaded = load(folder)
    assert all(p.data_ptr() % p.element_size() == 0 for p in loaded.parameters())
    assert torch.equal(logits(loaded), logits(model))


# Pickles


def test_a_pickle_is_read_only_when_allowed(model, tmp_path):
    write_pickle(tmp_path, model.state_dict())
    with pytest.raises(CheckpointError, match=r"only as a pickle.*neoxjp convert.*allow_pickle=True"):
        load(tmp_path)
    loaded = load(tmp_path, allow_pickle=True)
    assert torch.equal(logits(loaded), logits(model))
    assert loaded.load_report.format == "pickle"


def test_a_pickle_from_before_zip_archives_is_read(model, tmp_path):
    write_pickle(tmp_path, model.state_dict(), _use_new_zipfile_serialization=False)
    assert torch.equal(logits(load(tmp_path, allow_pickle=True)), logits(model))


def test_a_sharded_pickle_is_read_and_converted(model, tmp_path):
    shard_pickle(tmp_path / "model", model.state_dict())
    assert torch.equal(logits(load(tmp_path / "model", allow_pickle=True)), logits(model))
    assert torch.equal(logits(load(convert_pickle(tmp_path / "model"))), logits(model))


class Attack:
    def __reduce__(self):
        return os.system, ("touch attacked",)


def test_code_in_a_pickle_is_not_run(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pickle(tmp_path, {})
    torch.save({"x": Attack()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"something other than tensors.*no code was run"):
        load(tmp_path, allow_pickle=True)
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin"):
        load(tmp_path, allow_pickle=True)
    assert not (tmp_path / "attacked").exists()


@pytest.mark.parametrize("value", [{"model": {"a": torch.ones(1)}}, torch.ones(2), [1]])
def test_a_pickle_of_something_else_is_refused(tmp_path, value):
    write_pickle(tmp_path, {})
    torch.save(value, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"is not a (plain )?dict of tensors"):
        load(tmp_path, allow_pickle=True)


def test_convert_writes_safetensors_beside_the_pickle_once(model, tmp_path):
    stray = {f"{PREFIX}layers.0.attention.rotary_emb.inv_freq": torch.ones(4)}
    write_pickle(tmp_path, model.state_dict() | stray)
    assert convert_pickle(tmp_path) == tmp_path
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "pytorch_model.bin"}
    assert torch.equal(logits(load(tmp_path)), logits(model))
    assert not set(stray) & set(load_file(tmp_path / "model.safetensors"))
    with pytest.raises(CheckpointError, match=r"has model.safetensors already: there is nothing to convert"):
        convert_pickle(tmp_path)


def test_convert_into_another_folder_takes_the_other_files_along(model, tmp_path):
    from transformers import GPTNeoXJapaneseForCausalLM as Theirs

    fork = {name.replace("attention.dense_bias", "attention.dense.bias"): tensor for name, tensor in model.state_dict().items()}
    write_pickle(tmp_path / "old", fork)
    (tmp_path / "old" / "vocab.txt").write_text("v")
    out = convert_pickle(tmp_path / "old", out=tmp_path / "new")
    assert {path.name for path in out.iterdir()} == {"config.json", "model.safetensors", "vocab.txt"}
    with torch.no_grad():
        torch.testing.assert_close(Theirs.from_pretrained(out).eval()(IDS).logits, logits(model), atol=1e-5, rtol=0)


def test_convert_needs_a_folder_with_a_config(model, tmp_path):
    with pytest.raises(CheckpointError, match="no folder"):
        convert_pickle(tmp_path / "nowhere")
    write_pickle(tmp_path, model.state_dict())
    (tmp_path / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"config.json' does not exist"):
        convert_pickle(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pytorch_model.bin"]


# The documented example

FIVE_LINES = """
from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer

model = GPTNeoXJapaneseForCausalLM.from_pretrained("abeja/gpt-neox-japanese-2.7b")
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained("abeja/gpt-neox-japanese-2.7b")
input_ids = tokenizer("人とAIが協調するためには、", return_tensors="pt").input_ids
gen_tokens = model.generate(input_ids, do_sample=True, temperature=0.9, max_length=100)
print(tokenizer.batch_decode(gen_tokens, skip_special_tokens=True)[0])
"""


@pytest.mark.slow
def test_the_documented_example_runs_against_a_hub_whose_main_holds_only_a_pickle(tmp_path, tiny_vocabulary):
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    end = tokenizer.vocab_size - 1
    model = ours(vocab_size=tokenizer.vocab_size, max_position_embeddings=128, bos_token_id=end, eos_token_id=end)
    model.half().save_pretrained(tmp_path / "converted")
    main = tmp_path / "main"
    tokenizer.save_pretrained(main)
    torch.save(model.state_dict(), main / "pytorch_model.bin")
    shutil.copy(tmp_path / "converted" / "config.json", main)
    with LocalHub() as hub:
        hub.add(ABEJA, main)
        hub.add(ABEJA, tmp_path / "converted", revision="refs/pr/3", sha=KNOWN_CONVERSIONS[ABEJA])
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", FIVE_LINES],
            env=os.environ | hub.environment(tmp_path / "home") | {"PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith("人とAIが")
        assert "pytorch_model.bin" not in str(hub.requests)
