"""The network against transformers' with the same random weights, and what it accepts and refuses."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseModel, KVCache
from neoxjp.model.outputs import CausalLMOutput
from tests.support.tiny_model import our_config, ours, pair

SHAPES = {
    "full rotary": {},
    "partial rotary": {"rotary_pct": 0.25},
    "no rotary": {"rotary_pct": 0.0},
    "other base": {"rotary_emb_base": 500.0},
    "untied": {"tie_word_embeddings": False},
    "one layer": {"num_hidden_layers": 1},
    "five layers": {"num_hidden_layers": 5, "initializer_range": 0.1},
    "odd head size": {"hidden_size": 20, "rotary_pct": 0.8},
    "head size 10": {"hidden_size": 40},
    "one head": {"hidden_size": 6, "num_attention_heads": 1},
    "wide MLP": {"intermediate_multiple_size": 7},
    "tanh gelu": {"hidden_act": "gelu_new"},
    "relu": {"hidden_act": "relu"},
}
LEFT = [[0, 0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1], [1] * 7]
RIGHT = [[1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 0], [1] * 7]


PAIRS = {name: pair(attn_implementation=name, rotary_pct=0.5) for name in ("sdpa", "eager")}


def some_ids(rows=3, width=7, seed=0):
    return torch.randint(0, 59, (rows, width), generator=torch.Generator().manual_seed(seed))


def close(found, wanted, **options):
    torch.testing.assert_close(found, wanted, **({"rtol": 0, "atol": 1e-5} | options))


# ---- parity


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES.keys())
@torch.no_grad()
def test_logits_loss_hidden_states_and_attentions_equal_transformers(changes):
    our, theirs = pair(**changes)
    ids, labels = some_ids(), some_ids(seed=1)
    labels[0, :4] = -100
    wanted = theirs(ids, labels=labels, output_hidden_states=True, output_attentions=True)
    for eager in (False, True):
        found = our(ids, labels=labels, output_hidden_states=True, output_attentions=eager)
        close(found.logits, wanted.logits)
        close(found.loss, wanted.loss)
        close(found.hidden_states, wanted.hidden_states)
    close(found.attentions, wanted.attentions)


@pytest.mark.parametrize("mask", [LEFT, RIGHT, [[1] * 7] * 3], ids=["left", "right", "none"])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_gradients_equal_transformers(implementation, mask):
    our, theirs = pair(attn_implementation=implementation, rotary_pct=0.5)
    mask = torch.tensor(mask)
    labels = some_ids().masked_fill(mask == 0, -100)
    our.train()(some_ids(), attention_mask=mask, labels=labels).loss.backward()
    theirs.train()(some_ids(), attention_mask=mask, labels=labels).loss.backward()
    wanted = {name: weight.grad for name, weight in theirs.named_parameters()}
    close({name: weight.grad for name, weight in our.named_parameters()}, wanted)


def test_names_are_the_checkpoints():
    our, theirs = pair(tie_word_embeddings=False)
    assert set(our.state_dict()) == set(theirs.state_dict())
    biases = {name for name in our.state_dict() if name.endswith("bias") and "norm" not in name}
    assert biases == {"gpt_neox_japanese.layers.1.attention.dense_bias"}
    assert not list(our.buffers())


def test_a_tied_output_is_the_embedding():
    tied, separate = ours(), ours(tie_word_embeddings=False)
    assert tied.embed_out.weight is tied.gpt_neox_japanese.embed_in.weight
    assert separate.num_parameters - tied.num_parameters == 61 * 32


def test_fresh_weights_have_the_spread_of_the_config():
    model = ours(initializer_range=0.05, hidden_size=64)
    for weight in (model.embed_out.weight, model.gpt_neox_japanese.layers[0].mlp.dense_h_to_4h.weight):
        assert 0.045 < float(weight.detach().std()) < 0.055


# ---- padding


@pytest.mark.parametrize("mask", [LEFT, RIGHT], ids=["left", "right"])
@pytest.mark.parametrize("use_cache", [True, False])
@torch.no_grad()
def test_padded_rows_equal_transformers_even_in_the_padding(mask, use_cache):
    our, theirs = PAIRS["sdpa"]
    mask = torch.tensor(mask)
    wanted = theirs(some_ids(), attention_mask=mask, labels=some_ids(), output_hidden_states=True, output_attentions=True)
    for eager in (False, True):
        options = {"output_hidden_states": True, "use_cache": use_cache, "output_attentions": eager}
        found = our(some_ids(), attention_mask=mask, labels=some_ids(), **options)
        close(found.logits, wanted.logits)
        close(found.loss, wanted.loss)
        close(found.hidden_states, wanted.hidden_states)
    close(found.attentions, wanted.attentions)


@torch.no_grad()
def test_padding_changes_no_row():
    model, mask = ours(), torch.tensor(LEFT)
    padded = model(some_ids(), attention_mask=mask).logits
    for row, columns, logits in zip(some_ids(), mask.bool(), padded, strict=True):
        close(logits[columns], model(row[None, columns]).logits[0])


@torch.no_grad()
def test_a_row_of_padding_alone_disturbs_nobody():
    model = ours()
    logits = model(some_ids(2), attention_mask=torch.tensor([[0] * 7, [1] * 7])).logits
    assert logits.isfinite().all()
    close(logits[1:], model(some_ids(2)[1:]).logits)


# ---- caches


@settings(max_examples=12, deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), implementation=st.sampled_from(["sdpa", "eager"]))
@torch.no_grad()
def test_a_cache_filled_in_pieces_of_any_size_equals_transformers(sizes, implementation):
    our, theirs = PAIRS[implementation]
    ids = some_ids(1, sum(sizes))
    cache = our.new_cache()
    pieces = [our(piece, past_key_values=[cache]).logits for piece in ids.split(sizes, 1)]
    close(torch.cat(pieces, 1), theirs(ids).logits)
    assert cache.length == sum(sizes)


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@torch.no_grad()
def test_rows_with_caches_of_different_lengths_equal_each_alone(implementation):
    model, _ = PAIRS[implementation]
    lengths = [1, 5, 0, 3]
    pasts = [some_ids(1, max(length, 1), seed=length)[:, :length] for length in lengths]
    mask = torch.tensor([[1, 1, 1], [0, 1, 1], [1, 1, 0], [0, 0, 0]])
    new = some_ids(4, 3, seed=9)
    caches = [model.new_cache() for _ in lengths]
    for past, cache in zip(pasts, caches, strict=True):
        if past.numel():
            model(past, past_key_values=[cache])
    output = model(new, attention_mask=mask, past_key_values=caches, output_attentions=True)
    assert [cache.length for cache in caches] == [4, 7, 2, 3]
    for row in range(3):
        alone = torch.cat((pasts[row], new[row : row + 1, mask[row].bool()]), 1)
        wanted = model(alone, output_attentions=True)
        count = int(mask[row].sum())
        close(output.logits[row, mask[row].bool()], wanted.logits[0, -count:])
        close(output.attentions[0][row, :, mask[row].bool(), : alone.shape[1]], wanted.attentions[0][0, :, -count:])
    again = model(some_ids(4, 1), past_key_values=caches)
    assert again.logits.shape == (4, 1, 61)


@torch.no_grad()
def test_a_padded_batch_fills_a_cache_a_row_and_goes_on():
    our, theirs = PAIRS["sdpa"]
    mask = torch.tensor(LEFT)
    caches = our(some_ids(), attention_mask=mask).past_key_values
    assert [cache.length for cache in caches] == [4, 6, 7]
    longer = torch.cat((mask, torch.ones(3, 1, dtype=torch.long)), 1)  # transformers' habit: the mask covers the past too
    found = our(some_ids(3, 1, seed=5), attention_mask=longer, past_key_values=caches).logits
    wanted = theirs(torch.cat((some_ids(), some_ids(3, 1, seed=5)), 1), attention_mask=longer).logits[:, -1:]
    close(found, wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_on_the_cpu_is_near_float32_with_and_without_a_cache(dtype):
    exact = ours(initializer_range=0.1)
    rough = ours(initializer_range=0.1).to(dtype)
    wanted, cache = exact(some_ids(1)).logits, rough.new_cache()
    cached = torch.cat([rough(piece, past_key_values=[cache]).logits for piece in some_ids(1).split(3, 1)], 1)
    for found in (rough(some_ids(1), use_cache=False).logits, cached):
        assert found.dtype == dtype
        close(found.float(), wanted, atol=0.05)
    assert cache.nbytes == 256 * rough.cache_bytes_per_token == 256 * 2 * 2 * 32 * 4


def test_gradients_flow_through_new_tokens_of_a_cached_forward():
    model = ours()
    loss = model(some_ids(1), past_key_values=[model.new_cache()], labels=some_ids(1)).loss
    found = torch.autograd.grad(loss, list(model.parameters()))
    wanted = torch.autograd.grad(model(some_ids(1), labels=some_ids(1)).loss, list(model.parameters()))
    close(found, wanted)


def test_caches_come_back_unless_the_model_trains_or_gets_labels():
    model = ours()
    assert len(model(some_ids()).past_key_values) == 3
    assert model(some_ids(), labels=some_ids()).past_key_values is None
    assert model(some_ids(), use_cache=False).past_key_values is None
    assert model.train()(some_ids()).past_key_values is None


# ---- the call


@torch.no_grad()
def test_outputs_unpack_as_tuples():
    model, ids = ours(), some_ids()
    output = model(ids, labels=ids)
    loss, logits = output
    assert (output[0] is loss, output["logits"] is logits, output[-1] is logits, len(output)) == (True, True, True, 2)
    plain = model(ids, labels=ids, return_dict=False)
    assert type(plain) is tuple
    assert torch.equal(plain[1], logits)
    assert isinstance(output, CausalLMOutput)
    body = model.gpt_neox_japanese(ids, output_hidden_states=True, use_cache=False, return_dict=False)
    assert torch.equal(body[0], body[1][-1])


@torch.no_grad()
def test_logits_to_keep_keeps_the_last_or_the_listed_positions():
    model, ids = ours(), some_ids()
    full = model(ids).logits
    close(model(ids, logits_to_keep=2).logits, full[:, -2:])
    close(model(ids, logits_to_keep=torch.tensor([0, 3])).logits, full[:, [0, 3]])


@torch.no_grad()
def test_embeddings_and_positions_can_be_given():
    our, theirs = PAIRS["sdpa"]
    embeddings = our.gpt_neox_japanese.embed_in(some_ids())
    close(our(inputs_embeds=embeddings).logits, our(some_ids()).logits)
    positions = torch.tensor([[5, 6, 9, 10, 12, 13, 20]])
    close(our(some_ids(), position_ids=positions).logits, theirs(some_ids(), position_ids=positions).logits)


def test_dropout_acts_in_training_only():
    model = ours(hidden_dropout=0.5, attention_dropout=0.5)
    with torch.no_grad():
        assert torch.equal(model(some_ids()).logits, model(some_ids()).logits)
        assert not torch.equal(model.train()(some_ids()).logits, model(some_ids()).logits)


def test_a_whole_batch_trains_under_bfloat16_autocast():
    model = ours().train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(5):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(some_ids(), attention_mask=torch.ones(3, 7), labels=some_ids()).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


def test_a_batch_without_padding_runs_one_causal_kernel_a_layer(monkeypatch):
    calls = []
    real = torch.nn.functional.scaled_dot_product_attention

    def watched(q, k, v, attn_mask=None, **options):
        calls.append((tuple(q.shape), attn_mask, options["is_causal"]))
        return real(q, k, v, attn_mask=attn_mask, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    ours().train()(some_ids(), attention_mask=torch.ones(3, 7), labels=some_ids())
    assert calls == [((3, 4, 7, 8), None, True)] * 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "either input_ids or inputs_embeds"),
        ({"input_ids": torch.tensor([[1, 61]])}, "input_ids holds 61: the model's ids run from 0 to 60"),
        ({"input_ids": torch.tensor([[-1]])}, "input_ids holds -1"),
        ({"input_ids": torch.tensor([1, 2])}, r"of the shape \(rows, positions\), not \(2,\)"),
        ({"input_ids": torch.ones(1, 2)}, "whole numbers"),
        ({"input_ids": torch.ones(1, 0, dtype=torch.long)}, "input_ids is empty"),
        ({"input_ids": some_ids(), "attention_mask": torch.ones(3, 6)}, r"attention_mask has the shape \(3, 6\)"),
        ({"input_ids": some_ids(), "labels": some_ids(3, 6)}, r"labels have the shape \(3, 6\)"),
        ({"input_ids": some_ids(), "past_key_values": [KVCache(2)]}, "a list of 3 KVCaches.* is 1 different ones"),
        ({"input_ids": some_ids(2), "past_key_values": [KVCache(2)] * 2}, "is 1 different ones"),
        ({"input_ids": some_ids(1), "past_key_values": KVCache(2)}, "is a KVCache"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments, words):
    with pytest.raises(ParameterError, match=words):
        ours()(**arguments)


# ---- folders


@torch.no_grad()
def test_a_saved_model_loads_as_it_was(tmp_path):
    model = ours(rotary_pct=0.5, tie_word_embeddings=False).train()
    model.save_pretrained(tmp_path)
    loaded = GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path)
    assert not loaded.training
    assert torch.equal(loaded(some_ids()).logits, model.eval()(some_ids()).logits)
    assert loaded.load_report.tied is False
    assert (loaded.config.dtype, loaded.config.rotary_pct) == ("float32", 0.5)


def test_torch_dtype_is_an_older_name_of_dtype(tmp_path):
    ours().save_pretrained(tmp_path)
    for options in ({"dtype": "bfloat16"}, {"torch_dtype": torch.bfloat16}):
        loaded = GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path, **options)
        assert (loaded.dtype, loaded.config.dtype) == (torch.bfloat16, "bfloat16")


@torch.no_grad()
def test_the_body_loads_by_itself(tmp_path):
    model = ours()
    model.save_pretrained(tmp_path)
    body = GPTNeoXJapaneseModel.from_pretrained(tmp_path, attn_implementation="eager")
    assert body.attn_implementation == "eager"
    close(body(some_ids()).last_hidden_state, model.gpt_neox_japanese(some_ids()).last_hidden_state)


@torch.no_grad()
def test_transformers_loads_what_we_save(tmp_path):
    from transformers import GPTNeoXJapaneseForCausalLM as Theirs

    model = ours(rotary_pct=0.5)
    model.save_pretrained(tmp_path)
    close(Theirs.from_pretrained(tmp_path)(some_ids()).logits, model(some_ids()).logits)


@torch.no_grad()
def test_a_model_spread_over_cpu_and_disk_gives_the_same(tmp_path):
    model = ours()
    model.save_pretrained(tmp_path)
    places = {"gpt_neox_japanese.embed_in": "cpu", "embed_out": "cpu", "gpt_neox_japanese.final_layer_norm": "cpu"}
    places |= {"gpt_neox_japanese.layers.0": "cpu", "gpt_neox_japanese.layers.1": "disk"}
    loaded = GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path, device_map=places, offload_folder=tmp_path / "offload")
    assert loaded.device.type == "cpu"
    close(
        loaded(some_ids(), attention_mask=torch.tensor(LEFT)).logits, model(some_ids(), attention_mask=torch.tensor(LEFT)).logits
    )
    cache = loaded.new_cache()
    close(torch.cat([loaded(p, past_key_values=[cache]).logits for p in some_ids(1).split(3, 1)], 1), model(some_ids(1)).logits)


def test_what_cannot_be_had_is_refused_before_loading(tmp_path):
    ours().save_pretrained(tmp_path)
    load = GPTNeoXJapaneseForCausalLM.from_pretrained
    with pytest.raises(ParameterError, match="flash-attn package is not installed"):
        load(tmp_path, attn_implementation="flash_attn")
    with pytest.raises(ParameterError, match="quantization='int3' is not one of None, 'int8', 'int4'"):
        load(tmp_path, quantization="int3")


def test_numbers_of_the_real_model():
    with torch.device("meta"):
        model = GPTNeoXJapaneseForCausalLM(our_config(**REAL_NUMBERS))
    assert model.num_parameters == 32000 * 2560 + 32 * (12 * 2560**2 + 4 * 2560) + 3 * 2560
    assert model.cache_bytes_per_token == 655_360  # float32


REAL_NUMBERS = {
    "vocab_size": 32000,
    "hidden_size": 2560,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2048,
}
