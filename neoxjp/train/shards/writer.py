"""One shard: its documents encoded, written under another name and renamed when complete, with a record of counts and a hash."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from neoxjp.errors import CheckpointError
from neoxjp.hub import write_error
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.corpus import document_pieces, encode_group, group_pieces, ids_dtype
from neoxjp.train.shards.plan import ShardSettings, Unit


@dataclass(frozen=True)
class Shard:
    """A finished shard."""

    unit: Unit
    documents: int
    characters: int
    tokens: int  # <|endoftext|> included
    bytes: int  # of the text, in UTF-8
    sha256: str  # of the file

    @property
    def file(self) -> str:
        return f"{self.unit.name}.bin"

    def as_dict(self) -> dict[str, Any]:
        return {"file": self.file, **asdict(self)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Shard":
        rest = {name: value for name, value in values.items() if name not in ("file", "unit")}
        return cls(Unit.from_dict(values["unit"]), **rest)


def write_shard(unit: Unit, folder: Path, tokenizer: GPTNeoXJapaneseTokenizer, settings: ShardSettings) -> Shard:
    """Write a shard and its record (`shard-00012.json`) into the folder. Either both appear or neither.

    Raises:
        ParameterError: a text cannot be read.
        CheckpointError: the disk is full, or the folder cannot be written.
    """
    documents = (document for piece in unit.pieces for document in piece.documents(settings))
    dtype, digest = ids_dtype(tokenizer), hashlib.sha256()
    n_documents = characters = tokens = size = 0

    def counted() -> Iterator[tuple[str, bool]]:
        nonlocal size
        for text, last in document_pieces(documents):
            size += len(text.encode("utf-8", "surrogatepass"))
            yield text, last

    with replacing(folder / f"{unit.name}.bin") as file:
        for group in group_pieces(counted()):
            ids, ended, length = encode_group(tokenizer, group, settings.clean)
            data = ids.astype(dtype).data
            file.write(data)
            digest.update(data)
            n_documents, characters, tokens = n_documents + ended, characters + length, tokens + len(ids)
    shard = Shard(unit, n_documents, characters, tokens, size, digest.hexdigest())
    write_json(folder / f"{unit.name}.json", shard.as_dict())
    return shard


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace a JSON file in one step. Raises CheckpointError where that fails."""
    with replacing(path) as file:
        file.write(json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n")


@contextmanager
def replacing(path: Path) -> Iterator[Any]:
    """A file to write, which gets its name when the block ends without an error. Raises CheckpointError if writing fails."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.part")  # two workers may write the same shard after one seemed lost
    try:
        try:
            with fresh.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, CheckpointError):
            raise
        raise write_error(path, error) from error
