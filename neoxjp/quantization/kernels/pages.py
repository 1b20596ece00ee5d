"""Memory for packed weights and caches in huge pages (transparent huge pages of Linux), where the system gives them.

A step reads every weight, and every key and value, once. With pages of 2 MiB the processor's own prefetching runs through them;
with pages of 4 KiB it ends with each, and the address of each must be looked up.
"""

import math
import mmap
from pathlib import Path

import torch
from torch import Tensor

PAGE = 2**21  # bytes of a huge page
_ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def huge_pages_refusal() -> str | None:
    """Why packed weights are not in huge pages here; None: they are."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return "only Linux has them"
    try:
        modes = _ENABLED.read_text()
    except OSError:
        return "this system has no transparent huge pages"
    return "switched off by the system (transparent_hugepage is never)" if "[never]" in modes else None


def empty_in_huge_pages(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """An empty tensor; of at least one huge page in these, if the system gives them."""
    numbers = math.prod(shape)
    nbytes = numbers * dtype.itemsize
    if nbytes < PAGE or huge_pages_refusal() is not None:
        return torch.empty(shape, dtype=dtype)
    try:
        memory = mmap.mmap(-1, nbytes + PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)  # memory that was never used before
        start = -torch.frombuffer(memory, dtype=torch.uint8).data_ptr() % PAGE
        # Without the last part of a page: it would take a whole one.
        memory.madvise(mmap.MADV_HUGEPAGE, start, nbytes // PAGE * PAGE)
    except OSError:
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(memory, dtype=dtype, count=numbers, offset=start).view(shape)  # keeps `memory` while it is used
