"""Exports: the same network in transformers' GPT-NeoX and in llama.cpp, whole folders or none, READMEs that run."""

import errno
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.cli.main import main
from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.export import gguf_file
from neoxjp.export.folder import export
from neoxjp.export.gguf_file import BYTE, CONTROL, NORMAL, vocabulary_pieces
from neoxjp.hub import bundled_path
from tests.support.hub_server import LocalHub
from tests.support.tiny_model import ours

ROOT = Path(__file__).parents[2]
needs_gguf = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="the package gguf is not installed")
needs_llama = pytest.mark.skipif(
    importlib.util.find_spec("llama_cpp") is None, reason="the package llama-cpp-python is not installed (it compiles llama.cpp)"
)


def saved(folder: Path, **changes: object) -> GPTNeoXJapaneseForCausalLM:
    """A tiny model in a folder, its biases and norms random too."""
    model = ours(**changes)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight.add_(torch.randn_like(weight) * 0.3)
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_word_embeddings": False},
        {"rotary_pct": 0.5, "rotary_emb_base": 5000.0, "hidden_act": "relu"},
        {"intermediate_multiple_size": 2, "eos_token_id": (60, 58), "layer_norm_eps": 1e-3},
    ],
)
def test_transformers_gpt_neox_computes_the_same_logits(tmp_path, changes):
    from transformers import GPTNeoXForCausalLM

    model = saved(tmp_path / "ours", **changes)
    export(tmp_path / "ours", tmp_path / "neox")
    theirs, report = GPTNeoXForCausalLM.from_pretrained(tmp_path / "neox", output_loading_info=True)
    assert not any(report.values())
    ids = torch.randint(61, (2, 20))
    with torch.inference_mode():
        difference = (model(ids).logits - theirs.eval()(ids).logits).abs().max()
    assert difference < 1e-5


def test_the_dtype_stays_as_stored(tmp_path):
    from safetensors import safe_open

    ours().half().save_pretrained(tmp_path / "ours")
    export(tmp_path / "ours", tmp_path / "neox")
    with safe_open(tmp_path / "neox" / "model.safetensors", framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118
    assert json.loads((tmp_path / "neox" / "config.json").read_text())["torch_dtype"] == "float16"


def test_every_linear_layer_has_a_bias_and_the_output_is_stored(tmp_path):
    from safetensors import safe_open

    saved(tmp_path / "ours")
    export(tmp_path / "ours", tmp_path / "neox")
    with safe_open(tmp_path / "neox" / "model.safetensors", framework="pt") as file:
        names = set(file.keys())
        assert file.get_tensor("gpt_neox.layers.0.attention.dense.bias").eq(0).all()
        assert file.get_tensor("gpt_neox.layers.1.attention.dense.bias").ne(0).all()
    assert "embed_out.weight" in names
    assert not [name for name in names if "dense_bias" in name or "japanese" in name]


@needs_gguf
@needs_llama
def test_llama_cpp_writes_the_same_greedy_ids(tmp_path):
    import llama_cpp

    export(bundled_path(), tmp_path, "gguf", "f32")
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path)
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(bundled_path(), dtype="float32")
    theirs = llama_cpp.Llama(str(tmp_path / "model-f32.gguf"), n_ctx=128, n_threads=1, verbose=False)
    for text in ("吾輩は猫である。", "日本の首都は", "関数の引数に"):
        prompt = tokenizer.encode(text)
        wanted = model.generate(torch.tensor([prompt]), max_new_tokens=16, eos_token_id=())[0, len(prompt) :].tolist()
        theirs.reset()
        stream = theirs.generate(prompt, temp=0.0, repeat_penalty=1.0)
        assert [next(stream) for _ in range(16)] == wanted
        assert theirs.detokenize(wanted).decode(errors="replace") == tokenizer.decode(wanted)
    theirs.close()


@needs_gguf
@pytest.mark.parametrize("kind", gguf_file.GGUF_TYPES)
def test_a_gguf_file_holds_every_tensor(tmp_path, kind):
    from gguf import GGUFReader

    saved(tmp_path / "ours")
    export(tmp_path / "ours", tmp_path / "gguf", "gguf", kind)
    reader = GGUFReader(tmp_path / "gguf" / f"model-{kind}.gguf")
    types = {tensor.name: tensor.tensor_type.name for tensor in reader.tensors}
    assert types["blk.1.attn_qkv.weight"] == types["output.weight"] == kind.upper()
    assert types["blk.1.attn_output.bias"] == types["output_norm.weight"] == "F32"
    assert len(types) == 2 * 12 + 4
    assert reader.fields["gptneox.use_parallel_residual"].contents() is False


def test_pieces_are_text_bytes_or_numbers(tiny_vocabulary):
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    found = vocabulary_pieces(tokenizer.vocab_size + 1, {tokenizer.eos_token_id}, tokenizer)
    (byte,) = tokenizer.encode("é")[:1]
    assert found[byte] == ("<0xC3>", BYTE)
    assert found[tokenizer.encode("慶應")[0]] == ("慶応", NORMAL)
    assert found[tokenizer.encode(" ")[0]] == ("▁", NORMAL)
    assert found[tokenizer.eos_token_id] == (f"[{tokenizer.eos_token_id}]", CONTROL)
    assert found[-1] == (f"[{tokenizer.vocab_size}]", NORMAL)
    assert len({text for text, _ in found}) == len(found)


