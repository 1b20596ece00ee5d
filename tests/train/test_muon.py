"""Muon: the update is torch.optim.Muon's, its checkpoints load, and processes that share the work find the weights of one."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from neoxjp.train import muon
from neoxjp.train.muon import Muon, orthogonalized

ROOT = Path(__file__).parents[2]
SHAPES = [(8, 8), (24, 8), (8, 32), (1, 5), (7, 3)]


def matrices(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in SHAPES]


def steps(optimizer: torch.optim.Optimizer, weights: list[Tensor], seeds: range) -> list[Tensor]:
    for seed in seeds:
        for weight, gradient in zip(weights, matrices(seed), strict=True):
            weight.grad = gradient
        optimizer.step()
    return [weight.detach().clone() for weight in weights]


def trained(kind: type[torch.optim.Optimizer], seeds: range, **options: float) -> list[Tensor]:
    weights = [weight.requires_grad_() for weight in matrices(99)]
    return steps(kind(weights, lr=0.1, **options), weights, seeds)  # type: ignore[call-arg, arg-type]


@pytest.mark.parametrize("half", [False, True])
def test_the_update_is_that_of_torch(half: bool) -> None:
    ours, theirs = trained(Muon, range(3), weight_decay=0.1, half=half), trained(torch.optim.Muon, range(3), weight_decay=0.1)
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=0, atol=1e-6 if half else 0.02)  # theirs is computed in bfloat16


@pytest.mark.parametrize("shape", [*SHAPES, (64, 256), (96, 32)])
def test_the_small_side_gives_what_the_whole_matrix_gives(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x = matrix.double() / matrix.double().norm()
    a, b, c = muon.COEFFICIENTS
    for _ in range(muon.STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    torch.testing.assert_close(orthogonalized(matrix).double(), x, rtol=0, atol=2e-5)


def test_singular_values_that_count_become_about_one_and_the_others_stay_small() -> None:
    """A matrix of low rank squares its condition in the Gram matrix: the rounding errors there must not become an update."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(256, 64, generator=generator))[0] for _ in range(2))
    values = torch.zeros(64)
    values[:32] = torch.logspace(0, -2, 32) / 3
    found = torch.linalg.svdvals(orthogonalized((left * values) @ right.mT))
    assert found[:32].min() > 0.6
    assert found[:32].max() < 1.3
    assert found[32:].max() < 1e-3
    assert orthogonalized(torch.zeros(4, 3)).eq(0).all()


def test_a_checkpoint_of_the_optimizer_of_torch_continues_here() -> None:
    weights = [weight.requires_grad_() for weight in matrices(99)]
    theirs = torch.optim.Muon(weights, lr=0.1, weight_decay=0.1)
    steps(theirs, weights, range(2))
    copies = [weight.detach().clone().requires_grad_() for weight in weights]
    ours = Muon(copies, lr=0.3)
    ours.load_state_dict(copy.deepcopy(theirs.state_dict()))
    assert ours.param_groups[0]["weight_decay"] == 0.1
    for our, their in zip(steps(ours, copies, range(2, 4)), steps(theirs, weights, range(2, 4)), strict=True):
        torch.testing.assert_close(our, their, rtol=0, atol=0.02)


def test_normuon_gives_rows_the_same_size_and_keeps_the_norm() -> None:
    weight = torch.zeros(24, 8, requires_grad=True)
    gradient = matrices(0)[1] * torch.linspace(0.1, 3, 24)[:, None]
    plain, normalized = Muon([weight], lr=1.0), Muon([weight], lr=1.0, neuron_beta=0.9)
    updates = []
    for optimizer in (plain, normalized):
        weight.data.zero_()
        weight.grad = gradient.clone()
        optimizer.step()
        updates.append(-weight.detach().clone())
    rows = updates[1].norm(dim=1)
    assert rows.max() / rows.min() < 1.01
    assert updates[0].norm(dim=1).max() / updates[0].norm(dim=1).min() > 1.5
    assert updates[1].norm() == pytest.approx(float(updates[0].norm()), rel=1e-4)


def test_cautious_decay_leaves_numbers_that_the_update_makes_larger() -> None:
    weight = torch.ones(8, 8, requires_grad=True)
    with torch.no_grad():
        weight[:, 4:] = -1.0
    found = []
    for cautious in (False, True):
        copied = weight.detach().clone().requires_grad_()
        copied.grad = matrices(0)[0]
        Muon([copied], lr=0.1, weight_decay=0.5, cautious=cautious).step()
        found.append(copied.detach())
    bare = weight.detach().clone().requires_grad_()
    bare.grad = matrices(0)[0]
    Muon([bare], lr=0.1).step()
    smaller = bare.detach().abs() < 1
    torch.testing.assert_close(found[1][smaller], found[0][smaller])
    torch.testing.assert_close(found[1][~smaller], bare.detach()[~smaller])
    assert 10 < smaller.sum() < 54


def test_a_vector_is_no_matrix() -> None:
    with pytest.raises(ValueError, match=r"Muon is for matrices, found a tensor of shape \(3,\)"):
        Muon([torch.zeros(3)], lr=0.1)


def test_the_work_is_shared_evenly() -> None:
    layer = [torch.Size(shape) for shape in ((1152, 384), (384, 384), (1536, 384), (384, 1536))]
    owners = muon._owners(layer * 6, 2)
    assert sorted(owners) == [0] * 12 + [1] * 12
    assert muon._owners(layer, 1) == [0] * 4
    assert set(muon._owners(layer, 4)) == {0, 1, 2, 3}


SHARING = """
import sys, torch
from torch import distributed
from neoxjp.train import muon
from neoxjp.cli.main import leave
from tests.train.test_muon import trained

torch.set_num_threads(1)
distributed.init_process_group("gloo")
done = []
real = muon.orthogonalized
muon.orthogonalized = lambda matrix, **options: done.append(None) or real(matrix, **options)
weights = trained(muon.Muon, range(3))
torch.save((weights, len(done)), f"{sys.argv[1]}/{distributed.get_rank()}.pt")
leave(0)
"""


def test_two_processes_share_the_matrices_and_have_the_weights_of_one(tmp_path: Path) -> None:
    (tmp_path / "sharing.py").write_text(SHARING, encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    subprocess.run([*launch, str(tmp_path / "sharing.py"), str(tmp_path)], cwd=ROOT, env=environment, check=True)
    (first, done), (second, others) = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    assert done + others == 3 * len(SHAPES)
    assert min(done, others) > 0
    alone = trained(Muon, range(3))
    for one, two, whole in zip(first, second, alone, strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, whole, rtol=0, atol=1e-6)
