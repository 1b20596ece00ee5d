"""The branches of a visit, kept in the visitor's browser, so that a reload loses nothing.

What comes back from a browser may be anything: all of it is checked as a file is. The ids are kept, the rest is computed anew.
"""

from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.lab.generation.branch_files import OtherVocabulary, to_json
from neoxjp.ui.answers import said
from neoxjp.ui.generation import branches_do
from neoxjp.ui.session import Playground
from neoxjp.ui.stream import Scorer
from neoxjp.ui.texts import Writing

KEY, SECRET = "neoxjp-branches", "neoxjp"
"""Of the browser's storage; fixed, so that a restarted page reads it. It guards nothing: see above."""
MOST = 2_000_000  # characters of JSON; a browser keeps about 5,000,000, and they take a third more


def memo(writing: Writing) -> str:
    """What the browser keeps: the branch on show and the newest, as a file of branches."""
    return to_json(writing.tree, MOST)


def all_kept(writing: Writing) -> bool:
    """Whether that is all of them."""
    return len(to_json(writing.tree)) <= MOST


def recall(playground: Playground, scorer: Scorer, writing: Writing, kept: Any) -> int:
    """Put the branches of a memo back, scored by the model that is loaded; how many there were.

    Raises:
        NeoxjpError: the memo is damaged, or of another vocabulary.
    """
    try:
        return branches_do.load(playground, scorer, writing, kept)
    except OtherVocabulary:
        raise said(ParameterError, "g_memo_other") from None
    except ParameterError:
        raise said(ParameterError, "g_memo_damaged") from None
