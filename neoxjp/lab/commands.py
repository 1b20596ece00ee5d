"""The commands of the tokenizer lab: `neoxjp compare | explain | roundtrip | vocabulary | corpus`.

The parsers are here; what a command shows is computed in the other files of this folder, imported when it runs.
"""

from typing import Any


def add_commands(commands: Any, under: str) -> None:
    """Add them to a parser's subparsers; the function to call with the options is left in their attribute `under`."""
