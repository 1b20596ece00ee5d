"""OpenMP's threads are ended, and come back when they are needed."""

import subprocess
import sys

import pytest

COUNT = """
import os, torch
from neoxjp.openmp import give_back_threads
torch.set_num_threads(3)
def threads(): return len(os.listdir("/proc/self/task"))
def work(): return torch.randn(500, 500, generator=torch.Generator().manual_seed(0)).matmul(torch.eye(500)).exp().sum().item()
first = work()
many = threads()
given = give_back_threads()
print(given, many - threads(), work() == first, many == threads())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there are threads given back")
def test_a_threads_workers_end_and_come_back():
    """In a process of its own, whose threads nobody else has."""
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "2", "True", "True"]


def test_elsewhere_nothing_is_done(monkeypatch):
    from neoxjp import openmp

    monkeypatch.setattr(openmp.sys, "platform", "darwin")
    assert openmp.give_back_threads() is False
