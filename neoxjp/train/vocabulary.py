"""Build a vocabulary for the SWE encoder from texts: vocab.txt (several spellings an id) and emoji.json.

The encoder takes, of the substrings of length 3, 2 and 1 at a position, the smallest id. Words of three characters therefore
stand before those of two, and these before single characters; which words are in is found by running that encoder over the texts
and repeatedly dropping the entries that save the fewest tokens. Words never mix scripts, as in the original.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from neoxjp.errors import VocabularyError
from neoxjp.train.variants import (
    EMOJI_GROUPS,
    UNICODE_FOLDER,
    emoji_tables,
    jouyou,
    kanji_variants,
    narrow_spellings,
    width_variants,
)

TAGS = ["<BR>", "<SP>", "<TAB>", "<URL>", "<EMAIL>", "<TEL>", "<DATE>", "<PRICE>", "<BLOCK>", "<KIGOU>", "<U2000U2BFF>"]
SPECIALS = ["<|startoftext|>", "<|separator|>", "<|nottoken|>", "<|endoftext|>"]
TAIL = [*TAGS, *(f"<|emoji{n}|>" for n in range(1, EMOJI_GROUPS + 1)), *(f"<|byte{n}|>" for n in range(255)), *SPECIALS]
HIRAGANA = "".join(map(chr, [*range(0x3041, 0x3097), 0x309D, 0x309E]))
KATAKANA = "".join(map(chr, [*range(0x30A1, 0x30FB), 0x30FD, 0x30FE])) + "ー"
ASCII = "".join(map(chr, range(0x21, 0x7F)))
# Always words, because one character of Unicode stands for each: names of eras, units, Roman numbers.
FORCED = [
    "慶応",
    "平成",
    "昭和",
    "大正",
    "明治",
    "令和",
    "(株)",
    "(有)",
    "cm",
    "mm",
    "km",
    "kg",
    "mg",
    "No",
    "TEL",
    "II",
    "III",
    "IV",
    "VI",
]
# The encoder writes these as other characters before it looks at the vocabulary, so an entry for them could never match.
_REPLACED = {" ": "\0", "\u3000": "\0", "\n": "\0", "\r": "\0", "\t": "\0", "—": "ー", "−": "ー"}
_SPELLINGS = 12  # the most spellings of a word that are built from the variants of its kanji
_NONE, _SYMBOL, _DIGIT = 0, 5, 6


@dataclass(frozen=True)
class Vocabulary:
    """What vocab.txt and emoji.json hold."""

    entries: tuple[tuple[str, ...], ...]  # the spellings of each id; the first is what decoding writes
    emoji: Mapping[str, Mapping[str, str]]

    def write(self, folder: str | Path) -> None:
        """Write vocab.txt and emoji.json into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(",".join(spellings) + "\n" for spellings in self.entries)
        (folder / "vocab.txt").write_text(lines, encoding="utf-8", newline="\n")
        table = json.dumps(self.emoji, ensure_ascii=False, indent=0)
        (folder / "emoji.json").write_text(table + "\n", encoding="utf-8", newline="\n")


def build_vocabulary(
    texts: Sequence[str],
    size: int = 8000,
    *,
    weights: Sequence[int] | None = None,
    sample: int = 8_000_000,
    unicode_folder: Path = UNICODE_FOLDER,
) -> Vocabulary:
    """A vocabulary of `size` ids for `texts` (fewer where they hold too few words); the same texts give the same file.

    weights: how often each text counts (default 1). sample: the words are weighed on about this many characters of the texts.
    Raises VocabularyError when the Unicode tables are missing, there is no text, or `size` is too small for the required ones.
    """
    weights = weights or [1] * len(texts)
    counts = _count(texts, weights)
    if not counts:
        raise VocabularyError("a vocabulary needs text to be built from, and there is none: name files that hold some")
    heads = kanji_variants(counts, unicode_folder)
    widths = width_variants()
    fold = {**heads, **{form: text for text, forms in widths.items() if len(text) == 1 and text != "," for form in forms}}
    fold = {form: head for form, head in fold.items() if form not in _japanese_symbols()}
    table = str.maketrans({**fold, **_REPLACED})
    counts = _folded(counts, fold)
    always = _always(counts, jouyou(unicode_folder), heads)
    free = size - len(TAIL) - len(always) - len(FORCED)
    if free < 0:
        raise VocabularyError(f"a vocabulary of {size!r} entries is too small: kana, signs and tags alone are {size - free}")
    stream = _codes(_sampled(texts, weights, sample), table)
    chosen = _choose(stream, always, free)
    return Vocabulary(_entries(chosen, always, heads, widths, counts), emoji_tables(unicode_folder))