@pytest.mark.slow
@pytest.mark.parametrize(("to", "package"), [("gpt-neox", "transformers"), pytest.param("gguf", "llama_cpp", marks=needs_llama)])
def test_the_readme_it_writes_runs_in_its_folder(tmp_path, to, package):
    export(bundled_path(), tmp_path, to)
    blocks = re.findall(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    for block in blocks:
        compile(block, "README.md", "exec")
    (code,) = [block for block in blocks if f"from {package} import" in block]
    command = [sys.executable, "-W", "ignore", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert shown.stdout.strip()
    assert "@" not in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_the_command_names_what_it_wrote(tmp_path, tiny_folder, capsys):
    assert main(["export", str(tiny_folder), str(tmp_path / "out"), "--to", "gpt-neox", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == [
        "README.md", "config.json", "emoji.json", "model.safetensors", "vocab.txt",
    ]  # fmt: skip


def test_wrong_input_is_one_line(tmp_path, tiny_folder, capsys):
    assert main(["export", str(tmp_path / "nothing"), str(tmp_path / "out"), "--to", "gguf"]) == 2
    assert "nothing" in capsys.readouterr().err
    with pytest.raises(CheckpointError, match=r"no folder .*nothing.* to export"):
        export(tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(ParameterError, match="to='onnx' must be one of 'gpt-neox', 'gguf'"):
        export(tiny_folder, tmp_path / "out", "onnx")
    with pytest.raises(ParameterError, match="type='q3' must be one of 'f32', 'f16', 'bf16', 'q8_0', 'q4_0'"):
        export(tiny_folder, tmp_path / "out", "gguf", "q3")
    with pytest.raises(ParameterError, match="is not empty and holds no earlier export"):
        export(tiny_folder, tiny_folder)
    assert not (tmp_path / "out").exists()
    assert main(["export", str(tiny_folder), str(tmp_path / "out"), "--to", "gpt-neox", "--type", "f16"]) == 2
    assert "--type f16 is for --to gguf" in capsys.readouterr().err


def test_a_folder_with_other_files_is_left_as_it_is(tmp_path, tiny_folder):
    (tmp_path / "README.md").write_text("# My model")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(ParameterError, match=r"is not empty and holds no earlier export: .* Name another folder"):
        export(tiny_folder, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "README.md": b"# My model",
        "model.safetensors": b"weights",
    }


def test_an_export_may_be_written_again(tmp_path, tiny_folder):
    files = export(tiny_folder, tmp_path / "out")
    assert export(tiny_folder, tmp_path / "out") == files


def test_a_hub_id_brings_the_vocabulary(tmp_path, tiny_folder, monkeypatch):
    from huggingface_hub import close_session

    with LocalHub() as hub:
        hub.use(monkeypatch, tmp_path / "home")
        hub.add("some/model", tiny_folder)
        assert main(["export", "some/model", str(tmp_path / "out"), "--to", "gpt-neox"]) == 0
        close_session()
    for name in ("vocab.txt", "emoji.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tiny_folder / name).read_bytes()


def test_a_network_that_llama_cpp_cannot_compute_is_refused(tmp_path):
    saved(tmp_path / "relu", hidden_act="relu")
    with pytest.raises(ParameterError, match=r"llama\.cpp computes GPT-NeoX with gelu only, but .* is 'relu'"):
        export(tmp_path / "relu", tmp_path / "out", "gguf")
    saved(tmp_path / "narrow", hidden_size=24)
    with pytest.raises(ParameterError, match="blocks of 32, but hidden_size is 24: choose 'f16'"):
        export(tmp_path / "narrow", tmp_path / "out", "gguf", "q8_0")


def test_without_the_package_the_pip_line_is_said(tmp_path, tiny_folder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match="not installed: pip install gguf"):
        export(tiny_folder, tmp_path / "out", "gguf")


@pytest.mark.parametrize("to", ["gpt-neox", pytest.param("gguf", marks=needs_gguf)])
def test_a_full_disk_leaves_what_was_there(tmp_path, tiny_folder, monkeypatch, to):
    out = tmp_path / "out"
    export(tiny_folder, out, to)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with pytest.raises(CheckpointError, match=r"disk is too full: the export takes .* bytes, 10 are free"):
        export(tiny_folder, out, to)
    monkeypatch.undo()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match="the disk is full"):
        export(tiny_folder, out, to)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_tensors_that_do_not_fit_are_named(tmp_path):
    saved(tmp_path / "ours")
    config = json.loads((tmp_path / "ours" / "config.json").read_text())
    (tmp_path / "ours" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(CheckpointError, match="missing"):
        export(tmp_path / "ours", tmp_path / "out")
