"""The stretches of a text that view.html shows."""

from collections.abc import Iterator

from neoxjp.labs.round_trip.records import Difference, Roundtrip

WHOLE = 400  # characters up to which all of a text is shown; of a longer one only what is around differences
AROUND = 12  # characters shown on either side of a difference
DRAWN = 200  # differences that are shown


def parts(found: Roundtrip) -> Iterator[str | int | Difference]:
    """The text in parts: a string is an unchanged stretch, a number counts characters that are folded away."""
    done, front = 0, 0 if found.differences else WHOLE
    for difference in found.differences[:DRAWN]:
        yield from _unchanged(found.text, done, difference.start, front, AROUND)
        yield difference
        done, front = difference.end, AROUND
    yield from _unchanged(found.text, done, len(found.text), front, 0)


def _unchanged(text: str, start: int, end: int, front: int, back: int) -> Iterator[str | int]:
    """An unchanged stretch: all of it, or of a long one only the first `front` and the last `back` characters."""
    folded = end - start - front - back
    if len(text) <= WHOLE or folded <= (AROUND if front and back else 0):  # a short gap takes less room than a sentence about it
        yield text[start:end]
    else:
        yield text[start : start + front]
        yield folded
        yield text[end - back : end]
