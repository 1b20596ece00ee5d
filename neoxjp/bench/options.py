"""The options of each table of `neoxjp bench`, with the help that the command line shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from neoxjp.labs.common.command import Json, option

WRITERS = (
    "transformers (in bfloat16), transformers:float32, transformers:float16, llama.cpp (f16), llama.cpp:q8_0, …, "
    "neoxjp:int8, neoxjp:int8+int8 (with an int8 cache), neoxjp:FOLDER"
)
Model = Annotated[str, option("bundled, a folder or a Hub id.")]
Shape = Literal["2.7b", "small", "tiny"]  # of random weights; model_under_test.py defines them
Rounds = Annotated[int, option("Rounds that count.", metavar="N")]
Formats = Annotated[str, option("dtypes and quantizations, separated by commas.", metavar="LIST")]
Column = Annotated[str, option("Field or column that holds the text.")]
TEXTS = "Texts: .txt, .jsonl, .csv (also .xz, .gz), .parquet."


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What every table has."""

    threads: Annotated[int | None, option("CPU threads.", metavar="N", show_default="as torch has them")] = None
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class WriteOptions(TableOptions):
    """The model that generates, the peers, and how much they generate."""

    shape: Annotated[Shape, option("Of random weights.")] = "2.7b"
    model: Annotated[
        str | None, option("Measure this instead: bundled, a folder or a Hub id.", show_default="random weights")
    ] = None
    dtype: Annotated[str, option("Of our model: float32, bfloat16, float16; auto: as stored, float32 if random.")] = "auto"
    quantization: Annotated[Literal["int8", "int4"] | None, option("Of our model.", show_default="none")] = None
    cache_dtype: Annotated[
        Literal["float32", "float16", "int8"] | None, option("Of our model's KV cache.", show_default="the model's")
    ] = None
    device: Annotated[str, option("cpu or cuda.")] = "cpu"
    against: Annotated[list[str] | None, option(f"In the same rounds: {WRITERS} (repeatable).", metavar="PEER")] = None
    limit: Annotated[float, option("A peer that needs longer for a round generates less, or is left out.", metavar="SECONDS")] = (
        60.0
    )
    rounds: Rounds = 5
    prompt: Annotated[int, option("Tokens of a prompt.", metavar="N")] = 64
    new: Annotated[int, option("Tokens to generate.", metavar="N")] = 64
    speculate: Annotated[bool, option("Let our model use speculative decoding where the text repeats itself.", "--speculate")] = (
        False
    )


