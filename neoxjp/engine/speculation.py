"""Speculative decoding without a draft model (prompt lookup): a draft is what followed the last ids earlier in the same text.

One forward processes the draft together with the id before it and gives the logits after each of its ids. At each position an id
is sampled as usual, with the uniform number of that position; while it equals the draft's id, the next position is valid too. So
the ids are the same as without drafts. As the draft is a function of the text, this is speculative sampling (arXiv 2302.01318):
an id is accepted with the probability that the model gives it.

An additional row in a forward costs time. `DraftLength` follows the acceptance rate and stops drafting where it does not pay. Its
decisions depend on the text and on the number of running requests, never on a clock.
"""

import math

import numpy as np

MAX_NGRAM, MIN_NGRAM = 4, 2  # length of the match, in ids; the longest match wins, then the latest
MAX_DRAFT = 7  # ids; with the id before them as many as attend one by one (attention.MAX_SINGLE_QUERIES)
# Time of an additional row, as a share of a forward with one row. Measured on two cores (Zen 3): 0.07 for the 2.7B in int8, up to
# 0.1 in packed fp16; 0.16 to 0.5 in plain float32, because another kernel runs from two rows on.
ROW_COST, PLAIN_ROW_COST = 0.1, 0.3


def draft_ids(history: np.ndarray, most: int) -> list[int]:
    """Up to `most` ids that may follow `history` (n,) int64; [] if its last ids did not occur before.

    [5, 1, 2, 3, 9, 1, 2] → [3, 9, 1, 2], because "1 2" occurred before. A repetition is continued: [7, 7, 7] → [7, 7, …].
    """
    last = len(history) - 1
    if most < 1 or last < MIN_NGRAM:
        return []
    ends = np.flatnonzero(history[:last] == history[last])  # ends of earlier matches
    for length in range(2, MAX_NGRAM + 1):
        longer = ends[ends >= length - 1]
        longer = longer[history[longer - length + 1] == history[last - length + 1]]
        if not len(longer):
            if length <= MIN_NGRAM:
                return []
            break
        ends = longer
    following = history[ends[-1] + 1 :]  # at least one id; repeated where it is too short
    return [int(following[place % len(following)]) for place in range(most)]


class DraftLength:
    """The length of a request's next draft, from how many ids of its earlier drafts were accepted."""

    def __init__(self, row_cost: float = ROW_COST) -> None:
        self.row_cost = row_cost
        self.drafted = 0  # ids in total
        self.accepted = 0
        self._accepted_recently, self._compared_recently = (
            1.2,
            2.0,
        )  # decaying counts of accepted and of compared ids; they start optimistic
        self._pause = 0  # tokens until the next attempt
        self._next_pause = 8

    def length(self, running: int) -> int:
        """Ids to draft now, 0 to MAX_DRAFT. running: how many requests run.

        The draft is as long as the probability that all of it is accepted is worth one more row. With more requests a row costs
        the same, and a forward, which all share, is worth less to each.
        """
        if self._pause:
            self._pause -= 1
            return 0 if self._pause else 1  # the last token of the pause is used for one attempt
        chance = self._accepted_recently / self._compared_recently  # that the next id is accepted, if those before it were
        worth = self.row_cost * running / (1 + self.row_cost * (running - 1))
        length = (
            MAX_DRAFT if chance >= 1 else min(MAX_DRAFT, int(math.log(worth) / math.log(max(chance, 1e-9)))) if worth < 1 else 0
        )
        if not length:
            self._pause, self._next_pause = self._next_pause, min(2 * self._next_pause, 128)
        return length

    def note(self, drafted: int, accepted: int) -> None:
        """Record one draft and how many of its ids were accepted."""
        self.drafted += drafted
        self.accepted += accepted
        self._accepted_recently = 0.8 * self._accepted_recently + accepted
        self._compared_recently = 0.8 * self._compared_recently + accepted + (accepted < drafted)
        if accepted:
            self._next_pause = 8
