"""Benchmarks, one file per table, also beside other programs: generate, serve, quality, repetition, load, tokenize, soak.

Each of these files has `command(options)`; this package offers the options, which load without torch.
"""

from neoxjp.bench.options import (
    LoadOptions,
    QualityOptions,
    RepetitionOptions,
    ServeOptions,
    SoakOptions,
    TableOptions,
    TokenizeOptions,
    WriteOptions,
)

__all__ = [
    "LoadOptions", "QualityOptions", "RepetitionOptions", "ServeOptions", "SoakOptions", "TableOptions", "TokenizeOptions",
    "WriteOptions",
]  # fmt: skip
