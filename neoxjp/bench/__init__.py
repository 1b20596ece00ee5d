"""Benchmarks, one file per table, also beside other programs: generate, serve, quality, repetition, load, tokenize, page, soak,
router.

Each of these files has `command(options)`; this package offers the options, which load without torch.
"""

from neoxjp.bench.options import (
    LoadOptions,
    PageOptions,
    QualityOptions,
    RepetitionOptions,
    RouterOptions,
    ServeOptions,
    SoakOptions,
    TableOptions,
    TokenizeOptions,
    WriteOptions,
)

__all__ = [
    "LoadOptions", "PageOptions", "QualityOptions", "RepetitionOptions", "RouterOptions", "ServeOptions", "SoakOptions",
    "TableOptions", "TokenizeOptions", "WriteOptions",
]  # fmt: skip
