"""Which characters of a text its ids stand for."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from neoxjp.tokenizer import Span


def spans_of(ids: Sequence[int], tokenizer: Any, skip_special: bool = False) -> tuple[str, list[Span]]:
    """What ids decode to, and the part of it that each of them is in; the bytes of one character share theirs.

    skip_special: tokens such as <|endoftext|> have no characters.

    [猫, <|byte195|>, <|byte169|>] → "猫é", [(0, 1), (1, 2), (1, 2)]
    """
    stream = tokenizer.stream_decoder(skip_special_tokens=skip_special)
    text, spans, waiting = "", [], 0  # ids whose text is not yet written
    for id in ids:
        whole = tokenizer.vocabulary.byte_values[id] < 0
        if waiting and whole and tokenizer.compat is None:  # bytes that no character came of are not this token's
            rest = stream.flush()
            spans += [(len(text), len(text) + len(rest))] * waiting
            text, waiting = text + rest, 0
        more = stream.push(id)
        waiting += 1
        if more or whole:
            spans += [(len(text), len(text) + len(more))] * waiting
            text, waiting = text + more, 0
    rest = stream.flush()
    return text + rest, spans + [(len(text), len(text) + len(rest))] * waiting


def piece_ranges(spans: Sequence[Span]) -> Iterator[range]:
    """The places of each piece: a token, or the byte tokens of one character together. They tile the spans.

    [(0, 1), (1, 2), (1, 2)] → range(0, 1), range(1, 3). A token without characters is alone.
    """
    runs = groupby(enumerate(spans), lambda item: (item[1], item[0] if item[1][0] == item[1][1] else None))
    for _, run in runs:
        places = [place for place, _ in run]
        yield range(places[0], places[-1] + 1)
