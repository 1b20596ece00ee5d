"""A branch as a text with its steps: what is shown above, and what everything there looks at. No components.

Where its steps are not in memory (a file, a reload, a branch that was written long ago) the model that is loaded scores its ids.
What the filters did then is not known any more. A branch that cannot be scored is shown without probabilities.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from neoxjp.engine import Step
from neoxjp.labs.branches.edits import branch_pieces, decoded_pieces
from neoxjp.labs.branches.records import Tree
from neoxjp.labs.common import html as render
from neoxjp.labs.common.measures import first_difference
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.stream import Scorer
from neoxjp.page_parts.texts import Part, Text, Writing, mark_of
from neoxjp.page_parts.writing import ALTERNATIVES
from neoxjp.sampling import SamplingParams

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

CONTEXTS = 4  # a text may be so many contexts long to be scored
FOREIGN = -1  # the serial of a text that no loaded model can go on with


def text_of(playground: Playground, scorer: Scorer, writing: Writing, tree: Tree, anew: bool = True) -> Text | None:
    """The text of the branch on show in a tree; None: there is none.

    anew: what another model wrote is scored by the one that is loaded now, where they have one vocabulary.
    """
    kept = writing.kept(tree)
    if tree.current is None or (kept is not None and (kept.serial == playground.serial or not anew)):
        return kept
    if can_score(playground, tree):
        return scored(playground, scorer, tree, writing.text)
    tokenizer = writing.tokenizer(tree)
    if kept is not None or tokenizer is None:
        return kept
    return _text(tree, tokenizer, FOREIGN, [_bare(id) for id in tree.ids(tree.current)])


def can_score(playground: Playground, tree: Tree) -> bool:
    """Whether a model of the tree's vocabulary is loaded."""
    loaded = playground.loaded
    return loaded is not None and loaded.model is not None and mark_of(loaded.tokenizer) == tree.vocabulary


def most_scored(playground: Playground) -> int:
    """Ids that are scored at once."""
    model = playground.ready.model
    assert model is not None
    return CONTEXTS * int(model.config.max_position_embeddings)


def scored(playground: Playground, scorer: Scorer, tree: Tree, near: Text | None) -> Text:
    """The branch on show in a tree, scored by the loaded model; `near`: a text of which the steps that are the same are taken."""
    loaded = playground.ready
    assert loaded.model is not None
    assert tree.current is not None
    ids, context = tree.ids(tree.current), loaded.model.config.max_position_embeddings
    first, _ = _opening(tree, loaded.tokenizer)
    front = tree.nodes[tree.current].cut or (first - context // 2 if len(ids) > context else 0)
    front = max(0, min(front, first - 1))
    steps = [_bare(id) for id in ids]
    if len(ids) - front <= most_scored(playground):
        steps[front:] = map(_unfiltered, scorer(ids[front:], ALTERNATIVES, False))
    if near is not None and near.serial == loaded.serial and near.prompt_ids == ids[:first]:
        same = first_difference(near.ids, ids)
        steps[first:same] = near.steps[: (len(ids) if same is None else same) - first]
    return _text(tree, loaded.tokenizer, loaded.serial, steps)


def _opening(tree: Tree, tokenizer: "GPTNeoXJapaneseTokenizer") -> tuple[int, str]:
    """How many ids of the branch on show stand as its opening, and their text: what is left of the visitor's own beginning.

    One character at least: what follows has its pieces, and the first of those needs something before it.
    """
    assert tree.current is not None
    root, *others = tree.path(tree.current)
    own = min([len(root.ids), *(node.place for node in others)])
    if own and own == len(root.ids):
        return own, render.whole(root.typed or "".join(decoded_pieces(root.ids, tokenizer)))
    pieces = branch_pieces(tree, tree.current, tokenizer)
    first, byte_values, ids = min(max(1, own), len(pieces)), tokenizer.vocabulary.byte_values, tree.ids(tree.current)
    while 0 < first < len(pieces) and not pieces[first - 1] and byte_values[ids[first - 1]] >= 0:
        first += 1
    return first, render.whole("".join(pieces[:first]))


def _text(tree: Tree, tokenizer: "GPTNeoXJapaneseTokenizer", serial: int, steps: Sequence[Step]) -> Text:
    """steps: one for each id of the branch on show, from its first on."""
    assert tree.current is not None
    node, ids = tree.nodes[tree.current], tree.ids(tree.current)
    first, prompt = _opening(tree, tokenizer)
    decoder = tokenizer.stream_decoder(skip_special_tokens=True)
    texts = [decoder.push(id) for id in ids[first:]]
    if texts:
        texts[-1] += decoder.flush()
    behind = tuple(
        step if step.text == text else replace(step, text=text) for step, text in zip(steps[first:], texts, strict=True)
    )
    parts = []
    for run in tree.runs(node.key):
        wrote = tree.nodes[run.node]
        known = wrote.params is not None and wrote.seed is not None and run.start >= first
        params = replace(wrote.params, seed=wrote.seed) if known and wrote.params is not None else SamplingParams()
        if run.end > first:
            parts.append(Part(max(0, run.start - first), params, wrote.cut, known))
    base = max(0, node.place - first) if node.author == "model" else len(behind)
    return Text(prompt, ids[:first], behind, base, node.seed or 0, serial, node.cut, parts=tuple(parts))


def _bare(id: int) -> Step:
    return Step(id, "", None, None, None, (), 0.0, None)


def _unfiltered(step: Step) -> Step:
    """What was left after the filters is not known."""
    return replace(step, top=tuple(replace(choice, probability=math.nan) for choice in step.top))
