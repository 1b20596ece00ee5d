"""The command line `neoxjp …`. `run` makes a command line of a single function, as the scripts in examples/ do."""

from neoxjp.cli.main import run

__all__ = ["run"]
