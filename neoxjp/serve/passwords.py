"""The users of a page with `--auth-file`: a file as Apache's `htpasswd -B` writes it, one `name:bcrypt hash` a line."""

from collections.abc import Callable
from pathlib import Path

import bcrypt

from neoxjp.errors import ParameterError

_NOBODY = bcrypt.hashpw(b"nobody", bcrypt.gensalt(10))


def password_check(file: Path) -> Callable[[str, str], bool]:
    """Whether a name and a password are in the file, for Gradio's `auth`. The file is read once.

    An unknown name takes as long as a wrong password, so that nobody learns which names there are.

    Raises:
        ParameterError: the file cannot be read, has no user, or a line is not `name:bcrypt hash`.
    """
    users = _read(file)

    def known(name: str, password: str) -> bool:
        stored = users.get(name, _NOBODY)
        return bcrypt.checkpw(password.encode()[:72], stored) and name in users  # bcrypt reads 72 bytes

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
