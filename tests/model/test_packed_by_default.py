"""`from_pretrained` without a dtype on a CPU: the model is packed for inference, and how plain linears come back."""

import gc
import weakref

import pytest
import torch

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseModel
from neoxjp.errors import ParameterError
from neoxjp.quantization import Kernel, fp16_kernel, is_packed
from tests.support.model_folders import IDS, contents, load, logits
from tests.support.tiny_model import ours

pytestmark = pytest.mark.skipif(not isinstance(fp16_kernel(), Kernel), reason="no packed float16 here")


@pytest.fixture(params=[torch.float16, torch.bfloat16])
def stored(request, tmp_path):
    """A folder with weights of 16 bits."""
    ours().to(request.param).save_pretrained(tmp_path / "stored")
    return tmp_path / "stored"


def plain_logits(folder):
    return logits(load(folder, dtype="float32"))


def test_16_stored_bits_are_packed_on_a_cpu(stored):
    model = load(stored)
    assert is_packed(model)
    assert model.load_report.packed
    torch.testing.assert_close(logits(model), plain_logits(stored), atol=1e-3, rtol=0)


def test_the_body_alone_is_packed_and_unpacked_too(stored):
    body = GPTNeoXJapaneseModel.from_pretrained(stored)
    assert is_packed(body)
    with pytest.warns(UserWarning, match="packed for inference"):
        body.train()
    assert not is_packed(body)


@pytest.mark.parametrize(
    "options", [{"packed": False}, {"dtype": "auto"}, {"dtype": "float32"}, {"dtype": "float16", "packed": False}]
)
def test_a_dtype_or_packed_false_gives_plain_linears(stored, options):
    assert not is_packed(load(stored, **options))


def test_float32_weights_stay_plain_and_exact(tmp_path):
    model = ours()
    model.save_pretrained(tmp_path)
    assert torch.equal(logits(load(tmp_path)), logits(model))
    assert not is_packed(load(tmp_path))


def test_train_makes_the_stored_weights_trainable(stored):
    model = load(stored)
    with pytest.warns(UserWarning, match="create the optimizer after train"):
        model.train()
    assert model.training
    assert not is_packed(model)
    expected = load(stored, dtype="auto").state_dict()
    assert {name: weight.dtype for name, weight in model.named_parameters()} == {
        name: expected[name].dtype for name, _ in model.named_parameters()
    }
    assert all(torch.equal(weight, expected[name]) for name, weight in model.state_dict().items())
    model.float()(IDS, labels=IDS).loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_save_and_state_dict_give_the_stored_weights(stored, tmp_path):
    model = load(stored)
    model.save_pretrained(tmp_path / "again")
    assert contents(tmp_path / "again") == contents(stored)
    assert is_packed(model)
    expected = load(stored, dtype="auto").state_dict()
    assert all(torch.equal(weight, expected[name]) for name, weight in model.state_dict().items())


def test_another_dtype_unpacks_and_the_same_device_does_not(stored):
    model = load(stored)
    assert is_packed(model.to("cpu"))
    assert not is_packed(model.float())
    torch.testing.assert_close(logits(model), plain_logits(stored), atol=1e-6, rtol=0)


def test_half_changes_nothing_in_what_is_float16_already(stored):
    model = load(stored)
    before = logits(model)
    for again in (model.half(), model.to("cpu", dtype=model.dtype)):
        assert is_packed(again)
        assert torch.equal(logits(again), before)


def test_unpacking_frees_the_packed_weights(stored):
    model = load(stored)
    logits(model)
    gone = weakref.ref(model.gpt_neox_japanese.layers[0].mlp.dense_h_to_4h)
    model.float()
    gc.collect()
    assert gone() is None


def test_weights_can_be_loaded_into_it(stored):
    model, other = load(stored), ours(seed=1)
    model.load_state_dict(other.state_dict())
    torch.testing.assert_close(logits(model.float()), logits(other), atol=0.05, rtol=0)


def test_what_was_packed_on_request_stays_packed(stored):
    model = load(stored, dtype="float16")
    with pytest.raises(ParameterError, match="packed weights have no gradients: load the model with packed=False"):
        model.train()


def test_packed_false_excludes_a_quantization(stored):
    with pytest.raises(ParameterError, match="packed=False and quantization='int8' exclude each other"):
        GPTNeoXJapaneseForCausalLM.from_pretrained(stored, packed=False, quantization="int8")
