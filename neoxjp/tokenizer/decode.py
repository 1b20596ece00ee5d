"""Ids to text, all at once and one by one. Knows only two tables: the text of each id and the byte that it stands for.

Consecutive bytes are joined before they are decoded as UTF-8, so that é and 𩸽, which are two and four tokens, are complete.
Invalid bytes become U+FFFD, as with `bytes.decode(errors="replace")`.
"""

import codecs
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

PART = 1 << 16  # ids decoded at once
NARROW = 9  # bytes of three kana or kanji: almost every token fits in a cell of this size
_GAP = b"\xff"  # fills the rest of a cell; never occurs in UTF-8


def join_texts(ids: Iterable[int], texts: Sequence[str], byte_values: Sequence[int]) -> str:
    """The text of the ids; `texts[id]` is written where `byte_values[id]` is -1."""
    parts: list[str] = []
    run = bytearray()
    for id in ids:
        if byte_values[id] >= 0:
            run.append(byte_values[id])
            continue
        if run:
            parts.append(run.decode("utf-8", "replace"))
            run.clear()
        parts.append(texts[id])
    parts.append(run.decode("utf-8", "replace"))
    return "".join(parts)


def decode_bytes_each(run: bytes) -> list[str]:
    """The text of a run of bytes, each character at its last byte: b"a\\xc3\\xa9" → ["a", "", "é"]."""
    texts = [""] * len(run)
    start = 0
    while start < len(run):
        lead = run[start]
        size = 1 if lead < 0x80 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        try:
            text = run[start : start + size].decode()
            start = min(start + size, len(run))
        except UnicodeDecodeError as error:
            text = "\ufffd"
            start += error.end
        texts[start - 1] = text
    return texts


def decode_each(ids: Sequence[int], texts: Sequence[str], byte_values: Sequence[int]) -> list[str]:
    """The text of each id; a character of several bytes is given to its last byte."""
    parts = [texts[id] for id in ids]
    places = [place for place, id in enumerate(ids) if byte_values[id] >= 0]
    first = 0
    for number, place in enumerate(places, 1):
        if number == len(places) or places[number] != place + 1:
            parts[places[first] : place + 1] = decode_bytes_each(bytes(byte_values[ids[at]] for at in places[first:number]))
            first = number
    return parts


class FastDecoder:
    """`join_texts` for a long array of ids: copies their UTF-8 from a table with cells of one width and deletes the gaps."""

    def __init__(self, texts: Sequence[str], byte_values: Sequence[int]):
        """Build the tables: 20 ms for the original vocabulary."""
        import numpy as np

        # Neither 255 nor 254 occurs in UTF-8. Both are decoded to U+FFFD, and 254 is not the gap.
        utf8 = [bytes([min(byte, 254)]) if byte >= 0 else text.encode() for text, byte in zip(texts, byte_values, strict=True)]
        width = max(map(len, utf8))
        self._long = np.array([len(cell) > NARROW for cell in utf8])
        self._cells = [
            np.frombuffer(b"".join(cell[:size].ljust(size, _GAP) for cell in utf8), np.dtype((np.void, size)))
            for size in (NARROW, max(width, NARROW))
        ]

    def write(self, ids: "np.ndarray", skip: Sequence[int] = ()) -> str:
        """The text of ids (T,), all in the vocabulary, without those to `skip`."""
        import numpy as np

        ids = ids[~np.isin(ids, skip)] if skip else ids
        parts: list[bytes] = []
        for start in range(0, len(ids), PART):
            part = ids[start : start + PART]
            cells = self._cells[int(self._long[part].any())]
            parts.append(cells[part].tobytes().translate(None, _GAP))
        return b"".join(parts).decode("utf-8", "replace")


def as_array(ids: Any, many: int, size: int) -> "np.ndarray | None":
    """`many` ids or more as an array (T,); None for fewer, or if one is not a whole number below `size`."""
    import numpy as np  # not at the top of the file: short texts need no numpy

    try:
        if len(ids) < many:
            return None
        array = np.asarray(ids.cpu() if hasattr(ids, "cpu") else ids)
    except (TypeError, ValueError, OverflowError):  # it has no length, or contains no ids
        return None
    return array if array.ndim == 1 and array.dtype.kind in "iu" and array.min() >= 0 and array.max() < size else None


class TextStream:
    """Streaming decoder: ids in, text out. An incomplete character is held back until its last byte."""

    def __init__(self, texts: Sequence[str], byte_values: Sequence[int], read: Callable[[int], list[int]], strip: bool = False):
        """`read` checks an id and returns [id], or [] to skip it; `strip` removes whitespace at both ends of the text."""
        self._texts, self._bytes, self._read, self._strip = texts, byte_values, read, strip
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""  # whitespace that is emitted only if text follows
        self._begun = False

    def push(self, id: int) -> str:
        """The text that is final after one more id; "" while a character is incomplete."""
        text = ""
        for checked in self._read(id):
            byte = self._bytes[checked]
            if byte >= 0:
                text += self._utf8.decode(bytes([byte]))
            else:
                text += self._utf8.decode(b"", final=True) + self._texts[checked]
        return self._stripped(text) if self._strip else text

    def flush(self) -> str:
        """The text that was held back, at the end of the ids. The stream can then be used for another text."""
        text = self._utf8.decode(b"", final=True)
        self._utf8.reset()
        if self._strip:
            text = self._stripped(text)
        self._held, self._begun = "", False
        return text

    def _stripped(self, text: str) -> str:
        text = self._held + text
        if not self._begun:
            text = text.lstrip()
        shown = text.rstrip()
        self._held = text[len(shown) :]
        self._begun = self._begun or bool(shown)
        return shown
