"""A model for inference as a user asks for it: found, its dtype and device chosen, loaded with as many threads as it may use.

The page, the command line and the benchmarks load with this one function. `from_pretrained` is the step below: it takes dtype
and device as they are given.
"""

from collections.abc import Callable
from pathlib import Path

import torch

from neoxjp.engine import limit_threads_to_quota
from neoxjp.hub import resolve_model
from neoxjp.model.causal_lm import GPTNeoXJapaneseForCausalLM
from neoxjp.model.kv_cache import parse_cache_dtype
from neoxjp.model.memory import cpu_dtype
from neoxjp.quantization import parse_quantization
from neoxjp.weights import parse_dtype


def load_model(
    name: str,
    *,
    revision: str | None = None,
    dtype: str | None = "auto",
    quantization: str | None = None,
    cache_dtype: str | None = None,
    device: str | None = None,
    offline: bool = False,
    progress: Callable[[int, int], None] | None = None,
    before_reading: Callable[[Path, torch.dtype | None, str | None], None] | None = None,
) -> tuple[GPTNeoXJapaneseForCausalLM, Path]:
    """Find and load a model, ready to generate.

    Args:
        name: a folder, or a Hub id with its `revision`.
        dtype: "float32", "bfloat16" or "float16"; "auto": as stored, on a CPU the fastest one that loses nothing.
        quantization: "int8", "int4", or None.
        cache_dtype: the format of KV caches, as for `from_pretrained`.
        device: "cpu", "cuda", "cuda:1", …, or "auto": accelerate spreads the layers. None: the GPU if there is one.
        offline: no request leaves this machine.
        progress: called with (bytes done, bytes in all) while the weights are downloaded, and again while they are read.
        before_reading: called with the folder, dtype and quantization that were found, before the weights are read; it may raise.

    Returns:
        The model, and the folder that holds its files.

    Raises:
        CheckpointError, ConfigError, ParameterError: as `from_pretrained`.
    """
    packed = parse_quantization(quantization)
    parse_cache_dtype(cache_dtype)
    wanted = parse_dtype(dtype or "auto")
    folder = resolve_model(name, revision=revision, local_files_only=offline, progress=progress)
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if wanted is None and place == "cpu" and packed is None:
        wanted = cpu_dtype(folder)
    if before_reading is not None:
        before_reading(folder, wanted, packed)
    limit_threads_to_quota()
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(
        folder,
        dtype=wanted,
        quantization=packed,
        cache_dtype=cache_dtype,
        device_map=None if place == "cpu" else place,
        progress=progress,
    )
    return model, folder
