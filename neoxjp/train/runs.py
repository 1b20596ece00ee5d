"""The folder of a training run: `checkpoint-<step>` folders, each written completely or not at all, and `log.csv`.

A checkpoint holds the weights that train, the optimizers' state (state.pt) and the facts of the run (state.json).
"""

import csv
import json
import math
import pickle
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neoxjp.errors import CheckpointError, ParameterError, quoted
from neoxjp.hub import atomic_folder, read_json, sync, write_error
from neoxjp.model import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.settings import TrainSettings
from neoxjp.train.start import merged_state
from neoxjp.weights import save_weights

COLUMNS = ("step", "seconds", "tokens", "length", "rate", "loss", "bits_per_character", "tokens_per_second")
CURVE = ("tokens", "seconds", "bits_per_character")  # of training.csv
_SHAPE = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_multiple_size")


@dataclass
class Progress:
    """How far a run is."""

    step: int = 0  # steps done
    seconds: float = 0.0  # of training time
    tokens: int = 0

    def share(self, settings: TrainSettings) -> float:
        """How much of the run is done, 0 to 1."""
        if settings.tokens:
            return min(1.0, self.tokens / settings.tokens)
        return self.step / settings.steps if settings.steps else min(1.0, self.seconds / (60 * (settings.minutes or 1)))


@contextmanager
def wrap_write_errors(path: Path) -> Iterator[None]:
    """Turns an OSError while `path` is written into a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except OSError as error:
        raise write_error(path, error) from error


def last_checkpoint(folder: str | Path) -> Path | None:
    """The newest checkpoint of a run, or None."""
    found = sorted(Path(folder).glob("checkpoint-*"))
    return found[-1] if found else None


def last_good(folder: Path) -> str:
    """The last checkpoint from which a failed run can continue, as the end of an error message."""
    last = last_checkpoint(folder)
    return f"{str(last)!r} is the last good checkpoint" if last else f"there is no checkpoint in {str(folder)!r} yet"


def save(
    folder: Path,
    model: nn.Module,
    optimizers: Sequence[Any],
    progress: Progress,
    settings: TrainSettings,
    start: Mapping[str, Any],
) -> None:
    """Write checkpoint-<step> atomically and drop the oldest beyond `keep`.

    Raises:
        CheckpointError: there is no room.
        ParameterError: a weight is infinite or NaN.
    """
    if not all(bool(weight.isfinite().all()) for weight in trained_state(model).values()):
        raise ParameterError(
            f"the weights are infinite or NaN after step {progress.step}: {last_good(folder)}; continue "
            "with a smaller learning rate"
        )
    config: GPTNeoXJapaneseConfig = model.config  # type: ignore[assignment]
    facts = {"progress": asdict(progress), "settings": asdict(settings), "config": config.to_dict(), "start": dict(start)}
    try:
        with atomic_folder(folder / f"checkpoint-{progress.step:08d}") as target:
            state = {"model": trained_state(model), "optimizers": [optimizer.state_dict() for optimizer in optimizers]}
            _write_state(state, target / "state.pt")
            with (target / "state.json").open("w", encoding="utf-8") as file:
                file.write(json.dumps(facts, indent=1) + "\n")
                sync(file)
    except CheckpointError as error:
        raise CheckpointError(
            f"step {progress.step} could not be saved: {error}. Make room and give the same command again: {last_good(folder)}"
        ) from error
    for old in sorted(folder.glob("checkpoint-*"))[: -settings.keep]:
        shutil.rmtree(old)


def resume(folder: Path, model: nn.Module, optimizers: Sequence[Any], settings: TrainSettings) -> Progress:
    """Load the last checkpoint into model and optimizers, if there is one.

    Raises ParameterError where it belongs to another network or another optimizer.
    """
    last = last_checkpoint(folder)
    if last is None:
        return Progress()
    facts = read_json(last / "state.json")
    config: GPTNeoXJapaneseConfig = model.config  # type: ignore[assignment]
    other = [f"{name} {facts['config'][name]}" for name in _SHAPE if facts["config"][name] != getattr(config, name)]
    if (optimizer := facts["settings"].get("optimizer", "muon")) != settings.optimizer:
        other.append(f"optimizer {optimizer!r}")
    if other:
        raise ParameterError(f"{str(last)!r} is of a run with {', '.join(other)}: continue with that, or name another folder")
    try:
        state = torch.load(last / "state.pt", weights_only=True, map_location="cpu")
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        first = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{str(last / 'state.pt')!r} is damaged ({first}): delete the folder {last.name} to continue from the checkpoint "
            "before it"
        ) from error
    if set(state["model"]) != set(trained_state(model)):
        raise ParameterError(
            f"{str(last)!r} is of a run that trained {len(state['model'])} tensors, now they are {len(trained_state(model))}: "
            "continue with the same layers frozen, or name another folder"
        )
    model.load_state_dict(state["model"], strict=False)
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        decays = [group["weight_decay"] for group in optimizer.param_groups]
        optimizer.load_state_dict(saved)  # brings the old settings too; the learning rate and the momentum are set in each step
        for group, decay in zip(optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay
    return Progress(**facts["progress"])


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """The weights that train, by their names in `state_dict()`: a tied one under both of its names."""
    return {name: weight.detach() for name, weight in model.state_dict(keep_vars=True).items() if weight.requires_grad}


def export_run(
    folder: str | Path, tokenizer_folder: str | Path, out: str | Path, *, average: int = 1, dtype: torch.dtype = torch.float16
) -> dict[str, Any]:
    """Write a run's last checkpoint with its tokenizer as the model folder `out`; returns the checkpoint's state.json.

    average: number of the last checkpoints; the mean of their weights is written.
    """
    last = last_checkpoint(folder)
    if last is None:
        raise ParameterError(f"no checkpoint in {str(folder)!r}: train first")
    checkpoints = sorted(Path(folder).glob("checkpoint-*"))
    if not 1 <= average <= len(checkpoints):
        raise ParameterError(
            f"average={average!r} must be from 1 to {len(checkpoints)}, the number of checkpoints in {str(folder)!r}"
        )
    facts = read_json(last / "state.json")
    model = GPTNeoXJapaneseForCausalLM(GPTNeoXJapaneseConfig.from_dict(facts["config"]))
    state = _mean_state(checkpoints[-average:])
    missing = sorted(set(model.state_dict()) - set(state))
    if missing:
        raise ParameterError(
            f"{str(last)!r} holds only the weights that were trained, not {quoted(missing, 3)}: give the command that began the "
            "run again, which writes the whole model at its end"
        )
    model.load_state_dict(state)
    save_model(model, GPTNeoXJapaneseTokenizer.from_pretrained(str(tokenizer_folder)), out, dtype)
    write_curve(Path(folder) / "log.csv", Path(out) / "training.csv")
    return facts


def _mean_state(checkpoints: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of the weights of several checkpoints, computed in float32."""
    total: dict[str, Tensor] = {}
    for path in checkpoints:
        state = torch.load(path / "state.pt", weights_only=True, mmap=True, map_location="cpu")["model"]
        for name, weight in state.items():
            total[name] = total[name] + weight.float() if name in total else weight.float()
    return {name: weight / len(checkpoints) for name, weight in total.items()}


