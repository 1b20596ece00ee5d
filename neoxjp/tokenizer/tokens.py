"""The tokens of one text as a list that a notebook shows in colours: inline styles, no script, for light and dark backgrounds."""

from collections.abc import Iterable
from html import escape

from neoxjp.tokenizer.segment import Token

_HUES = (210, 30, 130, 280, 0)  # degrees; neighbours differ
_BLANKS = {" ": "␣", "\u3000": "□", "\t": "⇥\t", "\n": "↵\n", "\r": "↵", "\r\n": "↵\n"}


class Tokens(list[Token]):
    """What `tokenizer.analyze` returns. `text` is the text that the tokens are of."""

    def __init__(self, tokens: Iterable[Token], text: str):
        super().__init__(tokens)
        self.text = text

    def _repr_html_(self) -> str:
        """For Jupyter: each token as the characters that it stands for, with id, piece and span as its title.

        A dotted line marks a variant that decoding writes in another spelling, a wavy line a loss, a dashed box one UTF-8 byte.
        """
        count = f"{len(self)} token" + ("" if len(self) == 1 else "s")
        body = "".join(self._html(number, token) for number, token in enumerate(self))
        return (
            '<div style="line-height:2;white-space:pre-wrap;overflow-wrap:anywhere">'
            f'{body}</div><div style="font-size:smaller;opacity:.75">{count}, {len(self.text)} characters</div>'
        )

    def _html(self, number: int, token: Token) -> str:
        surface = self.text[token.start : token.end]
        style = f"background:hsla({_HUES[number % len(_HUES)]},75%,50%,.28);color:inherit;padding:.15em .1em;border-radius:.2em"
        if token.kind == "byte":
            style += ";border:1px dashed;font-family:monospace;font-size:smaller"
        elif token.lossy and not token.folded:
            style += ";text-decoration:underline wavy"
        elif token.folded:
            style += ";text-decoration:underline dotted"
        shown = token.piece.removeprefix("<|byte").removesuffix("|>") if token.kind == "byte" else ""
        shown = f"{int(shown):02X}" if shown.isdecimal() else _BLANKS.get(surface, surface)
        return f'<span style="{style}" title="{_safe(self._title(token, surface))}">{_safe(shown)}</span>'

    def _title(self, token: Token, surface: str) -> str:
        parts = [f"id {token.id}", f"piece {token.piece!r}", f"characters {token.start} to {token.end}"]
        if token.kind == "byte":
            parts.append(f"one UTF-8 byte of {surface!r}")
        elif token.lossy or token.folded:
            parts.append(f"decoding writes {token.text!r}" + (", another spelling of the same id" if token.folded else ""))
        return ", ".join(parts)


def _safe(text: str) -> str:
    """HTML; a lone surrogate, which UTF-8 cannot carry, becomes U+FFFD."""
    return escape(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
