"""Train a model on packed text with accelerate: checkpoints from which a run continues exactly, gradient accumulation, trackers.

The length of a run is given in steps or tokens (then a resumed run has the same losses, bit for bit on a CPU, as one never
stopped) or in minutes of training time. The learning rate rises over `warmup_steps`, stays flat, then falls to zero at the end.
Several processes (`torchrun`, `accelerate launch`) share the rows of each step. SIGTERM stops a run after a checkpoint.
"""

import functools
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from torch import nn
from torch.utils.checkpoint import checkpoint

from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM
from neoxjp.train import runs
from neoxjp.train.corpus import Packed, draw_batch
from neoxjp.train.loss import TrainingLoss
from neoxjp.train.runs import Progress
from neoxjp.train.settings import TrainSettings, build_optimizers

PROCESS_TIMEOUT = timedelta(days=7)  # processes wait so long for each other: all may be paused (SIGSTOP) and continued


def fresh_model(config: GPTNeoXJapaneseConfig, seed: int = 0) -> GPTNeoXJapaneseForCausalLM:
    """A model with random weights. A layer's contribution to the residual starts at zero."""
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
    on_save: Callable[[], None] | None = None,
    on_stop: Callable[[], None] | None = None,
    start: Mapping[str, Any] | None = None,
) -> GPTNeoXJapaneseForCausalLM:
    """Train the weights of `model` that are not frozen, in place; a run in `folder` continues from its last checkpoint.

    Args:
        shares: how often windows come from each of `corpora`.
        on_step: receives each row of the log (log.csv in the folder), with `seconds_left`.
        on_save: is called after each checkpoint, with the weights in `model`.
        on_stop: is called after the checkpoint of a run that a signal ends.
        start: what the model came from; written into the checkpoints.

    Raises:
        ParameterError: a window is longer than the context or the text; the rows cannot be shared by the processes; the folder
            holds another run; the loss became infinite or NaN: nothing is written then, and the last checkpoint stays.
        CheckpointError: there is no room for a checkpoint; the last one stays.
        KeyboardInterrupt: after SIGTERM, and with one process after Ctrl-C; a checkpoint has been written then.
    """
    _check_windows(settings, model.config, corpora)
    folder = Path(folder)
    with runs.wrap_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    # Autocast is ours: accelerate holds the precision for the whole process, and a second run may want another.
    accelerator = Accelerator(
        mixed_precision="no",
        cpu=not torch.cuda.is_available(),
        log_with=settings.log_with,
        project_dir=folder,
        kwargs_handlers=[InitProcessGroupKwargs(timeout=PROCESS_TIMEOUT)],
    )
    _check_rows(settings, accelerator.num_processes)
    built = build_optimizers(model, settings)
    progress = runs.resume(folder, model, [optimizer for optimizer, _ in built], settings)
    prepared, *optimizers = accelerator.prepare(TrainingLoss(model.train()), *(optimizer for optimizer, _ in built))
    rated = [(optimizer, full) for optimizer, (_, full) in zip(optimizers, built, strict=True)]
    main = accelerator.is_main_process
    if main:
        runs.remove_partial(folder)
        runs.open_log(folder / "log.csv", progress.step)
    if settings.log_with:
        accelerator.init_trackers("tracked", {name: str(value) for name, value in asdict(settings).items()})

    saved_step = progress.step

    def save() -> None:
        nonlocal saved_step
        saved_step = progress.step
        if main:
            runs.save(folder, accelerator.unwrap_model(prepared).model, optimizers, progress, settings, start or {})
            if on_save is not None:
                on_save()

    per_token = sum(corpus.characters_per_token * share for corpus, share in zip(corpora, shares, strict=True)) / sum(shares)
    saved_at = time.monotonic()
    stopped = False
    with _recompute_layers(model, settings.gradient_checkpointing), _stop_signal(accelerator.num_processes) as interrupted:
        while progress.share(settings) < 1.0 and not stopped:
            started = time.monotonic()
            length, rows = _window(progress, settings)
            first_window = progress.tokens // length
            batch = draw_batch(corpora, shares, rows=rows, length=length, seed=settings.seed, first=first_window)
            mine = torch.from_numpy(batch[accelerator.process_index :: accelerator.num_processes]).to(accelerator.device)
            torch.manual_seed(_step_seed(settings.seed, progress.step, accelerator.process_index))  # for dropout
            rate = _rate(progress, settings)
            loss = _gradients(accelerator, prepared, mine, settings)
            if not math.isfinite(loss):
                raise ParameterError(
                    f"the loss became {loss!r} at step {progress.step}: {runs.last_good(folder)}; continue with "
                    "a smaller learning rate"
                )
            _update(rated, rate, _momentum(progress, settings))
            # All processes must count the same seconds, or their learning rates and the end of the run would differ.
            mine_spent = torch.tensor([time.monotonic() - started, float(interrupted.is_set())], dtype=torch.float64)
            spent, signalled = accelerator.reduce(mine_spent.to(accelerator.device), "mean").tolist()
            progress.step += 1
            progress.seconds += spent
            progress.tokens += batch.size
            row = (progress.step, round(progress.seconds, 2), progress.tokens, length, round(rate, 5), loss)
            record = dict(zip(runs.COLUMNS, (*row, loss / math.log(2) / per_token, round(batch.size / spent, 1)), strict=True))
            if main:
                runs.append_log(folder / "log.csv", record)
                if on_step is not None:
                    on_step(record | {"seconds_left": _seconds_left(progress, settings)})
            if settings.log_with:
                accelerator.log(record, step=progress.step)
            if time.monotonic() - saved_at > settings.save_seconds:
                save()
                saved_at = time.monotonic()
            # A signal reaches several processes at different steps: all stop after the step in which one reports it.
            stopped = signalled > 0 or (interrupted.is_set() and accelerator.num_processes == 1)
    accelerator.wait_for_everyone()
    if progress.step > saved_step:
        save()
    for tracker in accelerator.trackers:
        tracker.finish()
    if stopped:
        if main and on_stop is not None:
            on_stop()
        accelerator.wait_for_everyone()  # a launcher ends all other processes as soon as one has ended
        raise KeyboardInterrupt
    return accelerator.unwrap_model(prepared).model.eval()


