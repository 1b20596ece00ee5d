"""A tree of texts by ids: go on from another token, edit in the middle, force words, and lose nothing on the way.

A branch is the ids of its parent up to a place, and its own behind them. Texts are never joined and cut anew, which would change
Japanese cuts: 東 and 京, written as two tokens, stay two. A `Tree` is a value: each operation gives a new one, so undo is to take
the one before (`History`), and a file that cannot be read leaves everything as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from neoxjp.errors import ParameterError
from neoxjp.labs.common.measures import first_difference
from neoxjp.sampling import SamplingParams

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
    seed: int | None = None  # of a model's: with `params`, what its draws can be looked up by
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
    vocabulary: str = ""  # fingerprint of that which the ids are of (lab/generation/fingerprints.py); "": not said

    # Reading

    def node(self, key: int) -> Node:
        if key not in self.nodes:
            raise ParameterError(f"there is no branch {key!r:.20}: it was deleted", ja=f"枝 {key!r:.20} はありません。")
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
        """A branch with other ids behind the first `place` of a text; None: behind all of them, which goes on with it.

        It hangs on the branch that wrote the id before it, so that another version of a branch stands beside that.

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
        """More ids behind a branch: into it where nothing starts from it and one author wrote both, else as a branch of its own.

        For a text that grows token by token. What was known about the draws of the branch is given up.
        """
        node = self.node(key)
        if node.author != author or self.children(key):
            return self.grow(key, ids, author)
        self.require_room(0, len(ids))
        longer = replace(node, ids=(*node.ids, *ids), seed=None, params=None, cut=0)
        return replace(self, nodes={**self.nodes, key: longer}, current=key)

    def drawn_with(self, key: int, seed: int, params: SamplingParams, cut: int = 0) -> "Tree":
        """With what is known about the draws of a branch."""
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
        """Raises ParameterError where so many more would be too many."""
        nodes, ids = nodes + len(self.nodes), ids + sum(len(node.ids) for node in self.nodes.values())
        if nodes > MOST_NODES or ids > MOST_IDS:
            raise ParameterError(
                f"these would be {nodes} branches with {ids:,} tokens together; {MOST_NODES} with {MOST_IDS:,} can be kept: "
                "delete some, or take a shorter text",
                ja=f"枝が {nodes} 本、合わせて {ids:,} トークンになります。置けるのは {MOST_NODES} 本、{MOST_IDS:,} トークンまで"
                "です。いくつか削除するか、文章を短くしてください。",
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

    def keep(self, tree: Tree) -> "History":
        """A changed tree; what was undone before is given up. The same tree is no change."""
        return self if tree == self.tree else History(tree, (*self.past, self.tree)[-REMEMBERED:])

    def look(self, tree: Tree) -> "History":
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
