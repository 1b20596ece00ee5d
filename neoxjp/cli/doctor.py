"""What this machine offers and what would run on it: the facts that `neoxjp doctor` prints."""

import importlib.metadata
import os
import platform
from typing import Any

from neoxjp import __version__
from neoxjp.hub import bundled_path

PACKAGES = (
    "torch",
    "numpy",
    "safetensors",
    "accelerate",
    "huggingface_hub",
    "gradio",
    "pandas",
    "SudachiPy",
    "sudachidict-small",
    "jaconv",
)
OPTIONAL = ("flash-attn", "spaces", "peft", "pyarrow", "tensorboard")


def doctor() -> dict[str, Any]:
    """The facts that `neoxjp doctor` prints; sizes in GiB."""
    import torch
    from huggingface_hub import constants

    from neoxjp.engine import heed_quota
    from neoxjp.model import backend_in_use
    from neoxjp.quantization import available

    def version(package: str) -> str:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return "absent"

    heed_quota()
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
        "packages": {name: version(name) for name in PACKAGES},
        "optional": {name: version(name) for name in OPTIONAL},
        "cpu threads": torch.get_num_threads(),
        "cpu kernels": torch.backends.cpu.get_cpu_capability(),
        "memory GiB": round(page * os.sysconf("SC_PHYS_PAGES") / 2**30, 1) if page else None,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "attention": backend.name + (f" (flash refused: {backend.refused})" if backend.refused else ""),
        "linears": available(),
        "bundled model": f"{bundled.stat().st_size / 2**20:.1f} MiB" if bundled.exists() else "absent",
        "hub cache": constants.HF_HUB_CACHE,
        "hub offline": constants.HF_HUB_OFFLINE,
    }
