"""The prompts of a request: their ids, their text, and where in it each token begins."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from neoxjp.engine import check_ids
from neoxjp.errors import ParameterError
from neoxjp.serve.errors import ProtocolError
from neoxjp.serve.fields import Prompt as Given

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


@dataclass(frozen=True)
class Prompt:
    """One prompt."""

    ids: tuple[int, ...]
    text: str | None = None  # as the user sent it; None: ids were sent

    def written(self, tokenizer: "GPTNeoXJapaneseTokenizer") -> str:
        """The user's text, or what decoding the ids writes."""
        return tokenizer.decode(self.ids) if self.text is None else self.text

    def offsets(self, tokenizer: "GPTNeoXJapaneseTokenizer") -> list[int]:
        """The character of the text at which each token begins; all bytes of a character begin where it does."""
        if self.text is not None:
            return [token.start for token in tokenizer.analyze(self.text)]
        places = Places(tokenizer, skip_special_tokens=False)
        return [places.next(id) for id in self.ids]


class Places:
    """Where the text of each id begins, one id after another.

    Args:
        start: of the first one, in characters.
    """

    def __init__(self, tokenizer: "GPTNeoXJapaneseTokenizer", start: int = 0, skip_special_tokens: bool = True):
        self._stream, self._at = tokenizer.stream_decoder(skip_special_tokens), start

    def next(self, id: int) -> int:
        before = self._at
        self._at += len(self._stream.push(id))
        return before


def read_prompts(
    given: Given, tokenizer: "GPTNeoXJapaneseTokenizer", vocab_size: int, characters: int, charge: Callable[[int], None]
) -> list[Prompt]:
    """The prompts of a request.

    Args:
        given: its field.
        vocab_size: ids must be below.
        characters: the longest text.
        charge: called with the number of characters and ids.

    Raises:
        ProtocolError: a text is too long, or an id is outside the vocabulary.
        QueueFull: as `charge`.
    """
    several = given if isinstance(given, list) and not (given and isinstance(given[0], int)) else [given]
    texts = [each for each in several if isinstance(each, str)]
    check_lengths(texts, characters)
    charge(sum(map(len, several)))  # type: ignore[arg-type]
    try:
        return [
            Prompt(tuple(tokenizer.encode(each)), each)
            if isinstance(each, str)
            else Prompt(check_ids(each, vocab_size, "prompt"))  # type: ignore[arg-type]
            for each in several
        ]
    except ParameterError as error:
        raise ProtocolError(error.plain, "prompt", code="invalid_value") from error


def check_lengths(texts: Iterable[str], limit: int) -> None:
    """Raises ProtocolError: a text has more characters than the limit."""
    longest = max(map(len, texts), default=0)
    if longest > limit:
        raise ProtocolError(
            f"prompt: the text has {longest:,} characters, and this server reads up to {limit:,}: send it in parts",
            "prompt",
            code="string_too_long",
        )
