"""A tree of branches as a file, and as rows for a page or a terminal."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.branches.records import AUTHORS, LONGEST_NAME, Author, Node, Tree, limits
from neoxjp.labs.common import savefile

FORMAT, VERSION = "neoxjp-branches", 1
MAX_BYTES = 8 * 2**20
LONGEST_TYPED = 1_000_000  # characters
SHOWN = 60  # characters of a branch's own text in a list

LARGEST_MEMO = 2_000_000  # characters of JSON stored in a browser; it stores about 5,000,000, and encryption adds a third


class OtherVocabulary(ParameterError):
    """A file's ids are of another vocabulary than that which is loaded."""


def to_json(tree: Tree, most: int | None = None) -> str:
    """The file, with the vocabulary's fingerprint, since ids mean nothing to another one.

    most: characters. If all branches need more, the file has the one on show and as many of the newest ones as fit, each with
    its ancestors; "" if not even the one on show fits.
    """
    saved = {node.key: _saved(node) for node in tree.nodes.values()}
    sizes = {key: len(json.dumps(node)) + len(", ") for key, node in saved.items()}
    head = {"vocabulary": tree.vocabulary, "current": tree.current, "next_key": tree.next_key}
    free = math.inf if most is None else most + len(", ") - len(savefile.dumps(FORMAT, VERSION, head | {"nodes": []}))
    chosen: set[int] = set()
    first = [] if tree.current is None else [tree.current]
    for key in (*first, *reversed(saved)):
        new = [node.key for node in tree.path(key) if node.key not in chosen]
        size = sum(sizes[one] for one in new)
        if size <= free:
            chosen.update(new)
            free -= size
        elif key == tree.current:
            return ""
    return savefile.dumps(FORMAT, VERSION, head | {"nodes": [node for key, node in saved.items() if key in chosen]})


def _saved(node: Node) -> dict[str, Any]:
    """A branch for the file, without `truncated_tokens` and `typed` where they are empty."""
    found = dataclasses.asdict(node).items()
    return {name: value for name, value in found if value or name not in ("truncated_tokens", "typed")}


def from_json(data: str | bytes, vocabulary: str, vocab_size: int) -> Tree:
    """The tree in a file.

    Raises ParameterError: too large, damaged, of a later version, of another vocabulary. One sentence; nothing else happens.
    """
    found = savefile.loads(data, FORMAT, VERSION, MAX_BYTES)
    with savefile.wrap_errors(FORMAT):
        if found["vocabulary"] != vocabulary:
            raise OtherVocabulary(
                "the file's ids are of another vocabulary than the one that is loaded: load the model they were written with",
                ja="このファイルの ID は、現在のモデルとは別の語彙のものです。保存時のモデルを読み込んでください。",
            )
        given = found["nodes"]
        if not isinstance(given, list) or len(given) > limits.nodes:
            raise ValueError(f"nodes is not a list of at most {limits.nodes}")
        next_key = savefile.parse_int(found["next_key"], 0, 2**53, "next_key")
        nodes: dict[int, Node] = {}
        for item in given:
            node = _node(item, nodes, next_key, vocab_size)
            nodes[node.key] = node
        if sum(node.size for node in nodes.values()) > limits.ids:
            raise ValueError(f"it has more than {limits.ids} ids, or too long texts")
        current = found["current"]
        if current is not None and (type(current) is not int or current not in nodes):
            raise ValueError("current is no branch")
        return Tree(nodes, current, next_key, vocabulary)


def _node(item: Any, nodes: dict[int, Node], next_key: int, vocab_size: int) -> Node:
    """One branch, its parent among `nodes`."""
    key = savefile.parse_int(item["key"], max(nodes, default=-1) + 1, next_key - 1, "key")
    parent = item["parent"]
    if parent is not None and (type(parent) is not int or parent not in nodes):
        raise ValueError("the parent of a branch is missing")
    author: Author = item["author"]
    if author not in AUTHORS:
        raise ValueError("author is none of " + ", ".join(AUTHORS))
    seed, typed = item["seed"], savefile.parse_string(item.get("typed", ""), LONGEST_TYPED, "typed")
    if typed and parent is not None:
        raise ValueError("typed is set for a branch that has a parent")
    shared_ids = savefile.parse_int(item["shared_ids"], 0, 0 if parent is None else nodes[parent].length, "shared_ids")
    return Node(
        key=key,
        parent=parent,
        shared_ids=shared_ids,
        ids=savefile.parse_ids(item["ids"], vocab_size, limits.ids, "ids"),
        author=author,
        name=savefile.parse_string(item["name"], LONGEST_NAME, "name"),
        seed=None if seed is None else savefile.parse_int(seed, 0, 2**63 - 1, "seed"),
        params=None if item["params"] is None else savefile.parse_params(item["params"]),
        truncated_tokens=savefile.parse_int(item.get("truncated_tokens", 0), 0, shared_ids, "truncated_tokens"),
        typed=typed,
    )


@dataclass(frozen=True)
class Row:
    """A branch in a list."""

    node: Node
    depth: int
    begins: str  # the first characters of its own text


def rows_of(tree: Tree, tokenizer: Any) -> list[Row]:
    """All branches, a parent right before its children."""
    return [Row(node, depth, (node.typed or tokenizer.decode(node.ids[:SHOWN]))[:SHOWN]) for depth, node in tree.walk()]
