"""The optimizer Muon: momentum whose matrix is replaced by the nearest one with all singular values near 1.

Source: Keller Jordan, https://kellerjordan.github.io/posts/muon/, and arXiv 2502.16982. Rule, constants and state are those of
torch.optim.Muon, whose checkpoints load here. Two later improvements are options: NorMuon (arXiv 2510.05491) and cautious weight
decay (arXiv 2510.12402). We differ in two ways: torch's iteration always runs in bfloat16, which takes a minute per step on a CPU
without bfloat16 instructions, while ours runs in float32 there, on the small Gram matrix; and where several processes train one
model, each computes its share of the matrices instead of all of them computing all.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of x → ax + bx³ + cx⁵: singular values from 0.01 on end between 0.7 and 1.2
STEPS = 5
EPS = 1e-7


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum for matrices; one group of parameters is a list of tensors (rows, columns)."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        neuron_beta: float = 0.0,
        cautious: bool = False,
        half: bool = False,
    ) -> None:
        """
        Args:
            neuron_beta: NorMuon, if above 0: the rows of an update (of a wide matrix: its columns) are divided by the root of a
                running mean of their squares; this is the factor of the running mean.
            cautious: a number decays only where the update also brings it nearer to zero.
            half: iterate in bfloat16 (where that is fast).

        Raises:
            ValueError: a tensor is no matrix.
        """
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.neuron_beta, self.cautious, self.half = neuron_beta, cautious, half
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.ndim != 2:
                    raise ValueError(f"Muon is for matrices, found a tensor of shape {tuple(weight.shape)}")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every matrix that has a gradient. With torch.distributed initialized, all processes must call it."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            momenta = [self._momentum(weight, group["momentum"]) for weight in weights]
            for weight, update in zip(weights, _shared(momenta, self.half), strict=True):
                if self.neuron_beta:
                    update = self._normalized(weight, update)
                rows, columns = weight.shape
                self._decay(weight, update, group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * math.sqrt(max(1.0, rows / columns)))
        return loss

    def _decay(self, weight: Tensor, update: Tensor, share: float) -> None:
        """Multiply by 1 - `share`: all numbers of a weight, or (cautious) those that the update also brings nearer to zero."""
        if share and self.cautious:
            weight.sub_(weight * (weight * update > 0), alpha=share)
        elif share:
            weight.mul_(1 - share)

    def _normalized(self, weight: Tensor, update: Tensor) -> Tensor:
        """NorMuon: the update with its rows (or columns, if those are more) normalized and its norm unchanged."""
        rows, columns = weight.shape
        squares = update.square().mean(1 if rows >= columns else 0, keepdim=True)
        state = self.state[weight]
        if "neuron_squares" not in state:
            state["neuron_squares"] = torch.zeros_like(squares)
        mean_squares = state["neuron_squares"].lerp_(squares, 1 - self.neuron_beta)
        result = update * mean_squares.clamp(min=EPS**2).rsqrt()
        return result * (update.norm() / result.norm().clamp(min=EPS))

    def _momentum(self, weight: Tensor, momentum: float) -> Tensor:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        buffer = state["momentum_buffer"].lerp_(weight.grad, 1 - momentum)
        return weight.grad.lerp(buffer, momentum)  # type: ignore[union-attr]


def orthogonalized(matrix: Tensor, *, half: bool = False) -> Tensor:
    """U S' Vᵀ of a matrix U S Vᵀ (rows, columns), S' between about 0.7 and 1.2 wherever S is above a hundredth of its norm.

    Newton-Schulz: X ← aX + b(XXᵀ)X + c(XXᵀ)²X, five times. half: in bfloat16, else in float32; the result has the matrix's dtype.
    """
    x = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    x = _iterated(x.bfloat16()) if half else _iterated_small(x.float())
    return (x.mT if matrix.shape[0] > matrix.shape[1] else x).to(matrix.dtype)


def _iterated(x: Tensor) -> Tensor:
    a, b, c = COEFFICIENTS
    x = x / x.norm().clamp(min=EPS)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _iterated_small(x: Tensor) -> Tensor:
    """The same on the small side (n, n) of x (n, m), n ≤ m: with G = XXᵀ each step is X ← PX, G ← PGP for P = a + bG + cG².

    The product of the P is applied to x once, at the end. float32 only: rounding errors in G grow by a² a step, twenty thousand
    times in all.
    """
    a, b, c = COEFFICIENTS
    x = x / x.norm().clamp(min=EPS)
    gram, product = x @ x.mT, None
    for step in range(STEPS):
        polynomial = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        polynomial.diagonal().add_(a)
        product = polynomial if product is None else polynomial @ product
        if step < STEPS - 1:
            gram = polynomial @ gram @ polynomial
    return product @ x  # type: ignore[operator]


def _shared(matrices: list[Tensor], half: bool) -> list[Tensor]:
    """Every matrix orthogonalized: by this process, or, of several, each by one of them that sends it to the others."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return [orthogonalized(matrix, half=half) for matrix in matrices]
    me, owners = dist.get_rank(), _owners([matrix.shape for matrix in matrices], dist.get_world_size())
    found = [
        orthogonalized(matrix, half=half).contiguous() if owner == me else matrix.new_empty(matrix.shape)
        for matrix, owner in zip(matrices, owners, strict=True)
    ]
    for work in [dist.broadcast(matrix, owner, async_op=True) for matrix, owner in zip(found, owners, strict=True)]:
        work.wait()
    return found


def _owners(shapes: list[torch.Size], processes: int) -> list[int]:
    """Which process does which matrix: the most expensive first, each to the process with the least to do so far."""
    costs = [min(shape) ** 2 * (6 * min(shape) + max(shape)) for shape in shapes]
    load, owners = [0] * processes, [0] * len(shapes)
    for index in sorted(range(len(shapes)), key=lambda index: -costs[index]):
        owners[index] = load.index(min(load))
        load[owners[index]] += costs[index]
    return owners
