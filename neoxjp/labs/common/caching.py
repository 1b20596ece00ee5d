"""A cache for what is computed from a vocabulary."""

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

T = TypeVar("T")


def cached_per_tokenizer(function: Callable[[GPTNeoXJapaneseTokenizer], T]) -> Callable[[GPTNeoXJapaneseTokenizer], T]:
    """Cache a function of a tokenizer for as long as the tokenizer exists; its result must not refer to the tokenizer."""
    results: WeakKeyDictionary[GPTNeoXJapaneseTokenizer, T] = WeakKeyDictionary()

    @wraps(function)
    def cached(tokenizer: GPTNeoXJapaneseTokenizer) -> T:
        if tokenizer not in results:
            results[tokenizer] = function(tokenizer)
        return results[tokenizer]

    return cached
