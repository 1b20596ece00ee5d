"""Encoding of long texts with numpy: the best candidate at every position in one pass, then the positions where tokens start.

The ids are those of `segment_text` on the normalized text, which is faster for short texts. Characters become classes
(small whole numbers) through one table that also does most of the normalising: a blank has the class of its tag. Pairs and
triples of classes are found in one step each, without probing: row displacement gives each first class (pair of classes)
an offset at which its followers lie in a shared table without a collision; the entry holds the classes that it belongs to.
"""

import re
from collections.abc import Sequence
from itertools import compress, pairwise
from math import isqrt

import numpy as np

from neoxjp.tokenizer.normalize import BLANKS, DASHES, EmojiTable
from neoxjp.tokenizer.vocabulary import BLANK_TEXTS, KIGOU_RANGES, SYMBOL_RANGE, Vocabulary

BLOCK = 1 << 14  # positions in one pass, so that the data fits in the second-level cache
PART = 1 << 18  # positions encoded at once
LOOP = 4096  # positions from which on parallel lanes are faster than a loop
SPLIT = 4  # bits of the second class that divide the pairs of a frequent first class into 16 rows
END = 0x110000  # separates two texts; not a code point


class FastEncoder:
    """The tables of one vocabulary. Check `fits` first."""

    def __init__(self, vocabulary: Vocabulary, emoji: EmojiTable):
        """Build the tables: some 100 ms for the original vocabulary, 10 MB."""
        ids = vocabulary.ids
        self._emoji = emoji
        tag_names = _tags(vocabulary)
        blanks = {old: tag for old, tag in BLANKS if len(old) == 1}
        alone = _alone(emoji)
        signs = emoji.signs.keys() - alone.keys()
        # Classes: 0 for characters in no spelling, one for each tag, the characters, and last those that need special treatment.
        self.tags = {tag: number for number, tag in enumerate(tag_names, 1)}
        self._tag_lengths = sorted({len(tag) for tag in tag_names}, reverse=True)
        kigou, symbol, between = range(len(tag_names) + 1, len(tag_names) + 4)
        gone = {*blanks, *(old for old, _ in DASHES), *alone}
        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        numbers = np.fromiter(ids.values(), np.int64, len(ids))
        codes, numbers_of = [], []
        for length in (1, 2, 3):
            of_length = lengths == length
            codes.append(_codes(list(compress(ids, of_length)), length))
            numbers_of.append(numbers[of_length])
        met = np.zeros(END, bool)
        for some in codes:
            met[some] = True
        met[[*map(ord, signs), 0x3C]] = True
        met[[*map(ord, gone)]] = False
        alphabet = np.flatnonzero(met)
        close = np.isin(alphabet, [*map(ord, signs), 0x3C])
        alphabet = np.concatenate([alphabet[~close], alphabet[close]])
        first = between + 1
        size = first + len(alphabet) + 1
        self._first_close = size - 1 - int(close.sum())
        class_of = np.zeros(END + 1, np.int16)
        for start, last in KIGOU_RANGES:
            class_of[start : last + 1] = kigou
        class_of[SYMBOL_RANGE[0] : SYMBOL_RANGE[1] + 1] = symbol
        fallback = class_of[alphabet]
        class_of[alphabet] = np.arange(first, first + len(alphabet))
        for character, tag in (blanks | alone).items():
            class_of[ord(character)] = self.tags[tag]
        class_of[ord("\r")] = size - 1
        for old, new in DASHES:
            class_of[ord(old)] = class_of[ord(new)]
        class_of[END] = between
        self._class_of = class_of
        # A candidate is its id and 3 - its length, in this order of bits: of equal ids the longest is the smallest number.
        # Above it in an entry stand the classes; `entry ^ classes` is the candidate, or larger than any where they differ.
        self._bits = bits = size.bit_length()
        self._shift = shift = min(63 - 3 * bits, 30)
        self._worse = worse = 1 << (shift - 1)  # added to what is taken only where nothing fits
        self._bytes, self._between = (worse >> 2) - 1, (worse >> 2) - 2  # in place of an id
        single = np.full(size, worse | self._bytes << 2 | 2, np.int64)
        single[between] = self._between << 2 | 2
        for number, name in ((kigou, "<KIGOU>"), (symbol, "<U2000U2BFF>")):
            single[number] = worse | ids[name] << 2 | 2
        single[first:-1] = single[fallback]
        reachable = [met[c].all(1) for c in codes]
        single[class_of[codes[0][reachable[0], 0]]] = numbers_of[0][reachable[0]] << 2 | 2
        for tag, number in self.tags.items():
            single[number] = ids[tag] << 2 | 2
        single[-1] = single[self.tags["<BR>"]]
        self._single = single
        reachable[2] &= codes[2][:, 0] != 0x3C  # a tag, which is one class
        pair, triple = (class_of[c[r]].astype(np.int64) for c, r in zip(codes[1:], reachable[1:], strict=True))
        pair_id, triple_id = (n[r] for n, r in zip(numbers_of[1:], reachable[1:], strict=True))
        nothing = ((1 << 3 * bits) - 1) << shift
        begun = np.sort(np.concatenate([pair[:, 0] << bits | pair[:, 1], triple[:, 0] << bits | triple[:, 1]]))
        begun = begun[_first(begun)]
        a, b = begun >> bits, begun & (1 << bits) - 1
        rows, offsets, length = displace_rows(a << SPLIT | b & (1 << SPLIT) - 1, b >> SPLIT, size >> SPLIT)
        self._pair_row = np.zeros(size << SPLIT, np.int64)
        self._pair_row[rows] = offsets
        self._pairs = np.full(length, nothing, np.int64)
        a, b = pair.T
        self._pairs[self._place(a, b)] = (a << bits | b) << shift | pair_id << 2 | 1
        a, b, c = triple.T
        rows, offsets, length = displace_rows(a << bits | b, c, size)
        self._triple_row = np.zeros(len(self._pairs), np.int64)
        self._triple_row[self._place(rows >> bits, rows & (1 << bits) - 1)] = offsets
        self._triples = np.full(length, nothing, np.int64)
        self._triples[self._triple_row[self._place(a, b)] + c] = (a << 2 * bits | b << bits | c) << shift | triple_id << 2
        self._byte_ids = np.array([ids.get(f"<|byte{byte}|>", -1) for byte in range(256)])

    @staticmethod
    def fits(vocabulary: Vocabulary, emoji: EmojiTable) -> bool:
        """Whether the tables give the ids of the dictionary. Not if a spelling can overlap a tag ("a<", "<BR>!").

        A tag could then not be one class. The original vocabulary and those of `train-vocabulary` fit.
        """
        ids = vocabulary.ids
        tags = sorted(_tags(vocabulary))
        blank_tags = set(BLANK_TEXTS)
        every = "\n".join(vocabulary.lines).replace(",", "\n")
        classes = len(set(every)) + len(emoji.signs) + len(tags) + 5  # or fewer
        return (
            not re.search(r".<", every)
            and not any(after.startswith(tag) for tag, after in pairwise(tags))
            and blank_tags | set(emoji.tags.values()) <= set(tags)
            and emoji.apart
            and not emoji.touching(blank_tags)
            and all(new in ids for _, new in DASHES)
            and classes < 1 << 15
            and 3 * classes.bit_length() + len(vocabulary).bit_length() + 4 <= 63
        )

    def ids(self, text: str, normalised: bool = False) -> np.ndarray:
        """The ids (T,) int64 of a text; in one that is `normalised`, emoji are not replaced."""
        return self._scan_all(*self.classes(text, normalised))

    def batch(self, texts: Sequence[str]) -> list[np.ndarray]:
        """The ids of each text, found in one pass over all: an array (T,) int64 for each."""
        if not texts:
            return []
        joined = "\ud800".join(texts)  # no emoji or tag contains a lone surrogate, so none spans it
        ends = np.cumsum([len(text) + 1 for text in texts[:-1]]) - 1
        ids = self._scan_all(*self.classes(joined, borders=ends))
        borders = np.flatnonzero(ids == self._between).tolist()
        return [ids[start:end] for start, end in zip([0, *(b + 1 for b in borders)], [*borders, len(ids)], strict=True)]

    def classes(self, text: str, normalised: bool = False, borders: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Classes (N,) int16 and code points (N,) uint32, one for each character, emoji, tag and line end of the text.

        `borders`: places of the text where another begins, taken as `END`.
        """
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        if borders is not None and len(borders):
            codes = codes.copy()
            codes[borders] = END
        classes = self._class_of[codes]
        if len(classes) and classes.max() >= self._first_close:
            return self._fold(text, classes, codes, normalised)
        return classes, codes

    def _fold(self, text: str, classes: np.ndarray, codes: np.ndarray, normalised: bool) -> tuple[np.ndarray, np.ndarray]:
        """Make one place of each emoji, tag and CR LF."""
        keep = np.ones(len(codes), bool)
        keep[:-1] &= (codes[:-1] != 0x0D) | (codes[1:] != 0x0A)
        for old, new in DASHES:
            text = text.replace(old, new)
        close = np.flatnonzero((classes >= self._first_close) & (codes != 0x0D))
        emoji = [] if normalised else self._emoji.find(text, close.tolist())
        taken = np.zeros(len(codes), bool)
        for (start, end), key in emoji:
            classes[start] = self.tags[self._emoji.tags[key]]
            keep[start + 1 : end] = False
            taken[start:end] = True
        for start in close[codes[close] == 0x3C].tolist():
            for length in self._tag_lengths:
                if (number := self.tags.get(text[start : start + length])) and not taken[start : start + length].any():
                    classes[start] = number
                    keep[start + 1 : start + length] = False
                    break
        return classes[keep], codes[keep]

    def _scan_all(self, classes: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """`scan` in parts: allocating memory for a long text would take longer than encoding it."""
        parts, covered = [], 0
        for start in range(0, max(len(classes), 1), PART):
            end = min(start + PART, len(classes))
            ahead = min(2, len(classes) - end)
            ids, covered = self.scan(classes[start : end + ahead], codes[start : end + ahead], covered, ahead)
            parts.append(ids)
        return np.concatenate(parts)

    def scan(self, classes: np.ndarray, codes: np.ndarray, covered: int = 0, ahead: int = 0) -> tuple[np.ndarray, int]:
        """The ids (T,) int64 of the tokens that start in a text of classes and code points (N,).

        Args:
            covered: number of the first positions that belong to a token that started before them.
            ahead: number of the last positions that are only context; with two, the text after them cannot change the result.

        Returns the ids, and how many of the positions ahead belong to the last token.
        """
        count = len(classes) - ahead
        if count <= 0:
            return np.zeros(0, np.int64), covered
        best = self._best(classes, count)
        lengths = (3 - (best & 3)).astype(np.uint8)
        starts, covered = find_starts(lengths, covered)
        chosen = best[starts]
        ids = (chosen & (self._worse - 1)).astype(np.int64) >> 2
        lost = ids == self._bytes
        return (self._write_bytes(ids, lost, codes[:count][starts][lost]) if lost.any() else ids), covered

    def _best(self, classes: np.ndarray, count: int) -> np.ndarray:
        """The best candidate at each of the first `count` places, (count,) int32."""
        best = np.empty(count, np.int32)
        shift, bits, low = self._shift, self._bits, (1 << SPLIT) - 1
        for start in range(0, count, BLOCK):
            n = min(BLOCK, count - start)
            here = np.zeros(n + 2, np.int64)  # class 0 after the end is in no pair
            here[: min(n + 2, len(classes) - start)] = classes[start : start + n + 2]
            a, b, c = here[:n], here[1 : n + 1], here[2:]
            place = self._pair_row.take(a << SPLIT | b & low)
            place += b >> SPLIT
            found = a << bits
            found |= b
            candidate = self._pairs.take(place)
            candidate ^= found << shift
            least = np.minimum(self._single.take(a), candidate)
            place = self._triple_row.take(place)
            place += c
            candidate = self._triples.take(place)
            found <<= bits
            found |= c
            found <<= shift
            candidate ^= found
            best[start : start + n] = np.minimum(least, candidate, out=least)
        return best

    def _place(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Where the table of pairs has this pair of classes."""
        return self._pair_row[a << SPLIT | b & (1 << SPLIT) - 1] + (b >> SPLIT)

    def _write_bytes(self, ids: np.ndarray, lost: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Put the ids of their UTF-8 bytes where characters are `lost`, (T,) bool; `codes` are their code points."""
        codes = np.where((codes >= 0xD800) & (codes < 0xE000), 0xFFFD, codes).astype(np.uint32)
        utf8 = np.frombuffer(codes.tobytes().decode("utf-32-le").encode(), np.uint8)
        counts = np.ones(len(ids), np.int64)
        counts[lost] += (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
        written = np.repeat(ids, counts)
        written[np.repeat(lost, counts)] = self._byte_ids[utf8]
        return written


def find_starts(lengths: np.ndarray, covered: int = 0) -> tuple[np.ndarray, int]:
    """Where tokens start, (N,) bool, if a token that starts at a position has the length `lengths` (N,) uint8, 1 to 3.

    The first `covered` positions belong to an earlier token; the second result is the same number for the positions after
    the end. The text is divided into lanes that are processed in parallel: first from each of the three states in which a
    lane can begin, which gives the state in which it does begin, then from that state.
    """
    count = len(lengths)
    starts = np.zeros(count, bool)
    offset = 0
    if count > LOOP:
        steps = isqrt(count) // 6  # one step over all lanes takes as long as starting some 36 of them
        lanes = count // steps
        offset = lanes * steps
        part = np.ascontiguousarray(lengths[:offset].reshape(lanes, steps).T)  # (steps, lanes)
        state = np.repeat(np.arange(3, dtype=np.uint8)[:, None], lanes, 1)
        _march(part, state, np.empty((1, 3, lanes), bool))
        entered = []
        for after in state.T.tolist():
            entered.append(covered)
            covered = after[covered]
        where = np.empty((steps, lanes), bool)
        _march(part, np.array(entered, np.uint8), where)
        starts[:offset] = where.T.ravel()
    rest, place, found = lengths[offset:].tobytes(), covered, []
    while place < len(rest):
        found.append(place)
        place += rest[place]
    starts[offset:][found] = True
    return starts, place - len(rest)


def _march(lengths: np.ndarray, state: np.ndarray, where: np.ndarray) -> None:
    """Process lengths (T, lanes). `state` (…, lanes) uint8, the positions of the current token that are left, is updated in
    place.

    `where` (T, …, lanes) or (1, …, lanes) receives where tokens start.
    """
    step = np.empty_like(state)
    for place, length in enumerate(lengths):
        new = where[place % len(where)]
        np.equal(state, 0, out=new)
        np.multiply(new.view(np.uint8), length, out=step)
        state += step
        state -= 1  # uint8 wraps around, so 0 - 1 + length is right


def displace_rows(rows: np.ndarray, columns: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Offsets for rows such that `offset + column` differs for all entries of a sparse table.

    Args:
        rows, columns: (n,) int64, the entries; columns are below `width`.

    Returns the distinct rows (r,), their offsets (r,), and how long the shared table must be: any offset plus `width`.
    """
    order = np.argsort(rows, kind="stable")
    rows, columns = rows[order], columns[order]
    starts = np.flatnonzero(_first(rows))
    distinct, counts = rows[starts], np.diff(starts, append=len(rows))
    size = 1 << max(4 * len(rows), 2 * width, 64).bit_length()
    offsets = np.zeros(len(distinct), np.int64)
    used = np.zeros(size + width + 1, bool)
    owner = np.zeros(size + width + 1, np.int32)
    random = np.random.default_rng(0)
    left = np.argsort(-counts, kind="stable")
    while len(left):  # the fullest first: all that are at least half as full as the fullest
        group = int(np.searchsorted(-counts[left], -(counts[left[0]] // 2), side="right"))
        trying, left = left[:group], left[group:]
        while len(trying):
            n = counts[trying]
            ends = np.cumsum(n)
            which = np.repeat(np.arange(len(trying)), n)
            tried = random.integers(0, size, len(trying))
            entries = np.arange(ends[-1]) + np.repeat(starts[trying] - ends + n, n)
            slots = tried[which] + columns[entries]
            owner[slots] = which  # of two rows in one slot the later stays, and the other tries again
            bad = used[slots] | (owner[slots] != which)
            good = ~np.logical_or.reduceat(bad, ends - n)
            offsets[trying[good]] = tried[good]
            used[slots[good[which]]] = True
            trying = trying[~good]
    return distinct, offsets, size + width + 1


def _first(ordered: np.ndarray) -> np.ndarray:
    """Where a new value begins, (n,) bool."""
    return np.diff(ordered, prepend=-1) != 0


def _tags(vocabulary: Vocabulary) -> list[str]:
    """The spellings that win at once: "<" and at least two characters, none of which normalization replaces."""
    replaced = {character for old, _ in (*BLANKS, *DASHES) for character in old}
    with_tags = [line.split(",") for line in vocabulary.lines if "<" in line]
    return [s for line in with_tags for s in line if s[:1] == "<" and len(s) > 2 and replaced.isdisjoint(s)]


def _alone(emoji: EmojiTable) -> dict[str, str]:
    """Emoji of one character that occurs in no other emoji, with their tags: they can be replaced everywhere."""
    shared = {character for key in emoji.tags if len(key) > 1 for character in key}
    return {key: tag for key, tag in emoji.tags.items() if len(key) == 1 and key not in shared}


def _codes(spellings: list[str], length: int) -> np.ndarray:
    """Code points (n, length) int64 of spellings of one length."""
    return np.frombuffer("".join(spellings).encode("utf-32-le"), np.uint32).reshape(-1, length).astype(np.int64)
