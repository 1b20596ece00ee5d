"""From logits to the next id: the options (`SamplingParams`), the filters, the draw, and the trace of what each filter did.

`SamplingParams` loads without torch; the functions on logits load it at their first use.
"""

from typing import TYPE_CHECKING

from neoxjp import lazy_names
from neoxjp.sampling.params import SamplingParams

if TYPE_CHECKING:
    from neoxjp.sampling.filters import History, Stage, head, require_numbers
    from neoxjp.sampling.sampler import Ledger, LedgerRow, Remaining, candidates, filtered, ledger, remaining, sample
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "filters": ("History", "Stage", "head", "require_numbers"),
            "sampler": ("Ledger", "LedgerRow", "Remaining", "candidates", "filtered", "ledger", "remaining", "sample"),
        },
    )

__all__ = [
    "History",
    "Ledger",
    "LedgerRow",
    "Remaining",
    "SamplingParams",
    "Stage",
    "candidates",
    "filtered",
    "head",
    "ledger",
    "remaining",
    "require_numbers",
    "sample",
]
