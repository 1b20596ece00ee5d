"""Texts for training: read from files, tokenised once into one memory-mapped file of ids, drawn from by seed and step.

A packed corpus is a folder with `ids.bin` (uint16 or uint32; documents one after the other, each closed by <|endoftext|>) and
`meta.json`. Memory stays constant for any size. Which windows a step sees depends on nothing but the seed and the step's number,
so a resumed run sees the same.
"""

import hashlib
import json
import lzma
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from neoxjp.checkpoint import atomic_folder, read_json
from neoxjp.errors import ParameterError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

_DOCUMENTS_A_TASK = 16


@dataclass(frozen=True)
class Document:
    """One text and what is known of it."""

    text: str
    source: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Packed:
    """A packed corpus, memory-mapped: nothing is read before it is used."""

    ids: np.ndarray  # (n,) uint16 or uint32
    documents: int
    characters: int

    @property
    def characters_per_token(self) -> float:
        """What turns nats a token into bits a character."""
        return self.characters / max(len(self.ids) - self.documents, 1)


def read_documents(path: str | Path) -> Iterator[Document]:
    """The documents of a file: .jsonl or .jsonl.xz with a field `text` (and `source`, `licence`), or .txt as one document.

    Raises ParameterError with file and line where a line is not such an object.
    """
    path = Path(path)
    if not path.is_file():
        raise ParameterError(f"no file {str(path)!r}: name a .jsonl, .jsonl.xz or .txt file with text to train on")
    if path.suffix == ".txt":
        yield Document(path.read_text(encoding="utf-8"), source=path.name)
        return
    if path.suffixes[-1:] != [".jsonl"] and path.suffixes[-2:] != [".jsonl", ".xz"]:
        raise ParameterError(f"{str(path)!r} ends in {path.suffix!r}: texts are read from .jsonl, .jsonl.xz and .txt files")
    with lzma.open(path, "rt", encoding="utf-8") if path.suffix == ".xz" else path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                raw: Any = json.loads(line)
                text = raw["text"]
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ParameterError(
                    f"{path.name}, line {number}: found {line[:60]!r}, not a JSON object with a field 'text'"
                ) from error
            yield Document(str(text), str(raw.get("source", "")), str(raw.get("licence", "")))


def pack(documents: Iterable[Document], tokenizer_folder: str | Path, out: str | Path, *, workers: int = 1) -> Packed:
    """Tokenise documents into the folder `out` (atomic) and open it; `workers` processes encode.

    Raises ParameterError when there is not one character.
    """
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(str(tokenizer_folder))
    dtype = np.uint16 if tokenizer.vocab_size <= 1 << 16 else np.uint32
    count, characters = 0, 0
    with atomic_folder(Path(out)) as folder:
        with (folder / "ids.bin").open("wb") as file:
            for ids, n_documents, n_characters in _encoded(documents, tokenizer, tokenizer_folder, workers):
                file.write(ids.astype(dtype).tobytes())
                count, characters = count + n_documents, characters + n_characters
        if not characters:
            raise ParameterError("there is no text to train on: every document is empty")
        meta = {
            "dtype": np.dtype(dtype).name,
            "documents": count,
            "characters": characters,
            "vocabulary": fingerprint(tokenizer_folder),
        }
        (folder / "meta.json").write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
    return open_packed(out, tokenizer_folder)


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


def fingerprint(tokenizer_folder: str | Path) -> str:
    """A short hash of vocab.txt and emoji.json."""
    digest = hashlib.sha256()
    for name in ("vocab.txt", "emoji.json"):
        digest.update((Path(tokenizer_folder) / name).read_bytes())
    return digest.hexdigest()[:16]


def draw_batch(corpora: Sequence[Packed], shares: Sequence[float], *, rows: int, length: int, seed: int, step: int) -> np.ndarray:
    """Windows of ids for one step, (rows, length) int64: each from one of `corpora`, chosen in proportion to `shares`."""
    rng = np.random.default_rng([seed, step])
    windows = []
    for chosen in rng.choice(len(corpora), size=rows, p=np.asarray(shares) / np.sum(shares)):
        ids = corpora[chosen].ids
        if len(ids) < length:
            raise ParameterError(f"the text has {len(ids)} tokens, a window takes {length}: give more text or a smaller length")
        start = int(rng.integers(0, len(ids) - length + 1))
        windows.append(np.asarray(ids[start : start + length], dtype=np.int64))
    return np.stack(windows)


def _encoded(
    documents: Iterable[Document], tokenizer: GPTNeoXJapaneseTokenizer, folder: str | Path, workers: int
) -> Iterator[tuple[np.ndarray, int, int]]:
    groups = _groups((document.text for document in documents if document.text), _DOCUMENTS_A_TASK)
    if workers <= 1:
        yield from (_encode_group(tokenizer, group) for group in groups)
        return
    # spawn: forking a process in which torch has started threads can hang it
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(str(folder),)
    ) as pool:
        while waiting := [pool.submit(_encode_in_worker, group) for group in islice(groups, 8 * workers)]:
            yield from (future.result() for future in waiting)


def _groups(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    while group := list(islice(texts, size)):
        yield group


def _encode_group(tokenizer: GPTNeoXJapaneseTokenizer, texts: list[str]) -> tuple[np.ndarray, int, int]:
    """Ids of the texts, each closed by <|endoftext|>; the number of texts and of characters."""
    end = np.array([tokenizer.eos_token_id])
    parts = [part for ids in tokenizer.encode_batch(texts) for part in (np.asarray(ids), end)]
    return np.concatenate(parts), len(texts), sum(map(len, texts))


_worker_tokenizer: GPTNeoXJapaneseTokenizer | None = None


def _start_worker(folder: str) -> None:
    global _worker_tokenizer
    _worker_tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(folder)


def _encode_in_worker(texts: list[str]) -> tuple[np.ndarray, int, int]:
    assert _worker_tokenizer is not None, "the worker starts with _start_worker"
    return _encode_group(_worker_tokenizer, texts)
