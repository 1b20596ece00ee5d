"""A small language model whose next token is known, for the tests of the engine and its parts."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace

import torch

from neoxjp.model.kv_cache import CACHE_BLOCK
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

V = 12
PER_TOKEN = 10  # bytes
BOS, EOS = 10, 11


class FakeCache:
    """The ids that were read, in the shape of a KVCache."""

    def __init__(self, ids: Sequence[int] = ()):
        self.ids = list(ids)
        self.length = len(self.ids)

    @property
    def nbytes(self) -> int:
        return PER_TOKEN * CACHE_BLOCK * -(-self.length // CACHE_BLOCK)

    def extend(self, ids: list[int]) -> None:
        self.ids[self.length :] = ids
        self.length += len(ids)

    def crop(self, length: int) -> None:
        assert 0 <= length <= self.length
        self.length = length

    def advance(self, count: int) -> None:
        self.length += count
        assert self.length <= len(self.ids)

    def fork(self) -> "FakeCache":
        return FakeCache(self.ids[: self.length])


class Fake:
    """A language model that is a function: all ids so far → logits (V,)."""

    device = "cpu"
    cache_bytes_per_token = PER_TOKEN
    cache_block = 256
    num_parameters = 10**10  # so many that prompts are read in small chunks
    rows_are_independent = True
    positions_are_identical = False

    def __init__(
        self, logits: Callable[[list[int]], torch.Tensor], context: int = 40, vocab: int = V, bos: int = BOS, eos: int = EOS
    ):
        self.logits = logits
        self.config = SimpleNamespace(vocab_size=vocab, max_position_embeddings=context, bos_token_id=bos, eos_token_id=eos)
        self.forwards: list[list[int]] = []  # the ids of each sequence of each forward
        self.batches: list[int] = []  # how many sequences each forward had

    def new_cache(self) -> FakeCache:
        return FakeCache()

    def forward_unpadded(self, input_ids, counts, caches, logits_at=None, chunk=None):
        assert len(input_ids) == sum(counts)
        assert len({id(cache) for cache in caches}) == len(counts)
        rows, self.batches = [], [*self.batches, len(counts)]
        for piece, cache in zip(input_ids.split(list(counts)), caches, strict=True):
            self.forwards.append(piece.tolist())
            so_far = cache.ids[: cache.length]
            for one in piece.tolist():
                so_far.append(one)
                rows.append(self.logits(list(so_far)))
            cache.extend(piece.tolist())
            assert cache.length <= self.config.max_position_embeddings
        places = torch.tensor(counts).cumsum(0) - 1 if logits_at is None else logits_at
        return torch.stack(rows)[places]


def mixed(ids: list[int]) -> torch.Tensor:
    """Random logits that depend on every id so far."""
    return torch.randn(V, generator=torch.Generator().manual_seed(hash(tuple(ids)) % 2**32)) * 2


def saying(script: list[int], prompt: int = 1, vocab: int = V) -> Callable[[list[int]], torch.Tensor]:
    """Logits that make `script` follow a prompt of so many ids; its last id again behind it, where a draft may reach."""
    return lambda ids: torch.nn.functional.one_hot(torch.tensor(script[min(len(ids) - prompt, len(script) - 1)]), vocab) * 20.0


class Clock:
    """Seconds that pass when a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


DRAW = SamplingParams(do_sample=True, seed=1, eos_token_id=(), max_new_tokens=8)


def writing(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> Fake:
    """A model that says `text`, then the end token."""
    script = [*tokenizer.encode(text), tokenizer.eos_token_id]
    size = tokenizer.vocab_size
    return Fake(saying(script, vocab=size), 200, size, tokenizer.bos_token_id, tokenizer.eos_token_id)


def ids(steps) -> list[int]:
    return [step.id for step in steps]
