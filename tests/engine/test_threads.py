"""OpenMP's threads: no more than a container may use; they are ended, and come back when they are needed."""

import subprocess
import sys

import pytest
import torch

from neoxjp.engine import threads as openmp

COUNT = """
import os, torch
from neoxjp.engine.threads import release_threads
torch.set_num_threads(3)
def threads(): return len(os.listdir("/proc/self/task"))
def work(): return torch.randn(500, 500, generator=torch.Generator().manual_seed(0)).matmul(torch.eye(500)).exp().sum().item()
first = work()
many = threads()
given = release_threads()
print(given, many - threads(), work() == first, many == threads())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only there are threads given back")
def test_a_threads_workers_end_and_come_back():
    """In a process of its own, whose threads nobody else has."""
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "2", "True", "True"]


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(openmp.sys, "platform", "darwin")
    assert openmp.release_threads() is False


@pytest.fixture
def group(tmp_path, monkeypatch):
    """The control group's files, and four threads on a machine of more."""
    monkeypatch.setattr(openmp, "CGROUP", tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield tmp_path
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("files", "threads"),
    [
        ({}, 4),
        ({"cpu.max": "max 100000\n"}, 4),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "800000 100000\n"}, 4),
        ({"cpu.max": "something else\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4),
    ],
)
def test_a_containers_quota_bounds_the_threads(group, files, threads):
    for name, text in files.items():
        (group / name).parent.mkdir(exist_ok=True)
        (group / name).write_text(text)
    openmp.limit_threads_to_quota()
    assert torch.get_num_threads() == threads


def test_who_says_how_many_threads_gets_them(group, monkeypatch):
    (group / "cpu.max").write_text("200000 100000\n")
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    openmp.limit_threads_to_quota()
    assert torch.get_num_threads() == 4
