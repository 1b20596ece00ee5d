"""The logit lens and a head's weights: against transformers with the same weights, and against the model's own answer."""

import json
from dataclasses import asdict

import pytest
import torch

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.cli.main import main
from neoxjp.errors import NeoxjpError, PromptTooLong
from neoxjp.labs.common.layers import MAX_TOKENS
from neoxjp.labs.inside.records import attention, lens
from tests.support.tiny_model import ours, pair

IDS = torch.randint(0, 59, (11,), generator=torch.Generator().manual_seed(3)).tolist()


@pytest.fixture(scope="module")
def models():
    return pair(num_hidden_layers=3, rotary_pct=0.5)


@torch.no_grad()
def test_each_layers_guesses_are_transformers_hidden_states_through_its_norm_and_output(models):
    model, theirs = models
    hidden = theirs(torch.tensor([IDS]), output_hidden_states=True).hidden_states
    for at in (0, 6, len(IDS) - 1):
        found = lens(model, None, IDS, at, top=4)
        assert len(found.layers) == len(hidden) == 4
        for layer, state in zip(found.layers, hidden, strict=True):
            normed = state if layer.layers == 3 else theirs.gpt_neox_japanese.final_layer_norm(state)  # the last is normed
            probabilities, ids = theirs.embed_out(normed[0, at]).softmax(-1).topk(4)
            assert [guess.id for guess in layer.top] == ids.tolist()
            assert [guess.probability for guess in layer.top] == pytest.approx(probabilities.tolist(), abs=1e-5)


@torch.no_grad()
def test_the_last_layer_is_the_models_own_answer(models):
    model, _ = models
    logprobs = model(torch.tensor([IDS])).logits[0, 5].log_softmax(-1)
    found = lens(model, None, IDS, 5, top=61)
    last = found.layers[-1]
    assert {guess.id: guess.probability for guess in last.top} == pytest.approx(
        dict(enumerate(logprobs.exp().tolist())), abs=1e-5
    )
    assert last.entropy == pytest.approx(float(torch.distributions.Categorical(logits=logprobs).entropy()), abs=1e-4)
    assert (last.answer_rank, last.divergence) == (1, pytest.approx(0.0, abs=1e-6))
    assert found.next_id == IDS[6]
    assert last.next_logprob == pytest.approx(float(logprobs[IDS[6]]), abs=1e-5)
    assert last.next_rank == 1 + int((logprobs > logprobs[IDS[6]]).sum())


@torch.no_grad()
def test_the_divergence_is_from_the_last_layers_answer_to_each_layers(models):
    model, theirs = models
    hidden = theirs(torch.tensor([IDS]), output_hidden_states=True).hidden_states
    logprobs = [theirs.embed_out(theirs.gpt_neox_japanese.final_layer_norm(state[0, 4])).log_softmax(-1) for state in hidden[:-1]]
    answer = theirs.embed_out(hidden[-1][0, 4]).log_softmax(-1)
    wanted = [float((answer.exp() * (answer - row)).sum()) for row in logprobs]
    layers = lens(model, None, IDS, 4).layers
    assert [layer.divergence for layer in layers[:-1]] == pytest.approx(wanted, abs=1e-4)
    ranks = [1 + int((row > row[answer.argmax()]).sum()) for row in logprobs]
    assert [layer.answer_rank for layer in layers[:-1]] == ranks


@torch.no_grad()
def test_the_weights_are_those_of_output_attentions_ours_and_transformers(models):
    model, theirs = models
    theirs.set_attn_implementation("eager")
    wanted = theirs(torch.tensor([IDS]), output_attentions=True).attentions
    own = model(torch.tensor([IDS]), output_attentions=True).attentions
    for layer in range(3):
        for head in range(4):
            found = attention(model, None, IDS, layer, head)
            for place, row in enumerate(found.weights):
                assert list(row) == pytest.approx(wanted[layer][0, head, place, : place + 1].tolist(), abs=1e-5)
                assert list(row) == pytest.approx(own[layer][0, head, place, : place + 1].tolist(), abs=1e-6)
                assert sum(row) == pytest.approx(1.0, abs=1e-5)


def test_one_position_is_one_row_of_the_whole(models):
    model, _ = models
    whole = attention(model, None, IDS, 1, 2)
    assert whole.positions == tuple(range(len(IDS)))
    one = attention(model, None, IDS, 1, 2, at=7)
    assert (one.positions, one.weights) == ((7,), (whole.weights[7],))
    assert attention(model, None, IDS, -2, -2, at=-4) == one


def test_no_layer_behind_the_asked_one_is_computed():
    model = ours(num_hidden_layers=3)
    called = []
    for number, layer in enumerate(model.gpt_neox_japanese.layers):
        layer.register_forward_hook(lambda *_, number=number: called.append(number))
    attention(model, None, IDS, 1, 0)
    assert called == [0, 1]


