"""Whether a model fits in memory: its weights and one context, the free memory, and what unloading the present model frees.

All sizes in bytes. On the CPU, weights in the stored dtype stay memory-mapped: their pages count as available memory although the
loaded model needs them, so they are subtracted while that model stays loaded.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from neoxjp.errors import NeoxjpError

if TYPE_CHECKING:
    import torch

    from neoxjp.model.causal_lm import GPTNeoXJapaneseForCausalLM
    from neoxjp.weights import StoredTensor


class ModelTooLarge(NeoxjpError, RuntimeError):
    """The model does not fit beside the one that is loaded, or not at all."""

    def __init__(self, name: str, needed: int, free: int, after_unloading: int, on_gpu: bool = False):
        self.needed, self.free, self.after_unloading = needed, free, after_unloading
        cpu, cpu_ja = (", or the CPU (device cpu)", "か、CPU（デバイス cpu）") if on_gpu else ("", "")
        if self.can_unload:
            super().__init__(
                f"{name!r} needs {gib(needed)} GiB, but {gib(free)} GiB are free. It fits after unloading the present model "
                f"({gib(after_unloading)} GiB free then).",
                ja=f"「{name}」には {gib(needed)} GiB のメモリが必要ですが、空きは {gib(free)} GiB です。"
                f"現在のモデルを解放すれば読み込めます（解放後の空き {gib(after_unloading)} GiB）。",
            )
        else:
            super().__init__(
                f"{name!r} needs {gib(needed)} GiB, but at most {gib(max(free, after_unloading))} GiB are free: choose a smaller "
                f"dtype (float16 takes half of float32, quantization int8 a quarter, int4 a seventh), a smaller model{cpu}.",
                ja=f"「{name}」には {gib(needed)} GiB のメモリが必要ですが、"
                f"空きは最大で {gib(max(free, after_unloading))} GiB です。"
                "小さいデータ型（float16 は float32 の半分、int8 は 4 分の 1、int4 は 7 分の 1）か、小さいモデル"
                f"{cpu_ja}を選んでください。",
            )

    @property
    def can_unload(self) -> bool:
        """Whether it fits after unloading the present model."""
        return self.after_unloading >= self.needed


def check_memory(
    name: str,
    folder: Path,
    dtype: "torch.dtype | None",
    device: str,
    present: "GPTNeoXJapaneseForCausalLM | None",
    quantization: str | None = None,
    cache_dtype: str | None = None,
) -> None:
    """Check the memory before any weight is read. cache_dtype: as asked for; None: the model's default.

    Raises:
        ModelTooLarge: the model in `folder` does not fit in the free memory of `device`.
    """
    stored = cache_dtype or default_cache_dtype(dtype, quantization, device)
    on_gpu = _on_gpu(device)
    needed, free = needed_bytes(folder, dtype, quantization, stored, on_gpu), free_memory(device)
    held, mapped = (0, False) if present is None else (weight_bytes(present), _is_mapped(present))
    beside = free - (held if mapped else 0)
    after = free if present is None or mapped else free + held
    if needed > beside:
        after = after if present is not None else 0
        raise ModelTooLarge(name, needed, max(beside, 0), after, on_gpu and device != "auto")


def cpu_dtype(folder: Path) -> "torch.dtype | None":
    """The dtype for the page and the command line on a CPU: the fastest that loses nothing of the stored weights.

    A quantized folder is loaded as it is stored (None). float16, packed, for weights stored in 16 bits where a kernel for it
    runs; else float32 if it takes at most half of the free memory; else the stored dtype (None).
    """
    import torch

    from neoxjp.quantization import Kernel, fp16_kernel

    weights = [tensor for tensor in _stored(folder) if len(tensor.shape) > 1]
    if any(tensor.bits is not None for tensor in weights):  # a quantized folder: as it is stored
        return None
    if isinstance(fp16_kernel(), Kernel) and all(tensor.dtype in (torch.float16, torch.bfloat16) for tensor in weights):
        return torch.float16
    return torch.float32 if needed_bytes(folder, torch.float32) <= free_memory("cpu") // 2 else None


def default_cache_dtype(dtype: "torch.dtype | None", quantization: str | None, device: str) -> str:
    """The format of a model's KV caches where none is asked for; float32, the largest, where that is not known before loading."""
    import torch

    from neoxjp.quantization import packing_for

    if _on_gpu(device):
        return "float32"
    packing = packing_for(dtype, quantization, torch.device("cpu"))
    return "float16" if packing is not None and packing.kernel.name == "native" else "float32"


