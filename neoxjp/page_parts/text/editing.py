"""The text of the Generate tab as the editor shows it: its pieces, what the visitor types, and the facts of one token.

What lies before an edit keeps its ids and probabilities; from there on the text is the visitor's own, and is encoded again.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neoxjp.engine import LN2, Step
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.branches.records import Tree, shown_pieces
from neoxjp.labs.common import html as render
from neoxjp.labs.common.glyphs import sign_of
from neoxjp.labs.common.steps import SIGNS, SPECIAL, name, plain
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import COMMON, Words
from neoxjp.page_parts.text.state import Part, Scores, Text, VisitorState, tree_with_prompt
from neoxjp.page_parts.text.stream import Scorer
from neoxjp.page_parts.token_editor.records import Piece
from neoxjp.sampling import SamplingParams

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

CONTEXTS = 4  # the longest text that is scored for a popover, in contexts of the model


class Pieces:
    """The pieces of a text that grows. Tokens without text, the first bytes of a character, wait for the one with its text."""

    def __init__(self, prompt: Iterable[Piece] = ()) -> None:
        self._pieces = list(prompt)
        self._waiting: list[Step] = []

    def add(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self._waiting.append(step)
            if step.text or (len(self._waiting) == 1 and SPECIAL.fullmatch(name(step))):
                self._pieces.append(_piece(self._waiting, step.text))
                self._waiting = []

    def all(self) -> tuple[Piece, ...]:
        """With the tokens that still wait."""
        return (*self._pieces, *([_piece(self._waiting, "")] if self._waiting else []))


def prompt_pieces(text: Text, tokenizer: "GPTNeoXJapaneseTokenizer | None") -> list[Piece]:
    """The pieces of the prompt, "lossy" where the model reads something else. Without a tokenizer it is one."""
    if tokenizer is None:
        return [Piece(shown_text(text.prompt), text.prompt_ids, own=True)]
    found: list[Piece] = []
    waiting: list[int] = []
    tokens = tokenizer.analyze(text.prompt)
    lossy = [token.lossy and not token.folded for token in tokens]
    if tuple(token.id for token in tokens) != text.prompt_ids:  # the ids of a text that the model wrote
        lossy = [False] * len(text.prompt_ids)
    parts = shown_pieces(text.prompt_ids, text.prompt, tokenizer)
    for id, content, lost in zip(text.prompt_ids, parts, lossy, strict=True):
        waiting.append(id)
        if content or tokenizer.vocabulary.byte_values[id] < 0:
            marks = "lossy" if lost else ""
            found.append(Piece(shown_text(content), tuple(waiting), own=True, sign=sign_of(content), marks=marks))
            waiting = []
    return [*found, Piece("", tuple(waiting), own=True)] if waiting else found


def pieces_of(text: Text | None, tokenizer: "GPTNeoXJapaneseTokenizer | None") -> tuple[Piece, ...]:
    """The pieces of a whole text."""
    if text is None:
        return ()
    pieces = Pieces(prompt_pieces(text, tokenizer))
    pieces.add(text.steps)
    return pieces.all()


def _piece(group: Sequence[Step], text: str) -> Piece:
    first, scored = group[0], all(step.logprob is not None for step in group)
    logprob = math.fsum(step.logprob for step in group if step.logprob is not None)
    sign = sign_of(text) if text else SIGNS.get(name(first)) or name(first).strip("<|>") or "∅"
    ids = tuple(step.id for step in group)
    return Piece(shown_text(text), ids, math.exp(logprob) if scored else None, worst_rank(group), own=not scored, sign=sign)


def worst_rank(group: Sequence[Step]) -> int | None:
    """Of the tokens of one character, as in the heat map: how far down the list one has to go to write it."""
    return max((step.rank for step in group if step.rank is not None), default=None)


def shown_text(text: str) -> str:
    """As a browser's text field holds it."""
    return render.replace_surrogates(text.replace("\r\n", "\n").replace("\r", "\n"))


# ---------------------------------------------------------------- what the visitor types


