"""Find a piece of text among many short strings, fast enough for every key that is pressed.

All strings stand in one array of code points, so that a query is a few passes of numpy over it and no loop over strings.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from neoxjp.errors import ParameterError

Match = Literal["contains", "starts", "ends", "whole"]
MATCHES: tuple[Match, ...] = get_args(Match)
BREAK = "\n"  # stands before, between and after the strings; no spelling of a vocabulary holds one


class Strings:
    """Strings without line breaks, to be searched.

    >>> Strings(["慶応", "応援", "東京"]).find("応")
    array([0, 1])
    """

    def __init__(self, strings: Sequence[str]):
        joined = BREAK + "".join(f"{string}{BREAK}" for string in strings)
        self._codes = _code_points(joined)
        breaks = np.flatnonzero(self._codes == ord(BREAK))
        if len(breaks) != len(strings) + 1:
            raise ValueError("a string holds a line break")
        self._starts, self._ends = breaks[:-1] + 1, breaks[1:]
        self.lengths = self._ends - self._starts  # (N,), characters of each string
        self._longest = int(self.lengths.max(initial=0))

    def __len__(self) -> int:
        return len(self.lengths)

    def find(self, needle: str, match: Match = "contains") -> np.ndarray:
        """Places of the strings that contain the needle (or start with it, end with it, are it), rising, int64 (found,).

        Characters are compared as they are: neither width nor kana is folded. The empty needle finds all.
        """
        if match not in MATCHES:
            raise ParameterError(f"match={match!r}: choose one of {', '.join(MATCHES)}")
        size = len(needle)
        if not needle:
            return np.arange(len(self))
        if size > self._longest or BREAK in needle:
            return np.arange(0)
        query = _code_points(needle)
        if match == "contains":
            at = np.flatnonzero(self._codes[: len(self._codes) - size + 1] == query[0])
        else:
            long = self.lengths >= size if match != "whole" else self.lengths == size
            at = (self._ends - size if match == "ends" else self._starts)[long]
        for offset, code in enumerate(query):
            at = at[self._codes[at + offset] == code]
        return np.unique(np.searchsorted(self._starts, at, side="right") - 1)


def matches(string: str, needle: str, match: Match) -> bool:
    """Whether `Strings.find` would find this one string."""
    if match == "whole":
        return string == needle or not needle
    return string.startswith(needle) if match == "starts" else string.endswith(needle) if match == "ends" else needle in string


def _code_points(text: str) -> np.ndarray:
    """The characters as numbers, uint32; a lone surrogate is a character like any other."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
