"""A corpus as a folder of shards: planned from the files, written in any order by any number of workers, read for training.

    shards/  vocabulary/  manifest.json  shard-00000.bin  shard-00001.bin  …

A shard holds ids (uint16 or uint32, little-endian), documents one after the other, each closed by <|endoftext|>. Which
documents a shard has depends on the files and settings only, so a shard can be written again, and the workers do not show in
it. Joined, the shards are the `ids.bin` that `neoxjp.train.pack` writes of the same files. `neoxjp.train.ray` has the workers.
"""

from neoxjp.train.shards.plan import Piece, ShardSettings, Unit, plan
from neoxjp.train.shards.reader import open_shards
from neoxjp.train.shards.run import Outcome, tokenize_files
from neoxjp.train.shards.writer import Shard, write_shard

__all__ = [
    "Outcome",
    "Piece",
    "Shard",
    "ShardSettings",
    "Unit",
    "open_shards",
    "plan",
    "tokenize_files",
    "write_shard",
]  # fmt: skip
