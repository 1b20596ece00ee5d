"""The linears of a whole model packed: what it computes, alone and beside others, what it takes, and what it refuses."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neoxjp.errors import ParameterError
from neoxjp.model import attention
from neoxjp.quantization import pack as packing
from neoxjp.quantization import pack_model
from neoxjp.quantization import packed_linear as linear
from tests.support.model_folders import load
from tests.support.tiny_model import our_config, ours

HALVES = not isinstance(linear.fp16_kernel(), str)


def packed(quantization=None, **changes):
    return pack_model(ours(**changes), torch.float16 if quantization is None else None, quantization)


FORMATS = [pytest.param(None, marks=pytest.mark.skipif(not HALVES, reason="no packed float16 here")), "int8", "int4"]


@pytest.mark.parametrize("quantization", FORMATS)
@pytest.mark.parametrize("tied", [True, False])
def test_a_loaded_model_computes_as_a_converted_one(tmp_path, quantization, tied):
    model = ours(tie_word_embeddings=tied, hidden_size=64)
    model.save_pretrained(tmp_path)
    wanted = packed(quantization, tie_word_embeddings=tied, hidden_size=64)
    said = []
    dtype = "float16" if quantization is None else "auto"
    found = load(tmp_path, dtype=dtype, quantization=quantization, progress=lambda *bytes: said.append(bytes))
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.equal(found(ids).logits, wanted(ids).logits)
        plain = model(ids).logits
    assert float((found(ids).logits - plain).norm() / plain.norm()) < {None: 0.002, "int8": 0.06, "int4": 0.3}[quantization]
    assert found.num_parameters == wanted.num_parameters == model.num_parameters
    assert found.quantization == quantization
    assert found.load_report.packed
    assert found.load_report.dtype == found.dtype == torch.float16
    assert found.load_report.tied is tied
    assert said[0][0] == 0
    assert said[-1][0] == said[-1][1] == max(done for done, _ in said)
    assert packing.describe_linears(found).startswith(f"{quantization or 'float16'} weights")


@pytest.mark.parametrize("quantization", FORMATS)
@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)), min_size=2, max_size=8))
def test_a_sequence_is_the_same_bit_for_bit_alone_or_beside_others(quantization, lengths):
    model = MODELS[quantization]
    pasts = [torch.randint(0, 59, (past,), generator=torch.Generator().manual_seed(past)) for past, _ in lengths]
    news = [torch.randint(0, 59, (new,), generator=torch.Generator().manual_seed(99 + new)) for _, new in lengths]

    def caches():
        made = [model.new_cache() for _ in lengths]
        for past, cache in zip(pasts, made, strict=True):
            if len(past):
                model.forward_unpadded(past, [len(past)], [cache])
        return made

    counts = [len(new) for new in news]
    together = model.forward_unpadded(torch.cat(news), counts, caches(), torch.arange(sum(counts))).split(counts)
    for new, cache, found in zip(news, caches(), together, strict=True):
        assert torch.equal(model.forward_unpadded(new, [len(new)], [cache], torch.arange(len(new))), found)


@pytest.mark.parametrize("quantization", FORMATS)
def test_short_drafts_are_computed_as_single_steps_are(quantization):
    model, ids = MODELS[quantization], torch.arange(30) % 59
    one, step = model.new_cache(), model.new_cache()
    model.forward_unpadded(ids[:20], [20], [one])
    model.forward_unpadded(ids[:20], [20], [step])
    count = attention.MAX_SINGLE_QUERIES
    drafted = model.forward_unpadded(ids[20 : 20 + count], [count], [one], torch.arange(count))
    for place in range(count):
        assert torch.equal(model.forward_unpadded(ids[20 + place : 21 + place], [1], [step])[0], drafted[place])


@pytest.mark.parametrize("quantization", FORMATS)
@settings(deadline=None, max_examples=25)
@given(past=st.integers(0, 40), new=st.integers(1, 300), chunk=st.sampled_from([16, 64]))
def test_chunks_in_one_forward_are_computed_as_in_forwards_of_their_own(quantization, past, new, chunk):
    model, ids = MODELS[quantization], torch.arange(past + new) * 7 % 59
    one, other = model.new_cache(), model.new_cache()
    for cache in (one, other):
        if past:
            model.forward_unpadded(ids[:past], [past], [cache])
    beside = [torch.arange(5), model.new_cache(), torch.arange(3), model.new_cache()]
    found = model.forward_unpadded(
        torch.cat([beside[0], ids[past:], beside[2]]), [5, new, 3], [beside[1], one, beside[3]], torch.arange(5, 5 + new), chunk
    )
    ends = [*range(chunk - past % chunk, new, chunk), new]
    pieces = zip([0, *ends], ends, strict=False)
    alone = [model.forward_unpadded(ids[past:][a:b], [b - a], [other], torch.arange(b - a)) for a, b in pieces]
    assert torch.equal(found, torch.cat(alone))


MODELS = {name: packed(name, hidden_size=64) for name in ("int8", "int4")} | (
    {None: packed(None, hidden_size=64)} if HALVES else {}
)


def test_a_packed_model_says_that_it_cannot_be_trained_saved_moved_or_packed_again(tmp_path):
    model = packed("int8")
    with pytest.raises(ParameterError, match="packed weights have no gradients"):
        model.train()
    assert not model.training
    ids = torch.arange(5)[None]
    loss = model(ids, labels=ids).loss
    with pytest.raises(ParameterError, match="packed weights have no gradients"):
        loss.backward()
    with torch.no_grad():
        assert torch.equal(model(ids, labels=ids).loss, loss.detach())
    with pytest.raises(ParameterError, match="cannot be saved: load it with dtype='auto'"):
        model.save_pretrained(tmp_path)
    with pytest.raises(ParameterError, match="packed already"):
        pack_model(model, torch.float16)
    if linear.int8_kernel("cpu").name in ("native", "fbgemm"):
        with pytest.raises(ParameterError, match="stay on the CPU"):
            model.to("meta")
        for change in (lambda: model.half(), lambda: model.to(torch.bfloat16), lambda: model.double()):
            with pytest.raises(ParameterError, match="multiplied with float32 activations: load the model again"):
                change()
    assert torch.equal(model.to("cpu")(ids).logits, model(ids).logits)


def test_int8_over_several_devices_is_refused_in_one_sentence(tmp_path):
    ours().save_pretrained(tmp_path)
    spread = {"gpt_neox_japanese.embed_in": "cpu", "gpt_neox_japanese": "disk", "embed_out": "cpu"}
    for asked in ({"device_map": spread}, {"max_memory": {"cpu": "30KB"}}, {"device_map": "disk"}):
        with pytest.raises(ParameterError, match="needs the complete model on one device"):
            load(tmp_path, quantization="int8", **asked)
    assert load(tmp_path, quantization="int8", device_map="auto").quantization == "int8"


def test_an_unknown_quantization_is_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"quantization='int3' is not one of None, 'int8', 'int4'"):
        load(tmp_path, quantization="int3")


def test_auto_keeps_stored_float16_plain_so_that_it_can_be_saved(tmp_path):
    ours().to(torch.float16).save_pretrained(tmp_path / "half")
    model = load(tmp_path / "half", dtype="auto")
    assert not packing.is_packed(model)
    model.save_pretrained(tmp_path / "again")


def test_a_single_layer_can_be_converted():
    layer = ours().gpt_neox_japanese.layers[1]
    pack_model(layer, None, "int8")
    assert len(list(packing.packed_linears(layer))) == 4
    assert layer.attention.dense_bias.dtype == torch.float32
    assert not any(type(module) is nn.Linear for module in layer.modules())


PEAK = """
import sys, threading, torch
from neoxjp import GPTNeoXJapaneseForCausalLM as M
def anonymous():
    return sum(int(line.split()[1]) * 1024 for line in open("/proc/self/smaps_rollup") if line.startswith("Anonymous:"))
