"""The errors a user can cause. Each says what was asked, what was found and what to do.

The command line prints `str(error)` and exits with 2; the page shows `error.ja` or `str(error)`, by the visitor's language.
Any other exception is a bug and keeps its traceback.
"""

from pathlib import Path
from typing import Literal


class NeoxjpError(Exception):
    """Root of the expected errors.

    Args:
        message: what was asked, what was found, what to do.
        ja: the same in Japanese, for what a visitor of the page can cause.
        python: a further way out that only a Python caller has, such as an argument; the command line leaves it out.
    """

    def __init__(self, message: str, ja: str | None = None, python: str = ""):
        super().__init__(message + python)
        self.plain = message
        self.ja = ja or message


class VocabularyError(NeoxjpError, ValueError):
    """vocab.txt or emoji.json cannot be used, or an id is outside the vocabulary."""


class ConfigError(NeoxjpError, ValueError):
    """config.json is missing, is not JSON, or describes an impossible network."""


class CheckpointError(NeoxjpError, OSError):
    """A model folder or Hub id cannot be found, read or written; tensors are missing, unexpected or mis-shaped."""

    @classmethod
    def unreadable(cls, path: Path, error: OSError) -> "CheckpointError":
        """A file that the system refuses to read."""
        return cls(f"{str(path)!r} cannot be read: {error.strerror}", ja=f"{str(path)!r} を読み込めません（{error.strerror}）。")


class PeerUnavailable(NeoxjpError, RuntimeError):
    """A tokenizer to compare with is not available: its package, file or Hub repository is missing, gated or unreachable."""


class ParameterError(NeoxjpError, ValueError):
    """An argument is out of its range; the message names the field, the value and the range."""


class PromptTooLong(NeoxjpError, ValueError):
    """The prompt and the new tokens do not fit the model's context."""


def prompt_too_long(prompt: int, new: int, context: int, python: str = "") -> PromptTooLong:
    """The error for a prompt and new tokens that are more than the context, all counted in tokens."""
    return PromptTooLong(
        f"the prompt has {prompt} tokens and {new} new ones are asked for, but the context is {context}: "
        "shorten the prompt or lower max_new_tokens",
        python=python,
        ja=f"プロンプトの {prompt} トークンと生成する {new} トークンは、コンテキスト長 {context} に収まりません。"
        "プロンプトを短くするか、最大トークン数を減らしてください。",
    )


class QueueFull(NeoxjpError, RuntimeError):
    """The engine's queue is full, or a visitor's share of it.

    Args:
        message, ja: as in `NeoxjpError`.
        seconds: after how long it is worth trying again.
    """

    def __init__(self, message: str, ja: str | None = None, seconds: int = 60):
        super().__init__(message, ja)
        self.seconds = seconds


class ShuttingDown(NeoxjpError, RuntimeError):
    """The server ends: it finishes what runs and takes nothing new."""


class NotReady(NeoxjpError, RuntimeError):
    """The tokenizer or the model is not loaded (yet)."""


class EngineAway(NeoxjpError, RuntimeError):
    """The engine of another process cannot be reached, has ended, or answered something that no engine answers."""


def quoted(names: list[str], limit: int = 10) -> str:
    """Sorted names for an error message, shortened after `limit` with a count: "'a', 'b' and 3 more"."""
    shown = ", ".join(repr(name) for name in sorted(names)[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def language_of(accept_language: str) -> Literal["ja", "en"]:
    """Which of the two sentences of an error a client reads: by the first language in its Accept-Language header."""
    return "ja" if accept_language.strip().lower().startswith("ja") else "en"
