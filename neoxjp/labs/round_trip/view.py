"""Values for view.html: the stretches of a text that are shown, and how often each change occurs."""

from collections.abc import Iterator

from neoxjp.labs.common.templates import Words, render
from neoxjp.labs.round_trip.records import Difference, Effect, Roundtrip, grouped

TEMPLATE = "labs/round_trip/view.html"
WHOLE = 400  # characters up to which all of a text is shown; of a longer one only what is around differences
AROUND = 12  # characters shown on either side of a difference
DRAWN = 200  # differences drawn


def summary(found: Roundtrip, t: Words) -> str:
    """How many characters change, as a sentence and as a bar."""
    return render(TEMPLATE, "summary", t, found=found)


def text(found: Roundtrip, t: Words) -> str:
    """The text, and under each difference its decoded characters."""
    drawn = found.differences[:DRAWN]
    rest = len(found.differences) - len(drawn)
    return render(TEMPLATE, "text", t, parts=list(parts(found)), drawn=len(drawn), rest=rest)


def reasons(found: Roundtrip, t: Words) -> str:
    """The changes by reason: a sentence, a bar, and the kinds of changes; "" if nothing changes."""
    if not found.totals:
        return ""
    kinds = {reason: grouped(each for each in found.differences if each.reason == reason) for reason in found.totals}
    return render(TEMPLATE, "reasons", t, totals=found.totals, grouped=kinds)


def effect(found: Effect, t: Words) -> str:
    """What a normalization would change: characters, tokens, and the changes of the round trip."""
    return render(TEMPLATE, "effect", t, found=found, grouped=grouped(found.replacements))


def parts(found: Roundtrip) -> Iterator[str | int | Difference]:
    """The text in parts: a string is an unchanged stretch, a number counts characters that are folded away."""
    done = 0
    for start, end in _stretches(found):
        if start > done:
            yield start - done
        done = start
        for difference in found.differences[:DRAWN]:
            if start <= difference.start < end:
                yield found.text[done : difference.start]
                yield difference
                done = difference.end
        yield found.text[done:end]
        done = end
    if done < len(found.text):
        yield len(found.text) - done


def _stretches(found: Roundtrip) -> list[tuple[int, int]]:
    """The spans of the text that are shown: all of a short text, the surroundings of each difference in a long one."""
    length = len(found.text)
    if length <= WHOLE:
        return [(0, length)]
    shown: list[tuple[int, int]] = []
    for difference in found.differences[:DRAWN]:
        start, end = max(0, difference.start - AROUND), min(length, difference.end + AROUND)
        if shown and start <= shown[-1][1] + AROUND:  # a shorter gap takes less room than the sentence about it
            shown[-1] = (shown[-1][0], end)
        else:
            shown.append((start, end))
    return shown or [(0, WHOLE)]
