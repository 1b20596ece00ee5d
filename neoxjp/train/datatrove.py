"""Our tokenizer as a step of a DataTrove pipeline: the ids of documents as DataTrove's .ds, .ds.index and .ds.metadata files.

    LocalPipelineExecutor([JsonlReader("texts"), DocumentTokenizer("tokenized", "bundled")], tasks=8, logging_dir="logs").run()

DataTrove takes only tokenizers of Hugging Face's Rust library; here its property `tokenizer` is replaced. Its executors, readers,
filters, shuffling and resuming stay as they are. Needs datatrove (pip install "neoxjp[datatrove]").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

try:
    from datatrove.pipeline.tokens import DocumentTokenizer as TheirDocumentTokenizer
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(f'{error.name} is not installed: pip install "neoxjp[datatrove]"', name=error.name) from error

from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer


@dataclass
class Encoded:
    """What DataTrove reads of the tokens of a document."""

    ids: list[int]
    _text: str = field(repr=False)
    _tokenizer: GPTNeoXJapaneseTokenizer = field(repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def _spans(self) -> list[tuple[int, int]]:
        return [(token.start, token.end) for token in self._tokenizer.analyze(self._text)]

    def char_to_token(self, place: int) -> int | None:
        """The index of the token that a character belongs to, for `no_loss_ranges`; None after the end."""
        return next((index for index, (start, end) in enumerate(self._spans) if start <= place < end), None)


class Adapter:
    """The part of a `tokenizers.Tokenizer` that DataTrove uses."""

    def __init__(self, tokenizer: GPTNeoXJapaneseTokenizer, end: str | None):
        """end: the token after each document; None: no token."""
        self.tokenizer = tokenizer
        self.end = [] if end is None else [tokenizer.get_vocab()[end]]

    def get_vocab_size(self) -> int:
        return len(self.tokenizer)

    def token_to_id(self, token: str) -> int | None:
        return self.tokenizer.get_vocab().get(token)

    def encode(self, text: str) -> Encoded:
        return self.encode_batch([text])[0]

    def encode_batch(self, texts: Iterable[str]) -> list[Encoded]:
        texts = list(texts)
        found: Sequence[Any] = self.tokenizer.encode_batch(texts)
        return [Encoded(ids.tolist() + self.end, text, self.tokenizer) for text, ids in zip(texts, found, strict=True)]


class WithTokenizer:
    """For any step of DataTrove with a tokenizer: `class Mine(WithTokenizer, TheirStep)`."""

    tokenizer_name_or_path: str
    eos_token: str | None

    @cached_property
    def tokenizer(self) -> Adapter:
        """The tokenizer of "bundled", a folder or a Hub id."""
        return Adapter(GPTNeoXJapaneseTokenizer.from_pretrained(self.tokenizer_name_or_path), self.eos_token)


class DocumentTokenizer(WithTokenizer, TheirDocumentTokenizer):
    """Writes the ids of documents. Options as in DataTrove, but documents end with <|endoftext|> unless `eos_token` is None."""

    def __init__(self, output_folder: Any, tokenizer_name_or_path: str = "bundled", **options: Any):
        super().__init__(output_folder, tokenizer_name_or_path, **{"eos_token": "<|endoftext|>"} | options)
