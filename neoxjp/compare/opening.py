"""The tokenizers to compare with, by key, and opening one. Listing opens no file and sends no request; opening may do both.

A key is a name of the list, a path of this machine (a folder or file with a tokenizer in it), or any Hub id.
"""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from neoxjp.compare import files, hub, packages, units, words
from neoxjp.compare.pieces import Peer
from neoxjp.errors import PeerUnavailable
from neoxjp.japanese import Mode
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

Group = Literal["ours", "gpt", "units", "words", "package", "hub", "local"]


@dataclass(frozen=True)
class Offer:
    """A tokenizer that can be opened."""

    key: str  # what open_peer takes
    title: str  # the peer's name in tables and on the page
    group: Group
    source: str  # a Hub id, a package of PyPI, a path; "" for built-in ones


_BUILTIN = (
    Offer("neoxjp", "neoxjp", "ours", ""),
    Offer("compat", "transformers", "ours", ""),  # the same vocabulary, cut as transformers cuts, its faults included
    Offer("bytes", "UTF-8 bytes", "units", ""),
    Offer("characters", "characters", "units", ""),  # Unicode code points
)
_GPT = tuple(Offer(key, chosen.title, "gpt", chosen.package) for key, chosen in packages.OFFERED.items() if chosen.always)
_FOREIGN = (
    *(Offer(key, chosen.title, "package", chosen.package) for key, chosen in packages.OFFERED.items() if not chosen.always),
    *(Offer(key, chosen.title, "hub", chosen.repo) for key, chosen in hub.OFFERED.items()),
)
_MODES: dict[str, Mode] = {"sudachi-a": "A", "sudachi-b": "B", "sudachi-c": "C"}  # words: the shortest units to names whole
# What a key of the Hub looks like where no path is meant.
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)

_opened: dict[str, Peer] = {}
_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def list_offers(tokenizer: GPTNeoXJapaneseTokenizer | None = None) -> list[Offer]:
    """The tokenizers with a name, in the order of display. A public page accepts no other keys.

    A tokenizer that is read with compat="transformers" is not offered a second time.
    """
    return [known for known in _offers() if known.key != "compat" or tokenizer is None or tokenizer.compat is None]


def find_offer(key: str) -> Offer:
    """The offer of a key, whether or not it can be opened; a path or Hub id is named after its last part."""
    for known in _offers():
        if known.key == key:
            return known
    return Offer(key, re.split(r"[/\\]", key.rstrip("/\\"))[-1] or key, "local", key)


def open_peer(key: str, tokenizer: GPTNeoXJapaneseTokenizer, *, public: bool = False, local_files_only: bool = False) -> Peer:
    """The tokenizer of a key, opened once per process. "bytes" → one token per byte; "./folder" → the tokenizer in the folder.

    Args:
        key: of `offers`; where the page is not public also a path of this machine, or a Hub id ("owner/name") where no path is.
        tokenizer: ours, for "neoxjp" and "compat".
        public: the page is open to anybody: only the keys of `offers` are taken.
        local_files_only: send no request to the Hub; use what is cached.

    Raises:
        PeerUnavailable: no such key; its package, file or Hub repository is missing, gated or unreachable.
    """
    match key:
        case "neoxjp":
            return units.own_peer(tokenizer)
        case "compat":
            return units.transformers_peer(tokenizer)
        case "bytes":
            return units.Utf8Bytes()
        case "characters":
            return units.Characters()
        case "sudachi-a" | "sudachi-b" | "sudachi-c":
            return words.Words(_MODES[key], find_offer(key).title, words.dictionary_edition())
    if key in packages.OFFERED:
        return _once(key, lambda: packages.open_packaged(key))
    if key in hub.OFFERED:
        return _once(key, lambda: hub.open_offered(key, local_files_only=local_files_only))
    if public:
        raise _unknown(key)
    path = _path(key)
    if path is not None:
        return _once(f"{path.resolve()}\0{files.version_of(path)}", lambda: files.open_path(path))
    if len(key) <= 96 and _REPO.fullmatch(key):
        return _once(f"hub\0{key}", lambda: hub.open_repo(key, local_files_only=local_files_only))
    raise _unknown(key)


def _offers() -> list[Offer]:
    edition = words.dictionary_edition()
    by_sudachi = [Offer(key, f"Sudachi {mode}", "words", f"sudachidict-{edition}") for key, mode in _MODES.items()]
    return [*_BUILTIN[:2], *_GPT, *_BUILTIN[2:], *by_sudachi, *_FOREIGN]


def _path(key: str) -> Path | None:
    """The path of a key, if it exists."""
    try:
        path = Path(key).expanduser()
        return path if key and path.exists() else None
    except (OSError, RuntimeError, ValueError):  # a name that is too long, "~nobody", a NUL
        return None


def _unknown(key: str) -> PeerUnavailable:
    names = ", ".join(known.key for known in _offers())
    return PeerUnavailable(
        f"no tokenizer {key!r:.80}: choose {names}, or, on your own machine, a path or a Hub id",
        ja=f"{key!r:.80} というトークナイザーはありません。{names} から選ぶか、"
        "ご自分のマシンではパスか Hub の ID を指定してください。",
    )


def _once(key: str, make: Callable[[], Peer]) -> Peer:
    """The peer of a key, created once; other threads wait meanwhile. Failures are not cached."""
    with _guard:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:
        if key not in _opened:
            _opened[key] = make()
        return _opened[key]
