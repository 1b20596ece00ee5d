"""One `neoxjp train`, from its options to a model folder: texts packed once, a start, settings, the run, the result."""

import contextlib
import itertools
import json
import math
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch

from neoxjp.documents import Document, parse_weighted_path, read_documents
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.hub import read_json
from neoxjp.model import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.corpus import Packed, pack_once
from neoxjp.train.evaluate import bits_per_character
from neoxjp.train.folder_lock import only_run
from neoxjp.train.loop import fresh_model, train
from neoxjp.train.options import CHARACTERS, JobOptions
from neoxjp.train.plot import plot
from neoxjp.train.runs import (
    Progress,
    last_checkpoint,
    read_log,
    remove_partial,
    rows_until,
    save_model,
    wrap_write_errors,
    write_curve,
    write_rows,
)
from neoxjp.train.settings import TrainSettings, bf16_helps
from neoxjp.train.shards import open_shards
from neoxjp.train.start import Start, save_adapter, start_model, start_tokenizer, stored_dtype
from neoxjp.weights import parse_dtype

_FRESH = {"hidden_size": 384, "layers": 6, "heads": 6, "context": 512}
_COMPARED = {  # setting → what the command line calls it; a run continues with the same
    "rows": "--rows",
    "length": "--length",
    "final_length": "--final-length",
    "muon_lr": "--muon-lr",
    "adamw_lr": "--lr",
    "weight_decay": "--weight-decay",
    "neuron_beta": "--muon-neuron-beta",
    "cautious": "--cautious",
    "momentum_steps": "--momentum-steps",
    "warmup_steps": "--warmup-steps",
    "stages": "--stages",
    "flat_share": "--flat-share",
    "cool_power": "--cool-power",
    "clip": "--clip",
    "seed": "--seed",
}
_COOL_DOWN = ("flat_share", "cool_power")  # may change with --tokens: a run is long enough when its user says so
_RATES = {  # (start, optimizer) → (Muon's rate, AdamW's rate), by default
    ("fresh", "muon"): (0.02, 0.004),
    ("fresh", "adamw"): (0.02, 0.002),
    ("tuned", "muon"): (0.002, 0.0004),
    ("tuned", "adamw"): (0.002, 0.0001),
    ("lora", "muon"): (0.002, 0.0004),
    ("lora", "adamw"): (0.002, 0.001),
}


def run_job(options: JobOptions, *, main_first: Callable[[], AbstractContextManager[None]], is_main: bool) -> Path:
    """Train as the options say; returns the model's folder. `main_first` lets one process tokenize for all.

    A run that is refused before its first step leaves no folder behind.
    """
    start = Start(options.source, options.revision, options.freeze, options.lora)
    _check(options, start)
    missing = _missing(options.folder)
    try:
        with only_run(options.folder) if is_main else nullcontext():
            if is_main:
                remove_partial(options.folder)
            return _run(options, start, main_first, is_main)
    except (NeoxjpError, KeyboardInterrupt):
        if is_main and missing and not read_log(options.folder / "log.csv"):
            _remove(missing)
        raise


def _run(options: JobOptions, start: Start, main_first: Callable[[], AbstractContextManager[None]], is_main: bool) -> Path:
    folder, out = options.folder, options.folder / "model"
    held_out = _held_out(options) if is_main else []
    with main_first():
        with wrap_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        vocabulary = folder / "vocabulary"
        begun = last_checkpoint(folder) is not None
        tokenizer = start_tokenizer(options.source or options.vocabulary, options.revision, vocabulary, begun)
        corpora, shares = _texts(options, vocabulary, folder, announce=is_main)
    _check_start(folder, start)
    half = options.mixed_precision == "bf16" or (options.mixed_precision == "auto" and bf16_helps())
    if start.model is None:
        model = fresh_model(_config(options, tokenizer), options.seed)
        dtype = parse_dtype(options.dtype) or torch.float16
    else:
        dtype = parse_dtype(options.dtype) or stored_dtype(start.model, start.revision)
        model = start_model(start, seed=options.seed, half=half)
    settings = _settings(options, start, model, corpora)
    origin = asdict(start) | {"texts": text_facts(corpora, shares)}
    changed = changes(folder, origin, settings)
    if changed and not options.continue_anyway:
        raise ParameterError(
            f"{str(folder)!r} holds a run with {'; '.join(changed)}. Name another folder, or add --continue-anyway to continue "
            "that run with what is asked for now"
        )

    saved = False

    def save_result() -> None:
        nonlocal saved
        saved = True
        save_model(model, tokenizer, out, dtype)
        write_curve(folder / "log.csv", out / "training.csv")
        if start.lora:
            save_adapter(model, folder / "adapter", start)

    watchers: list[Callable[[dict[str, Any]], None]] = [ProgressLine(settings)]
    if held_out:
        _note(_described(held_out))
        watchers.append(HeldOut(model, tokenizer, held_out, folder, options.evaluate_every, settings))

    def on_step(record: dict[str, Any]) -> None:
        for watch in watchers:
            watch(record)

    if is_main:
        _announce(model, corpora, settings, folder)

    def on_stop() -> None:
        if last := last_checkpoint(folder):
            _note(f"\nstopped at {last.name}: {out} is the model so far, and the same command continues the run")

    watched: dict[str, Any] = {"on_step": on_step, "on_save": save_result, "on_stop": on_stop}
    train(model, corpora, shares, folder, settings, **watched, start=origin)
    if is_main:
        if not saved:  # the run was at its end already
            save_result()
        began = f"from {start.model}" if start.model else "from scratch"
        with wrap_write_errors(folder / "plot.png"):
            plot(folder / "log.csv", folder / "plot.png", f"{model.num_parameters / 1e6:.1f} M parameters, {began}")
    return out


