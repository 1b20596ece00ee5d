"""Detect the encoding of a text file: UTF-8, UTF-16, Shift_JIS (CP932), EUC-JP, ISO-2022-JP, or another one.

In this order: a byte order mark; the escape sequences of ISO-2022-JP; UTF-8, which other texts do not match by accident; then the
text is decoded with each Japanese encoding and scored: kana and common kanji add to the score, half-width katakana and rare
kanji lower it. Shift_JIS-2004 is only considered where CP932 cannot decode the bytes, EUC-JIS-2004 where EUC-JP cannot.
charset-normalizer comes last: it takes many short Japanese texts for Chinese or Korean.
"""

import codecs
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Literal

from neoxjp.errors import ParameterError

Method = Literal["chosen", "bom", "escapes", "utf-8", "score", "charset-normalizer"]
Confidence = Literal["certain", "likely", "guess"]

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
"""Python's codec → the name to show."""
CHOICES = {name: NAMES[name] for name in ("utf-8", "cp932", "euc_jp", "iso2022_jp", "utf-16-le", "utf-16-be")}
"""The encodings offered in lists."""
RARE = {"euc_jis_2004": "euc_jp", "shift_jis_2004": "cp932"}
"""A rare encoding → the common one that shares most of its bytes. Where CP932 has 髙 and 﨑, Shift_JIS-2004 has other kanji."""
CHUNK = 1 << 18  # bytes read at once
SAMPLE = 1 << 17  # bytes that are scored
MIN_GUESS = 200  # bytes from which on charset-normalizer is asked
MAX_NON_TEXT = 0.1  # share of characters that no text has, above which a file is not a text
BOMS = (
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
_ASCII = bytes(range(128))


@dataclass(frozen=True)
class Encoding:
    """An encoding and how it was determined."""

    codec: str  # Python's name: "cp932"
    name: str  # the name to show: "Shift_JIS (CP932)"
    method: Method
    confidence: Confidence


def parse_encoding(name: str) -> Encoding:
    """An encoding by any of its names: "sjis" → cp932, "EUC-JP" → euc_jp. Raises ParameterError for one that Python lacks."""
    try:
        codec = codecs.lookup(name.strip()).name
        "".encode(codec)  # base64 and rot13 are codecs, but not encodings
    except (LookupError, UnicodeError, ValueError):
        known = ", ".join(CHOICES)
        raise ParameterError(
            f"encoding={name[:40]!r} is not known: choose {known} or another encoding that Python has, or leave it out "
            "to detect it",
            ja=f"文字コード {name[:40]!r} はありません。{known} などから選ぶか、自動判定にしてください。",
        ) from None
    if codec == "shift_jis":  # files labelled Shift_JIS are nearly always Microsoft's variant, with ① and ㈱
        codec = "cp932"
    return _encoding(codec, "chosen", "certain")


def detect_encoding(file: BinaryIO, limit: int | None = None) -> Encoding:
    """The encoding of an open file, which is left at its beginning. Reads it once, in constant memory.

    Args:
        limit: bytes to look at; None: the whole file.

    Raises:
        ParameterError: it is not a text: an image, an archive, or data with too many characters that no text has.
    """
    head = refuse_binary(file)
    for bom, codec in BOMS:
        if head.startswith(bom):
            return _encoding(codec, "bom", "certain")
    scan = _scan(file, limit)
    file.seek(0)
    if scan.escapes:
        codecs_ = ("iso2022_jp", "iso2022_jp_ext", "iso2022_jp_2004")
        best = min(codecs_, key=lambda codec: _decode(scan.sample, codec).count("\ufffd"))
        return _encoding(best, "escapes", "certain")
    few_nuls = scan.nuls <= scan.size // 100
    if not scan.invalid and (utf16 := _utf16_like_utf8(scan)):
        return utf16
    if not scan.invalid and few_nuls:
        return _encoding("utf-8", "utf-8", "likely" if scan.nuls else "certain")
    if scan.valid > 20 * scan.invalid and few_nuls:  # UTF-8 that was damaged in a few places
        return _encoding("utf-8", "utf-8", "likely")
    return _best_score(scan)


def refuse_binary(file: BinaryIO) -> bytes:
    """The first bytes of an open file. Raises ParameterError where they are those of an image, an archive, a PDF, ..."""
    file.seek(0)
    head = file.read(64)
    file.seek(0)
    for signature, name in SIGNATURES:
        if head.startswith(signature):
            raise _not_text(name)
    return head


def _encoding(codec: str, method: Method, confidence: Confidence) -> Encoding:
    return Encoding(codec, NAMES.get(codec, codec), method, confidence)


@dataclass
class _Scan:
    """The result of one pass over a file's bytes."""

    head: bytes = b""
    sample: bytes = b""  # from the first line that is not ASCII, or the beginning
    size: int = 0
    nuls: int = 0
    valid: int = 0  # characters beyond ASCII, decoded as UTF-8
    invalid: int = 0  # places that are not UTF-8
    escapes: bool = False


def _scan(file: BinaryIO, limit: int | None) -> _Scan:
    import numpy as np

    scan, last, ascii_only = _Scan(), b"", True
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while (limit is None or scan.size < limit) and (data := file.read(CHUNK)):
        scan.size += len(data)
        scan.nuls += data.count(b"\0")
        if ascii_only and (b"\x1b" in data or last[-1:] == b"\x1b") and not scan.escapes:
            joined = last[-3:] + data
            scan.escapes = any(escape in joined for escape in ESCAPES)
            place = joined.find(b"\x1b")
            scan.sample = joined[joined.rfind(b"\n", 0, place) + 1 :][:SAMPLE]
        text = decoder.decode(data)
        if not data.isascii():
            codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
            lost = int((codes == 0xFFFD).sum())
            scan.valid += int((codes > 0x7F).sum()) - lost
            scan.invalid += max(lost - data.count(b"\xef\xbf\xbd"), 0)
            if ascii_only and not scan.nuls:
                place = len(data) - len(data.lstrip(_ASCII))
                scan.sample = data[data.rfind(b"\n", 0, place) + 1 :][:SAMPLE]
            ascii_only = False
        scan.head = scan.head or data[:SAMPLE]
        scan.sample = scan.sample or data[:SAMPLE]
        if len(scan.sample) < SAMPLE // 2 and scan.size > len(data):
            scan.sample += data[: SAMPLE - len(scan.sample)]
        last = data
    if limit is None or scan.size < limit:  # at the limit half a character is no fault
        scan.invalid += decoder.decode(b"", final=True).count("\ufffd")
    scan.escapes = scan.escapes and ascii_only
    return scan


def _utf16_like_utf8(scan: _Scan) -> Encoding | None:
    """UTF-16 without a byte order mark that is valid UTF-8 too: "な感" is "j0\x1fa". Its control characters show it."""
    if scan.size % 2 or not non_text_share(_decode(scan.head, "utf-8")):
        return None
    best = max(("utf-16-le", "utf-16-be"), key=lambda codec: japanese_score(_decode(scan.head, codec)))
    return _encoding(best, "score", "likely") if japanese_score(_decode(scan.head, best)) > 0.5 else None


def _best_score(scan: _Scan) -> Encoding:
    """The Japanese encoding with the highest score; charset-normalizer's guess where all are low."""
    candidates = ["cp932", "euc_jp"]
    utf16 = ["utf-16-le", "utf-16-be"] if scan.nuls or not scan.size % 2 else []
    # UTF-16 is decoded from the head, which starts at an even place
    texts = {codec: _decode(scan.sample, codec) for codec in (*candidates, *RARE)}
    texts |= {codec: _decode(scan.head, codec) for codec in utf16}
    # The rare encodings read 髙 of CP932 as 郄: only bytes that the common one cannot decode speak for them.
    candidates += [rare for rare, common in RARE.items() if texts[rare].count("\ufffd") < texts[common].count("\ufffd")]
    candidates += utf16
    scores = {codec: japanese_score(texts[codec]) for codec in candidates}
    for codec in utf16 if not scan.nuls else ():  # any bytes are some Chinese characters
        scores[codec] = scores[codec] if scores[codec] > 0.5 else -9.0
    best = max(candidates, key=lambda codec: scores[codec])  # of equal ones the first, which is more common
    if scan.nuls and not best.startswith("utf-16"):
        raise _not_text("NUL bytes")
    families = ({"euc_jp", "euc_jis_2004"}, {"cp932", "shift_jis_2004"}, {best})
    family = next(family for family in families if best in family)
    margin = scores[best] - max(score for codec, score in scores.items() if codec not in family)
    text = texts[best]
    if scores[best] < 0.3 or not any("\u3041" <= character <= "\u30fe" for character in text):
        if len(scan.sample) >= MIN_GUESS and (other := _charset_normalizer(scan.sample)):
            return _encoding(other, "charset-normalizer", "guess")
        if non_text_share(text) > MAX_NON_TEXT and non_text_share(text) * len(text) > 3:
            raise _not_text("")
        return _encoding(best, "score", "guess")
    return _encoding(best, "score", "likely" if scores[best] > 0.5 and margin > 0.3 else "guess")


def _charset_normalizer(sample: bytes) -> str:
    """charset-normalizer's answer; "" for none, and for an encoding that was scored already."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample[: 1 << 14]).best()
    if best is None or non_text_share(_decode(sample, best.encoding)) > MAX_NON_TEXT / 10:
        return ""
    return best.encoding if best.encoding not in NAMES else ""


def _decode(sample: bytes, codec: str) -> str:
    """The sample as text, U+FFFD for invalid bytes; half a character at its end is left out."""
    return codecs.getincrementaldecoder(codec)("replace").decode(sample)


def non_text_share(text: str) -> float:
    """The share of characters that no text has: U+FFFD, controls, private and unassigned ones."""
    return sum(n for character, n in Counter(text).items() if _score(character) <= -3) / max(len(text), 1)


def japanese_score(text: str) -> float:
    """How much a text looks like Japanese, from 1 (kana only) to below 0 (noise); ASCII does not count."""
    counted = Counter(text)
    scores = {character: _score(character) for character in counted}
    total = sum(n for character, n in counted.items() if scores[character] != 0)
    return sum(scores[character] * n for character, n in counted.items()) / total if total else 0.0


@lru_cache(maxsize=1 << 15)
def _score(character: str) -> float:
    code = ord(character)
    if code < 0x80:
        return 0.0 if code >= 0x20 or character in "\t\n\r\f" else -3.0
    if 0x3041 <= code <= 0x3096 or 0x30A1 <= code <= 0x30FE or 0x3000 <= code <= 0x301F or 0xFF01 <= code <= 0xFF5E:
        return 1.0
    if 0x4E00 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF:
        try:
            # kanji of JIS level 1, ordered by reading, up to 腕; then those of level 2, and 髙 and 﨑, which only CP932 has
            return 0.8 if character.encode("cp932") <= "腕".encode("cp932") else 0.1
        except UnicodeEncodeError:
            return -0.5
    if 0xFF61 <= code <= 0xFF9F:
        return -0.2
    if 0x80 <= code < 0xA0 or 0xE000 <= code <= 0xF8FF or code == 0xFFFD or 0xFFF0 <= code <= 0xFFFF:
        return -4.0
    return -0.3


def _not_text(found: str) -> ParameterError:
    return ParameterError(
        f"this is not a text file{f' ({found})' if found else ''}: use a text, CSV or JSONL file; unpack archives, "
        "and export spreadsheets as CSV",
        ja=f"テキストファイルではありません{f'（{found}）' if found else ''}。テキスト、CSV、JSONL を選んでください。"
        "圧縮ファイルは展開し、表計算ファイルは CSV で書き出してください。",
    )
