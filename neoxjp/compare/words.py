"""Words by Sudachi, in its three split modes.

国家公務員 → A: 国家, 公務, 員 (the shortest units); B: 国家, 公務員; C: 国家公務員 (names are not split). This is with the core
dictionary, which the extra `peers` installs. The small one, which is always installed, has few words of several units: there the
modes differ only in words such as 振り上げる, and 国家公務員 is three words in each.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal

from neoxjp.compare.pieces import Piece, from_spans
from neoxjp.japanese import SURROGATE, Mode, split_text, sudachi_tokenizer


@dataclass(frozen=True)
class Words:
    """One token per word of the dictionary; whitespace and punctuation are words too. Thread-safe."""

    mode: Mode
    name: str
    edition: Literal["small", "core"]

    def pieces(self, text: str) -> list[Piece]:
        spans: list[tuple[int, int, int | None]] = []
        for start, end in split_text(text, 0, len(text)):
            clean = SURROGATE.sub("\ufffd", text[start:end])
            found = sudachi_tokenizer(self.mode, self.edition).tokenize(clean)
            spans += [(start + word.begin(), start + word.end(), None) for word in found]
        return from_spans(text, spans)


def dictionary_edition() -> Literal["small", "core"]:
    """The largest installed dictionary."""
    return "core" if find_spec("sudachidict_core") else "small"
