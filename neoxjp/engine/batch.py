"""One forward for many requests: which rows it has, how their ids go into the model, and what each row gets back."""

import math
from collections import deque
from collections.abc import Sequence

import torch

from neoxjp.engine.records import LanguageModel
from neoxjp.engine.request import Request, Row

MAX_CHUNKS = 4  # chunks of prompts that one forward reads while no text waits for its next id, or where it hardly waits longer
MAX_PREFILL_SECONDS = 0.3  # seconds for which prompts may hold texts up


class PrefillBudget:
    """How many chunks of prompts may hold texts up: all that a forward may have, once one with all took no longer than HOLD."""

    def __init__(self, chunk: int):
        self._all = MAX_CHUNKS * chunk  # ids
        self._took = deque[float](maxlen=4)  # seconds of the last forwards that read so many

    @property
    def chunks(self) -> int:
        return MAX_CHUNKS if min(self._took, default=math.inf) <= MAX_PREFILL_SECONDS else 1

    def note(self, rows: Sequence[Row], seconds: float) -> None:
        """What a forward took, before its rows count as read."""
        if sum(len(row.ids) for row in rows if row.request.prefilled < row.request.total) >= self._all:
            self._took.append(seconds)


def plan_rows(requests: Sequence[Request], turn: int, chunk: int, speculate: bool, spans: bool, beside: int = 1) -> list[Row]:
    """The rows of the forward number `turn`: the last id of every text, and `beside` chunks of prompts, or AT_ONCE without texts.

    So prompts hold the texts up by so many chunks at most, and many rows share the reading of the weights where that holds up
    nobody.
    Of several prompts that one goes first which was read from longest ago; short ones share a chunk.
    spans: whether one prompt may have several chunks in a forward (whose bits then must not depend on their number).
    """
    requests = [request for request in requests if request.cache is not None]  # without those that were cancelled just now
    prompts = sum(request.prefilled < request.total for request in requests)
    chunks = MAX_CHUNKS if prompts == len(requests) else beside
    rows, left = [], chunks * chunk
    for request in sorted(requests, key=lambda request: request.last_forward):
        row = request.row(len(requests), speculate, chunks // prompts if spans and prompts else 1)
        if request.prefilled < request.total:
            if len(row.ids) > left:
                continue
            left -= len(row.ids)
            request.last_forward = turn
        rows.append(row)
    return rows


def run_forward(model: LanguageModel, rows: Sequence[Row], chunk: int) -> None:
    """Each row's cache grows by its ids and its logits come into the row.

    Where the forward fails, each row is read alone: the one at fault gets the error, the others their logits.
    """
    if not rows:
        return
    try:
        _forward(model, rows, chunk)
    except Exception as error:
        for row in rows:
            row.cache.crop(row.length)  # a forward that fails half-way may have grown some
        if len(rows) == 1:
            rows[0].fault = error
            return
        for row in rows:
            run_forward(model, [row], chunk)


def _forward(model: LanguageModel, rows: Sequence[Row], chunk: int) -> None:
    ids = torch.tensor([id for row in rows for id in row.ids], dtype=torch.int64, device=model.device)  # (N,)
    counts = [len(row.ids) for row in rows]
    places: list[int] = []
    end = 0
    for row, count in zip(rows, counts, strict=True):
        end += count
        places += range(end - row.keep, end)
    wanted = torch.tensor(places or [0])  # the output layer reads at least one position
    caches = [row.cache for row in rows]
    logits = model.forward_unpadded(ids, counts, caches, wanted, chunk if max(counts) > chunk else None)
    logits = logits.to("cpu", torch.float32)  # (R, V)
    start = 0
    for row in rows:
        row.logits = logits[start : start + row.keep] if row.keep else None
        start += row.keep
