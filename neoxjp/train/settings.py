"""The numbers of a training run, checked once, and the optimizers for them."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from neoxjp.errors import ParameterError
from neoxjp.train.muon import Muon


@dataclass(frozen=True)
class TrainSettings:
    """How to train. Exactly one of `steps`, `minutes` and `tokens` gives the length."""

    steps: int | None = None
    minutes: float | None = None  # of training time, counted over resumes
    tokens: int | None = None  # to train on in total
    rows: int = 16  # windows a step, at `length` tokens each, over all processes
    length: int = 256
    final_length: int | None = 512  # the last `final_share` of the run sees longer windows, as many tokens a step
    final_share: float = 0.15
    stages: tuple[tuple[int, int, int], ...] = ()  # (tokens, rows, length): after this many tokens the batch has this shape
    accumulate: int = 1  # parts that a process computes one after the other in each step: less memory, the same result
    gradient_checkpointing: bool = False  # compute each layer twice, to hold only its input in memory
    optimizer: Literal["muon", "adamw"] = "muon"  # for the matrices of the layers; everything else takes AdamW
    muon_lr: float = 0.02  # matrices of the layers
    adamw_lr: float = 0.004  # embeddings, norms, biases; with optimizer="adamw" everything
    weight_decay: float = 0.0  # of matrices
    neuron_beta: float = 0.0  # above 0: NorMuon, which normalizes the rows of Muon's updates; 0.95 is usual
    cautious: bool = False  # Muon's weight decay only where the update has the same direction
    momentum_steps: int = 0  # steps in which Muon's momentum rises from 0.85 to 0.95
    warmup_steps: int = 40
    flat_share: float = 0.5  # of the run, before the learning rate falls
    cool_power: float = (
        1.0  # the rate falls as 1 - x ** cool_power, x from 0 to 1: 1 is linear, 0.5 falls early (arXiv 2405.18392)
    )
    clip: float = 1.0  # largest norm of the gradient
    seed: int = 0
    mixed_precision: Literal["auto", "no", "bf16"] = "auto"  # bf16 autocast; auto: where it is faster
    save_seconds: float = 300.0  # between checkpoints
    keep: int = 2  # checkpoints kept
    log_with: str | None = None  # a tracker that accelerate knows, such as "tensorboard"

    def __post_init__(self) -> None:
        given = [name for name in ("steps", "minutes", "tokens") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ParameterError(f"give one of steps, minutes and tokens, found {' and '.join(given) or 'none'}")
        for name in (*given, "rows", "muon_lr", "adamw_lr", "clip", "keep", "accumulate", "cool_power"):
            if not 0 < getattr(self, name) < math.inf:
                raise ParameterError(f"{name}={getattr(self, name)!r} must be a number above 0")
        for name in ("length", "final_length"):
            if getattr(self, name) is not None and getattr(self, name) < 2:
                raise ParameterError(
                    f"{name}={getattr(self, name)!r} must be at least 2: one token of context and one to predict"
                )
        if not 0 <= self.flat_share <= 1 or self.weight_decay < 0 or self.warmup_steps < 0:
            raise ParameterError(
                f"flat_share={self.flat_share!r} must be from 0 to 1, weight_decay={self.weight_decay!r} and "
                f"warmup_steps={self.warmup_steps!r} at least 0"
            )
        if not 0 <= self.neuron_beta < 1 or self.momentum_steps < 0:
            raise ParameterError(
                f"neuron_beta={self.neuron_beta!r} must be from 0 to below 1, momentum_steps={self.momentum_steps!r} at least 0"
            )
        if any(start < 0 or rows < 1 or length < 2 for start, rows, length in self.stages):
            raise ParameterError(
                f"stages={self.stages!r}: each needs a start of at least 0, at least 1 row, and a length of at least 2 tokens"
            )
        if self.seed < 0:
            raise ParameterError(f"seed={self.seed!r} must be at least 0")
        if self.mixed_precision not in ("auto", "no", "bf16"):
            raise ParameterError(f"mixed_precision must be one of 'auto', 'no', 'bf16', not {self.mixed_precision!r}")
        if self.optimizer not in ("muon", "adamw"):
            raise ParameterError(f"optimizer must be one of 'muon', 'adamw', not {self.optimizer!r}")
        if self.optimizer != "muon" and (self.neuron_beta or self.cautious or self.momentum_steps):
            raise ParameterError("neuron_beta, cautious and momentum_steps are options of Muon: they need optimizer='muon'")
        _check_tracker(self.log_with)

    @property
    def half(self) -> bool:
        """Whether layers are computed in bfloat16."""
        return self.mixed_precision == "bf16" or (self.mixed_precision == "auto" and bf16_helps())


def build_optimizers(model: nn.Module, settings: TrainSettings) -> list[tuple[torch.optim.Optimizer, float]]:
    """Optimizers for the parameters that train, each with its full learning rate.

    Muon (arXiv 2502.16982) orthogonalises the updates of matrices; embeddings, norms and biases take AdamW.
    """
    trained = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    if not trained:
        raise ParameterError("there is nothing to train: every weight is frozen. Freeze fewer layers")
    matrices = [weight for name, weight in trained if weight.ndim == 2 and ".layers." in name]
    chosen = {id(weight) for weight in matrices}
    others = [weight for _, weight in trained if id(weight) not in chosen]
    decay, betas = settings.weight_decay, (0.9, 0.95)
    if settings.optimizer == "adamw":
        groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
        kept = [group for group in groups if group["params"]]
        return [(torch.optim.AdamW(kept, lr=settings.adamw_lr, betas=betas), settings.adamw_lr)]
    found: list[tuple[torch.optim.Optimizer, float]] = []
    if matrices:
        muon = Muon(
            matrices,
            settings.muon_lr,
            weight_decay=decay,
            neuron_beta=settings.neuron_beta,
            cautious=settings.cautious,
            half=bf16_helps(),
        )
        found.append((muon, settings.muon_lr))
    if others:
        found.append((torch.optim.AdamW(others, lr=settings.adamw_lr, betas=betas, weight_decay=0.0), settings.adamw_lr))
    return found


def bf16_helps() -> bool:
    """Whether matrices multiply faster in bfloat16 here: on cards from Ampere on, on CPUs with AVX512-BF16 or AMX."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # of newer torch versions
    return any(getattr(torch.cpu, name, bool)() for name in names)


def _check_tracker(name: str | None) -> None:
    if name is None:
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    known = sorted(str(kind) for kind in LOGGER_TYPE_TO_CLASS)
    if name not in known:
        raise ParameterError(f"log_with={name!r} is no tracker that accelerate knows: {', '.join(map(repr, known))}")
    if name not in [str(kind) for kind in get_available_trackers()]:
        raise ParameterError(f"log_with={name!r} needs the package of that tracker: pip install {name}")
