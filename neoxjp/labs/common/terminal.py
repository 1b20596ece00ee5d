"""What every command does alike: where its text comes from, which tokenizer and model it asks for, how a record is printed.

Knows no single command; cli.py and the rooms that bring commands of their own (lab/) share it.
"""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from neoxjp.errors import ParameterError
from neoxjp.hub import bundled_path

if TYPE_CHECKING:
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


def default_model() -> str:
    """The model where none is named: NEOXJP_MODEL, or the bundled one."""
    return os.environ.get("NEOXJP_MODEL") or str(bundled_path())


def text_argument(parser: argparse.ArgumentParser) -> None:
    """The text of a command, for `read_text`."""
    parser.add_argument("text", nargs="?", default=None, help="the text; - or nothing reads standard input")


def read_text(given: str | None) -> str:
    """The text of the command: the argument, or standard input (its one last newline removed). Raises ParameterError."""
    if given is not None and given != "-":
        return given
    if given is None and sys.stdin.isatty():
        raise ParameterError("no text: give it as an argument, or pipe it in")
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ParameterError(
            f"standard input is not UTF-8 (byte {error.object[error.start]:#04x} at {error.start}): "
            "convert it first, for example with iconv"
        ) from error
    return text[:-1] if text.endswith("\n") else text


def load_tokenizer(options: argparse.Namespace) -> "GPTNeoXJapaneseTokenizer":
    """The tokenizer that the options name: --model, --revision, --offline and --compat, where a command has them."""
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

    return GPTNeoXJapaneseTokenizer.from_pretrained(
        options.model,
        revision=options.revision,
        local_files_only=getattr(options, "offline", False),
        compat=getattr(options, "compat", None),
    )


def model_arguments(parser: argparse.ArgumentParser) -> None:
    """The model of a command and how to load it, for `load_model`."""
    parser.add_argument("--model", default=default_model(), help="folder or Hub id (default: the bundled model)")
    parser.add_argument("--revision", default=os.environ.get("NEOXJP_REVISION"), help="Hub revision")
    parser.add_argument(
        "--dtype",
        default=os.environ.get("NEOXJP_DTYPE", "auto"),
        help="float32, bfloat16 or float16; auto: as stored, on a CPU the fastest that loses nothing",
    )
    parser.add_argument(
        "--quantization", default=os.environ.get("NEOXJP_QUANTIZATION") or None, help="int8: a byte a weight (default: none)"
    )
    parser.add_argument(
        "--device", default=None, help="cpu, cuda, cuda:1 or auto (accelerate spreads the layers); default: cuda if there is one"
    )
    parser.add_argument("--offline", action="store_true", help="use only what is already on this machine")


def load_model(options: argparse.Namespace) -> "tuple[GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer]":
    """Model and tokenizer that the options name."""
    import torch

    from neoxjp.engine import heed_quota
    from neoxjp.hub import resolve_model
    from neoxjp.model import GPTNeoXJapaneseForCausalLM, cpu_dtype
    from neoxjp.weights import parse_dtype

    heed_quota()
    tokenizer = load_tokenizer(options)
    dtype = parse_dtype(options.dtype or "auto")
    folder = resolve_model(options.model, revision=options.revision, local_files_only=options.offline)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if dtype is None and device == "cpu" and options.quantization is None:
        dtype = cpu_dtype(folder)
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(folder, dtype=dtype, quantization=options.quantization, device_map=device)
    return model, tokenizer


def emit(record: dict[str, Any]) -> None:
    """One line of JSON; escaped where standard output cannot hold it as it is (another encoding, bytes that are not UTF-8)."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        line = json.dumps(record, allow_nan=False)
    print(line)
