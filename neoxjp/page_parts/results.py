"""The last result that a section shows, to draw it again when the visitor switches the language."""

from collections.abc import Callable
from dataclasses import dataclass

from neoxjp.page_parts.session_memory import session_memory
from neoxjp.page_parts.strings import Lang, Words

BYTES_PER_CHARACTER = 4  # of the records that a result is drawn from, by the length of its HTML


@dataclass
class Result:
    """What one visitor's section shows. Where the pages take too much memory it is forgotten: then it keeps its language."""

    draw: Callable[[Words], tuple[str, ...]] | None = None  # the HTML of each part
    lang: Lang | None = None  # in which it is shown
    nbytes: int = 0

    def show(self, draw: Callable[[Words], tuple[str, ...]], t: Words) -> tuple[str, ...]:
        """The HTML, which is drawn again by `translated`."""
        shown = draw(t)
        self.draw, self.lang, self.nbytes = draw, t.lang, BYTES_PER_CHARACTER * sum(map(len, shown))
        session_memory.note(self)
        return shown

    def translated(self, t: Words) -> tuple[str, ...] | None:
        """The HTML in another language; None: there is nothing to draw, or it is shown in this language."""
        return None if self.draw is None or self.lang == t.lang else self.show(self.draw, t)

    def trim(self) -> None:
        """Forget it."""
        self.draw, self.nbytes = None, 0
