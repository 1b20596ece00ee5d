"""One process at a time writes to a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neoxjp.errors import ParameterError
from neoxjp.hub import write_error

try:
    import fcntl
except ImportError:  # Windows: two runs at once are not noticed there
    fcntl = None  # type: ignore[assignment]


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Make the folder, if there is none, and hold its lock, which ends with the process.

    Raises ParameterError where another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise write_error(folder, error) from error
    with lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ParameterError(
                    f"another run writes to {str(folder)!r} now: wait until it has finished, or name another folder"
                ) from None
        yield
