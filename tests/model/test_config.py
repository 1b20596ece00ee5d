"""GPTNeoXJapaneseConfig: both spellings, and what it refuses."""

import json
import time

import pytest

from neoxjp.errors import ConfigError
from neoxjp.model import GPTNeoXJapaneseConfig
from tests.support.tiny_model import TINY, our_config

REAL = {  # config.json of abeja/gpt-neox-japanese-2.7b
    "architectures": ["GPTNeoXJapaneseForCausalLM"],
    "bos_token_id": 31999,
    "eos_token_id": 31999,
    "hidden_act": "gelu",
    "hidden_size": 2560,
    "initializer_range": 0.02,
    "intermediate_multiple_size": 4,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 2048,
    "model_type": "gpt_neox_japanese",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "rotary_emb_base": 10000,
    "rotary_pct": 1.00,
    "transformers_version": "4.23.0.dev0",
    "use_cache": True,
    "vocab_size": 32000,
}


def test_the_real_config_is_read():
    config = GPTNeoXJapaneseConfig.from_dict(REAL)
    assert (config.head_dim, config.rotary_ndims, config.intermediate_size) == (80, 80, 10240)
    assert (config.bos_token_id, config.eos_ids, config.dtype) == (31999, (31999,), None)


def test_the_old_and_the_new_spelling_mean_the_same():
    old = {"rotary_pct": 0.25, "rotary_emb_base": 5000, "torch_dtype": "float16"}
    new = {"rope_parameters": {"rope_type": "default", "rope_theta": 5000, "partial_rotary_factor": 0.25}, "dtype": "float16"}
    assert GPTNeoXJapaneseConfig.from_dict(old) == GPTNeoXJapaneseConfig.from_dict(new)
    assert GPTNeoXJapaneseConfig.from_dict(old).rotary_ndims == 20


def test_where_both_spellings_stand_the_new_one_counts():
    assert (
        GPTNeoXJapaneseConfig.from_dict({"rotary_pct": 1.0, "rope_parameters": {"partial_rotary_factor": 0.5}}).rotary_pct == 0.5
    )


@pytest.mark.parametrize(
    "changes", [{}, {"rotary_pct": 0.5}, {"eos_token_id": [60, 3]}, {"dtype": "bfloat16"}, {"pad_token_id": 0}]
)
def test_to_dict_reads_back(changes):
    config = our_config(**changes)
    assert GPTNeoXJapaneseConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_transformers_reads_the_written_config():
    from transformers import GPTNeoXJapaneseConfig as Theirs

    theirs = Theirs(**our_config(rotary_pct=0.5, rotary_emb_base=5000.0, dtype="float16", tie_word_embeddings=False).to_dict())
    assert theirs.rope_parameters == {"rope_type": "default", "rope_theta": 5000.0, "partial_rotary_factor": 0.5}
    assert (str(theirs.dtype), theirs.tie_word_embeddings, theirs.hidden_size) == ("torch.float16", False, 32)


def test_what_transformers_writes_is_read(tmp_path):
    from transformers import GPTNeoXJapaneseConfig as Theirs

    raw = {key: value for key, value in our_config(rotary_pct=0.5).to_dict().items() if not key.startswith("rotary")}
    Theirs(**raw).save_pretrained(tmp_path)
    assert GPTNeoXJapaneseConfig.from_pretrained(tmp_path) == our_config(rotary_pct=0.5)


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"bos_token_id": 61}, (None, (60,))),
        ({"eos_token_id": 31999}, (59, ())),
        ({"eos_token_id": [60, 61]}, (59, (60,))),
        ({"eos_token_id": -1}, (59, ())),
    ],
)
def test_a_bos_or_eos_outside_the_vocabulary_is_ignored_with_a_warning(ids, expected):
    with pytest.warns(UserWarning, match=r"is outside the vocabulary of 61 and is ignored") as warned:
        config = GPTNeoXJapaneseConfig.from_dict(TINY | ids)
    assert (config.bos_token_id, config.eos_ids) == expected
    assert str(warned[0].message).startswith(f"config.json's {next(iter(ids))} {next(iter(ids.values()))!r}")


