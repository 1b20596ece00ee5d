"""What every command shares: its record, where its text comes from, the model and sampling options, how a result is printed.

A feature lists its commands as `COMMANDS` in its command.py; cli/main.py makes one command line of all of them. A command is a
function: its docstring is the help, its parameters are the options. A parameter whose type is a dataclass, such as
`ModelOptions`, stands for all fields of it, and `**sampling` for the rows of the table in sampling/options.py.
"""

import inspect
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from neoxjp.errors import ParameterError
from neoxjp.labs.common.output import write_file
from neoxjp.sampling import Option, expand

if TYPE_CHECKING:
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

SEVERAL = "..."  # at the end of a metavar: the option takes all values up to the next option


def option(help: str, *names: str, **more: Any) -> Any:
    """What Typer needs to know of an option. `metavar="FILE..."`: it takes several values, as in `--file a.txt b.txt`."""
    return typer.Option(*names, help=help, **more)


@dataclass(frozen=True)
class Command:
    """One command: `Command("score", score, "neoxjp score '吾輩は猫である。'")`."""

    name: str
    run: Callable[..., None]
    example: str  # one line that works when pasted, shown by --help


Text = Annotated[str | None, typer.Argument(help="The text; - or nothing reads standard input.", show_default=False)]
Json = Annotated[bool, option("Print one JSON object.", "--json")]
Csv = Annotated[Path | None, option("Write the table to this file.", metavar="FILE", show_default=False)]


@dataclass(frozen=True)
class TokenizerOptions:
    """Which vocabulary."""

    model: Annotated[str, option("bundled, a folder or a Hub id.", envvar="NEOXJP_MODEL")] = "bundled"
    revision: Annotated[str | None, option("Branch, tag or commit on the Hub.", envvar="NEOXJP_REVISION", show_default=False)] = (
        None
    )
    offline: Annotated[bool, option("Use only what is already on this machine.", "--offline")] = False


@dataclass(frozen=True)
class ModelOptions(TokenizerOptions):
    """Which model, and how to load it."""

    dtype: Annotated[
        str,
        option("float32, bfloat16 or float16; auto: as stored, on a CPU the fastest that loses nothing.", envvar="NEOXJP_DTYPE"),
    ] = "auto"
    quantization: Annotated[
        str | None, option("int8: one byte per weight; int4: 4.5 bits.", envvar="NEOXJP_QUANTIZATION", show_default="none")
    ] = None
    cache_dtype: Annotated[
        str | None,
        option(
            "Format of KV caches: float32, float16 or int8.",
            envvar="NEOXJP_CACHE_DTYPE",
            show_default="float16 with packed weights, else as attention computes",
        ),
    ] = None
    device: Annotated[
        str | None,
        option("cpu, cuda, cuda:1, or auto: accelerate places the layers.", show_default="cuda if there is one, else cpu"),
    ] = None


# ---- from a function to what Typer reads


def parameters(function: Callable[..., None], rows: Iterable[Option]) -> Callable[..., None]:
    """The function with one parameter for each option: its dataclasses and `**sampling` are replaced by their options."""
    own = _names(function)
    function = expand(function, [row for row in rows if row.name not in own], annotation=_sampling_option)
    hints = get_type_hints(function, include_extras=True)
    groups: dict[str, Any] = {}
    flat: list[inspect.Parameter] = []

    def add(name: str, default: Any, annotation: Any) -> None:
        flat.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation))

    for name, parameter in inspect.signature(function).parameters.items():
        if not is_dataclass(hints[name]):
            add(name, parameter.default, hints[name])
            continue
        groups[name] = hints[name]
        types = get_type_hints(hints[name], include_extras=True)
        for field in fields(hints[name]):
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            add(field.name, inspect.Parameter.empty if default is MISSING else default, types[field.name])

    def run(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        function(**given)

    run.__doc__ = function.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    return run


def _names(function: Callable[..., None]) -> set[str]:
    """The names of its parameters and of the fields of its dataclasses: an option of its own replaces the table's."""
    hints = get_type_hints(function, include_extras=True)
    groups = [hints[name] for name in inspect.signature(function).parameters if is_dataclass(hints.get(name))]
    return {*inspect.signature(function).parameters, *(field.name for group in groups for field in fields(group))}


def _sampling_option(row: Option) -> Any:
    several = {"metavar": "TEXT"} if row.kind == "strings" else {}
    help = row.help[1] + (" May be given several times." if several else "")
    return Annotated[row.type, option(help, row.flag, **several)]


# ---- what a command reads


def read_text(given: str | None) -> str:
    """The text of the command: the argument, or standard input (its one last newline removed). Raises ParameterError."""
    if given is not None and given != "-":
        return given
    if sys.stdin is None:
        raise ParameterError("no text: give it as an argument; standard input is closed")
    if given is None and sys.stdin.isatty():
        raise ParameterError("no text: give it as an argument, or pipe it in")
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"standard input is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}): "
            "convert it first, for example with iconv"
        ) from error
    except OSError as error:
        raise ParameterError(f"standard input cannot be read: {error.strerror}") from error
    return text[:-1] if text.endswith("\n") else text


def load_tokenizer(options: TokenizerOptions, compat: bool = False) -> "GPTNeoXJapaneseTokenizer":
    """The tokenizer that the options name; with `compat` as transformers has it."""
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

    return GPTNeoXJapaneseTokenizer.from_pretrained(
        options.model,
        revision=options.revision,
        local_files_only=options.offline,
        compat="transformers" if compat else None,
    )


def load_model(options: ModelOptions) -> "tuple[GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer]":
    """Model and tokenizer that the options name."""
    from neoxjp.model import load_model

    tokenizer = load_tokenizer(options)
    model, _ = load_model(
        options.model,
        revision=options.revision,
        dtype=options.dtype,
        quantization=options.quantization,
        cache_dtype=options.cache_dtype,
        device=options.device,
        offline=options.offline,
    )
    return model, tokenizer


# ---- what a command prints and writes


def emit(record: dict[str, Any]) -> None:
    """One line of JSON on standard output."""
    print(json_line(record, sys.stdout.encoding or "utf-8"))


def json_line(record: dict[str, Any], encoding: str = "utf-8") -> str:
    """A record as JSON; escaped where the encoding cannot hold it as it is (half a character, bytes that are not UTF-8)."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False)
    try:
        line.encode(encoding)
    except UnicodeEncodeError:
        line = json.dumps(record, allow_nan=False)
    return line


def write_csv(path: Path, records: Iterable[Any]) -> None:
    """Records as a table for spreadsheets. Raises ParameterError where the file cannot be written."""
    from neoxjp.compare import to_csv, to_frame

    write_file(path, to_csv(to_frame(records)))


def counted(number: int, name: str) -> str:
    """1 → "1 byte", 2 → "2 bytes"."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"
