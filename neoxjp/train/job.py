"""One `neoxjp train`, from its options to a model folder: texts packed once, a start, settings, the run, the result."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch

from neoxjp.documents import parse_weighted_path
from neoxjp.errors import ParameterError
from neoxjp.hub import bundled_path, read_json
from neoxjp.model import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.corpus import Packed, pack_once
from neoxjp.train.loop import fresh_model, train
from neoxjp.train.plot import plot
from neoxjp.train.runs import last_checkpoint, save_model, write_curve, writing
from neoxjp.train.settings import TrainSettings, bf16_helps
from neoxjp.train.start import Start, merge_lora, start_model, start_tokenizer, stored_dtype
from neoxjp.weights import parse_dtype

_FRESH = {"hidden_size": 384, "layers": 6, "heads": 6, "context": 512}
_RATES = {  # (start, optimizer) → (Muon's rate, AdamW's rate), unless told otherwise
    ("fresh", "muon"): (0.02, 0.004),
    ("fresh", "adamw"): (0.02, 0.002),
    ("tuned", "muon"): (0.002, 0.0004),
    ("tuned", "adamw"): (0.002, 0.0001),
    ("lora", "muon"): (0.002, 0.0004),
    ("lora", "adamw"): (0.002, 0.001),
}


def run_job(options: argparse.Namespace, *, main_first: Callable[[], AbstractContextManager[None]], is_main: bool) -> str:
    """Train as `options` (of commands.py) say; returns a line for the user. `main_first` lets one process tokenize for all."""
    start = Start(options.source, options.revision, options.freeze, options.lora)
    _check(options, start)
    folder: Path = options.folder
    with main_first():
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        vocabulary = folder / "vocabulary"
        tokenizer = start_tokenizer(options.source or options.vocabulary or str(bundled_path()), options.revision, vocabulary)
        corpora, shares = _texts(options, vocabulary, folder, say=is_main)
    _check_start(folder, start)
    half = options.mixed_precision == "bf16" or (options.mixed_precision == "auto" and bf16_helps())
    if start.model is None:
        model = fresh_model(_config(options, tokenizer), options.seed)
        dtype = parse_dtype(options.dtype) or torch.float16
    else:
        dtype = parse_dtype(options.dtype) or stored_dtype(start.model, start.revision)
        model = start_model(start, seed=options.seed, half=half)
    settings = _settings(options, start, model, corpora)
    if is_main:
        _announce(model, corpora, settings, last_checkpoint(folder))
    try:
        train(model, corpora, shares, folder, settings, on_step=ProgressLine(settings), start=asdict(start))
    except KeyboardInterrupt:
        last = last_checkpoint(folder)
        print(f"\nstopped{f' at {last.name}: the same command goes on from there' if last else ''}", file=sys.stderr)
        raise
    out = folder / "model"
    if is_main:
        save_model(merge_lora(model), tokenizer, out, dtype)
        write_curve(folder / "log.csv", out / "training.csv")
        began = f"from {start.model}" if start.model else "from scratch"
        with writing(folder / "plot.png"):
            plot(folder / "log.csv", folder / "plot.png", f"{model.num_parameters / 1e6:.1f} M parameters, {began}")
    return f"{out}: done. Try it: neoxjp generate --model {out}"


class ProgressLine:
    """Prints how a run goes on standard error: on a terminal one line that changes, elsewhere a line a ten seconds."""

    def __init__(self, settings: TrainSettings, every: float | None = None) -> None:
        self.settings = settings
        self.terminal = sys.stderr.isatty()
        self.every = (0.5 if self.terminal else 10.0) if every is None else every  # seconds
        self.printed = 0.0
        self.recent: list[float] = []  # bits per character of the steps since the last line

    def __call__(self, record: dict[str, Any]) -> None:
        self.recent.append(record["bits_per_character"])
        last = record["step"] == self.settings.steps or record["seconds_left"] <= 0
        if not last and time.monotonic() - self.printed < self.every:
            return
        self.printed = time.monotonic()
        line = progress_line(record | {"bits_per_character": sum(self.recent) / len(self.recent)}, self.settings.steps)
        self.recent.clear()
        if self.terminal:
            print(f"\r{line:<100}", end="\n" if last else "", file=sys.stderr, flush=True)
        else:
            print(line, file=sys.stderr, flush=True)


def progress_line(record: dict[str, Any], steps: int | None) -> str:
    """ "step 120/2000  4.071 bits/character  2,310 tokens/s  12 min left"."""
    of = f"/{steps}" if steps else ""
    left = record["seconds_left"]
    time_left = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min" if left < 6000 else f"{left / 3600:.1f} h"
    return (
        f"step {record['step']}{of}  {record['bits_per_character']:.3f} bits/character  "
        f"{record['tokens_per_second']:,.0f} tokens/s  {time_left} left"
    )


def _check(options: argparse.Namespace, start: Start) -> None:
    """Fail before the slow part."""
    given = [name for name in (*_FRESH, "vocabulary") if getattr(options, name) is not None]
    if start.model is not None and given:
        flags = ", ".join("--" + name.replace("_", "-") for name in given)
        raise ParameterError(f"{flags}: a model to start from (--from) has its own; leave that out")
    chosen = [name for name in ("steps", "minutes", "epochs") if getattr(options, name) is not None]
    if len(chosen) > 1:
        raise ParameterError(f"choose one of {', '.join('--' + name for name in chosen)}")
    if options.epochs is not None and options.epochs <= 0:
        raise ParameterError(f"epochs={options.epochs!r} must be above 0")
    parse_dtype(options.dtype)


def _check_start(folder: Path, start: Start) -> None:
    """A run goes on only from what it began with."""
    last = last_checkpoint(folder)
    began = read_json(last / "state.json").get("start") if last else None
    if began and began != asdict(start):
        different = ", ".join(f"{name} {value!r}" for name, value in began.items() if value != asdict(start).get(name))
        raise ParameterError(f"{str(folder)!r} holds a run that began with {different}: go on with that, or name another folder")


def _texts(options: argparse.Namespace, vocabulary: Path, folder: Path, *, say: bool) -> tuple[list[Packed], list[float]]:
    """The texts as one packed corpus, or where they have shares one for each file; and the shares."""
    files = [parse_weighted_path(value) for value in options.files]
    shares = [share for _, share in files if share is not None]
    if shares and len(shares) < len(files):
        raise ParameterError("give every file a share (a.jsonl=0.7) or none of them")
    groups = [[path] for path, _ in files] if shares else [[path for path, _ in files]]
    if say:
        print(f"reading {files[0][0] if len(files) == 1 else f'{len(files)} files'} …", file=sys.stderr, flush=True)
    corpora = [
        pack_once(
            group, vocabulary, folder / f"text-{number}", column=options.column, split=options.split, workers=options.workers
        )
        for number, group in enumerate(groups)
    ]
    return corpora, shares or [1.0]


def _config(options: argparse.Namespace, tokenizer: GPTNeoXJapaneseTokenizer) -> GPTNeoXJapaneseConfig:
    chosen = {name: default if getattr(options, name) is None else getattr(options, name) for name, default in _FRESH.items()}
    return GPTNeoXJapaneseConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=chosen["hidden_size"],
        num_hidden_layers=chosen["layers"],
        num_attention_heads=chosen["heads"],
        max_position_embeddings=chosen["context"],
        attention_dropout=0.0,
        bos_token_id=tokenizer.eos_token_id,  # as in the original: a text begins after the end of another
        eos_token_id=tokenizer.eos_token_id,
    )


def _settings(
    options: argparse.Namespace, start: Start, model: GPTNeoXJapaneseForCausalLM, corpora: Sequence[Packed]
) -> TrainSettings:
    shortest, tokens = min(len(corpus.ids) for corpus in corpora), sum(len(corpus.ids) for corpus in corpora)
    length = options.length if options.length is not None else max(16, min(256, model.config.max_position_embeddings, shortest))
    optimizer: Literal["muon", "adamw"] = options.optimizer or ("adamw" if start.lora else "muon")
    muon_lr, adamw_lr = _RATES["lora" if start.lora else "tuned" if start.model else "fresh", optimizer]
    steps = options.steps
    if steps is None and options.minutes is None:
        steps = max(1, round((options.epochs or 1.0) * tokens / (options.rows * length))) if min(options.rows, length) > 0 else 1
    return TrainSettings(
        steps=steps,
        minutes=options.minutes,
        rows=options.rows,
        length=length,
        final_length=options.final_length,
        accumulate=options.accumulate,
        gradient_checkpointing=options.gradient_checkpointing,
        optimizer=optimizer,
        muon_lr=muon_lr if options.muon_lr is None else options.muon_lr,
        adamw_lr=adamw_lr if options.lr is None else options.lr,
        weight_decay=options.weight_decay,
        warmup_steps=options.warmup_steps,
        flat_share=options.flat_share,
        clip=options.clip,
        seed=options.seed,
        mixed_precision=options.mixed_precision,
        save_seconds=options.save_seconds,
        keep=options.keep,
        log_with=options.log_with,
    )


def _announce(model: GPTNeoXJapaneseForCausalLM, corpora: Sequence[Packed], settings: TrainSettings, last: Path | None) -> None:
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    characters, documents = sum(c.characters for c in corpora), sum(c.documents for c in corpora)
    tokens = sum(len(c.ids) for c in corpora)
    long = f"{settings.steps} steps" if settings.steps else f"{settings.minutes:g} minutes"
    print(f"{documents:,} documents, {characters:,} characters, {tokens:,} tokens", file=sys.stderr)
    print(
        f"training {trained:,} of {model.num_parameters:,} parameters for {long} of {settings.rows} × "
        f"{settings.length} tokens, {settings.optimizer}, {'bf16' if settings.half else 'float32'}"
        + (f"; going on from {last.name}" if last else ""),
        file=sys.stderr,
        flush=True,
    )
    if settings.half and not bf16_helps():
        print("this processor has no instructions for bf16: --mixed-precision auto would be many times faster", file=sys.stderr)