def test_a_small_vocabulary_has_no_default_end_token():
    config = GPTNeoXJapaneseConfig.from_dict({"vocab_size": 100})
    assert (config.bos_token_id, config.eos_token_id, config.eos_ids) == (None, None, ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden_size": 0}, "hidden_size is 0, not a whole number of at least 1"),
        ({"vocab_size": "many"}, "vocab_size is 'many'"),
        ({"num_hidden_layers": True}, "num_hidden_layers is True"),
        ({"hidden_size": 30}, "hidden_size 30 does not divide into num_attention_heads 4"),
        ({"rotary_pct": 0.4}, "rotates 3 of a head's 8 numbers"),
        ({"rotary_pct": 1.5}, "rotary_pct is 1.5, not a number from 0 to 1"),
        ({"rotary_emb_base": 0}, "rotary_emb_base is 0, not a number above 0"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps is nan"),
        ({"initializer_range": 10**400}, "initializer_range is 1000"),
        ({"hidden_act": "swiglu"}, "hidden_act is 'swiglu', not one of gelu"),
        ({"dtype": "int4"}, "dtype is 'int4', not one of float32"),
        ({"eos_token_id": 61}, "eos_token_id is 61, outside the vocabulary of 61"),
        ({"eos_token_id": [1, -1]}, "eos_token_id is (1, -1)"),
        ({"bos_token_id": 1.5}, "bos_token_id is 1.5"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes'"),
    ],
)
def test_nonsense_is_named_with_its_range(changes, words):
    with pytest.raises(ConfigError) as caught:
        our_config(**changes)
    assert words in str(caught.value)


def test_all_faults_come_in_one_error():
    with pytest.raises(ConfigError, match=r"hidden_size is -1.*rotary_pct is 2.*hidden_act is None"):
        our_config(hidden_size=-1, rotary_pct=2, hidden_act=None)


def test_another_kind_of_model_is_refused():
    with pytest.raises(ConfigError, match="model_type 'llama'"):
        GPTNeoXJapaneseConfig.from_dict({"model_type": "llama"})


@pytest.mark.parametrize(("rope", "words"), [({"rope_type": "yarn"}, "rope_type 'yarn'"), ([1], r"must be an object, not \[1\]")])
def test_other_positions_are_refused(rope, words):
    with pytest.raises(ConfigError, match=words):
        GPTNeoXJapaneseConfig.from_dict({"rope_parameters": rope})


def test_an_error_of_a_file_names_it(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(TINY | {"hidden_size": 0}))
    with pytest.raises(ConfigError, match=r"config\.json: .*hidden_size is 0"):
        GPTNeoXJapaneseConfig.from_pretrained(tmp_path)


def test_a_config_cannot_be_changed():
    with pytest.raises(AttributeError):
        our_config().hidden_size = 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_hidden_layers", 10**9),
        ("hidden_size", 2**40),
        ("vocab_size", 10**12),
        ("max_position_embeddings", 10**18),
        ("num_attention_heads", 10**6),
        ("intermediate_multiple_size", 10**30),
    ],
)
def test_absurd_sizes_are_refused_at_once(field, value):
    began = time.monotonic()
    with pytest.raises(ConfigError, match=rf"{field} is .*, more than ") as caught:
        GPTNeoXJapaneseConfig(**{field: value})
    assert time.monotonic() - began < 1
    assert len(str(caught.value)) < 1_000


def test_sizes_that_are_absurd_together_are_refused():
    with pytest.raises(ConfigError, match=r"these sizes make 5\.2e\+13 parameters, more than 1e\+12"):
        GPTNeoXJapaneseConfig(hidden_size=65_536, num_hidden_layers=1_000)


def test_a_checkpoint_with_a_billion_layers_is_refused_before_anything_is_built(tmp_path):
    from neoxjp import GPTNeoXJapaneseForCausalLM

    (tmp_path / "config.json").write_text('{"model_type": "gpt_neox_japanese", "num_hidden_layers": 1000000000}')
    (tmp_path / "model.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"config\.json: .*num_hidden_layers is 1,000,000,000, more than 1,000"):
        GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path)
    assert time.monotonic() - began < 5
