"""A tree of texts by ids: continue from another token, edit in the middle, force words; every text is kept.

A branch has the ids of its parent up to an index, and its own after them. Texts are never joined and tokenized again, which would
change the boundaries: 東 and 京, generated as two tokens, stay two. A `Tree` is a value: each operation returns a new one, so
undo returns to the previous one (`History`), and a file that cannot be read changes nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from neoxjp.engine import LN2, Step
from neoxjp.errors import ParameterError
from neoxjp.labs.common.glyphs import replace_surrogates
from neoxjp.labs.common.measures import shared_length
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, decode_each

Author = Literal["user", "model", "edit", "forced"]
AUTHORS: tuple[Author, ...] = get_args(Author)
LONGEST_NAME = 80  # characters
CHARACTERS_PER_ID = 9  # that take as much memory as an id of a branch: up to four bytes each
REMEMBERED = 100  # trees that undo can return to


@dataclass
class Limits:
    """What one tree may hold."""

    nodes: int = 500
    ids: int = 200_000  # of all nodes together, their strings included: `Node.size`


limits = Limits()
"""Those of this process; a public page sets them by its memory."""


@dataclass(frozen=True)
class Node:
    """One branch: what it shares with its parent, and its own ids."""

    key: int  # never used again; larger than that of its parent
    parent: int | None  # None: a text of its own
    shared_ids: int  # how many ids of the parent's text precede its own
    ids: tuple[int, ...]  # its own
    author: Author  # who wrote them
    name: str = ""  # given by the user
    seed: int | None = None  # of generated ids: seed and params that reproduce them
    params: SamplingParams | None = None
    truncated_tokens: int = 0  # ids at the front of the text that the model did not see
    typed: str = ""  # what a user typed for the ids of a text of its own; "": what they decode to

    @property
    def length(self) -> int:
        """Ids of the whole text."""
        return self.shared_ids + len(self.ids)

    @property
    def size(self) -> int:
        """Its own ids, and as many more as its strings take memory for: what was typed, the name, where the text stops."""
        stops = self.params.stop if self.params is not None else ()
        return len(self.ids) + (len(self.typed) + len(self.name) + sum(map(len, stops))) // CHARACTERS_PER_ID


@dataclass(frozen=True)
class Run:
    """A stretch of a text that one author wrote."""

    start: int
    end: int
    author: Author
    node: int


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
            runs = [replace(run, end=min(run.end, node.shared_ids)) for run in runs if run.start < node.shared_ids]
            if node.ids:
                runs.append(Run(node.shared_ids, node.length, node.author, node.key))
        return runs

    def ids(self, key: int) -> tuple[int, ...]:
        """The whole text of a branch."""
        text: list[int] = []
        for node in self.path(key):
            text[node.shared_ids :] = node.ids
        return tuple(text)

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

    # Changing

    def start(self, ids: Sequence[int], typed: str = "") -> "Tree":
        """Adds a text of the user's, without a parent."""
        return self._with(Node(self.next_key, None, 0, tuple(ids), "user", typed=typed))

    def grow(self, key: int, ids: Sequence[int], author: Author = "model", at: int | None = None) -> "Tree":
        """Adds a branch that replaces the ids from index `at` on (None: appends).

        Its parent is the branch that owns the preceding id.

        >>> tree.grow(key, [alternative], "user", at=12)     # another token instead of number 12, counted from 0
        """
        node = self.node(key)
        length = node.length
        at = length if at is None else at
        if not 0 <= at <= length:
            raise ParameterError(f"at={at!r} must be from 0 to {length}", ja=f"位置は 0 から {length} までです。")
        while at < length and at <= node.shared_ids and node.parent is not None:
            node = self.nodes[node.parent]
        return self._with(Node(self.next_key, node.key, at, tuple(ids), author))

    def extend(self, key: int, ids: Sequence[int], author: Author = "model") -> "Tree":
        """Appends ids to a branch; creates a child if it has children or another author. Clears its seed and params."""
        node = self.node(key)
        if node.author != author or any(other.parent == key for other in self.nodes.values()):
            return self.grow(key, ids, author)
        self.require_room(0, len(ids))
        return self.show(key).change(key, ids=(*node.ids, *ids), seed=None, params=None, truncated_tokens=0)

    def change(self, key: int, **fields: Any) -> "Tree":
        """Sets fields of a branch, such as the seed and params that reproduce it."""
        return replace(self, nodes={**self.nodes, key: replace(self.node(key), **fields)})

    def join(self, other: "Tree") -> "Tree":
        """Appends all branches of another tree, and shows the one that was on show there."""
        self.require_room(len(other.nodes), sum(node.size for node in other.nodes.values()))
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
        """Gives a branch a name; "" removes it."""
        line = " ".join(name.split())[:LONGEST_NAME].strip()  # one line
        return self.change(key, name=replace_surrogates(line))

    def delete(self, key: int) -> "Tree":
        """Without this branch and its descendants. If one of them was on show, its parent or the latest other text is now."""
        gone = {self.node(key).key}
        for node in self.nodes.values():  # a parent precedes its children
            if node.parent in gone:
                gone.add(node.key)
        left = {node.key: node for node in self.nodes.values() if node.key not in gone}
        current = self.current
        if current in gone:
            parent = self.nodes[key].parent
            current = parent if parent is not None else next(reversed(left), None)
        return replace(self, nodes=left, current=current)

    def _with(self, node: Node) -> "Tree":
        self.require_room(1, node.size)
        return replace(self, nodes={**self.nodes, node.key: node}, current=node.key, next_key=self.next_key + 1)

    def require_room(self, nodes: int, size: int) -> None:
        """Raises ParameterError if the limits would be exceeded. size: as `Node.size`."""
        nodes, size = nodes + len(self.nodes), size + sum(node.size for node in self.nodes.values())
        if nodes > limits.nodes or size > limits.ids:
            raise ParameterError(
                f"these would be {nodes} branches with {size:,} tokens together; the limits are {limits.nodes} and "
                f"{limits.ids:,}, and {CHARACTERS_PER_ID} typed characters count as one more: delete some, or shorten the text",
                ja=f"分岐が {nodes} 件、合計 {size:,} トークンになります。上限は {limits.nodes} 件、{limits.ids:,} トークンで、"
                f"入力した文字は {CHARACTERS_PER_ID} 文字を 1 トークンと数えます。いくつか削除するか、文章を短くしてください。",
            )


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

    ids: tuple[int, ...]  # of the new text
    unchanged_ids: int  # ids at the front that did not change
    new_span: tuple[int, int]  # [start, end) of the new ids that come from the edit
    old_span: tuple[int, int]  # [start, end) of the old ids that they replace
    agree_from: int | None  # from here on, the new ids are the old ones; None: nowhere
    text: str  # what the new ids decode to
    lossy: bool  # `text` is not what was typed: 慶應 becomes 慶応


