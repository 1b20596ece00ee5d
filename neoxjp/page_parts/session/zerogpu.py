"""ZeroGPU, the shared GPUs of Hugging Face Spaces: a decorated function has one while it runs.

Import this before anything uses CUDA. There, the decorated code runs in a forked worker: its changes in memory are lost, and the
threads of this process do not exist in it.
"""

import importlib.util
import os
from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
Seconds = int | Callable[..., int]


def gpu(duration: Seconds = 60) -> Callable[[Function], Function]:
    """`@gpu(duration=60)`: spaces.GPU where the package `spaces` is installed, the function itself elsewhere.

    duration: the most seconds that a call may take, or a function of the call's arguments; shorter calls wait less in ZeroGPU's
        queue. It works on functions and on generators that are not async.
    """
    if importlib.util.find_spec("spaces") is None:
        return lambda function: function
    import spaces

    return spaces.GPU(duration=duration)  # it has no effect on other machines


def on_zerogpu() -> bool:
    """Whether this process is a Space that gets a GPU for each call."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")
