"""Text ↔ token ids: `GPTNeoXJapaneseTokenizer`, its records (`Token`, `Cut`, …) and the steps it is made of.

    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained("bundled")
    tokenizer.decode(tokenizer.encode("慶應大学"))

Loads neither torch nor numpy; the tables for long texts (numpy) are imported at their first use.
"""

from typing import TYPE_CHECKING

from neoxjp import lazy_names
from neoxjp.tokenizer.decode import decode_each
from neoxjp.tokenizer.normalize import (
    BLANKS,
    DASHES,
    AlignedText,
    EmojiTable,
    Script,
    Span,
    findable_emoji,
    normalize_text,
    replace_spans,
    script_of,
)
from neoxjp.tokenizer.segment import Candidate, Cut, Rule, Token, iter_cuts, rule_of, segment_text, tile_spans
from neoxjp.tokenizer.tokenizer import FILES, GPTNeoXJapaneseTokenizer
from neoxjp.tokenizer.tokens import Tokens
from neoxjp.tokenizer.vocabulary import KIGOU_RANGES, Kind, Vocabulary

if TYPE_CHECKING:
    from neoxjp.tokenizer.fast_encode import FastEncoder
    from neoxjp.tokenizer.streaming import encode_files
else:
    __getattr__ = lazy_names(__name__, {"fast_encode": ("FastEncoder",), "streaming": ("encode_files",)})

__all__ = [
    "BLANKS",
    "DASHES",
    "FILES",
    "KIGOU_RANGES",
    "AlignedText",
    "Candidate",
    "Cut",
    "EmojiTable",
    "FastEncoder",
    "GPTNeoXJapaneseTokenizer",
    "Kind",
    "Rule",
    "Script",
    "Span",
    "Token",
    "Tokens",
    "Vocabulary",
    "decode_each",
    "encode_files",
    "findable_emoji",
    "iter_cuts",
    "normalize_text",
    "replace_spans",
    "rule_of",
    "script_of",
    "segment_text",
    "tile_spans",
]
