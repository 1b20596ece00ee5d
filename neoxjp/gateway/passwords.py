"""The users of a page with `--auth-file`: a file as Apache's `htpasswd -B` writes it, one `name:bcrypt hash` a line."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import bcrypt

from neoxjp.errors import ParameterError

_NOBODY = bcrypt.hashpw(b"nobody", bcrypt.gensalt(10))


def password_check(file: Path) -> Callable[[str, str], Awaitable[bool]]:
    """Whether a name and a password are in the file, for Gradio's `auth`. The file is read once.

    An unknown name takes as long as a wrong password, so that nobody learns which names there are. One password is checked at a
    time, in a thread: it takes a tenth of a second or more, in which others must be answered.

    Raises:
        ParameterError: the file cannot be read, has no user, or a line is not `name:bcrypt hash`.
    """
    users, turn = _read(file), asyncio.Lock()

    async def known(name: str, password: str) -> bool:
        stored, given = users.get(name, _NOBODY), password.encode("utf-8", "replace")[:72]  # bcrypt reads 72 bytes
        async with turn:
            return await asyncio.to_thread(bcrypt.checkpw, given, stored) and name in users

    return known


def _read(file: Path) -> dict[str, bytes]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"--auth-file {str(file)!r} cannot be read: {error}") from error
    users: dict[str, bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, stored = line.strip().partition(":")
        try:
            if not name:
                raise ValueError
            bcrypt.checkpw(b"", stored.encode())
        except ValueError:
            raise ParameterError(
                f"--auth-file {str(file)!r}, line {number}: expected name:hash as `htpasswd -B` writes it (bcrypt, $2y$…)"
            ) from None
        users[name] = stored.encode()
    if not users:
        raise ParameterError(f"--auth-file {str(file)!r} has no user: add one with `htpasswd -B -c {file} NAME`")
    return users
