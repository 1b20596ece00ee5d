"""The tokenizers to compare with. Each gives pieces that tile the user's text and says how many tokens each piece costs.

    offers(tokenizer)                    what can be compared with, by key; opens nothing, asks nobody
    open_peer("bytes", tokenizer)        one of them, or PeerUnavailable with the reason
    compare("東京", [peer])              every spelling of a text with every tokenizer, as records

A piece may stand for several tokens: the bytes of one character are one piece, so that nothing shows half a character.
"""

from neoxjp.compare.analysis import SEPARATOR, Comparison, Counts, compare, counts, to_csv, to_frame, token_records
from neoxjp.compare.opening import Offer, offer, offers, open_peer
from neoxjp.compare.pieces import Peer, Piece, pieces_of
from neoxjp.compare.units import Characters, Ours, Utf8Bytes, compat, folder, ours, peers

__all__ = [
    "SEPARATOR",
    "Characters",
    "Comparison",
    "Counts",
    "Offer",
    "Ours",
    "Peer",
    "Piece",
    "Utf8Bytes",
    "compare",
    "compat",
    "counts",
    "folder",
    "offer",
    "offers",
    "open_peer",
    "ours",
    "peers",
    "pieces_of",
    "to_csv",
    "to_frame",
    "token_records",
]
