"""Log probabilities as the protocol has them: columns of strings and numbers, and vLLM's records of a prompt."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from neoxjp.engine import Choice, Step

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

LOWEST = -9999.0  # for minus infinity, which JSON does not have; as vLLM


class TokenNames:
    """A string for each id, and no two the same: the token's text, or `token_id:123` where that is no text of its own.

    A byte of a character has no text, and of several tokens with the same text the first has it.
    """

    def __init__(self, tokenizer: "GPTNeoXJapaneseTokenizer"):
        vocabulary = tokenizer.vocabulary
        first: dict[str, int] = {}
        for id, (text, byte) in enumerate(zip(vocabulary.texts, vocabulary.byte_values, strict=True)):
            if text and byte < 0 and "\ufffd" not in text:
                first.setdefault(text, id)
        self._names = {id: text for text, id in first.items()}

    def __call__(self, id: int) -> str:
        return self._names.get(id) or f"token_id:{id}"


def id_names(id: int) -> str:
    """The names with `return_tokens_as_token_ids`."""
    return f"token_id:{id}"


@lru_cache(maxsize=2)
def token_names(tokenizer: "GPTNeoXJapaneseTokenizer") -> TokenNames:
    """The names of a vocabulary, built once: some milliseconds."""
    return TokenNames(tokenizer)


class Columns:
    """The `logprobs` of a choice, filled token by token.

    Args:
        top: how many most probable tokens each entry of top_logprobs has; the token itself is added where it is not among them.
    """

    def __init__(self, top: int, names: Any):
        self._top, self._names = top, names
        self.tokens: list[str] = []
        self.token_logprobs: list[float | None] = []
        self.top_logprobs: list[dict[str, float] | None] = []
        self.text_offset: list[int] = []

    def add(self, step: Step, offset: int) -> None:
        self.tokens.append(self._names(step.id))
        self.text_offset.append(offset)
        if step.logprob is None:
            self.token_logprobs.append(None)
            self.top_logprobs.append(None)
            return
        own = finite(step.logprob)
        found = {self._names(choice.id): finite(choice.logprob) for choice in best(step, self._top)}
        self.token_logprobs.append(own)
        self.top_logprobs.append(found | {self.tokens[-1]: own})

    def extend(self, more: "Columns") -> None:
        self.tokens += more.tokens
        self.token_logprobs += more.token_logprobs
        self.top_logprobs += more.top_logprobs
        self.text_offset += more.text_offset

    def record(self) -> dict[str, Any]:
        return {
            "tokens": self.tokens,
            "token_logprobs": self.token_logprobs,
            "top_logprobs": self.top_logprobs,
            "text_offset": self.text_offset,
        }


def prompt_records(steps: Sequence[Step], top: int, names: Any) -> list[dict[str, Any] | None]:
    """vLLM's `prompt_logprobs`: for each token the most probable ones by id, and itself; null for the first."""
    return [None if step.logprob is None else _record(step, top, names) for step in steps]


def _record(step: Step, top: int, names: Any) -> dict[str, Any]:
    assert step.logprob is not None
    found = {
        str(choice.id): {"logprob": finite(choice.logprob), "rank": rank, "decoded_token": names(choice.id)}
        for rank, choice in enumerate(best(step, top), 1)
    }
    own = {"logprob": finite(step.logprob), "rank": step.rank, "decoded_token": names(step.id)}
    return found | {str(step.id): own}


def best(step: Step, top: int) -> Sequence[Choice]:
    """The `top` most probable tokens of a step that may list more; its own token may stand behind them."""
    return step.top[:top]


def finite(logprob: float) -> float:
    return logprob if logprob > -math.inf else LOWEST
