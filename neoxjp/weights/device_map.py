"""The device of each weight: the device map, given or computed by accelerate, and loading by it, offload to disk included.

accelerate's own loader neither reports missing tensors nor renames any, so those that `match_tensors` found are loaded one by
one.
"""

import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from neoxjp.errors import CheckpointError, ParameterError, quoted
from neoxjp.hub import Progress, write_error
from neoxjp.quantization import Packing, linear_names, pack_linear
from neoxjp.weights.safetensors_io import INPUT, OUTPUT, PREFIX, StoredTensor, StoredWeights, TensorMatch, write_tensors

Device = int | str | torch.device  # "disk" too, in a device map
Limits = Mapping[int | str, int | str]  # device → bytes, or "10GiB"
_BALANCED = ("auto", "balanced", "balanced_low_0")


def checked_device_map(
    model: nn.Module, asked: Device | Mapping[str, Device] | None, max_memory: Limits | None
) -> dict[str, Device] | str:
    """The caller's map, checked to be complete and on existing devices; or the name of the strategy for accelerate to use."""
    if isinstance(asked, Mapping):
        return _checked_map(model, asked)
    if asked is None and max_memory is not None:
        return "auto"
    if isinstance(asked, str) and asked in (*_BALANCED, "sequential"):
        return asked
    return {"": _checked_device("cpu" if asked is None else asked)}


def infer_device_map(model: nn.Module, strategy: str, max_memory: Limits | None, dtype: torch.dtype) -> dict[str, Device]:
    """Module name → device for every tensor, computed by accelerate. Tied weights must be tied already."""
    from accelerate import infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    no_split_classes = _unsplit_classes(model)
    limits: Any = dict(max_memory) if max_memory is not None else None
    try:
        if strategy in _BALANCED:
            low = strategy == "balanced_low_0"
            limits = get_balanced_memory(model, limits, no_split_module_classes=no_split_classes, dtype=dtype, low_zero=low)
        found = dict(infer_auto_device_map(model, limits, no_split_module_classes=no_split_classes, dtype=dtype))
    except ValueError as error:
        raise ParameterError(f"max_memory={max_memory!r} cannot be used: {error}") from error
    return {name: _checked_device(device) for name, device in found.items()}


def load_plain(
    model: nn.Module,
    stored: StoredWeights,
    matched: TensorMatch,
    places: dict[str, Device],
    dtype: torch.dtype,
    tied: bool,
    offload_folder: Path | None,
    progress: Progress | None,
) -> None:
    """Load each tensor to its device, and attach accelerate's hooks if there is more than one device."""
    tied = tied and OUTPUT in model.state_dict()
    output_device, embedding_device = _place_of(OUTPUT, places), _place_of(PREFIX + INPUT, places)
    if tied and output_device != embedding_device:
        raise ParameterError(
            f"device_map puts 'embed_out' on {output_device!r} and 'embed_in' on {embedding_device!r}, but this checkpoint "
            f"ties them to one weight: give both the same device"
        )
    tensors = {name: tensor for name, tensor in matched.tensors.items() if not (tied and name == OUTPUT)}
    rewritten = _check_offload(stored, tensors, places, dtype, offload_folder)
    offloaded: dict[str, Any] = {}  # in the format of accelerate's OffloadedWeightsLoader
    total, done = sum(tensor.nbytes for tensor in tensors.values()), 0
    if progress:
        progress(0, total)
    with _wrap_errors(stored, offload_folder):
        for name, tensor in tensors.items():
            device = _place_of(name, places)
            if device == "disk":
                offloaded[name] = _keep_on_disk(model, name, tensor, stored, dtype, offload_folder if name in rewritten else None)
            else:
                _put(model, name, device, stored.read(tensor), dtype)
            done += tensor.nbytes
            if progress:
                progress(done, total)
    if tied:  # the embedding's parameter was replaced, and the output still holds the old one
        model.get_submodule(OUTPUT.rpartition(".")[0]).weight = model.get_submodule((PREFIX + INPUT).rpartition(".")[0]).weight
        if PREFIX + INPUT in offloaded:
            offloaded[OUTPUT] = offloaded[PREFIX + INPUT]
    if len(set(places.values())) > 1 or "disk" in places.values():
        from accelerate import dispatch_model

        # A layer's weights come in together: its forward may use them without calling the submodule that holds them.
        no_split_classes = _unsplit_classes(model)
        dispatch_model(
            model, places, offload_dir=offload_folder, offload_index=offloaded or None, preload_module_classes=no_split_classes
        )


