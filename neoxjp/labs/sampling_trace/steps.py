"""One place of a written text, what its generation had before it, and its logits: kept, or read once more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from neoxjp.engine import logits_after
from neoxjp.page_parts.session import Loaded, Playground
from neoxjp.page_parts.writing import Part, Text
from neoxjp.page_parts.zerogpu import gpu
from neoxjp.sampling import SamplingParams

if TYPE_CHECKING:
    import numpy as np

NO_FILTERS = SamplingParams(do_sample=True, top_k=0)
Reader = Callable[[Sequence[int], int], "np.ndarray"]


@dataclass(frozen=True)
class Step:
    """One place of a text: the generation that wrote it, and what that generation had before it."""

    place: int  # from 0
    part: Part
    known: bool  # the settings of `part` are those of the generation
    prompt: tuple[int, ...]  # what the generation began from, as the model saw it
    ids: tuple[int, ...]  # what it wrote

    @property
    def history(self) -> tuple[int, ...]:
        """The ids before the step."""
        return self.prompt + self.ids[: self.place - self.part.start]


def step_at(text: Text, position: float | None) -> Step:
    """The place at a position that counts from 1; the nearest one where there is none."""
    place = max(1, min(int(position or 1), len(text.steps))) - 1
    part = text.part_of(place)
    known = part is not None
    if part is None:  # what was cut off is known of the last generation
        part = Part(text.base, NO_FILTERS, text.cut) if place >= text.base else Part(0, NO_FILTERS, 0)
    end = min([later.start for later in text.parts if later.start > place], default=len(text.steps))
    before = len(text.prompt_ids) + part.start
    ids = tuple(step.id for step in text.steps[part.start : end])
    return Step(place, part, known, text.ids[part.cut : before], ids)


def reading(playground: Playground) -> Reader:
    """The function that reads ids once more: (ids, first) → the logits (n, V) float32 after each id from place `first` on."""

    @gpu(duration=60)
    def read(ids: Sequence[int], first: int) -> "np.ndarray":
        loaded = playground.ready
        assert loaded.model is not None
        return logits_after(loaded.model, ids, first).numpy()

    return read


def keep_again(playground: Playground, reader: Reader, text: Text, step: Step) -> None:
    """Read what a generation wrote once more and keep its logits: all, or as many around the place as half the store holds.

    Raises:
        NeoxjpError: no model is there, or not the one that wrote it; PromptTooLong: the text fills the context.
    """
    loaded = playground.ready
    if text.serial == loaded.serial:
        at, most = step.place - step.part.start, _most(loaded)
        first = max(0, min(at - most // 2, len(step.ids) - most))
        ids = step.prompt + step.ids[: min(first + most, len(step.ids)) - 1]
        keep(loaded, reader, ids, len(ids) - len(step.prompt) - first + 1)


def keep(loaded: Loaded, reader: Reader, ids: tuple[int, ...], count: int) -> None:
    """Keep the logits after each of the last `count` ids, those that are not kept yet."""
    missing = [end for end in range(len(ids) - count + 1, len(ids) + 1) if loaded.logits.get(ids[:end]) is None]
    if missing:
        first = missing[0]
        for end, logits in enumerate(reader(ids[: missing[-1]], first - 1), first):
            if end in missing:
                loaded.logits.keep(ids[:end], torch.from_numpy(logits), drawn_from=False)


def _most(loaded: Loaded) -> int:
    """Steps that half the store holds."""
    return max(1, loaded.logits.most_bytes // 2 // (4 * loaded.tokenizer.vocab_size))
