"""What we compare with, transformers, llama.cpp and our own other formats: same weights, same ids, greedy.

The other programs are installed by the user. This is the one file of the package that imports transformers: it is measured here,
and only where `--against` names it. Each peer is loaded once and freed at the end.
"""

import contextlib
import functools
import importlib
import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from neoxjp.bench.common import show_status, timed
from neoxjp.bench.model_under_test import ModelUnderTest, parse_cached_format
from neoxjp.bench.options import WRITERS, WriteOptions
from neoxjp.engine import Engine
from neoxjp.errors import ParameterError
from neoxjp.export import GGUF_TYPES, write_gguf
from neoxjp.model import GPTNeoXJapaneseForCausalLM, weight_bytes
from neoxjp.sampling import SamplingParams
from neoxjp.weights import parse_dtype

PIP = {"transformers": "transformers", "llama_cpp": "llama-cpp-python", "gguf": "gguf"}  # what to install, by what is imported


@dataclass(frozen=True)
class Generated:
    """One text: its new ids, seconds to the first of them, seconds for the others."""

    ids: list[int]
    first: float
    rest: float

    @property
    def rate(self) -> float:
        """Tokens a second after the first."""
        return (len(self.ids) - 1) / self.rest


@dataclass(frozen=True)
class Peer:
    """A peer that is ready."""

    name: str  # "transformers bfloat16"
    package: str  # for its version
    write: Callable[..., Generated] | None  # (prompt, new=ids to write); None: too slow here, `note` says how slow
    new: int  # ids to write in a round
    seconds: float  # that one text takes, by an estimate; 0.0: unknown
    note: str = ""
    nbytes: int = 0  # of its weights; of llama.cpp those of the file
    model: GPTNeoXJapaneseForCausalLM | None = None  # one of ours in another format: it serves visitors together


def agreement(ours: Sequence[Generated], theirs: Sequence[Generated]) -> str:
    """How many ids agree: random weights have near ties, so other rounding soon gives other ids."""
    same = sum(_common(a.ids, b.ids) for a, b in zip(ours, theirs, strict=True))
    return f"{same} of {sum(len(text.ids) for text in theirs)} ids as ours before the first difference of a round"


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common beginning."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@contextlib.contextmanager
def open_peer(asked: str, measured: ModelUnderTest, options: WriteOptions) -> Iterator[Peer]:
    """The peer that `--against` names. Raises ParameterError for an unknown one, or one that is not installed."""
    name, _, kind = asked.partition(":")
    if name == "transformers":
        yield _transformers(kind or "bfloat16", measured, options)
    elif name in ("llama.cpp", "llama-cpp"):
        with _llama(kind or "f16", measured, options) as writer:
            yield writer
    elif name == "neoxjp" and kind:
        yield _ours(kind, measured, options)
    else:
        raise ParameterError(f"against={asked!r} is not a peer of this table: choose {WRITERS}")


def _ours(kind: str, measured: ModelUnderTest, options: WriteOptions) -> Peer:
    """Our model in another format, or from another folder."""
    form, cache_dtype = parse_cached_format(kind)
    model = measured.load_format(form, cache_dtype, options.device)
    name = f"neoxjp {Path(form).name if Path(form).is_dir() else form}{f'+{cache_dtype}' if cache_dtype else ''}"
    writes = functools.partial(engine_writes, model, speculate=options.speculate)
    return Peer(name, "neoxjp", writes, options.new, 0.0, nbytes=weight_bytes(model), model=model)


@torch.inference_mode()
def engine_writes(model: GPTNeoXJapaneseForCausalLM, prompt: list[int], new: int, speculate: bool = False) -> Generated:
    """One request in its own engine, greedy, exactly `new` ids (no end of text)."""
    params = SamplingParams(do_sample=False, max_new_tokens=new, eos_token_id=())
    began = time.perf_counter()
    with Engine(model, max_batch=1, speculate=speculate) as engine:
        request = engine.submit(prompt, params)
        next(request)
        first = time.perf_counter()
        for _ in request:
            pass
    return Generated(list(request.ids), first - began, time.perf_counter() - first)


def import_optional(module: str, asked: str) -> Any:
    """An optional package. Raises ParameterError with the line that installs it."""
    if importlib.util.find_spec(module) is None:
        raise ParameterError(
            f"--against {asked} needs the package {PIP[module]}, which is not installed: pip install {PIP[module]}"
        )
    return importlib.import_module(module)


def load_transformers(measured: ModelUnderTest, dtype: torch.dtype, device: str) -> Any:
    """transformers' class with the measured weights."""
    transformers = import_optional("transformers", "transformers")
    config = transformers.GPTNeoXJapaneseConfig(**measured.config.to_dict())
    with torch.device("meta"):
        theirs = transformers.GPTNeoXJapaneseForCausalLM(config)
    state = {}
    for part in measured.parts():
        show_status(f"transformers: {part.name}")
        state[part.name] = part.read().to(device, dtype)
    if "embed_out.weight" not in state:
        state["embed_out.weight"] = state["gpt_neox_japanese.embed_in.weight"]
    theirs.load_state_dict(state, assign=True)
    rotary = type(theirs.gpt_neox_japanese.rotary_emb)(config)  # its buffers are in no checkpoint
    theirs.gpt_neox_japanese.rotary_emb = rotary.to(device)
    theirs.generation_config.eos_token_id = None  # it generates as many ids as requested
    show_status("")
    return theirs.eval().requires_grad_(False)


