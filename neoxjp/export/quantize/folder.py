"""`quantize_folder`: a model folder with fewer bits a weight, written whole or not at all.

Layer by layer, so that the memory is that of a layer and of the texts, whatever the size of the model.
"""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from neoxjp import __version__
from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.export.parts import Part, write_safetensors
from neoxjp.export.quantize.calibration import Calibration, Candidates, estimate_costs, possible_bits, round_linears
from neoxjp.export.quantize.measure import Loss, compare_losses, document_nats
from neoxjp.export.quantize.mixture import Choice, choose_bits
from neoxjp.export.quantize.network import LayerByLayer
from neoxjp.export.quantize.texts import DEFAULT_TEXTS, TextHalf, read_texts, split_texts
from neoxjp.hub import atomic_folder, read_json
from neoxjp.quantization import GROUP
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.weights import BITS, FORMAT_VERSION, INPUT, METHOD, PREFIX, stored_bytes

MAX_LOSS = 0.3  # percent
_TRIES = 6  # mixtures that are measured
_NOT_COPIED = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".h5", ".msgpack", ".onnx", ".json.index", ".index.json")
Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in total


@dataclass(frozen=True)
class QuantizedTensor:
    """A row of the table."""

    name: str
    shape: tuple[int, int]
    bits: int
    nbytes: int
    cost: dict[int, float]  # bits → estimated loss in percent of the bits per character, if only this weight had them


@dataclass(frozen=True)
class QuantizationReport:
    """What was written, and what it costs."""

    folder: Path
    tensors: tuple[QuantizedTensor, ...]
    loss: Loss
    max_loss: float | None  # percent; None: the bits were given
    calibration: Calibration
    calibration_text: dict[str, Any]
    text: dict[str, Any]  # that the loss was measured on
    stored_bytes: int  # of the weights before
    nbytes: int  # of the weights now
    measured: int  # mixtures that were measured

    @property
    def bits_per_weight(self) -> float:
        """Of the layers' linears, with their scales."""
        linears = [tensor for tensor in self.tensors if ".layers." in tensor.name]
        return 8 * sum(tensor.nbytes for tensor in linears) / sum(tensor.shape[0] * tensor.shape[1] for tensor in linears)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"folder": str(self.folder), "bits_per_weight": self.bits_per_weight}


