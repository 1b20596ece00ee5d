"""One visitor's texts: the one displayed, the tree of branches it belongs to, and the undo history.

Has no components and no model. The tree holds ids (neoxjp/labs/branches/records.py); what is shown of a branch, its steps with
their alternatives, is cached within a bound, and recomputed when it was evicted (labs/branches/actions.py).
"""

import functools
import json
from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any

from neoxjp.engine import Finish, Stats, Step
from neoxjp.errors import ParameterError
from neoxjp.hub import bundled_path
from neoxjp.labs.branches.records import Author, History, Limits, Tree, limits
from neoxjp.labs.common.fingerprints import vocabulary_fingerprint
from neoxjp.page_parts.session.memory import session_memory
from neoxjp.page_parts.strings import COMMON
from neoxjp.page_parts.token_editor.records import Document
from neoxjp.sampling import SamplingParams

if TYPE_CHECKING:
    from neoxjp.page_parts.link_address import View
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

MOST_TEXTS, MOST_STEPS = 200, 20_000  # kept of one visitor; a step with its alternatives is about 2 kB
STEP_BYTES, CHOICE_BYTES = 300, 220  # of memory: a step, and each of its alternatives
ID_BYTES, NODE_BYTES = 36, 400  # an id of a branch (`Node.size`), and a branch in one tree of the undo history


@dataclass(frozen=True)
class Part:
    """What one generation added to a text: its steps from `start` up to the next part's."""

    start: int  # place of its first step
    params: SamplingParams  # all that it was written with, the seed that was used filled in
    truncated_tokens: int  # ids at the front of the text that it did not see
    drawn: bool = True  # False: the visitor put these tokens there, or how they were written is not known; `params` says nothing
    by_model: bool = True  # False: the visitor put these tokens there


@dataclass(frozen=True)
class Text:
    """A prompt and what the model generated from it. Immutable: each generation makes a new one."""

    prompt: str
    prompt_ids: tuple[int, ...]  # all of them, also those that truncation hides from the model
    steps: tuple[Step, ...]
    base: int  # steps that existed before the last generation
    seed: int  # of the last generation
    serial: int  # of the model it was written by: its ids mean nothing to another vocabulary
    truncated_tokens: int = 0  # ids at the front that the last generation did not see
    finish: Finish | None = None  # None: the stream was broken off
    full: bool = False  # it ended because the context was full
    stats: Stats | None = None  # of the last generation
    rows_are_independent: bool = True  # the model computes the same values for a text alone and in a batch
    parts: tuple[Part, ...] = ()  # in order; what comes before the first is not known

    @property
    def ids(self) -> tuple[int, ...]:
        return self.prompt_ids + tuple(step.id for step in self.steps)

    @property
    def whole(self) -> str:
        """The prompt and what was written after it."""
        return self.prompt + "".join(step.text for step in self.steps)

    @property
    def params(self) -> SamplingParams | None:
        """What the last generation was written with, the seed that was used filled in; None: it is not known any more."""
        return self.parts[-1].params if self.parts and self.parts[-1].drawn else None

    def part_of(self, place: int) -> Part | None:
        """The generation that wrote the step at this place; None: none did, or it is not known."""
        found = self._part(place)
        return found if found is not None and found.drawn else None

    def by_model(self, place: int) -> bool:
        """Whether the model wrote the step at this place, not the visitor."""
        found = self._part(place)
        return found is None or found.by_model

    def _part(self, place: int) -> Part | None:
        return next((part for part in reversed(self.parts) if part.start <= place), None)


@dataclass(frozen=True)
class Scores:
    """A text that the model has read for the facts of its tokens: what the visitor wrote has no steps of a generation."""

    serial: int  # of the model
    ids: tuple[int, ...]
    steps: tuple[Step, ...]  # one for each id


