"""`neoxjp quantize`: which weight gets how many bits, the folder that is written, what it loads as, and what is refused."""

import importlib.util
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.cli.main import main
from neoxjp.documents import read_documents
from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.export import export, quantize_folder, read_texts
from neoxjp.export.quantize import folder as folder_module
from neoxjp.export.quantize.calibration import Candidates, estimate_costs, round_linears
from neoxjp.export.quantize.measure import compare_losses, document_nats
from neoxjp.export.quantize.mixture import Choice, choose_bits
from neoxjp.export.quantize.network import LayerByLayer, round_activations
from neoxjp.export.quantize.texts import DEFAULT_TEXTS, FEWEST_TEXTS, FEWEST_TOKENS, split_texts
from neoxjp.hub import bundled_path
from neoxjp.model import load_model, needed_bytes
from neoxjp.quantization import PackedLinear, available_kernels, packed_linears
from neoxjp.weights import OUTPUT, read_quantization
from tests.serve.conftest import serving
from tests.support.http import ask
from tests.support.tiny_model import ours

needs_gguf = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="the package gguf is not installed")
WORDS = ("vocab.txt", "emoji.json", "tokenizer_config.json")
TEXTS = read_texts([DEFAULT_TEXTS])[:8]


def save(folder: Path, **changes: object) -> Path:
    """A small model with random weights and the bundled vocabulary."""
    changes = {"hidden_size": 64, "max_position_embeddings": 128, "bos_token_id": 7999, "eos_token_id": 7999} | changes
    ours(vocab_size=8000, **changes).half().save_pretrained(folder)
    for name in WORDS:
        shutil.copyfile(bundled_path() / name, folder / name)
    (folder / "README.md").write_text("about this model")
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture(scope="module")
def quantized(small):
    """The small model with 4 bits everywhere, and its report."""
    out = small.parent / "quantized"
    return out, quantize_folder(small, out, bits=4, texts=TEXTS)


# ---- the folder


def test_the_folder_says_what_was_done_and_what_it_costs(small, quantized):
    out, report = quantized
    config = json.loads((out / "config.json").read_text())
    facts = config["quantization_config"]
    assert config["hidden_size"] == 64
    assert config["tie_word_embeddings"] is True
    assert (facts["quant_method"], facts["format_version"], facts["group_size"]) == ("neoxjp", 1, 32)
    assert facts["calibration"] == "gptq"
    assert {bits for name, bits in facts["bits"].items() if ".layers." in name} == {4}
    assert facts["bits"]["gpt_neox_japanese.embed_in.weight"] == 8
    assert facts["loss"]["percent"] == report.loss.percent
    assert facts["loss"]["interval_95"] == [report.loss.low, report.loss.high]
    assert facts["text"]["characters"] == sum(map(len, TEXTS[1::2]))
    assert facts["text"]["sha256"] != facts["calibration_text"]["sha256"]
    assert report.bits_per_weight == 4.5
    assert report.nbytes < 0.5 * report.stored_bytes
    assert (out / "README.md").read_text() == "about this model"
    assert sorted(path.name for path in out.iterdir()) == sorted([*WORDS, "README.md", "config.json", "model.safetensors"])


def test_it_loads_everywhere_without_options_and_computes_the_rounded_numbers(small, quantized):
    out, report = quantized
    plain = dict(GPTNeoXJapaneseForCausalLM.from_pretrained(out, dtype="float32").named_modules())
    most = 0.01 if "7 bits" not in available_kernels()["int8"] else 0.02  # int8 weights without VNNI: see `int8_kernel`
    for model in (GPTNeoXJapaneseForCausalLM.from_pretrained(out), load_model(str(out))[0]):
        assert model.load_report.packed
        assert model.quantization == model.load_report.quantization == "int4"
        packed = {name: module for name, module in model.named_modules() if isinstance(module, PackedLinear)}
        assert len(packed) == 9
        for name, linear in packed.items():
            x = torch.randn(5, linear.in_features, generator=torch.Generator().manual_seed(0))
            with torch.inference_mode():
                found, wanted = linear(x), round_activations(x) @ plain[name].weight.t()
            assert float((found - wanted).norm() / wanted.norm()) < most, name
    rows = 2 * 8000 * 64  # of the embedding, in float16 beside the output layer in int8
    assert needed_bytes(out, None) - needed_bytes(small, None) == report.nbytes + rows - report.stored_bytes
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(out)
    assert tokenizer.decode(tokenizer.encode("吾輩は猫である。")) == "吾輩は猫である。"