def text_facts(corpora: Sequence[Packed], shares: Sequence[float]) -> list[dict[str, Any]]:
    """What identifies the texts, written into the checkpoints."""
    return [
        {
            "characters": corpus.characters,
            "tokens": len(corpus.ids),
            "checksum": corpus.checksum,
            "share": share,
        }
        for corpus, share in zip(corpora, shares, strict=True)
    ]


def changes(folder: Path, origin: Mapping[str, Any], settings: TrainSettings) -> list[str]:
    """The settings that differ from those of the run in the folder: ["length 256 (now 128)", …]; [] where there is no run yet."""
    last = last_checkpoint(folder)
    if last is None:
        return []
    facts = read_json(last / "state.json")
    found = []
    if (texts := facts["start"].get("texts", origin["texts"])) != origin["texts"]:
        sizes = [f"{sum(text['characters'] for text in some):,} characters" for some in (texts, origin["texts"])]
        found.append("other texts" + (f", {sizes[0]} (now {sizes[1]})" if sizes[0] != sizes[1] else ""))
    now = json.loads(json.dumps(asdict(settings)))
    for name, flag in _COMPARED.items():
        if settings.tokens and name in _COOL_DOWN:
            continue
        if (was := facts["settings"].get(name, now[name])) != now[name]:
            found.append(f"{flag} {was} (now {now[name]})")
    return found


def _missing(folder: Path) -> list[Path]:
    """The folders that have to be made for this one: itself, then its parents upwards; [] where it is there."""
    return list(itertools.takewhile(lambda place: not place.exists(), (folder, *folder.parents)))


def _remove(made: Sequence[Path]) -> None:
    """Remove a folder, then the parents that were made for it, unless others have put something there since."""
    shutil.rmtree(made[0], ignore_errors=True)
    with contextlib.suppress(OSError):
        for parent in made[1:]:
            parent.rmdir()


def _held_out(options: JobOptions) -> list[Document]:
    if options.evaluate_every < 1:
        raise ParameterError(f"evaluate_every={options.evaluate_every!r} must be at least 1")
    found = [document for path in options.evaluate or () for document in _documents(options, path)]
    if options.evaluate and not any(document.text for document in found):
        raise ParameterError("there is no text to evaluate on: every document is empty")
    return found


def _documents(options: JobOptions, path: Path) -> Iterator[Document]:
    return read_documents(path, column=options.column, split=options.split, encoding=options.encoding)


def _described(held_out: Sequence[Document]) -> str:
    """Which part of the held-out texts is scored."""
    count, characters = 0, 0
    used = 0  # characters of the document that a piece continues
    for document in held_out:
        characters += min(len(document.text), max(0, CHARACTERS - used))
        used = used + len(document.text) if document.continues else 0
        count += not document.continues
    whole = sum(len(document.text) for document in held_out)
    return f"held-out texts: {count:,}, of each the first {CHARACTERS:,} characters, {characters:,} of {whole:,} together" + (
        " (--split line or blank makes more texts of a file)" if whole > 2 * characters else ""
    )