@dataclass(frozen=True, kw_only=True)
class ServeOptions(WriteOptions):
    """Several visitors."""

    rounds: Rounds = 3
    visitors: Annotated[int, option("How many.", metavar="N")] = 8
    every: Annotated[float, option("Between two arrivals; 0: all at once.", metavar="SECONDS")] = 0.0
    url: Annotated[
        list[str] | None,
        option("Measure this server of the completions protocol instead; --model has the ids (repeatable).", metavar="URL"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class QualityOptions(TableOptions):
    """Texts and formats."""

    files: Annotated[list[Path], typer.Argument(help=TEXTS, metavar="FILE...")]
    model: Model = "bundled"
    column: Column = "text"
    limit: Annotated[int, option("Cut documents after this many characters; 0: never.")] = 1200
    documents: Annotated[int, option("Read only this many; 0: all.", metavar="N")] = 200
    formats: Annotated[
        str,
        option("dtypes, quantizations and folders, separated by commas; behind + the format of the KV cache.", metavar="LIST"),
    ] = "float16,bfloat16,int8,int4"


@dataclass(frozen=True, kw_only=True)
class RepetitionOptions(TableOptions):
    """Samples."""

    model: Model = "bundled"
    dtype: Annotated[str, option("float32, float16, bfloat16 or auto.")] = "float32"
    prompts: Annotated[Path | None, option("One a line.", metavar="FILE", show_default="ten built-in prompts")] = None
    samples: Annotated[int, option("Of each prompt.", metavar="N")] = 2
    max_new_tokens: Annotated[int, option("Tokens of each sample.", "--new", metavar="N")] = 100
    seed: Annotated[int, option("Of the first sample.", metavar="N")] = 0
    show: Annotated[bool, option("Print every sample, not only the repetitive ones.", "--show")] = False


@dataclass(frozen=True, kw_only=True)
class LoadOptions(TableOptions):
    """A model, and formats to load it in."""

    shape: Annotated[Shape, option("Of random weights, saved in float16 first.")] = "small"
    model: Annotated[str | None, option("Load this instead: bundled or a folder.", show_default="random weights")] = None
    rounds: Rounds = 3
    formats: Formats = "float32,float16,bfloat16,int8,int4"


@dataclass(frozen=True, kw_only=True)
class TokenizeOptions(TableOptions):
    """A text, and the tokenizers that read it."""

    file: Annotated[Path, typer.Argument(help="A UTF-8 text.")]
    megabytes: Annotated[float, option("Read this much of it.", metavar="MB")] = 10.0
    model: Model = "bundled"
    against: Annotated[
        list[str] | None, option("transformers, tiktoken, tokenizers. May be given several times.", metavar="PEER")
    ] = None
    ranks: Annotated[Path | None, option("For tiktoken, a .tiktoken file.", show_default="Qwen's, of the package dashscope")] = (
        None
    )
    tokenizer_json: Annotated[
        Path | None, option("For tokenizers, the tokenizer to run.", metavar="FILE", show_default=False)
    ] = None
    rounds: Rounds = 5


@dataclass(frozen=True, kw_only=True)
class PageOptions:
    """A page that runs."""

    url: Annotated[str, typer.Argument(help="Address of the page.", metavar="URL")]
    rounds: Rounds = 9
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class SoakOptions:
    """A page that runs, and who visits it."""

    url: Annotated[str, typer.Argument(help="Address of the page.", metavar="URL")]
    visitors: Annotated[int, option("Honest visitors.", metavar="N")] = 8
    minutes: Annotated[float, option("How long.", metavar="N")] = 60.0
    abuser: Annotated[float, option("Requests a second of one abuser; 0: none.", metavar="RATE")] = 0.0
    abandoned: Annotated[int, option("First, so many sessions that never come back.", metavar="N")] = 0
    new: Annotated[int, option("Tokens of a text.", metavar="N")] = 60
    every: Annotated[float, option("Between two lines.", metavar="SECONDS")] = 60.0
    seed: Annotated[int, option("Of what the visitors do.", metavar="N")] = 1
    json: Json = False


@dataclass(frozen=True, kw_only=True)
class RouterOptions:
    """Replicas, what they can do (the defaults: the 2.7B in int8 on two cores, docs/performance.md), and visitors."""

    replicas: Annotated[int, option("Machines with the model.", metavar="N")] = 64
    visitors: Annotated[int, option("At once; who leaves is followed by another.", metavar="N")] = 600
    minutes: Annotated[float, option("Simulated; the first quarter is not counted.", metavar="N")] = 20.0
    think: Annotated[float, option("Between an answer and the visitor's next request, on average.", metavar="SECONDS")] = 8.0
    new: Annotated[int, option("Tokens of an answer, on average.", metavar="N")] = 60
    decode: Annotated[
        str, option("Tokens per second in sum, of one request and of eight (`neoxjp bench generate`, `serve`).", metavar="A,B")
    ] = "19.7,73"
    prefill: Annotated[float, option("Prompt tokens per second (`neoxjp bench generate`: tokens / first token).")] = 290.0
    token_bytes: Annotated[int, option("Of the cache, for one token.", metavar="N")] = 655_360
    cache: Annotated[float, option("GiB of cached prefixes on each replica.", metavar="GIB")] = 4.0
    seed: Annotated[int, option("Of what the visitors do.", metavar="N")] = 1
    json: Json = False
