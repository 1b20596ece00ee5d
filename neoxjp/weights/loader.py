"""Model folders: load their weights into a model through accelerate, save a model, turn a pickle into safetensors.

Works on names, shapes and dicts, and knows no config class. Finding and downloading model folders is in neoxjp/hub, reading
weight files in safetensors_io.py, devices in device_map.py.
"""

import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from neoxjp.errors import CheckpointError, ParameterError, quoted
from neoxjp.hub import (
    WEIGHT_PATTERNS,
    Progress,
    atomic_folder,
    find_weights,
    read_json,
    revision_of,
)
from neoxjp.quantization import one_device_message, packing_for
from neoxjp.weights.device_map import Device, Limits, checked_device_map, infer_device_map, load_packed, load_plain
from neoxjp.weights.safetensors_io import (
    INPUT,
    OUTPUT,
    PREFIX,
    StoredWeights,
    TensorMatch,
    canonical_name,
    is_computed_buffer,
    match_tensors,
    open_stored,
    same_bytes,
    write_tensors,
)

__all__ = [
    "LoadReport",
    "convert_pickle",
    "empty_weights",
    "load_weights",
    "parse_dtype",
    "save_weights",
]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "float64": torch.float64}
_SHORT = {"fp32": "float32", "float": "float32", "bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp64": "float64"}

