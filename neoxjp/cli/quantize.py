"""`neoxjp quantize`: a model folder with fewer bits a weight, and the table of what each weight got and why."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, counted, emit, option

if TYPE_CHECKING:
    from neoxjp.export import Progress, QuantizationReport


def quantize(
    folder: Annotated[str, typer.Argument(help="bundled, a folder or a Hub id.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; it must not exist yet.")],
    max_loss: Annotated[
        str | None,
        option("Most bits per character that may be lost: the fewest bytes within it.", metavar="PERCENT", show_default="0.3%"),
    ] = None,
    bits: Annotated[
        int | None, option("4, 5, 6 or 8 for every linear layer, instead of --max-loss.", metavar="N", show_default=False)
    ] = None,
    calibrate: Annotated[
        str, option("gptq: errors are compensated, by a text's activations; none: to the nearest numbers.", metavar="HOW")
    ] = "gptq",
    text: Annotated[
        list[Path] | None,
        option("Texts: half calibrates, half measures the loss.", metavar="FILE...", show_default="a text comes with neoxjp"),
    ] = None,
    column: Annotated[str, option("Field or column that holds the text.")] = "text",
    revision: Annotated[str | None, option("Branch, tag or commit on the Hub.", show_default=False)] = None,
    offline: Annotated[bool, option("Use only what is already on this machine.", "--offline")] = False,
    json: Json = False,
) -> None:
    """Write a model with 4 to 8 bits a weight, within a loss that is measured.

    The result is loaded like any model folder: neoxjp app --model OUT. The loss is given with a 95 % interval.
    """
    from neoxjp.engine import limit_threads_to_quota
    from neoxjp.export import quantize_folder, read_texts
    from neoxjp.hub import resolve_model
    from neoxjp.tokenizer import FILES

    percent = None if max_loss is None else parse_percent(max_loss)
    limit_threads_to_quota()
    with progress() as show:
        report = quantize_folder(
            resolve_model(folder, revision=revision, local_files_only=offline, optional=FILES),
            out,
            max_loss=percent,
            bits=bits,
            calibrate=calibrate,  # type: ignore[arg-type]  # quantize_folder names the choices
            texts=read_texts(text, column) if text else None,
            progress=show,
        )
    if json:
        emit(report.as_dict())
        return
    print("\n".join(table(report)))
    print("\n".join(summary(report)))


def parse_percent(value: str) -> float:
    """ "0.3%" → 0.3; the sign may be left out. Raises ParameterError."""
    try:
        return float(value.strip().removesuffix("%"))
    except ValueError:
        raise ParameterError(f"max_loss={value!r} must be a number of percent, such as 0.3%") from None


def table(report: "QuantizationReport") -> list[str]:
    """One line for each weight: its bits and bytes, and the estimated loss at each number of bits, in percent."""
    costs = sorted({bits for tensor in report.tensors for bits in tensor.cost})
    head = ["weight", "shape", "bits", "bytes", *(f"{bits} bits" for bits in costs)]
    lines = [
        [
            tensor.name.removeprefix("gpt_neox_japanese.").removesuffix(".weight"),
            f"{tensor.shape[0]} × {tensor.shape[1]}",
            str(tensor.bits),
            f"{tensor.nbytes:,}",
            *(f"{tensor.cost[bits]:.4f} %" if bits in tensor.cost else "" for bits in costs),
        ]
        for tensor in report.tensors
    ]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    shown = ["  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in (head, *lines)]
    return [*shown, *(["Percent: the estimated loss if only this weight had these bits."] if costs else []), ""]


def summary(report: "QuantizationReport") -> list[str]:
    """The loss, the size and the text, in a few lines."""
    loss = report.loss
    lines = [
        f"loss {loss.percent:+.3f} % bits per character (95 %: {loss.low:+.3f} to {loss.high:+.3f}), "
        f"{loss.original:.4f} → {loss.bits_per_character:.4f}",
        f"measured on {counted(report.text['documents'], 'document')}, {report.text['characters']:,} characters "
        f"({report.text['source']}), with activations of 8 bits as the kernels have them",
        f"{report.bits_per_weight:.2f} bits a weight in the layers' linears; {report.stored_bytes:,} → {report.nbytes:,} bytes",
        f"wrote {report.folder}",
    ]
    if report.max_loss is not None and loss.high > report.max_loss:
        lines.insert(1, f"the interval reaches beyond {report.max_loss:g} %: more text (--text) would make it narrower")
    return lines


@contextmanager
def progress() -> "Iterator[Progress | None]":
    """A progress bar on a terminal, for each of the stages."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, TaskID, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (*Bar.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield show


COMMANDS = (Command("quantize", quantize, "neoxjp quantize bundled bundled-int4 --max-loss 0.3%"),)
