"""Shards as one sequence of ids for training, memory-mapped."""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neoxjp.errors import ParameterError
from neoxjp.hub import read_json
from neoxjp.train.corpus import JoinedIds, Packed, fingerprint

MANIFEST = "manifest.json"


def open_shards(folders: Sequence[Path], tokenizer_folder: str | Path) -> Packed:
    """The shards of all folders as one corpus.

    Raises:
        ParameterError: a folder is not complete or has lost a shard, or has the ids of another vocabulary.
    """
    files, hashes, documents, characters = [], b"", 0, 0
    for folder in folders:
        if not (folder / MANIFEST).is_file():
            raise ParameterError(
                f"{str(folder)!r} is a folder without {MANIFEST}: name files with texts, or a folder of shards that "
                "`neoxjp tokenize --ray` has written"
            )
        manifest = read_json(folder / MANIFEST)
        if not manifest.get("complete"):
            raise ParameterError(f"{str(folder)!r} is not complete: give the command `neoxjp tokenize --ray` again that began it")
        if manifest["vocabulary"] != fingerprint(tokenizer_folder):
            raise ParameterError(
                f"{str(folder)!r} was tokenized with another vocabulary than the model's: train with --vocabulary "
                f"{str(folder / 'vocabulary')!r} or --from a model that has it, or tokenize the texts again"
            )
        dtype = np.dtype(manifest["dtype"])
        for shard in manifest["shards"]:
            path = folder / shard["file"]
            if not path.is_file() or path.stat().st_size != shard["tokens"] * dtype.itemsize:
                raise ParameterError(f"{str(path)!r} is missing or was truncated: tokenize the texts again")
            hashes += bytes.fromhex(shard["sha256"])
            if shard["tokens"]:  # an empty file cannot be mapped
                files.append(np.memmap(path, dtype=dtype, mode="r"))
        documents += manifest["documents"]
        characters += manifest["characters"]
    return Packed(JoinedIds(files, zlib.crc32(hashes)), documents, characters)
