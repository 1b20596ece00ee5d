"""How much of a text decoding changes: the one count behind the round trip and the corpus."""


def changed_characters(was: str, became: str) -> int:
    """How many characters of `was` differ or are missing in `became`: "慶應" → "慶応" is 1, and so is "㈱" → "(株)".

    Of the same length, the characters are compared one by one; otherwise the part between what both begin with and what both end
    with has changed, at least one character: "\\r\\n" → "\\n" is 1. Equal texts: 0.
    """
    if len(was) == len(became):
        return sum(a != b for a, b in zip(was, became, strict=True))
    front = next((i for i, (a, b) in enumerate(zip(was, became, strict=False)) if a != b), min(len(was), len(became)))
    rest = min(len(was), len(became)) - front
    back = next((i for i in range(rest) if was[-1 - i] != became[-1 - i]), rest)
    return max(len(was) - front - back, 1)
