"""Baselines for a model: a character n-gram with interpolated modified Kneser-Ney smoothing, and xz.

The n-gram is that of Chen and Goodman (1998), as KenLM (Heafield et al. 2013) computes it: counts at the highest order, at the
lower ones the number of different characters before, three discounts an order. A document begins with a special mark; its end
is not predicted. It counts by sorting integers and takes 65 bytes of memory per character of training text.
"""

import lzma
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from neoxjp.documents import Document
from neoxjp.errors import ParameterError

UNICODE = 1_112_064  # characters that can be written
_START = 0x110000  # comes before every document; no character has this number


@dataclass(frozen=True)
class _Order:
    """The n-grams of one length, sorted."""

    keys: np.ndarray  # (n,) int64: number of the shorter one, all but the last character, in its order × V + the last character
    probability: np.ndarray  # (n,) float32: of the last character after the others
    rest: np.ndarray  # (of the shorter order,) float32: what the characters never seen after it share, 1 where none was seen


@dataclass(frozen=True)
class Ngram:
    """A trained character n-gram: `bits("吾輩は猫である")` → bits of each character."""

    alphabet: np.ndarray  # (V,) code points seen, sorted; the last is the mark before a document
    orders: tuple[_Order, ...]  # of two characters and more
    single: np.ndarray  # (V,) float64: probability of each character after nothing that was seen
    unseen: float  # probability of each single character of Unicode that is not in the alphabet
    characters: int  # of the training text

    def bits(self, text: str) -> np.ndarray:
        """Minus the binary logarithm of the probability of each character after those before it in the document: (n,) float64."""
        codes = _codes(text)
        found = np.minimum(np.searchsorted(self.alphabet, codes), len(self.alphabet) - 1)
        numbers = np.where(self.alphabet[found] == codes, found, -1)
        probability = np.where(numbers >= 0, self.single[numbers], self.unseen)
        last = numbers  # the n-gram that ends at each position, -1 where it was never seen
        for order in self.orders:
            context = np.concatenate([[len(self.alphabet) - 1 if order is self.orders[0] else -1], last[:-1]])
            keys = context * len(self.alphabet) + numbers
            place = np.minimum(np.searchsorted(order.keys, keys), len(order.keys) - 1)
            known = (context >= 0) & (numbers >= 0) & (order.keys[place] == keys)
            rest = np.where(context >= 0, order.rest[context], 1.0)
            probability = np.where(known, order.probability[place], rest * probability)
            last = np.where(known, place, -1)
        return -np.log2(probability)


def train_ngram(documents: Iterable[Document], order: int = 5) -> Ngram:
    """Count and smooth n-grams of 1 to `order` characters.

    Below the single characters is a uniform distribution over the alphabet and one more place, which all characters that the
    documents do not hold share evenly: the probabilities of all characters of Unicode sum to one.

    Raises ParameterError when there is no text or `order` is below 1.
    """
    if order < 1:
        raise ParameterError(f"order={order!r} must be at least 1: the characters of the longest n-gram")
    text = _joined(documents)
    start = text == _START
    seen = np.bincount(text, minlength=_START + 1) > 0
    alphabet = np.flatnonzero(seen)
    if len(alphabet) < 2:
        raise ParameterError("there is no text to count n-grams in: every document is empty")
    letters = (np.cumsum(seen) - 1).astype(np.int32)[text]  # (n,) numbers in the alphabet
    del text
    grams = _counted(letters, start, order, len(alphabet))
    size = len(alphabet) - 1
    counts = np.bincount(grams[0].shorter, minlength=size + 1) if grams else np.bincount(letters[~start], minlength=size + 1)
    kept = _discounts(counts)[np.minimum(counts, 3)]
    place = kept.sum() / counts.sum() / (size + 1)
    single = np.where(counts > 0, (counts - kept) / counts.sum() + place, 0.0)
    orders, below = [], single
    for n, gram in enumerate(grams):
        counts = gram.counts
        if n + 1 < len(grams):  # how many characters were seen before it; nothing comes before the mark
            counts = np.where(gram.begins, counts, np.bincount(grams[n + 1].shorter, minlength=len(counts)))
        context = gram.keys // len(alphabet)
        kept = _discounts(counts)[np.minimum(counts, 3)]
        total = np.bincount(context, weights=counts, minlength=len(below))
        rest = np.divide(
            np.bincount(context, weights=kept, minlength=len(below)), total, out=np.ones_like(total), where=total > 0
        )
        below = (counts - kept) / total[context] + rest[context] * below[gram.shorter]
        orders.append(_Order(gram.keys, below.astype(np.float32), rest.astype(np.float32)))
    return Ngram(alphabet, tuple(orders), single, float(place / max(UNICODE - size, 1)), int(len(letters) - start.sum()))