def test_what_a_loaded_model_says_of_itself_loads_it_again(quantized):
    """A saved generation, or a page before another engine, asks for the dtype and quantization that the model has."""
    out, _ = quantized
    ids = torch.randint(7999, (1, 20), generator=torch.Generator().manual_seed(0))
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(out)
    again = GPTNeoXJapaneseForCausalLM.from_pretrained(out, dtype=model.dtype, quantization=model.quantization)
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, again(ids).logits)


def test_page_and_server_take_the_folder_as_it_is(quantized):
    out, _ = quantized
    model, tokenizer = GPTNeoXJapaneseForCausalLM.from_pretrained(out), GPTNeoXJapaneseTokenizer.from_pretrained(out)
    ids = tokenizer.encode("吾輩は猫である。")
    wanted = model.generate(torch.tensor([ids]), max_new_tokens=5, do_sample=False, eos_token_id=None)[0, len(ids) :].tolist()
    with serving(str(out)) as server:
        assert server.playground.ready.model.quantization == model.quantization == "int4"
        card = ask(f"{server.url}/v1/models").json["data"][0]
        fields = {"model": card["id"], "prompt": ids, "max_tokens": 5, "temperature": 0, "ignore_eos": True}
        answer = ask(f"{server.url}/v1/completions", fields | {"return_token_ids": True}).json
    assert card["quantization"] == "int4"
    assert answer["choices"][0]["token_ids"] == wanted


def test_a_second_rounding_is_refused(quantized, small):
    with pytest.raises(ParameterError, match=r"quantization='int8' would round .* which is stored as 'int4': leave"):
        GPTNeoXJapaneseForCausalLM.from_pretrained(quantized[0], quantization="int8")
    with pytest.raises(ParameterError, match="quantization='mixed' is what a folder of `neoxjp quantize` can have"):
        GPTNeoXJapaneseForCausalLM.from_pretrained(small, quantization="mixed")


def test_training_and_saving_take_the_unpacked_weights(quantized, tmp_path):
    out, _ = quantized
    plain = GPTNeoXJapaneseForCausalLM.from_pretrained(out, dtype="auto")
    assert plain.dtype == torch.float16
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(out)
    with pytest.warns(UserWarning, match="written unpacked, in float16: copy .* to keep them packed"):
        model.save_pretrained(tmp_path / "unpacked")
    assert read_quantization(tmp_path / "unpacked") is None
    saved = GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path / "unpacked", dtype="auto").state_dict()
    assert all(torch.equal(weight, saved[name]) for name, weight in plain.state_dict().items())


def test_an_export_has_the_rounded_numbers(quantized, tmp_path):
    out, _ = quantized
    export(out, tmp_path / "neox")
    from safetensors.torch import load_file

    exported = load_file(tmp_path / "neox" / "model.safetensors")
    plain = GPTNeoXJapaneseForCausalLM.from_pretrained(out, dtype="auto").state_dict()
    name = "layers.1.mlp.dense_h_to_4h.weight"
    assert torch.equal(exported[f"gpt_neox.{name}"], plain[f"gpt_neox_japanese.{name}"])


@pytest.mark.slow
@needs_gguf
def test_a_gguf_file_has_the_same_numbers(small, tmp_path, monkeypatch):
    """4 bits as IQ4_NL, 5 as Q5_0, 6 and 8 as Q8_0: what llama.cpp reads is what we compute with."""
    from gguf import GGUFReader, dequantize

    monkeypatch.setattr(folder_module, "_choose", mixed_bits)
    quantize_folder(small, tmp_path / "mixed", calibrate="none", max_loss=1, texts=TEXTS)
    export(tmp_path / "mixed", tmp_path / "gguf", "gguf", "stored")
    tensors = {tensor.name: tensor for tensor in GGUFReader(tmp_path / "gguf" / "model-stored.gguf").tensors}
    plain = GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path / "mixed", dtype="float32").state_dict()
    layer = "gpt_neox_japanese.layers.0."
    for theirs, name, kind in (
        ("attn_qkv", "attention.query_key_value", "IQ4_NL"),
        ("attn_output", "attention.dense", "Q5_0"),
        ("ffn_up", "mlp.dense_h_to_4h", "Q8_0"),
    ):
        tensor = tensors[f"blk.0.{theirs}.weight"]
        assert tensor.tensor_type.name == kind
        found = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        wanted = plain[f"{layer}{name}.weight"]
        if theirs == "attn_qkv":
            wanted = wanted.view(4, 3, 16, 64).transpose(0, 1).reshape(192, 64)
        assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-7)
    embedding = tensors["token_embd.weight"]
    found = torch.from_numpy(dequantize(embedding.data, embedding.tensor_type).copy())
    assert torch.allclose(found, plain["gpt_neox_japanese.embed_in.weight"], rtol=1e-3, atol=1e-7)
    with pytest.raises(
        ParameterError, match="type='stored' writes the numbers of a folder of `neoxjp quantize`, and this one is not"
    ):
        export(small, tmp_path / "plain", "gguf", "stored")


