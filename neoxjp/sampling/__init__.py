"""From logits to the next id: the table of options, `SamplingParams`, the filters, the draw, and the trace of the filters.

The table and `SamplingParams` load without torch; the functions on logits load it at their first use.
"""

from typing import TYPE_CHECKING

from neoxjp import lazy_names
from neoxjp.sampling.options import OPTIONS, Option, Stage, Text, error_of, expand, filter_options, named, problems
from neoxjp.sampling.params import SamplingParams

if TYPE_CHECKING:
    from neoxjp.sampling.filters import History, check_finite, top_candidates
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
            "filters": ("History", "top_candidates", "check_finite"),
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
    "OPTIONS",
    "FilteredDistribution",
    "History",
    "Option",
    "SamplingParams",
    "SamplingTrace",
    "Stage",
    "Text",
    "TraceRow",
    "apply_filters",
    "candidates",
    "check_finite",
    "error_of",
    "expand",
    "filter_options",
    "filtered_scores",
    "named",
    "problems",
    "sample",
    "top_candidates",
    "trace_sampling",
]