def needed_bytes(
    folder: Path,
    dtype: "torch.dtype | None",
    quantization: str | None = None,
    cache_dtype: str = "float32",
    on_gpu: bool = False,
) -> int:
    """Bytes of the weights in `dtype` (None: as stored) or quantized, and of the KV cache of one full context."""
    import torch

    from neoxjp.model.config import GPTNeoXJapaneseConfig
    from neoxjp.model.kv_cache import cache_bytes_per_token
    from neoxjp.quantization import int4_kernel, packed_bytes, packing_for
    from neoxjp.weights import INPUT, OUTPUT

    config = GPTNeoXJapaneseConfig.from_folder(folder)
    packed = not on_gpu and quantization is None and packing_for(dtype, None, torch.device("cpu")) is not None
    weights = 0
    for tensor in _stored(folder):
        numbers = math.prod(tensor.shape)
        if tensor.bits is not None and dtype is None:  # a quantized folder as it is stored; the embedding's rows take 16 bits
            weights += tensor.nbytes + (2 * numbers if tensor.name.endswith(INPUT) else 0)
        elif quantization is None:
            weights += tensor.nbytes if dtype is None else numbers * dtype.itemsize
            if packed and config.tie_word_embeddings and tensor.name.endswith(INPUT):  # the output is packed, its rows are not
                weights += 2 * numbers
        elif tensor.name.endswith(INPUT):  # the rows, in 16 bits, and the output made of them
            weights += numbers * (3 if config.tie_word_embeddings else 2)
        elif len(tensor.shape) == 2 and quantization == "int4" and not tensor.name.endswith(OUTPUT):
            weights += packed_bytes(*tensor.shape, "int4", int4_kernel("cpu").name)
        else:
            weights += numbers * (1 if len(tensor.shape) > 1 else 4)
    per_token = cache_bytes_per_token(cache_dtype, config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    return weights + per_token * config.max_position_embeddings


def _stored(folder: Path) -> "Iterable[StoredTensor]":
    from neoxjp.hub import find_weights
    from neoxjp.weights import open_stored

    return open_stored(find_weights(folder)).tensors.values()


def weight_bytes(model: "GPTNeoXJapaneseForCausalLM") -> int:
    """Bytes of the weights of a loaded model, packed ones included; a tied weight counts once."""
    from neoxjp.quantization import packed_linears

    return sum(parameter.nbytes for parameter in model.parameters()) + sum(module.nbytes for module in packed_linears(model))


def free_memory(device: str = "cpu") -> int:
    """Free bytes of the machine, or of its container if that has less; for a GPU those of the GPU; "auto": of all together."""
    import psutil  # type: ignore[import-untyped]

    if device != "cpu":
        import torch

        if torch.cuda.is_available() and device == "auto":
            return free_memory("cpu") + sum(torch.cuda.mem_get_info(number)[0] for number in range(torch.cuda.device_count()))
        if torch.cuda.is_available():
            return int(torch.cuda.mem_get_info(None if device == "cuda" else device)[0])
    available = int(psutil.virtual_memory().available)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        counted = dict(line.split() for line in Path("/sys/fs/cgroup/memory.stat").read_text().splitlines())
        cached = int(counted["active_file"]) + int(counted["inactive_file"])  # the kernel frees these pages when they are needed
    except (OSError, ValueError, KeyError):
        return available
    return available if limit == "max" else max(0, min(available, int(limit) - used + cached))


def gib(size: int) -> str:
    """Bytes in GiB, with two significant digits: 5_360_000_000 → "5.0", 13_000_000 → "0.012"."""
    value = size / 2**30
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def _on_gpu(device: str) -> bool:
    """Whether weights go to a GPU, or with "auto" may."""
    import torch

    return torch.cuda.is_available() if device == "auto" else device != "cpu"


def _is_mapped(model: "GPTNeoXJapaneseForCausalLM") -> bool:
    report = model.load_report
    return model.device.type == "cpu" and report is not None and not report.packed and report.dtype == report.stored_dtype
