"""Other tokenizers beside ours. Each gives pieces that tile the user's text, with the number of tokens of each piece.

    list_offers(tokenizer)               the tokenizers to choose from; opens none and sends no request
    open_peer("bytes", tokenizer)        one of them, or PeerUnavailable with the reason
    compare("東京", [peer])              every spelling of a text with every tokenizer, as records

A piece may stand for several tokens: the bytes of one character are one piece, so that no piece is half a character.
"""

from neoxjp.compare.analysis import (
    SEPARATOR,
    Comparison,
    Counts,
    TokenRecord,
    compare,
    count_text,
    to_csv,
    to_frame,
    token_records,
)
from neoxjp.compare.opening import Offer, find_offer, list_offers, open_peer
from neoxjp.compare.pieces import Encoder, Peer, Piece, pieces_of
from neoxjp.compare.units import Characters, OwnTokenizer, Utf8Bytes, builtin_peers, folder_peer, own_peer, transformers_peer

__all__ = [
    "SEPARATOR",
    "Characters",
    "Comparison",
    "Counts",
    "Encoder",
    "Offer",
    "OwnTokenizer",
    "Peer",
    "Piece",
    "TokenRecord",
    "Utf8Bytes",
    "builtin_peers",
    "compare",
    "count_text",
    "find_offer",
    "folder_peer",
    "list_offers",
    "open_peer",
    "own_peer",
    "pieces_of",
    "to_csv",
    "to_frame",
    "token_records",
    "transformers_peer",
]
