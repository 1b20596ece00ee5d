"""Streaming encoder for texts of any size in constant memory: `IdStream`; and files of text to files of ids.

The ids are those of the complete text. A part ends at a border that no emoji, emoticon, tag or CR LF spans. Up to there the
text is normalized as in the complete text, because only overlapping emoji affect each other. The state of the current token is
carried over
the border with the last two positions: a token depends on the two following positions and on no more.
"""

import codecs
import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from neoxjp.errors import ParameterError
from neoxjp.tokenizer.normalize import DASHES, EmojiTable

if TYPE_CHECKING:
    from neoxjp.tokenizer.fast_encode import FastEncoder

READ = 1 << 20  # bytes read at once
TRIES = 4096  # positions tried as a border; a longer chain of overlapping emoji waits for more text
SUFFIXES = (".npy", ".bin", ".txt")


class IdStream:
    """Ids from parts of a text: the results of all `push` calls and of `flush`, joined, are `encode` of the complete text.

    With a vocabulary that the tables do not support, or with cleaning, all text is held back until `flush`.
    """

    def __init__(
        self,
        scanner: "FastEncoder | None",
        emoji: EmojiTable,
        split: Callable[[str], Iterable[tuple[str, bool]]],
        encode: Callable[[str], list[int]],
    ):
        """`split` splits a text at typed special tokens (True for one); `encode` encodes a text without tables."""
        self._scanner, self._split, self._encode = scanner, split, encode
        self._held: list[str] = []
        self._reach: dict[str, set[str]] = {}  # first character → what of several characters starts with it
        for thing in ("\r\n", *emoji.tags, *(scanner.tags if scanner else ())):
            if len(thing) > 1:
                self._reach.setdefault(thing[0], set()).add(thing)
        self._longest = max(len(thing) for things in self._reach.values() for thing in things)
        self._start()

    def _start(self) -> None:
        self._classes, self._codes = np.zeros(0, np.int16), np.zeros(0, np.uint32)
        self._covered = 0

    def push(self, text: str) -> np.ndarray:
        """The ids (T,) int64 that are final after more text."""
        self._held.append(text)
        if self._scanner is None:
            return np.zeros(0, np.int64)
        held = "".join(self._held)
        border = self._border(held)
        self._held = [held[border:]]
        return self._ids(held[:border])

    def flush(self) -> np.ndarray:
        """The ids of the text that was held back, at its end. The stream can then be used for another text."""
        held, self._held = "".join(self._held), []
        if self._scanner is None:
            return np.array(self._encode(held), np.int64)
        ids = np.concatenate([self._ids(held), self._cut(0)])
        self._start()
        return ids

    def _border(self, text: str) -> int:
        """The last position that nothing can span, whatever follows the text; 0 if there is none."""
        last = len(text) - self._longest + 1
        first = max(last - TRIES, 0)
        start = max(first - self._longest, 0)
        window = text[start:]
        for old, new in DASHES:
            window = window.replace(old, new)
        return next((place for place in range(last, first, -1) if not self._crossed(window, place - start)), 0)

    def _crossed(self, text: str, border: int) -> bool:
        """Whether an emoji, tag or CR LF spans a position."""
        return any(
            start + len(thing) > border and text.startswith(thing, start)
            for start in range(max(border - self._longest + 1, 0), border)
            for thing in self._reach.get(text[start], ())
        )

    def _ids(self, text: str) -> np.ndarray:
        assert self._scanner
        found = [np.zeros(0, np.int64)]
        for part, special in self._split(text):
            if special:  # no token spans it
                found.append(self._cut(0))
                self._start()
            classes, codes = self._scanner.classes(part, normalised=special)
            self._classes = np.concatenate([self._classes, classes])
            self._codes = np.concatenate([self._codes, codes])
            found.append(self._cut(0 if special else 2))
        return np.concatenate(found)

    def _cut(self, ahead: int) -> np.ndarray:
        """The ids of the tokens that start before the last `ahead` positions, which are kept."""
        assert self._scanner
        ahead = min(ahead, len(self._classes))
        ids, self._covered = self._scanner.scan(self._classes, self._codes, self._covered, ahead)
        kept = len(self._classes) - ahead
        self._classes, self._codes = self._classes[kept:], self._codes[kept:]
        return ids