WhenToPack = Literal["asked", "lossless", "never"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadReport:
    """What was loaded, for the page, `neoxjp doctor` and the tests."""

    folder: Path
    format: str  # "safetensors" or "pickle"
    files: tuple[str, ...]
    stored_bytes: int  # of the loaded tensors
    stored_dtype: torch.dtype  # of most of these bytes
    dtype: torch.dtype  # of the loaded model
    device_map: dict[str, Device]
    tied: bool  # the output uses the embedding's weight
    ignored: tuple[str, ...]  # stored names that are no weights of the model
    renamed: int  # tensors stored under another name
    revision: str | None  # commit of the Hub, for a folder of its cache
    quantization: str | None = None  # "int8", "int4"
    packed: bool = False  # the linears are PackedLinear (neoxjp/quantization)


def parse_dtype(name: str | torch.dtype | None) -> torch.dtype | None:
    """ "float16" → torch.float16; "auto" and None → None, which keeps the stored one."""
    if name is None or name == "auto":
        return None
    if isinstance(name, torch.dtype) and name in _DTYPES.values():
        return name
    word = str(name).removeprefix("torch.")
    word = _SHORT.get(word, word)
    if word not in _DTYPES:
        raise ParameterError(f"dtype must be one of {', '.join(map(repr, ['auto', *_DTYPES]))}, not {name!r}")
    return _DTYPES[word]


@contextmanager
def empty_weights() -> Iterator[None]:
    """Build a network in this context for `load_weights` to fill: without memory and initial values, with its tied weights.

    Initialisation is skipped because random numbers on the meta device import torch's compiler, which takes seconds.
    """

    class SkipInit(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(function, "__module__", None) == "torch.nn.init":
                return args[0] if args else kwargs["tensor"]
            return function(*args, **(kwargs or {}))

    with torch.device("meta"), SkipInit():
        yield


def load_weights(
    model: nn.Module,
    folder: Path,
    *,
    dtype: torch.dtype | None,
    quantization: str | None = None,
    packing: WhenToPack = "asked",
    device_map: Device | Mapping[str, Device] | None = None,
    max_memory: Limits | None = None,
    offload_folder: str | Path | None = None,
    allow_pickle: bool = False,
    progress: Progress | None = None,
) -> LoadReport:
    """Fill a model that was built in `empty_weights()`.

    All headers are checked before any weight is read. On the CPU, tensors in the requested dtype stay memory-mapped; others are
    converted one by one, so that memory stays within the weights in the requested dtype and one tensor.

    Args:
        dtype: of the model's weights; None keeps the stored one. float16 on a CPU is packed where a kernel for it runs.
        quantization: "int8" or "int4": the linears are packed; the embedding is in `dtype` (None: float16).
        packing: "lossless" packs for a CPU without being asked where all matrices are stored in 16 bits; "never" never packs.
        device_map: None (CPU), a device, "auto", "balanced", "balanced_low_0", "sequential", or module name → device or "disk".
        max_memory: device → bytes or "10GiB", for the maps that accelerate makes.
        offload_folder: for weights on "disk" that cannot be read from the checkpoint unchanged; for one model only.
        progress: called with (bytes loaded, bytes in total), first with 0.
    Raises:
        CheckpointError: a file is damaged; the tensors do not fit the model (names them all); the device is too small.
        ParameterError: a device does not exist; the map leaves out a module or names an unknown one.
    """
    stored = open_stored(find_weights(folder, allow_pickle=allow_pickle))
    matched = match_tensors(stored, {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()})
    asked = checked_device_map(model, device_map, max_memory)
    stored_dtype = _stored_dtype(matched)
    plain = dtype or (torch.float16 if quantization else stored_dtype)
    tied = _tie_or_untie(model, stored, matched)
    places = infer_device_map(model, asked, max_memory, plain) if isinstance(asked, str) else asked
    devices = set(places.values())
    alone = next(iter(devices)) if len(devices) == 1 and "disk" not in devices else None
    if quantization is not None and alone is None:
        raise ParameterError(one_device_message(quantization))
    quantized = stored.quantization is not None
    if packing == "lossless" and dtype is None and quantization is None and not quantized and _matrices_have_16_bits(matched):
        dtype = torch.float16
    keep = _kept_as_stored(stored, dtype, quantization, packing) and alone is not None and torch.device(alone).type == "cpu"
    if keep:
        quantization = stored_format(stored)
    rounded = "int4" if keep and quantization == "mixed" else quantization  # each weight has its own format
    packed = None if alone is None or packing == "never" else packing_for(dtype, rounded, torch.device(alone))
    if packed is not None and alone is not None:
        load_packed(model, stored, matched, alone, packed, tied, progress, keep)
        plain = packed.embedding_dtype
    else:
        load_plain(model, stored, matched, places, plain, tied, Path(offload_folder) if offload_folder else None, progress)
    return LoadReport(
        folder=folder,
        format=stored.files.format,
        files=stored.files.names,
        stored_bytes=sum(tensor.nbytes for tensor in matched.tensors.values()),
        stored_dtype=stored_dtype,
        dtype=plain,
        device_map=places,
        tied=tied,
        ignored=matched.ignored,
        renamed=matched.renamed,
        revision=revision_of(folder),
        quantization=quantization,
        packed=packed is not None,
    )


def save_weights(
    state: Mapping[str, Tensor],
    config: Mapping[str, Any],
    folder: Path,
    *,
    max_shard_size: str | int = "5GB",
    extra: Mapping[str, bytes | Path] | None = None,
) -> None:
    """Write a model folder atomically: safetensors (with an index if there are several), config.json, `extra` files.

    An output layer that equals the embedding is not written; `tie_word_embeddings` in config.json says so. Weights of an earlier
    save in the folder are removed, its other files are kept.

    Args:
        state: stored name → tensor, on any device.
        extra: file name → its bytes, or the file to copy.
    Raises:
        CheckpointError: the disk is full or not writable (the old folder is unchanged), or a tensor is not in memory.
    """
    _write(state, config, Path(folder), max_shard_size, extra or {}, WEIGHT_PATTERNS)


def convert_pickle(folder: Path, *, out: Path | None = None) -> Path:
    """Convert the pickle of a model folder to safetensors: in the folder itself (the .bin stays), or in `out`.

    Buffers that the model computes are left out, old tensor names are updated. Tensors are read with weights_only=True and stay
    memory-mapped.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"no folder {str(folder)!r} to convert")
    files = find_weights(folder, allow_pickle=True)
    if files.format == "safetensors":
        raise CheckpointError(f"{str(folder)!r} has {files.index or files.names[0]} already: there is nothing to convert")
    config = read_json(folder / "config.json")
    stored = open_stored(files)
    state = {canonical_name(name): stored.read(tensor) for name, tensor in stored.tensors.items() if not is_computed_buffer(name)}
    target = Path(out).expanduser() if out is not None else folder
    extra: dict[str, bytes | Path] = {}
    if target.resolve() != folder.resolve():
        weights = {*files.names, files.index, "config.json"}
        extra = {path.name: path for path in folder.iterdir() if path.is_file() and path.name not in weights}
    _write(state, config, target, "5GB", extra, [pattern for pattern in WEIGHT_PATTERNS if "pytorch_model" not in pattern])
    return target


def stored_format(stored: StoredWeights) -> Literal["int4", "int8", "mixed"]:
    """What `quantization` is for a model whose quantized folder is loaded as it is stored."""
    assert stored.quantization is not None
    bits = {number for name, number in stored.quantization.items() if not name.endswith((INPUT, OUTPUT))}
    return "int4" if bits == {4} else "int8" if bits == {8} else "mixed"


def _kept_as_stored(stored: StoredWeights, dtype: torch.dtype | None, quantization: str | None, packing: WhenToPack) -> bool:
    """Whether the numbers of a quantized folder are loaded as they are: unless the caller asks for a dtype.

    Raises ParameterError where they would be rounded a second time.
    """
    if stored.quantization is None:
        return False
    if quantization is not None and quantization != stored_format(stored):
        raise ParameterError(
            f"quantization={quantization!r} would round {str(stored.files.folder)!r} a second time, which is stored as "
            f"{stored_format(stored)!r}: leave quantization out"
        )
    return quantization is not None or (dtype is None and packing == "lossless")


def _matrices_have_16_bits(matched: TensorMatch) -> bool:
    return all(tensor.dtype in (torch.float16, torch.bfloat16) for tensor in matched.tensors.values() if len(tensor.shape) > 1)


def _stored_dtype(matched: TensorMatch) -> torch.dtype:
    """The dtype of most of the stored bytes."""
    sizes: Counter[torch.dtype] = Counter()
    for tensor in matched.tensors.values():
        assert isinstance(tensor.dtype, torch.dtype)  # match refused the others
        sizes[tensor.dtype] += tensor.nbytes
    return sizes.most_common(1)[0][0]


def _tie_or_untie(model: nn.Module, stored: StoredWeights, matched: TensorMatch) -> bool:
    """Tie the output layer to the embedding if the checkpoint has none or the same; else separate them. Returns: tied or not.

    For a base model, which has no output layer, only looks at the checkpoint.
    """
    own = matched.tensors.get(OUTPUT) or stored.tensors.get(OUTPUT)
    embedding = matched.tensors.get(PREFIX + INPUT, matched.tensors.get(INPUT))
    assert embedding is not None  # match refuses a checkpoint without it
    tied = own is None or same_bytes(stored.read(own), stored.read(embedding))
    if not tied:
        log.info("%s stores an output of its own: it is not tied to the embedding", stored.files.folder)
    if OUTPUT in model.state_dict():
        output = model.get_submodule(OUTPUT.rpartition(".")[0])
        shared = model.get_submodule((PREFIX + INPUT).rpartition(".")[0]).weight
        if tied:
            output.weight = shared
        elif output.weight is shared:
            output.weight = nn.Parameter(torch.empty(embedding.shape, device="meta"))
    return tied


def _write(
    state: Mapping[str, Tensor],
    config: Mapping[str, Any],
    folder: Path,
    max_shard_size: str | int,
    extra: Mapping[str, bytes | Path],
    drop: Sequence[str],
) -> None:
    from huggingface_hub import split_torch_state_dict_into_shards

    tensors, tied = _savable(state)
    try:
        shards = split_torch_state_dict_into_shards(
            tensors, filename_pattern="model{suffix}.safetensors", max_shard_size=max_shard_size
        )
    except ValueError as error:
        raise ParameterError(f"max_shard_size={max_shard_size!r} is not a size such as '5GB' or 100000000: {error}") from error
    written_config = dict(config)
    if any(name.startswith(PREFIX) for name in tensors):
        written_config["tie_word_embeddings"] = tied
    dtype = Counter(tensor.dtype for tensor in tensors.values()).most_common(1)[0][0]
    for key in {"torch_dtype", "dtype"} & set(written_config) or {"torch_dtype"}:  # transformers reads either
        written_config[key] = str(dtype).removeprefix("torch.")
    with atomic_folder(folder, drop=drop) as fresh:
        need, free = sum(tensor.nbytes for tensor in tensors.values()), shutil.disk_usage(fresh).free
        if free < need:
            raise CheckpointError(
                f"the disk is too full for {str(folder)!r}: the weights take {need:,} bytes, {free:,} are free",
                ja=f"ディスクの空きが足りません（必要 {need:,} バイト、空き {free:,} バイト）。",
            )
        for name, keys in shards.filename_to_tensors.items():
            write_tensors({key: tensors[key] for key in keys}, fresh / name)
        if shards.is_sharded:
            index = {"metadata": shards.metadata, "weight_map": shards.tensor_to_filename}
            _write_json(fresh / "model.safetensors.index.json", index)
        _write_json(fresh / "config.json", written_config)
        for name, content in extra.items():
            if isinstance(content, Path):
                shutil.copyfile(content, fresh / name)
            else:
                (fresh / name).write_bytes(content)


def _savable(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """The tensors to write (contiguous, none sharing memory) and whether the output is the embedding."""
    away = [name for name, tensor in state.items() if tensor.is_meta]
    if away:
        raise CheckpointError(
            f"tensors are not in memory (offloaded to disk?): {quoted(away)}. Load the model without offload to save it"
        )
    if not state:
        raise CheckpointError("there are no tensors to save")
    tensors = {name: tensor.detach() for name, tensor in state.items()}
    output, embedding = tensors.get(OUTPUT), tensors.get(PREFIX + INPUT)
    tied = output is None or (embedding is not None and same_bytes(output, embedding.to(output.device)))
    if tied:
        tensors.pop(OUTPUT, None)
    seen: set[tuple[str, int]] = set()
    for name, tensor in tensors.items():
        memory = (str(tensor.device), tensor.untyped_storage().data_ptr())
        tensors[name] = tensor.clone(memory_format=torch.contiguous_format) if memory in seen else tensor.contiguous()
        seen.add(memory)
    return tensors, tied


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
