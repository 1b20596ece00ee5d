"""The values of config.json, checked once: every `GPTNeoXJapaneseConfig` describes a possible network.

Reads the spelling of transformers 4 (rotary_pct, rotary_emb_base, torch_dtype) and of transformers 5 (rope_parameters, dtype),
and writes one file that both read. Unknown keys are ignored.
"""

import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from neoxjp.errors import ConfigError
from neoxjp.hub import read_json, resolve_folder

MODEL_TYPE = "gpt_neox_japanese"
DTYPES = ("float32", "bfloat16", "float16", "float64")
# The exact GELU is "gelu"; "gelu_new", "gelu_fast" and "gelu_pytorch_tanh" are three spellings of its tanh approximation.
ACTIVATIONS = ("gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "silu")
_COUNTS = {  # with the largest value that is accepted: beyond every model of this kind, and still refused at once
    "vocab_size": 2_000_000,
    "hidden_size": 65_536,
    "num_hidden_layers": 1_000,
    "num_attention_heads": 1_024,
    "intermediate_multiple_size": 64,
    "max_position_embeddings": 4_194_304,
}
MOST_PARAMETERS = 10**12
_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


@dataclass(frozen=True)
class GPTNeoXJapaneseConfig:
    """The shape of one model. The defaults are those of the 2.7B model; `ConfigError` names every wrong field."""

    vocab_size: int = 32000
    hidden_size: int = 2560
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    intermediate_multiple_size: int = 4  # width of the MLP, in hidden sizes
    hidden_act: str = "gelu"  # one of ACTIVATIONS
    rotary_pct: float = 1.0  # the share of each head that is rotated, 0 to 1
    rotary_emb_base: float = 10000.0
    max_position_embeddings: int = 2048  # the context, in tokens
    initializer_range: float = 0.02  # standard deviation of fresh weights
    layer_norm_eps: float = 1e-5
    attention_dropout: float = 0.1  # in training only
    hidden_dropout: float = 0.0  # in training only
    bos_token_id: int | None = 31996
    eos_token_id: int | tuple[int, ...] | None = 31999
    pad_token_id: int | None = None
    tie_word_embeddings: bool = True
    dtype: str | None = None  # one of DTYPES: how the weights are stored; None: config.json does not say

    def __post_init__(self) -> None:
        if isinstance(self.eos_token_id, list):
            object.__setattr__(self, "eos_token_id", tuple(self.eos_token_id))
        faults = _faults(self)
        if faults:
            raise ConfigError(
                "This config describes no possible network: "
                + "; ".join(faults)
                + ". Correct it, or take the config.json that belongs to the weights.",
                ja=f"この設定ではモデルを作れません（{'; '.join(faults)}）。設定を修正するか、"
                "重みに付属する config.json を使ってください。",
            )

    @property
    def head_dim(self) -> int:
        """Numbers in one head's query, key or value."""
        return self.hidden_size // self.num_attention_heads

    @property
    def rotary_ndims(self) -> int:
        """How many of the `head_dim` numbers are rotated by position: 80 × 0.25 → 20."""
        return int(self.head_dim * self.rotary_pct)

    @property
    def intermediate_size(self) -> int:
        """Width of the MLP's inner layer."""
        return self.hidden_size * self.intermediate_multiple_size

    @property
    def eos_ids(self) -> tuple[int, ...]:
        """The ids that end a text; empty where there is none."""
        if self.eos_token_id is None:
            return ()
        return self.eos_token_id if isinstance(self.eos_token_id, tuple) else (self.eos_token_id,)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "GPTNeoXJapaneseConfig":
        """Read a config.json's object in either format; if it has both, the new one is used.

        >>> GPTNeoXJapaneseConfig.from_dict({"rope_parameters": {"rope_theta": 5000, "partial_rotary_factor": 0.25}}).rotary_ndims
        20
        """
        if raw.get("model_type", MODEL_TYPE) != MODEL_TYPE:
            raise ConfigError(
                f"config.json says model_type {raw['model_type']!r}: only {MODEL_TYPE!r} can be loaded. Choose a folder or Hub "
                "id with such a model, for example 'abeja/gpt-neox-japanese-2.7b'.",
                ja=f"config.json の model_type は {raw['model_type']!r} です。読み込めるのは {MODEL_TYPE!r} だけです。",
            )
        known = {field.name for field in fields(cls)}
        numbers = {key: value for key, value in raw.items() if key in known}
        numbers |= _rope(raw)
        dtype = raw.get("dtype") or raw.get("torch_dtype")
        numbers["dtype"] = str(dtype).removeprefix("torch.") if dtype is not None else None
        vocab_size = numbers.get("vocab_size", cls.vocab_size)
        if _is_int(vocab_size):
            for name in ("bos_token_id", "eos_token_id"):
                if name in numbers:
                    numbers[name] = _inside(name, numbers[name], vocab_size)
                elif getattr(cls, name) >= vocab_size:  # the 2.7B's ids mean nothing in a smaller vocabulary
                    numbers[name] = None
        return cls(**numbers)

    def to_dict(self) -> dict[str, Any]:
        """The object to write as config.json: read by this class and by transformers 4 and 5."""
        raw: dict[str, Any] = {"architectures": ["GPTNeoXJapaneseForCausalLM"], "model_type": MODEL_TYPE}
        raw |= {field.name: getattr(self, field.name) for field in fields(self) if field.name != "dtype"}
        if isinstance(self.eos_token_id, tuple):
            raw["eos_token_id"] = list(self.eos_token_id)
        raw["rope_parameters"] = {
            "rope_type": "default",
            "rope_theta": self.rotary_emb_base,
            "partial_rotary_factor": self.rotary_pct,
        }
        if self.dtype is not None:
            raw["torch_dtype"] = self.dtype
        return raw

    @classmethod
    def from_pretrained(
        cls, name_or_path: str | Path, *, revision: str | None = None, local_files_only: bool = False
    ) -> "GPTNeoXJapaneseConfig":
        """Read config.json of a local folder or a Hub id; `ConfigError` names the file."""
        folder = resolve_folder(name_or_path, files=["config.json"], revision=revision, local_files_only=local_files_only)
        return cls.from_folder(folder)

    @classmethod
    def from_folder(cls, folder: Path) -> "GPTNeoXJapaneseConfig":
        """Read `folder`/config.json; `ConfigError` names the file."""
        path = folder / "config.json"
        try:
            return cls.from_dict(read_json(path))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}", ja=f"{path}: {error.ja}") from None


