"""`neoxjp convert` and `neoxjp export`: a model folder in another format."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, emit, option


def convert(
    folder: Annotated[Path, typer.Argument(help="A model folder that holds pytorch_model.bin.")],
    out: Annotated[
        Path | None, option("Write to this folder instead of beside the pickle.", metavar="FOLDER", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Turn a folder's pickle weights into safetensors, once."""
    from neoxjp.model import GPTNeoXJapaneseConfig
    from neoxjp.weights import convert_pickle

    folder = folder.expanduser()
    if (folder / "config.json").is_file():
        GPTNeoXJapaneseConfig.from_folder(folder)  # a config that loading would refuse is refused before the work
    written = convert_pickle(folder, out=out)
    if json:
        emit({"folder": str(written)})
        return
    pickles = ", ".join(sorted(path.name for path in folder.glob("pytorch_model*")))
    print(f"wrote {written}; the pickle in {folder} ({pickles}) is no longer needed: you can delete it")


def export(
    folder: Annotated[str, typer.Argument(help="bundled, a folder or a Hub id.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; its README.md explains how to send ids.")],
    to: Annotated[Literal["gpt-neox", "gguf"], option("gguf (for llama.cpp) needs the package gguf.")],
    kind: Annotated[
        str | None,
        option(
            "A GGUF's matrices: f32, f16, bf16, q8_0 or q4_0; stored: the numbers of a quantized folder.",
            "--type",
            metavar="TYPE",
            show_default="f16",
        ),
    ] = None,
    revision: Annotated[str | None, option("Branch, tag or commit on the Hub.", show_default=False)] = None,
    offline: Annotated[bool, option("Use only what is already on this machine.", "--offline")] = False,
    json: Json = False,
) -> None:
    """Write the same network for vLLM, mlx-lm and transformers' GPT-NeoX, or for llama.cpp."""
    from neoxjp.export import export as write
    from neoxjp.hub import resolve_model
    from neoxjp.tokenizer import FILES

    if kind is not None and to != "gguf":
        raise ParameterError(f"--type {kind} is for --to gguf: a GPT-NeoX folder keeps the dtype that is stored")
    found = resolve_model(folder, revision=revision, local_files_only=offline, optional=FILES)
    files = write(found, out, to, kind or "f16")
    if json:
        emit({"folder": str(out), "files": [path.name for path in files]})
        return
    for path in files:
        print(f"{path}  {path.stat().st_size:,} bytes")


COMMANDS = (
    Command("convert", convert, "neoxjp convert my-model"),
    Command("export", export, "neoxjp export bundled exported --to gpt-neox"),
)
