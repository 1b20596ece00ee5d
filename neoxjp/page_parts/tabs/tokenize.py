"""The components of the Tokens tab, which its sections use, too. ui/tokenize.py builds and connects them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import gradio as gr

from neoxjp.labs.common.glyphs import Box, sign_of
from neoxjp.page_parts import links
from neoxjp.page_parts.link_address import View
from neoxjp.page_parts.links import Linked
from neoxjp.page_parts.tabs import sections
from neoxjp.page_parts.text.editing import shown_text
from neoxjp.page_parts.token_editor import Document, Piece, TokenEditor

REST = 2_000  # characters of a piece of text whose tokens are not shown
SLACK = 200  # pieces by which the number of those with ids may differ from the limit


@dataclass(frozen=True)
class TokenizeTab:
    """The components of the tab."""

    document: gr.State  # a `Document`: the text, as input of a section
    editor: TokenEditor  # `TokenEditor.give(text)` puts another text into it
    examples: dict[str, gr.Button]
    show_ids: gr.Checkbox
    links: links.Links
    ids: gr.Textbox
    paste: gr.Textbox
    paste_note: gr.HTML
    pasted: gr.Textbox
    lab: sections.Lab

    def linked(self, tabs: gr.Tabs) -> Linked:
        """What a link to this tab restores; `tabs` are those of the page."""

        def remember(document: Document, view: View) -> None:
            document.to_select = None if view.selected is None else (view.text, view.selected)

        return Linked(
            "tokenize",
            tabs,
            self.document,
            self.lab,
            {"ids": self.show_ids},
            growing={},
            view=lambda document, selected: View(document.text, "", selected=selected),
            remember=remember,
            filled=self.editor,
            fill=TokenEditor.give,
        )


def pieces_of(boxes: Iterable[Box], text: str, limit: int, before: Sequence[Piece] = ()) -> tuple[Piece, ...]:
    """The pieces of a text. Of a long one about the first `limit` have ids.

    Args:
        boxes: those of the whole text.
        before: the pieces of the text before. What is shown without tokens begins at the same place again, so that an edit of a
            long text is not answered with all of it.
    """
    shown = list(islice(boxes, limit + SLACK + 1))
    if len(shown) <= limit:
        return tuple(map(piece_of, shown))
    rest = [piece for piece in before if not piece.ids]
    start = len(text) - sum(len(piece.text) for piece in rest)
    place = next((place for place, box in enumerate(shown) if box.start == start), -1)
    if not rest or place < max(limit - SLACK, 1) or text[start:] != "".join(piece.text for piece in rest):
        place, start = limit, shown[limit].start
        rest = [Piece(shown_text(text[at : at + REST]), (), own=True) for at in range(start, len(text), REST)]
    return (*map(piece_of, shown[:place]), *rest)


def piece_of(box: Box) -> Piece:
    """A box as a piece with its marks."""
    ids, marks = tuple(token.id for token in box.tokens), f"{box.script} {box.mark}" if box.mark else box.script
    return Piece(shown_text(box.surface), ids, own=True, sign=sign_of(box.surface), marks=marks)
