"""HTML of the page's frame that is the same in every state, from frame.html."""

from typing import Any

from neoxjp.labs.common.templates import render
from neoxjp.page_parts.strings import words


def render_frame(macro: str, **values: Any) -> str:
    """A macro of frame.html. Its words come as arguments, in both languages."""
    return render("ui/frame.html", macro, words("en"), **values)
