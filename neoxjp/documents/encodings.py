"""Which encoding a file of unknown origin is in: UTF-8, UTF-16, Shift_JIS (CP932), EUC-JP, ISO-2022-JP, or what it looks like.

In this order: a byte order mark; the escapes of ISO-2022-JP; UTF-8, for which other texts do not pass by accident; then the
Japanese encodings are tried and what they read is weighed: kana and common kanji speak for one, half-width katakana and rare
kanji against it. charset-normalizer is asked last: it takes many short Japanese texts for Chinese or Korean.
"""

import codecs
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Literal

from neoxjp.errors import ParameterError

How = Literal["chosen", "mark", "escapes", "utf-8", "weighed", "guessed"]
Sure = Literal["certain", "likely", "guess"]

NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8 (BOM)",
    "cp932": "Shift_JIS (CP932)",
    "euc_jp": "EUC-JP",
    "iso2022_jp": "ISO-2022-JP (JIS)",
    "utf-16": "UTF-16 (BOM)",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "utf-32": "UTF-32 (BOM)",
    "shift_jis_2004": "Shift_JIS-2004",
    "euc_jis_2004": "EUC-JIS-2004",
    "iso2022_jp_ext": "ISO-2022-JP-EXT",
    "iso2022_jp_2004": "ISO-2022-JP-2004",
}
"""Python's codec → what to call it; the first seven but the byte order marks are what one chooses from."""
CHOICES = ("utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16-le", "utf-16-be")
READ = 1 << 18  # bytes read at once
SAMPLE = 1 << 17  # bytes that are weighed
ENOUGH = 200  # bytes from which on charset-normalizer's guess is worth more than none
ODD = 0.1  # share of characters that cannot be text, from which on a file is none
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before that of UTF-16, with which it starts
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ESCAPES = (b"\x1b$B", b"\x1b$@", b"\x1b$(", b"\x1b(I")
SIGNATURES = (
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP, XLSX, DOCX, EPUB"),
    (b"PK\x05\x06", "ZIP"),
    (b"\x1f\x8b", "GZIP"),
    (b"\xfd7zXZ\x00", "XZ"),
    (b"BZh", "BZIP2"),
    (b"7z\xbc\xaf", "7Z"),
    (b"\x28\xb5\x2f\xfd", "ZSTD"),
    (b"PAR1", "Parquet"),
    (b"SQLite format 3\x00", "SQLite"),
    (b"\xd0\xcf\x11\xe0", "XLS, DOC"),
    (b"\x7fELF", "ELF"),
)


@dataclass(frozen=True)
class Found:
    """An encoding and how it was found."""

    encoding: str  # the codec's name in Python: "cp932"
    name: str  # what to call it: "Shift_JIS (CP932)"
    how: How
    sure: Sure


def chosen(encoding: str) -> Found:
    """An encoding by any of its names: "sjis" → CP932, "EUC-JP" → euc_jp. Raises ParameterError for one that Python lacks."""
    try:
        name = codecs.lookup(encoding.strip()).name
        "".encode(name)  # base64 and rot13 are codecs, but no encodings
    except (LookupError, UnicodeError, ValueError):
        known = ", ".join(CHOICES)
        raise ParameterError(
            f"encoding={encoding[:40]!r} is not known: choose {known} or another that Python reads, or let it be found",
            ja=f"文字コード {encoding[:40]!r} はありません。{known} などから選ぶか、自動にしてください。",
        ) from None
    if name == "shift_jis":  # what calls itself so is nearly always Microsoft's, with ① and ㈱
        name = "cp932"
    return Found(name, NAMES.get(name, name), "chosen", "certain")


