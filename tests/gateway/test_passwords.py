"""`--auth-file`: who may see the page."""

import asyncio
from pathlib import Path

import bcrypt
import pytest

from neoxjp.errors import ParameterError
from neoxjp.gateway.passwords import password_check
from tests.support.loops import awaited


def hashed(password: str) -> str:
    """As `htpasswd -B` writes it."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$")


def written(folder: Path, text: str) -> Path:
    file = folder / "users.htpasswd"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_name_with_its_own_password_is_known(tmp_path: Path):
    check = password_check(written(tmp_path, f"# users\nanna:{hashed('ねこ')}\n\nben:{hashed('b')}\n"))

    async def known() -> list[bool]:
        given = (
            ("anna", "ねこ"),
            ("ben", "b"),
            ("anna", "b"),
            ("", ""),
            ("carl", "ねこ"),
            ("anna", "x" * 1000),
            ("anna", "\ud800"),
        )
        return list(await asyncio.gather(*(check(*pair) for pair in given)))

    assert awaited(known) == [True, True, False, False, False, False, False]


@pytest.mark.parametrize("line", ["anna:secret", ":HASH", "anna", "anna:$2y$04$short"])
def test_a_line_that_is_no_user_is_named(tmp_path: Path, line: str):
    with pytest.raises(ParameterError, match="line 2: expected name:hash"):
        password_check(written(tmp_path, f"ok:{hashed('x')}\n{line.replace('HASH', hashed('x'))}\n"))


def test_a_file_without_users_or_no_file_is_refused(tmp_path: Path):
    with pytest.raises(ParameterError, match="has no user: add one with `htpasswd -B -c"):
        password_check(written(tmp_path, "\n# nobody\n"))
    with pytest.raises(ParameterError, match="cannot be read"):
        password_check(tmp_path / "missing")