def load_packed(
    model: nn.Module,
    stored: StoredWeights,
    matched: TensorMatch,
    device: Device,
    packing: Packing,
    tied: bool,
    progress: Progress | None,
    as_stored: bool = False,
) -> None:
    """Load each tensor to one device and pack those of linears at once, so that only one unpacked tensor is in memory.

    as_stored: the numbers of a quantized folder are packed as they are.
    """
    tensors = dict(matched.tensors)
    if tied and OUTPUT in model.state_dict():  # the output is packed and the embedding is not, so they cannot share
        tensors[OUTPUT] = tensors[PREFIX + INPUT]
    packable = {f"{name}.weight" for name in linear_names(model)}
    total, done = sum(tensor.nbytes for tensor in tensors.values()), 0
    if progress:
        progress(0, total)
    with _wrap_errors(stored, None):
        # The largest first: packing needs memory for a second copy, and little else is loaded then.
        for name, tensor in sorted(tensors.items(), key=lambda item: -item[1].nbytes):
            if name in packable and as_stored and tensor.bits is not None:
                pack_linear(model, name.removesuffix(".weight"), stored.read_quantized(tensor), packing)
            elif name in packable:
                pack_linear(model, name.removesuffix(".weight"), stored.read(tensor).to(device), packing)
            else:
                dtype = packing.embedding_dtype if name.endswith(INPUT) else packing.norm_dtype
                _put(model, name, device, stored.read(tensor), dtype)
            done += tensor.nbytes
            if progress:
                progress(done, total)
    model.requires_grad_(False)


def _put(model: nn.Module, name: str, device: Device | None, value: Tensor | None, dtype: torch.dtype) -> None:
    from accelerate.utils import set_module_tensor_to_device

    set_module_tensor_to_device(model, name, device, value, dtype=dtype, clear_cache=False)


def _keep_on_disk(
    model: nn.Module, name: str, tensor: StoredTensor, stored: StoredWeights, dtype: torch.dtype, folder: Path | None
) -> dict[str, str]:
    """Leave a tensor on disk (converted into `folder` if one is given), where accelerate finds it when its layer runs."""
    # accelerate casts the loaded tensor to the dtype of this meta tensor.
    _put(model, name, "meta", None, dtype)
    source, stored_name = tensor.file, tensor.name
    if folder is not None:
        source, stored_name = folder / f"{name}.safetensors", name
        write_tensors({name: stored.read(tensor).to(dtype)}, source)
    return {"safetensors_file": str(source), "weight_name": stored_name, "dtype": str(dtype).removeprefix("torch.")}


@contextmanager
def _wrap_errors(stored: StoredWeights, offload_folder: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, CheckpointError) or offload_folder is None:
            raise
        raise write_error(offload_folder, error) from error
    except torch.OutOfMemoryError as error:
        raise CheckpointError(
            f"{str(stored.files.folder)!r} does not fit its device: {str(error).splitlines()[0]} "
            f"Use device_map='auto', a smaller dtype, or another device",
            ja="モデルがデバイスのメモリに収まりません。小さいデータ型（dtype）を選ぶか、device_map='auto' を使ってください。",
        ) from error