def edited(ids: Sequence[int], text: str, tokenizer: GPTNeoXJapaneseTokenizer, pieces: Sequence[str] | None = None) -> Edited:
    """The ids of a text after it was edited to `text`.

    pieces: what was shown for each id, joined the text before the edit (`shown_pieces`); None: what the ids decode to.
    """
    old = tuple(ids)
    byte_values = tokenizer.vocabulary.byte_values
    shown = decoded_pieces(old, tokenizer) if pieces is None else pieces
    same = shared_length("".join(shown), text)
    unchanged = length = end_of_unchanged = 0
    for count, (id, piece) in enumerate(zip(old, shown, strict=True), 1):
        length += len(piece)
        if length > same:
            break
        if piece or byte_values[id] < 0:  # the bytes of a character stay together: the last one has its text
            unchanged, end_of_unchanged = count, length
    new = (*old[:unchanged], *tokenizer.encode(text[end_of_unchanged:]))
    back = shared_length(old[unchanged:][::-1], new[unchanged:][::-1])
    end = len(new) - back
    found = tokenizer.decode(new, skip_special_tokens=True)
    return Edited(new, unchanged, (unchanged, end), (unchanged, len(old) - back), end if back else None, found, found != text)


def decoded_pieces(ids: Sequence[int], tokenizer: GPTNeoXJapaneseTokenizer) -> list[str]:
    """The text of each id: "" for a special one; of the bytes of a character, the last one has its text."""
    special = set(tokenizer.all_special_ids)
    texts = decode_each(ids, tokenizer.vocabulary.texts, tokenizer.vocabulary.byte_values)
    return ["" if id in special else text for id, text in zip(ids, texts, strict=True)]


def shown_pieces(ids: Sequence[int], prompt: str, tokenizer: GPTNeoXJapaneseTokenizer) -> list[str]:
    """The text of each id, that of the prompt's ids as it was typed: 慶應 is id 17749, which decodes to 慶応.

    If `ids` do not begin with those of the prompt, all are decoded.
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


def branch_pieces(tree: Tree, key: int, tokenizer: GPTNeoXJapaneseTokenizer) -> list[str]:
    """The text of each id of a branch: what is left of its prompt as it was typed, the rest decoded."""
    root, *others = tree.path(key)
    if not root.typed:
        return decoded_pieces(tree.ids(key), tokenizer)
    own = min([len(root.ids), *(node.shared_ids for node in others)])
    return shown_pieces(root.ids, root.typed, tokenizer)[:own] + decoded_pieces(tree.ids(key)[own:], tokenizer)


@dataclass(frozen=True)
class Forced:
    """Surprisal of one given token at its position."""

    id: int
    text: str
    bits: float
    rank: int  # 1: the most probable token
    likeliest: str  # the most probable token
    likeliest_bits: float


@dataclass(frozen=True)
class ForcedSurprisal:
    """Surprisal of given tokens at a position, in the model's own distribution."""

    tokens: tuple[Forced, ...]
    bits: float  # together


def surprisal_of_steps(steps: Sequence[Step]) -> ForcedSurprisal:
    """From steps that a model has scored, each with at least one alternative."""
    tokens = []
    for step in steps:
        best, own = step.top[0], next(choice for choice in step.top if choice.id == step.id)
        assert step.rank is not None
        tokens.append(Forced(step.id, own.text, _bits(own.logprob), step.rank, best.text, _bits(best.logprob)))
    return ForcedSurprisal(tuple(tokens), math.fsum(token.bits for token in tokens))


def _bits(logprob: Any) -> float:
    return 0.0 - float(logprob) / LN2
