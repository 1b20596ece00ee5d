"""Text ↔ token ids: `GPTNeoXJapaneseTokenizer`, its records (`Token`, `Cut`, …) and the steps it is made of.

    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained("bundled")
    tokenizer.decode(tokenizer.encode("慶應大学"))

Loads neither torch nor numpy; the tables for long texts (numpy) are imported at their first use.
"""

from typing import TYPE_CHECKING

from neoxjp import lazy_names
from neoxjp.tokenizer.decode import each
from neoxjp.tokenizer.normalize import (
    BLANKS,
    DASHES,
    AlignedText,
    EmojiTable,
    Script,
    Span,
    findable,
    normalize_text,
    put,
    script_of,
)
from neoxjp.tokenizer.segment import Candidate, Cut, Rule, Token, cut, tile
from neoxjp.tokenizer.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.tokenizer.vocabulary import KIGOU_RANGES, Kind, Vocabulary

if TYPE_CHECKING:
    from neoxjp.tokenizer.fast_encode import Scanner
    from neoxjp.tokenizer.streaming import encode_files
else:
    __getattr__ = lazy_names(__name__, {"fast_encode": ("Scanner",), "streaming": ("encode_files",)})

__all__ = [
    "BLANKS",
    "DASHES",
    "KIGOU_RANGES",
    "AlignedText",
    "Candidate",
    "Cut",
    "EmojiTable",
    "GPTNeoXJapaneseTokenizer",
    "Kind",
    "Rule",
    "Scanner",
    "Script",
    "Span",
    "Token",
    "Vocabulary",
    "cut",
    "each",
    "encode_files",
    "findable",
    "normalize_text",
    "put",
    "script_of",
    "tile",
]
