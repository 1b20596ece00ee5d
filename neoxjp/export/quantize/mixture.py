"""Which weight gets how many bits: the fewest bytes whose estimated loss stays within a budget."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One weight at one number of bits."""

    bits: int
    nbytes: int  # in the folder
    loss: float  # estimated, in any unit that adds up


def choose_bits(choices: Mapping[str, Sequence[Choice]], budget: float) -> dict[str, int]:
    """The bits of each weight: all begin with the fewest; then those get more whose loss falls most for a byte, until it fits.

    At the end, a weight whose last bits were not needed gives them back. If even the most bits do not fit, each has the most.

    Args:
        choices: for each weight its choices, from few bits to many.
        budget: the largest sum of losses.
    """
    ladders = {name: sorted(each, key=lambda choice: choice.bits) for name, each in choices.items()}
    chosen = dict.fromkeys(ladders, 0)

    def loss() -> float:
        return sum(ladders[name][place].loss for name, place in chosen.items())

    while loss() > budget:
        steps = [
            ((here.loss - there.loss) / max(there.nbytes - here.nbytes, 1), name, place)
            for name, ladder in ladders.items()
            for place in range(chosen[name] + 1, len(ladder))
            for here, there in [(ladder[chosen[name]], ladder[place])]
        ]
        if not steps:
            break
        _, name, place = max(steps)
        chosen[name] = place
    largest_first = sorted(ladders, key=lambda name: -ladders[name][-1].nbytes)
    for name in largest_first:
        while chosen[name] > 0:
            chosen[name] -= 1
            if loss() > budget:
                chosen[name] += 1
                break
    return {name: ladders[name][place].bits for name, place in chosen.items()}
