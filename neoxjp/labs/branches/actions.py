"""What a visitor does with branches: show, name, delete, compare, edit, force, save, load. No components.

Each function changes the visitor's `Writing` and raises NeoxjpError, with a sentence, where it cannot. What may come from a
browser (a key, a place, a text, a file) is checked here.
"""

from dataclasses import dataclass
from typing import Any

from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.branches.edits import Edited, Price, branch_pieces, decoded_pieces, edited, price_of
from neoxjp.labs.branches.files import from_json
from neoxjp.labs.branches.records import Tree
from neoxjp.labs.branches.strings import strings
from neoxjp.labs.branches.texts import can_score, most_scored, scored, text_of
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.stream import Scorer
from neoxjp.page_parts.texts import Text, Writing, mark_of, step_place
from neoxjp.page_parts.writing import settled


@dataclass(frozen=True)
class Stretches:
    """What an edit did, with the text of each id."""

    found: Edited
    kept: list[str]
    new: list[str]
    again: list[str]


@dataclass(frozen=True)
class Parting:
    """Two branches, with the text of each id."""

    same: list[str]
    left: list[str]
    right: list[str]


def free(writing: Writing) -> None:
    """Raises ParameterError while the model writes: its text would fall into another tree than it came from."""
    if writing.running:
        raise strings.error(ParameterError, "branches_running")


def known(tree: Tree, key: Any) -> int:
    """A branch of the tree. Raises ParameterError: there is none of that key."""
    if isinstance(key, float) and key.is_integer():
        key = int(key)
    if type(key) is not int:
        raise strings.error(ParameterError, "branches_choose")
    return tree.node(key).key


def show(playground: Playground, scorer: Scorer, writing: Writing, key: Any) -> Text | None:
    """Another branch on show."""
    free(writing)
    tree = writing.tree.show(known(writing.tree, key))
    text = text_of(playground, scorer, writing, tree)
    writing.look(tree, text)
    return text


def name(writing: Writing, given: str) -> None:
    """Name the branch on show."""
    free(writing)
    tree = writing.tree
    if tree.current is None:
        raise strings.error(ParameterError, "branches_force_nowhere")
    writing.keep(tree.name(tree.current, given), writing.text)


def delete(playground: Playground, scorer: Scorer, writing: Writing) -> int:
    """Delete the branch on show and all that start from it; how many that were."""
    free(writing)
    tree = writing.tree
    if tree.current is None:
        raise strings.error(ParameterError, "branches_force_nowhere")
    smaller = tree.delete(tree.current)
    writing.keep(smaller, text_of(playground, scorer, writing, smaller))
    return len(tree.nodes) - len(smaller.nodes)


def compare(writing: Writing, other: Any) -> Parting:
    """The branch on show beside another."""
    tree, tokenizer = writing.tree, writing.tokenizer()
    key = known(tree, other)
    if tree.current is None or tokenizer is None:
        raise strings.error(ParameterError, "branches_choose")
    found = tree.compare(tree.current, key)
    place = len(found.same)
    left, right = branch_pieces(tree, tree.current, tokenizer), branch_pieces(tree, key, tokenizer)
    return Parting(left[:place], left[place:], right[place:])


def to_edit(writing: Writing, key: int) -> str:
    """The text of a branch as a text box holds it."""
    tree, tokenizer = writing.tree, writing.tokenizer()
    if tokenizer is None:
        return ""
    root, *others = tree.path(key)
    if root.typed and all(node.place >= len(root.ids) for node in others):  # its pieces are not needed, and take their time
        return "".join(_boxed([root.typed, *decoded_pieces(tree.ids(key)[len(root.ids) :], tokenizer)]))
    return "".join(_boxed(branch_pieces(tree, key, tokenizer)))


def _boxed(pieces: list[str]) -> list[str]:
    """Pieces with the line breaks that a text box of a browser gives back."""
    return [piece.replace("\r\n", "\n").replace("\r", "\n") for piece in pieces]


def edit(playground: Playground, scorer: Scorer, writing: Writing, key: Any, text: str) -> Stretches:
    """A branch with an edited text, put on show. Raises ParameterError where nothing was changed or nothing is left."""
    free(writing)
    tree = _ours(playground, writing)
    key = known(tree, key)
    check_length(playground, text)
    tokenizer, ids = playground.tokenizer, tree.ids(key)
    pieces = _boxed(branch_pieces(tree, key, tokenizer))
    found = edited(ids, text, tokenizer, pieces)
    if found.ids == ids:
        raise strings.error(ParameterError, "branches_edit_nothing")
    if not "".join(decoded_pieces(found.ids, tokenizer)):
        raise strings.error(ParameterError, "branches_edit_empty")
    grown = tree.grow(key, found.ids[found.kept :], "edit", found.kept)
    writing.keep(grown, scored(playground, scorer, grown, writing.text))
    behind = decoded_pieces(found.ids[found.kept :], tokenizer)
    cut = found.cut_anew[1] - found.kept
    return Stretches(found, pieces[: found.kept], behind[:cut], behind[cut:])


def force(playground: Playground, scorer: Scorer, writing: Writing, text: str, at: int | None) -> Price:
    """A branch with `text` in place of the piece that begins at step `at`, or (None) behind all; put on show, with its price."""
    free(writing)
    tree, before = _ours(playground, writing), writing.text
    if before is None or tree.current is None:
        raise strings.error(ParameterError, "branches_force_nowhere")
    check_length(playground, text)
    tokenizer = playground.tokenizer
    forced = tokenizer.encode(text)
    if not forced:
        raise strings.error(ParameterError, "branches_force_empty")
    steps = settled(before, tokenizer) if at is None else before.steps[: step_place(before, at)]
    grown = tree.grow(tree.current, forced, "forced", len(before.prompt_ids) + len(steps))
    found = scored(playground, scorer, grown, before)
    new = found.steps[-len(forced) :]
    if len(new) < len(forced) or any(not step.top for step in new):
        raise strings.error(
            PromptTooLong, "branches_force_unscored", n=f"{len(found.ids):,}", most=f"{most_scored(playground):,}"
        )
    writing.keep(grown, found)
    return price_of(new)


def load(playground: Playground, scorer: Scorer, writing: Writing, data: Any) -> int:
    """Add the branches of a file behind those that are there; how many there are."""
    free(writing)
    tokenizer = playground.ready.tokenizer
    if not isinstance(data, str):
        raise strings.error(ParameterError, "branches_loaded_none")
    found = from_json(data, mark_of(tokenizer), tokenizer.vocab_size)
    if not found.nodes:
        raise strings.error(ParameterError, "branches_loaded_none")
    joined = writing.fresh(tokenizer).join(found)
    writing.keep(joined, text_of(playground, scorer, writing, joined))
    return len(found.nodes)


def _ours(playground: Playground, writing: Writing) -> Tree:
    """The tree, where the loaded model can go on with it."""
    _ = playground.ready  # what else is there to say is its to say
    if writing.tree.current is not None and not can_score(playground, writing.tree):
        raise strings.error(ParameterError, "branches_foreign")
    return writing.tree