def xz_bits(texts: Iterable[str]) -> float:
    """Bits a character of the texts one after the other, as `xz -9` packs them."""
    joined = "".join(texts)
    return 8 * len(lzma.compress(joined.encode("utf-8", "replace"), preset=9)) / max(len(joined), 1)


def baselines(ngram: Ngram, documents: Iterable[Document], *, limit: int | None) -> dict[str, dict[str, float]]:
    """Bits per character of the n-gram and of xz by source, on the texts that `evaluate.bits_per_character` scores a model on."""
    texts: dict[str, list[str]] = {}
    continues = False
    for document in documents:
        of_source = texts.setdefault(document.source, [])
        if not continues:
            of_source.append("")
        of_source[-1] = (of_source[-1] + document.text)[:limit]
        continues = document.continues
    found = {}
    for source, of_source in texts.items():
        characters = sum(map(len, of_source))
        if characters:
            bits = sum(float(ngram.bits(text).sum()) for text in of_source)
            found[source] = {"ngram_bits_per_character": bits / characters, "xz_bits_per_character": xz_bits(of_source)}
    return found


@dataclass(frozen=True)
class _Grams:
    """The different n-grams of one length as they stand in the text."""

    keys: np.ndarray  # (n,) int64, as in _Order
    counts: np.ndarray  # (n,) int64
    shorter: np.ndarray  # (n,) int32: number of the n-gram without its first character, in the order below
    begins: np.ndarray  # (n,) bool: its first character is the mark before a document


def _counted(letters: np.ndarray, start: np.ndarray, order: int, size: int) -> list[_Grams]:
    """The n-grams of 2 to `order` characters. letters: (n,) int32; start: (n,) bool."""
    found: list[_Grams] = []
    last, inside = letters, ~start  # the (n-1)-gram that ends at a position; whether a document's n-gram ends there
    for n in range(2, order + 1):
        if n > 2:
            inside = inside & np.concatenate([np.zeros(n - 2, dtype=bool), ~start[: 2 - n]])
        where = np.flatnonzero(inside)
        if not len(where):
            break
        keys = last[where - 1].astype(np.int64) * size + letters[where]
        sorting = np.argsort(keys)
        keys, where = keys[sorting], where[sorting]
        del sorting
        new = np.concatenate([[True], keys[1:] != keys[:-1]])
        firsts = np.flatnonzero(new)
        counts = np.diff(np.append(firsts, len(keys)))
        one = where[firsts]  # a place where it stands
        found.append(_Grams(keys[firsts], counts, last[one], start[one - (n - 1)]))
        if n < order:
            last = np.full(len(letters), -1, dtype=np.int32)
            last[where] = np.cumsum(new, dtype=np.int32) - 1
    return found


def _discounts(counts: np.ndarray) -> np.ndarray:
    """What is taken from counts of 0, 1, 2, and 3 or more: (4,) float64; 0, ½, 1, 1½ where the text is too small to tell."""
    one, two, three, four = (int((counts == n).sum()) for n in (1, 2, 3, 4))
    if not min(one, two, three):
        return np.array([0.0, 0.5, 1.0, 1.5])
    y = one / (one + 2 * two)
    found = np.array([0.0, 1 - 2 * y * two / one, 2 - 3 * y * three / two, 3 - 4 * y * four / three])
    return np.clip(found, [0.0, 0.1, 0.1, 0.1], [0.0, 1.0, 2.0, 3.0])


def _joined(documents: Iterable[Document]) -> np.ndarray:
    """The code points of all documents, each after the mark: (n,) uint32."""
    parts, continues = [np.zeros(0, dtype=np.uint32)], False
    for document in documents:
        if not continues:
            parts.append(np.array([_START], dtype=np.uint32))
        parts.append(_codes(document.text))
        continues = document.continues
    return np.concatenate(parts)


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
