"""GPT-NeoX-Japanese without the transformers library.

>>> from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer

Names are imported on first use: `import neoxjp` loads neither torch, gradio nor pandas.
"""

from importlib import import_module

__version__ = "0.1.0"

_HOME = {
    "GPTNeoXJapaneseConfig": "model.config",
    "GPTNeoXJapaneseTokenizer": "tokenizer.tokenizer",
    "GPTNeoXJapaneseModel": "model.causal_lm",
    "GPTNeoXJapaneseForCausalLM": "model.causal_lm",
    "KVCache": "model.attention",
    "backend_in_use": "model.attention",
    "SamplingParams": "sampling.sampler",
    "Engine": "engine.engine",
    "Step": "engine.engine",
    "score": "engine.engine",
    "NeoxjpError": "errors",
}
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'neoxjp' has no attribute {name!r}")
    return getattr(import_module(f"neoxjp.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