def _check_windows(settings: TrainSettings, config: GPTNeoXJapaneseConfig, corpora: Sequence[Packed]) -> None:
    longest = max(length for length, _ in _all_windows(settings))
    if longest > config.max_position_embeddings:
        raise ParameterError(f"windows of {longest} tokens exceed the model's context of {config.max_position_embeddings}")
    for corpus in corpora:
        if len(corpus.ids) < longest:
            raise ParameterError(
                f"the text has {len(corpus.ids)} tokens, a window takes {longest}: give more text or a smaller length"
            )


def _check_rows(settings: TrainSettings, processes: int) -> None:
    for length, rows in _all_windows(settings):
        if rows % processes:
            raise ParameterError(
                f"{rows} rows of {length} tokens cannot be shared evenly by {processes} processes: choose a multiple"
            )


def _step_seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _gradients(accelerator: Accelerator, model: nn.Module, batch: torch.Tensor, settings: TrainSettings) -> float:
    """Add the gradients of this process's ids (rows, length), part by part. Returns the loss of all in nats a token.

    NaN where the gradient is not finite: an update with it would destroy the weights.
    """
    total = torch.zeros((), device=batch.device)
    parts = batch.chunk(min(settings.accumulate, len(batch)))
    for number, part in enumerate(parts, 1):
        with nullcontext() if number == len(parts) else accelerator.no_sync(model):
            with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=settings.half):
                loss = model(part) * (len(part) / len(batch))
            accelerator.backward(loss)
        total += loss.detach()
    norm = accelerator.clip_grad_norm_([weight for weight in model.parameters() if weight.requires_grad], settings.clip)
    mean = float(accelerator.reduce(total, "mean"))
    return mean if norm is None or math.isfinite(float(norm)) or not math.isfinite(mean) else math.nan


def _update(rated: Sequence[tuple[Any, float]], rate: float, momentum: float) -> None:
    """One step of each optimizer at `rate` of its full learning rate; Muon with this momentum."""
    for optimizer, full in rated:
        for group in optimizer.param_groups:
            group["lr"] = full * rate
            if "momentum" in group:
                group["momentum"] = momentum
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def _rate(progress: Progress, settings: TrainSettings) -> float:
    """The share of the full learning rates for the coming step: warm-up, flat, then down to zero."""
    warm = min(1.0, (progress.step + 1) / max(settings.warmup_steps, 1))
    cooled = (progress.share(settings) - settings.flat_share) / (1.0 - settings.flat_share) if settings.flat_share < 1 else 0.0
    return warm * (1.0 - max(0.0, cooled) ** settings.cool_power)


def _momentum(progress: Progress, settings: TrainSettings) -> float:
    """Muon's momentum for the coming step: lower at the start, where gradients change fast."""
    ramp = min(1.0, progress.step / settings.momentum_steps) if settings.momentum_steps else 1.0
    return 0.85 + 0.1 * ramp


def _window(progress: Progress, settings: TrainSettings) -> tuple[int, int]:
    """(length, rows) of the coming step."""
    stages = [(length, rows) for start, rows, length in settings.stages if progress.tokens >= start]
    if stages:
        return stages[-1]
    if settings.final_length and progress.share(settings) >= 1.0 - settings.final_share:
        return _final_window(settings.final_length, settings)
    return settings.length, settings.rows


def _final_window(length: int, settings: TrainSettings) -> tuple[int, int]:
    """(length, rows) at the end of a run: longer windows with the same number of tokens a step."""
    return length, max(1, settings.rows * settings.length // length)


def _all_windows(settings: TrainSettings) -> set[tuple[int, int]]:
    """Every (length, rows) that the run can reach."""
    final = {_final_window(settings.final_length, settings)} if settings.final_length else set()
    return {(settings.length, settings.rows), *final, *((length, rows) for _, rows, length in settings.stages)}


def _seconds_left(progress: Progress, settings: TrainSettings) -> float:
    if settings.minutes:
        return max(0.0, settings.minutes * 60 - progress.seconds)
    if settings.tokens:
        return max(0, settings.tokens - progress.tokens) * progress.seconds / progress.tokens
    return ((settings.steps or 0) - progress.step) * progress.seconds / progress.step


@contextmanager
def _recompute_layers(model: GPTNeoXJapaneseForCausalLM, wanted: bool) -> Iterator[None]:
    """Gradient checkpointing: a layer's activations are dropped and computed again in the backward pass."""
    layers = list(model.gpt_neox_japanese.layers) if wanted else []
    for layer in layers:
        setattr(layer, "forward", functools.partial(checkpoint, layer.forward, use_reentrant=False))  # noqa: B010
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


@contextmanager
def _stop_signal(processes: int) -> Iterator[threading.Event]:
    """An event that SIGTERM sets (in a single process also Ctrl-C): the step is finished and saved. A second one ends at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, _: object) -> None:
        asked.set()
        signal.signal(number, before[number])

    numbers = (signal.SIGTERM,) if processes > 1 else (signal.SIGTERM, signal.SIGINT)
    before: dict[int, Any] = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
