"""GPT-NeoX-Japanese without the transformers library.

>>> from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer

Names are imported on first use: `import neoxjp` loads neither torch, gradio nor pandas.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "tokenizer": ["GPTNeoXJapaneseTokenizer"],
    "sampling": ["SamplingParams"],
    "engine": ["Engine", "Step", "score"],
    "model": [
        "GPTNeoXJapaneseConfig",
        "GPTNeoXJapaneseForCausalLM",
        "GPTNeoXJapaneseModel",
        "KVCache",
        "backend_in_use",
    ],
    "errors": ["NeoxjpError"],
}
__all__ = ["__version__", *(name for names in _NAMES.values() for name in names)]


def lazy_names(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A `__getattr__` for `package` that imports each name at its first use. names: file of the package → its names."""
    home = {name: file for file, several in names.items() for name in several}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    return get


__getattr__ = lazy_names(__name__, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
