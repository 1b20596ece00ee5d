"""What every command does alike: where its text comes from, which tokenizer it asks for, how a record is printed.

Knows no single command; cli.py and the rooms that bring commands of their own (lab/) share it.
"""

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from neoxjp.errors import ParameterError
from neoxjp.folders import bundled_path

if TYPE_CHECKING:
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


def emit(record: dict[str, Any]) -> None:
    """One line of JSON; escaped where standard output cannot hold it as it is (another encoding, bytes that are not UTF-8)."""
    line = json.dumps(record, ensure_ascii=False, allow_nan=False)
    try:
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        line = json.dumps(record, allow_nan=False)
    print(line)
