"""A tree of texts by ids: continue from another token, edit in the middle, force words; every text is kept.

A branch has the ids of its parent up to a place, and its own after them. Texts are never joined and tokenized again, which would
change the boundaries: 東 and 京, generated as two tokens, stay two. A `Tree` is a value: each operation returns a new one, so
undo returns to the previous one (`History`), and a file that cannot be read changes nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch

from neoxjp.engine import (
    LN2,
    SCORE_CHUNK,
    LanguageModel,
    Step,
    bos_ids,
    check_ids,
    forward_one,
    token_statistics,
    token_text_function,
)
from neoxjp.errors import ParameterError, PromptTooLong
from neoxjp.labs.common.measures import first_difference
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import decode_each

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

Author = Literal["user", "model", "edit", "forced"]
AUTHORS: tuple[Author, ...] = ("user", "model", "edit", "forced")
MOST_NODES = 500
MOST_IDS = 200_000  # of all nodes together
LONGEST_NAME = 80
REMEMBERED = 100  # trees that undo goes back to


@dataclass(frozen=True)
class Node:
    """One branch: what it shares with its parent, and its own ids."""

    key: int  # its name for good; a parent's is smaller
    parent: int | None  # None: a text of its own
    place: int  # how many ids of the parent's text stand before its own
    ids: tuple[int, ...]  # its own
    author: Author  # who wrote them
    name: str = ""  # given by the user
    seed: int | None = None  # of generated ids: seed and params that reproduce them
    params: SamplingParams | None = None
    cut: int = 0  # ids at the front of the text that the model did not see
    typed: str = ""  # what a user typed for the ids of a text of its own; "": what they decode to


@dataclass(frozen=True)
class Run:
    """A stretch of a text that one author wrote."""

    start: int
    end: int
    author: Author
    node: int


@dataclass(frozen=True)
class Compared:
    """Where two branches part."""

    place: int | None  # of the first id that differs; None: they are the same text
    same: tuple[int, ...]  # the ids before it
    left: tuple[int, ...]  # the rest of each
    right: tuple[int, ...]


@dataclass(frozen=True)
class Tree:
    """All branches and which of them is on show. Operations give a new tree; where they cannot, they raise ParameterError."""

    nodes: Mapping[int, Node] = field(default_factory=dict)  # in the order in which they were made
    current: int | None = None  # the branch on show; None: there is none
    next_key: int = 0
    vocabulary: str = ""  # fingerprint of the vocabulary (labs/common/fingerprints.py); "" unknown

    # Reading

    def node(self, key: int) -> Node:
        if key not in self.nodes:
            raise ParameterError(f"there is no branch {key!r:.20}: it was deleted", ja=f"分岐 {key!r:.20} はありません。")
        return self.nodes[key]

    def path(self, key: int) -> list[Node]:
        """From the first text to this branch."""
        found = [self.node(key)]
        while (parent := found[-1].parent) is not None:
            found.append(self.nodes[parent])
        return found[::-1]

    def runs(self, key: int) -> list[Run]:
        """Who wrote which ids of a branch's text; together they are the whole of it."""
        runs: list[Run] = []
        for node in self.path(key):
            runs = [replace(run, end=min(run.end, node.place)) for run in runs if run.start < node.place]
            if node.ids:
                runs.append(Run(node.place, node.place + len(node.ids), node.author, node.key))
        return runs

    def ids(self, key: int) -> tuple[int, ...]:
        """The whole text of a branch."""
        text: list[int] = []
        for node in self.path(key):
            text[node.place :] = node.ids
        return tuple(text)

    def text(self, key: int, tokenizer: Any) -> str:
        """What its ids decode to."""
        return tokenizer.decode(self.ids(key))

    def children(self, key: int | None) -> list[Node]:
        """The branches that start from this one; of None: the texts that start from nothing."""
        return [node for node in self.nodes.values() if node.parent == key]

    def walk(self) -> Iterator[tuple[int, Node]]:
        """Each branch with its depth, a parent right before its children."""
        below: dict[int | None, list[Node]] = {}
        for node in self.nodes.values():
            below.setdefault(node.parent, []).append(node)
        waiting = [(0, node) for node in reversed(below.get(None, []))]
        while waiting:
            depth, node = waiting.pop()
            yield depth, node
            waiting += [(depth + 1, child) for child in reversed(below.get(node.key, []))]

    def compare(self, left: int, right: int) -> Compared:
        """The ids that two branches share from the start, and where they part."""
        one, other = self.ids(left), self.ids(right)
        place = first_difference(one, other)
        if place is None:
            return Compared(None, one, (), ())
        return Compared(place, one[:place], one[place:], other[place:])

    # Changing

    def start(self, ids: Sequence[int], name: str = "", typed: str = "") -> "Tree":
        """A text of the user's that hangs on no other."""
        return self._with(Node(self.next_key, None, 0, tuple(ids), "user", _named(name), typed=typed))

    def grow(
        self,
        key: int,
        ids: Sequence[int],
        author: Author = "model",
        place: int | None = None,
        seed: int | None = None,
        params: SamplingParams | None = None,
        cut: int = 0,
    ) -> "Tree":
        """Adds a branch that replaces the ids from position `place` on (None: appends).

        Its parent is the branch that owns the preceding id.

        >>> tree.grow(key, [alternative], "user", place=12)     # another token instead of number 12, counted from 0
        """
        length = len(self.ids(key))
        place = length if place is None else place
        if not 0 <= place <= length:
            raise ParameterError(f"place={place!r} must be from 0 to {length}", ja=f"位置は 0 から {length} までです。")
        node = self.nodes[key]
        while place < length and place <= node.place and node.parent is not None:
            node = self.nodes[node.parent]
        return self._with(Node(self.next_key, node.key, place, tuple(ids), author, "", seed, params, cut))

    def extend(self, key: int, ids: Sequence[int], author: Author = "model") -> "Tree":
        """Appends ids to a branch; creates a child if it has children or another author. Clears its seed and params."""
        node = self.node(key)
        if node.author != author or self.children(key):
            return self.grow(key, ids, author)
        self.require_room(0, len(ids))
        longer = replace(node, ids=(*node.ids, *ids), seed=None, params=None, cut=0)
        return replace(self, nodes={**self.nodes, key: longer}, current=key)

    def drawn_with(self, key: int, seed: int, params: SamplingParams, cut: int = 0) -> "Tree":
        """Sets the seed and params that reproduce a branch."""
        return replace(self, nodes={**self.nodes, key: replace(self.node(key), seed=seed, params=params, cut=cut)})

    def join(self, other: "Tree") -> "Tree":
        """With all branches of another tree behind its own, and that which was on show there."""
        self.require_room(len(other.nodes), sum(len(node.ids) for node in other.nodes.values()))
        by = self.next_key
        moved = {
            key + by: replace(node, key=key + by, parent=None if node.parent is None else node.parent + by)
            for key, node in other.nodes.items()
        }
        current = self.current if other.current is None else other.current + by
        return replace(self, nodes={**self.nodes, **moved}, current=current, next_key=by + other.next_key)

    def show(self, key: int | None) -> "Tree":
        """Another branch on show."""
        return replace(self, current=None if key is None else self.node(key).key)

    def name(self, key: int, name: str) -> "Tree":
        """Give a branch a name, or take it away with ""."""
        return replace(self, nodes={**self.nodes, key: replace(self.node(key), name=_named(name))})

    def delete(self, key: int) -> "Tree":
        """Without this branch and all that start from it. Its parent, or the latest other text, is on show where it was."""
        gone = {self.node(key).key}
        for node in self.nodes.values():  # a parent stands before its children
            if node.parent in gone:
                gone.add(node.key)
        left = {node.key: node for node in self.nodes.values() if node.key not in gone}
        current = self.current
        if current in gone:
            parent = self.nodes[key].parent
            current = parent if parent is not None else next(reversed(left), None)
        return replace(self, nodes=left, current=current)

    def _with(self, node: Node) -> "Tree":
        self.require_room(1, len(node.ids))
        return replace(self, nodes={**self.nodes, node.key: node}, current=node.key, next_key=self.next_key + 1)

    def require_room(self, nodes: int, ids: int) -> None:
        """Raises ParameterError if the limits would be exceeded."""
        nodes, ids = nodes + len(self.nodes), ids + sum(len(node.ids) for node in self.nodes.values())
        if nodes > MOST_NODES or ids > MOST_IDS:
            raise ParameterError(
                f"these would be {nodes} branches with {ids:,} tokens together; {MOST_NODES} with {MOST_IDS:,} can be kept: "
                "delete some, or take a shorter text",
                ja=f"分岐が {nodes} 件、合計 {ids:,} トークンになります。上限は {MOST_NODES} 件、{MOST_IDS:,} トークンです。"
                "いくつか削除するか、文章を短くしてください。",
            )


