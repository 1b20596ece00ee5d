"""Texts for training: read from files, tokenised once into one memory-mapped file of ids, drawn from by seed and number.

A packed corpus is a folder with `ids.bin` (uint16 or uint32; documents one after the other, each closed by <|endoftext|>) and
`meta.json`. Memory use is constant. Every window of a corpus is read once before any is read again;
where the length of the windows changes within a pass, the rest of the pass is drawn anew. Which windows a
step sees depends only on the seed and on how many windows were read before, so a resumed run sees the same.
"""

import hashlib
import json
import os
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from neoxjp.documents import Document, Split, read_documents
from neoxjp.errors import ParameterError
from neoxjp.hub import atomic_folder, read_json
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

__all__ = ["Document", "JoinedIds", "Packed", "draw_batch", "fingerprint", "open_packed", "pack", "pack_once", "read_documents"]

_GROUP_CHARACTERS = 1 << 18  # encoded at once
_GROUP_PIECES = 4096  # the same, of very short documents


class JoinedIds:
    """The ids of several files in a row. Slices are arrays."""

    def __init__(self, files: Sequence[np.ndarray], checksum: int):
        """checksum: stands for the contents, so that they need not be read to compare them."""
        self.files, self.checksum = files, checksum
        self._ends = list(accumulate(map(len, files)))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, place: slice) -> np.ndarray:
        start, stop, _ = place.indices(len(self))
        number = bisect_right(self._ends, start)
        parts = [self.files[0][:0]]
        while start < stop:
            before = self._ends[number] - len(self.files[number])
            parts.append(self.files[number][start - before : stop - before])
            start, number = self._ends[number], number + 1
        return np.concatenate(parts)


@dataclass(frozen=True)
class Packed:
    """A packed corpus, memory-mapped: nothing is read before it is used."""

    ids: np.ndarray | JoinedIds  # (n,) uint16 or uint32
    documents: int
    characters: int

    @property
    def checksum(self) -> int:
        """Stands for the ids, to notice other texts."""
        return zlib.crc32(self.ids.data) if isinstance(self.ids, np.ndarray) else self.ids.checksum

    @property
    def characters_per_token(self) -> float:
        """Converts nats per token into bits per character (divide by it and by ln 2)."""
        return self.characters / max(len(self.ids) - self.documents, 1)


