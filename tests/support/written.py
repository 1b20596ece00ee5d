"""VisitorState on the page without a browser, and what was written."""

import html
import json
import re
from typing import Any

from neoxjp.engine import Step
from neoxjp.labs.branches.files import to_json
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.settings import Settings
from neoxjp.page_parts.stream import stream
from neoxjp.page_parts.strings import Lang, words
from neoxjp.page_parts.texts import VisitorState
from neoxjp.page_parts.writing import Frame, Mode, write

LIVELY = Settings.set(temperature=1.5, top_p=1.0, max_new_tokens=12, repetition_penalty=1.0, seed="3")


def frames(
    playground: Playground, writing: VisitorState, mode: Mode, prompt: str = "猫", settings: Settings = LIVELY, lang: Lang = "en"
) -> list[Frame]:
    return list(write(playground, stream(playground), writing, mode, prompt, settings, words(lang)))


def boxes(view: str) -> list[dict[str, Any]]:
    return [json.loads(html.unescape(found)) for found in re.findall(r'data-step="([^"]*)"', view)]


def step(text: str, id: int = 1, logprob: float | None = -1.0, **changes: Any) -> Step:
    return Step(id, text, logprob, 1, 0.5, (), 0.0, None, **changes)


def kept(writing: VisitorState, change: Any = None, node: int = 1) -> Any:
    """What the browser would give back, a branch of it changed."""
    found = json.loads(to_json(writing.tree))
    found["nodes"][node] |= change or {}
    return json.loads(json.dumps(json.dumps(found)))
