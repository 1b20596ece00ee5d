"""From logits to the next id: the options (`SamplingParams`), the filters, the draw, and the trace of what each filter did.

`SamplingParams` loads without torch; the functions on logits load it at their first use.
"""

from typing import TYPE_CHECKING

from neoxjp import lazy_names
from neoxjp.sampling.params import SamplingParams

if TYPE_CHECKING:
    from neoxjp.sampling.filters import History, Stage, check_finite, top_candidates
    from neoxjp.sampling.sampler import (
        FilteredDistribution,
        SamplingTrace,
        TraceRow,
        apply_filters,
        candidates,
        filtered_scores,
        sample,
        trace_sampling,
    )
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "filters": ("History", "Stage", "top_candidates", "check_finite"),
            "sampler": (
                "SamplingTrace",
                "TraceRow",
                "FilteredDistribution",
                "candidates",
                "filtered_scores",
                "trace_sampling",
                "apply_filters",
                "sample",
            ),
        },
    )

__all__ = [
    "FilteredDistribution",
    "History",
    "SamplingParams",
    "SamplingTrace",
    "Stage",
    "TraceRow",
    "apply_filters",
    "candidates",
    "check_finite",
    "filtered_scores",
    "sample",
    "top_candidates",
    "trace_sampling",
]