torch.set_num_threads(1)
M.from_pretrained(sys.argv[1], dtype=sys.argv[2], quantization=None if sys.argv[3] == "None" else sys.argv[3])  # warms up
peak, over, start = 0, threading.Event(), anonymous()
def watch():
    global peak
    while not over.wait(0.001):
        peak = max(peak, anonymous())
thread = threading.Thread(target=watch); thread.start()
model = M.from_pretrained(sys.argv[2 - 1 + 3], dtype=sys.argv[2], quantization=None if sys.argv[3] == "None" else sys.argv[3])
over.set(); thread.join()
print(max(peak, anonymous()) - start)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("dtype", "quantization", "size"), [("float16", None, 2), ("auto", "int8", 1), ("auto", "int4", 9 / 16)])
def test_loading_takes_the_packed_size_and_one_tensor(tmp_path, dtype, quantization, size):
    if quantization is None and not HALVES:
        pytest.skip("no packed float16 here")
    ours().save_pretrained(tmp_path / "small")
    big = {"hidden_size": 512, "num_hidden_layers": 8, "vocab_size": 4000}
    model = ours(**big).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "big")
    linears = sum(model.get_submodule(name).weight.numel() for name in packing.linear_names(model))
    largest = 4000 * 512 * 4
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "small"), dtype, str(quantization), str(tmp_path / "big")],
        capture_output=True,
        text=True,
        check=True,
    )
    if quantization == "int4":
        if linear.int4_kernel("cpu").name != "native":
            pytest.skip("no kernel for four bits here")
        linears += 4000 * 512 * (16 / 9 - 1)  # the output layer has eight bits
    packed = linears * size + 4000 * 512 * 2
    assert packed * 0.9 < int(done.stdout) < packed + largest + 16_000_000


def test_the_config_of_a_packed_model_stays():
    assert packed("int8").config == our_config()


def test_without_packed_float16_stays_plain(monkeypatch):
    monkeypatch.setattr(linear, "fp16_kernel", lambda: "no engine")
    monkeypatch.setattr(packing, "fp16_kernel", lambda: "no engine")
    model = pack_model(ours(), torch.float16)
    assert not packing.is_packed(model)
    assert {weight.dtype for weight in model.parameters()} == {torch.float16}
    assert packing.describe_linears(model) == "float16 (torch)"
    assert linear.available_kernels()["float16"] == "plain torch linears (no packed weights: no engine)"
