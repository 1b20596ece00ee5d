"""`neoxjp replay FILE`: run a saved generation again and compare the ids; or print it as code."""

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, ModelOptions, emit, load_model, load_tokenizer, option

if TYPE_CHECKING:
    from neoxjp.labs.replay.records import State

SAVED = "as saved"


@dataclass(frozen=True)
class SavedModel(ModelOptions):
    """The model of the file, unless another one is named."""

    model: Annotated[str, option("bundled, a folder or a Hub id.", show_default="the file's")] = SAVED
    dtype: Annotated[str, option("float32, bfloat16, float16 or auto.", show_default="the file's")] = SAVED


def replay(
    model: SavedModel,
    file: Annotated[Path, typer.Argument(help="From neoxjp generate --save-state, or from the page.")],
    way: Annotated[
        Literal["python", "curl", "gradio_client"] | None, option("Print it as code instead.", "--as", show_default=False)
    ] = None,
    url: Annotated[str, option("Of a running page, for --as curl and gradio_client.")] = "http://127.0.0.1:7860",
    json: Json = False,
) -> None:
    """Run a saved generation again and compare the ids."""
    from neoxjp.labs.replay import records
    from neoxjp.labs.replay.as_code import as_code

    try:
        state = records.from_json(file.read_bytes())
    except OSError as error:
        raise ParameterError(f"cannot read {file}: {error.strerror}") from error
    chosen = as_saved(model, state)
    if way:
        code = as_code(state, load_tokenizer(chosen), way, url)
        emit(asdict(code)) if json else print(code.code)
        return
    network, tokenizer = load_model(chosen)
    found = records.replay(state, network, tokenizer)
    if json:
        emit({"file": str(file), **asdict(found)})
        return
    print(tokenizer.decode(state.prompt_ids, skip_special_tokens=True) + tokenizer.decode(found.ids, skip_special_tokens=True))
    print(*records.report(state, found), sep="\n", file=sys.stderr)


def as_saved(options: ModelOptions, state: "State") -> ModelOptions:
    """The options with what they leave open: the model of the file, in the format it had."""
    from neoxjp.model import CACHE_DTYPES

    if options.model == SAVED:
        options = replace(
            options,
            model=state.name,
            revision=options.revision or state.revision,
            quantization=options.quantization or state.setup.quantization,
            cache_dtype=options.cache_dtype or (stored if (stored := state.setup.cache_dtype) in CACHE_DTYPES else None),
        )
    if options.dtype == SAVED:
        keep = state.setup.packed or state.setup.dtype != "float16"
        options = replace(options, dtype=state.setup.dtype if keep else "auto")
    return options


COMMANDS = (Command("replay", replay, "neoxjp replay run.json"),)
