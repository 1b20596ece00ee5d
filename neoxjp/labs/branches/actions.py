"""What a visitor does with branches: show, name, delete, force, load, restore. No components.

Each function changes a `VisitorState`, or raises NeoxjpError with a sentence. Keys, places, texts and files come from a browser:
each function checks them. If the steps of a branch are not in memory (after a reload, or from a file), the loaded model scores
it, without the probabilities after the filters. A branch that no loaded model can score is shown without probabilities.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from neoxjp.engine import Step
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.branches.files import OtherVocabulary, from_json
from neoxjp.labs.branches.records import ForcedSurprisal, Tree, branch_pieces, decoded_pieces, surprisal_of_steps
from neoxjp.labs.branches.strings import strings
from neoxjp.labs.common import html as render
from neoxjp.labs.common.fingerprints import vocabulary_fingerprint
from neoxjp.labs.common.measures import shared_length
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.editing import settled
from neoxjp.page_parts.text.state import Part, Text, VisitorState, examples, step_place
from neoxjp.page_parts.text.stream import Scorer
from neoxjp.page_parts.text.writing import ALTERNATIVES
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

CONTEXTS = 4  # the longest text that is scored, in contexts of the model
OTHER_VOCABULARY = -1  # the serial of a text that no loaded model can continue
KEY, SECRET = "neoxjp-branches", "neoxjp"
"""Of the browser's storage; fixed, so a restarted page can read it. Not a security measure: `load` validates all browser data."""


def require_idle(writing: VisitorState) -> None:
    """Raises ParameterError while the model generates: the result would be added to the wrong tree."""
    if writing.running:
        raise strings.error(ParameterError, "branches_running")


def known(tree: Tree, key: Any) -> int:
    """A branch of the tree. Raises ParameterError: there is none with this key."""
    if type(key) is not int:
        raise strings.error(ParameterError, "branches_choose")
    return tree.node(key).key


def _settle(writing: VisitorState) -> None:
    """What the visitor typed since becomes a branch, so that nothing is lost. Raises ParameterError: the model generates."""
    require_idle(writing)
    writing.keep_draft()


def _current(writing: VisitorState) -> tuple[Tree, int]:
    """The tree and its branch on show, to be changed. Raises ParameterError: there is none, or the model generates."""
    _settle(writing)
    if writing.tree.current is None:
        raise strings.error(ParameterError, "branches_force_nowhere")
    return writing.tree, writing.tree.current


def show(playground: Playground, scorer: Scorer, writing: VisitorState, key: Any) -> Text | None:
    """Show another branch."""
    _settle(writing)
    tree = writing.tree.show(known(writing.tree, key))
    text = text_of(playground, scorer, writing, tree)
    writing.show(tree, text)
    return text


def name(writing: VisitorState, given: str) -> None:
    """Name the branch on show."""
    tree, key = _current(writing)
    writing.commit(tree.name(key, given), writing.text)


def delete(playground: Playground, scorer: Scorer, writing: VisitorState) -> int:
    """Delete the branch on show and its descendants. Returns how many were deleted."""
    tree, key = _current(writing)
    smaller = tree.delete(key)
    writing.commit(smaller, text_of(playground, scorer, writing, smaller))
    return len(tree.nodes) - len(smaller.nodes)


def force(playground: Playground, scorer: Scorer, writing: VisitorState, text: str, at: int | None) -> ForcedSurprisal:
    """Add a branch with `text` instead of the steps from `at` on (None: appended), and show it."""
    _settle(writing)
    tree, before = _require_same_vocabulary(playground, writing), writing.text
    if before is None or tree.current is None:
        raise strings.error(ParameterError, "branches_force_nowhere")
    check_length(playground, text)
    tokenizer = playground.tokenizer
    forced = tokenizer.encode(text)
    if not forced:
        raise strings.error(ParameterError, "branches_force_empty")
    steps = settled(before, tokenizer) if at is None else before.steps[: step_place(before, at)]
    grown = tree.grow(tree.current, forced, "forced", len(before.prompt_ids) + len(steps))
    found = scored(playground, scorer, grown, replace(before, steps=steps))  # else steps without numbers would be taken over
    new = found.steps[-len(forced) :]
    if len(new) < len(forced) or any(not step.top for step in new):
        most = f"{most_scored(playground):,}"
        raise strings.error(PromptTooLong, "branches_force_unscored", n=f"{len(found.ids):,}", most=most)
    writing.commit(grown, found)
    return surprisal_of_steps(new)


def load(playground: Playground, scorer: Scorer, writing: VisitorState, data: Any) -> int:
    """Add the branches of a file after the existing ones. Returns how many it has.

    Raises ParameterError: no branches, too many, or one with a text that is too long to be typed here.
    """
    require_idle(writing)
    tokenizer = playground.ready.tokenizer
    found = from_json(data, vocabulary_fingerprint(tokenizer), tokenizer.vocab_size) if isinstance(data, str) else Tree()
    if not found.nodes:
        raise strings.error(ParameterError, "branches_loaded_none")
    for node in found.nodes.values():
        check_length(playground, node.typed)
    joined = writing.tree_for(tokenizer).join(found)
    text, draft = text_of(playground, scorer, writing, joined), writing.text
    known = {*examples().values(), text.whole if text is not None else ""}  # what a page begins with, at first and after a reload
    if draft is not None and (draft.steps or draft.prompt not in known):
        writing.keep_draft()
        joined = writing.tree_for(tokenizer).join(found)
    writing.commit(joined, text)
    return len(found.nodes)