def quantize_folder(
    folder: str | Path,
    out: str | Path,
    *,
    max_loss: float | None = None,
    bits: int | None = None,
    calibrate: Calibration = "gptq",
    texts: Sequence[str] | None = None,
    mixture: Sequence[int] = BITS,
    progress: Progress | None = None,
) -> QuantizationReport:
    """Write a model folder with fewer bits a weight, completely or not at all.

    The linears of the layers get the bits; the embedding and the output layer have 8. Half of the texts calibrates the rounding
    and estimates what each weight costs; the loss is measured on the other half.

    Args:
        folder: a model folder of ours (safetensors).
        out: a folder that does not exist yet.
        max_loss: percent of the bits per character. The fewest bytes within it are chosen. None: MAX_LOSS, where `bits` is None.
        bits: 4, 5, 6 or 8 for every linear of the layers, instead of max_loss.
        calibrate: "gptq", or "none": to the nearest numbers.
        texts: documents; None: those that come with the package.
        mixture: the numbers of bits to choose from.
        progress: called with what is being done, the steps done and the steps in total.

    Raises:
        ParameterError: an option is out of its range; max_loss cannot be reached; the text is too short.
        CheckpointError: `folder` is no model, or is quantized already; a file in it cannot be read; its weights give no finite
            loss; `out` exists; the disk is full.
    """
    folder, out = Path(folder).expanduser(), Path(out).expanduser()
    max_loss = _check_options(folder, out, max_loss, bits, calibrate, mixture)
    network = LayerByLayer(folder)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(folder)
    if tokenizer.vocab_size > network.config.vocab_size:
        raise CheckpointError(
            f"vocab.txt of {str(folder)!r} has {tokenizer.vocab_size:,} ids, the model only {network.config.vocab_size:,}: "
            "they are of different models"
        )
    documents = read_texts([DEFAULT_TEXTS]) if texts is None else texts
    calibration, text = split_texts(documents, tokenizer, network.config.max_position_embeddings)
    wanted = (bits,) if bits is not None else tuple(sorted(set(mixture)))
    with atomic_folder(out) as fresh, _scratch(fresh) as scratch:
        _check_disk(fresh, network, wanted)
        _copy_others(folder, fresh)  # first: a file that cannot be read is found before the work
        layers = network.config.num_hidden_layers
        candidates = Candidates(Path(scratch))
        inputs = round_linears(
            network,
            calibration if calibrate == "gptq" or bits is None else None,
            candidates,
            wanted,
            calibrate == "gptq",
            _ticks(progress, "rounding", layers),
        )
        if bits is None:
            estimate_costs(network, calibration, inputs, candidates, wanted, _ticks(progress, "estimating", layers))
        before = document_nats(network, text, tick=_ticks(progress, "measuring the original", layers + 1))
        if not before.isfinite().all():
            raise CheckpointError(f"the model in {str(folder)!r} gives no finite loss on the text: it cannot be quantized")
        chosen, loss, measured = _choose(network, candidates, wanted, text, before, max_loss, progress)
        if progress is not None:
            progress("writing", 0, 1)
        parts = _parts(network, candidates, chosen)
        write_safetensors(parts, fresh / "model.safetensors")
        report = QuantizationReport(
            folder=out,
            tensors=tuple(_rows(network, candidates, chosen, wanted, before, text)),
            loss=loss,
            max_loss=max_loss,
            calibration=calibrate,
            calibration_text=_describe(calibration, texts is None),
            text=_describe(text, texts is None),
            stored_bytes=sum(tensor.nbytes for tensor in network.tensors.values()),
            nbytes=sum(part.nbytes for part in parts),
            measured=measured,
        )
        _write_config(folder, fresh, report, chosen, network)
    return report


def _check_options(
    folder: Path, out: Path, max_loss: float | None, bits: int | None, calibrate: str, mixture: Sequence[int]
) -> float | None:
    """The largest loss in percent; None where the bits are given."""
    if calibrate not in get_args(Calibration):
        raise ParameterError(f"calibrate={calibrate!r} must be one of {', '.join(map(repr, get_args(Calibration)))}")
    asked = [*mixture] if bits is None else [bits]
    if not asked or any(number not in BITS for number in asked):
        raise ParameterError(f"bits={asked if bits is None else bits!r} must be one of {', '.join(map(str, BITS))}")
    if bits is not None and max_loss is not None:
        raise ParameterError(f"bits={bits!r} and max_loss={max_loss!r} exclude each other: leave one of the two out")
    if max_loss is not None and not 0 < max_loss < 100:
        raise ParameterError(f"max_loss={max_loss!r} must be above 0 and below 100, in percent of the bits per character")
    if not folder.is_dir():
        raise CheckpointError(f"no folder {str(folder)!r} to quantize: name a folder with config.json and model.safetensors")
    if "quantization_config" in read_json(folder / "config.json"):
        raise CheckpointError(
            f"{str(folder)!r} is quantized already: rounding it again would lose more. Quantize the model that it was made from"
        )
    if out.exists():
        raise CheckpointError(f"{str(out)!r} exists already: name a folder that does not exist, or remove it first")
    return None if bits is not None else MAX_LOSS if max_loss is None else max_loss


