"""`neoxjp bench TABLE`: one command for each table. What it measures is in its own file of bench/, imported when it runs."""

import importlib
from typing import Any

from neoxjp.bench import (
    LoadOptions,
    PageOptions,
    QualityOptions,
    RepetitionOptions,
    RouterOptions,
    ServeOptions,
    SoakOptions,
    TableOptions,
    TokenizeOptions,
    WriteOptions,
)
from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command

HELP = "Measure speed, memory and quality here, beside other programs."


def generate(options: WriteOptions) -> None:
    """One visitor: time to the first token, tokens per second, the read limit."""
    _run("generate", options)


def serve(options: ServeOptions) -> None:
    """Several visitors at once: tokens per second in sum, each one's first token."""
    _run("serve", options)


def quality(options: QualityOptions) -> None:
    """Bits per character and agreement with float32, of each format."""
    _run("quality", options)


def repetition(options: RepetitionOptions, **sampling: Any) -> None:
    """Samples of a model: does it repeat itself at these settings?"""
    _run("repetition", options, sampling)


def load(options: LoadOptions) -> None:
    """Seconds and memory of loading, in each format."""
    _run("load", options)


def tokenize(options: TokenizeOptions) -> None:
    """Text to ids and back: MB per second, a short text, loading."""
    _run("tokenize", options)


def soak(options: SoakOptions) -> None:
    """Simulated visitors of a running page, and perhaps an abuser: what they wait for, what is refused, memory."""
    importlib.import_module("neoxjp.bench.soak").command(options)


def page(options: PageOptions) -> None:
    """What a visitor waits for, in a real Chromium: keys, first token, tokens per second, one step, Stop."""
    importlib.import_module("neoxjp.bench.page").command(options)


def router(options: RouterOptions) -> None:
    """A simulation of many replicas: which way of choosing one for a prompt finds its beginning computed."""
    importlib.import_module("neoxjp.bench.router").command(options)


def _run(name: str, options: TableOptions, *more: Any) -> None:
    import torch

    from neoxjp.engine import limit_threads_to_quota

    limit_threads_to_quota()
    if options.threads is not None:
        if options.threads < 1:
            raise ParameterError(f"threads={options.threads!r} must be at least 1")
        torch.set_num_threads(options.threads)
    importlib.import_module(f"neoxjp.bench.{name}").command(options, *more)


COMMANDS = (
    Command("generate", generate, "neoxjp bench generate --model bundled --dtype float16 --rounds 3"),
    Command("serve", serve, "neoxjp bench serve --model bundled --dtype float16 --visitors 4"),
    Command("quality", quality, "neoxjp bench quality texts.jsonl --documents 60"),
    Command("repetition", repetition, "neoxjp bench repetition --samples 10 --show"),
    Command("load", load, "neoxjp bench load --shape small --formats float16,int8"),
    Command("tokenize", tokenize, "neoxjp bench tokenize novel.txt --megabytes 1"),
    Command("page", page, "neoxjp bench page http://127.0.0.1:7860 --rounds 9"),
    Command("router", router, "neoxjp bench router --replicas 8 --visitors 60 --minutes 5"),
    Command("soak", soak, "neoxjp bench soak http://127.0.0.1:7860 --visitors 8 --minutes 60"),
)
