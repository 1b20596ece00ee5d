"""A generated text in a link: what of it the link has, and how it comes back with the same tokens.

The own parts of a text and what the model wrote stay apart, so "Generate" replaces and "Continue" continues the same. Ids mean
nothing to another vocabulary: there the text comes back as text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, groupby, pairwise

from neoxjp.engine import Step, check_ids
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.branches.records import Author, Tree
from neoxjp.page_parts.link_address import LinkedRun, View
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import COMMON
from neoxjp.page_parts.text.editing import own_steps, pieces_of, shown_text, tree_on_display
from neoxjp.page_parts.text.state import Part, Text, VisitorState
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

DIGITS = 8  # of the vocabulary's fingerprint


def view_of(writing: VisitorState, selected: int | None) -> View:
    """The text on display for a link. selected: the place of the selected token's first id."""
    tree, text = tree_on_display(writing), writing.live or writing.text
    tokenizer = writing.tokenizer(tree)
    if text is None or tokenizer is None or tree.current is None:
        return View(writing.document.text, "")
    runs = tuple(_runs(tree, text, tokenizer))
    whole = shown_text(text.whole)
    if selected is None or not 0 <= selected < len(text.ids):
        selected = None
    if (len(runs) == 1 and runs[0].ids is None) or sum(run.characters for run in runs) != len(whole):
        return View(whole, "", selected=selected)
    return View(whole, "", runs=runs, vocabulary=tree.vocabulary[:DIGITS], selected=selected)


def _runs(tree: Tree, text: Text, tokenizer: GPTNeoXJapaneseTokenizer) -> Iterator[LinkedRun]:
    """The prompt, then what each author wrote after it. What is being written just now is the model's."""
    assert tree.current is not None

    def run(string: str, author: Author, ids: tuple[int, ...]) -> LinkedRun:
        string = shown_text(string)
        return LinkedRun(len(string), author, None if tuple(tokenizer.encode(string)) == ids else ids)

    authors: list[Author] = [found.author for found in tree.runs(tree.current) for _ in range(found.start, found.end)]
    first = len(text.prompt_ids)
    behind = authors[first:] + ["model"] * len(text.steps)
    yield run(text.prompt, "user", text.prompt_ids)
    for author, group in groupby(zip(behind, text.steps, strict=False), key=lambda pair: pair[0]):
        steps = [step for _, step in group]
        yield run("".join(step.text for step in steps), author, tuple(step.id for step in steps))


def restore(playground: Playground, writing: VisitorState, view: View) -> Text:
    """Show the text of a link with its tokens, as a branch. The model has not scored them yet: see `add_scores`.

    Raises:
        ParameterError: the ids are of another vocabulary, or are not those of the text.
    """
    tokenizer = playground.tokenizer
    tree = writing.tree_for(tokenizer)
    if view.vocabulary != tree.vocabulary[:DIGITS]:
        raise COMMON.error(ParameterError, "generate_link_vocabulary")
    prompt, *others = _strings(view)
    prompt_ids, *behind = [_ids(run, string, tokenizer) for run, string in zip(view.runs, [prompt, *others], strict=True)]
    first = len(prompt_ids)
    tree = tree.start(prompt_ids, typed=prompt)
    steps: list[Step] = []
    starts = accumulate(map(len, behind), initial=0)
    parts: list[Part] = []
    for own, group in groupby(zip(view.runs[1:], others, behind, strict=True), key=lambda each: each[0].author == "edit"):
        runs = list(group)
        for run, _, ids in runs:
            assert tree.current is not None
            parts.append(Part(next(starts), SamplingParams(), 0, drawn=False, by_model=run.author == "model"))
            tree = tree.grow(tree.current, ids, run.author)
        string, found = "".join(string for _, string, _ in runs), [id for _, _, ids in runs for id in ids]
        steps += _typed(string, found, tokenizer) if own else _decoded(string, found, tokenizer)
    last_own = max(at for at, run in enumerate(view.runs) if not at or run.author != "model")
    base = sum(len(ids) for ids in behind[:last_own])
    text = Text(prompt, prompt_ids, tuple(steps), base, 0, playground.serial, parts=tuple(parts))
    if not first or "".join(piece.text for piece in pieces_of(text, tokenizer)) != view.text:
        raise COMMON.error(ParameterError, "generate_link_ids")
    writing.undone = None  # its tree has none of these branches
    writing.show(tree, text)
    return text


def _strings(view: View) -> list[str]:
    """The text of each run."""
    ends = accumulate((run.characters for run in view.runs), initial=0)
    return [view.text[start:end] for start, end in pairwise(ends)]


def _ids(run: LinkedRun, string: str, tokenizer: GPTNeoXJapaneseTokenizer) -> tuple[int, ...]:
    try:
        return check_ids(tokenizer.encode(string) if run.ids is None else run.ids, tokenizer.vocab_size, "ids")
    except NeoxjpError:
        raise COMMON.error(ParameterError, "generate_link_ids") from None


def _typed(string: str, ids: Sequence[int], tokenizer: GPTNeoXJapaneseTokenizer) -> Sequence[Step]:
    """Steps of the visitor's own text: as it was typed where its ids are those of its encoding."""
    steps = own_steps(string, tokenizer)
    return steps if [step.id for step in steps] == list(ids) else _decoded(string, ids, tokenizer)


def _decoded(string: str, ids: Sequence[int], tokenizer: GPTNeoXJapaneseTokenizer) -> list[Step]:
    """Steps with the text that the ids decode to, as far as `string` has it: a stop string hides its end.

    Raises:
        ParameterError: `string` is another text.
    """
    decoder, left = tokenizer.stream_decoder(skip_special_tokens=True), string
    texts = [decoder.push(id) for id in ids]
    if texts:
        texts[-1] += decoder.flush()
    if not shown_text("".join(texts)).startswith(string):
        raise COMMON.error(ParameterError, "generate_link_ids")
    steps = []
    for id, text in zip(ids, texts, strict=True):
        text = left[: len(text)]
        left = left[len(text) :]
        steps.append(Step.unscored(id, text))
    return steps


def add_scores(writing: VisitorState) -> bool:
    """Give the tokens of a restored text, without the visitor's own, their probabilities (`score_text`).

    False: there are none, or all tokens have theirs.
    """
    text, scores, tree = writing.text, writing.scores, writing.tree
    if text is None or tree.current is None or writing.draft is not None or writing.running:
        return False
    if scores is None or (scores.serial, scores.ids) != (text.serial, text.ids):
        return False
    own = {at for run in tree.runs(tree.current) if run.author == "edit" for at in range(run.start, run.end)}
    first = len(text.prompt_ids)
    new = {at for at, step in enumerate(text.steps) if step.logprob is None and first + at not in own}
    steps = [
        replace(scores.steps[first + at].unfiltered(), text=step.text) if at in new else step
        for at, step in enumerate(text.steps)
    ]
    if not new:
        return False
    writing.show(tree, replace(text, steps=tuple(steps)))
    return True
