"""model.generate: transformers' results and defaults, rows that depend on themselves alone, streaming, what is refused."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp import Engine, SamplingParams
from neoxjp.errors import ParameterError, PromptTooLong
from tests.engine.test_batch import FORMATS, packed
from tests.support.tiny_model import ours, pair

PAIRS = [pair(seed, tie_word_embeddings=bool(seed % 2)) for seed in range(4)]
SAMPLING = {"do_sample": True, "temperature": 1.5, "max_new_tokens": 8}


def some_ids(rows=3, width=6, seed=0):
    return torch.randint(0, 59, (rows, width), generator=torch.Generator().manual_seed(seed))


def their_generate(theirs, ids, **options):
    options.setdefault("pad_token_id", 60)
    mask = options.pop("attention_mask", torch.ones_like(ids))
    return theirs.generate(ids, attention_mask=mask, **options)


# ---- equal to transformers


@pytest.mark.parametrize(
    "options",
    [
        {"max_new_tokens": 15},
        {"max_length": 20},
        {"max_length": 9, "max_new_tokens": 4},
        {"max_new_tokens": 15, "eos_token_id": [60, 1, 5, 7, 9, 11]},
        {"max_new_tokens": 15, "eos_token_id": 7, "pad_token_id": 3},
        {"max_new_tokens": 15, "eos_token_id": [60, 1, 5, 7, 9, 11], "min_new_tokens": 6},
        {"max_new_tokens": 15, "repetition_penalty": 1.7},
        {"max_new_tokens": 15, "repetition_penalty": 0.6, "no_repeat_ngram_size": 2},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # transformers', about lengths
def test_greedy_equals_transformers_token_for_token(options):
    mask = torch.ones(3, 6, dtype=torch.long)
    for padded in (False, True):
        mask[0, :3] = not padded
        for seed, (our, theirs) in enumerate(PAIRS):
            ids = some_ids(seed=seed)
            wanted = their_generate(theirs, ids, attention_mask=mask, **options)
            assert torch.equal(our.generate(ids, attention_mask=mask, **options), wanted)


@pytest.mark.parametrize("width", [6, 30, 60])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_without_a_length_transformers_default_holds(width):
    our, theirs = PAIRS[0]
    found = our.generate(some_ids(1, width), eos_token_id=())
    wanted = their_generate(theirs, some_ids(1, width), eos_token_id=60, min_new_tokens=20 if width < 60 else 0)
    assert found.shape == wanted.shape == (1, min(width + 20, 64))


def test_the_defaults_are_transformers_defaults():
    from transformers import GenerationConfig

    theirs = GenerationConfig()
    ours_ = {name: p.default for name, p in inspect.signature(PAIRS[0][0].generate).parameters.items()}
    for name in ("do_sample", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "num_beams", "length_penalty"):
        given_there = getattr(theirs, name)
        if given_there is not None:  # 5.x leaves most of them open until generate fills them in
            assert ours_[name] == given_there
    assert (ours_["top_k"], ours_["do_sample"], ours_["num_return_sequences"]) == (50, False, 1)


def test_padding_is_inferred_from_the_pad_id_as_in_transformers():
    our, theirs = PAIRS[1]
    ids = some_ids()
    ids[1, :2] = 0
    wanted = theirs.generate(ids, max_new_tokens=8, pad_token_id=0)
    assert torch.equal(our.generate(ids, max_new_tokens=8, pad_token_id=0), wanted)


def test_off_is_none_too():
    model = PAIRS[0][0]
    off = dict.fromkeys(["temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty", "no_repeat_ngram_size"])
    plain = {"temperature": 1.0, "top_k": 0}
    options = {"do_sample": True, "seed": 1, "max_new_tokens": 5}
    assert torch.equal(model.generate(some_ids(), **options, **off), model.generate(some_ids(), **options, **plain))


def test_top_k_one_is_greedy():
    model = PAIRS[0][0]
    sampled = model.generate(some_ids(), do_sample=True, top_k=1, max_new_tokens=8)
    assert torch.equal(sampled, model.generate(some_ids(), max_new_tokens=8))


def test_temperature_zero_ignores_the_seed():
    model = PAIRS[0][0]
    texts = [model.generate(some_ids(), do_sample=True, temperature=0.0, seed=seed, max_new_tokens=8) for seed in (1, 2)]
    assert torch.equal(*texts)
    assert torch.equal(texts[0], model.generate(some_ids(), max_new_tokens=8))


# ---- rows and seeds


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**63 - 1), others=st.integers(0, 3), place=st.integers(0, 3), padding=st.integers(0, 4))
def test_a_seed_gives_the_same_text_whatever_else_is_in_the_batch(seed, others, place, padding):
    model = PAIRS[0][0]
    prompt = some_ids(1, 4, seed=9)
    alone = model.generate(prompt, seed=seed, **SAMPLING)[0, 4:]
    place = min(place, others)
    batch = torch.cat((some_ids(others, 4)[:place], prompt, some_ids(others, 4)[place:]))
    batch = torch.cat((torch.zeros(others + 1, padding, dtype=torch.long), batch), 1)
    mask = torch.ones_like(batch)
    mask[:, :padding] = 0
    found = model.generate(batch, attention_mask=mask, seed=seed, **SAMPLING)[place, 4 + padding :]
    assert found[: len(alone)].tolist() == alone.tolist()
    assert (found[len(alone) :] == 60).all()


def test_one_seed_gives_different_return_sequences_that_repeat():
    model = PAIRS[0][0]
    first = model.generate(some_ids(2), seed=5, num_return_sequences=3, **SAMPLING)
    assert first.shape[0] == 6
    assert torch.equal(first[:3, :6], some_ids(2)[:1].expand(3, -1))
    assert len({tuple(row) for row in first.tolist()}) == 6
    assert torch.equal(first, model.generate(some_ids(2), seed=5, num_return_sequences=3, **SAMPLING))
    one = model.generate(some_ids(2), seed=5, **SAMPLING)
    assert torch.equal(first[::3][:, : one.shape[1]], one)


def test_without_a_seed_torchs_generator_decides():
    model = PAIRS[0][0]
    texts = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        texts.append(model.generate(some_ids(), **SAMPLING).tolist())
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("name", FORMATS)
def test_packed_rows_are_written_together_as_each_would_be_alone(name):
    model = packed(name)
    rows = [[n, n + 1, 5] for n in range(10)]
    for options in ({}, {"do_sample": True, "seed": 3}):
        together = model.generate(torch.tensor(rows), max_new_tokens=12, pad_token_id=0, eos_token_id=(), **options)
        for row, found in zip(rows, together.tolist(), strict=True):
            alone = model.generate(torch.tensor([row]), max_new_tokens=12, pad_token_id=0, eos_token_id=(), **options)
            assert found == alone[0].tolist()


def test_generate_and_the_engine_write_the_same_text():
    model = PAIRS[0][0]
    prompt = some_ids(1)[0].tolist()
    with Engine(model) as engine:
        steps = list(engine.submit(prompt, SamplingParams(do_sample=True, seed=3, temperature=1.5, max_new_tokens=8)))
    assert model.generate(some_ids(1), seed=3, **SAMPLING)[0, 6:].tolist() == [step.id for step in steps]


def test_the_prompt_stays_as_it_was_and_the_model_too():
    model, ids = ours(), some_ids()
    before = ids.clone()
    found = model.generate(ids.to(torch.int32), max_new_tokens=3)
    assert torch.equal(ids, before)
    assert torch.equal(found[:, :6], ids)
    assert (found.dtype, found.requires_grad, found.is_inference()) == (torch.int64, False, False)


def test_without_a_prompt_the_text_begins_with_bos():
    model = ours()
    found = model.generate(max_new_tokens=3)
    assert torch.equal(found, model.generate(torch.tensor([[59]]), max_new_tokens=3))


def test_a_row_of_padding_alone_begins_with_bos():
    model = ours()
    mask = torch.tensor([[0, 0], [1, 1]])
    found = model.generate(torch.tensor([[0, 0], [1, 2]]), attention_mask=mask, max_new_tokens=3, eos_token_id=())
    assert torch.equal(found[:1, 2:], model.generate(max_new_tokens=3, eos_token_id=())[:, 1:])


# ---- streaming


class Listener:
    """A streamer that keeps what it hears."""

    def __init__(self, fail_at=None):
        self.heard, self.ended, self.fail_at = [], 0, fail_at

    def put(self, value):
        assert value.device.type == "cpu"
        self.heard.append(value)
        if len(self.heard) == self.fail_at:
            raise ConnectionError("the listener left")

    def end(self):
        self.ended += 1


@pytest.mark.parametrize("rows", [1, 3])
def test_a_streamer_hears_the_prompt_then_each_step_then_the_end(rows):
    our, theirs = PAIRS[2]
    options = {"max_new_tokens": 12, "eos_token_id": [60, 1, 5, 7, 9, 11]}
    ours_, theirs_ = Listener(), Listener()
    found = our.generate(some_ids(rows), streamer=ours_, **options)
    their_generate(theirs, some_ids(rows), streamer=theirs_, **options)
    assert ours_.ended == 1
    assert [value.tolist() for value in ours_.heard] == [value.tolist() for value in theirs_.heard]
    assert torch.equal(torch.cat((ours_.heard[0], torch.stack(ours_.heard[1:], 1)), 1), found)


def test_a_streamer_changes_no_text():
    model = PAIRS[0][0]
    assert torch.equal(
        model.generate(some_ids(), seed=1, streamer=Listener(), **SAMPLING), model.generate(some_ids(), seed=1, **SAMPLING)
    )


def test_a_streamer_that_fails_ends_the_generation():
    listener = Listener(fail_at=3)
    with pytest.raises(ConnectionError, match="the listener left"):
        ours().generate(some_ids(), max_new_tokens=12, streamer=listener)
    assert (len(listener.heard), listener.ended) == (3, 1)


def test_transformers_text_streamer_works(capsys):
    from transformers import TextStreamer

    class Letters:
        def decode(self, ids, **_):
            return "".join(chr(0x4E00 + id) for id in ids)

    ours().generate(some_ids(1), max_new_tokens=4, eos_token_id=(), streamer=TextStreamer(Letters(), skip_prompt=True))
    assert len(capsys.readouterr().out.strip()) == 4


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_length": 6}, "max_length=6 counts the prompt, which has 6 ids already"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"temperature": -1, "do_sample": True}, "temperature=-1"),
        ({"top_p": 1.5}, "top_p=1.5"),
        ({"num_return_sequences": 2}, "greedy has only one"),
        ({"num_return_sequences": 0}, "num_return_sequences=0 must be a whole number from 1"),
        ({"num_beams": 0}, "num_beams=0 must be"),
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences=3 must be at most num_beams=2"),
        ({"num_beams": 2, "streamer": Listener()}, "a streamer cannot follow num_beams=2"),
        ({"num_beams": 2, "early_stopping": "soon"}, "early_stopping='soon' must be"),
        ({"eos_token_id": 61}, "61"),
        ({"eos_token_id": torch.tensor(61), "num_beams": 2}, "eos_token_id holds id 61"),
        ({"num_beams": 2, "length_penalty": 1e6}, "length_penalty=1000000.0 must be from"),
        ({"num_beams": 2, "length_penalty": -51}, "length_penalty=-51 must be from"),
        ({"num_beams": 2, "length_penalty": float("nan")}, "length_penalty=nan must be"),
        ({"max_new_tokens": "4"}, "max_new_tokens='4' must be a whole number"),
        ({"attention_mask": torch.ones(3, 5)}, r"attention_mask has the shape \(3, 5\), input_ids \(3, 6\)"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, words):
    with pytest.raises(ParameterError, match=words):
        ours().generate(some_ids(), **options)


@pytest.mark.parametrize("penalty", [50, -50.0])
def test_the_largest_length_penalty_still_compares_texts(penalty):
    assert ours().generate(some_ids(), num_beams=2, length_penalty=penalty, max_new_tokens=4).shape[1] > 6


@pytest.mark.parametrize(
    "ids", [torch.tensor([1, 2]), torch.ones(1, 0, dtype=torch.long), torch.ones(1, 2)], ids=["1-D", "empty", "float"]
)
def test_ids_of_another_shape_are_refused(ids):
    with pytest.raises(ParameterError, match="input_ids must be whole numbers of the shape"):
        ours().generate(ids)


def test_a_list_of_ids_is_refused_with_the_way_out():
    with pytest.raises(ParameterError, match=r"input_ids must be a tensor, found list: torch\.tensor\(\[ids\]\)"):
        ours().generate([1, 2])


@pytest.mark.parametrize("num_beams", [1, 2])
def test_an_id_outside_the_vocabulary_is_refused(num_beams):
    with pytest.raises((ParameterError, ValueError), match="99"):
        ours().generate(torch.tensor([[1, 99]]), num_beams=num_beams, max_new_tokens=2)


@pytest.mark.parametrize("num_beams", [1, 2])
@pytest.mark.parametrize("options", [{"max_new_tokens": 60}, {"max_length": 65}])
def test_what_does_not_fit_the_context_is_refused(num_beams, options):
    with pytest.raises(PromptTooLong, match=r"the prompt has 6 tokens and (59|60) new ones .* but the context is 64"):
        ours().generate(some_ids(), num_beams=num_beams, **options)


def test_the_context_can_be_filled_to_the_last_token():
    assert ours().generate(some_ids(), max_length=64, eos_token_id=()).shape == (3, 64)


def test_without_bos_a_prompt_is_needed():
    with pytest.raises(ParameterError, match="no bos_token_id"):
        ours(bos_token_id=None).generate()