def _transformers(kind: str, measured: ModelUnderTest, options: WriteOptions) -> Peer:
    dtype = parse_dtype(kind)
    if dtype is None:
        raise ParameterError(f"--against transformers:{kind}: name a dtype, for example transformers:float32")
    theirs = load_transformers(measured, dtype, options.device)
    name = f"transformers {kind}"
    first, each = _estimate(theirs, measured, dtype, options.prompt, options.device)
    new = min(options.new, int((options.limit - first) / each))
    nbytes = sum(parameter.nbytes for parameter in theirs.parameters())
    if new < 2:
        slow = f"{first:.0f} s to the first token and {1 / each:.2g} tokens/s here, over --limit {options.limit:g} s"
        return Peer(name, "transformers", None, 0, 0.0, f"not run: one of its layers alone, timed, makes {slow}")
    note = (
        "" if new == options.new else f"wrote {new} tokens a round, not {options.new}, to stay within --limit {options.limit:g} s"
    )
    return Peer(name, "transformers", functools.partial(transformers_writes, theirs), new, first + new * each, note, nbytes)


class _Watch:
    """A streamer of transformers: when each id came."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: Any) -> None:
        self.times.append(time.perf_counter())  # the prompt is put first

    def end(self) -> None:
        pass


@torch.inference_mode()
def transformers_writes(theirs: Any, prompt: list[int], new: int) -> Generated:
    """`new` ids by its generate()."""
    watch = _Watch()
    ids = torch.tensor([prompt], device=theirs.device)
    began = time.perf_counter()
    out = theirs.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, do_sample=False, streamer=watch, pad_token_id=0
    )
    return Generated(out[0, len(prompt) :].tolist(), watch.times[1] - began, watch.times[-1] - watch.times[1])


@torch.inference_mode()
def _estimate(theirs: Any, measured: ModelUnderTest, dtype: torch.dtype, prompt: int, device: str) -> tuple[float, float]:
    """Seconds to the first token and for each other, from one linear layer alone: some CPUs compute some dtypes very slowly."""
    layer = theirs.gpt_neox_japanese.layers[0].attention.dense

    def run(count: int) -> float:
        x = torch.randn(count, layer.in_features, dtype=dtype, device=device)
        layer(x[:1])
        return timed(lambda: layer(x).sum().item()) * measured.linear_weights / layer.weight.numel()

    return run(prompt), run(1)


def _quantized_by_llama(llama_cpp: Any, path: Path, kind: str, threads: int) -> Path:
    """The file in a format that only llama.cpp writes, such as q4_k_m; the other one is deleted. Raises ParameterError."""
    number = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind.upper()}", None)
    if number is None:
        raise ParameterError(f"--against llama.cpp:{kind}: llama.cpp has no such format; for example q8_0, q4_0, q4_k_m")
    show_status(f"llama.cpp: quantizing to {kind}")
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.nthread = number, threads
    made = path.with_name(f"{kind}.gguf")
    if llama_cpp.llama_model_quantize(str(path).encode(), str(made).encode(), parameters) != 0:
        raise ParameterError(f"--against llama.cpp:{kind}: llama.cpp cannot make this format of the model")
    path.unlink()
    return made


@contextlib.contextmanager
def _llama(kind: str, measured: ModelUnderTest, options: WriteOptions) -> Iterator[Peer]:
    import numpy

    llama_cpp = import_optional("llama_cpp", f"llama.cpp:{kind}")
    import_optional("gguf", f"llama.cpp:{kind}")
    with tempfile.TemporaryDirectory(prefix="neoxjp-bench-") as folder:
        path = Path(folder) / "model.gguf"
        written = kind if kind in GGUF_TYPES else "f16"
        write_gguf(
            measured.config, measured.parts(), path, written, progress=lambda name: show_status(f"llama.cpp: writing {name}")
        )
        threads = torch.get_num_threads()
        if kind != written:
            path = _quantized_by_llama(llama_cpp, path, kind, threads)
        context = options.prompt + options.new + 8
        llama = llama_cpp.Llama(
            str(path),
            n_ctx=context,
            n_batch=512,
            n_threads=threads,
            n_threads_batch=threads,
            n_gpu_layers=-1 if options.device != "cpu" else 0,
            verbose=False,
        )

        def write(prompt: list[int], new: int) -> Generated:
            def following() -> int:
                pointer = llama_cpp.llama_get_logits_ith(llama.ctx, -1)
                return int(numpy.ctypeslib.as_array(pointer, shape=(llama.n_vocab(),)).argmax())

            llama.reset()
            began = time.perf_counter()
            llama.eval(prompt)
            ids = [following()]
            first = time.perf_counter()
            while len(ids) < new:
                llama.eval(ids[-1:])
                ids.append(following())
            return Generated(ids, first - began, time.perf_counter() - first)

        yield Peer(f"llama.cpp {kind}", "llama-cpp-python", write, options.new, 0.0, nbytes=path.stat().st_size)
        llama.close()