def save_model(
    model: GPTNeoXJapaneseForCausalLM, tokenizer: GPTNeoXJapaneseTokenizer, out: str | Path, dtype: torch.dtype
) -> None:
    """Write a model folder with weights in `dtype` and the tokenizer's files. The model itself is unchanged."""
    save_weights(merged_state(model, dtype), model.config.to_dict(), Path(out))
    tokenizer.save_pretrained(str(out))


def write_curve(log: Path, out: Path, points: int = 100) -> None:
    """Write a shortened log.csv: `points` means over equal stretches of steps. Nothing where there are no steps.

    save_model's folder keeps it as training.csv, and the page draws it. A row: tokens read so far, seconds, bits per character.
    """
    rows = read_log(log)
    if not rows:
        return
    width = math.ceil(len(rows) / points)
    fresh = out.with_name(f".{out.name}.writing")
    with wrap_write_errors(out):
        with fresh.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(CURVE)
            for start in range(0, len(rows), width):
                some = rows[start : start + width]
                bits = sum(float(row["bits_per_character"]) for row in some) / len(some)
                writer.writerow((int(some[-1]["tokens"]), round(float(some[-1]["seconds"])), round(bits, 4)))
        fresh.replace(out)


def read_curve(path: Path) -> list[tuple[int, int, float]]:
    """What `write_curve` wrote; empty for a file that is not there, too large, or no curve."""
    try:
        if path.stat().st_size > 1_000_000:
            return []
        rows = read_log(path)
        return [(int(row["tokens"]), int(row["seconds"]), float(row["bits_per_character"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []


# What is written in a run's folder, with the ending that `atomic_folder` or `_replacing` gives it until it is complete.
_PARTIAL = re.compile(
    r"\.(checkpoint-\d+|text-\d+|model|vocabulary|adapter)\.\w+\.(writing|old)|\.(log\.csv|held-out\.csv|plot\.png)\.writing"
)


def remove_partial(folder: Path) -> None:
    """Remove what a process left that was killed while it wrote a checkpoint, a packed text or a model."""
    for left in folder.glob(".*"):
        if not _PARTIAL.fullmatch(left.name):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def read_log(path: Path) -> list[dict[str, str]]:
    """The rows of a log.csv; none where there is no such file."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def open_log(path: Path, step: int) -> None:
    """Start the log, or remove the rows after `step`, which have no checkpoint."""
    write_rows(path, COLUMNS, rows_until(path, step))


def rows_until(path: Path, step: int) -> list[dict[str, Any]]:
    """The rows of a log up to a step; not the end of one that was cut while it was written."""
    return [row for row in read_log(path) if (row["step"] or "").isdigit() and int(row["step"]) <= step]


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a log anew, completely or not at all."""
    fresh = path.with_name(f".{path.name}.writing")
    with wrap_write_errors(path):
        with fresh.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
        fresh.replace(path)


def append_log(path: Path, record: Mapping[str, Any]) -> None:
    """Add a row."""
    with wrap_write_errors(path), path.open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, COLUMNS, extrasaction="ignore").writerow(record)


def _write_state(state: dict[str, Any], path: Path) -> None:
    need = sum(tensor.nbytes for tensor in _tensors(state))
    free = shutil.disk_usage(path.parent).free
    if free < need:
        raise CheckpointError(f"the disk is too full: a checkpoint takes {need:,} bytes, {free:,} are free")
    try:
        with path.open("wb") as file:
            torch.save(state, file)
            sync(file)  # older checkpoints are deleted soon
    except RuntimeError as error:  # torch's writer hides the system's error
        raise CheckpointError(f"writing {path.name} failed ({error.__cause__ or error.__context__ or error})") from error


def _tensors(value: Any) -> list[Tensor]:
    """All tensors in nested dicts and lists."""
    if isinstance(value, Tensor):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [tensor for item in inner for tensor in _tensors(item)]
