"""Two vocabularies compared: which spellings only one of them has, and which have another id."""

import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from neoxjp.compare import OwnTokenizer, folder_peer
from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.hub import bundled_path
from neoxjp.labs.vocabulary_browser.records import MATCHES, Match, StringIndex
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, Vocabulary

Side = Literal["only_here", "only_there", "moved"]
SIDES: tuple[Side, ...] = get_args(Side)
MAX_COMPARISONS = 2  # pairs of vocabularies whose comparison is cached
MAX_OPENED = 2  # other vocabularies that are cached


@dataclass(frozen=True)
class Difference:
    """One spelling that is not the same in both vocabularies."""

    spelling: str
    here: int | None  # its id in the first vocabulary; None: it is not there
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
    moved: int  # in both, with different ids
    same: int  # in both, with the same id


class Comparison:
    """The differences of two vocabularies, computed once, to be filtered and paged."""

    def __init__(self, here: Vocabulary, there: Vocabulary):
        a, b = here.ids, there.ids
        by_id = sorted(a, key=a.__getitem__)
        self.lists: dict[Side, list[str]] = {
            "only_here": [spelling for spelling in by_id if spelling not in b],
            "only_there": sorted(b.keys() - a.keys(), key=lambda spelling: (b[spelling], spelling)),
            "moved": [spelling for spelling in by_id if spelling in b and b[spelling] != a[spelling]],
        }
        self._here, self._there = a, b
        self._strings: dict[Side, StringIndex] = {}
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
        """Positions in that side's list of the spellings that match the query, in the order of their ids.

        Raises:
            ParameterError: the side or the kind of match is unknown.
        """
        if side not in SIDES or match not in MATCHES:
            wrong, value, choices = ("side", side, SIDES) if side not in SIDES else ("match", match, MATCHES)
            raise ParameterError(f"{wrong}={str(value)[:40]!r}: choose one of {', '.join(choices)}")
        if side not in self._strings:
            self._strings[side] = StringIndex(self.lists[side])
        return self._strings[side].find(query, match)

    def rows(self, side: Side, places: np.ndarray) -> list[Difference]:
        """The records at these positions."""
        found = [self.lists[side][place] for place in places.tolist()]
        return [Difference(spelling, self._here.get(spelling), self._there.get(spelling)) for spelling in found]


_compared: dict[tuple[int, int], Comparison] = {}  # by the identities of two vocabularies, while both exist


def compare(here: Vocabulary, there: Vocabulary) -> Comparison:
    """The comparison of two vocabularies; the latest few are cached."""
    key = (id(here), id(there))
    if key not in _compared:
        compared = Comparison(here, there)
        while len(_compared) >= MAX_COMPARISONS:
            _compared.pop(next(iter(_compared)), None)
        for vocabulary in (here, there):
            weakref.finalize(vocabulary, _compared.pop, key, None)
        _compared[key] = compared
        return compared  # another thread may have removed it from the cache already
    return _compared[key]


_opened: dict[Path, tuple[list[int], GPTNeoXJapaneseTokenizer]] = {}  # folder → its files' times when it was read


def open_other(
    loaded: GPTNeoXJapaneseTokenizer, against: str, path: str = "", *, public: bool = False
) -> GPTNeoXJapaneseTokenizer:
    """The tokenizer to compare with; `loaded` itself where it is the same folder.

    Args:
        against: "bundled", or "folder": the folder `path` of this machine.
        public: folders are refused.

    Raises:
        ParameterError: a folder is refused, or none is given.
        CheckpointError, VocabularyError: there is no such folder, or it has no vocabulary.
    """
    if against not in ("bundled", "folder"):
        raise ParameterError(f"against={str(against)[:40]!r}: choose 'bundled' or 'folder'")
    if against == "folder" and public:
        raise ParameterError("folders cannot be opened on a public page", ja="公開中のページではフォルダーを指定できません。")
    if against == "folder" and not path.strip():
        raise ParameterError(
            "give the folder of the vocabulary to compare with", ja="比較する語彙のフォルダーを入力してください。"
        )
    place = bundled_path() if against == "bundled" else Path(path.strip())
    try:
        place = place.expanduser().resolve()
        times = [(place / name).stat().st_mtime_ns for name in ("vocab.txt", "emoji.json")]
    except (OSError, RuntimeError, ValueError):
        times = []  # `folder` below says what is wrong
    if place == loaded.vocabulary.files[0].parent.resolve():
        return loaded
    cached = _opened.get(place)
    if cached and times and cached[0] == times:
        return cached[1]
    peer = folder_peer(place if against == "bundled" else path.strip())
    if not isinstance(peer, OwnTokenizer):
        raise CheckpointError(f"{path!r:.80} has no vocab.txt with an emoji.json")
    while len(_opened) >= MAX_OPENED:
        _opened.pop(next(iter(_opened)), None)
    _opened[place] = (times, peer.tokenizer)
    return peer.tokenizer