def _named(name: str) -> str:
    """A name that can be shown and saved: one line, cut where it is too long."""
    line = " ".join(str(name).split())[:LONGEST_NAME].strip()
    return "".join("\ufffd" if 0xD800 <= ord(character) < 0xE000 else character for character in line)


@dataclass(frozen=True)
class History:
    """The tree on show, those before it, and those that were undone."""

    tree: Tree = field(default_factory=Tree)
    past: tuple[Tree, ...] = ()  # the latest last
    future: tuple[Tree, ...] = ()  # what redo brings back, the next last

    def commit(self, tree: Tree) -> "History":
        """A changed tree; what was undone before is given up. The same tree is no change."""
        return self if tree == self.tree else History(tree, (*self.past, self.tree)[-REMEMBERED:])

    def show(self, tree: Tree) -> "History":
        """Another branch on show: nothing to undo, and what was undone can still come back."""
        return replace(self, tree=tree)

    def undo(self) -> "History":
        """The tree before the last change; nothing happens where there is none."""
        if not self.past:
            return self
        return History(self.past[-1], self.past[:-1], (*self.future, self.tree))

    def redo(self) -> "History":
        """The change that was undone last; nothing happens where there is none."""
        if not self.future:
            return self
        return History(self.future[-1], (*self.past, self.tree)[-REMEMBERED:], self.future[:-1])


