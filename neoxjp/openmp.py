"""The OpenMP threads that torch's operators share among."""

import ctypes
import sys

_SOFT = 1  # omp_pause_soft of OpenMP 5.0


def give_back_threads() -> bool:
    """End the worker threads that torch has started for the calling thread; its next operator starts them anew. Whether it could.

    Each thread that runs operators gets workers of its own, and where a process has more of them than processors, GNU's OpenMP
    puts them to sleep between any two operators: a decoding step of a small model then takes two to four times as long.
    """
    if sys.platform != "linux":
        return False
    pause = getattr(ctypes.CDLL(None), "omp_pause_resource_all", None)
    return pause is not None and pause(_SOFT) == 0