def pack(
    documents: Iterable[Document], tokenizer_folder: str | Path, out: str | Path, *, workers: int = 1, origin: str = ""
) -> Packed:
    """Tokenise documents into the folder `out` (atomic) and open it; `workers` processes encode. `origin` is stored in meta.json.

    Raises ParameterError when there is no text.
    """
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(str(tokenizer_folder))
    dtype = ids_dtype(tokenizer)
    count, characters = 0, 0
    with atomic_folder(Path(out)) as folder:
        with (folder / "ids.bin").open("wb") as file:
            for ids, n_documents, n_characters in _encoded(documents, tokenizer, tokenizer_folder, workers):
                file.write(ids.astype(dtype).tobytes())
                count, characters = count + n_documents, characters + n_characters
        if not characters:
            raise ParameterError("there is no text to train on: every document is empty")
        meta = {
            "dtype": dtype.name,
            "documents": count,
            "characters": characters,
            "vocabulary": fingerprint(tokenizer_folder),
            "origin": origin,
        }
        (folder / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
    return open_packed(out, tokenizer_folder)


def pack_once(
    files: Sequence[Path],
    tokenizer_folder: Path,
    out: Path,
    *,
    column: str = "text",
    split: Split = "file",
    encoding: str = "",
    workers: int = 1,
) -> Packed:
    """Open what an earlier call packed into `out`, unless a file, an option or the vocabulary has changed since: pack then.

    Raises ParameterError as `read_documents` and `pack` do.
    """
    stats = [(str(path), *((stat.st_size, stat.st_mtime_ns) if (stat := _stat(path)) else ())) for path in files]
    facts = json.dumps([stats, column, split, encoding, fingerprint(tokenizer_folder)])
    origin = hashlib.sha256(facts.encode()).hexdigest()[:16]
    if (out / "meta.json").is_file() and read_json(out / "meta.json").get("origin") == origin:
        return open_packed(out, tokenizer_folder)
    documents = (d for path in files for d in read_documents(path, column=column, split=split, encoding=encoding))
    return pack(documents, tokenizer_folder, out, workers=workers, origin=origin)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None  # reading the file will raise a better error


def open_packed(folder: str | Path, tokenizer_folder: str | Path) -> Packed:
    """Map a packed corpus into memory. Raises ParameterError when it was packed with another vocabulary."""
    folder = Path(folder)
    meta = read_json(folder / "meta.json")
    if meta["vocabulary"] != fingerprint(tokenizer_folder):
        raise ParameterError(
            f"{str(folder)!r} was packed with another vocabulary than {str(tokenizer_folder)!r}: pack the texts again"
        )
    ids = np.memmap(folder / "ids.bin", dtype=meta["dtype"], mode="r")
    return Packed(ids, meta["documents"], meta["characters"])


def fingerprint(tokenizer: str | Path | GPTNeoXJapaneseTokenizer) -> str:
    """A short hash of vocab.txt and emoji.json, those of a folder or of a tokenizer."""
    if isinstance(tokenizer, GPTNeoXJapaneseTokenizer):
        contents = b"".join(tokenizer.vocabulary.contents)
    else:
        contents = b"".join((Path(tokenizer) / name).read_bytes() for name in ("vocab.txt", "emoji.json"))
    return hashlib.sha256(contents).hexdigest()[:16]


def ids_dtype(tokenizer: GPTNeoXJapaneseTokenizer) -> np.dtype:
    """The smallest type that holds every id of a vocabulary."""
    return np.dtype("<u2" if tokenizer.vocab_size <= 1 << 16 else "<u4")


def draw_batch(
    corpora: Sequence[Packed], shares: Sequence[float], *, rows: int, length: int, seed: int, first: int
) -> np.ndarray:
    """Windows `first`, `first` + 1, … of a run: ids (rows, length) int64, from `corpora` in proportion to `shares`.

    Raises ParameterError when a text is shorter than a window.
    """
    order = _corpus_order(tuple(shares), seed)
    windows = []
    for number in range(first, first + rows):
        repeats, place = divmod(number, len(order))
        chosen = int(order[place])
        of_corpus = repeats * int((order == chosen).sum()) + int((order[:place] == chosen).sum())
        windows.append(_window(corpora[chosen].ids, of_corpus, length, (seed, chosen)))
    return np.stack(windows)


@lru_cache(maxsize=8)
def _corpus_order(shares: tuple[float, ...], seed: int) -> np.ndarray:
    """Which corpus each window comes from: (about 1000,) indices, repeated for the next windows."""
    counts = [max(1, round(1000 * share / sum(shares))) for share in shares]
    return np.random.default_rng([seed, 0]).permutation(np.repeat(np.arange(len(shares)), counts))


def _window(ids: np.ndarray | JoinedIds, number: int, length: int, seeds: tuple[int, ...]) -> np.ndarray:
    """Window `number` of a corpus. Each pass over the corpus is divided at another offset and read in another order."""
    if len(ids) < length:
        raise ParameterError(f"the text has {len(ids)} tokens, a window takes {length}: give more text or a smaller length")
    count = max(1, len(ids) // length - 1)
    epoch, place = divmod(number, count)
    offset, order = _window_order(count, len(ids) - count * length, (*seeds, epoch))
    start = offset + int(order[place]) * length
    return np.asarray(ids[start : start + length], dtype=np.int64)


@lru_cache(maxsize=32)
def _window_order(count: int, max_offset: int, seeds: tuple[int, ...]) -> tuple[int, np.ndarray]:
    """Where the first of `count` windows starts, 0 to `max_offset` (tokens), and the order in which they are read, (count,)."""
    rng = np.random.default_rng(seeds)
    return int(rng.integers(0, max_offset + 1)), rng.permutation(count)


def _encoded(
    documents: Iterable[Document], tokenizer: GPTNeoXJapaneseTokenizer, folder: str | Path, workers: int
) -> Iterator[tuple[np.ndarray, int, int]]:
    groups = group_pieces(document_pieces(documents))
    if workers <= 1:
        yield from (encode_group(tokenizer, group) for group in groups)
        return
    # spawn: forking a process in which torch has started threads can hang it
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(str(folder),)
    ) as pool:
        while waiting := [pool.submit(_encode_in_worker, group) for group in islice(groups, 8 * workers)]:
            yield from (future.result() for future in waiting)


def document_pieces(documents: Iterable[Document]) -> Iterator[tuple[str, bool]]:
    """(text, whether the document ends here) of all that are not empty."""
    continues = False
    for document in documents:
        if document.text or continues:
            yield document.text, not document.continues
        continues = document.continues


def group_pieces(pieces: Iterable[tuple[str, bool]]) -> Iterator[list[tuple[str, bool]]]:
    """The pieces in order, in groups of a size that is encoded fast."""
    group: list[tuple[str, bool]] = []
    characters = 0
    for piece in pieces:
        group.append(piece)
        characters += len(piece[0])
        if characters >= _GROUP_CHARACTERS or len(group) >= _GROUP_PIECES:
            yield group
            group, characters = [], 0
    if group:
        yield group


def encode_group(
    tokenizer: GPTNeoXJapaneseTokenizer, pieces: list[tuple[str, bool]], clean: bool = False
) -> tuple[np.ndarray, int, int]:
    """Ids of the texts, each that ends a document closed by <|endoftext|>; the number of documents and of characters.

    clean: replace URLs, addresses, prices and dates by tags; False: as the tokenizer does it.
    """
    end = [tokenizer.eos_token_id]
    encoded = tokenizer.encode_batch([text for text, _ in pieces], clean or None)
    parts = [part for ids, (_, last) in zip(encoded, pieces, strict=True) for part in (ids, end if last else [])]
    ids = np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])
    return ids, sum(last for _, last in pieces), sum(len(text) for text, _ in pieces)


_worker_tokenizer: GPTNeoXJapaneseTokenizer | None = None


def _start_worker(folder: str) -> None:
    global _worker_tokenizer
    _worker_tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(folder)


def _encode_in_worker(pieces: list[tuple[str, bool]]) -> tuple[np.ndarray, int, int]:
    assert _worker_tokenizer is not None, "the worker starts with _start_worker"
    return encode_group(_worker_tokenizer, pieces)
