"""Train a model on packed text with accelerate: Muon for matrices, AdamW for embeddings and norms, atomic checkpoints, resume.

The length of a run is given in steps (then a resumed run has the same losses, bit for bit on a CPU, as one never stopped) or in
minutes of training time. The learning rate rises over `warmup_steps`, stays flat, then falls in a line to zero at the end.
Several processes (`torchrun`, `accelerate launch`) share the rows of each step.
"""

import csv
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from torch import nn

from neoxjp.checkpoint import atomic_folder, read_json
from neoxjp.config import GPTNeoXJapaneseConfig
from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.corpus import Packed, draw_batch

_COLUMNS = ("step", "seconds", "tokens", "length", "rate", "loss", "bits_per_character", "tokens_per_second")


@dataclass(frozen=True)
class TrainSettings:
    """How to train. Exactly one of `steps` and `minutes` says how long."""

    steps: int | None = None
    minutes: float | None = None  # of training time, counted over resumes
    rows: int = 16  # windows a step, at `length` tokens each
    length: int = 256
    final_length: int | None = 512  # the last `final_share` of the run sees longer windows, as many tokens a step
    final_share: float = 0.15
    muon_lr: float = 0.02  # matrices of the layers
    adamw_lr: float = 0.004  # embeddings, norms, biases
    warmup_steps: int = 40
    flat_share: float = 0.5  # of the run, before the learning rate falls
    clip: float = 1.0  # largest norm of the gradient
    seed: int = 0
    mixed_precision: Literal["no", "bf16"] = "bf16"
    save_seconds: float = 300.0  # between checkpoints
    keep: int = 2  # checkpoints kept

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise ParameterError(f"give either steps or minutes, found steps={self.steps!r} and minutes={self.minutes!r}")
        for name in ("rows", "length", "muon_lr", "adamw_lr", "clip", "keep"):
            if getattr(self, name) <= 0:
                raise ParameterError(f"{name}={getattr(self, name)!r} must be above 0")
        if (self.steps or self.minutes or 0) <= 0:
            raise ParameterError(f"steps={self.steps!r}, minutes={self.minutes!r}: the run must be longer than nothing")


@dataclass
class _Progress:
    step: int = 0  # steps done
    seconds: float = 0.0  # of training time
    tokens: int = 0

    def share(self, settings: TrainSettings) -> float:
        """How much of the run is done, 0 to 1."""
        return self.step / settings.steps if settings.steps else min(1.0, self.seconds / (60 * (settings.minutes or 1)))


def fresh_model(config: GPTNeoXJapaneseConfig, seed: int = 0) -> GPTNeoXJapaneseForCausalLM:
    """A model with random weights. What a layer adds to the residual starts at zero, so that a fresh network is a shallow one."""
    torch.manual_seed(seed)
    model = GPTNeoXJapaneseForCausalLM(config)
    for name, parameter in model.named_parameters():
        if name.endswith(("attention.dense.weight", "mlp.dense_4h_to_h.weight")):
            nn.init.zeros_(parameter)
    return model


