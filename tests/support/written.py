"""VisitorState on the page without a browser, and what was written."""

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from neoxjp.engine import Step
from neoxjp.labs.branches.files import to_json
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Lang, words
from neoxjp.page_parts.tabs.generate import GenerateTab
from neoxjp.page_parts.text.editing import typed
from neoxjp.page_parts.text.settings import Settings
from neoxjp.page_parts.text.state import VisitorState
from neoxjp.page_parts.text.stream import stream
from neoxjp.page_parts.text.writing import Frame, Mode, write
from neoxjp.page_parts.token_editor import Piece

LIVELY = Settings.set(temperature=1.5, top_p=1.0, max_new_tokens=12, repetition_penalty=1.0, seed="3")


def tab_of(playground: Playground) -> GenerateTab:
    """The Generate tab with names in place of its components."""
    named: dict[str, Any] = {field.name: field.name for field in fields(GenerateTab)}
    return GenerateTab(**named | {"playground": playground, "options": playground.options})


def engine_of(playground: Playground) -> Any:
    assert playground.loaded is not None
    return playground.loaded.engine


def frames(
    playground: Playground, writing: VisitorState, mode: Mode, prompt: str = "猫", settings: Settings = LIVELY, lang: Lang = "en"
) -> list[Frame]:
    """The frames of a generation. A new one starts from `prompt`, typed in place of the whole text."""
    if not writing.running and (mode == "new" or (mode == "step" and writing.text is None)):
        typed(playground, writing, prompt)
    return list(write(playground, stream(playground), writing, mode, settings, words(lang)))


def shown(pieces: Sequence[Piece] | None) -> list[str]:
    """The texts of the pieces that the visitor did not write."""
    return [piece.text or piece.sign for piece in pieces or () if not piece.own]


def step(text: str, id: int = 1, logprob: float | None = -1.0, **changes: Any) -> Step:
    return Step(id, text, logprob, 1, 0.5, (), 0.0, None, **changes)


def kept(writing: VisitorState, change: Any = None, node: int = 1) -> Any:
    """What the browser would give back, a branch of it changed."""
    found = json.loads(to_json(writing.tree))
    found["nodes"][node] |= change or {}
    return json.loads(json.dumps(json.dumps(found)))
