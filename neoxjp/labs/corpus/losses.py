"""What decoding does not restore of a text, by reason, with examples: 慶應 → 慶応, a full-width space → a space, × → ǀ.

The result is that of `tokenizer.analyze` for all of the text, computed faster: no token crosses a space or a line end, so it is
split there; only the parts that decoding changes are analysed, each distinct one once. Spaces are counted separately.
"""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from neoxjp.labs.common.changes import changed_characters
from neoxjp.tokenizer import DASHES, EmojiTable, FastEncoder, GPTNeoXJapaneseTokenizer, findable_emoji

if TYPE_CHECKING:
    import numpy as np

REASONS = ("folded", "blank", "newline", "dash", "symbol", "emoji", "other")
"""Another spelling of the id; width of a space; CR or CR LF; — and − become ー; a class of symbols; the first emoji of an id."""

LISTED = 60  # losses listed
EXAMPLES = 3  # of each loss
CONTEXT = 12  # characters before and after an example
_BLANK = re.compile("[ \t\n]")
_DASHES = {old for old, _ in DASHES}


@dataclass(frozen=True)
class Example:
    """A place where a loss occurs."""

    before: str
    text: str
    after: str


@dataclass(frozen=True)
class Loss:
    """One change that encoding and decoding make."""

    reason: str  # one of REASONS
    text: str  # before
    back: str  # after decoding
    count: int  # occurrences
    characters: int  # of `text`, those that change, all occurrences together
    examples: tuple[Example, ...]


class Losses:
    """Counts the losses of texts that come in pieces."""

    def __init__(self, tokenizer: GPTNeoXJapaneseTokenizer):
        self._tokenizer = tokenizer
        vocabulary = tokenizer.vocabulary
        # where a spelling contains a part of a space's tag, a token may cross a space; then all of the text is analysed
        fits = FastEncoder.fits(vocabulary, EmojiTable(findable_emoji(vocabulary.emoji)))
        self._apart = fits and not tokenizer.compat and not tokenizer.do_clean_text
        self._counts: Counter[tuple[str, str, str]] = Counter()
        self._examples: dict[tuple[str, str, str], list[Example]] = {}

    @property
    def characters(self) -> int:
        """Characters that change, as the round trip counts them (`changed_characters`)."""
        return sum(self.by_reason.values())

    @property
    def by_reason(self) -> dict[str, int]:
        counted = dict.fromkeys(REASONS, 0)
        for (reason, text, back), count in self._counts.items():
            counted[reason] += changed_characters(text, back) * count
        return {reason: number for reason, number in counted.items() if number}

    @property
    def kinds(self) -> int:
        return len(self._counts)

    def listed(self) -> tuple[Loss, ...]:
        """The most frequent losses."""
        return tuple(
            Loss(*key, count, changed_characters(*key[1:]) * count, tuple(self._examples.get(key, ())))
            for key, count in sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))[:LISTED]
        )

    def add(self, texts: list[str], ids: "list[np.ndarray]") -> None:
        """Count more texts, with the ids (T,) of each."""
        import numpy as np

        if not texts:
            return
        joined = "\n".join(texts)
        even = "\n".join(text.replace("\r\n", "\n").replace("\r", "\n").replace("\u3000", " ") for text in texts)
        line = np.array([self._tokenizer.vocabulary.ids["<BR>"]], np.int64)
        back = self._tokenizer.decode(np.concatenate([part for some in ids for part in (some, line)][:-1]))
        if back == joined:
            return
        parts, decoded = _BLANK.split(even), _BLANK.split(back)
        if not self._apart or len(parts) != len(decoded):
            for text in texts:
                self._analyse(text, 1)
            return
        both, either, wide = (sum(text.count(blank) for text in texts) for blank in ("\r\n", "\r", "\u3000"))
        for reason, lost, back, count in (
            ("newline", "\r\n", "\n", both),
            ("newline", "\r", "\n", either - both),
            ("blank", "\u3000", " ", wide),
        ):
            if count:
                text = next(text for text in texts if lost in text)
                self._note((reason, lost, back), count, text, text.index(lost))
        for text, count in Counter(a for a, b in zip(parts, decoded, strict=True) if a != b).items():
            self._analyse(text, count)

    def _analyse(self, text: str, count: int) -> None:
        for (start, end), tokens in groupby(self._tokenizer.analyze(text), key=lambda token: (token.start, token.end)):
            group = list(tokens)
            if not any(token.lossy for token in group):
                continue
            lost = text[start:end]
            first = group[0]
            if first.folded:
                reason = "folded"
            elif first.kind == "blank":
                reason = "newline" if "\r" in lost else "blank"
            elif first.kind in ("symbol", "emoji"):
                reason = first.kind
            else:
                reason = "dash" if not _DASHES.isdisjoint(lost) else "other"
            key = (reason, lost, "".join(token.text for token in group))
            self._note(key, count, text, start)

    def _note(self, key: tuple[str, str, str], count: int, text: str, start: int) -> None:
        """Count a loss, and keep an example: the occurrence at `start`."""
        self._counts[key] += count
        end = start + len(key[1])
        example = Example(text[max(start - CONTEXT, 0) : start], key[1], text[end : end + CONTEXT])
        known = self._examples.setdefault(key, [])
        if len(known) < EXAMPLES and example not in known:
            known.append(example)
