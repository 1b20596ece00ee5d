"""The logits behind a text that was written, kept within a number of bytes: a step can be looked at again without a forward.

They are kept whole and in float32, as they were drawn from: a rounded or shortened vector may draw another id where a filter's
border or the uniform number falls between two close candidates. A step of the bundled model takes 32 kB, of the 2.7B 128 kB.
What had to go is read again by one pass over the ids.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from neoxjp.engine.prefix_cache import chunk_for
from neoxjp.engine.records import LanguageModel, forward_one
from neoxjp.engine.scheduler import fit_prompt
from neoxjp.errors import ParameterError
from neoxjp.sampling import History, SamplingParams

DEFAULT_BYTES = 64 * 2**20  # 2,000 steps of the bundled model, 500 of the 2.7B


class LogitsCache:
    """Logits by the ids before them, of one model; for any thread. The longest unused go first.

    >>> kept = Logits()
    >>> engine.submit(prompt_ids, params, watch=kept.keep)

    So branches that share their beginning share its logits. Where the same ids were read in two ways (written, and then again as
    a prompt), the later logits stay; they differ in their last digits.
    """

    def __init__(self, most_bytes: int = DEFAULT_BYTES):
        if most_bytes < 0:
            raise ParameterError(f"most_bytes={most_bytes!r} must be 0 or more")
        self.most_bytes = most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[np.ndarray, bool]] = OrderedDict()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the logits that are held."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, history: History, logits: Tensor, drawn_from: bool = True) -> None:
        """Copy the logits (V,) of the id after `history`; for `Engine.submit(watch=…)`.

        drawn_from: these are the ones that the generation drew from; False: they were computed again.
        """
        values = np.array(logits.detach().to("cpu", torch.float32).numpy())  # (V,), a copy
        key = _key(history)
        with self._lock:
            self._drop(key)
            if values.nbytes > self.most_bytes:
                return
            self._kept[key] = values, drawn_from
            self._nbytes += values.nbytes
            while self._nbytes > self.most_bytes:
                self._drop(next(iter(self._kept)))

    def get(self, history: History) -> tuple[Tensor, bool] | None:
        """The logits (V,) float32 of the id after `history`, a copy, and `drawn_from`; None: they are not kept (any more)."""
        key = _key(history)
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
        return torch.from_numpy(found[0].copy()), found[1]

    def clear(self) -> None:
        """Forget all: another model is loaded."""
        with self._lock:
            self._kept.clear()
            self._nbytes = 0

    def _drop(self, key: bytes) -> None:
        if key in self._kept:
            self._nbytes -= self._kept.pop(key)[0].nbytes


@torch.inference_mode()
def next_logits(model: LanguageModel, history: Sequence[int], kept: LogitsCache | None = None) -> tuple[Tensor, bool]:
    """The logits (V,) float32 of the id after `history`, and whether they are those that a generation drew from.

    Where they are not kept they are computed as for a prompt of these ids, piece by piece as the engine does it, and kept.

    Raises PromptTooLong where `history` fills the context.
    """
    if kept is not None and (found := kept.get(history)) is not None:
        return found
    ids = fit_prompt(tuple(history), SamplingParams(max_new_tokens=1), model.config.max_position_embeddings, "error")
    chunk = chunk_for(model.num_parameters)
    cache = model.new_cache()
    for start in range(0, len(ids), chunk):
        logits = forward_one(model, ids[start : start + chunk], cache, keep=1)
    last = logits[-1].clone()
    if kept is not None:
        kept.keep(ids, last, drawn_from=False)
    return last, False


@torch.inference_mode()
def logits_after(model: LanguageModel, ids: Sequence[int], first: int) -> Tensor:
    """The logits (len(ids) - first, V) float32 after each of the ids from place `first` on, read in one pass.

    Raises PromptTooLong where `ids` fill the context.
    """
    fit_prompt(tuple(ids), SamplingParams(max_new_tokens=1), model.config.max_position_embeddings, "error")
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
