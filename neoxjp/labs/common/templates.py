"""Records → HTML through Jinja2 templates. Autoescape is on: whatever a template inserts is escaped.

A feature's `view.html` is a file of macros, one for each part that the page shows. In every macro `t(key, **values)` is the
sentence in the visitor's language (`labs/<feature>/strings.py`). A macro that needs markup of its own making takes a `Markup`.

>>> render("labs/heat_map/view.html", "scale", t, steps=steps)
'<p class="heat-scale">…</p>'
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from neoxjp.labs.common.html import data, visible, whole

Words = Callable[..., str]


def render(template: str, macro: str, t: Words, **values: Any) -> str:
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
        "visible": lambda text: Markup(visible(text)),  # blanks, controls and direction marks as pale signs
        "json": data,  # for a data- attribute: `data-words="{{ words|json }}"`
        "commas": lambda number: f"{number:,}",
    }
    return made


def _finalize(value: Any) -> Any:
    return whole(value) if isinstance(value, str) and not isinstance(value, Markup) else value
