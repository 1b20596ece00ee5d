"""The language model GPT-NeoX-Japanese and its tokenizer, without the transformers library.

    from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer

    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained("bundled")      # or a folder, or a Hub id
    model = GPTNeoXJapaneseForCausalLM.from_pretrained("bundled")
    ids = model.generate(tokenizer("吾輩は猫である。", return_tensors="pt").input_ids, max_new_tokens=20)
    print(tokenizer.batch_decode(ids)[0])

Names are imported at their first use: `import neoxjp` loads neither torch, gradio nor pandas. The folders are described in
docs/architecture.md.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "tokenizer": ["GPTNeoXJapaneseTokenizer", "Token", "Tokens"],
    "sampling": ["SamplingParams"],
    "engine": ["Engine", "Request", "Step", "score"],
    "model": ["GPTNeoXJapaneseConfig", "GPTNeoXJapaneseForCausalLM", "GPTNeoXJapaneseModel", "KVCache", "backend_in_use"],
    "errors": ["NeoxjpError"],
}
__all__ = ["__version__", *(name for names in _NAMES.values() for name in names)]


def lazy_names(package: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """A `__getattr__` for `package` that imports each name at its first use. names: module → its names."""
    home = {name: module for module, several in names.items() for name in several}

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{home[name]}"), name)

    return get


__getattr__ = lazy_names(__name__, _NAMES)


def __dir__() -> list[str]:
    return sorted(__all__)
