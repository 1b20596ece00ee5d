"""Texts from files: plain text, CSV, JSONL and Parquet, in any encoding that Japanese files have.

`read_documents` opens a file by its path and stops at the first fault (training, evaluation). `inspect_file` and `read_texts`
read an open file of unknown origin, replace or skip what is broken, and report it (the corpus lab). `read_conllu` reads
word boundaries set by hand, `read_pairs` translations (the tokenizer report); `read_minimal_pairs` texts of which one is better,
`read_judgments` sentences with labels and `read_questions` questions with options (evaluation).
"""

from neoxjp.documents.choices import Question, read_questions
from neoxjp.documents.conllu import Sentence, read_conllu
from neoxjp.documents.encodings import CHOICES, Encoding, detect_encoding, parse_encoding
from neoxjp.documents.judgments import JudgedSentence, read_judgments
from neoxjp.documents.minimal_pairs import MinimalPair, minimal_pairs_in, read_minimal_pairs
from neoxjp.documents.parallel import Pair, read_pairs
from neoxjp.documents.text_files import Faults, FileInfo, TextPart, inspect_file, preview, read_texts
from neoxjp.documents.training import (
    SUFFIXES,
    Document,
    Split,
    join_pieces,
    line_start,
    parse_kind,
    parse_weighted_path,
    read_documents,
    row_group_sizes,
)

__all__ = [
    "CHOICES", "SUFFIXES", "Document", "Encoding", "Faults", "FileInfo", "JudgedSentence", "MinimalPair", "Pair", "Question",
    "Sentence", "Split", "TextPart", "detect_encoding", "inspect_file", "join_pieces", "line_start", "minimal_pairs_in",
    "parse_encoding", "parse_kind", "parse_weighted_path", "preview", "read_conllu", "read_documents", "read_judgments",
    "read_minimal_pairs", "read_pairs", "read_questions", "read_texts", "row_group_sizes",
]  # fmt: skip
