"""A cache of the logits that a text was sampled from, limited in bytes: a step can be inspected again without a forward.

Vectors are stored complete and in float32: from a rounded or shortened vector another id may be sampled where two candidates are
close. A step of the bundled model takes 32 kB, one of the 2.7B 128 kB. What was evicted is computed again from the ids.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from neoxjp.engine.records import LanguageModel, bos_ids, chunk_for, forward_one
from neoxjp.engine.scheduler import fit_prompt
from neoxjp.errors import ParameterError
from neoxjp.sampling import History, SamplingParams

DEFAULT_BYTES = 64 * 2**20  # 2,000 steps of the bundled model, 500 of the 2.7B


class LogitsCache:
    """Logits of one model by the ids before them. Thread-safe; the least recently used are evicted.

    >>> cache = LogitsCache()
    >>> engine.submit(prompt_ids, params, watch=cache.keep)

    Branches that share a beginning share its logits. Where the same ids were processed twice (while decoding, and later as a
    prompt), the later logits replace the earlier ones; they differ in their last digits.
    """

    def __init__(self, max_bytes: int = DEFAULT_BYTES):
        if max_bytes < 0:
            raise ParameterError(f"max_bytes={max_bytes!r} must be 0 or more")
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[np.ndarray, bool]] = OrderedDict()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the stored logits."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._entries)

    def keep(self, history: History, logits: Tensor, drawn_from: bool = True) -> None:
        """Store a copy of the logits (V,) of the id after `history`; for `Engine.submit(watch=…)`.

        drawn_from: whether the generation sampled from these very logits; False: they were computed again.
        """
        values = np.array(logits.detach().to("cpu", torch.float32).numpy())  # (V,), a copy
        key = _key(history)
        with self._lock:
            self._drop(key)
            if values.nbytes > self.max_bytes:
                return
            self._entries[key] = values, drawn_from
            self._nbytes += values.nbytes
            while self._nbytes > self.max_bytes:
                self._drop(next(iter(self._entries)))

    def get(self, history: History) -> tuple[Tensor, bool] | None:
        """A copy of the logits (V,) float32 of the id after `history`, and `drawn_from`; None: they are not in the cache."""
        key = _key(history)
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return None
            self._entries.move_to_end(key)
        return torch.from_numpy(found[0].copy()), found[1]

    def missing(self, ids: Sequence[int], ends: Iterable[int]) -> list[int]:
        """The `ends` for which the logits of the id after ids[:end] are not in the cache."""
        history = np.asarray(ids, dtype=np.int64)
        keys = [(end, _key(history[:end])) for end in ends]  # not under the lock, for which the engine would wait
        with self._lock:
            return [end for end, key in keys if key not in self._entries]

    def clear(self) -> None:
        """Remove everything, for example because another model is loaded."""
        with self._lock:
            self._entries.clear()
            self._nbytes = 0

    def _drop(self, key: bytes) -> None:
        if key in self._entries:
            self._nbytes -= self._entries.pop(key)[0].nbytes


@torch.inference_mode()
def next_logits(model: LanguageModel, history: Sequence[int], cached: LogitsCache | None = None) -> tuple[Tensor, bool]:
    """The logits (V,) float32 of the id after `history`, and whether a generation sampled from them.

    Logits that are not in the cache are computed as for a prompt of these ids, chunk by chunk as in the engine, and stored.

    Raises:
        PromptTooLong: `history` fills the context.
    """
    if cached is not None and (found := cached.get(history)) is not None:
        return found
    ids = tuple(history) or bos_ids(model.config)
    ids = fit_prompt(ids, SamplingParams(max_new_tokens=1), model.config.max_position_embeddings, "error")
    chunk = chunk_for(model.num_parameters)
    cache = model.new_cache()
    for start in range(0, len(ids), chunk):
        logits = forward_one(model, ids[start : start + chunk], cache, keep=1)
    last = logits[-1].clone()
    if cached is not None:
        cached.keep(ids, last, drawn_from=False)
    return last, False


@torch.inference_mode()
def logits_after(model: LanguageModel, ids: Sequence[int], first: int) -> Tensor:
    """The logits (len(ids) - first, V) float32 after each of the ids from position `first` on, computed in one pass.

    Raises:
        PromptTooLong: `ids` fill the context.
        ParameterError: `first` is no position in `ids`.
    """
    fit_prompt(tuple(ids), SamplingParams(max_new_tokens=1), model.config.max_position_embeddings, "error")
    if not 0 <= first < len(ids):
        raise ParameterError(f"first={first!r} must be a position of the {len(ids)} ids")
    chunk = chunk_for(model.num_parameters)
    cache = model.new_cache()
    found = []
    for start in range(0, len(ids), chunk):
        piece = ids[start : start + chunk]
        keep = min(len(piece), max(1, start + len(piece) - first))
        logits = forward_one(model, piece, cache, keep=keep)
        if start + len(piece) > first:
            found.append(logits.clone())
    return torch.cat(found)


def _key(history: History) -> bytes:
    return hashlib.blake2b(np.asarray(history, dtype=np.int64).tobytes(), digest_size=16).digest()