def mixed_bits(network, candidates, wanted, text, before, max_loss, progress):
    """4, 5, 6 and 8 bits for the four linears of each layer."""
    names = [name for number in range(2) for name in network.linear_names(number)]
    return dict(zip(names, [4, 5, 6, 8] * 2, strict=True)), compare_losses(before, before, text.texts), 1


def test_an_output_layer_of_its_own_is_kept_at_8_bits(tmp_path):
    folder = save(tmp_path / "untied", tie_word_embeddings=False)
    report = quantize_folder(folder, tmp_path / "out", bits=4, calibrate="none", texts=TEXTS)
    assert {tensor.name: tensor.bits for tensor in report.tensors}[OUTPUT] == 8
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path / "out", dtype="float32")
    original = GPTNeoXJapaneseForCausalLM.from_pretrained(folder, dtype="float32")
    assert not model.config.tie_word_embeddings
    assert float((model.embed_out.weight - original.embed_out.weight).detach().abs().max()) < 0.005


def test_rows_without_whole_groups_stay_at_8_bits(tmp_path):
    report = quantize_folder(save(tmp_path / "odd", hidden_size=48), tmp_path / "out", bits=4, texts=TEXTS)
    bits = {tensor.name.rpartition("layers.0.")[2]: tensor.bits for tensor in report.tensors}
    assert bits["attention.dense.weight"] == 8  # 48 input channels
    assert bits["mlp.dense_4h_to_h.weight"] == 4  # 192
    assert GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path / "out").load_report.packed


def test_the_same_command_writes_the_same_bytes(small, quantized, tmp_path):
    quantize_folder(small, tmp_path / "again", bits=4, texts=TEXTS)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (quantized[0] / name).read_bytes()


# ---- what is refused


def refused(match: str, *arguments: object, error: type[Exception] = ParameterError, **options: object) -> None:
    with pytest.raises(error, match=match):
        quantize_folder(*arguments, **({"texts": TEXTS} | options))  # type: ignore[arg-type]


