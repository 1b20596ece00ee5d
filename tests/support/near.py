"""Records that two processes computed: equal but for the last digits, which depend on the number of threads."""

from typing import Any

import pytest


def near(record: Any) -> Any:
    """The record to compare with: its floats may differ by a ten-thousandth, everything else must be equal."""
    if isinstance(record, float):
        return pytest.approx(record, rel=1e-4, abs=1e-6)
    if isinstance(record, dict):
        return {key: near(value) for key, value in record.items()}
    return [near(value) for value in record] if isinstance(record, list | tuple) else record
