"""Two vocabularies compared: which spellings only one of them has, and which have another id."""

from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from neoxjp.compare import folder_peer
from neoxjp.errors import ParameterError
from neoxjp.hub import bundled_path
from neoxjp.labs.vocabulary_browser.records import MATCHES, Match, check_choice
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

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
class Comparison:
    """The differences of two vocabularies."""

    # ids_here, ids_there, spellings_here, spellings_there, same (with the same id), and the length of each list;
    # spellings are counted, not ids: 慶応 and 慶應 are two
    counts: dict[str, int]
    lists: dict[Side, list[Difference]]  # each in the order of the ids

    def select(self, side: Side, query: str = "", match: Match = "contains") -> list[Difference]:
        """The differences in that side's list whose spelling matches the query.

        Raises:
            ParameterError: the side or the kind of match is unknown.
        """
        check_choice("side", side, SIDES)
        check_choice("match", match, MATCHES)
        return [row for row in self.lists[side] if not query or MATCHES[match](row.spelling, query)]

    def record(self, side: Side, query: str, match: Match, part: slice) -> dict[str, Any]:
        """The counts and some rows of one list, for the API and the command line. Raises ParameterError as `select`."""
        found = self.select(side, query, match)
        rows = [asdict(row) for row in found[part]]
        return {"counts": self.counts, "side": side, "total": len(found), "rows": rows}


@lru_cache(maxsize=MAX_COMPARISONS)
def compare(here: GPTNeoXJapaneseTokenizer, there: GPTNeoXJapaneseTokenizer) -> Comparison:
    """The comparison of two vocabularies."""
    a, b = here.vocabulary.ids, there.vocabulary.ids
    by_id = sorted(a.items(), key=lambda item: item[1])
    only_here = [Difference(spelling, id, None) for spelling, id in by_id if spelling not in b]
    only_there = [Difference(spelling, None, b[spelling]) for spelling in sorted(b.keys() - a.keys(), key=lambda s: (b[s], s))]
    moved = [Difference(spelling, id, b[spelling]) for spelling, id in by_id if b.get(spelling, id) != id]
    lists: dict[Side, list[Difference]] = {"only_here": only_here, "only_there": only_there, "moved": moved}
    sizes = {"ids_here": len(here.vocabulary), "ids_there": len(there.vocabulary)}
    sizes |= {"spellings_here": len(a), "spellings_there": len(b), **{str(side): len(rows) for side, rows in lists.items()}}
    return Comparison(sizes | {"same": len(a) - len(only_here) - len(moved)}, lists)


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
    folder = bundled_path() if against == "bundled" else Path(path.strip())
    try:
        folder = folder.expanduser().resolve()
        times = tuple((folder / name).stat().st_mtime_ns for name in ("vocab.txt", "emoji.json"))
    except (OSError, RuntimeError, ValueError):
        times = ()  # `folder_peer` says what is wrong
    if folder == loaded.vocabulary.files[0].parent.resolve():
        return loaded
    return _open_folder(folder, times)


@lru_cache(maxsize=MAX_OPENED)
def _open_folder(folder: Path, times: tuple[int, ...]) -> GPTNeoXJapaneseTokenizer:
    """The tokenizer of a folder. `times`, when its files were changed, are for the cache: a changed file is read again."""
    return folder_peer(folder).tokenizer