@dataclass
class VisitorState:
    """A visitor's state: the text displayed, all branches with undo history, and whether a stream is running."""

    first: InitVar[Text | None] = None  # a text to begin with
    history: History = field(default_factory=History)
    running: bool = False
    stopped: bool = False
    stopped_at: int | None = None  # ids that the visitor saw when Stop was pressed; None: all that there are
    text: Text | None = field(default=None, init=False)  # what is displayed: the branch, or the draft
    document: Document = field(default_factory=Document)  # the same as the page has it
    draft: Tree | None = field(default=None, init=False)  # the branches with what the visitor typed since; None: nothing
    live: Text | None = field(default=None, init=False, repr=False)  # what is being written, as far as it has come
    scores: Scores | None = field(default=None, init=False, repr=False)
    linked: "View | None" = field(default=None, init=False, repr=False)  # of the link that the page was opened with, until shown
    saved: Text | None = field(default=None, init=False)  # the text of the branch, while a draft is displayed
    undone: tuple[Tree, Text] | None = field(default=None, init=False)  # the draft that undo removed, for redo
    undone_at: int = field(default=0, init=False)  # changes that redo had to bring back then: those come first
    _texts: dict[tuple[int, tuple[int, ...]], Text] = field(default_factory=dict, repr=False)  # the latest last
    _tokenizers: dict[str, "GPTNeoXJapaneseTokenizer"] = field(default_factory=dict, repr=False)  # by vocabulary

    def __post_init__(self, first: Text | None) -> None:
        if first is not None:
            self.commit(add_text_to_tree(self.tree, first, len(first.prompt_ids)), first)

    @property
    def tree(self) -> Tree:
        return self.history.tree

    def stop(self, seen: int | None = None) -> None:
        """End what is running: with its next paint the stream frees the slot and keeps the first `seen` ids (None: all)."""
        self.stopped, self.stopped_at = True, seen

    def tree_for(self, tokenizer: "GPTNeoXJapaneseTokenizer") -> Tree:
        """The tree that a text of this vocabulary belongs to: the current one, or an empty one if that has another vocabulary."""
        vocabulary = vocabulary_fingerprint(tokenizer)
        self._tokenizers[vocabulary] = tokenizer
        if self.tree.vocabulary == vocabulary:
            return self.tree
        return Tree(next_key=self.tree.next_key, vocabulary=vocabulary)

    def tokenizer(self, tree: Tree | None = None) -> "GPTNeoXJapaneseTokenizer | None":
        """That of a tree's vocabulary (None: this one's)."""
        return self._tokenizers.get((tree or self.tree).vocabulary)

    def type(self, tree: Tree, text: Text) -> None:
        """A draft is displayed: a branch that is added with the next generation, and that undo does not know before."""
        if self.draft is None:
            self.saved = self.text
        self.draft, self.text, self.undone = tree, text, None

    def forget_draft(self) -> None:
        """The branch is displayed again."""
        if self.draft is not None:
            self.draft, self.text, self.saved = None, self.saved, None

    def keep_draft(self) -> None:
        """The draft becomes a branch; undo leads back to the one before."""
        if self.draft is not None and self.text is not None:
            self.commit(self.draft, self.text)

    def commit(self, tree: Tree, text: Text | None) -> None:
        """A changed tree and the text of its branch displayed; undo leads back to the one before."""
        self.history = self.history.commit(tree)
        self._put(text)

    def show(self, tree: Tree, text: Text | None) -> None:
        """Another branch displayed, or its text with more numbers: a draft that was undone can still come back."""
        undone = self.undone
        self.history = self.history.show(tree)
        self._put(text)
        self.undone = undone

    def undo(self) -> Text | None:
        """Back to the branch without the draft, or to the tree before; its text is None if its steps were evicted."""
        before = self.saved is not None or bool(self.history.past)  # else the draft is the first text of all
        if self.draft is not None and self.text is not None and before and not self.running:
            self.undone, self.undone_at = (self.draft, self.text), len(self.history.future)
            self.forget_draft()
        elif self.history.past and not self.running:
            self.history, self.draft, self.saved = self.history.undo(), None, None
            self.text = self.stored_text()
        return self.text

    def redo(self) -> Text | None:
        """On to the draft or the change that was undone last; not while a draft is displayed, which would be lost."""
        if self.undone is not None and self.draft is None and len(self.history.future) == self.undone_at and not self.running:
            self.type(*self.undone)
        elif self.can_redo and not self.running:
            self.history = self.history.redo()
            self.text = self.stored_text()
        return self.text

    @property
    def can_redo(self) -> bool:
        return self.draft is None and bool(self.history.future or self.undone)

    def stored_text(self, tree: Tree | None = None) -> Text | None:
        """The text of the branch displayed in a tree (None: this one); None if it was evicted."""
        tree = tree or self.tree
        return None if tree.current is None else self._texts.get((tree.current, tree.nodes[tree.current].ids))

    @property
    def nbytes(self) -> int:
        """About how much memory the texts, the branches and the undo history take."""
        shown = [*self._texts.values(), self.text, self.saved, self.scores, self.undone and self.undone[1]]
        steps = {id(step): len(step.top) for text in shown if text for step in text.steps}
        trees = 1 + len(self.history.past) + len(self.history.future)
        ids = sum(node.size for node in self.tree.nodes.values())
        branches = ids * ID_BYTES + trees * len(self.tree.nodes) * NODE_BYTES
        link = 0
        if self.linked is not None:
            link = 4 * len(self.linked.text) + ID_BYTES * sum(len(run.ids or ()) + 1 for run in self.linked.runs)
        return len(steps) * STEP_BYTES + sum(steps.values()) * CHOICE_BYTES + branches + link + self.document.nbytes

    def trim(self) -> None:
        """Keep the branches and the text on show: other texts are scored again when they are shown, undo ends here.

        With its next edit the page sends all of its text.
        """
        if not self.running:
            self.document.trim()
            self._texts.clear()
            self.scores = self.undone = self.linked = None
            self.history = History(self.tree)

    def _put(self, text: Text | None) -> None:
        with session_memory.lock:
            self._store(text)
            session_memory.note(self)

    def _store(self, text: Text | None) -> None:
        self.text, self.draft, self.saved, self.undone = text, None, None, None
        current = self.tree.current
        if text is None or current is None:
            return
        key = current, self.tree.nodes[current].ids
        self._texts.pop(key, None)
        self._texts[key] = text
        while len(self._texts) > 1 and (len(self._texts) > MOST_TEXTS or self._steps() > MOST_STEPS):
            del self._texts[next(iter(self._texts))]

    def _steps(self) -> int:
        """How many are in memory; branches of one text share those of its beginning."""
        texts = self._texts.values()
        if (most := sum(len(text.steps) for text in texts)) <= MOST_STEPS:
            return most
        return len({id(step) for text in texts for step in text.steps})