def typed(playground: Playground, writing: VisitorState, string: str) -> Text:
    """Make `string` the text on display: a draft, which becomes a branch with the next generation.

    Raises:
        PromptTooLong: it has more characters than a visitor may send.
        QueueFull: the visitor has sent too much text in this minute.
        NotReady: no vocabulary is loaded.
    """
    most, tokenizer, serial = playground.limits.characters, playground.tokenizer, playground.serial
    if len(string) > most:
        raise COMMON.error(PromptTooLong, "generate_too_many_characters", n=f"{len(string):,}", most=f"{most:,}")
    playground.visitors.charge(current_visitor(), "characters", len(string))
    string = render.replace_surrogates(string)
    before = writing.text if writing.draft is None else writing.saved
    if before is not None and before.serial == serial:
        pieces = pieces_of(before, tokenizer)
        if string == "".join(piece.text for piece in pieces):
            writing.forget_draft()
            return before
        ready = replace(before, steps=settled(before, tokenizer))  # the ids before what was typed have the text of the field
        same = _unchanged_ids(pieces_of(ready, tokenizer), string) - len(before.prompt_ids)
        current = writing.tree.current
        if same > 0 and current is not None:
            steps = ready.steps[:same]
            front = "".join(piece.text for piece in pieces_of(replace(before, steps=steps), tokenizer))
            own = own_steps(string[len(front) :], tokenizer)
            tree = writing.tree.grow(current, [step.id for step in own], "edit", len(before.prompt_ids) + same)
            typed = Part(same, SamplingParams(), 0, drawn=False, by_model=False)
            parts = (*[part for part in before.parts if part.start < same], typed)
            text = replace(before, steps=(*steps, *own), base=same + len(own), finish=None, stats=None, full=False, parts=parts)
            writing.type(tree, text)
            return text
    text = prompt_text(playground, string)
    writing.type(tree_with_prompt(writing.tree_for(tokenizer), text), text)
    return text


def prompt_text(playground: Playground, string: str) -> Text:
    """A text of the visitor's own. Where it is empty, it has the beginning-of-text token, if the model has one."""
    loaded = playground.loaded
    bos = loaded.model.config.bos_token_id if loaded is not None and loaded.model is not None else None
    ids = tuple(playground.tokenizer.encode(string)) or (() if bos is None else (bos,))
    return Text(render.replace_surrogates(string), ids, (), 0, 0, playground.serial)


def _unchanged_ids(pieces: Sequence[Piece], string: str) -> int:
    """How many ids at the front have the text with which `string` begins."""
    ids = end = 0
    for piece in pieces:
        if not string.startswith(piece.text, end):
            break
        ids, end = ids + len(piece.ids), end + len(piece.text)
    return ids


def settled(text: Text, tokenizer: Any) -> tuple[Step, ...]:
    """The steps to continue from; their texts joined are the whole text.

    Text that a stop string held back is shown again. The bytes of a character that was never completed are removed.
    """
    steps = without_incomplete_character(text.steps)
    if text.parts and not text.parts[-1].drawn and text.parts[-1].start < len(steps) and steps[-1].logprob is None:
        return steps  # the visitor's own text
    last = steps[start_of_last_part(text) :]
    whole = tokenizer.decode([step.id for step in last], skip_special_tokens=True)
    hidden = whole[sum(len(step.text) for step in last) :]
    if "\ufffd" in hidden:
        while steps and not steps[-1].text:
            steps = steps[:-1]
    elif hidden:
        steps = (*steps[:-1], replace(steps[-1], text=steps[-1].text + hidden))
    return steps


def start_of_last_part(text: Text) -> int:
    """The place of the first step that the last generation wrote. The visitor's own text before it may be spelled differently."""
    return text.parts[-1].start if text.parts else 0


