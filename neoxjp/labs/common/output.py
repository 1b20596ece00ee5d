"""Where a command writes: a file is there only when all of it is written."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neoxjp.errors import ParameterError


def check_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Before long work: raise ParameterError where `path` cannot be written, or is one of the files that are read."""
    if path.is_dir():
        raise ParameterError(f"cannot write {path}: it is a folder; give the name of a file")
    if not path.parent.is_dir():
        raise ParameterError(f"cannot write {path}: there is no folder {path.parent}")
    if path.exists() and any(each.exists() and path.samefile(each) for each in inputs):
        raise ParameterError(f"cannot write {path}: it is one of the files to read; give another name")


@contextmanager
def output(path: Path | None) -> Iterator[Callable[[str], Any]]:
    """Where lines go: standard output, or a file that is there only when all of them are written.

    Raises:
        ParameterError: the file cannot be written. Any other error in the block leaves the old file as it was.
    """
    if path is None:
        yield sys.stdout.write
        return
    with _file(path) as write:
        yield lambda text: write(text.encode("utf-8"))


def write_file(path: Path, data: bytes | str) -> None:
    """Raises ParameterError where the file cannot be written; the old one is as it was then."""
    with _file(path) as write:
        write(data.encode("utf-8") if isinstance(data, str) else data)


@contextmanager
def _file(path: Path) -> Iterator[Callable[[bytes], Any]]:
    try:
        if path.exists() and not path.is_file():  # a pipe or a device; a folder is an error
            with path.open("wb") as file:
                yield file.write
            return
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".writing", dir=path.parent)
    except OSError as error:
        raise ParameterError(f"cannot write {path}: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file.write
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except OSError as error:
        raise ParameterError(f"cannot write {path}: {error.strerror}") from error
    finally:
        Path(name).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
