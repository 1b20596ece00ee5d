"""The network: configuration, attention and KV cache, `from_pretrained`, `generate`, beam search, and whether a model fits.

model = GPTNeoXJapaneseForCausalLM.from_pretrained("bundled")
model.generate(input_ids, do_sample=True)
"""

from neoxjp.model.attention import backend_in_use
from neoxjp.model.beam_search import BeamParams, BeamStep, generate_beams
from neoxjp.model.causal_lm import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseModel
from neoxjp.model.config import MODEL_TYPE, GPTNeoXJapaneseConfig
from neoxjp.model.kv_cache import CACHE_DTYPES, CacheDtype, KVCache, parse_cache_dtype
from neoxjp.model.layers import BatchLayout, GPTNeoXJapaneseLayer
from neoxjp.model.loading import load_model
from neoxjp.model.memory import (
    ModelTooLarge,
    check_memory,
    cpu_dtype,
    default_cache_dtype,
    free_memory,
    gib,
    needed_bytes,
    weight_bytes,
)
from neoxjp.model.rotary import rope

__all__ = [
    "CACHE_DTYPES",
    "MODEL_TYPE",
    "BatchLayout",
    "BeamParams",
    "BeamStep",
    "CacheDtype",
    "GPTNeoXJapaneseConfig",
    "GPTNeoXJapaneseForCausalLM",
    "GPTNeoXJapaneseLayer",
    "GPTNeoXJapaneseModel",
    "KVCache",
    "ModelTooLarge",
    "backend_in_use",
    "check_memory",
    "cpu_dtype",
    "default_cache_dtype",
    "free_memory",
    "generate_beams",
    "gib",
    "load_model",
    "needed_bytes",
    "parse_cache_dtype",
    "rope",
    "weight_bytes",
]
