"""What a generation ran with: fingerprints of model and vocabulary, dtype, kernels, machine, versions. Quick to compute."""

import hashlib
import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from neoxjp import __version__
from neoxjp.hub import WeightFiles, find_weights, read_json
from neoxjp.labs.common.caching import cached_per_tokenizer

if TYPE_CHECKING:
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

SAMPLES, SAMPLE_BYTES = 64, 4096  # of each weight file
COVERS = "config.json; size, header and 64 evenly spread samples of 4 KiB of each weight file"
"""What a folder's fingerprint covers. Training changes every weight and so every sample; a few edited weights may be missed."""


@dataclass(frozen=True)
class Setup:
    """What a generation ran with. Equal setups give equal ids, unless concurrent requests change the numbers."""

    model: str  # fingerprint
    vocabulary: str  # fingerprint
    dtype: str  # of the embedding: "float16"
    quantization: str | None  # "int8", "int4", "mixed"
    cache_dtype: str  # of KV caches: "float16"
    packed: bool  # the linear layers hold packed weights
    linear_kernel: str
    attention_kernel: str
    attn_implementation: str  # as asked for: "auto"
    device: str
    cpu: str  # instruction set of torch's kernels: "AVX512"
    threads: int
    neoxjp: str  # versions
    torch: str
    numpy: str
    python: str


Group = Literal["model", "vocabulary", "dtype", "kernel", "machine", "version", "batch"]
GROUPS: dict[Group, tuple[str, ...]] = {  # fields of Setup, the most important first
    "model": ("model",),
    "vocabulary": ("vocabulary",),
    "dtype": ("dtype", "quantization", "cache_dtype", "packed"),
    "kernel": ("linear_kernel", "attention_kernel", "attn_implementation"),
    "machine": ("device", "cpu", "threads"),
    "version": ("neoxjp", "torch", "numpy", "python"),
}


@dataclass(frozen=True)
class Difference:
    """A field of the setup that differs from the saved one."""

    group: Group
    field: str  # of Setup
    saved: str
    current: str


def setup(model: "GPTNeoXJapaneseForCausalLM", tokenizer: "GPTNeoXJapaneseTokenizer") -> Setup:
    """What `model` runs with now."""
    import torch

    from neoxjp.quantization import describe_linears, is_packed

    device = model.device
    return Setup(
        model=model_fingerprint(model),
        vocabulary=vocabulary_fingerprint(tokenizer),
        dtype=str(model.dtype).removeprefix("torch."),
        quantization=model.quantization,
        cache_dtype=model.cache_dtype,
        packed=is_packed(model),
        linear_kernel=describe_linears(model),
        attention_kernel=model.attention_backend().name,
        attn_implementation=model.attn_implementation,
        device=device.type if device.type != "cuda" else torch.cuda.get_device_name(device),
        cpu=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
        neoxjp=__version__,
        torch=str(torch.__version__),
        numpy=version("numpy"),
        python=platform.python_version(),
    )


def differences(saved: Setup, current: Setup) -> tuple[Difference, ...]:
    """The fields that differ, the most important first."""
    return tuple(
        Difference(group, name, str(getattr(saved, name)), str(getattr(current, name)))
        for group, names in GROUPS.items()
        for name in names
        if getattr(saved, name) != getattr(current, name)
    )


@cached_per_tokenizer
def vocabulary_fingerprint(tokenizer: "GPTNeoXJapaneseTokenizer") -> str:
    """Of what gives ids their meaning: all spellings in order, the emoji, and the options of the tokenizer."""
    vocabulary = tokenizer.vocabulary
    content = [vocabulary.spellings, list(vocabulary.emoji.items()), tokenizer.compat, tokenizer.do_clean_text]
    return _shorten(hashlib.sha256(json.dumps(content).encode()))


def model_fingerprint(model: "GPTNeoXJapaneseForCausalLM") -> str:
    """Of the folder that the model was loaded from, or else of its config and samples of its weights in memory."""
    report = model.load_report
    if report is not None:
        return folder_fingerprint(report.folder)
    found = hashlib.sha256(json.dumps(model.config.to_dict(), sort_keys=True).encode())
    for name, weight in model.named_parameters():
        flat = weight.detach().flatten()
        found.update(f"{name} {tuple(weight.shape)}".encode())
        found.update(flat[:: max(1, len(flat) // SAMPLES)].float().cpu().numpy().tobytes())
    return _shorten(found)


def folder_fingerprint(folder: Path) -> str:
    """Of a model folder, see COVERS: about half a megabyte is read of each weight file. Raises CheckpointError."""
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
            for sample in range(SAMPLES):
                file.seek(max(0, size - SAMPLE_BYTES) * sample // (SAMPLES - 1))
                found.update(file.read(SAMPLE_BYTES))
    return _shorten(found)


def _shorten(found: "hashlib._Hash") -> str:
    return found.hexdigest()[:32]