@pytest.mark.parametrize("options", [{"dtype": "float16"}, {"quantization": "int8"}, {"dtype": "bfloat16"}], ids=str)
@torch.no_grad()
def test_packed_and_small_dtypes_answer_as_their_own_model_does(tmp_path, options):
    ours(hidden_size=64).save_pretrained(tmp_path)
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path, **options)
    output = model(torch.tensor([IDS]), output_attentions=True, past_key_values=[model.new_cache()])
    last = lens(model, None, IDS, top=61).layers[-1]
    wanted = dict(enumerate(output.logits[0, -1].float().softmax(-1).tolist()))
    exact = options != {"dtype": "bfloat16"}  # there a matrix product of two shapes may round otherwise
    assert {guess.id: guess.probability for guess in last.top} == pytest.approx(wanted, abs=1e-5 if exact else 0.02)
    found = attention(model, None, IDS, 1, 3, at=-1).weights[0]
    assert list(found) == pytest.approx(output.attentions[1][0, 3, -1].tolist(), abs=1e-5 if exact else 0.02)


@torch.no_grad()
def test_layers_that_lie_on_disk_are_brought_in(tmp_path):
    plain = ours(tie_word_embeddings=False)
    plain.save_pretrained(tmp_path / "model")
    places = {"gpt_neox_japanese.embed_in": "cpu", "gpt_neox_japanese.layers.0": "cpu", "gpt_neox_japanese.layers.1": "disk"}
    places |= {"gpt_neox_japanese.final_layer_norm": "disk", "embed_out": "disk"}
    options = {"device_map": places, "offload_folder": tmp_path / "offload"}
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path / "model", **options)
    assert lens(model, None, IDS) == lens(plain, None, IDS)
    assert attention(model, None, IDS, 1, 2) == attention(plain, None, IDS, 1, 2)


@pytest.mark.parametrize("look", [lambda model: lens(model, None, IDS), lambda model: attention(model, None, IDS, 1, 0)])
def test_a_damaged_weight_is_a_sentence(look):
    model = ours()
    with torch.no_grad():
        model.gpt_neox_japanese.layers[0].mlp.dense_4h_to_h.weight[0] = torch.nan
    with pytest.raises(NeoxjpError, match="not numbers"):
        look(model)


def test_no_ids_are_the_beginning_of_a_text():
    model = ours()
    assert lens(model, None, []).ids == (59,)
    assert attention(model, None, [], 0, 0).weights == ((1.0,),)


def test_too_many_tokens_are_refused_with_both_numbers_and_512_are_read():
    model = ours(max_position_embeddings=1024, num_hidden_layers=1)
    assert len(attention(model, None, [1] * MAX_TOKENS, 0, 0).weights) == MAX_TOKENS
    for look in (lambda ids: lens(model, None, ids), lambda ids: attention(model, None, ids, 0, 0)):
        with pytest.raises(PromptTooLong, match=r"513 tokens.*up to 512") as caught:
            look([1] * 513)
        assert "512 トークンまで" in caught.value.ja
    with pytest.raises(PromptTooLong, match="up to 64"):
        lens(ours(), None, [1] * 65)


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (lambda model: lens(model, None, IDS, 11), "at=11 must be 0 to 10"),
        (lambda model: lens(model, None, IDS, -12), "at=-12 must be 0 to 10"),
        (lambda model: lens(model, None, IDS, top=0), "top=0 must be 1 or more"),
        (lambda model: lens(model, None, [61]), "id 61"),
        (lambda model: attention(model, None, IDS, 2, 0), "layer=2 must be 0 to 1"),
        (lambda model: attention(model, None, IDS, 0, 4), "head=4 must be 0 to 3"),
        (lambda model: attention(model, None, IDS, 0, 0, 11), "at=11 must be 0 to 10"),
    ],
)
def test_what_is_not_there_is_named_with_the_range(look, message):
    with pytest.raises(NeoxjpError, match=message):
        look(ours())


def test_records_are_json_with_the_names_of_the_tokens(tiny_folder):
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_folder)
    ids = tokenizer.encode("猫é")
    found = lens(model, tokenizer, ids)
    assert found.texts == ("猫", "<|byte195|>", "<|byte169|>")
    assert all(guess.text for layer in found.layers for guess in layer.top)
    for record in (found, attention(model, tokenizer, ids, 0, 0)):
        assert json.loads(json.dumps(asdict(record), allow_nan=False))["texts"] == list(found.texts)


# ---------------------------------------------------------------- the command


def test_lens_prints_a_line_a_layer_with_the_rank_of_what_follows(capsys, tiny_folder):
    arguments = ["lens", "東京都の大学", "--model", str(tiny_folder), "--top", "2"]
    assert main([*arguments, "--at", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "after token 0, '東京都', comes 'の'"
    assert [line.split()[0] for line in lines[2:]] == ["0", "1", "2"]
    assert all(line.count("%") == 2 for line in lines[2:])
    assert main([*arguments, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["at"], record["next_id"]) == (2, None)
    assert [len(layer["top"]) for layer in record["layers"]] == [2, 2, 2]


def test_lens_at_a_character_of_several_tokens_is_after_its_last_byte(capsys, tiny_folder):
    main(["lens", "猫é猫", "--at", "1", "--model", str(tiny_folder), "--json"])
    assert json.loads(capsys.readouterr().out)["at"] == 2


def test_lens_names_a_character_that_is_not_there(capsys, tiny_folder):
    assert main(["lens", "猫", "--at", "1", "--model", str(tiny_folder)]) == 2
    assert "--at 1: the text has the characters 0 to 0" in capsys.readouterr().err
