"""The OpenMP threads of torch's operators: how many a container allows, and releasing those that are not needed."""

import ctypes
import os
import sys
from pathlib import Path

_SOFT = 1  # omp_pause_soft of OpenMP 5.0
CGROUP = Path("/sys/fs/cgroup")


def limit_threads_to_quota() -> None:
    """Use no more threads than the processors that this process may use at a time, unless OMP_NUM_THREADS is set.

    A container (a Space, a pod) sees all processors of its machine. With one thread for each where only two may run, every
    operator waits for throttled threads.
    """
    import torch

    most = cpu_quota()
    if most is not None and "OMP_NUM_THREADS" not in os.environ and torch.get_num_threads() > most:
        torch.set_num_threads(most)


def share_processors(processes: int, threads: int | None = None) -> None:
    """Compute with this many threads; None: share the processors with the other processes of a launcher.

    torchrun and accelerate set OMP_NUM_THREADS to 1 where nobody has said how many: then one processor of several would be used.
    """
    import torch

    launched = "LOCAL_WORLD_SIZE" in os.environ or "ACCELERATE_MIXED_PRECISION" in os.environ
    if threads is None and launched and os.environ.get("OMP_NUM_THREADS") in (None, "1"):
        here = int(os.environ.get("LOCAL_WORLD_SIZE", processes))
        available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = max(1, min(available, cpu_quota() or available) // here)
    if threads is not None:
        torch.set_num_threads(threads)


def cpu_quota() -> int | None:
    """Processors, at least one, that the control group of this process may use at a time; None: no limit."""
    try:  # version 2, in the container's own view
        allowed, period = (CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:  # version 1
            allowed = (CGROUP / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (CGROUP / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return None
    if not (allowed.isdecimal() and period.isdecimal() and int(period)):  # "max", "-1": all
        return None
    return max(1, int(allowed) // int(period))


def release_threads() -> bool:
    """End the worker threads that torch has started for the calling thread; its next operator starts new ones. Whether it worked.

    Each thread that runs operators has workers of its own. Where a process has more of them than processors, GNU's OpenMP lets
    them sleep between operators, and a decoding step of a small model takes two to four times as long.
    """
    if sys.platform != "linux":
        return False
    pause = getattr(ctypes.CDLL(None), "omp_pause_resource_all", None)
    return pause is not None and pause(_SOFT) == 0