def test_bad_input_is_refused_before_anything_is_written(small, quantized, tmp_path):
    out = tmp_path / "out"
    refused("exists already: name a folder that does not exist", small, quantized[0], error=CheckpointError)
    refused("is quantized already: rounding it again would lose more", quantized[0], out, error=CheckpointError)
    refused("no folder .*nothing.* to quantize", tmp_path / "nothing", out, error=CheckpointError)
    refused("max_loss=0 must be above 0 and below 100", small, out, max_loss=0)
    refused("bits=3 must be one of 4, 5, 6, 8", small, out, bits=3)
    refused("bits=4 and max_loss=0.3 exclude each other", small, out, bits=4, max_loss=0.3)
    refused("calibrate='awq' must be one of 'gptq', 'none'", small, out, calibrate="awq")
    refused("the text is too short: .* the shorter one has .* tokens where 512 are needed", small, out, texts=["短い", "文章"])
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_measured_is_refused_before_the_work(small, tmp_path):
    copy = shutil.copytree(small, tmp_path / "copy")
    with (copy / "vocab.txt").open("a", encoding="utf-8") as file:
        file.write("more\n")
    refused("has 8,001 ids, the model only 8,000", copy, tmp_path / "out", error=CheckpointError)
    shutil.copyfile(small / "vocab.txt", copy / "vocab.txt")
    tensors = load_file(copy / "model.safetensors")
    tensors["gpt_neox_japanese.layers.0.attention.dense.weight"][0, 0] = math.nan
    save_file(tensors, copy / "model.safetensors")
    for calibrate in ("gptq", "none"):
        options = {"bits": 4, "calibrate": calibrate, "error": CheckpointError}
        refused(r"layers\.0\.attention\.dense\.weight' in .* holds NaN", copy, tmp_path / "out", **options)
    shutil.copyfile(small / "model.safetensors", copy / "model.safetensors")
    (copy / "link.md").symlink_to("/proc/self/mem")
    refused(r"link\.md' cannot be read", copy, tmp_path / "out", bits=4, error=CheckpointError)
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_full_disk_leaves_nothing_behind(small, tmp_path, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(folder_module.shutil, "disk_usage", lambda _: full)
    refused("the disk is too full: rounding takes up to .* 1,000 are free", small, tmp_path / "out", error=CheckpointError)
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_middle_leaves_nothing_behind(small, tmp_path):
    def stop(what: str, done: int, total: int) -> None:
        if what == "writing":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize_folder(small, tmp_path / "out", bits=4, texts=TEXTS, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_folder_says_what_is_wrong(quantized, tmp_path):
    cut = shutil.copytree(quantized[0], tmp_path / "cut")
    whole = (cut / "model.safetensors").read_bytes()
    (cut / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(CheckpointError, match=r"is truncated: .* Fetch it again"):
        GPTNeoXJapaneseForCausalLM.from_pretrained(cut)
    (cut / "model.safetensors").write_bytes(whole)
    config = json.loads((cut / "config.json").read_text())
    config["quantization_config"]["bits"]["gpt_neox_japanese.layers.0.mlp.dense_h_to_4h.weight"] = 6
    (cut / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"not stored as its config\.json says: 'gpt_neox_japanese"):
        GPTNeoXJapaneseForCausalLM.from_pretrained(cut)
    del config["quantization_config"]
    (cut / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="unexpected"):
        GPTNeoXJapaneseForCausalLM.from_pretrained(cut)


# ---- texts and the loss


def test_no_text_calibrates_and_measures():
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(bundled_path())
    documents = read_texts([DEFAULT_TEXTS])
    calibration, measured = split_texts(documents, tokenizer, 128)
    assert set(calibration.texts) | set(measured.texts) == set(documents)
    assert not set(calibration.texts) & set(measured.texts)
    single = "\n".join(documents)
    first, second = split_texts([single], tokenizer, 128)
    assert "".join(first.texts + second.texts) == single
    assert (first.documents, len(first.texts)) == (1, FEWEST_TEXTS)
    assert min(first.tokens, second.tokens) > FEWEST_TOKENS
    line = single.replace("\n", "") + "\n"
    first, second = split_texts([line], tokenizer, 128)
    assert "".join(first.texts + second.texts) == line


def test_one_document_is_measured_in_parts_so_that_its_loss_has_an_interval():
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(bundled_path())
    text = "".join(read_texts([DEFAULT_TEXTS]))
    for documents in ([text], [text[:4000], text[4000:8000], text[8000:]]):
        for half in split_texts(documents, tokenizer, 128):
            assert len(half.texts) >= FEWEST_TEXTS
            assert {window.text for window in half.windows} == set(range(len(half.texts)))
    nats = torch.arange(1, 9, dtype=torch.float64)
    loss = compare_losses(nats, nats * torch.linspace(1.0, 1.01, 8, dtype=torch.float64), ["猫"] * 8)
    assert loss.low < loss.percent < loss.high


def test_a_long_text_is_one_document(tmp_path):
    (tmp_path / "long.txt").write_text("猫がいる。\n" * 20_000, encoding="utf-8")
    assert len(list(read_documents(tmp_path / "long.txt"))) > 1
    assert read_texts([tmp_path / "long.txt"]) == ["猫がいる。\n" * 20_000]


def test_the_loss_layer_by_layer_is_that_of_the_model(small):
    network = LayerByLayer(small)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(small)
    _, text = split_texts(TEXTS, tokenizer, network.config.max_position_embeddings)
    found = document_nats(network, text)
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(small, dtype="float32")
    for number, document in enumerate(text.texts):
        ids = [tokenizer.eos_token_id, *tokenizer.encode(document)]
        pieces = [ids[start : start + 129] for start in range(0, len(ids) - 1, 128)]
        wanted = math.fsum(_nats(model, piece) for piece in pieces)
        assert found[number].item() == pytest.approx(wanted, rel=1e-5)


def _nats(model: GPTNeoXJapaneseForCausalLM, ids: list[int]) -> float:
    with torch.inference_mode():
        logits = model(torch.tensor([ids[:-1]])).logits[0]
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor(ids[1:]), reduction="sum"))


def test_the_interval_of_a_loss_is_that_of_its_documents():
    before = torch.tensor([100.0, 200.0, 300.0], dtype=torch.float64)
    same = compare_losses(before, before * 1.01, ["abc"] * 3)
    assert (same.percent, same.low, same.high) == pytest.approx((1.0, 1.0, 1.0))
    apart = compare_losses(before, before * torch.tensor([1.0, 1.0, 1.02]), ["abc"] * 3)
    assert apart.percent == pytest.approx(1.0)
    assert 0 <= apart.low < 1.0 < apart.high <= 2.0 + 1e-9
    assert apart.original == pytest.approx(600 / 9 / math.log(2))


# ---- which weight gets how many bits


def test_the_fewest_bytes_within_the_budget_are_chosen():
    choices = {
        "cheap": [Choice(4, 100, 8.0), Choice(8, 200, 0.0)],  # 0.08 a byte
        "dear": [Choice(4, 1000, 9.0), Choice(8, 2000, 0.0)],  # 0.009 a byte
        "harmless": [Choice(4, 1000, 0.1), Choice(8, 2000, 0.0)],
    }
    assert choose_bits(choices, 20.0) == {"cheap": 4, "dear": 4, "harmless": 4}
    assert choose_bits(choices, 10.0) == {"cheap": 8, "dear": 4, "harmless": 4}
    assert choose_bits(choices, 1.0) == {"cheap": 8, "dear": 8, "harmless": 4}
    assert choose_bits(choices, -1.0) == {"cheap": 8, "dear": 8, "harmless": 8}


def test_bits_that_were_not_needed_are_given_back():
    choices = {"small": [Choice(4, 1, 5.0), Choice(8, 2, 0.0)], "large": [Choice(4, 10, 20.0), Choice(8, 20, 0.0)]}
    assert choose_bits(choices, 6.0) == {"small": 4, "large": 8}


@pytest.mark.slow
def test_the_estimate_falls_with_every_bit_and_finds_the_fragile_weight(tmp_path):
    """A weight whose error reaches the prediction costs more than one whose output is multiplied by almost zero."""
    folder = save(tmp_path / "model")
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(folder, dtype="auto")
    layer = model.gpt_neox_japanese.layers[0]
    with torch.no_grad():
        layer.mlp.dense_4h_to_h.weight *= 1e-3
    model.save_pretrained(folder)
    network = LayerByLayer(folder)
    calibration, _ = split_texts(TEXTS, GPTNeoXJapaneseTokenizer.from_pretrained(folder), 128)
    candidates = Candidates(tmp_path)
    inputs = round_linears(network, calibration, candidates, (4, 5, 6, 8), True, lambda: None)
    estimate_costs(network, calibration, inputs, candidates, (4, 5, 6, 8), lambda: None)
    for name in {name for name, _ in candidates.cost}:
        costs = [candidates.cost[name, bits] for bits in (4, 5, 6)]
        assert costs[0] > 2 * costs[1] > 4 * costs[2] > 0, name
    prefix = "gpt_neox_japanese.layers.0.mlp."
    assert (
        candidates.cost[f"{prefix}dense_h_to_4h.weight", 4]
        < 0.01 * candidates.cost["gpt_neox_japanese.layers.1.mlp.dense_h_to_4h.weight", 4]
    )


def fake_measure(monkeypatch: pytest.MonkeyPatch, factor: float, floor: float = 0.0) -> None:
    """The loss of a mixture is `factor` times its estimate, plus `floor` percent."""

    def measured(network, text, replaced=None, tick=None):
        total = torch.full((len(text.texts),), 1000.0, dtype=torch.float64)
        if replaced:
            chosen = [read.args for name, read in replaced.items() if ".layers." in name]
            nats = factor * sum(candidates.cost[name, bits] for candidates, name, bits in chosen)  # per token
            total += nats * text.tokens / len(text.texts) + floor * 10
        return total

    monkeypatch.setattr(folder_module, "document_nats", measured)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.2, 5.0])