def without_incomplete_character(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps, without the text of an incomplete character at the end."""
    if steps and steps[-1].text.endswith("\ufffd"):
        return (*steps[:-1], replace(steps[-1], text=""))
    return steps


def own_steps(text: str, tokenizer: "GPTNeoXJapaneseTokenizer") -> tuple[Step, ...]:
    """The tokens of the visitor's own text as steps that no model has scored."""
    tokens = tokenizer.analyze(text)
    last = {token.start: at for at, token in enumerate(tokens)}  # of the bytes of a character the last one has its text
    return tuple(
        Step.unscored(token.id, text[token.start : token.end] if last[token.start] == at else "")
        for at, token in enumerate(tokens)
    )


def own_end(writing: VisitorState) -> int:
    """How many ids of the text on display come before what the model wrote last."""
    tree = tree_on_display(writing)
    if tree.current is None:
        return 0
    if (node := tree.nodes[tree.current]).author != "model":
        return node.length
    return max((run.end for run in tree.runs(tree.current) if run.author != "model"), default=0)


def own_text(writing: VisitorState) -> str:
    """The text on display up to where the model went on: the prompt of the sections that write continuations of their own."""
    text = writing.text
    if text is None:
        return ""
    steps = text.steps[: max(0, own_end(writing) - len(text.prompt_ids))]
    return replace(text, steps=steps).whole


# ---------------------------------------------------------------- one token


def step_of(writing: VisitorState, at: int) -> Step | None:
    """The step of the id at this place of the text, with its alternatives; None: the model has not scored it."""
    text = writing.live or writing.text
    if text is None or not 0 <= at < len(text.ids):
        return None
    place = at - len(text.prompt_ids)
    if place >= 0 and text.steps[place].logprob is not None:
        return text.steps[place]
    scores = writing.scores
    if scores is None or scores.serial != text.serial or scores.ids[: at + 1] != text.ids[: at + 1]:
        return None
    return scores.steps[at] if at < len(scores.steps) else None


def score_text(playground: Playground, scorer: Scorer, writing: VisitorState, top: int) -> None:
    """Run the model over the text on display, for `step_of`.

    Raises:
        PromptTooLong: it is longer than four contexts.
        ParameterError: there is no text, or it belongs to another model.
    """
    text, loaded = writing.text, playground.ready
    if text is None:
        raise COMMON.error(ParameterError, "generate_no_text")
    if text.serial != loaded.serial:
        raise COMMON.error(ParameterError, "generate_other_model")
    assert loaded.model is not None
    most = CONTEXTS * loaded.model.config.max_position_embeddings
    if len(text.ids) > most:
        raise COMMON.error(PromptTooLong, "generate_too_long", n=f"{len(text.ids):,}", context=f"{most:,}")
    writing.scores = Scores(text.serial, text.ids, tuple(scorer(text.ids, top, False)))


def details(writing: VisitorState, at: int, t: Words) -> dict[str, Any] | None:
    """The facts of the token whose first id has the place `at`, for the editor's popover; None: the model has not scored it."""
    step = step_of(writing, at)
    if step is None:
        return None
    piece = next((piece for place, piece in places(writing.document.pieces) if place == at), None)
    ids, tokenizer = piece.ids if piece else (step.id,), writing.tokenizer(tree_on_display(writing))
    more: dict[str, Any] = {}
    if piece is not None and piece.marks and tokenizer is not None:
        read = tokenizer.decode(list(ids), skip_special_tokens=True)
        more["notes"] = [[piece.marks, t("d_lossy", a=plain(piece.text), b=plain(read) or t("d_nothing"))]]
    if step.logprob is None:
        return more | {"note": t("generate_unscored")}
    group = [step, *(other for place in range(at + 1, at + len(ids)) if (other := step_of(writing, place)) is not None)]
    entropies = [other.entropy for other in group if other.entropy is not None]
    return more | {
        "name": plain(step.text if len(group) == 1 and step.text else name(step)) if len(group) == 1 else None,
        "probability": math.exp(math.fsum(other.logprob for other in group if other.logprob is not None)),
        "rank": worst_rank(group),
        "entropy": round(math.fsum(entropies) / LN2, 4) if entropies else None,
        "alternatives": [
            [
                plain(choice.text),
                choice.id,
                _short(math.exp(choice.logprob)),
                _short(choice.probability),
                int(choice.passed_filters),
            ]
            for choice in step.top
        ],
        "can": at > 0,
    }


def places(pieces: Iterable[Piece]) -> Iterator[tuple[int, Piece]]:
    """Each piece with the place of its first id."""
    at = 0
    for piece in pieces:
        yield at, piece
        at += len(piece.ids)


def _short(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")


def tree_on_display(writing: VisitorState) -> Tree:
    """The branches with the draft, if there is one."""
    return writing.tree if writing.draft is None else writing.draft
