"""The command line: `neoxjp COMMAND …`. One Typer application of the features' commands and those of this folder.

Each command is a thin layer over the functions that the page and a Python user call. It prints text or, with `--json`, one JSON
object, and reads standard input where no text is given. Expected errors are one line on standard error and exit code 2.
"""

import atexit
import errno
import gc
import io
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand

from neoxjp import __version__
from neoxjp.cli import app as page
from neoxjp.cli import bench, doctor, evaluate, export, generate, mcp, quantize, serve, tokenize, train
from neoxjp.errors import NeoxjpError
from neoxjp.labs.common.command import SEVERAL, Command, option, parameters
from neoxjp.labs.features import FEATURES, Feature
from neoxjp.sampling import OPTIONS, Option


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for an expected error, 130 when interrupted."""
    return _run(build(), "neoxjp", arguments)


def run(function: Callable[..., None]) -> NoReturn:
    """Run a script of one function: its parameters are the options, and an expected error is one line and exit code 2."""
    program = _group("")
    program.command(cls=_Command)(parameters(function, ()))
    sys.exit(_run(program, Path(sys.argv[0]).name))


def _run(application: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    _open_streams()
    # At its end Python would look through all objects of torch and Gradio for cycles: half a second, of the page three.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)
    program = typer.main.get_command(application)
    try:
        code = program.main(arguments, prog_name=name, standalone_mode=False) or 0
        sys.stdout.flush()
    except typer.Abort:
        return 130
    except OSError as error:
        return _output_failed(error, name)
    except Exception as error:
        # Typer brings click along under a private name or depends on it, by version: its errors are known by this method.
        if not hasattr(error, "format_message"):
            raise
        message, context = usage_message(error), getattr(error, "ctx", None)
        is_help = message.startswith("Usage:")  # of a group without a command
        print(message if is_help else f"{context.command_path if context else name}: {message}", file=sys.stderr)
        return 2
    return int(code)


def build(features: Iterable[Feature] = FEATURES, options: Iterable[Option] = OPTIONS) -> typer.Typer:
    """The command line of the features, with the sampling options of a table."""
    rows = tuple(options)
    program = _group("GPT-NeoX-Japanese without the transformers library.")
    program.callback()(_version)
    commands = [*tokenize.COMMANDS, *generate.COMMANDS]
    for feature in features:
        module = feature.module("command")
        commands += module.COMMANDS if module else ()
    commands += [
        *export.COMMANDS,
        *quantize.COMMANDS,
        *train.COMMANDS,
        *evaluate.COMMANDS,
        *doctor.COMMANDS,
        *page.COMMANDS,
        *serve.COMMANDS,
        *mcp.COMMANDS,
    ]
    _add(program, commands, rows)
    tables = _group(bench.HELP)
    _add(tables, bench.COMMANDS, rows)
    program.add_typer(tables, name="bench", short_help=bench.HELP)
    return program


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"neoxjp {__version__}")
        raise typer.Exit


def _version(
    version: Annotated[bool, option("Print the version and exit.", "--version", is_eager=True, callback=_print_version)] = False,
) -> None:
    """The options of the whole command line."""


def _group(help: str) -> typer.Typer:
    return typer.Typer(
        help=help, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )


def _add(group: typer.Typer, commands: Iterable[Command], rows: tuple[Option, ...]) -> None:
    for command in commands:
        run = parameters(command.run, rows)
        group.command(command.name, cls=_Command, epilog=f"Example: {command.example}", short_help=_first_line(run))(run)


def _first_line(function: Any) -> str:
    return (function.__doc__ or "").strip().split("\n")[0].removesuffix(".")


class _Command(TyperCommand):
    """A command whose errors are one line, and whose options may take several values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.allow_extra_args = True  # so that the sentence about them is ours
        rest = super().parse_args(ctx, _one_value_each(self.params, args))
        if ctx.args and not ctx.resilient_parsing:
            extra = " ".join(ctx.args)
            if (text := ctx.params.get("text")) is not None:
                ctx.fail(f"the text has several words: put the text into quotes, '{text} {extra}'")
            ctx.fail(f"unexpected {extra!r}")
        return rest

    def invoke(self, ctx: Any) -> None:
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except NeoxjpError as error:
            print(f"{ctx.command_path}: {error_message(error, self.params)}", file=sys.stderr)
            raise typer.Exit(2) from error
        except OSError as error:
            raise typer.Exit(_output_failed(error, ctx.command_path)) from error
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def error_message(error: NeoxjpError, params: Iterable[Any]) -> str:
    """The error in the words of the command line: "top_p=7 must be …" → "--top-p 7 must be …"."""
    message = error.plain
    for param in params:
        flag = max(param.opts, key=len)
        if flag.startswith("--"):
            message = re.sub(rf"\b{param.name}=", f"{flag} ", message)
            if "_" in param.name:  # "lower max_new_tokens": no other word looks like this
                message = re.sub(rf"\b{param.name}\b", flag, message)
    return message


def usage_message(error: Any) -> str:
    """What Typer found wrong, as one sentence, with the option that was probably meant."""
    possible = getattr(error, "possibilities", None)
    if possible:
        return f"no such option: {error.option_name}. Did you mean {' or '.join(sorted(possible))}?"
    message = error.format_message()
    if message.startswith("Usage:"):
        return str(message)
    message = " ".join(message.split())
    return message[:1].lower() + message[1:]


def _one_value_each(params: Iterable[Any], args: list[str]) -> list[str]:
    """`--file a b` → `--file a --file b`, for the options that take several values."""
    several = {name for param in params if (param.metavar or "").endswith(SEVERAL) for name in param.opts if name[:1] == "-"}
    flat: list[str] = []
    name = ""  # of the option whose values follow
    for place, arg in enumerate(args):
        if arg == "--":
            return [*flat, *args[place:]]
        if arg.startswith("-") and len(arg) > 1:
            name = arg if arg in several else ""
            flat.append(arg)
        else:
            flat += [name, arg] if name and flat[-1] != name else [arg]
    return flat


def _open_streams() -> None:
    """Streams that are closed write to nowhere; what an encoding cannot write is written as its number."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - until the process ends
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _output_failed(error: OSError, path: str) -> int:
    """The exit code where standard output takes no more: 0 if its reader (head, less) has left, 2 and a line for a full disk.

    Any other error of the system is a fault of ours and is raised again.
    """
    if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered: Python would complain at its end
    if error.errno == errno.EPIPE:
        return 0
    print(f"{path}: the output cannot be written: {error.strerror}", file=sys.stderr)
    return 2


def console() -> NoReturn:
    """The program `neoxjp`."""
    leave(main())


def leave(code: int) -> NoReturn:
    """End this process: at once where a launcher has started several, or where a model is still being loaded.

    Gloo's threads may abort a process that shuts down slowly, and Python aborts where another thread computes with torch.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if several:
        from torch import distributed

        if code == 0 and distributed.is_initialized():
            distributed.destroy_process_group()
    session: Any = sys.modules.get("neoxjp.page_parts.session.playground")
    if several or (session and any(thread.name == session.LOADING for thread in threading.enumerate())):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
