"""The measures of one tokenizer, filled text by text. `columns.py` defines each of them in a sentence.

Memory: a count for each id; of tokenizers without ids, counts of the most frequent words.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from functools import cached_property, wraps
from itertools import groupby
from typing import TYPE_CHECKING, Any

from neoxjp.compare import Characters, Encoder, OwnTokenizer, Peer, Piece, Utf8Bytes
from neoxjp.documents import Sentence
from neoxjp.errors import PeerUnavailable
from neoxjp.labs.common.changes import changed_characters
from neoxjp.labs.tokenizer_report.records import PAIRED, SPELLED, UNITS, Agreement, Domain, OpenedTokenizer, Row
from neoxjp.labs.tokenizer_report.spelled import SpelledLine, changed_borders

if TYPE_CHECKING:
    import numpy as np

ALPHA = 2.5  # of the Rényi efficiency
MAX_WORDS = 1 << 18  # different words that are counted; where there are more, the Rényi efficiency is not known
MAX_ALIGNED = 2_000  # characters of a line that is compared with another length character by character


def _unless_refused(add: Callable[..., None]) -> Callable[..., None]:
    """A method that does nothing once the tokenizer has refused a text, and keeps its first refusal."""

    @wraps(add)
    def checked(self: "RowMeter", *given: Any) -> None:
        if self.problem is None:
            try:
                add(self, *given)
            except PeerUnavailable as error:
                self.problem = error

    return checked


class RowMeter:
    """Measures one tokenizer. Where it refuses a text, the row has the reason and no measures."""

    def __init__(self, opened: OpenedTokenizer):
        self.key, self.name, self.problem = opened.key, opened.name, opened.problem
        self._peer: Any = opened.peer
        self._tokens: Counter[str] = Counter()  # by domain
        self._counts: Any = None  # how often each id occurs, an int64 array; of tokenizers without ids a Counter of words
        self._all_words = True  # False: there were more different words than are counted
        self._bytes = self._split = self._lost = 0  # UTF-8 bytes of the texts; characters
        self._seconds = 0.0
        self._pairs = [0, 0]  # tokens of the Japanese and of the English texts
        self._predicted = self._words = self._whole = 0  # boundaries of the tokenizer; words of two or more characters
        self._hits, self._gold = dict.fromkeys(UNITS, 0), dict.fromkeys(UNITS, 0)
        self._predicted_in = dict.fromkeys(UNITS, 0)
        self._spelled: dict[str, list[int]] = {key: [0, 0] for key in SPELLED}  # tokens as written, in this spelling
        self._cuts: dict[str, list[int]] = {key: [0, 0] for key in PAIRED}  # boundaries of both, boundaries of either

    # ---- texts

    @_unless_refused
    def add_text(self, domain: str, text: str) -> None:
        """Measure a text, or a piece of one."""
        peer = self._peer
        begun = time.perf_counter()
        ids = peer.encode(text) if isinstance(peer, Encoder) else None
        pieces = peer.pieces(text) if ids is None else []
        self._seconds += time.perf_counter() - begun
        self._bytes += len(text.encode("utf-8", "surrogatepass"))
        if ids is None:
            self._tokens[domain] += _total(pieces)
            self._count_words(pieces)
            return
        self._tokens[domain] += len(ids)
        self._count_ids(ids)
        self._split += self._split_characters(text, ids)
        self._lost += self._lost_characters(text, ids)

    def _count_ids(self, ids: Sequence[int]) -> None:
        import numpy as np

        if self._counts is None:
            self._counts = np.zeros(self._peer.vocabulary_size, np.int64)
        found = np.frombuffer(ids, np.uint8) if isinstance(ids, bytes) else np.asarray(ids, np.int64)
        distinct, counts = np.unique(found, return_counts=True)
        self._counts[distinct] += counts

    def _count_words(self, pieces: Sequence[Piece]) -> None:
        if not self._all_words:
            return
        self._counts = Counter() if self._counts is None else self._counts
        self._counts.update(piece.text for piece in pieces)
        if len(self._counts) > MAX_WORDS:
            self._counts, self._all_words = Counter(), False

    def _split_characters(self, text: str, ids: Sequence[int]) -> int:
        """Characters that are split over several tokens."""
        if isinstance(self._peer, Characters):
            return 0
        if isinstance(self._peer, Utf8Bytes):
            return len(text) - len(text.encode("ascii", "ignore"))
        if isinstance(self._peer, OwnTokenizer):
            return int(self._starts_character[ids].sum())
        # k tokens have k - 1 borders between them, each inside a character of the piece
        return sum(min(len(piece.text), piece.tokens - 1) for piece in self._peer.pieces(text) if piece.tokens > 1)

    @cached_property
    def _starts_character(self) -> "np.ndarray":
        """For each id of our vocabulary whether it is the first byte of a character, bool (V,)."""
        import numpy as np

        vocabulary = self._peer.tokenizer.vocabulary
        names = [
            spellings[0] if kind == "byte" else "" for spellings, kind in zip(vocabulary.spellings, vocabulary.kinds, strict=True)
        ]
        values = [int(name.removeprefix("<|byte").removesuffix("|>")) if name else -1 for name in names]
        return np.array([value >= 0xC0 for value in values])  # a character of one byte is one token

    def _lost_characters(self, text: str, ids: Sequence[int]) -> int:
        """Characters that differ or are missing after decoding, line by line where the lines are still there."""
        back = self._peer.decode(ids)
        if back == text:
            return 0
        keeps = isinstance(self._peer, OwnTokenizer) and self._peer.tokenizer.compat is None
        stripped = text.strip() if back == back.strip() and not keeps else text  # some drop blanks at both ends
        lines, decoded = stripped.split("\n"), back.split("\n")
        if len(lines) != len(decoded):
            lines = stripped.splitlines(keepends=True)
            decoded = [self._peer.decode(self._peer.encode(line)) for line in lines]
        changed = sum(self._changed(was, became) for was, became in zip(lines, decoded, strict=True) if was != became)
        return changed + len(text) - len(stripped)

    def _changed(self, was: str, became: str) -> int:
        """Characters of a line that decoding changes."""
        if isinstance(self._peer, OwnTokenizer):  # no token crosses a line end, so that the line alone has the same tokens
            return sum(
                changed_characters(was[start:end], "".join(token.text for token in tokens))
                for (start, end), tokens in groupby(self._peer.tokenizer.analyze(was), key=lambda token: (token.start, token.end))
            )
        if len(was) == len(became) or max(len(was), len(became)) > MAX_ALIGNED:
            return changed_characters(was, became)
        matching = SequenceMatcher(None, was, became, autojunk=False).get_matching_blocks()
        return max(len(was) - sum(block.size for block in matching), 1)

    # ---- pairs, sentences, spellings

    @_unless_refused
    def add_pair(self, japanese: str, english: str) -> None:
        """Count the tokens of a text and of its translation."""
        peer = self._peer
        found = [_count(peer, japanese), _count(peer, english)]
        self._pairs = [before + more for before, more in zip(self._pairs, found, strict=True)]

    @_unless_refused
    def add_sentence(self, sentence: Sentence) -> None:
        """Compare boundaries with those set by hand. Places are counted without blanks."""
        peer = self._peer
        pieces = peer.pieces(sentence.text)
        place = [0]  # for each position of the text the number of characters before it that are no blanks
        for character in sentence.text:
            place.append(place[-1] + (not character.isspace()))
        inner = range(1, place[-1])
        predicted = {place[piece.start] for piece in pieces}.intersection(inner)
        begins = {"short": frozenset(start for start, _ in sentence.words), **sentence.begins}
        for unit, starts in begins.items():
            gold = {place[start] for start in starts}.intersection(inner)
            self._hits[unit] += len(gold & predicted)
            self._gold[unit] += len(gold)
            self._predicted_in[unit] += len(predicted)
        inside = [(place[piece.start], place[piece.end]) for piece in pieces if piece.tokens > 1]
        for start, end in sentence.words:
            low, high = place[start], place[end]
            if high - low < 2:
                continue
            self._words += 1
            cut = any(at in predicted for at in range(low + 1, high))
            self._whole += not cut and not any(a < high and b > low for a, b in inside)

    @_unless_refused
    def add_spellings(self, lines: Sequence[SpelledLine]) -> None:
        """Compare the spellings of lines; a spelling that does not change a line does not count it."""
        peer = self._peer
        for line in lines:
            texts = dict.fromkeys((line.written, line.hiragana, line.katakana, line.halfwidth, line.old_kanji))
            pieces = {text: peer.pieces(text) for text in texts}
            for key in SPELLED:
                if (spelled := getattr(line, key)) != line.written:
                    self._spelled[key][0] += _total(pieces[line.written])
                    self._spelled[key][1] += _total(pieces[spelled])
            for key, one, other in (("old_kanji", line.written, line.old_kanji), ("kana", line.hiragana, line.katakana)):
                if len(one) != len(other):  # a kana that has no counterpart of one character
                    continue
                borders = changed_borders(one, other)
                cuts = [borders.intersection(piece.start for piece in pieces[text]) for text in (one, other)]
                self._cuts[key][0] += 2 * len(cuts[0] & cuts[1])
                self._cuts[key][1] += len(cuts[0]) + len(cuts[1])

    # ---- the result

    def row(self, domains: Sequence[Domain]) -> Row:
        """The row, with the texts that were measured as domains."""
        if self.problem is not None:
            return Row(self.key, self.name, str(self.problem), self.problem.ja)
        characters, tokens = sum(domain.characters for domain in domains), self._tokens.total()
        has_ids = isinstance(self._peer, Encoder) and self._counts is not None
        vocabulary = (
            self._peer.vocabulary_size if isinstance(self._peer, Encoder) and not isinstance(self._peer, Characters) else None
        )
        counts: Any = list(self._counts.values()) if isinstance(self._counts, Counter) else self._counts
        used = int((counts > 0).sum()) if has_ids else 0
        return Row(
            key=self.key,
            name=self.name,
            tokens=tokens,
            vocabulary=vocabulary,
            characters_per_token={each.name: _ratio(each.characters, self._tokens[each.name]) for each in domains},
            bytes_per_token={each.name: _ratio(each.utf8_bytes, self._tokens[each.name]) for each in domains},
            parity=_ratio(*self._pairs),
            boundaries={unit: self._agreement(unit) for unit in UNITS if self._gold[unit]},
            words_whole=_ratio(self._whole, self._words),
            byte_fallback=_ratio(self._split, characters) if has_ids else None,
            lost=_ratio(self._lost, characters) if has_ids else None,
            ids_unused=1 - used / vocabulary if has_ids and vocabulary else None,
            renyi=None if counts is None or not self._all_words else renyi_efficiency(counts),
            spelling={key: _ratio(spelled, written) for key, (written, spelled) in self._spelled.items()},
            cuts={key: _ratio(both, either) for key, (both, either) in self._cuts.items()},
            megabytes_per_second=self._bytes / self._seconds / 1e6 if self._seconds else None,
        )

    def _agreement(self, unit: str) -> Agreement:
        hits, gold, predicted = self._hits[unit], self._gold[unit], self._predicted_in[unit]
        return Agreement(_ratio(hits, predicted), _ratio(hits, gold), _ratio(2 * hits, gold + predicted))


def renyi_efficiency(counts: "Sequence[int] | np.ndarray", alpha: float = ALPHA) -> float | None:
    """Rényi entropy of the frequencies over the logarithm of the number of different tokens that occur (arXiv 2306.16842).

    (3, 1): log2(0.75 ** 2.5 + 0.25 ** 2.5) / (1 - 2.5) / log2(2) = 0.622. None for fewer than two different tokens.
    """
    import numpy as np

    found = np.asarray(counts, np.float64)
    found = found[found > 0]
    if len(found) < 2:
        return None
    return float(np.log2(np.sum((found / found.sum()) ** alpha)) / (1 - alpha) / np.log2(len(found)))


def _count(peer: Peer, text: str) -> int:
    return len(peer.encode(text)) if isinstance(peer, Encoder) else _total(peer.pieces(text))


def _total(pieces: Sequence[Piece]) -> int:
    return sum(piece.tokens for piece in pieces)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
