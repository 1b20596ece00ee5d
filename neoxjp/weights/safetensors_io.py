"""Reading and writing weight files: first names, shapes and dtypes from the headers, then the tensors, memory-mapped.

Also the tensor names that checkpoints of this model use, and matching a checkpoint with a model.
The layout of a safetensors file (8 bytes of length, a JSON header, the data) is from https://github.com/huggingface/safetensors.
"""

import json
import math
import os
import pickle
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from neoxjp.errors import CheckpointError, quoted
from neoxjp.hub import WeightFiles
from neoxjp.weights.quantized import QuantizedWeight, check_parts, from_parts, part_shapes, read_quantization

PREFIX = "gpt_neox_japanese."  # of all names but the output's; checkpoints of the base model lack it
OUTPUT = "embed_out.weight"
INPUT = "embed_in.weight"  # after the prefix
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "I32": 4, "U32": 4, "I64": 8, "U64": 8}
_SIZES |= {name: dtype.itemsize for name, dtype in DTYPES.items()}
# Buffers in old checkpoints that the model computes itself: the rotary frequencies and the causal mask.
_STRAY = re.compile(r"layers\.\d+\.attention\.(rotary_emb\..*|bias|masked_bias)")
_LFS_POINTER = b"version https://git-lfs"
_HEADER_LIMIT = 100_000_000  # bytes; the limit of the safetensors library
_MOST_DIMENSIONS, _LARGEST = 8, 2**63  # of a shape; of its numbers and of places in a file


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a weight file, as its header describes it."""

    name: str  # as in the file
    file: Path
    dtype: torch.dtype | str  # the format's own name where a network cannot use it: "I64"
    shape: tuple[int, ...]
    nbytes: int
    bits: int | None = None  # of a quantized weight, which is several tensors in the file; its dtype here is float16


@dataclass
class StoredWeights:
    """The tensors of all weight files of one checkpoint, by stored name."""

    files: WeightFiles
    tensors: dict[str, StoredTensor]
    _loaded: dict[str, Tensor] = field(default_factory=dict)  # of a pickle: its tensors, memory-mapped
    quantization: dict[str, int] | None = None  # of a folder of `neoxjp quantize`: the bits of each weight

    def read(self, stored: StoredTensor) -> Tensor:
        """The tensor, on the CPU and memory-mapped (copied on write); a quantized weight as plain float32."""
        if stored.bits is not None:
            return self.read_quantized(stored).dequantize()
        if self.files.format == "pickle":
            return _aligned(self._loaded[stored.name].contiguous())
        return _read_tensors(stored.file, [stored.name])[stored.name]

    def read_quantized(self, stored: StoredTensor) -> QuantizedWeight:
        """A quantized weight as it is stored, on the CPU; what needs no unpacking stays memory-mapped."""
        assert stored.bits is not None
        names = part_shapes(stored.name, (stored.shape[0], stored.shape[1]), stored.bits)
        return from_parts(stored.name, _read_tensors(stored.file, list(names)), stored.bits)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, memory-mapped."""
    return _read_tensors(path, [stored.name for stored in read_header(path)])


def _read_tensors(path: Path, names: list[str]) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: _aligned(file.get_tensor(name)) for name in names}
    except SafetensorError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, reason: object) -> CheckpointError:
    return CheckpointError(
        f"{str(path)!r} is damaged or truncated ({reason}). Fetch it again",
        ja=f"{str(path)!r} は壊れているか、途中で切れています。取得し直してください。",
    )


def _lfs_pointer(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{str(path)!r} is a Git LFS pointer, not the weights: run `git lfs pull` in its folder",
        ja=f"{str(path)!r} は Git LFS のポインターで、重みではありません。そのフォルダーで `git lfs pull` を実行してください。",
    )


def _aligned(tensor: Tensor) -> Tensor:
    """After a header of odd length the data is not aligned, which kernels may refuse."""
    return tensor.clone() if tensor.data_ptr() % tensor.element_size() else tensor


@dataclass(frozen=True)
class TensorMatch:
    """Which stored tensor fills which tensor of a model."""

    tensors: dict[str, StoredTensor]  # the model's name → the stored tensor; without the output where the checkpoint has none
    renamed: int  # tensors that the checkpoint stores under another name
    ignored: tuple[str, ...]  # stored names that are no weights of this model