def _inside(name: str, value: Any, vocab_size: int) -> Any:
    """A token id, or a list of them, without those outside the vocabulary, of which a warning tells."""
    ids = value if isinstance(value, list | tuple) else [value]
    outside = [id for id in ids if _is_int(id) and not 0 <= id < vocab_size]
    if not outside:
        return value
    warnings.warn(
        f"config.json's {name} {value!r} is outside the vocabulary of {vocab_size} and is ignored: the model never predicts it.",
        stacklevel=4,
    )
    return tuple(id for id in ids if id not in outside) or None


def _rope(raw: Mapping[str, Any]) -> dict[str, Any]:
    """rotary_pct and rotary_emb_base out of transformers 5's rope_parameters (or 4's rope_scaling), where given."""
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    if not isinstance(rope, Mapping):
        raise ConfigError(
            f"config.json's rope_parameters must be an object, not {rope!r}. Remove it or correct it.",
            ja="config.json の rope_parameters はオブジェクトで指定してください。",
        )
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind != "default":
        raise ConfigError(
            f"config.json asks for rope_type {kind!r}: this network knows only 'default'. Choose another model.",
            ja=f"config.json の rope_type は {kind!r} ですが、対応しているのは 'default' だけです。別のモデルを選んでください。",
        )
    names = {"rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_pct"}
    return {ours: rope[theirs] for theirs, ours in names.items() if theirs in rope}


def _faults(config: GPTNeoXJapaneseConfig) -> list[str]:
    """Every wrong field, with the value found and the accepted range."""
    faults = [
        f"{name} is {getattr(config, name)!r}, not a whole number of at least 1"
        for name in _COUNTS
        if not _is_int(getattr(config, name)) or getattr(config, name) < 1
    ]
    faults += [
        f"{name} is {_short(getattr(config, name))}, more than {most:,}"
        for name, most in _COUNTS.items()
        if _is_int(getattr(config, name)) and getattr(config, name) > most
    ]
    for name, low, high in (("rotary_pct", 0, 1), ("attention_dropout", 0, 1), ("hidden_dropout", 0, 1)):
        value = getattr(config, name)
        if not _is_number(value) or not low <= value <= high:
            faults.append(f"{name} is {value!r}, not a number from {low} to {high}")
    for name in ("rotary_emb_base", "layer_norm_eps", "initializer_range"):
        value = getattr(config, name)
        if not _is_number(value) or not value > 0:
            faults.append(f"{name} is {value!r}, not a number above 0")
    if config.hidden_act not in ACTIVATIONS:
        faults.append(f"hidden_act is {config.hidden_act!r}, not one of {', '.join(ACTIVATIONS)}")
    if config.dtype is not None and config.dtype not in DTYPES:
        faults.append(f"dtype is {config.dtype!r}, not one of {', '.join(DTYPES)}")
    if not isinstance(config.tie_word_embeddings, bool):
        faults.append(f"tie_word_embeddings is {config.tie_word_embeddings!r}, not true or false")
    if faults:
        return faults  # what follows calculates with these numbers
    width, layers = config.hidden_size, config.num_hidden_layers
    parameters = layers * width * (4 * width + 2 * config.intermediate_size) + config.vocab_size * width
    if parameters > MOST_PARAMETERS:
        faults.append(f"these sizes make {parameters:.1e} parameters, more than {MOST_PARAMETERS:.0e}")
    if config.hidden_size % config.num_attention_heads:
        faults.append(f"hidden_size {config.hidden_size} does not divide into num_attention_heads {config.num_attention_heads}")
    elif config.rotary_ndims % 2:
        faults.append(
            f"rotary_pct {config.rotary_pct} rotates {config.rotary_ndims} of a head's {config.head_dim} numbers, which are "
            "rotated in pairs: choose one that gives an even count"
        )
    for name in _TOKENS:
        value = getattr(config, name)
        ids = value if isinstance(value, tuple) else (() if value is None else (value,))
        if not all(_is_int(id) and 0 <= id < config.vocab_size for id in ids):
            faults.append(f"{name} is {value!r}, outside the vocabulary of {config.vocab_size} (null means none)")
    return faults


def _short(value: int) -> str:
    return f"{value:,}" if value < 10**15 else "a number of more than 15 digits"


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -sys.float_info.max <= value <= sys.float_info.max
