"""The tokenizers of a report: those that need no network, and any that the user names."""

from collections.abc import Iterable

from neoxjp import compare
from neoxjp.errors import NeoxjpError
from neoxjp.labs.tokenizer_report.records import OpenedTokenizer
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

OFFLINE = "offline"
"""Stands for every tokenizer that needs no network."""
GROUPS = ("ours", "gpt", "units", "words", "package")  # of the tokenizers that come with installed packages


def keys_of(asked: Iterable[str], tokenizer: GPTNeoXJapaneseTokenizer) -> list[str]:
    """The keys, each once, with "offline" replaced by those that need no network."""
    known = [offer.key for offer in compare.list_offers(tokenizer) if offer.group in GROUPS]
    return list(dict.fromkeys(key for each in asked for key in (known if each == OFFLINE else [each])))


def open_tokenizer(
    key: str, tokenizer: GPTNeoXJapaneseTokenizer, *, public: bool = False, local_files_only: bool = False
) -> OpenedTokenizer:
    """The tokenizer of a key, or the reason why it cannot be opened."""
    name = "neoxjp (compat)" if key == "compat" else compare.find_offer(key).title
    try:
        peer = compare.open_peer(key, tokenizer, public=public, local_files_only=local_files_only)
    except NeoxjpError as error:
        return OpenedTokenizer(key, name, problem=error)
    return OpenedTokenizer(key, name, peer)