def open_stored(files: WeightFiles) -> StoredWeights:
    """Read the headers of all weight files.

    Raises:
        CheckpointError: a file is truncated or has another format; a tensor is in two files; the index and the files disagree.
    """
    tensors: dict[str, StoredTensor] = {}
    loaded: dict[str, Tensor] = {}
    twice = []
    for name in files.names:
        path = files.folder / name
        if files.format == "pickle":
            state = _load_pickle(path)
            loaded |= state
            found = [StoredTensor(key, path, _usable(t.dtype), tuple(t.shape), t.nbytes) for key, t in state.items()]
        else:
            found = read_header(path)
        twice += [stored.name for stored in found if stored.name in tensors]
        tensors |= {stored.name: stored for stored in found}
    if twice:
        raise CheckpointError(
            f"{str(files.folder)!r} has the same tensors in more than one file: {quoted(twice)}",
            ja=f"{str(files.folder)!r} では、同じテンソルが複数のファイルにあります：{quoted(twice)}",
        )
    if files.weight_map:
        lost = [name for name, file in files.weight_map.items() if name not in tensors or tensors[name].file.name != file]
        if lost:
            raise CheckpointError(
                f"{files.index} of {str(files.folder)!r} names files for tensors that are not in them: {quoted(lost)}. "
                f"Index and files are of different saves: fetch both again",
                ja=f"{str(files.folder)!r} の {files.index} と重みのファイルが一致しません。両方を取得し直してください。",
            )
    quantized = read_quantization(files.folder)
    if quantized is not None:
        tensors = _unite_parts(files, tensors, quantized)
    return StoredWeights(files, tensors, loaded, quantized)


def _unite_parts(files: WeightFiles, tensors: dict[str, StoredTensor], quantized: dict[str, int]) -> dict[str, StoredTensor]:
    """The stored tensors of a quantized folder, those of one weight as one."""
    check_parts(files.folder, quantized, {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()})
    united = dict(tensors)
    for name, bits in quantized.items():
        values = tensors[f"{name}.values"]
        out, columns = values.shape
        shape = (out, columns if bits == 8 else columns * 2)
        parts = [united.pop(part) for part in part_shapes(name, shape, bits)]
        united[name] = StoredTensor(name, values.file, torch.float16, shape, sum(part.nbytes for part in parts), bits)
    return united


def read_header(path: Path) -> list[StoredTensor]:
    """The tensors in the header of a safetensors file, after checking the size of the file."""
    try:
        size = path.stat().st_size
        file = path.open("rb")
    except OSError as error:
        raise CheckpointError.unreadable(path, error) from error
    with file:
        start = file.read(8)
        if start == _LFS_POINTER[:8]:
            raise _lfs_pointer(path)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > min(size - 8, _HEADER_LIMIT):
            raise CheckpointError(
                f"{str(path)!r} is not a safetensors file, or is truncated: {size:,} bytes, "
                f"of which the header would take {length:,}. Fetch it again",
                ja=f"{str(path)!r} は safetensors ではないか、途中で切れています。取得し直してください。",
            )
        raw = file.read(length)
    try:
        header = json.loads(raw.decode("utf-8"))
        stored, end = _parse_header(path, header)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"its header: {type(error).__name__}: {error}") from None
    expected = 8 + length + end
    if size != expected:
        state = "truncated" if size < expected else "too long"
        raise CheckpointError(
            f"{str(path)!r} is {state}: {size:,} bytes, its header describes {expected:,}. Fetch it again",
            ja=f"{str(path)!r} が壊れています（{size:,} バイト、本来は {expected:,} バイト）。取得し直してください。",
        )
    return stored


def match_tensors(stored: StoredWeights, wanted: Mapping[str, tuple[int, ...]]) -> TensorMatch:
    """Find the stored tensor for each tensor of the model.

    Args:
        wanted: the model's names → their shapes.
    Raises:
        CheckpointError: names all missing and unexpected tensors, and all of a wrong shape or dtype.
    """
    prefix = PREFIX if any(name.startswith(PREFIX) for name in wanted) else ""
    tensors: dict[str, StoredTensor] = {}
    unexpected, ignored, faults = [], [], []
    for name, tensor in stored.tensors.items():
        bare = canonical_name(name).removeprefix(PREFIX)
        target = bare if bare == OUTPUT else prefix + bare
        if _STRAY.fullmatch(bare) or (bare == OUTPUT and OUTPUT not in wanted):
            ignored.append(name)
        elif target not in wanted:
            unexpected.append(name)
        elif target in tensors:
            faults.append(f"{name!r} and {tensors[target].name!r} are the same tensor")
        else:
            tensors[target] = tensor
    missing = [name for name in wanted if name not in tensors and name != OUTPUT]
    if missing:
        faults.append(f"missing ({len(missing)}): {quoted(missing)}")
    if unexpected:
        faults.append(f"unexpected ({len(unexpected)}): {quoted(unexpected)}")
    shapes = [
        f"{name!r} is {list(tensor.shape)} in the file and {list(wanted[name])} in the model"
        for name, tensor in sorted(tensors.items())
        if tensor.shape != tuple(wanted[name])
    ]
    if shapes:
        faults.append(f"of another shape ({len(shapes)}): " + _shortened(shapes))
    dtypes = [f"{name!r} is {tensor.dtype}" for name, tensor in sorted(tensors.items()) if isinstance(tensor.dtype, str)]
    if dtypes:
        faults.append(f"of a dtype that is not one of {', '.join(DTYPES)} ({len(dtypes)}): " + _shortened(dtypes))
    if faults:
        raise CheckpointError(
            f"the weights in {str(stored.files.folder)!r} do not fit the model that its config.json describes. Tensors "
            + "; ".join(faults)
            + ". Config and weights belong together: fetch both from one place",
            ja=f"{str(stored.files.folder)!r} の重みが config.json のモデルと合いません：" + "；".join(faults),
        )
    renamed = sum(name != tensor.name for name, tensor in tensors.items())
    return TensorMatch(tensors, renamed, tuple(sorted(ignored)))