# ---------------------------------------------------------------- edits and forced words


@dataclass(frozen=True)
class Edited:
    """What an edit did to the ids of a text."""

    ids: tuple[int, ...]  # the new text
    kept: int  # ids at the front that are as they were
    cut_anew: tuple[int, int]  # [start, end) of the new ids that come from the edit
    replaced: tuple[int, int]  # [start, end) of the old ids in their place
    agree_from: int | None  # the new ids from here on are the old ones again; None: they are not
    text: str  # what the new ids decode to
    lossy: bool  # that is not what was typed: 慶應 comes back as 慶応


def edited(ids: Sequence[int], text: str, tokenizer: "GPTNeoXJapaneseTokenizer", pieces: Sequence[str] | None = None) -> Edited:
    """The ids of a text after it was edited to `text`.

    pieces: what was shown for each id, joined the text before the edit (`shown_pieces`); None: what the ids decode to.
    """
    old = tuple(ids)
    byte_values = tokenizer.vocabulary.byte_values
    shown = decoded_pieces(old, tokenizer) if pieces is None else pieces
    same = _shared("".join(shown), text)
    kept = length = cut = 0
    for count, (id, piece) in enumerate(zip(old, shown, strict=True), 1):
        length += len(piece)
        if length > same:
            break
        if piece or byte_values[id] < 0:  # the bytes of a character stay together: their text stands at the last one
            kept, cut = count, length
    new = (*old[:kept], *tokenizer.encode(text[cut:]))
    back = _shared(old[kept:][::-1], new[kept:][::-1])
    end = len(new) - back
    found = tokenizer.decode(new, skip_special_tokens=True)
    return Edited(new, kept, (kept, end), (kept, len(old) - back), end if back else None, found, found != text)


def decoded_pieces(ids: Sequence[int], tokenizer: "GPTNeoXJapaneseTokenizer") -> list[str]:
    """The text of each id, that of a special one being ""; a character of several bytes stands at its last one."""
    special = set(tokenizer.all_special_ids)
    texts = decode_each(ids, tokenizer.vocabulary.texts, tokenizer.vocabulary.byte_values)
    return ["" if id in special else text for id, text in zip(ids, texts, strict=True)]


def shown_pieces(ids: Sequence[int], prompt: str, tokenizer: "GPTNeoXJapaneseTokenizer") -> list[str]:
    """The text of each id where a prompt stands as it was typed: 慶應 is id 17749, which decodes to 慶応.

    What follows the prompt's ids, and all where the ids do not begin with them, is as it decodes.
    """
    tokens = tokenizer.analyze(prompt)
    count = len(tokens)
    if [token.id for token in tokens] != list(ids[:count]):
        return decoded_pieces(ids, tokenizer)
    pieces = [prompt[token.start : token.end] for token in tokens]
    for place in range(count - 1):
        if tokens[place].start == tokens[place + 1].start:  # one character in several tokens
            pieces[place] = ""
    return pieces + decoded_pieces(ids[count:], tokenizer)


