"""ZeroGPU, the shared GPUs of Hugging Face Spaces: a function that is decorated borrows one while it runs.

Import this before anything touches CUDA. The decorated code runs in a forked worker there: what it changes in memory is lost,
and no thread of this process exists in it.
"""

import importlib.util
import os
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
Seconds = int | Callable[..., int]


def gpu(duration: Seconds = 60) -> Callable[[Function], Function]:
    """`@gpu(duration=60)`: spaces.GPU where the package `spaces` is installed, the function itself elsewhere.

    duration: the most seconds that a call may take, or a function of the call's arguments that says so; a shorter time waits less
        in ZeroGPU's line. Works on functions and on generators that are not async.
    """
    if importlib.util.find_spec("spaces") is None:
        return lambda function: function
    import spaces

    return spaces.GPU(duration=duration)  # itself without effect where the machine is not ZeroGPU


def on_zerogpu() -> bool:
    """This is a Space that borrows its GPU by the call."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
