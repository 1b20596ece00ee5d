"""One forward for many requests: which rows it has, how their ids go into the model, and what each row gets back."""

from collections.abc import Sequence

import torch

from neoxjp.request import Request, Row
from neoxjp.steps import LanguageModel


def plan(requests: Sequence[Request], turn: int, chunk: int, speculate: bool) -> list[Row]:
    """The rows of the forward number `turn`: the last id of every text, and at most `chunk` ids of prompts.

    So a prompt holds the texts up by one piece at most. Of several prompts that one goes first which was read from longest ago;
    short ones share the piece.
    """
    rows, left = [], chunk
    for request in sorted(requests, key=lambda request: request.last_turn):
        if request.cache is None:
            continue  # cancelled just now
        row = request.row(len(requests), speculate)
        if request.prefilled < request.total:
            if len(row.ids) > left:
                continue
            left -= len(row.ids)
            request.last_turn = turn
        rows.append(row)
    return rows


def read(model: LanguageModel, rows: Sequence[Row]) -> None:
    """Each row's cache grows by its ids and its logits come into the row.

    Where the forward fails, each row is read alone: the one at fault gets the error, the others their logits.
    """
    if not rows:
        return
    try:
        _forward(model, rows)
    except Exception as error:
        for row in rows:
            row.cache.crop(row.length)  # a forward that fails half-way may have grown some
        if len(rows) == 1:
            rows[0].fault = error
            return
        for row in rows:
            read(model, [row])


def _forward(model: LanguageModel, rows: Sequence[Row]) -> None:
    ids = torch.tensor([id for row in rows for id in row.ids], dtype=torch.int64, device=model.device)  # (N,)
    counts = [len(row.ids) for row in rows]
    places: list[int] = []
    end = 0
    for row, count in zip(rows, counts, strict=True):
        end += count
        places += range(end - row.keep, end)
    wanted = torch.tensor(places or [0])  # the output layer reads at least one position
    logits = model.forward_packed(ids, counts, [row.cache for row in rows], wanted).to("cpu", torch.float32)  # (R, V)
    start = 0
    for row in rows:
        row.logits = logits[start : start + row.keep] if row.keep else None
        start += row.keep
