"""One forward pass for many requests: which rows it has, how their ids enter the model, and what each row gets back."""

import math
from collections import deque
from collections.abc import Sequence

import torch

from neoxjp.engine.records import LanguageModel
from neoxjp.engine.request import Request, Row

MAX_CHUNKS = 4  # prompt chunks in one forward while nothing is decoding, or where they delay decoding only a little
MAX_PREFILL_SECONDS = 0.3  # how long prompts may delay requests that are decoding


class PrefillBudget:
    """How many prompt chunks a forward may read while others decode.

    One, until a forward with MAX_CHUNKS chunks has taken no longer than MAX_PREFILL_SECONDS; then MAX_CHUNKS.
    """

    def __init__(self, chunk: int):
        self._full = MAX_CHUNKS * chunk  # prompt ids of a full forward
        self._seconds = deque[float](maxlen=4)  # of the last full forwards

    @property
    def chunks(self) -> int:
        return MAX_CHUNKS if min(self._seconds, default=math.inf) <= MAX_PREFILL_SECONDS else 1

    def note(self, rows: Sequence[Row], seconds: float) -> None:
        """Record how long a forward took. Call it before `prefilled` of its requests is updated."""
        if sum(len(row.ids) for row in rows if row.request.prefilled < row.request.total) >= self._full:
            self._seconds.append(seconds)


def plan_rows(
    requests: Sequence[Request],
    number: int,
    chunk: int,
    speculate: bool,
    rows_are_independent: bool,
    chunks_while_decoding: int = 1,
) -> list[Row]:
    """The rows of one forward: the last id of every request that decodes, and some chunks of prompts.

    Prompts are read round robin, and short prompts share a chunk.

    Args:
        number: the number of this forward.
        chunk: prompt ids in a chunk.
        rows_are_independent: whether one prompt may have several chunks in a forward; the bits of a row must then not depend on
            the number of rows.
        chunks_while_decoding: prompt chunks while others decode. MAX_CHUNKS where nothing decodes.
    """
    # The others were cancelled just now, or wait for a prompt that another one processes.
    requests = [request for request in requests if request.cache is not None]
    prompts = sum(request.prefilled < request.total for request in requests)
    chunks = MAX_CHUNKS if prompts == len(requests) else chunks_while_decoding
    rows, left = [], chunks * chunk
    for request in sorted(requests, key=lambda request: request.last_forward):
        row = request.row(len(requests), speculate, chunks // prompts if rows_are_independent and prompts else 1)
        if request.prefilled < request.total:
            if len(row.ids) > left:
                continue
            left -= len(row.ids)
            request.last_forward = number
        rows.append(row)
    return rows


def run_forward(model: LanguageModel, rows: Sequence[Row], chunk: int) -> None:
    """Run one forward: each row's cache grows by its ids, and the row receives its logits.

    If the forward fails, each row runs alone, so that only the row at fault gets the error.
    """
    if not rows:
        return
    try:
        _forward(model, rows, chunk)
    except Exception as error:
        for row in rows:
            row.cache.crop(row.length)  # a failed forward may have extended some caches
        if len(rows) == 1:
            rows[0].error = error
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
    wanted = torch.tensor(places or [0])  # the output layer needs at least one position
    caches = [row.cache for row in rows]
    logits = model.forward_unpadded(ids, counts, caches, wanted, chunk if max(counts) > chunk else None)
    logits = logits.to("cpu", torch.float32)  # (R, V)
    start = 0
    for row in rows:
        row.logits = logits[start : start + row.keep] if row.keep else None
        start += row.keep
