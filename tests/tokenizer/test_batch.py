"""Calling the tokenizer: rows, padding, truncation, attention masks, arrays; the habits of transformers' users."""

import copy
import pickle

import numpy as np
import pytest
import torch

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.errors import ParameterError

TEXTS = ["猫", "慶應大学である", ""]


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary):
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


@pytest.fixture(scope="module")
def theirs(tiny_vocabulary):
    from transformers import GPTNeoXJapaneseTokenizer as Theirs

    return Theirs(str(tiny_vocabulary / "vocab.txt"), str(tiny_vocabulary / "emoji.json"))


OPTIONS = [
    {},
    {"padding": True},
    {"padding": "longest", "padding_side": "left"},
    {"padding": "max_length", "max_length": 6},
    {"padding": "max_length", "max_length": 2, "truncation": True},
    {"truncation": True, "max_length": 1},
    {"padding": True, "pad_to_multiple_of": 4},
    {"padding": "max_length", "max_length": 6, "pad_to_multiple_of": 4},
    {"padding": True, "truncation": "longest_first", "max_length": 2, "padding_side": "left"},
    {"padding": True, "add_special_tokens": False},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("text", [TEXTS, TEXTS[1], TEXTS[:1]], ids=["rows", "one", "one row"])
def test_a_call_gives_what_transformers_gives(tokenizer, theirs, options, text):
    assert dict(tokenizer(text, **options)) == dict(theirs(text, **options))


@pytest.mark.parametrize("kind", ["pt", "np"])
@pytest.mark.parametrize("text", [TEXTS, TEXTS[1]], ids=["rows", "one"])
def test_arrays_are_those_of_transformers(tokenizer, theirs, kind, text):
    ours, expected = (one(text, padding=True, return_tensors=kind) for one in (tokenizer, theirs))
    for name in ("input_ids", "attention_mask"):
        assert type(ours[name]) is type(expected[name])
        assert ours[name].dtype == expected[name].dtype
        assert ours[name].tolist() == expected[name].tolist()


def test_one_text_becomes_one_row(tokenizer):
    assert tokenizer("猫である", return_tensors="pt").input_ids.shape == (1, 2)
    assert tokenizer("", return_tensors="np").input_ids.shape == (1, 0)
    assert tokenizer("", return_tensors="pt").input_ids.dtype == torch.int64
    assert tokenizer([], return_tensors="np", padding=True).input_ids.shape == (0, 0)


def test_padding_is_the_end_token_and_masked(tokenizer):
    encoding = tokenizer(TEXTS[:2], padding=True, return_tensors="np")
    masked = encoding.input_ids[encoding.attention_mask == 0]
    assert set(masked.tolist()) == {tokenizer.pad_token_id} == {tokenizer.eos_token_id}


def test_the_side_of_padding_may_be_set_once(tiny_vocabulary):
    tokenizer = GPTNeoXJapaneseTokenizer(tiny_vocabulary / "vocab.txt", tiny_vocabulary / "emoji.json", padding_side="left")
    assert tokenizer(TEXTS[:2], padding=True).attention_mask[0] == [0, 0, 1]
    assert tokenizer(TEXTS[:2], padding=True, padding_side="right").attention_mask[0] == [1, 0, 0]


def test_the_length_of_the_model_is_where_truncation_cuts(tiny_vocabulary):
    tokenizer = GPTNeoXJapaneseTokenizer(tiny_vocabulary / "vocab.txt", tiny_vocabulary / "emoji.json", model_max_length=2)
    assert len(tokenizer(TEXTS[1], truncation=True).input_ids) == 2
    assert len(tokenizer(TEXTS[1]).input_ids) == 3


def test_an_encoding_goes_by_key_by_attribute_and_by_stars(tokenizer):
    encoding = tokenizer("猫", return_tensors="pt")
    assert encoding.input_ids is encoding["input_ids"]
    assert set(dict(**encoding)) == {"input_ids", "attention_mask"}
    assert encoding.to("cpu").input_ids.tolist() == encoding.input_ids.tolist()
    assert tokenizer("猫").to("cpu") == tokenizer("猫")
    with pytest.raises(AttributeError, match="input_ids, attention_mask, not 'labels'"):
        _ = encoding.labels


def test_an_encoding_can_be_copied_and_pickled(tokenizer):
    encoding = tokenizer(["猫", "犬"], return_tensors="np")
    for again in (copy.deepcopy(encoding), pickle.loads(pickle.dumps(encoding))):
        assert np.array_equal(again.input_ids, encoding.input_ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"return_tensors": "pt"}, r"rows have 0 to 3 tokens and cannot be one array. Pass padding=True"),
        ({"return_tensors": "tf"}, r"return_tensors='tf': choose one of None, 'pt', 'np'"),
        ({"padding": "most"}, r"padding='most': choose one of"),
        ({"truncation": "some"}, r"truncation='some': choose one of"),
        ({"padding": True, "padding_side": "top"}, r"padding_side='top': choose one of 'left', 'right'"),
        ({"padding": "max_length"}, r"padding='max_length' needs max_length="),
        ({"truncation": True, "max_length": 0}, r"max_length=0 must be at least 1"),
        ({"padding": True, "pad_to_multiple_of": -1}, r"pad_to_multiple_of=-1 must be at least 1"),
        ({"max_length": 4}, r"max_length=4 has no effect alone: add truncation=True"),
    ],
)
def test_options_that_cannot_be_met_are_refused(tokenizer, options, message):
    with pytest.raises(ParameterError, match=message):
        tokenizer(TEXTS, **options)


@pytest.mark.parametrize("text", [None, 3, ["猫", 3], b"x"])
def test_what_is_no_text_is_refused(tokenizer, text):
    with pytest.raises(ParameterError, match="text must be a str or a list of str"):
        tokenizer(text)