def encode_files(
    stream: IdStream, paths: Iterable[Path], out: Path | None, vocab_size: int, progress: Callable[[int, int], None] | None = None
) -> dict[str, int]:
    """Encode the joined files to a file of ids, or print the ids, one a line. Returns bytes, characters and tokens."""
    done, paths = {"bytes": 0, "characters": 0, "tokens": 0}, list(paths)
    if out and out.exists() and any(path.exists() and out.samefile(path) for path in paths):
        raise ParameterError(f"out={str(out)!r} is one of the files to read: give another name")

    def parts() -> Iterator[np.ndarray]:
        for text in read_files(paths, progress):
            done["characters"] += len(text)
            done["bytes"] += len(text.encode())
            yield stream.push(text)
        yield stream.flush()

    with IdWriter(out, vocab_size) if out else contextlib.nullcontext() as writer:
        for ids in parts():
            done["tokens"] += len(ids)
            if writer:
                writer.write(ids)
            else:
                print("".join(f"{id}\n" for id in ids.tolist()), end="")
    return done


def read_files(paths: Iterable[Path], progress: Callable[[int, int], None] | None = None) -> Iterator[str]:
    """The texts of UTF-8 files, one after the other, in parts. `progress` gets the bytes read and the total.

    Raises ParameterError for a file that cannot be read or is not UTF-8.
    """
    paths = list(paths)
    try:
        total = sum(path.stat().st_size for path in paths)
        done = 0
        for path in paths:
            decoder, place, begun = codecs.getincrementaldecoder("utf-8")(), done, False
            with path.open("rb") as file:
                while data := file.read(READ):
                    held = len(decoder.getstate()[0])
                    try:
                        text = decoder.decode(data)
                        yield text if begun else text.removeprefix("\ufeff")  # a byte order mark is no text
                        begun = begun or bool(text)
                    except UnicodeDecodeError as error:
                        byte, at = error.object[error.start], done - place - held + error.start
                        raise ParameterError(
                            f"{path} is not UTF-8 (byte {byte:#04x} at {at}): convert it first, for example with iconv"
                        ) from error
                    done += len(data)
                    if progress:
                        progress(done, total)
            if rest := decoder.getstate()[0]:
                raise ParameterError(f"{path} ends within a character (byte {rest[0]:#04x}): the file may be truncated")
    except OSError as error:
        raise ParameterError(f"cannot read {error.filename}: {error.strerror}") from error


class IdWriter:
    """A file of ids that grows: .npy (an array), .bin (the numbers alone), .txt (one a line). It appears when it is complete.

    Numbers are uint16 where the vocabulary has at most 65,536 ids, else uint32, little-endian.
    """

    def __init__(self, path: Path, vocab_size: int):
        """Raises ParameterError for another suffix, or a file that cannot be written."""
        if path.suffix not in SUFFIXES:
            raise ParameterError(f"out={str(path)!r}: the name must end in one of {', '.join(SUFFIXES)}")
        if path.is_dir():
            raise ParameterError(f"out={str(path)!r} is a folder: give the name of a file")
        self.path, self._fresh = path, path.with_name(path.name + ".part")
        self.dtype = np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")
        self.count = 0
        try:
            self._file = self._fresh.open("wb")
        except OSError as error:
            raise ParameterError(f"cannot write {self._fresh}: {error.strerror}") from error
        self._head()

    def _head(self) -> None:
        if self.path.suffix == ".npy":  # numpy pads the header so that the length can grow
            head = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.count,)}
            np.lib.format.write_array_header_1_0(self._file, head)

    def write(self, ids: np.ndarray) -> None:
        self.count += len(ids)
        if self.path.suffix == ".txt":
            self._file.write("".join(f"{id}\n" for id in ids.tolist()).encode())
        else:
            self._file.write(ids.astype(self.dtype).tobytes())

    def __enter__(self) -> "IdWriter":
        return self

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        try:
            if not failed:
                self._file.seek(0)
                self._head()
            self._file.close()
            if not failed:
                os.replace(self._fresh, self.path)
        finally:
            self._fresh.unlink(missing_ok=True)
