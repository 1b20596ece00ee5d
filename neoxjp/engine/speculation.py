"""Drafts without a second model: what followed when the last ids stood in this text before (prompt lookup, n-grams).

A draft is read by one forward together with the id before it, which gives the logits after each of its ids. At each place the id
is drawn as ever, with the place's own uniform number, and as long as it equals the draft's the next place is valid too. So the
ids are those that come without drafts. For a draft that is a function of the text this is speculative sampling (arXiv
2302.01318): an id is taken with the probability that the model gives it.

A row more in a forward costs time, so a draft has to pay: `Pace` follows how many are taken and leaves off where too few are.
What it decides hangs on the text and on how many requests run, never on a clock.
"""

import math

import numpy as np

MAX_NGRAM, MIN_NGRAM = 4, 2  # ids that must have stood together before; the longest match wins, then the latest
MAX_DRAFT = 7  # ids of a draft; with the one before them as many as attend one by one (attention.SINGLY)
# What a row more adds to a forward of one row, in parts of it. Measured on two cores (Zen 3): the 2.7B in int8 0.07, in packed
# fp16 up to 0.1; plain float32 0.16 to 0.5, since from one row to two the kernel changes.
ROW_COST, PLAIN_ROW_COST = 0.1, 0.3


def draft_ids(history: np.ndarray, most: int) -> list[int]:
    """Up to `most` ids that may follow `history` (n,) int64; [] where its end is new.

    [5, 1, 2, 3, 9, 1, 2] → [3, 9, 1, 2]: "1 2" stood there before. A repetition is taken to go on: [7, 7, 7] → [7, 7, …].
    """
    last = len(history) - 1
    if most < 1 or last < MIN_NGRAM:
        return []
    ends = np.flatnonzero(history[:last] == history[last])  # of earlier runs that end as the text does
    for length in range(2, MAX_NGRAM + 1):
        longer = ends[ends >= length - 1]
        longer = longer[history[longer - length + 1] == history[last - length + 1]]
        if not len(longer):
            if length <= MIN_NGRAM:
                return []
            break
        ends = longer
    following = history[ends[-1] + 1 :]  # at least one id; what comes after the end repeats it
    return [int(following[place % len(following)]) for place in range(most)]


class DraftLength:
    """How long a request's next draft may be, from how its drafts went so far."""

    def __init__(self, row_cost: float = ROW_COST) -> None:
        self.row_cost = row_cost
        self.drafted = 0  # ids, in all
        self.accepted = 0
        self._taken, self._tried = 1.2, 2.0  # fading counts of ids that were compared; at first a hopeful guess
        self._pause = 0  # tokens until the next attempt
        self._next_pause = 8

    def length(self, running: int) -> int:
        """Ids to draft now, 0 to MOST, while so many requests run.

        A draft goes on as long as the chance that all of it is taken outweighs one row more. Beside others a row costs the same
        and the forward, which all share, is worth less to each of them.
        """
        if self._pause:
            self._pause -= 1
            return 0 if self._pause else 1  # its last token is for one attempt
        chance = self._taken / self._tried  # of the next id, where those before it were taken
        worth = self.row_cost * running / (1 + self.row_cost * (running - 1))
        length = (
            MAX_DRAFT if chance >= 1 else min(MAX_DRAFT, int(math.log(worth) / math.log(max(chance, 1e-9)))) if worth < 1 else 0
        )
        if not length:
            self._pause, self._next_pause = self._next_pause, min(2 * self._next_pause, 128)
        return length

    def note(self, drafted: int, accepted: int) -> None:
        """One draft was read: so many of its ids were taken."""
        self.drafted += drafted
        self.accepted += accepted
        self._taken = 0.8 * self._taken + accepted
        self._tried = 0.8 * self._tried + accepted + (accepted < drafted)
        if accepted:
            self._next_pause = 8