class HeldOut:
    """Scores held-out texts every N steps and at the end: a line printed, a row of held-out.csv."""

    def __init__(
        self,
        model: GPTNeoXJapaneseForCausalLM,
        tokenizer: GPTNeoXJapaneseTokenizer,
        documents: Sequence[Document],
        folder: Path,
        every: int,
        settings: TrainSettings,
    ) -> None:
        self.model, self.tokenizer, self.documents = model, tokenizer, documents
        # Frozen weights may be in half precision: then what trains is multiplied with them as in training.
        self.half = settings.half and any(weight.dtype != torch.float32 for weight in model.parameters())
        self.file, self.every, self.settings = folder / "held-out.csv", every, settings

    def __call__(self, record: dict[str, Any]) -> None:
        step = record["step"]
        if step % self.every and step != self.settings.steps and record["seconds_left"] > 0:
            return
        self.model.eval()
        try:
            with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.half):
                scores = bits_per_character(self.model, self.tokenizer, self.documents).values()
        finally:
            self.model.train()
        bits = sum(score.nats for score in scores) / math.log(2) / sum(score.characters for score in scores)
        rows = rows_until(self.file, step - 1)  # a resumed run writes some steps again
        rows.append({"step": step, "tokens": record["tokens"], "bits_per_character": round(bits, 4)})
        write_rows(self.file, ("step", "tokens", "bits_per_character"), rows)
        start = "\n" if sys.stderr.isatty() else ""
        _note(f"{start}step {step}: held-out texts {bits:.3f} bits/character")


class ProgressLine:
    """Prints the progress of a run to standard error: one line that is updated on a terminal, else a line every 10 s."""

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
            _note(f"\r{line:<100}", end="\n" if last else "")
        else:
            _note(line)


def _note(line: str, end: str = "\n") -> None:
    """Print to standard error. Training goes on where nobody reads it any more."""
    with contextlib.suppress(OSError):
        print(line, end=end, file=sys.stderr, flush=True)


def progress_line(record: dict[str, Any], steps: int | None) -> str:
    """ "step 120/2000  4.071 bits/character  2,310 tokens/s  12 min left"."""
    of = f"/{steps}" if steps else ""
    left = record["seconds_left"]
    time_left = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min" if left < 6000 else f"{left / 3600:.1f} h"
    return (
        f"step {record['step']}{of}  {record['bits_per_character']:.3f} bits/character  "
        f"{record['tokens_per_second']:,.0f} tokens/s  {time_left} left"
    )


def _check(options: JobOptions, start: Start) -> None:
    """Refuse options that cannot be combined, before anything slow."""
    given = [name for name in (*_FRESH, "vocabulary") if getattr(options, name) is not None]
    if start.model is not None and given:
        flags = ", ".join("--" + name.replace("_", "-") for name in given)
        raise ParameterError(f"{flags}: a model to start from (--from) has its own; leave that out")
    if options.source and Path(options.source).expanduser().resolve() == (options.folder / "model").expanduser().resolve():
        raise ParameterError(f"--from {options.source} is the folder that this run writes its model to: name another run folder")
    chosen = [name for name in ("steps", "minutes", "tokens", "epochs") if getattr(options, name) is not None]
    if len(chosen) > 1:
        raise ParameterError(f"choose one of {', '.join('--' + name for name in chosen)}")
    for name in ("minutes", "tokens", "epochs"):
        asked = getattr(options, name)
        if asked is not None and not 0 < asked < math.inf:
            raise ParameterError(f"{name}={asked!r} must be a number above 0")
    if options.cool_down is not None and not (options.tokens and 0 <= options.cool_down <= options.tokens):
        raise ParameterError(
            f"cool_down={options.cool_down!r} must be from 0 to the number of --tokens, found tokens={options.tokens!r}"
        )
    for stage in options.stages or ():
        parse_stage(stage)
    if options.cool_down is not None and options.flat_share != JobOptions.flat_share:
        raise ParameterError("--cool-down and --flat-share say the same thing: choose one")
    if options.muon_lr is not None and options.optimizer == "adamw":
        raise ParameterError("--muon-lr is for the optimizer Muon: leave it out with --optimizer adamw, whose rate is --lr")
    parse_dtype(options.dtype)


def parse_stage(value: str) -> tuple[int, int, int]:
    """ "15e6=32x512" → (15000000, 32, 512): tokens, rows, length. Raises ParameterError."""
    try:
        start, shape = value.split("=")
        rows, length = shape.split("x")
        return int(float(start)), int(rows), int(length)
    except (ValueError, OverflowError) as error:
        raise ParameterError(f"--stages {value!r} must have the form TOKENS=ROWSxLENGTH, such as 15e6=32x512") from error


def _check_start(folder: Path, start: Start) -> None:
    """Refuse to continue a run that was started from another model."""
    last = last_checkpoint(folder)
    began = read_json(last / "state.json").get("start") if last else None
    now = asdict(start)
    different = [f"{name} {value!r}" for name, value in (began or {}).items() if name in now and value != now[name]]
    if different:
        raise ParameterError(
            f"{str(folder)!r} was started with {', '.join(different)}: continue with that, or name another folder"
        )


