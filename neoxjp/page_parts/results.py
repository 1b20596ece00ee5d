"""The last result that a section shows, to draw it again when the visitor switches the language or the page has another model."""

from collections.abc import Callable
from dataclasses import dataclass

from neoxjp.labs.common.html import notice
from neoxjp.page_parts.session.memory import session_memory
from neoxjp.page_parts.strings import Lang, Words

BYTES_PER_CHARACTER = 4  # of the records that a result is drawn from, by the length of its HTML


@dataclass
class Result:
    """What one visitor's section shows. Where the pages take too much memory it is forgotten: then it keeps its language."""

    draw: Callable[[Words], tuple[str, ...]] | None = None  # the HTML of each part
    lang: Lang | None = None  # in which it is shown
    model: int | None = None  # serial of the model that it is of; None: it depends on none, or says which
    earlier: bool = False  # a notice says that it is of an earlier model
    nbytes: int = 0

    def show(self, draw: Callable[[Words], tuple[str, ...]], t: Words, model: int | None = None) -> tuple[str, ...]:
        """The HTML, which is drawn again by `translated`."""
        shown = draw(t)
        self.draw, self.lang, self.model, self.earlier = draw, t.lang, model, False
        self.nbytes = BYTES_PER_CHARACTER * sum(map(len, shown))
        session_memory.note(self)
        return shown

    def translated(self, t: Words, model: int | None = None) -> tuple[str, ...] | None:
        """The HTML in another language, or with a notice where `model` is now another one than it is of.

        None: there is nothing to draw, or nothing changed.
        """
        earlier = self.model is not None and model is not None and self.model != model
        if self.draw is None or (self.lang, self.earlier) == (t.lang, earlier):
            return None
        first, *others = self.show(self.draw, t, self.model)
        self.earlier = earlier
        return f"{notice(t('earlier_model')) if earlier else ''}{first}", *others

    def trim(self) -> None:
        """Forget it."""
        self.draw, self.nbytes = None, 0
