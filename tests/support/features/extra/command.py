"""A command that prints what it was given."""

from typing import Any

from neoxjp.labs.common.command import Command


def extra(**sampling: Any) -> None:
    """Print the sampling options.

    Args:
        **sampling: The sampling options.
    """
    print(sampling)


COMMANDS = (Command("extra", extra, "neoxjp extra --temperature 0.5"),)
