"""A token view as text to paste elsewhere: HTML with its own styles, Markdown, plain text with separators.

Each has what the page shows: one box per token (the bytes of one character are one box), ≈ if decoding writes another spelling,
≠ if it writes something else, how many tokens a split character takes, ␣ ⏎ ⇥ for invisible characters.

>>> copy(tokenizer.analyze("慶應と慶応 "), "慶應と慶応 ", "text")
'≈慶應│と│慶応│␣'
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby, islice
from typing import Literal, get_args

from neoxjp.errors import ParameterError
from neoxjp.labs.common.glyphs import SCRIPTS, Box, Mark, boxes, legend
from neoxjp.labs.common.templates import render
from neoxjp.tokenizer import Script, Token

Format = Literal["text", "markdown", "html"]

SIGNS: dict[Mark, str] = {"folded": "≈", "lossy": "≠"}
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LONGEST_SEPARATOR = 20  # characters

ENGLISH: Mapping[str, str] = {
    **{script: script for script in SCRIPTS},
    "latin": "Latin", "digit": "digits", "symbol": "symbols", "space": "blanks",
    "folded": "decoded as another spelling", "lossy": "decoded differently",
    "bytes": "small number = tokens of a character split into bytes",
}  # fmt: skip
"""The words of the legends. The page has the same keys in the visitor's language."""

# Each has a contrast of 3:1 on white and on a page as dark as #12161f. Boxes are transparent, the text has the reader's colour.
COLOURS: dict[Script, str] = {
    "hiragana": "#0072b2", "katakana": "#d55e00", "kanji": "#00805d", "latin": "#b1508a", "digit": "#8a6d00",
    "symbol": "#1d7fb4", "emoji": "#6b7280", "space": "#6b7280", "other": "#6b7280",
}  # fmt: skip
UNDERLINES: dict[Mark, str] = {
    "folded": "text-decoration:underline dotted 2px;text-underline-offset:3px",
    "lossy": "text-decoration:underline wavy 1.5px;text-underline-offset:3px",
}


def first(tokens: Sequence[Token], limit: int) -> list[Token]:
    """The tokens of the first `limit` boxes: the bytes of a character stay together."""
    return [token for box in islice(boxes(tokens, ""), limit) for token in box.tokens]


def copy(
    tokens: Sequence[Token],
    text: str,
    format: Format,
    *,
    separator: str = "│",
    ids: bool = False,
    words: Mapping[str, str] = ENGLISH,
    caption: str | None = None,
) -> str:
    """The token view in one of the formats.

    "text": boxes with separators; a newline ends its line: "≈慶應│と│⏎", with ids "≈慶應 [4810]│と [7368]". "markdown": boxes as
    code spans, in which Markdown changes nothing: "≈`慶應` `と`", with ids "≈`慶應` (4810)"; below, the legend. "html": one
    `<div>` that needs no style sheet and can be read on light and on dark pages.

    Args:
        separator: between the boxes of "text".
        words: the words of the legend.
        caption: precedes the legend; None: the number of tokens.

    Raises:
        ParameterError: an unknown format, or a separator that is too long.
    """
    if format not in get_args(Format):
        raise ParameterError(f"format={str(format)[:40]!r}: choose {', '.join(map(repr, get_args(Format)))}")
    if not isinstance(separator, str) or len(separator) > LONGEST_SEPARATOR:
        raise ParameterError(f"separator={str(separator)[:40]!r}: expected up to {LONGEST_SEPARATOR} characters")
    found = list(boxes(tokens, text))
    if format == "text":
        return _lines(found, lambda box: box.shown, separator, " [{}]" if ids else "")
    notes = legend(found, words, SIGNS)
    caption = f"{len(tokens):,} token" + "s" * (len(tokens) != 1) if caption is None else caption
    if format == "html":
        styles = {"colours": COLOURS, "underlines": UNDERLINES, "signs": SIGNS}
        t = words.__getitem__
        return render("labs/share_link/view.html", "copy", t, boxes=found, caption=caption, legend=notes, ids=ids, **styles)
    pieces = _lines(found, lambda box: _code(box.shown), " ", " ({})" if ids else "")
    below = [caption, *(note for name, note in notes if name not in SCRIPTS)]
    return "\n\n".join(filter(None, [pieces, " · ".join(filter(None, below))]))


def _lines(found: Sequence[Box], write: Callable[[Box], str], separator: str, ids: str) -> str:
    """The boxes with their marks, numbers (𩸽⁴) and ids, separated; after a newline a line break replaces the separator."""
    out = []
    for box in found:
        count = str(len(box.tokens)).translate(RAISED) if len(box.tokens) > 1 else ""
        out += [SIGNS[box.mark] if box.mark else "", write(box), count, ids.format(box.ids)]
        out.append("\n" if box.ends_line else separator)
    return "".join(out[:-1])


def _code(shown: str) -> str:
    """A Markdown code span: "a`b" → "``a`b``". The fence is longer than any backticks inside; at an edge they get a blank."""
    runs = [len(list(group)) for character, group in groupby(shown) if character == "`"]
    fence = "`" * (max(runs, default=0) + 1)
    edge = " " if not shown or "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{edge}{shown}{edge}{fence}"