def _checked_map(model: nn.Module, asked: Mapping[str, Device]) -> dict[str, Device]:
    places = {name: device if device == "disk" else _checked_device(device) for name, device in asked.items()}
    known = {name for name, _ in model.named_modules()} | set(model.state_dict())
    unknown = [name for name in places if name not in known]
    bare = [name for name in model.state_dict() if _place_of(name, places) is None]
    if unknown or bare:
        faults = [f"names no module of the model: {quoted(unknown)}"] if unknown else []
        faults += [f"leaves out {quoted(bare)}"] if bare else []
        raise ParameterError(f"device_map {'; it '.join(faults)}. Its keys are module names, '' stands for the whole model")
    return _disjoint(model, places, set(_unsplit_classes(model)))


def _disjoint(model: nn.Module, places: Mapping[str, Device], no_split_classes: set[str], name: str = "") -> dict[str, Device]:
    """The same map without nested modules, as accelerate's hooks need it: {"a": 0, "a.b": 1} → {"a.b": 1, "a.c": 0}."""
    module = model.get_submodule(name)
    prefix = f"{name}." if name else ""
    found = {_place_of(prefix + tensor, places) for tensor in module.state_dict()}
    if len(found) == 1 and (place := found.pop()) is not None:
        return {name: place}
    if type(module).__name__ in no_split_classes:
        raise ParameterError(f"device_map splits {name!r} over several devices, but a layer must be on one. Give it one device")
    children = [
        _disjoint(model, places, no_split_classes, prefix + child)
        for child, inner in module.named_children()
        if inner.state_dict()
    ]
    return {key: place for child in children for key, place in child.items()}


def _checked_device(device: Device) -> Device:
    """The device. Raises ParameterError if torch cannot allocate on it here."""
    if device == "disk":
        return device
    try:
        if torch.empty(0, device=device).is_meta:
            raise TypeError("it holds no data")
    except (RuntimeError, AssertionError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise ParameterError(
            f"device_map: no device {device!r} here ({first}). Use 'auto', 'cpu' or a device of this machine",
            ja=f"このマシンにデバイス {device!r} はありません。",
        ) from None
    return device


def _place_of(name: str, places: Mapping[str, Device]) -> Device | None:
    """The device of a tensor: that of the longest module name above it."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        if (key := ".".join(parts[:end])) in places:
            return places[key]
    return places.get("")


def _unsplit_classes(model: nn.Module) -> list[str]:
    """The classes that accelerate must not split over devices: those of the layers, for their residual connections."""
    layers = [module for name, module in model.named_modules() if name.rpartition(".")[2] == "layers"]
    return sorted({type(layer).__name__ for group in layers for layer in group.children()})


def _check_offload(
    stored: StoredWeights,
    tensors: Mapping[str, StoredTensor],
    places: Mapping[str, Device],
    dtype: torch.dtype,
    folder: Path | None,
) -> set[str]:
    """The tensors for "disk" that must be written to the offload folder, after checking that they fit.

    The others are read from the checkpoint's own safetensors file each time.
    """
    on_disk = [name for name in tensors if _place_of(name, places) == "disk"]
    if not on_disk:
        return set()
    pickled = stored.files.format == "pickle"
    if pickled and folder is None:
        raise CheckpointError(
            f"{len(on_disk)} tensors are to stay on disk, and a pickle cannot be read in parts: "
            f"name an offload_folder, or convert it with `neoxjp convert {stored.files.folder}`"
        )
    quantized = [name for name in on_disk if tensors[name].bits is not None]
    if quantized and folder is None:
        raise CheckpointError(
            f"{len(quantized)} quantized weights are to stay on disk, where they need more room than in their folder: "
            "name an offload_folder"
        )
    rewritten = {
        name for name in on_disk if pickled or name in quantized or (folder is not None and tensors[name].dtype != dtype)
    }
    if folder is not None and rewritten:
        need = sum(math.prod(tensors[name].shape) for name in rewritten) * dtype.itemsize
        try:
            folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(folder).free
        except OSError as error:
            raise write_error(folder, error) from error
        if free < need:
            raise CheckpointError(f"offload_folder {str(folder)!r} has {free:,} bytes free, the weights for it take {need:,}")
    return rewritten
