"""The command `neoxjp export FOLDER OUT --to gpt-neox | gguf`."""

import argparse
import json
from pathlib import Path
from typing import Any


def add_commands(commands: Any, under: str) -> None:
    """Add it to a parser's subparsers; the function to call with the options is left in their attribute `under`."""
    text = "write the same network for vLLM, mlx-lm and transformers' GPT-NeoX, or for llama.cpp"
    parser: argparse.ArgumentParser = commands.add_parser("export", help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("folder", help="model folder or Hub id")
    parser.add_argument("out", type=Path, help="folder to write; its README.md tells how to send ids")
    parser.add_argument("--to", required=True, choices=["gpt-neox", "gguf"], help="gguf (for llama.cpp) needs the package gguf")
    parser.add_argument("--type", default="f16", metavar="TYPE", help="a GGUF's matrices: f32, f16 (default), bf16, q8_0, q4_0")
    parser.add_argument("--revision", help="Hub revision")
    parser.add_argument("--offline", action="store_true", help="use only what is already on this machine")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(**{under: export_command})


def export_command(options: argparse.Namespace) -> None:
    """Write the folder and name its files."""
    from neoxjp.export.folder import export
    from neoxjp.hub import resolve_model

    folder = resolve_model(options.folder, revision=options.revision, local_files_only=options.offline)
    files = export(folder, options.out, options.to, options.type)
    if options.json:
        print(json.dumps({"folder": str(options.out), "files": [path.name for path in files]}, ensure_ascii=False))
        return
    for path in files:
        print(f"{path}  {path.stat().st_size:,} bytes")
