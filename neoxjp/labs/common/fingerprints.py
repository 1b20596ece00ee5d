"""Which model, which vocabulary, on what: enough to say whether a text can come out the same again, found out without delay."""

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from neoxjp import __version__
from neoxjp.hub import WeightFiles, find_weights, read_json

if TYPE_CHECKING:
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

SPOTS, SPOT = 64, 4096  # places of each weight file that are hashed, and bytes of each
COVERS = "config.json; of each weight file its size, its header and 64 samples of 4 KiB, spread evenly"
"""What a folder's fingerprint is made of. Training changes every weight, so the samples too; they may miss a few edited ones."""


@dataclass(frozen=True)
class Setup:
    """What a generation ran with. Two equal setups give the same ids, but for requests beside (see `State.beside`)."""

    model: str  # fingerprint
    vocabulary: str  # fingerprint
    dtype: str  # of the embedding: "float16"
    quantization: str | None  # "int8"
    packed: bool  # the linears hold their weights in a format of their own
    linears: str  # which kernel multiplies
    attention: str  # which kernel attends
    implementation: str  # the attention that was asked for
    device: str
    cpu: str  # the instructions that torch's kernels use: "AVX512"
    threads: int
    neoxjp: str  # versions
    torch: str
    numpy: str
    python: str


What = Literal["model", "vocabulary", "dtype", "kernel", "machine", "version", "batch"]
_KINDS: dict[What, tuple[str, ...]] = {
    "model": ("model",),
    "vocabulary": ("vocabulary",),
    "dtype": ("dtype", "quantization", "packed"),
    "kernel": ("linears", "attention", "implementation"),
    "machine": ("device", "cpu", "threads"),
    "version": ("neoxjp", "torch", "numpy", "python"),
}


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it was."""

    what: What
    field: str  # of Setup
    then: str
    now: str


def setup(model: "GPTNeoXJapaneseForCausalLM", tokenizer: "GPTNeoXJapaneseTokenizer", model_mark: str | None = None) -> Setup:
    """What `model` would run with now. model_mark: its fingerprint, where it is known already."""
    import torch

    from neoxjp.quantization import describe_linears, is_packed

    device = model.device
    return Setup(
        model=model_fingerprint(model) if model_mark is None else model_mark,
        vocabulary=vocabulary_fingerprint(tokenizer),
        dtype=str(model.dtype).removeprefix("torch."),
        quantization=model.quantization,
        packed=is_packed(model),
        linears=describe_linears(model),
        attention=model.attention_backend().name,
        implementation=model.attn_implementation,
        device=device.type if device.type != "cuda" else torch.cuda.get_device_name(device),
        cpu=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        neoxjp=__version__,
        torch=str(torch.__version__),
        numpy=version("numpy"),
        python=platform.python_version(),
    )


def differences(then: Setup, now: Setup) -> tuple[Difference, ...]:
    """What is not as it was, the weightiest first."""
    return tuple(
        Difference(what, name, str(getattr(then, name)), str(getattr(now, name)))
        for what, names in _KINDS.items()
        for name in names
        if getattr(then, name) != getattr(now, name)
    )


def vocabulary_fingerprint(tokenizer: "GPTNeoXJapaneseTokenizer") -> str:
    """Of all spellings in order, the emoji and how text is cut: what gives ids their meaning."""
    vocabulary = tokenizer.vocabulary
    held = [vocabulary.spellings, list(vocabulary.emoji.items()), tokenizer.compat, tokenizer.do_clean_text]
    return _short(hashlib.sha256(json.dumps(held).encode()))


def model_fingerprint(model: "GPTNeoXJapaneseForCausalLM") -> str:
    """Of the folder that a model was loaded from; of one that was made in memory, of its config and samples of its weights."""
    report = model.load_report
    if report is not None:
        return folder_fingerprint(report.folder)
    found = hashlib.sha256(json.dumps(model.config.to_dict(), sort_keys=True).encode())
    for name, weight in model.named_parameters():
        flat = weight.detach().flatten()
        found.update(f"{name} {tuple(weight.shape)}".encode())
        found.update(flat[:: max(1, len(flat) // SPOTS)].float().cpu().numpy().tobytes())
    return _short(found)


def folder_fingerprint(folder: Path) -> str:
    """Of a model folder, see COVERS: half a megabyte is read, however large it is. Raises CheckpointError."""
    found = hashlib.sha256(json.dumps(read_json(folder / "config.json"), sort_keys=True).encode())
    files: WeightFiles = find_weights(folder, allow_pickle=True)  # only hashed
    for name in files.names:
        path = folder / name
        size = path.stat().st_size
        found.update(str(size).encode())
        with path.open("rb") as file:
            if files.format == "safetensors":
                length = int.from_bytes(file.read(8), "little")
                found.update(file.read(min(length, size)))
            for spot in range(SPOTS):
                file.seek(max(0, size - SPOT) * spot // (SPOTS - 1))
                found.update(file.read(SPOT))
    return _short(found)


def _short(found: "hashlib._Hash") -> str:
    return found.hexdigest()[:32]
