"""Section of the generation lab: states of one text put into another, layer by layer and word by word."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from neoxjp.errors import ParameterError
from neoxjp.japanese import SpellingKey, spellings
from neoxjp.labs.patching.records import Patching
from neoxjp.labs.patching.strings import strings
from neoxjp.labs.patching.view import view
from neoxjp.page_parts.answers import check_length, follow_language, handler
from neoxjp.page_parts.events import BROWSER, QUIET, READING
from neoxjp.page_parts.parts import JAPANESE, Parts
from neoxjp.page_parts.results import Result
from neoxjp.page_parts.session import calls
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.session.zerogpu import gpu
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.tabs.generate import GenerateTab
from neoxjp.page_parts.tabs.sections import script
from neoxjp.page_parts.text.editing import own_text
from neoxjp.page_parts.text.state import VisitorState

INTRO = {"most": calls.PATCHED_TOKENS, "large": calls.PATCHED_TOKENS_LARGE}  # for the section's heading
PAIRS = {
    "spelling": ("吾輩は猫である。名前は", "わがはいはねこである。なまえは"),
    "particle": ("昔々、あるところに、おじいさんは", "昔々、あるところに、おじいさんが"),
    "place": ("日本の首都の", "フランスの首都の"),
}
"""Examples: base and donor."""
SPELLED: tuple[SpellingKey, ...] = ("hiragana", "katakana")  # of the base, as donors
Patcher = Callable[[str, str, str], Patching]


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        part = Parts("patching", strings)
        with gr.Column(elem_classes="card"):
            with gr.Row(elem_classes="two-columns"):
                self.base, self.donor = [
                    part.textbox(name, value, max_lines=4, min_width=260, html_attributes=JAPANESE)
                    for name, value in zip(("base", "donor"), PAIRS["spelling"], strict=True)
                ]
            with gr.Row(elem_classes="lab-controls"), gr.Row(elem_classes="chips"):
                self.above = part.chip("above")
                self.spelled = {key: part.chip(key) for key in SPELLED}
                self.swap = part.chip("swap")
                self.examples = {name: part.chip(f"ex_{name}") for name in PAIRS}
            with gr.Row(elem_classes="lab-controls"):
                self.go = part.button("go", variant="primary")
                self.target = part.textbox("target", min_width=200, html_attributes=JAPANESE)
            self.line = part.html("line")
            self.view = part.html("view", part.hint("press"), js_on_load=script("walk.js"))
        self.result = gr.State(Result())
        self.linked = {"a": self.base, "b": self.donor, "token": self.target}  # what a link restores


def connect(section: Section, playground: Playground, tab: GenerateTab, due: gr.HTML) -> None:
    """Wire the events: the buttons that fill the two fields, and the one that runs the model."""
    patcher = patches(playground)
    fields, shown = [section.base, section.donor], [section.line, section.view]

    @handler(strings, errors=section.line, empty=[section.view])
    def on_go(t: Words, result: Result, base: str, donor: str, target: str) -> dict[Any, Any]:
        result.trim()  # also where there will be an error
        serial = playground.serial
        found = patcher(base, donor, target)
        (drawn,) = result.show(lambda t: (view(found, t),), t, serial)
        return {section.line: "", section.view: drawn}

    @handler(strings, errors=section.line)
    def on_above(t: Words, writing: VisitorState) -> dict[Any, Any]:
        return {section.base: own_text(writing), section.line: ""}

    @handler(strings, errors=section.line)
    def on_spelled(t: Words, base: str, key: SpellingKey) -> dict[Any, Any]:
        check_length(playground, base)
        return {section.donor: spellings(base, keys=(key,))[0].text, section.line: ""}

    inputs = [section.result, *fields, section.target]
    pressed = [section.go.click, section.target.submit, *(field.submit for field in fields)]
    run = gr.on(pressed, on_go, inputs, shown, **READING)
    section.above.click(on_above, tab.writing, [section.base, section.line], **QUIET)
    for key, chip in section.spelled.items():
        chip.click(on_spelled, [section.base, gr.State(key)], [section.donor, section.line], **QUIET)
    section.swap.click(None, fields, fields, js="(base, donor) => [donor, base]", **BROWSER)
    for name, chip in section.examples.items():
        chip.click(lambda name=name: PAIRS[name], None, fields, **QUIET)
    follow_language(due, section.result, [section.view], strings, run, playground=playground)


def patches(playground: Playground) -> Patcher:
    """The function that compares two texts with the model of `playground`: (base, donor, target or "") → record.

    It raises ParameterError where a text is empty or the target is not one token, and PromptTooLong.
    """

    @gpu(duration=60)
    def run(ids: list[int], donor_ids: list[int], target: int | None) -> Patching:
        return playground.ready.call(calls.patch, ids, donor_ids, target)

    def found(base: str, donor: str, target: str) -> Patching:
        for text in (base, donor, target):
            check_length(playground, text)
        encode = playground.ready.tokenizer.encode
        ids, donor_ids, wanted = encode(base), encode(donor), encode(target)
        if not ids or not donor_ids:
            raise strings.error(ParameterError, "patching_no_text")
        if target and len(wanted) != 1:
            raise strings.error(ParameterError, "patching_one_token", text=target[:40], n=f"{len(wanted):,}")
        return run(ids, donor_ids, wanted[0] if target else None)

    return found
