"""Two vocabularies side by side: which spellings only one of them has, and which have another id."""

import weakref
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from neoxjp.errors import ParameterError
from neoxjp.labs.vocabulary_browser.search import MATCHES, Match, Strings
from neoxjp.tokenizer import Vocabulary

Side = Literal["only_here", "only_there", "moved"]
SIDES: tuple[Side, ...] = get_args(Side)
KEPT = 2  # pairs of vocabularies whose difference is remembered


@dataclass(frozen=True)
class Difference:
    """One spelling that the two vocabularies do not have in common."""

    spelling: str
    here: int | None  # its id in the first vocabulary; None: it has none
    there: int | None  # in the second


@dataclass(frozen=True)
class Summary:
    """The counts. Spellings are counted, not ids: 慶応 and 慶應 are two."""

    ids_here: int
    ids_there: int
    spellings_here: int
    spellings_there: int
    only_here: int
    only_there: int
    moved: int  # in both, with other ids
    same: int  # in both, with one id


class Comparison:
    """The difference of two vocabularies, worked out once, to be searched and paged."""

    def __init__(self, here: Vocabulary, there: Vocabulary):
        a, b = here.ids, there.ids
        by_id = sorted(a, key=a.__getitem__)
        self.lists: dict[Side, list[str]] = {
            "only_here": [spelling for spelling in by_id if spelling not in b],
            "only_there": sorted(b.keys() - a.keys(), key=lambda spelling: (b[spelling], spelling)),
            "moved": [spelling for spelling in by_id if spelling in b and b[spelling] != a[spelling]],
        }
        self._here, self._there = a, b
        self._strings: dict[Side, Strings] = {}
        common = len(a) - len(self.lists["only_here"])
        self.summary = Summary(
            ids_here=len(here),
            ids_there=len(there),
            spellings_here=len(a),
            spellings_there=len(b),
            only_here=len(self.lists["only_here"]),
            only_there=len(self.lists["only_there"]),
            moved=len(self.lists["moved"]),
            same=common - len(self.lists["moved"]),
        )

    def select(self, side: Side, query: str = "", match: Match = "contains") -> np.ndarray:
        """Places in the list of that side of the spellings that the query finds, in the list's order (by id).

        Raises:
            ParameterError: there is no such side.
        """
        if side not in SIDES or match not in MATCHES:
            wrong, value, choices = ("side", side, SIDES) if side not in SIDES else ("match", match, MATCHES)
            raise ParameterError(f"{wrong}={str(value)[:40]!r}: choose one of {', '.join(choices)}")
        if side not in self._strings:
            self._strings[side] = Strings(self.lists[side])
        return self._strings[side].find(query, match)

    def rows(self, side: Side, places: np.ndarray) -> list[Difference]:
        """The records at these places."""
        found = [self.lists[side][place] for place in places.tolist()]
        return [Difference(spelling, self._here.get(spelling), self._there.get(spelling)) for spelling in found]


_compared: dict[tuple[int, int], Comparison] = {}  # by the vocabularies' identities, for as long as both live


def compare(here: Vocabulary, there: Vocabulary) -> Comparison:
    """The difference of two vocabularies; the latest few are remembered."""
    key = (id(here), id(there))
    if key not in _compared:
        compared = Comparison(here, there)
        while len(_compared) >= KEPT:
            _compared.pop(next(iter(_compared)), None)
        for vocabulary in (here, there):
            weakref.finalize(vocabulary, _compared.pop, key, None)
        _compared[key] = compared
        return compared
    return _compared[key]