def branch_pieces(tree: Tree, key: int, tokenizer: "GPTNeoXJapaneseTokenizer") -> list[str]:
    """The text of each id of a branch: what is left of its opening as it was typed, the rest as it decodes."""
    root, *others = tree.path(key)
    if not root.typed:
        return decoded_pieces(tree.ids(key), tokenizer)
    own = min([len(root.ids), *(node.place for node in others)])
    return shown_pieces(root.ids, root.typed, tokenizer)[:own] + decoded_pieces(tree.ids(key)[own:], tokenizer)


def _shared(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How long the beginning is that two sequences share."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def edit(
    tree: Tree, key: int, text: str, tokenizer: "GPTNeoXJapaneseTokenizer", pieces: Sequence[str] | None = None
) -> tuple[Tree, Edited]:
    """A branch with the edited text; where nothing changed, the tree as it is. Arguments as for `edited`."""
    ids = tree.ids(key)
    found = edited(ids, text, tokenizer, pieces)
    return (tree if found.ids == ids else tree.grow(key, found.ids[found.kept :], "edit", found.kept)), found


@dataclass(frozen=True)
class Forced:
    """Surprisal of one given token at its position."""

    id: int
    text: str
    bits: float
    rank: int  # 1: the most probable token
    likeliest: str  # what it found most probable
    likeliest_bits: float


@dataclass(frozen=True)
class ForcedSurprisal:
    """Surprisal of given tokens at a position, in the model's own distribution."""

    tokens: tuple[Forced, ...]
    bits: float  # together


@torch.inference_mode()
def score_forced(model: LanguageModel, tokenizer: Any, before: Sequence[int], ids: Sequence[int]) -> ForcedSurprisal:
    """Surprisal of `ids` after `before` (empty: after bos).

    Raises PromptTooLong if both do not fit the context, ParameterError for an invalid id.
    """
    config = model.config
    front = check_ids(before, config.vocab_size, "before") or bos_ids(config)
    new = check_ids(ids, config.vocab_size, "ids")
    text = (*front, *new)
    context = config.max_position_embeddings
    if len(text) > context:
        raise PromptTooLong(
            f"{len(front)} tokens and the {len(new)} to be forced behind them are more than the context of {context}",
            ja=f"{len(front)} トークンと、その後の {len(new)} トークンは、コンテキスト長 {context} に収まりません。",
        )
    name = token_text_function(tokenizer)
    tokens: list[Forced] = []
    cache = model.new_cache()
    for start in range(0, len(text) - 1, SCORE_CHUNK):
        piece = text[start : min(start + SCORE_CHUNK, len(text) - 1)]
        wanted = min(len(piece), start + len(piece) - len(front) + 1)  # positions whose logits predict a forced id
        logits = forward_one(model, piece, cache, keep=max(1, wanted))
        for row in range(max(0, wanted)):
            id = text[start + len(piece) - wanted + row + 1]
            logprobs, rank, _ = token_statistics(logits[row], id)
            best = int(logprobs.argmax())
            tokens.append(Forced(id, name(id), _bits(logprobs[id]), rank, name(best), _bits(logprobs[best])))
    return ForcedSurprisal(tuple(tokens), math.fsum(token.bits for token in tokens))


def surprisal_of_steps(steps: Sequence[Step]) -> ForcedSurprisal:
    """The same from steps that are already scored, each with at least one alternative."""
    tokens = []
    for step in steps:
        best, own = step.top[0], next(choice for choice in step.top if choice.id == step.id)
        assert step.rank is not None
        tokens.append(Forced(step.id, own.text, _bits(own.logprob), step.rank, best.text, _bits(best.logprob)))
    return ForcedSurprisal(tuple(tokens), math.fsum(token.bits for token in tokens))


def force(
    tree: Tree, key: int, place: int, text: str, model: LanguageModel, tokenizer: "GPTNeoXJapaneseTokenizer"
) -> tuple[Tree, ForcedSurprisal]:
    """A branch with `text` after the first `place` ids of another, and its surprisal; later ids are dropped."""
    forced = tokenizer.encode(text)
    if not forced:
        raise ParameterError("there is nothing to force: enter some text", ja="挿入する言葉がありません。")
    grown = tree.grow(key, forced, "forced", place)
    return grown, score_forced(model, tokenizer, tree.ids(key)[:place], forced)


def _bits(logprob: Any) -> float:
    return 0.0 - float(logprob) / LN2