# ---- which words


def _choose(codes: np.ndarray, always: list[str], free: int) -> list[str]:
    """The `free` entries beyond `always` and FORCED that save most tokens, best first.

    codes: (n,) uint32 code points of folded text, 0 between documents and at blanks.
    """
    alphabet, small = np.unique(codes, return_inverse=True)
    small = small.astype(np.int64)
    scripts = np.array([_script_number(chr(code)) for code in alphabet], dtype=np.int8)[small]
    base = len(alphabet)
    characters = [chr(code) for code in alphabet]
    pair_keys = small[:-1] * base + small[1:]
    triple_keys = pair_keys[:-1] * base + small[2:]
    same = (scripts[:-1] == scripts[1:]) & (scripts[:-1] != _NONE) & (scripts[:-1] != _DIGIT)
    symbol_run = (scripts[:-2] != _SYMBOL) | (small[:-2] == small[1:-1]) & (small[1:-1] == small[2:])
    pairs = _frequent(pair_keys[same], 4 * free)
    triples = _frequent(triple_keys[same[:-1] & same[1:] & symbol_run], 4 * free)
    fixed = dict.fromkeys(always, True)
    singles = [character for character in characters if character not in fixed and ord(character) > 0x7F]

    pool = {"1": np.array(sorted(characters.index(c) for c in singles), dtype=np.int64), "2": pairs, "3": triples}
    while True:
        starts, lengths = _walk(len(small), pair_keys, triple_keys, pool["2"], pool["3"])
        gains = _gains(small, pair_keys, triple_keys, starts, lengths, pool, characters)
        total = sum(len(keys) for keys in pool.values())
        excess = total - free
        if excess <= 0:
            break
        drop = excess if excess < free // 50 else max(1, excess // 3)
        worst = np.argsort(np.concatenate([gains["1"], gains["2"], gains["3"]]), kind="stable")[:drop]
        keep = np.ones(total, dtype=bool)
        keep[worst] = False
        offset = 0
        for name in ("1", "2", "3"):
            n = len(pool[name])
            pool[name] = pool[name][keep[offset : offset + n]]
            offset += n

    words: list[tuple[int, int, str]] = []
    for name in ("1", "2", "3"):
        for key, gain in zip(pool[name].tolist(), gains[name].tolist(), strict=True):
            words.append((-int(name), -int(gain), _spell(key, int(name), characters)))
    return [word for _, _, word in sorted(words)]


