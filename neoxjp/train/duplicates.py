"""Texts that a corpus holds twice: in old and new spelling, in two editions, or alone and again within a collection.

Each text is represented by some of its shingles (runs of 12 letters): those whose hash is divisible by 16, as in MinHash. Texts
that share half of their letters share about half of these. Spelling is normalized first (`fold_spelling`). Texts of fewer than
about a hundred letters have too few shingles to compare: of these only equal ones are found.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from neoxjp.japanese import to_new_forms

SHINGLE = 12  # letters
_SAMPLED = 16  # one shingle in this many is kept
_MIN_SHINGLES = 4  # a text with fewer is too short to compare
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd: multiplication by it is invertible, so different letters never collide
_KANA = str.maketrans("ぁぃぅぇぉっゃゅょゎゐゑをぢづはへひふほ", "あいうえおつやゆよわいえおじずわえいうお")


def fold_spelling(text: str) -> str:
    """The letters of a text in one spelling: "「思ふ、國ヲ！」" → "思う国お".

    Old kanji become new ones, katakana and small or historical kana become plain hiragana; everything but letters is removed.
    """
    text = to_new_forms(unicodedata.normalize("NFKC", text))
    hiragana = "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in text if c.isalnum())
    return hiragana.translate(_KANA)


def sample_shingles(folded: str) -> set[int]:
    """The hashes of the sampled shingles of a text in one spelling."""
    codes = np.frombuffer(folded.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < SHINGLE:
        return set()
    count = len(codes) - SHINGLE + 1
    hashes = np.zeros(count, dtype=np.uint64)
    for place in range(SHINGLE):
        hashes = hashes * _FACTOR + codes[place : place + count]
        hashes ^= hashes >> np.uint64(29)
    return set(hashes[hashes % np.uint64(_SAMPLED) == 0].tolist())


def _digest(folded: str) -> bytes:
    return hashlib.blake2b(folded.encode("utf-8", "replace"), digest_size=16).digest()


def containment(part: set[int], whole: set[int]) -> float:
    """Which share of `part` is also in `whole`, 0 to 1; 0 for a text that is too short to compare."""
    return len(part & whole) / len(part) if len(part) >= _MIN_SHINGLES else 0.0


def find_duplicates(texts: Sequence[str], limit: float = 0.5, held_out: Iterable[str] = ()) -> list[int]:
    """Indices of the texts to remove: at least `limit` of each is in longer texts that stay, or in a held-out text.

    A text that contains at least `limit` of a held-out text is removed too: those are for evaluation and must not be trained on.
    """
    kept: set[int] = set()
    folded_tests = [fold_spelling(text) for text in held_out]
    tests = [sample_shingles(folded) for folded in folded_tests]
    known = {_digest(folded) for folded in folded_tests if folded}  # of whole texts
    removed = []
    for index in sorted(range(len(texts)), key=lambda index: -len(texts[index])):
        folded = fold_spelling(texts[index])
        mine, whole = sample_shingles(folded), _digest(folded)
        leaks = any(max(containment(mine, test), containment(test, mine)) >= limit for test in tests)
        if leaks or whole in known or containment(mine, kept) >= limit:
            removed.append(index)
        else:
            kept |= mine
            if folded:
                known.add(whole)
    return sorted(removed)
