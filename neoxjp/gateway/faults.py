"""Exceptions that nobody expected: a sentence stands for each. The log leaves out their messages, which may repeat a text."""

import logging
import traceback

from neoxjp.errors import NeoxjpError

log = logging.getLogger(__name__)

MANY = 200  # places whose traceback was logged, at most


def expected(error: Exception) -> NeoxjpError:
    """The error itself where it is one of ours; else it is logged, and a sentence stands for it."""
    if isinstance(error, NeoxjpError):
        return error
    log_once(error)
    return NeoxjpError(
        "this did not work, because of a fault of the server or an unusual value; the server has logged where",
        ja="処理できませんでした。サーバーの不具合か、想定外の値のためです。発生箇所はサーバーに記録されました。",
    )


_logged: set[tuple[str, str]] = set()


def log_once(error: Exception) -> None:
    """Log where an exception comes from: with a traceback the first time, in one line later. Its message is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    kind, place = type(error).__name__, f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    if (kind, place) in _logged or len(_logged) >= MANY:
        log.error("%s at %s, again", kind, place)
    else:
        _logged.add((kind, place))
        log.error("%s at %s\n%s", kind, place, "".join(traceback.format_list(frames)))
