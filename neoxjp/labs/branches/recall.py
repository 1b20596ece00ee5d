"""The branches of a visit, kept in the visitor's browser, so that a reload loses nothing.

What comes back from a browser may be anything: all of it is checked as a file is. The ids are kept, the rest is computed anew.
"""

from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.branches import actions as branches_do
from neoxjp.labs.branches.files import LARGEST_MEMO, OtherVocabulary, to_json
from neoxjp.labs.branches.strings import strings
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.stream import Scorer
from neoxjp.page_parts.texts import Writing

KEY, SECRET = "neoxjp-branches", "neoxjp"
"""Of the browser's storage; fixed, so that a restarted page reads it. It guards nothing: see above."""


def memo(writing: Writing) -> str:
    """What the browser keeps: the branch on show and the newest, as a file of branches."""
    return to_json(writing.tree, LARGEST_MEMO)


def all_kept(writing: Writing) -> bool:
    """Whether that is all of them."""
    return len(to_json(writing.tree)) <= LARGEST_MEMO


def recall(playground: Playground, scorer: Scorer, writing: Writing, kept: Any) -> int:
    """Put the branches of a memo back, scored by the model that is loaded; how many there were.

    Raises:
        NeoxjpError: the memo is damaged, or of another vocabulary.
    """
    try:
        return branches_do.load(playground, scorer, writing, kept)
    except OtherVocabulary:
        raise strings.error(ParameterError, "g_memo_other") from None
    except ParameterError:
        raise strings.error(ParameterError, "g_memo_damaged") from None
