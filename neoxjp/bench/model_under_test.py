"""The model that is measured: a folder, or a shape with random weights, the same for our model and every peer.

Random weights are built part by part in the wanted format, so that the 2.7B shape never needs its float32 size in memory.
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from neoxjp.bench.common import show_status
from neoxjp.errors import ParameterError
from neoxjp.export import Part, stored_parts, tensor_shapes
from neoxjp.hub import resolve_model
from neoxjp.model import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM, parse_cache_dtype
from neoxjp.quantization import linear_names, pack_linear, packing_for
from neoxjp.weights import empty_weights, parse_dtype, read_quantization

SHAPES = {
    "2.7b": GPTNeoXJapaneseConfig(attention_dropout=0.0),
    # The bundled model's, and one for tests.
    "small": GPTNeoXJapaneseConfig(8000, 384, 6, 6, max_position_embeddings=512, attention_dropout=0.0, bos_token_id=7999,
                                   eos_token_id=7999),
    "tiny": GPTNeoXJapaneseConfig(256, 64, 2, 4, max_position_embeddings=256, attention_dropout=0.0, bos_token_id=255,
                                  eos_token_id=255),
}  # fmt: skip
# name of a format → dtype and quantization of from_pretrained
FORMATS: dict[str, tuple[str, str | None]] = {
    "float32": ("float32", None),
    "bfloat16": ("bfloat16", None),
    "float16": ("float16", None),
    "int8": ("auto", "int8"),
    "int4": ("auto", "int4"),
}
_POOL = 4_000_037  # random numbers that are drawn; no multiple of a width, so that rows differ


@dataclass(frozen=True)
class ModelUnderTest:
    """What to measure. Make it with `choose_model`."""

    name: str  # "2.7b, random weights" or the folder
    config: GPTNeoXJapaneseConfig
    folder: Path | None  # None: random weights
    seed: int = 0

    def load(
        self, dtype: str = "auto", quantization: str | None = None, device: str = "cpu", cache_dtype: str | None = None
    ) -> GPTNeoXJapaneseForCausalLM:
        """Our implementation with these weights, ready to generate. dtype "auto": as stored, float32 for random weights."""
        if self.folder is not None:
            as_stored = dtype == "auto" and read_quantization(self.folder) is not None  # with its kernels
            return GPTNeoXJapaneseForCausalLM.from_pretrained(
                self.folder,
                dtype=None if as_stored else dtype,
                quantization=quantization,
                cache_dtype=cache_dtype,
                device_map=device,
            )
        return _random_model(self, dtype, quantization, device, cache_dtype)

    def load_format(self, form: str, cache_dtype: str | None = None, device: str = "cpu") -> GPTNeoXJapaneseForCausalLM:
        """The same in a format of FORMATS, or from a folder, for example of `neoxjp quantize`, with a model of the same size.

        Raises ParameterError for a folder with another model.
        """
        if form in FORMATS:
            return self.load(*FORMATS[form], device=device, cache_dtype=cache_dtype)
        other = choose_model("", form)
        for name in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"):
            mine, theirs = getattr(self.config, name), getattr(other.config, name)
            if mine != theirs:
                raise ParameterError(f"{form!r} has {name}={theirs}, and {self.name} {mine}: only the same model is compared")
        return other.load(device=device, cache_dtype=cache_dtype)

    def parts(self) -> list[Part]:
        """Every tensor, to be read one after the other; a tied output is left out. Random ones are float32."""
        if self.folder is not None:
            return stored_parts(self.folder, self.config)
        pool = torch.randn(_POOL, generator=torch.Generator().manual_seed(self.seed)) * self.config.initializer_range
        parts, start = [], 0
        for name, shape in tensor_shapes(self.config).items():
            if name == "embed_out.weight" and self.config.tie_word_embeddings:
                continue
            parts.append(Part(name, shape, torch.float32, functools.partial(_random, pool, start, name, shape)))
            start += math.prod(shape)
        return parts

    @property
    def linear_weights(self) -> int:
        """Weights of all linear layers, the output's included: what a decoding step reads."""
        c = self.config
        layer = c.hidden_size * (4 * c.hidden_size + 2 * c.intermediate_size)
        return c.num_hidden_layers * layer + c.vocab_size * c.hidden_size

    def prompt(self, length: int, number: int = 0) -> list[int]:
        """Random ids, the same for all in round `number` and different in the next, so that no cache can help."""
        generator = torch.Generator().manual_seed(1000 + number)
        return torch.randint(self.config.vocab_size - 1, (length,), generator=generator).tolist()