def find(file: BinaryIO) -> Found:
    """The encoding of an open file. Reads it once, in constant memory, and leaves it at its beginning.

    Raises:
        ParameterError: it is no text: a picture, an archive, or something with too many characters that no text has.
    """
    head = refuse_other_files(file)
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return Found(encoding, NAMES[encoding], "mark", "certain")
    seen = _scan(file)
    file.seek(0)
    if seen.escapes:
        names = ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2004")
        best = min(names, key=lambda name: _read(seen.sample, name).count("\ufffd"))
        return Found(best, NAMES[best], "escapes", "certain")
    few_nuls = seen.nuls <= seen.size // 100
    if not seen.wrong and (wide := _two_bytes(seen)):
        return wide
    if not seen.wrong and few_nuls:
        return Found("utf-8", NAMES["utf-8"], "utf-8", "likely" if seen.nuls else "certain")
    if seen.right > 20 * seen.wrong and few_nuls:  # UTF-8 that was damaged in a few places
        return Found("utf-8", NAMES["utf-8"], "utf-8", "likely")
    return _weighed(seen)


def refuse_other_files(file: BinaryIO) -> bytes:
    """The first bytes of an open file. Raises ParameterError where they are those of a picture, an archive, a PDF, ..."""
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    for signature, name in SIGNATURES:
        if head.startswith(signature):
            raise _no_text(name)
    return head


@dataclass
class _Seen:
    """What one pass over a file's bytes tells."""

    head: bytes = b""
    sample: bytes = b""  # from the first line that is not ASCII, or the beginning
    size: int = 0
    nuls: int = 0
    right: int = 0  # characters beyond ASCII, read as UTF-8
    wrong: int = 0  # places that are not UTF-8
    escapes: bool = False


def _scan(file: BinaryIO) -> _Seen:
    import numpy as np

    seen, last, ascii_only = _Seen(), b"", True
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := file.read(READ):
        seen.size += len(data)
        seen.nuls += data.count(b"\0")
        if ascii_only and (b"\x1b" in data or last[-1:] == b"\x1b") and not seen.escapes:
            joined = last[-3:] + data
            seen.escapes = any(escape in joined for escape in ESCAPES)
            place = joined.find(b"\x1b")
            seen.sample = joined[joined.rfind(b"\n", 0, place) + 1 :][:SAMPLE]
        text = decoder.decode(data)
        if not data.isascii():
            codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
            lost = int((codes == 0xFFFD).sum())
            seen.right += int((codes > 0x7F).sum()) - lost
            seen.wrong += max(lost - data.count(b"\xef\xbf\xbd"), 0)
            if ascii_only and not seen.nuls:
                place = len(data) - len(data.lstrip(_ASCII))
                seen.sample = data[data.rfind(b"\n", 0, place) + 1 :][:SAMPLE]
            ascii_only = False
        seen.head = seen.head or data[:SAMPLE]
        seen.sample = seen.sample or data[:SAMPLE]
        if len(seen.sample) < SAMPLE // 2 and seen.size > len(data):
            seen.sample += data[: SAMPLE - len(seen.sample)]
        last = data
    seen.wrong += decoder.decode(b"", final=True).count("\ufffd")
    seen.escapes = seen.escapes and ascii_only
    return seen


_ASCII = bytes(range(128))


def _two_bytes(seen: _Seen) -> Found | None:
    """UTF-16 without its mark, whose bytes happen to be UTF-8 too: "な感" is "j0\x1fa". Controls in the text give it away."""
    if seen.size % 2 or not odd(_read(seen.head, "utf-8")):
        return None
    name = max(("utf-16-le", "utf-16-be"), key=lambda name: plausibility(_read(seen.head, name)))
    return Found(name, NAMES[name], "weighed", "likely") if plausibility(_read(seen.head, name)) > 0.5 else None


