"""Records → HTML. Everything that came from a user or a vocabulary is escaped here, and only here.

Nothing in this file knows Gradio. Sentences come in through `say` (ui/strings.py), so that a view is written in the visitor's
language. What hovering and arrow keys do with the markup stands in `ui/assets/page.js`, the looks in `ui/assets/page.css`.
"""

import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Literal

Words = Callable[..., str]

GLYPHS = {"\n": "⏎", "\r": "⏎", "\r\n": "⏎", "\t": "⇥", " ": "␣", "\u3000": "□"}
"""What stands for a character that would be invisible in a box."""


def status(facts: Sequence[str], state: Literal["idle", "busy", "ready", "failed"], message: str) -> str:
    """The line in the page's head: facts about the model, then a mark and a word on how it stands."""
    items = "".join(f"<span>{escape(fact)}</span>" for fact in facts)
    return f'<div class="status {state}">{items}<span class="state" role="status">{escape(message)}</span></div>'


def short_count(number: int) -> str:
    """13_700_000 → "13.7M", 2_700_000_000 → "2.7B"."""
    for unit, size in (("B", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.1f}{unit}"
    return str(number)


def notice(message: str, kind: Literal["info", "error"] = "info") -> str:
    """One sentence on the spot; an error is announced to screen readers."""
    role = "alert" if kind == "error" else "status"
    return f'<p class="notice {kind}" role="{role}">{escape(message)}</p>'


def visible(text: str) -> str:
    """Escaped text in which blanks, newlines and tabs are pale glyphs, and invisible or bidirectional controls are named."""
    out = []
    for character in text.replace("\r\n", "\n"):
        if character in GLYPHS:
            out.append(f'<span class="blank">{GLYPHS[character]}</span>')
        elif _unseen(character):
            out.append(f'<span class="blank">U+{ord(character):04X}</span>')
        else:
            out.append(escape(character))
    return "".join(out)


def _unseen(character: str) -> bool:
    """Controls, zero-width and direction marks, lone surrogates: a box would look empty, or turn its neighbours round."""
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def attributes(**values: object) -> str:
    """`attributes(data_id=3, hidden=None)` → ` data-id="3"`: escaped; None leaves one out, underscores become hyphens."""
    given = ((name.rstrip("_").replace("_", "-"), value) for name, value in values.items() if value is not None)
    return "".join(f' {name}="{escape(str(value))}"' for name, value in given)


def data(value: object) -> str:
    """JSON for a `data-` attribute; escape it as any other text (`attributes` does)."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def bar(value: float, largest: float, label: str, *, series: int = 0) -> str:
    """A horizontal bar on a scale from 0 to `largest`, its number written beside it."""
    percent = 100 * value / largest if largest else 0
    return f'<span class="bar s{series}"><i style="width:{percent:.1f}%"></i><b>{escape(label)}</b></span>'


def table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A small table of facts; the first cell of a row is its heading. All cells are escaped."""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in others)
        lines.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    return f'<table class="facts">{f"<thead><tr>{top}</tr></thead>" if top else ""}<tbody>{"".join(lines)}</tbody></table>'
