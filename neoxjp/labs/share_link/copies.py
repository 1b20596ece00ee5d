"""A token view as something to paste elsewhere: HTML with its own styles, Markdown, plain text with separators.

Each is what the page shows: one box a token (the bytes of one character are one box), ≈ where a spelling is folded into another,
≠ where the text comes back different, how many tokens a split character takes, ␣ ⏎ ⇥ for what cannot be seen.

>>> as_text(tokenizer.analyze("慶應と慶応 "), "慶應と慶応 ")
'≈慶應│と│慶応│␣'
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Literal, get_args

from neoxjp.errors import ParameterError
from neoxjp.labs.common.glyphs import SCRIPTS, glyphs
from neoxjp.tokenizer.normalize import Script
from neoxjp.tokenizer.tokenizer import Token

Format = Literal["text", "markdown", "html"]
Mark = Literal["folded", "lossy"]

SIGNS: dict[Mark, str] = {"folded": "≈", "lossy": "≠"}
RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LONGEST_SEPARATOR = 20  # characters

ENGLISH: Mapping[str, str] = {
    **{script: script for script in SCRIPTS},
    "latin": "Latin", "digit": "digits", "symbol": "symbols", "space": "blanks",
    "folded": "folded into another spelling", "lossy": "comes back different",
    "bytes": "small number = tokens of a character split into bytes",
}  # fmt: skip
"""What the legends say; the page has the same keys in the visitor's language."""

# Each can be told from white and from a page as dark as #12161f (3:1). Boxes are see-through, their ink is the reader's own.
COLOURS: dict[Script, str] = {
    "hiragana": "#0072b2", "katakana": "#d55e00", "kanji": "#00805d", "latin": "#b1508a", "digit": "#8a6d00",
    "symbol": "#1d7fb4", "emoji": "#6b7280", "space": "#6b7280", "other": "#6b7280",
}  # fmt: skip
BACKGROUNDS = ("#5a66c422", "#5a66c444")
BOX = "display:inline-block;line-height:1.45;padding:0 2px;margin:0 1px 2px 0;border-radius:3px;border-right:1px solid #7f8bd8"
LINES: dict[Mark, str] = {
    "folded": "text-decoration:underline dotted 2px;text-underline-offset:3px",
    "lossy": "text-decoration:underline wavy 1.5px;text-underline-offset:3px",
}
ID = "display:block;margin-top:3px;text-align:center;font:10px/1.3 monospace;white-space:nowrap"

WHOLE = "white-space:nowrap"
COUNT = "font-size:10px;unicode-bidi:isolate"  # isolated: behind a Hebrew letter, too


@dataclass(frozen=True, slots=True)
class Box:
    """One box of a token view: a token, or all the byte tokens of one character."""

    shown: tuple[tuple[str, bool], ...]  # what stands in it, and whether that is a sign for something invisible
    ids: tuple[int, ...]
    mark: Mark | None
    script: Script
    ends_line: bool  # a newline: the next box begins a line

    @property
    def text(self) -> str:
        return "".join(sign for sign, _ in self.shown)


def boxes(tokens: Sequence[Token], text: str) -> list[Box]:
    """The boxes of a text's tokens, as `render.tokens` draws them."""
    found = []
    for (start, end), group in groupby(tokens, key=lambda token: (token.start, token.end)):
        here = list(group)
        surface = text[start:end]
        mark: Mark | None = (
            "folded" if any(each.folded for each in here) else "lossy" if any(each.lossy for each in here) else None
        )
        ends = here[0].piece == "<BR>" or "\n" in surface
        found.append(Box(tuple(glyphs(surface)), tuple(each.id for each in here), mark, here[0].script, ends))
    return found


def first(tokens: Sequence[Token], limit: int) -> Sequence[Token]:
    """The tokens of the first `limit` boxes: no character is left with half of its bytes."""
    number = 0
    for i, token in enumerate(tokens):
        if i == 0 or (token.start, token.end) != (tokens[i - 1].start, tokens[i - 1].end):
            number += 1
            if number > limit:
                return tokens[:i]
    return tokens


def as_text(tokens: Sequence[Token], text: str, *, separator: str = "│", ids: bool = False) -> str:
    """Boxes with a separator between them; a newline ends its line as well: "≈慶應│と│⏎", with ids "≈慶應 [4810]│と [7368]"."""
    if not isinstance(separator, str) or len(separator) > LONGEST_SEPARATOR:
        raise ParameterError(f"separator={str(separator)[:40]!r}: expected up to {LONGEST_SEPARATOR} characters")

    def write(box: Box) -> str:
        return f"{_sign(box)}{box.text}{_count(box)}" + (f" [{_ids(box)}]" if ids else "")

    return _lines(boxes(tokens, text), write, separator)


