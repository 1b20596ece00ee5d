"""Records → HTML through Jinja2 templates. Autoescape is on: whatever a template inserts is escaped.

A feature's `view.html` is a file of macros, one for each part that the page shows. In every macro `t(key, **values)` is the
sentence in the visitor's language (`labs/<feature>/strings.py`). A macro that needs markup of its own making takes a `Markup`.

>>> render("labs/common/macros.html", "notice", t, sentence="1 < 2")
'<p class="notice info" role="status">1 &lt; 2</p>'
"""

import json
import re
from collections.abc import Callable
from functools import cache
from html import escape
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from neoxjp.labs.common.glyphs import glyphs, replace_surrogates
from neoxjp.labs.common.measures import percent

Words = Callable[..., str]


def no_words(key: str, **values: object) -> str:
    """For a macro that has all its words as arguments."""
    raise KeyError(key)


def render(template: str, macro: str, t: Words = no_words, **values: Any) -> str:
    """What a macro of a template writes.

    Args:
        template: path below the package, "labs/heat_map/view.html".
        macro: name of the macro in it.
        t: the strings of the feature in the visitor's language.
        values: the macro's arguments.
    """
    module = environment().get_template(template).make_module({"t": t})
    return str(getattr(module, macro)(**values))


@cache
def environment() -> Environment:
    """The one environment: autoescape on, an unknown name is an error, and lone surrogates become U+FFFD."""
    made = Environment(
        loader=PackageLoader("neoxjp", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    made.filters |= {
        "visible": visible,
        "json": data,  # for a data- attribute: `data-words="{{ words|json }}"`
        "commas": lambda number: f"{number:,}",
        "number": number,
        "percent": percent,
    }
    return made


def visible(text: str, breaks: bool = False) -> Markup:
    """Escaped text with pale signs for blanks, newlines and tabs, and names for invisible and direction controls.

    `breaks`: the line breaks after each sign for a newline.
    """
    if breaks:
        return Markup("<br>").join(visible(line) for line in re.split(r"(?<=\n)|(?<=\r)(?!\n)", text))
    shown = ((escape(sign), pale) for sign, pale in glyphs(text))
    return Markup("".join(f'<i class="blank">{sign}</i>' if pale else sign for sign, pale in shown))


def data(value: object) -> str:
    """JSON for a `data-` attribute, not escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def number(value: float | None, digits: int) -> str:
    """1234.5 → "1,234.50" with two digits, None → "–"."""
    return "–" if value is None else f"{value:,.{digits}f}"


def _finalize(value: Any) -> Any:
    return replace_surrogates(value) if isinstance(value, str) and not isinstance(value, Markup) else value