def test_the_mixture_is_corrected_by_what_is_measured(small, tmp_path, monkeypatch, factor):
    fake_measure(monkeypatch, factor)
    lowest = quantize_folder(small, tmp_path / "lowest", max_loss=99, texts=TEXTS)
    assert {tensor.bits for tensor in lowest.tensors if tensor.cost} == {4}
    allowed = 0.3 * lowest.loss.percent
    report = quantize_folder(small, tmp_path / "mixed", max_loss=allowed, texts=TEXTS)
    assert 0.6 * allowed < report.loss.percent <= allowed
    assert len({tensor.bits for tensor in report.tensors if tensor.cost}) > 1
    assert lowest.nbytes < report.nbytes
    for tensor in report.tensors:
        assert sorted(tensor.cost) in ([4, 5, 6, 8], [])
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path / "mixed")
    assert model.quantization == model.load_report.quantization == "mixed"
    formats = {f"int{tensor.bits}" for tensor in report.tensors if tensor.cost}
    assert {module.format for module in packed_linears(model)} == formats | {"int8"}


@pytest.mark.slow
def test_a_loss_that_no_mixture_reaches_is_refused(small, tmp_path, monkeypatch):
    fake_measure(monkeypatch, 1.0, floor=2.0)
    refused(
        r"max_loss=0.5 cannot be reached: with 8 bits everywhere 2\.\d+ % are lost. Allow more",
        small,
        tmp_path / "out",
        max_loss=0.5,
    )
    assert list(tmp_path.iterdir()) == []