def train(
    model: GPTNeoXJapaneseForCausalLM,
    corpora: Sequence[Packed],
    shares: Sequence[float],
    folder: str | Path,
    settings: TrainSettings,
    *,
    on_step: Callable[[dict[str, Any]], None] | None = None,
) -> GPTNeoXJapaneseForCausalLM:
    """Train `model` in place in the run folder `folder`, going on from its last checkpoint where there is one.

    shares: how often windows come from each of `corpora`. on_step: receives each row of the log (log.csv in the folder).

    Raises ParameterError when a window is longer than the context or the text, or when the loss is no number any more:
    the checkpoint before that stays.
    """
    longest = max(settings.length, settings.final_length or 0)
    if longest > model.config.max_position_embeddings:
        raise ParameterError(f"windows of {longest} tokens exceed the model's context of {model.config.max_position_embeddings}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Autocast is ours: accelerate holds the precision for the whole process, and a second run may want another.
    accelerator = Accelerator(mixed_precision="no", cpu=not torch.cuda.is_available())
    optimizers = _optimizers(model, settings)
    progress = _resume(folder, model, optimizers)
    prepared, *optimizers = accelerator.prepare(model.train(), *optimizers)
    if accelerator.is_main_process:
        _open_log(folder / "log.csv", progress.step)
    per_token = sum(corpus.characters_per_token * share for corpus, share in zip(corpora, shares, strict=True)) / sum(shares)
    saved_at = time.monotonic()
    while progress.share(settings) < 1.0:
        started = time.monotonic()
        length, rows = _window(progress.share(settings), settings)
        batch = draw_batch(corpora, shares, rows=rows, length=length, seed=settings.seed, step=progress.step)
        mine = torch.from_numpy(batch[accelerator.process_index :: accelerator.num_processes]).to(accelerator.device)
        rate = _rate(progress, settings)
        loss = _step(accelerator, prepared, optimizers, mine, rate, settings)
        if not math.isfinite(loss):
            raise ParameterError(
                f"the loss became {loss!r} at step {progress.step}: the last checkpoint in {str(folder)!r} is from before; "
                "go on from it with a smaller learning rate"
            )
        # Every process must count the same seconds, or they disagree on the learning rate and on where the run ends.
        spent = float(
            accelerator.reduce(torch.tensor(time.monotonic() - started, dtype=torch.float64).to(accelerator.device), "mean")
        )
        progress.step, progress.seconds, progress.tokens = (
            progress.step + 1,
            progress.seconds + spent,
            progress.tokens + batch.size,
        )
        row = (progress.step, round(progress.seconds, 2), progress.tokens, length, round(rate, 5), loss)
        record = dict(zip(_COLUMNS, (*row, loss / math.log(2) / per_token, round(batch.size / spent, 1)), strict=True))
        if accelerator.is_main_process:
            _log(folder / "log.csv", record)
            if on_step is not None:
                on_step(record)
        if time.monotonic() - saved_at > settings.save_seconds and accelerator.is_main_process:
            _save(folder, accelerator.unwrap_model(prepared), optimizers, progress, settings)
            saved_at = time.monotonic()
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        _save(folder, accelerator.unwrap_model(prepared), optimizers, progress, settings)
    return accelerator.unwrap_model(prepared).eval()


def export(
    folder: str | Path, tokenizer_folder: str | Path, out: str | Path, *, dtype: torch.dtype = torch.float16
) -> dict[str, Any]:
    """Write the last checkpoint of the run `folder` with its tokenizer as a model folder; returns what is known of the run."""
    last = last_checkpoint(folder)
    if last is None:
        raise ParameterError(f"no checkpoint in {str(folder)!r}: train first")
    facts = read_json(last / "state.json")
    model = GPTNeoXJapaneseForCausalLM(GPTNeoXJapaneseConfig.from_dict(facts["config"]))
    model.load_state_dict(torch.load(last / "state.pt", weights_only=True, mmap=True)["model"])
    model.to(dtype).save_pretrained(str(out))
    GPTNeoXJapaneseTokenizer.from_pretrained(str(tokenizer_folder)).save_pretrained(str(out))
    return facts


def last_checkpoint(folder: str | Path) -> Path | None:
    """The newest checkpoint of a run, or None."""
    found = sorted(Path(folder).glob("checkpoint-*"))
    return found[-1] if found else None


def print_progress(record: dict[str, Any]) -> None:
    """One line a ten steps on standard error."""
    if record["step"] % 10 == 0:
        print(
            f"step {record['step']}  {record['seconds']:.0f} s  {record['tokens'] / 1e6:.2f} M tokens  "
            f"loss {record['loss']:.3f}  {record['bits_per_character']:.3f} bits/character  "
            f"{record['tokens_per_second']:.0f} tokens/s",
            file=sys.stderr,
            flush=True,
        )


def _step(
    accelerator: Accelerator,
    model: nn.Module,
    optimizers: Sequence[Any],
    batch: torch.Tensor,
    rate: float,
    settings: TrainSettings,
) -> float:
    """One update on (rows, length) ids at `rate` of the full learning rates. Returns the loss in nats a token."""
    with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=settings.mixed_precision == "bf16"):
        loss = model(batch, labels=batch, use_cache=False).loss
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), settings.clip)
    for optimizer, full in zip(optimizers, (settings.muon_lr, settings.adamw_lr), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = full * rate
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return float(accelerator.reduce(loss.detach(), "mean"))


def _optimizers(model: nn.Module, settings: TrainSettings) -> list[torch.optim.Optimizer]:
    """Muon (arXiv 2502.16982) orthogonalises the updates of matrices; embeddings, norms and biases take AdamW."""
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=settings.muon_lr, weight_decay=0.0),
        torch.optim.AdamW(others, lr=settings.adamw_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def _rate(progress: _Progress, settings: TrainSettings) -> float:
    """The share of the full learning rates for the coming step: warm-up, flat, then a line to zero."""
    warm = min(1.0, (progress.step + 1) / max(settings.warmup_steps, 1))
    left = (1.0 - progress.share(settings)) / (1.0 - settings.flat_share) if settings.flat_share < 1 else 1.0
    return warm * min(1.0, left)


def _window(share: float, settings: TrainSettings) -> tuple[int, int]:
    """(length, rows) at this share of the run: long windows come last, with the same number of tokens a step."""
    if settings.final_length and share >= 1.0 - settings.final_share:
        return settings.final_length, max(1, settings.rows * settings.length // settings.final_length)
    return settings.length, settings.rows


def _save(
    folder: Path, model: GPTNeoXJapaneseForCausalLM, optimizers: Sequence[Any], progress: _Progress, settings: TrainSettings
) -> None:
    """Write checkpoint-<step> atomically and drop the oldest beyond `keep`."""
    config = model.config.to_dict()
    with atomic_folder(folder / f"checkpoint-{progress.step:08d}") as target:
        state = {"model": model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers]}
        torch.save(state, target / "state.pt")
        facts = {"progress": asdict(progress), "settings": asdict(settings), "config": config}
        (target / "state.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    for old in sorted(folder.glob("checkpoint-*"))[: -settings.keep]:
        shutil.rmtree(old)


def _resume(folder: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> _Progress:
    """Load the last checkpoint into model and optimizers, if there is one."""
    last = last_checkpoint(folder)
    if last is None:
        return _Progress()
    state = torch.load(last / "state.pt", weights_only=True)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return _Progress(**read_json(last / "state.json")["progress"])


def _open_log(path: Path, step: int) -> None:
    """Start the log, or drop the rows of steps that were lost with the process that made them."""
    kept = []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            kept = [row for row in csv.DictReader(file) if int(row["step"]) <= step]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(kept)


def _log(path: Path, record: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, _COLUMNS).writerow(record)