def as_markdown(
    tokens: Sequence[Token],
    text: str,
    *,
    ids: bool = False,
    words: Mapping[str, str] = ENGLISH,
    caption: str | None = None,
) -> str:
    """Boxes in backticks, where Markdown changes nothing: "≈`慶應` `と`", with ids "≈`慶應` (4810)"; below, what the marks mean.

    Args:
        words: what the legend says.
        caption: stands before the legend; None: how many tokens there are.
    """

    def write(box: Box) -> str:
        return f"{_sign(box)}{_code(box.text)}{_count(box)}" + (f" ({_ids(box)})" if ids else "")

    found = boxes(tokens, text)
    notes = [
        _caption(tokens, caption),
        *(f"{SIGNS[mark]} {words[mark]}" for mark in SIGNS if mark in {box.mark for box in found}),
    ]
    if any(len(box.ids) > 1 for box in found):
        notes.append(words["bytes"])
    pieces = _lines(found, write, " ")
    return "\n\n".join(part for part in (pieces, " · ".join(note for note in notes if note)) if part)


def as_html(
    tokens: Sequence[Token],
    text: str,
    *,
    ids: bool = False,
    words: Mapping[str, str] = ENGLISH,
    caption: str | None = None,
) -> str:
    """One `<div>` that needs no style sheet and can be read on light and on dark pages. Everything of the text is escaped.

    Args:
        words: what the legend says.
        caption: stands before the legend; None: how many tokens there are.
    """
    found = boxes(tokens, text)
    pieces = "".join(_html_box(box, i, ids) for i, box in enumerate(found))
    caption = _caption(tokens, caption)
    notes = ([f"<span>{escape(caption)}</span>"] if caption else []) + _html_legend(found, words)
    below = f'<p style="margin:4px 0 0;font-size:13px;opacity:.85">{" &#160; ".join(notes)}</p>' if notes else ""
    return (
        f'<div style="line-height:2.1;font-size:18px"><div lang="ja" style="overflow-wrap:anywhere">{pieces}</div>{below}</div>'
    )


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
    """The copy in the format named. Raises ParameterError for another."""
    if format == "text":
        return as_text(tokens, text, separator=separator, ids=ids)
    if format == "markdown":
        return as_markdown(tokens, text, ids=ids, words=words, caption=caption)
    if format == "html":
        return as_html(tokens, text, ids=ids, words=words, caption=caption)
    raise ParameterError(f"format={str(format)[:40]!r}: choose {', '.join(map(repr, get_args(Format)))}")


# ---------------------------------------------------------------- parts


def _sign(box: Box) -> str:
    return SIGNS[box.mark] if box.mark else ""


def _count(box: Box) -> str:
    """How many tokens a split character takes, raised: 𩸽⁴."""
    return str(len(box.ids)).translate(RAISED) if len(box.ids) > 1 else ""


def _ids(box: Box) -> str:
    return " ".join(map(str, box.ids))


def _caption(tokens: Sequence[Token], caption: str | None) -> str:
    return (f"{len(tokens):,} token" + "s" * (len(tokens) != 1)) if caption is None else caption


def _lines(found: Sequence[Box], write: Callable[[Box], str], separator: str) -> str:
    """The boxes written with separators, a line break in the separator's place after a newline."""
    out = []
    for i, box in enumerate(found):
        out.append(write(box))
        if i + 1 < len(found):
            out.append("\n" if box.ends_line else separator)
    return "".join(out)


def _code(shown: str) -> str:
    """A code span of Markdown: "a`b" → "``a`b``". The fence is longer than any backticks inside; at an edge they get a blank."""
    runs = [len(list(group)) for character, group in groupby(shown) if character == "`"]
    fence = "`" * (max(runs, default=0) + 1)
    edge = " " if not shown or "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{edge}{shown}{edge}{fence}"


def _html_box(box: Box, place: int, ids: bool) -> str:
    style = f"{BOX};background:{BACKGROUNDS[place % 2]};border-bottom:3px {_line(box.script)} {COLOURS[box.script]}"
    shown = "".join(f'<span style="opacity:.65">{escape(sign)}</span>' if pale else escape(sign) for sign, pale in box.shown)
    if box.mark:
        shown = f'<small>{SIGNS[box.mark]}</small><span style="{LINES[box.mark]}">{shown}</span>'
    count = f'<sup style="{COUNT}">{len(box.ids)}</sup>' if len(box.ids) > 1 else ""
    below = f'<span style="{ID}">{_ids(box)}</span>' if ids else ""
    return f'<span style="{style}">{shown}{count}{below}</span>' + ("<br>" if box.ends_line else "")


def _line(script: Script) -> str:
    return "double" if script == "symbol" else "solid"


def _html_legend(found: Sequence[Box], words: Mapping[str, str]) -> list[str]:
    """What the lines and marks mean: only those that are there."""
    present = {box.script for box in found}
    items = [
        f'<span style="{WHOLE};border-bottom:3px {_line(script)} {COLOURS[script]}">{sign} {escape(words[script])}</span>'
        for script, sign in SCRIPTS.items()
        if script in present
    ]
    marks = {box.mark for box in found}
    items += [f'<span style="{WHOLE}">{sign} {escape(words[mark])}</span>' for mark, sign in SIGNS.items() if mark in marks]
    if any(len(box.ids) > 1 for box in found):
        items.append(f"<span>{escape(words['bytes'])}</span>")
    return items