def _choose(
    network: LayerByLayer,
    candidates: Candidates,
    wanted: Sequence[int],
    text: TextHalf,
    before: Tensor,
    max_loss: float | None,
    progress: Progress | None,
) -> tuple[dict[str, int], Loss, int]:
    """The bits of each weight of the layers, the loss with them, and how many mixtures were measured.

    The estimate says which weights need bits; how large the loss is, is measured, and the budget corrected by it.
    """
    measured: dict[tuple[int, ...], Loss] = {}

    def loss_of(chosen: Mapping[str, int]) -> Loss:
        key = tuple(chosen.values())
        if key not in measured:
            tick = _ticks(progress, f"measuring mixture {len(measured) + 1}", network.config.num_hidden_layers + 1)
            after = document_nats(network, text, _replaced(network, candidates, chosen), tick)
            measured[key] = compare_losses(before, after, text.texts)
        return measured[key]

    ladders = {name: _ladder(network, candidates, name, wanted) for name in _linears(network)}
    most = {name: max(choice.bits for choice in ladder) for name, ladder in ladders.items()}
    if max_loss is None:
        return most, loss_of(most), 1
    nats = float(before.sum()) / text.tokens  # per token
    budget = max_loss / 100 * nats
    best: dict[str, int] | None = None
    for _ in range(_TRIES):
        chosen = choose_bits(ladders, budget)
        known = tuple(chosen.values()) in measured
        found = loss_of(chosen).percent
        if found <= max_loss and (best is None or _nbytes(ladders, chosen) < _nbytes(ladders, best)):
            best = chosen
        fewest = chosen == {name: ladder[0].bits for name, ladder in ladders.items()}
        if found <= max_loss and (known or fewest or found > 0.8 * max_loss):
            break
        budget *= min(max_loss / max(found, max_loss / 8), 4.0) * (0.95 if found > max_loss else 1.0)
    if best is None and loss_of(most).percent <= max_loss:
        best = most
    if best is None:
        raise ParameterError(
            f"max_loss={max_loss!r} cannot be reached: with {max(wanted)} bits everywhere {loss_of(most).percent:.3f} % are lost"
            ". Allow more"
        )
    return best, loss_of(best), len(measured)


def _linears(network: LayerByLayer) -> list[str]:
    """The weights that get the bits."""
    return [name for number in range(network.config.num_hidden_layers) for name in network.linear_names(number)]


def _ladder(network: LayerByLayer, candidates: Candidates, name: str, wanted: Sequence[int]) -> list[Choice]:
    shape = network.tensors[name].shape
    return [
        Choice(bits, stored_bytes((shape[0], shape[1]), bits), candidates.cost.get((name, bits), 0.0))
        for bits in possible_bits(shape, wanted)
    ]


def _nbytes(ladders: Mapping[str, Sequence[Choice]], chosen: Mapping[str, int]) -> int:
    return sum(choice.nbytes for name, ladder in ladders.items() for choice in ladder if choice.bits == chosen[name])


def _replaced(network: LayerByLayer, candidates: Candidates, chosen: Mapping[str, int]) -> dict[str, Callable[[], Tensor]]:
    """The rounded weights, read when they are used."""
    everything = dict(chosen) | dict.fromkeys({PREFIX + INPUT, network.output_name}, 8)
    return {name: partial(_dequantized, candidates, name, bits) for name, bits in everything.items()}


def _dequantized(candidates: Candidates, name: str, bits: int) -> Tensor:
    return candidates.get(name, bits).dequantize()


def _parts(network: LayerByLayer, candidates: Candidates, chosen: Mapping[str, int]) -> list[Part]:
    """The tensors of the new folder, in the network's order, to be read one after the other."""
    everything = dict(chosen) | dict.fromkeys({PREFIX + INPUT, network.output_name}, 8)
    found = []
    for name, tensor in network.tensors.items():
        if name not in everything:
            assert isinstance(tensor.dtype, torch.dtype)
            found.append(Part(name, tensor.shape, tensor.dtype, partial(network.stored.read, tensor)))
            continue
        for part, value in candidates.parts(name, everything[name]).items():
            read = partial(_read_part, candidates, name, everything[name], part)
            found.append(Part(part, tuple(value.shape), value.dtype, read))
    return found


def _read_part(candidates: Candidates, name: str, bits: int, part: str) -> Tensor:
    return candidates.parts(name, bits)[part]


