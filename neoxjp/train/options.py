"""The options of `neoxjp train`, with the help that the command line shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

TEXTS = ".txt, .jsonl, .csv (also .xz, .gz), .parquet"
Optimizer = Literal["muon", "adamw"]
Precision = Literal["auto", "no", "bf16"]


def _option(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, **more)


CHARACTERS = 1200  # of each document that are scored, where nothing else is asked for


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """How texts are read from files."""

    column: Annotated[str, _option("Field or column that holds the text.")] = "text"
    split: Annotated[
        Literal["file", "blank", "line"],
        _option("A document of a .txt: the whole file, the lines between blank lines, or one line."),
    ] = "file"
    encoding: Annotated[
        str, _option("utf-8, cp932, euc_jp, iso2022_jp, utf-16, ...", metavar="NAME", show_default="found for each file")
    ] = ""


@dataclass(frozen=True, kw_only=True)
class JobOptions(TextOptions):
    """One run."""

    folder: Annotated[Path, typer.Argument(help="The run: model/ (the result), plot.png, log.csv, checkpoints.")]
    files: Annotated[
        list[str],
        typer.Argument(
            help=f"Texts: {TEXTS}. a.jsonl=0.7 b.txt=0.3 gives each file its share of the training.", metavar="FILE..."
        ),
    ]
    continue_anyway: Annotated[
        bool, _option("Continue the run of this folder although texts or settings have changed.", "--continue-anyway")
    ] = False

    source: Annotated[
        str | None,
        _option("Fine-tune bundled, a folder or a Hub id.", "--from", metavar="MODEL", show_default="fresh weights"),
    ] = None
    revision: Annotated[str | None, _option("Branch, tag or commit of it on the Hub.", show_default=False)] = None
    freeze: Annotated[int, _option("Train all but the embedding and the lowest N layers.", metavar="N")] = 0
    lora: Annotated[
        int | None,
        _option("Train only matrices of this rank beside the weights; needs peft.", metavar="RANK", show_default=False),
    ] = None
    vocabulary: Annotated[
        str | None, _option("Fresh weights: folder with a vocabulary.", metavar="MODEL", show_default="the bundled one")
    ] = None
    hidden_size: Annotated[int | None, _option("Fresh weights: width.", metavar="N", show_default="384")] = None
    layers: Annotated[int | None, _option("Fresh weights: layers.", metavar="N", show_default="6")] = None
    heads: Annotated[int | None, _option("Fresh weights: attention heads per layer.", metavar="N", show_default="6")] = None
    context: Annotated[int | None, _option("Fresh weights: context length in tokens.", metavar="N", show_default="512")] = None

    steps: Annotated[int | None, _option("Updates of the weights.", metavar="N", show_default=False)] = None
    minutes: Annotated[float | None, _option("Or minutes of training time.", show_default=False)] = None
    tokens: Annotated[float | None, _option("Or tokens to train on, such as 45e6.", show_default=False)] = None
    epochs: Annotated[float | None, _option("Or passes over the texts, counted in tokens.", show_default="1")] = None
    rows: Annotated[int, _option("Windows of text per step.", metavar="N")] = 16
    length: Annotated[
        int | None, _option("Tokens per window.", metavar="N", show_default="256, or the context or text if less")
    ] = None
    final_length: Annotated[
        int | None, _option("Longer windows for the last 15 % of the run.", metavar="N", show_default=False)
    ] = None
    stages: Annotated[
        list[str] | None,
        _option("15e6=32x512: after this many tokens, 32 windows of 512 tokens per step.", metavar="TOKENS=ROWSxLENGTH..."),
    ] = None
    optimizer: Annotated[Optimizer | None, _option("Of the matrices.", show_default="muon; with --lora adamw")] = None
    lr: Annotated[float | None, _option("AdamW's learning rate.", show_default="by what is trained")] = None
    muon_lr: Annotated[float | None, _option("Muon's learning rate.", show_default="by what is trained")] = None
    weight_decay: Annotated[float, _option("Of matrices.")] = 0.0
    muon_neuron_beta: Annotated[float, _option("NorMuon: normalize the rows of Muon's updates; 0.95 is usual, 0: off.")] = 0.0
    cautious: Annotated[
        bool, _option("With Muon: decay a weight only where its update has the same direction.", "--cautious")
    ] = False
    momentum_steps: Annotated[int, _option("Steps in which Muon's momentum rises from 0.85 to 0.95.", metavar="N")] = 0
    warmup_steps: Annotated[int, _option("Steps in which the rates rise.", metavar="N")] = 40
    flat_share: Annotated[float, _option("Of the run, before the rates fall to zero.")] = 0.5
    cool_down: Annotated[
        float | None,
        _option(
            "With --tokens: the rates fall to zero over this many last tokens.", metavar="TOKENS", show_default="half of them"
        ),
    ] = None
    cool_power: Annotated[float, _option("The rates fall as 1 - x ** power: 1 is linear, 0.5 falls early.")] = 1.0
    clip: Annotated[float, _option("Largest norm of the gradient.")] = 1.0
    seed: Annotated[int, _option("Of the weights and of the windows.")] = 0

    evaluate: Annotated[
        list[Path] | None, _option("Held-out texts: bits per character of their beginnings while it trains.", metavar="FILE...")
    ] = None
    evaluate_every: Annotated[int, _option("Steps between two such evaluations.", metavar="N")] = 100

    accumulate: Annotated[int, _option("Compute a step in N parts: less memory.", metavar="N")] = 1
    gradient_checkpointing: Annotated[bool, _option("Compute each layer twice: less memory.", "--gradient-checkpointing")] = False
    mixed_precision: Annotated[Precision, _option("bf16 autocast; auto: where it is faster.")] = "auto"
    threads: Annotated[
        int | None, _option("CPU threads of each process.", metavar="N", show_default="the processors, shared by the processes")
    ] = None
    workers: Annotated[int, _option("Processes that tokenize.", metavar="N")] = 1
    save_seconds: Annotated[float, _option("Between checkpoints.")] = 300.0
    keep: Annotated[int, _option("Checkpoints kept.", metavar="N")] = 2
    log_with: Annotated[
        str | None, _option("Also log to a tracker of accelerate, such as tensorboard.", metavar="TRACKER", show_default=False)
    ] = None
    dtype: Annotated[str | None, _option("Of the result.", show_default="as stored in --from; float16 for fresh weights")] = None
