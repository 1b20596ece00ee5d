"""A text as pieces, and the patches that a page and its server exchange about it. Knows no Gradio and no HTML.

The server owns the pieces. The page sends an edit (positions in the text that both know), the server answers with a patch of
pieces; a text that the server changes itself, such as a stream, is a patch, too. Both count revisions: a patch that the page
missed is noticed, and the page asks for the whole text.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from neoxjp.errors import ParameterError

PIECE_BYTES = 250  # of memory, without its text


@dataclass(frozen=True)
class Piece:
    """A token, or all tokens of one character. `Piece("遊", (4401,), 0.004, 13)`

    Without ids it is text whose tokens are not shown.
    """

    text: str  # as the page shows it; the texts of all pieces together are the text of the field
    ids: tuple[int, ...]
    probability: float | None = None  # 0 to 1; None: not known
    rank: int | None = None  # among all tokens, from 1
    own: bool = False  # the visitor wrote it
    sign: str = ""  # drawn over it, where its text would be invisible: "⏎"
    marks: str = ""  # names of marks with blanks between them, such as "kanji folded": editor.css has their looks

    @property
    def wire(self) -> list[Any]:
        """The piece as the page receives it."""
        marks = [self.marks] if self.marks else []
        probability = None if self.probability is None else float(f"{self.probability:.4g}")
        return [self.text, list(self.ids), probability, self.rank, int(self.own), self.sign, *marks]


@dataclass(frozen=True)
class Edit:
    """What a visitor changed: `delete` characters (code points) from `start` on were replaced by `insert`."""

    revision: int  # of the text that it was made in
    start: int
    delete: int
    insert: str
    whole: bool = False  # `insert` is the whole text

    @classmethod
    def read(cls, sent: Any) -> "Edit":
        """From the data of an event. Raises ParameterError: it is no edit."""
        given = sent if isinstance(sent, dict) else {}
        if type(given.get("text")) is str:
            return cls(0, 0, 0, given["text"], whole=True)
        revision, start, delete, insert = (given.get(name) for name in ("revision", "start", "delete", "insert"))
        if not (_count(revision) and _count(start) and _count(delete) and isinstance(insert, str)):
            raise ParameterError(f"expected revision, start, delete and insert, found {str(sent)[:60]!r}")
        return cls(revision, start, delete, insert)

    def apply(self, text: str) -> str:
        """The text after the edit. Raises ParameterError: it reaches beyond the end of the text."""
        if self.whole:
            return self.insert
        if self.start + self.delete > len(text):
            raise ParameterError(f"an edit of {self.delete} characters at {self.start} in a text of {len(text)}")
        return text[: self.start] + self.insert + text[self.start + self.delete :]


@dataclass
class Document:
    """The text of one page, as its server knows it. It changes with each patch."""

    pieces: tuple[Piece, ...] = ()
    revision: int = 0
    to_select: tuple[str, int] | None = None  # a text, and the position of the token to select once the page has it
    trimmed: bool = False  # it has the text without its tokens

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return len(self.pieces) * PIECE_BYTES + 2 * sum(len(piece.text) for piece in self.pieces)

    def trim(self) -> None:
        """Keep the text alone: with its next edit, or request, the page sends all of it and gets its tokens again."""
        if self.pieces:
            self.pieces, self.revision, self.trimmed = (Piece(self.text, ()),), self.revision + 1, True

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)

    def patch(self, pieces: Sequence[Piece], *, answers: Edit | None = None, running: bool = False, **more: Any) -> str:
        """Change to these pieces. Returns the patch for the page, as JSON.

        Args:
            answers: the edit that this is the answer to: the page's field has this text already.
            running: the text grows, and cannot be edited.
            more: `message` (a sentence to show), `select` (place of the first id of the token to select), `ask` (True: the page
                sends the event `ask`, whose answer may take longer), `same` (True: the tokens are the same as before), `also`
                (for the page around the editor, as the detail of the DOM event "token-editor-also").
        """
        new, typed = tuple(pieces), answers is not None
        self.trimmed = self.trimmed and new == self.pieces
        if self.to_select is not None and "".join(piece.text for piece in new) == self.to_select[0]:
            if self.to_select[1] < sum(len(piece.ids) for piece in new):
                more["select"] = self.to_select[1]
            self.to_select = None
        if answers is not None and answers.whole:
            return self._sent(new, {"whole": True} | more, new, typed=True)
        start = _shared(self.pieces, new)
        end = min(_shared(self.pieces[start:][::-1], new[start:][::-1]), len(new) - start)
        found = {"base": self.revision, "start": start, "delete": len(self.pieces) - end - start}
        return self._sent(new, found | more, new[start : len(new) - end], typed=typed, running=running)

    def whole(self, *, running: bool = False, **more: Any) -> str:
        """The patch for a page that knows nothing. running, more: as in `patch`."""
        if self.trimmed:
            return self.unknown()
        return self._sent(self.pieces, {"whole": True} | more, self.pieces, running=running)

    def refused(self, message: str) -> str:
        """The answer to an edit that was not accepted: the page keeps its text, and shows why."""
        return self._sent(self.pieces, {"base": self.revision, "start": 0, "delete": 0}, (), typed=True, message=message)

    def unknown(self) -> str:
        """Asks the page for its whole text."""
        return self._sent(self.pieces, {"want": "text"}, ())

    def _sent(self, pieces: tuple[Piece, ...], found: dict[str, Any], new: Sequence[Piece], **flags: Any) -> str:
        self.pieces = pieces
        self.revision += 1
        sent = found | {"revision": self.revision, "pieces": [piece.wire for piece in new]}
        return json.dumps(sent | {name: value for name, value in flags.items() if value}, ensure_ascii=False)


def _count(value: Any) -> TypeGuard[int]:
    """Whether it is a whole number of a size that a text can have."""
    return type(value) is int and 0 <= value < 2**31


def _shared(a: Sequence[Piece], b: Sequence[Piece]) -> int:
    """How many pieces at the front are the same."""
    shortest = min(len(a), len(b))
    return next((at for at in range(shortest) if a[at] is not b[at] and a[at] != b[at]), shortest)
