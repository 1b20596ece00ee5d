"""The last text of a visit, kept in the visitor's browser, so that a reload loses nothing.

What comes back from a browser may be anything: all of it is checked. The ids are kept, the alternatives are computed anew.
"""

import math
from dataclasses import replace
from typing import Any, get_args

from neoxjp import render
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.steps import Finish, Step
from neoxjp.ui.answers import said
from neoxjp.ui.session import Loaded, Playground
from neoxjp.ui.stream import Scorer
from neoxjp.ui.writing import ALTERNATIVES, Text

KEY, SECRET = "neoxjp-last-text", "neoxjp"
"""Of the browser's storage; fixed, so that a restarted page reads it. It guards nothing: see above."""


def memo(playground: Playground, text: Text | None) -> dict[str, Any] | None:
    """What the browser keeps of a text."""
    loaded = playground.loaded
    if text is None or loaded is None or text.serial != loaded.serial:
        return None
    return {
        "model": _mark(loaded),
        "prompt": text.prompt,
        "prompt_ids": list(text.prompt_ids),
        "ids": [step.id for step in text.steps],
        "texts": [step.text for step in text.steps],
        "base": text.base,
        "seed": text.seed,
        "cut": text.cut,
        "finish": text.finish,
    }


def recall(playground: Playground, scorer: Scorer, kept: Any) -> Text:
    """The text of a memo, its steps scored by the model that is loaded. What the filters did then is not known any more.

    Raises:
        NeoxjpError: the memo is damaged, or another model wrote it.
    """
    loaded = playground.ready
    try:
        model, prompt, finish = kept["model"], render.whole(str(kept["prompt"])), kept["finish"]
        prompt_ids, ids = ([int(id) for id in kept[name]] for name in ("prompt_ids", "ids"))
        texts = [render.whole(str(part)) for part in kept["texts"]]
        base, seed, cut = (int(kept[name]) for name in ("base", "seed", "cut"))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise said(ParameterError, "g_memo_damaged") from None
    if model != _mark(loaded):
        raise said(ParameterError, "g_other_model")
    assert loaded.model is not None
    most = 2 * loaded.model.config.max_position_embeddings
    good = (
        0 < len(prompt_ids) <= len(prompt_ids) + len(ids) <= most
        and len(texts) == len(ids)
        and len(prompt) + sum(map(len, texts)) <= playground.limits.characters
        and 0 <= base <= len(ids)
        and 0 <= cut <= len(prompt_ids) + len(ids)
        and finish in get_args(Finish)
    )
    if not good:
        raise said(ParameterError, "g_memo_damaged")
    try:
        found = scorer([*prompt_ids, *ids], ALTERNATIVES, False)
    except NeoxjpError:
        raise said(ParameterError, "g_memo_damaged") from None
    steps = tuple(_step(step, part) for step, part in zip(found[len(prompt_ids) :], texts, strict=True))
    return Text(prompt, tuple(prompt_ids), steps, base, seed, loaded.serial, cut, finish)


def _mark(loaded: Loaded) -> str:
    """Tells models apart well enough: the name, and the size of the vocabulary."""
    return f"{loaded.name} {loaded.tokenizer.vocab_size}"


def _step(step: Step, text: str) -> Step:
    top = tuple(replace(choice, probability=math.nan) for choice in step.top)
    return replace(step, top=top, text=text)