def choose_model(shape: str, model: str | None, *, revision: str | None = None, offline: bool = False) -> ModelUnderTest:
    """From the options --shape and --model; `model` has priority. Raises ParameterError, CheckpointError, ConfigError."""
    if model is not None:
        folder = resolve_model(model, revision=revision, local_files_only=offline)
        return ModelUnderTest(model, GPTNeoXJapaneseConfig.from_folder(folder), folder)
    if shape not in SHAPES:
        raise ParameterError(f"shape={shape!r} must be one of {', '.join(map(repr, SHAPES))}; or give a folder with --model")
    return ModelUnderTest(f"{shape} shape, random weights", SHAPES[shape], None)


def parse_formats(names: str) -> list[str]:
    """ "float16,int8" → ["float16", "int8"]. Raises ParameterError."""
    found = [name.strip() for name in names.split(",") if name.strip()]
    wrong = [name for name in found if name not in FORMATS]
    if wrong or not found:
        raise ParameterError(f"formats={names!r} must be some of {', '.join(FORMATS)}, separated by commas")
    return list(dict.fromkeys(found))


def parse_cached_format(name: str) -> tuple[str, str | None]:
    """ "int8+float16" → ("int8", "float16"): a format, or a folder, and behind +, that of its KV cache. Raises ParameterError."""
    if Path(name).is_dir():
        return name, None
    form, plus, cache = name.rpartition("+") if "+" in name else (name, "", "")
    if form not in FORMATS and not Path(form).is_dir():
        raise ParameterError(f"{name!r} is no format: choose {', '.join(FORMATS)} or a folder, with +int8 for an int8 cache")
    return form, parse_cache_dtype(cache) if plus else None


def parse_cached_formats(names: str) -> list[tuple[str, str | None]]:
    """ "int8,int8+float16" → [("int8", None), ("int8", "float16")]. Raises ParameterError."""
    found = [parse_cached_format(name) for name in filter(None, map(str.strip, names.split(",")))]
    if not found:
        raise ParameterError(f"formats={names!r} must be some of {', '.join(FORMATS)}, or folders, separated by commas")
    return list(dict.fromkeys(found))


def _random(pool: Tensor, start: int, name: str, shape: tuple[int, ...]) -> Tensor:
    """A matrix out of the pool, which is read cyclically from `start` on; for a norm ones, for a bias zeros."""
    if len(shape) == 1:
        return torch.full(shape, float("norm.weight" in name))
    flat = torch.empty(math.prod(shape))
    done = 0
    while done < len(flat):
        begin = (start + done) % len(pool)
        count = min(len(pool) - begin, len(flat) - done)
        flat[done : done + count] = pool[begin : begin + count]
        done += count
    return flat.view(shape)


def _random_model(
    measured: ModelUnderTest, dtype: str, quantization: str | None, device: str, cache_dtype: str | None
) -> GPTNeoXJapaneseForCausalLM:
    wanted = parse_dtype(dtype) or (None if quantization else torch.float32)
    packing = packing_for(wanted, quantization, torch.device(device))
    with empty_weights():
        model = GPTNeoXJapaneseForCausalLM(measured.config, cache_dtype=cache_dtype)
    plain = set(linear_names(model))
    for part in measured.parts():
        show_status(f"random weights: {part.name}")
        name, _, own = part.name.rpartition(".")
        weight = part.read().to(device)
        if name in plain and packing is not None:
            pack_linear(model, name, weight, packing)
            continue
        kept = wanted if packing is None else packing.embedding_dtype if "embed_in" in name else packing.norm_dtype
        setattr(model.get_submodule(name), own, torch.nn.Parameter(weight.to(kept), requires_grad=False))
        if "embed_in" in name and measured.config.tie_word_embeddings and packing is not None:
            pack_linear(model, "embed_out", weight, packing)
    if packing is None:
        model.tie_weights()
    show_status("")
    return model.eval()