def _texts(options: JobOptions, vocabulary: Path, folder: Path, *, announce: bool) -> tuple[list[Packed], list[float]]:
    """The texts as one packed corpus, or where they have shares one for each file or folder of shards; and the shares."""
    files = [parse_weighted_path(value) for value in options.files]
    shares = [share for _, share in files if share is not None]
    if shares and len(shares) < len(files):
        raise ParameterError("give every file a share (a.jsonl=0.7) or none of them")
    groups = [[path] for path, _ in files] if shares else [[path for path, _ in files]]
    folders = [path for path, _ in files if path.is_dir()]
    if folders and len(folders) < len(files) and not shares:
        raise ParameterError("give shards and files with texts a share each (shards=0.7 a.jsonl=0.3), or name only one kind")
    if announce:
        _note(f"reading {files[0][0] if len(files) == 1 else f'{len(files)} files'} …")
    corpora = [
        open_shards(group, vocabulary)
        if group[0] in folders
        else pack_once(
            group,
            vocabulary,
            folder / f"text-{number}",
            column=options.column,
            split=options.split,
            encoding=options.encoding,
            workers=options.workers,
        )
        for number, group in enumerate(groups)
    ]
    return corpora, shares or [1.0]


def _config(options: JobOptions, tokenizer: GPTNeoXJapaneseTokenizer) -> GPTNeoXJapaneseConfig:
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


def _settings(options: JobOptions, start: Start, model: GPTNeoXJapaneseForCausalLM, corpora: Sequence[Packed]) -> TrainSettings:
    shortest, tokens = min(len(corpus.ids) for corpus in corpora), sum(len(corpus.ids) for corpus in corpora)
    length = options.length if options.length is not None else max(16, min(256, model.config.max_position_embeddings, shortest))
    optimizer: Literal["muon", "adamw"] = options.optimizer or ("adamw" if start.lora else "muon")
    muon_lr, adamw_lr = _RATES["lora" if start.lora else "tuned" if start.model else "fresh", optimizer]
    steps, tokens_asked = options.steps, None if options.tokens is None else int(options.tokens)
    if steps is None and options.minutes is None and tokens_asked is None and options.stages:
        tokens_asked = round((options.epochs or 1.0) * tokens)  # the steps differ in size
    elif steps is None and options.minutes is None and tokens_asked is None:
        steps = max(1, round((options.epochs or 1.0) * tokens / (options.rows * length))) if min(options.rows, length) > 0 else 1
    return TrainSettings(
        steps=steps,
        minutes=options.minutes,
        tokens=tokens_asked,
        stages=tuple(sorted(map(parse_stage, options.stages or ()))),
        rows=options.rows,
        length=length,
        final_length=options.final_length,
        accumulate=options.accumulate,
        gradient_checkpointing=options.gradient_checkpointing,
        optimizer=optimizer,
        muon_lr=muon_lr if options.muon_lr is None else options.muon_lr,
        adamw_lr=adamw_lr if options.lr is None else options.lr,
        weight_decay=options.weight_decay,
        neuron_beta=options.muon_neuron_beta,
        cautious=options.cautious,
        momentum_steps=options.momentum_steps,
        warmup_steps=options.warmup_steps,
        flat_share=options.flat_share if options.cool_down is None else 1.0 - options.cool_down / (options.tokens or 1.0),
        cool_power=options.cool_power,
        clip=options.clip,
        seed=options.seed,
        mixed_precision=options.mixed_precision,
        save_seconds=options.save_seconds,
        keep=options.keep,
        log_with=options.log_with,
    )


def _announce(model: GPTNeoXJapaneseForCausalLM, corpora: Sequence[Packed], settings: TrainSettings, folder: Path) -> None:
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    characters, documents = sum(c.characters for c in corpora), sum(c.documents for c in corpora)
    tokens = sum(len(c.ids) for c in corpora)
    _note(f"{counted(documents, 'document')}, {characters:,} characters, {tokens:,} tokens")
    last = last_checkpoint(folder)
    if last and (done := Progress(**read_json(last / "state.json")["progress"])).share(settings) >= 1:
        _note(f"this run is finished: {counted(done.step, 'step')} are done; ask for more to train on")
        return
    lengths = {"steps": settings.steps, "tokens": settings.tokens, "minutes": settings.minutes}
    long = next(f"{number:,} {name}".replace(".0 ", " ") for name, number in lengths.items() if number)
    _note(
        f"training {trained:,} of {model.num_parameters:,} parameters for {long} of {settings.rows} × "
        f"{settings.length} tokens, {settings.optimizer}, {'bf16' if settings.half else 'float32'}"
        + (f"; continuing from {last.name}" if last else "")
    )
    if settings.half and not bf16_helps():
        _note("this processor has no instructions for bf16: --mixed-precision auto would be many times faster")


def counted(number: int, name: str) -> str:
    """1 → "1 document", 2 → "2 documents"."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"
