"""The training loss in pieces: the output layer and the cross entropy of some positions at a time, forward and backward at once.

The logits of a step (positions × vocabulary, 131 MB for 4,096 × 8,000) are never in memory whole; those of a piece stay in the
processor's cache from the first product to the last. Idea: the "linear cross entropy" of Liger-Kernel (arXiv 2410.10989).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neoxjp.model import GPTNeoXJapaneseForCausalLM

PIECE = 512  # positions


class TrainingLoss(nn.Module):
    """A model as a module that gives the loss of ids (rows, length): minus the mean log probability of the next id, in nats."""

    def __init__(self, model: GPTNeoXJapaneseForCausalLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        hidden = self.model.gpt_neox_japanese(ids, use_cache=False).last_hidden_state[:, :-1]  # (rows, length - 1, C)
        return next_id_loss(hidden.flatten(0, 1), self.model.embed_out.weight, ids[:, 1:].flatten())


def next_id_loss(hidden: Tensor, weight: Tensor, targets: Tensor, piece: int = PIECE) -> Tensor:
    """`F.cross_entropy(hidden @ weight.T, targets)` for hidden (N, C), weight (V, C), targets (N,): a scalar in nats."""
    return _NextIdLoss.apply(hidden, weight, targets, piece)


class _NextIdLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, piece: int) -> Tensor:
        kind = hidden.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        total = torch.zeros((), device=hidden.device)
        for_hidden = torch.empty_like(hidden, dtype=torch.float32) if ctx.needs_input_grad[0] else None
        for_weight = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        cast = weight.to(dtype)
        with torch.autocast(kind, enabled=False):
            for start in range(0, len(hidden), piece):
                some, wanted = hidden[start : start + piece].to(dtype), targets[start : start + piece, None]
                logprobs = F.log_softmax((some @ cast.T).float(), dim=-1)  # (n, V)
                total -= logprobs.gather(1, wanted).sum()
                # The gradient of the logits: probabilities, less one where the target is.
                gradient = logprobs.exp_().scatter_add_(1, wanted, logprobs.new_full(wanted.shape, -1.0)).to(dtype)
                if for_hidden is not None:
                    for_hidden[start : start + piece] = gradient @ cast
                if for_weight is not None and dtype == torch.float32:
                    for_weight.addmm_(gradient.T, some)
                elif for_weight is not None:
                    for_weight += gradient.T @ some
        ctx.save_for_backward(for_hidden, for_weight)
        ctx.dtypes, ctx.count = (hidden.dtype, weight.dtype), len(hidden)
        return total / len(hidden)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        found = ctx.saved_tensors
        scale = outer[0] / ctx.count
        hidden, weight = (None if g is None else (g * scale).to(dtype) for g, dtype in zip(found, ctx.dtypes, strict=True))
        return hidden, weight, None, None