# ---- the command line


def test_the_command_prints_a_table_or_json(small, tmp_path, capsys):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in TEXTS), encoding="utf-8")
    options = ["--text", str(texts), "--bits", "4", "--calibrate", "none"]
    assert main(["quantize", str(small), str(tmp_path / "one"), *options]) == 0
    shown = capsys.readouterr().out
    assert "layers.0.mlp.dense_h_to_4h" in shown
    assert "4.50 bits a weight" in shown
    assert f"wrote {tmp_path / 'one'}" in shown
    assert main(["quantize", str(small), str(tmp_path / "two"), *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["loss"]["low"] <= found["loss"]["percent"] <= found["loss"]["high"]
    assert found["calibration"] == "none"
    assert len(found["tensors"]) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--max-loss", "lots"], "--max-loss 'lots' must be a number of percent, such as 0.3%"),
        (["--max-loss", "-1%"], "--max-loss -1.0 must be above 0 and below 100"),
        (["--bits", "7"], "--bits 7 must be one of 4, 5, 6, 8"),
        (["--bits", "4", "--max-loss", "1"], "--bits 4 and --max-loss 1.0 exclude each other"),
    ],
)
def test_the_command_names_the_option_that_is_wrong(small, tmp_path, capsys, options, message):
    assert main(["quantize", str(small), str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err


# ---- memory

_CHILD = """
import json, sys, threading, time
import torch
from neoxjp.export import quantize_folder
torch.set_num_threads(1)
def anonymous():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Anonymous:")) * 1024
quantize_folder(sys.argv[6], sys.argv[7], bits=int(sys.argv[3]), calibrate=sys.argv[4], texts=json.loads(sys.argv[5]))
before, peak, done = anonymous(), 0, False
def watch():
    global peak
    while not done:
        peak = max(peak, anonymous())
        time.sleep(0.01)
thread = threading.Thread(target=watch)
thread.start()
quantize_folder(sys.argv[1], sys.argv[2], bits=int(sys.argv[3]), calibrate=sys.argv[4], texts=json.loads(sys.argv[5]))
done = True
thread.join()
print(peak - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/smaps_rollup")
@pytest.mark.slow
@pytest.mark.parametrize("calibrate", ["gptq", "none"])
def test_memory_stays_far_below_the_size_of_the_model(tmp_path, calibrate):
    """150 MB in float16; mapped pages are not counted, for the system takes them back when it needs them.

    One layer is quantized before, so that only memory which depends on the model is measured, not the libraries' own.
    With 8 bits, for rounding so many weights to groups takes minutes; it needs the memory of one weight.
    """
    small = save(tmp_path / "one-layer", hidden_size=512, num_hidden_layers=1, num_attention_heads=8)
    folder = save(tmp_path / "large", hidden_size=512, num_hidden_layers=24, num_attention_heads=8)
    size = (folder / "model.safetensors").stat().st_size
    assert size > 150e6
    asked = [str(folder), str(tmp_path / "out"), "8", calibrate, json.dumps(TEXTS), str(small), str(tmp_path / "small-out")]
    child = [sys.executable, "-c", _CHILD, *asked]
    found = subprocess.run(child, capture_output=True, text=True, check=True, timeout=600)
    assert int(found.stdout) < 0.5 * size