def canonical_name(name: str) -> str:
    """The name as today's checkpoints spell it: one early fork wrote `attention.dense.bias` for `attention.dense_bias`."""
    return re.sub(r"(layers\.\d+\.attention\.dense)\.bias$", r"\1_bias", name)


def is_computed_buffer(name: str) -> bool:
    """Whether a stored name is a buffer that the model computes itself."""
    return _STRAY.fullmatch(name.removeprefix(PREFIX)) is not None


def same_bytes(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have the same dtype, shape and bits. Compared in parts, without a copy."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.data_ptr() == b.data_ptr() and a.is_contiguous() and b.is_contiguous():
        return True
    return all(
        torch.equal(x.contiguous().view(torch.uint8), y.contiguous().view(torch.uint8))
        for x, y in zip(a.split(1024), b.split(1024), strict=True)
    )


def write_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write one safetensors file and sync it to disk, with the permissions of the umask."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(tensors, path, metadata={"format": "pt"})
    except SafetensorError as error:
        # The library's errors have no errno, but end in "(os error 28)".
        number = str(error).rpartition("os error ")[2].rstrip(") ")
        raise OSError(int(number) if number.isdigit() else None, str(error)) from error
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _parse_header(path: Path, header: Mapping[str, dict]) -> tuple[list[StoredTensor], int]:
    """The tensors of a parsed header and the end of their data, in bytes after the header."""
    stored, spans = [], []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        word, shape, (start, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        if len(shape) > _MOST_DIMENSIONS:  # before any product: its time grows with the square of the digits
            raise ValueError(f"{name!r} has {len(shape):,} dimensions")
        if any(not isinstance(n, int) or not 0 <= n < _LARGEST for n in (*shape, start, stop)):
            raise ValueError(f"{name!r} has a shape or offset that is not a whole number, or too large")
        if word in _SIZES and math.prod(shape) * _SIZES[word] != stop - start:
            raise ValueError(f"{name!r} has {stop - start} bytes for {word} {list(shape)}")
        stored.append(StoredTensor(name, path, DTYPES.get(word, word), shape, stop - start))
        spans.append((start, stop))
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise ValueError(f"the data has a hole or an overlap at byte {end}")
        end = stop
    return stored, end


def _load_pickle(path: Path) -> dict[str, Tensor]:
    """The tensors of a .bin file, memory-mapped. Only tensors are unpickled, code is never run."""
    if path.stat().st_size < 1024 and path.read_bytes().startswith(_LFS_POINTER):
        raise _lfs_pointer(path)
    try:
        # Files from before torch 1.6 are not zip archives and cannot be memory-mapped.
        state = torch.load(path, map_location="cpu", mmap=_is_zip(path), weights_only=True)
    except PermissionError as error:
        raise CheckpointError.unreadable(path, error) from None
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{str(path)!r} contains something other than tensors, or is damaged; no code was run. "
            f"({str(error).splitlines()[0]})",
            ja=f"{str(path)!r} にはテンソル以外のものが含まれているか、壊れています。コードは実行していません。",
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise _damaged(path, first) from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{str(path)!r} is not a dict of tensors but a {type(state).__name__}")
    wrong = [str(key) for key, value in state.items() if not isinstance(value, Tensor)]
    if wrong:
        raise CheckpointError(f"{str(path)!r} is not a plain dict of tensors: look at {quoted(wrong)}")
    wrong = [str(key) for key, value in state.items() if not _is_plain(value)]
    if wrong:
        raise CheckpointError(
            f"{str(path)!r} has tensors that are sparse, quantized, or larger than their stored numbers: look at {quoted(wrong)}"
        )
    return {str(key): value.detach() for key, value in state.items()}


def _is_plain(tensor: Tensor) -> bool:
    """Whether each of a tensor's numbers is stored: one with strides of 0 may claim terabytes in a small file."""
    return tensor.layout == torch.strided and not tensor.is_quantized and tensor.nbytes <= tensor.untyped_storage().nbytes()


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _usable(dtype: torch.dtype) -> torch.dtype | str:
    return dtype if dtype in DTYPES.values() else str(dtype).removeprefix("torch.")


def _shortened(items: Iterable[str], limit: int = 10) -> str:
    items = list(items)
    return "; ".join(items[:limit]) + (f" and {len(items) - limit} more" if len(items) > limit else "")
