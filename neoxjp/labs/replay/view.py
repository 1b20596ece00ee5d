"""A saved generation, the result of a second run and the code to copy, as values for view.html."""

from collections.abc import Callable, Iterable
from typing import Any

from neoxjp.hub import BUNDLED
from neoxjp.labs.common.html import Words
from neoxjp.labs.common.templates import render
from neoxjp.labs.replay.as_code import Code
from neoxjp.labs.replay.records import Replay, State
from neoxjp.sampling import OPTIONS, Option, SamplingParams

TEMPLATE = "labs/replay/view.html"
NameOf = Callable[[int], str]
"""The text of an id, or its piece where it is not text."""


def saved(state: State, json: str, link: str | None, file: str, t: Words) -> str:
    """The buttons that save the file and copy its link, and what it contains. link: None where it would be too long."""
    name, of_params = t("bundled") if state.name == BUNDLED else state.name, settings(state.params)
    return render(TEMPLATE, "saved", t, state=state, json=json, link=link, file=file, name=name, settings=of_params)


def settings(params: SamplingParams, options: Iterable[Option] = OPTIONS) -> str:
    """Those that are on, by the names of SamplingParams: "temperature=0.8, top_p=0.95, max_new_tokens=100"."""
    all: dict[str, Any] = {}
    for option in options:
        value = getattr(params, option.name)
        on = value != (option.off if option.stage else option.neutral) or option.name == "temperature"
        if on and option.name not in ("seed", "max_new_tokens") and not (params.greedy and option.unused_when_greedy):
            all[option.name] = value
    all["max_new_tokens"] = params.max_new_tokens
    return ("greedy, " if params.greedy else "") + ", ".join(f"{name}={value!r:.80}" for name, value in all.items())


def verdict(state: State, found: Replay, stopped: bool, above: bool, name_of: NameOf, t: Words) -> str:
    """Whether the ids are the same; if not, from which token on, and which settings differ.

    stopped: the second run was stopped; above: its text is shown in the tab.
    """
    place, n, count = found.first_difference, f"{len(found.ids):,}", f"{len(state.ids):,}"
    same = found.same or (stopped and place == len(found.ids))
    if same:
        headline = t("replay_same_so_far" if stopped and not found.same else "replay_same", n=n, all=count)
    else:
        headline = t("replay_different", n=f"{(place or 0) + 1:,}", all=count)
    pair = []
    if not same and place is not None:
        for key, ids in (("replay_saved", state.ids), ("replay_current", found.ids)):
            id = ids[place] if place < len(ids) else None
            pair.append((key, "" if id is None else name_of(id), id))
    return render(TEMPLATE, "verdict", t, headline=headline, same=same, pair=pair, found=found, above=above)


def code(found: Code, t: Words) -> str:
    """The code with a button that copies it, and why it may generate another text."""
    return render(TEMPLATE, "code", t, found=found)
