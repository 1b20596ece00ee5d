"""Answers to a visitor or an API caller: expected errors as a sentence in their language, values as JSON can hold them."""

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import COMMON, Strings, Words, language

T = TypeVar("T")


def message_of(error: NeoxjpError, request: gr.Request | None) -> str:
    """The error's sentence in the visitor's language."""
    return error.ja or str(error) if language(request) == "ja" else str(error)


def answered(show: Callable[[Words], T], failed: Callable[[str], T], request: gr.Request, strings: Strings = COMMON) -> T:
    """What `show(t)` returns, or for an expected error `failed(notice)` with its message as HTML."""
    try:
        return show(strings.words(language(request)))
    except NeoxjpError as error:
        return failed(render.notice(message_of(error, request), "error"))


def plain(value: Any) -> Any:
    """The value with U+FFFD for lone surrogates, which JSON on the wire cannot hold."""
    if isinstance(value, str):
        return render.replace_surrogates(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def check_length(playground: Playground, text: str, limit: int | None = None) -> None:
    """Raises ParameterError: the text is longer than the limit of the page (or `limit`), or not a string."""
    if not isinstance(text, str):
        raise ParameterError(f"text={text!r}: expected a string")
    limit = playground.limits.characters if limit is None else limit
    if len(text) > limit:
        raise COMMON.error(ParameterError, "t_too_long", n=f"{len(text):,}", limit=f"{limit:,}")


def whole_numbers(**given: Any) -> None:
    """Raises ParameterError for the first that is not a whole number. It does not check ranges."""
    for name, value in given.items():
        if type(value) is not int:
            raise ParameterError(f"{name}={value!r:.40} must be a whole number")