def recall(playground: Playground, scorer: Scorer, writing: VisitorState, memo: Any) -> int:
    """Restore the branches that the browser has stored. Returns how many there are.

    Raises:
        NeoxjpError: the memo is damaged, or of another vocabulary.
    """
    try:
        return load(playground, scorer, writing, memo)
    except OtherVocabulary:
        raise strings.error(ParameterError, "generate_memo_other") from None
    except ParameterError:
        raise strings.error(ParameterError, "generate_memo_damaged") from None


def _require_same_vocabulary(playground: Playground, writing: VisitorState) -> Tree:
    """The tree. Raises ParameterError if the loaded model has another vocabulary, NotReady without a model."""
    _ = playground.ready
    if writing.tree.current is not None and not can_score(playground, writing.tree):
        raise strings.error(ParameterError, "branches_foreign")
    return writing.tree


# ---------------------------------------------------------------- the text of a branch


def text_of(playground: Playground, scorer: Scorer, writing: VisitorState, tree: Tree) -> Text | None:
    """The text of the branch on show in a tree; None: there is none.

    If another model of the same vocabulary wrote it, the loaded model scores it.
    """
    stored = writing.stored_text(tree)
    if tree.current is None or (stored is not None and stored.serial == playground.serial):
        return stored
    if can_score(playground, tree):
        return scored(playground, scorer, tree, writing.text)
    tokenizer = writing.tokenizer(tree)
    if stored is not None or tokenizer is None:
        return stored
    return _text(tree, tokenizer, OTHER_VOCABULARY, [Step.unscored(id) for id in tree.ids(tree.current)])


def can_score(playground: Playground, tree: Tree) -> bool:
    """Whether a model of the tree's vocabulary is loaded."""
    loaded = playground.loaded
    return loaded is not None and loaded.model is not None and vocabulary_fingerprint(loaded.tokenizer) == tree.vocabulary


def most_scored(playground: Playground) -> int:
    """The number of ids of the longest text that is scored."""
    return CONTEXTS * int(playground.ready.model.config.max_position_embeddings)


def scored(playground: Playground, scorer: Scorer, tree: Tree, near: Text | None) -> Text:
    """The branch on show in a tree, scored by the loaded model. near: a text whose steps are reused up to another id."""
    loaded = playground.ready
    assert tree.current is not None
    ids, context = tree.ids(tree.current), loaded.model.config.max_position_embeddings
    first, _ = _prompt_of(tree, loaded.tokenizer)
    front = tree.nodes[tree.current].truncated_tokens or (first - context // 2 if len(ids) > context else 0)
    front = max(0, min(front, first - 1))
    steps = [Step.unscored(id) for id in ids]
    if len(ids) - front <= most_scored(playground):
        steps[front:] = (step.unfiltered() for step in scorer(ids[front:], ALTERNATIVES, False))
    if near is not None and near.serial == loaded.serial and near.prompt_ids == ids[:first]:
        same = shared_length(near.ids, ids)
        steps[first:same] = near.steps[: same - first]
    return _text(tree, loaded.tokenizer, loaded.serial, steps)


def _prompt_of(tree: Tree, tokenizer: GPTNeoXJapaneseTokenizer) -> tuple[int, str]:
    """How many ids of the branch on show are its prompt, and their text: what is left of the text that the visitor typed.

    It has one character at least: the first step needs an id before it.
    """
    assert tree.current is not None
    root, *others = tree.path(tree.current)
    own = min([len(root.ids), *(node.shared_ids for node in others)])
    if own and own == len(root.ids):
        return own, render.replace_surrogates(root.typed or "".join(decoded_pieces(root.ids, tokenizer)))
    pieces = branch_pieces(tree, tree.current, tokenizer)
    first, byte_values, ids = min(max(1, own), len(pieces)), tokenizer.vocabulary.byte_values, tree.ids(tree.current)
    while 0 < first < len(pieces) and not pieces[first - 1] and byte_values[ids[first - 1]] >= 0:
        first += 1
    return first, render.replace_surrogates("".join(pieces[:first]))


def _text(tree: Tree, tokenizer: GPTNeoXJapaneseTokenizer, serial: int, steps: Sequence[Step]) -> Text:
    """The branch on show as a text. steps: one for each of its ids."""
    assert tree.current is not None
    node, ids = tree.nodes[tree.current], tree.ids(tree.current)
    first, prompt = _prompt_of(tree, tokenizer)
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
            by_model = run.author == "model"
            parts.append(Part(max(0, run.start - first), params, wrote.truncated_tokens, known, by_model))
    base = max(0, node.shared_ids - first) if node.author == "model" else len(behind)
    return Text(prompt, ids[:first], behind, base, node.seed or 0, serial, node.truncated_tokens, parts=tuple(parts))