def _weighed(seen: _Seen) -> Found:
    """The Japanese encoding whose reading looks most like Japanese; another one where none does."""
    names = ["cp932", "euc_jp", "euc_jis_2004", "shift_jis_2004"]
    if seen.nuls or not seen.size % 2:
        names += ["utf-16-le", "utf-16-be"]
    samples = {name: seen.head if name.startswith("utf-16") else seen.sample for name in names}  # from a place that is even
    weights = {name: plausibility(_read(samples[name], name)) for name in names}
    for name in names[4:] if not seen.nuls else ():  # any bytes are some Chinese characters
        weights[name] = weights[name] if weights[name] > 0.5 else -9.0
    best = max(names, key=lambda name: weights[name])  # of equal ones the first, which is the commoner
    if seen.nuls and not best.startswith("utf-16"):
        raise _no_text("NUL bytes")
    family = {"euc_jp": "euc_jis_2004", "cp932": "shift_jis_2004"}
    near = {best, family.get(best), next((old for old, new in family.items() if new == best), None)}
    margin = weights[best] - max(weight for name, weight in weights.items() if name not in near)
    text = _read(samples[best], best)
    if weights[best] < 0.3 or not any("\u3041" <= character <= "\u30fe" for character in text):
        if len(seen.sample) >= ENOUGH and (other := _guessed(seen.sample)):
            return Found(other, NAMES.get(other, other), "guessed", "guess")
        if odd(text) > ODD and odd(text) * len(text) > 3:
            raise _no_text("")
        return Found(best, NAMES[best], "weighed", "guess")
    return Found(best, NAMES[best], "weighed", "likely" if weights[best] > 0.5 and margin > 0.3 else "guess")


def _guessed(sample: bytes) -> str:
    """What charset-normalizer takes a text for; "" for nothing, and for an encoding that was weighed already."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample[: 1 << 14]).best()
    if best is None or odd(_read(sample, best.encoding)) > ODD / 10:
        return ""
    return best.encoding if best.encoding not in NAMES else ""


def _read(sample: bytes, encoding: str) -> str:
    """The sample, U+FFFD where it cannot be read; half a character at its end is left out."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(sample)


def odd(text: str) -> float:
    """The share of characters that no text has: what could not be read, controls, private and unassigned ones."""
    return sum(n for character, n in Counter(text).items() if _weight(character) <= -3) / max(len(text), 1)


def plausibility(text: str) -> float:
    """How much a text looks like Japanese, from 1 (kana only) down to below 0 (noise); ASCII counts for nothing."""
    counted = Counter(text)
    weights = {character: _weight(character) for character in counted}
    wide = sum(n for character, n in counted.items() if weights[character] != 0)
    return sum(weights[character] * n for character, n in counted.items()) / wide if wide else 0.0


@lru_cache(maxsize=1 << 15)
def _weight(character: str) -> float:
    code = ord(character)
    if code < 0x80:
        return 0.0 if code >= 0x20 or character in "\t\n\r\f" else -3.0
    if 0x3041 <= code <= 0x3096 or 0x30A1 <= code <= 0x30FE or 0x3000 <= code <= 0x301F or 0xFF01 <= code <= 0xFF5E:
        return 1.0
    if 0x4E00 <= code <= 0x9FFF:
        try:
            return 0.8 if character.encode("euc_jp")[0] < 0xD0 else 0.1  # kanji of JIS level 1, ordered by reading, or of level 2
        except UnicodeEncodeError:
            return -0.5
    if 0xFF61 <= code <= 0xFF9F:
        return -0.2
    if 0x80 <= code < 0xA0 or 0xE000 <= code <= 0xF8FF or code == 0xFFFD or 0xFFF0 <= code <= 0xFFFF:
        return -4.0
    return -0.3


def _no_text(what: str) -> ParameterError:
    return ParameterError(
        f"this is no text file{f' ({what})' if what else ''}: give a text, CSV or JSONL file; unpack archives, "
        "and save spreadsheets as CSV",
        ja=f"テキストファイルではありません{f'（{what}）' if what else ''}。テキスト、CSV、JSONL を選んでください。"
        "圧縮されたものは展開し、表計算のファイルは CSV で保存してください。",
    )