def _rows(
    network: LayerByLayer,
    candidates: Candidates,
    chosen: Mapping[str, int],
    wanted: Sequence[int],
    before: Tensor,
    text: TextHalf,
) -> list[QuantizedTensor]:
    percent = 100 * text.tokens / float(before.sum())
    rows = []
    for name, bits in chosen.items():
        ladder = _ladder(network, candidates, name, wanted)
        shape = network.tensors[name].shape
        cost = {
            choice.bits: candidates.cost[name, choice.bits] * percent
            for choice in ladder
            if (name, choice.bits) in candidates.cost
        }
        rows.append(QuantizedTensor(name, (shape[0], shape[1]), bits, stored_bytes((shape[0], shape[1]), bits), cost))
    for name in dict.fromkeys([PREFIX + INPUT, network.output_name]):
        shape = network.tensors[name].shape
        rows.append(QuantizedTensor(name, (shape[0], shape[1]), 8, stored_bytes((shape[0], shape[1]), 8), {}))
    return rows


def _describe(text: TextHalf, comes_along: bool) -> dict[str, Any]:
    """Which text it was, for config.json."""
    return {
        "source": "neoxjp's own text" if comes_along else "given",
        "documents": text.documents,
        "characters": text.characters,
        "tokens": text.tokens,
        "sha256": text.sha256,
    }


def _write_config(
    folder: Path, fresh: Path, report: QuantizationReport, chosen: Mapping[str, int], network: LayerByLayer
) -> None:
    """config.json of the original, with what a reader of the new folder needs to know."""
    raw = read_json(folder / "config.json")
    raw["tie_word_embeddings"] = network.output_name == PREFIX + INPUT
    raw["quantization_config"] = {
        "quant_method": METHOD,
        "format_version": FORMAT_VERSION,
        "group_size": GROUP,
        "calibration": report.calibration,
        "max_loss_percent": report.max_loss,
        "loss": {
            "percent": report.loss.percent,
            "interval_95": [report.loss.low, report.loss.high],
            "bits_per_character": report.loss.bits_per_character,
            "original_bits_per_character": report.loss.original,
        },
        "text": report.text,
        "calibration_text": report.calibration_text,
        "bits_per_weight": report.bits_per_weight,
        "neoxjp": __version__,
        "bits": dict(chosen) | dict.fromkeys([PREFIX + INPUT, network.output_name], 8),
    }
    (fresh / "config.json").write_text(json.dumps(raw, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _copy_others(folder: Path, fresh: Path) -> None:
    """The files that are neither weights nor the config."""
    for path in folder.iterdir():
        if path.is_file() and path.name != "config.json" and not path.name.endswith(_NOT_COPIED):
            try:
                with path.open("rb") as file:
                    file.read(1)
            except OSError as error:
                raise CheckpointError(f"{str(path)!r} cannot be read: {error.strerror}") from None
            shutil.copyfile(path, fresh / path.name)


def _check_disk(fresh: Path, network: LayerByLayer, wanted: Sequence[int]) -> None:
    """Raises CheckpointError where the rounded weights and the new folder do not fit."""
    need = 0
    for name, tensor in network.tensors.items():
        if len(tensor.shape) == 2:
            sizes = [stored_bytes((tensor.shape[0], tensor.shape[1]), bits) for bits in possible_bits(tensor.shape, wanted)]
            need += sum(sizes) + max(sizes) if ".layers." in name else 2 * stored_bytes((tensor.shape[0], tensor.shape[1]), 8)
    free = shutil.disk_usage(fresh).free
    if free < need:
        raise CheckpointError(
            f"the disk is too full: rounding takes up to {need:,} bytes beside the new folder, {free:,} are free",
            ja=f"ディスクの空きが足りません（必要 {need:,} バイト、空き {free:,} バイト）。",
        )


def _scratch(fresh: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder for rounded weights, beside the new folder: on the same disk, and removed in any case."""
    return tempfile.TemporaryDirectory(prefix=".rounded.", dir=fresh)


def _ticks(progress: Progress | None, what: str, total: int) -> Callable[[], None]:
    """A function to call after each of `total` steps."""
    done = 0
    if progress is not None:
        progress(what, 0, total)

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(what, done, total)

    return tick