def allow_memory(max_bytes: int, pages: int | None = None) -> None:
    """Set what all pages may take. `trim` drops no branch, so the branches of `pages` full pages have to fit into it.

    pages: None: one page may have as many branches as `Limits` allows, as where only its owner opens it.
    """
    session_memory.max_bytes = max_bytes
    limits.ids = Limits.ids
    if pages is not None:
        limits.ids = max(1, min(Limits.ids, (max_bytes // pages - limits.nodes * NODE_BYTES) // ID_BYTES))


@functools.cache
def examples() -> dict[str, str]:
    """The prompts that the page offers, by name: "story" → "むかし、…"."""
    return json.loads((bundled_path() / "prompts.json").read_text(encoding="utf-8"))


def step_place(text: Text, at: Any) -> int:
    """A step of a text. Raises ParameterError: there is none at that place (any more)."""
    if type(at) is not int or not 0 <= at < len(text.steps):
        raise COMMON.error(ParameterError, "generate_no_such_token")
    return at


def add_text_to_tree(tree: Tree, text: Text, place: int, author: Author = "model") -> Tree:
    """Adds to the tree a text whose ids from `place` on are new; those before it are the beginning of the branch displayed.

    Where a branch has these very ids, as after generating again with the same seed, that one is displayed instead.
    Raises ParameterError if the limits would be exceeded.
    """
    key, made = tree.current, text.ids[place:]
    for node in tree.nodes.values():
        if made and (node.author, node.shared_ids) == (author, place) and tree.ids(node.key) == text.ids:
            return tree.show(node.key)
    if key is None:
        tree = tree_with_prompt(tree, text)
        key = tree.current
        assert key is not None
    grown = tree.extend(key, made, author) if place == len(tree.ids(key)) else tree.grow(key, made, author, place)
    assert grown.current is not None
    node, part = grown.nodes[grown.current], text.parts[-1] if text.parts else None
    if part is not None and part.drawn and len(text.prompt_ids) + part.start == node.shared_ids:  # all of it is of one generation
        grown = grown.change(node.key, seed=text.seed, params=part.params, truncated_tokens=part.truncated_tokens)
    return grown


def tree_with_prompt(tree: Tree, text: Text) -> Tree:
    """The tree with the prompt of a text displayed; the prompt is added if the tree does not have it."""
    near = [] if tree.current is None else tree.path(tree.current)[:1]
    for node in (*near, *reversed(list(tree.nodes.values()))):
        if node.parent is None and node.ids == text.prompt_ids and node.typed == text.prompt:
            return tree.show(node.key)
    return tree.start(text.prompt_ids, typed=text.prompt)