def _walk(
    n: int, pair_keys: np.ndarray, triple_keys: np.ndarray, pairs: np.ndarray, triples: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the encoder starts a token and how long it is, longest first: (tokens,) int64 and (tokens,) int8. Keys are sorted."""
    best = np.ones(n, dtype=np.int8)
    best[: n - 1][_member(pair_keys, pairs)] = 2
    best[: n - 2][_member(triple_keys, triples)] = 3
    starts, position, steps = [], 0, best.tolist()
    while position < n:
        starts.append(position)
        position += steps[position]
    where = np.array(starts, dtype=np.int64)
    return where, best[where]


def _gains(
    small: np.ndarray,
    pair_keys: np.ndarray,
    triple_keys: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    pool: dict[str, np.ndarray],
    characters: list[str],
) -> dict[str, np.ndarray]:
    """How many tokens more the text would take without each entry of the pool."""
    gains = {}
    for name, keys in (("1", small), ("2", pair_keys), ("3", triple_keys)):
        used = keys[starts[lengths == int(name)]]
        entries = pool[name]
        found = np.searchsorted(entries, used)
        inside = found < len(entries)
        inside[inside] = entries[found[inside]] == used[inside]
        gains[name] = np.bincount(found[inside], minlength=len(entries)).astype(np.int64)
    byte_counts = np.array([len(characters[key].encode("utf-8", "replace")) - 1 for key in pool["1"]], dtype=np.int64)
    gains["1"] = gains["1"] * byte_counts
    base = len(characters)
    # Without a word of three, a pair at its head or its tail still saves one of the two tokens.
    has_pair = _member(pool["3"] // base, pool["2"]) | _member(pool["3"] % (base * base), pool["2"])
    gains["3"] = gains["3"] * np.where(has_pair, 1, 2)
    return gains


def _member(keys: np.ndarray, entries: np.ndarray) -> np.ndarray:
    """Which of `keys` (n,) are in the sorted `entries`: (n,) bool."""
    if not len(entries):
        return np.zeros(len(keys), dtype=bool)
    return entries[np.minimum(np.searchsorted(entries, keys), len(entries) - 1)] == keys


def _frequent(keys: np.ndarray, limit: int) -> np.ndarray:
    """The `limit` most frequent keys that occur at least three times, sorted by key."""
    unique, counts = np.unique(keys, return_counts=True)
    order = np.lexsort((unique, -counts))[:limit]
    return np.sort(unique[order[counts[order] >= 3]])


def _spell(key: int, length: int, characters: list[str]) -> str:
    base, letters = len(characters), []
    for _ in range(length):
        letters.append(characters[key % base])
        key //= base
    return "".join(reversed(letters))


# ---- the lines of the file


def _entries(
    chosen: list[str], always: list[str], heads: Mapping[str, str], widths: Mapping[str, list[str]], counts: Mapping[str, int]
) -> tuple[tuple[str, ...], ...]:
    """The spellings of every id. A spelling belongs to one id only; heads are given away before any variant."""
    old: dict[str, list[str]] = {}
    for variant, head in sorted(heads.items(), key=lambda item: -counts.get(item[0], 0)):
        old.setdefault(head, []).append(variant)
    words = [word for word in chosen if len(word) > 1]
    words += [word for word in FORCED if word not in set(words)]
    words.sort(key=len, reverse=True)
    singles = [word for word in chosen if len(word) == 1]
    spare = len(chosen) + len(FORCED) - len(words) - len(singles)
    extra = [
        kanji for kanji in sorted(counts, key=lambda c: (-counts[c], c)) if kanji not in set(singles) and kanji not in set(always)
    ]
    singles += [kanji for kanji in extra if _script_number(kanji) == _NUMBERS["kanji"] and kanji not in heads][:spare]
    # ｶﾞ is a spelling of ガ and starts with one of カ: the smaller id wins, so kana written in two characters stand first.
    signs = sorted(always, key=lambda character: not any(len(form) > 1 for form in narrow_spellings(character)))
    ordered = [*words, *singles, *signs]
    taken = {*ordered, *TAIL, ","}
    entries = []
    for entry in ordered:
        spellings = [entry]
        if entry not in ",<":
            for spelling in _variants(entry, old, widths):
                if spelling not in taken:
                    taken.add(spelling)
                    spellings.append(spelling)
        entries.append(tuple(spellings))
    return (*entries, *((tag,) for tag in TAIL))


def _variants(entry: str, old: Mapping[str, list[str]], widths: Mapping[str, list[str]]) -> list[str]:
    """The other spellings of an entry: "慶応" → ["慶應", …], "ガ" → ["ｶﾞ", "ガ" decomposed], "1" → ["①", "１", …]."""
    narrow = [] if any(_script_number(c) == _NUMBERS["kanji"] for c in entry) else narrow_spellings(entry)
    if len(entry) == 1:
        found = [*old.get(entry, ()), *widths.get(entry, ()), *narrow, *_SINGLE.get(entry, ())]
    else:
        kanji = ["".join(letters) for letters in product(*([c, *old.get(c, ())[:3]] for c in entry))]
        wide = ["".join(chr(ord(c) + 0xFEE0) for c in entry)] if entry.isascii() and entry.isalnum() else []
        found = [*kanji[1:_SPELLINGS], *wide, *widths.get(entry, ()), *narrow]
    return list(dict.fromkeys(found))


# Signs that NFKC keeps apart, or that it unites with something else than what Japanese text means by them.
_SINGLE = {
    "～": ["〜"],
    "…": ["⋯"],
    "・": ["･"],
    "゛": ["\u3099", "ﾞ"],
    "゜": ["\u309a", "ﾟ"],
    "二": ["弍"],
    "○": ["◯"],
    "―": ["─"],
}


def _always(counts: Mapping[str, int], general: set[str], heads: Mapping[str, str]) -> list[str]:
    """Single characters that are always included: kana, signs, ASCII, the kanji for general use."""
    lossy = [
        c
        for c in sorted(counts)
        if counts[c] >= 50 and (0x2000 <= ord(c) <= 0x2C00 or 0xA1 <= ord(c) <= 0xBF) and c not in _REPLACED
    ]
    kanji = sorted(general - set(heads), key=lambda c: (-counts.get(c, 0), c))
    characters = [
        *kanji,
        *HIRAGANA,
        *KATAKANA,
        *_japanese_symbols(),
        *map(chr, range(0xFF01, 0xFF5F)),
        *lossy,
        *"©®™€•–゛゜",
        *"⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳",
        *ASCII,
    ]
    drop = {c for c in characters if ("０" <= c <= "９") or ("Ａ" <= c <= "Ｚ") or ("ａ" <= c <= "ｚ")} | {"〜", "⋯", "◯", "─"}
    return [c for c in dict.fromkeys(characters) if c not in drop]


def _japanese_symbols() -> list[str]:
    """The signs of JIS X 0208, rows 1 and 2 (→ ★ 〒 …), less those that the encoder replaces first."""
    found = []
    for row in (0xA1, 0xA2):
        for cell in range(0xA1, 0xFF):
            character = bytes([row, cell]).decode("euc_jp", errors="ignore")
            if character and character not in _REPLACED:
                found.append(character)
    return found


# ---- counting


_NUMBERS = {"hiragana": 1, "katakana": 2, "kanji": 3, "latin": 4}


def _script_number(character: str) -> int:
    """Script for the borders of words: only neighbours of one number (not 0, not a digit) can be in one word."""
    code = ord(character)
    if 0x3041 <= code <= 0x309F:
        return _NUMBERS["hiragana"]
    if 0x30A1 <= code <= 0x30FF and character != "・":
        return _NUMBERS["katakana"]
    if 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or code >= 0x20000 or character in "々〇":
        return _NUMBERS["kanji"]
    if character.isascii() and character.isalpha():
        return _NUMBERS["latin"]
    if character.isdigit():
        return _DIGIT
    if code == 0 or character in ",<" or character.isalpha():
        return _NONE
    return _SYMBOL


def _count(texts: Iterable[str], weights: Sequence[int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for text, weight in zip(texts, weights, strict=True):
        codes, times = np.unique(np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32), return_counts=True)
        for code, n in zip(codes.tolist(), times.tolist(), strict=True):
            counts[chr(code)] = counts.get(chr(code), 0) + n * weight
    return counts


def _folded(counts: Mapping[str, int], fold: Mapping[str, str]) -> dict[str, int]:
    result: dict[str, int] = {}
    for character, n in counts.items():
        head = fold.get(character, character)
        result[head] = result.get(head, 0) + n
    return result


def _sampled(texts: Sequence[str], weights: Sequence[int], limit: int) -> list[str]:
    """The beginning of every text, as often as it counts: about `limit` characters together."""
    total = sum(len(text) * weight for text, weight in zip(texts, weights, strict=True))
    share = min(1.0, limit / max(total, 1))
    return [text[: max(1, int(len(text) * share))] for text, weight in zip(texts, weights, strict=True) for _ in range(weight)]


def _codes(texts: Iterable[str], table: dict[int, str]) -> np.ndarray:
    joined = "\0".join(text.translate(table) for text in texts) + "\0\0\0"
    return np.frombuffer(joined.encode("utf-32-le", "replace"), dtype=np.uint32)
