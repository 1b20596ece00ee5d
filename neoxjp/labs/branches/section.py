"""Section of the Generate tab: all texts of a visit as a tree, to browse, name, delete, compare, save and load."""

import math
from collections.abc import Callable
from typing import Any

import gradio as gr

from neoxjp.errors import ParameterError
from neoxjp.labs.branches import actions
from neoxjp.labs.branches import view as views
from neoxjp.labs.branches.actions import can_score
from neoxjp.labs.branches.files import LARGEST_MEMO, MAX_BYTES, rows_of, to_json
from neoxjp.labs.branches.records import LONGEST_NAME, branch_pieces
from neoxjp.labs.branches.strings import strings
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.common.measures import shared_length
from neoxjp.page_parts.answers import handler
from neoxjp.page_parts.events import BROWSER, QUIET
from neoxjp.page_parts.files import downloads
from neoxjp.page_parts.files.chooser import json_chooser
from neoxjp.page_parts.gradio_private import payload
from neoxjp.page_parts.parts import JAPANESE, Parts
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.tabs.generate import GenerateTab
from neoxjp.page_parts.text.editing import pieces_of
from neoxjp.page_parts.text.state import VisitorState
from neoxjp.page_parts.text.stream import scorer
from neoxjp.page_parts.text.view import state
from neoxjp.page_parts.text.writing import Frame

Action = Callable[[VisitorState, Words, Any], tuple[str, str | None]]


class Section:
    """The components of the section. A link restores none of them: it has no texts."""

    def __init__(self, playground: Playground):
        part = Parts("branches", strings)

        def help_line(name: str) -> None:
            part.html(value=f'<p class="lab-note">{part.both(name)}</p>')

        with gr.Column(elem_classes="card", elem_id="branches"):
            # its script also sends the words that are forced
            self.tree = part.html("tree", part.hint("empty"), js_on_load=part.script(), fields={})
            self.line = part.html("line")
            # the controls of the branch shown above, where there is one
            with gr.Column(visible=False, elem_id="branches-body") as self.body:
                with gr.Row(elem_classes="lab-controls"):
                    self.name = part.textbox("name", max_length=LONGEST_NAME)
                    self.rename = part.button("rename", "name_go", min_width=90)
                    self.delete = part.button("delete", min_width=90)
                with part.accordion("comparing", "compare"):
                    with gr.Row(elem_classes="lab-controls"):
                        self.other = gr.Dropdown([], min_width=260, **part.named("other"))
                        self.compare = part.button("compare", "compare_go", min_width=90)
                    self.compared = part.html("compared")
                with part.accordion("forcing", "force_title"):
                    help_line("force_help")
                    self.words = part.textbox("words", key="force_text", max_lines=4, html_attributes=JAPANESE)
                    places = [(part.label(f"force_{where}"), where) for where in ("end", "chosen")]
                    self.where = gr.Radio(places, value="end", **part.named("where", "force_where"))
                    with gr.Row(elem_classes="lab-controls"):
                        self.force = part.button("force", "force_go", variant="primary")
                    self.surprisal = part.html("surprisal")
            with part.accordion("files", "files_title"):
                self.save = part.button("save", min_width=120)
                chooser = json_chooser(strings, "branches", "branches-file", MAX_BYTES)
                self.file = part.html("file_part", chooser, js_on_load=part.script("file.js") + downloads.SCRIPT)


def connect(section: Section, playground: Playground, tab: GenerateTab, due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section has to be updated."""
    events: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}
    scored = scorer(playground)
    listing = [section.tree, section.body, section.other]
    outputs = [section.line, *listing, *tab.shown]

    def shown_list(writing: VisitorState, t: Words) -> dict[Any, Any]:
        html, fields, choices = listed(writing, t)
        body = {section.body: gr.Column(visible=bool(fields))}
        return {section.tree: gr.HTML(html, fields=fields), section.other: gr.Dropdown(choices=choices)} | body

    @handler(strings)
    def draw(t: Words, writing: VisitorState) -> dict[Any, Any]:
        return shown_list(writing, t)

    due.change(draw, tab.writing, listing, trigger_mode="always_last", **QUIET)

    def wire(event: Any, action: Action, part: gr.HTML, given: gr.Textbox | None = None, **how: Any) -> None:
        """Calls `action(writing, t, given)` on an event: with the value of a component, or what the browser sent with the event.

        It returns the sentence for the line, and the HTML of `part` or None.
        """

        @handler(strings, errors=section.line)
        def changed(t: Words, writing: VisitorState, value: Any = None) -> dict[Any, Any]:
            sentence, answer = action(writing, t, value)
            pieces, (_, stats) = pieces_of(writing.text, writing.tokenizer()), state(writing.text, t)
            frame = Frame(render_steps.working(sentence), False, pieces, stats, announce=sentence)
            found: dict[Any, Any] = tab.updates(frame, writing, t) | shown_list(writing, t)
            found[section.line] = render.notice(sentence if usable(playground, writing) else t("branches_foreign"))
            return found if answer is None else found | {part: answer}

        def sent(request: gr.Request, writing: VisitorState, event: gr.EventData) -> dict[Any, Any]:
            return changed(request, writing, payload(event))

        inputs = [tab.writing] if given is None else [tab.writing, given]
        event(sent if given is None else changed, inputs, [*outputs, part], **events, **how)

    def on_show(writing: VisitorState, t: Words, sent: dict[str, Any]) -> tuple[str, None]:
        text = actions.show(playground, scored, writing, sent.get("key"))
        last = text.steps[-1] if text is not None and text.steps else None
        recomputed = last is not None and any(math.isnan(choice.probability) for choice in last.top)
        unscored = last is not None and last.logprob is None
        return t("branches_bare" if unscored else "branches_scored" if recomputed else "generate_branch_shown"), None

    def on_name(writing: VisitorState, t: Words, name: str | None) -> tuple[str, None]:
        actions.name(writing, name or "")
        return t("branches_named" if (name or "").strip() else "branches_unnamed"), None

    def on_delete(writing: VisitorState, t: Words, _: Any) -> tuple[str, str]:
        return t("branches_deleted", n=actions.delete(playground, scored, writing)), ""

    def on_force(writing: VisitorState, t: Words, sent: dict[str, Any]) -> tuple[str, str]:
        found = actions.force(playground, scored, writing, sent.get("text") or "", sent.get("at"))
        return t("generate_branch_shown"), views.forced(found, t)

    def on_load(writing: VisitorState, t: Words, sent: dict[str, Any]) -> tuple[str, str]:
        return t("branches_loaded", n=actions.load(playground, scored, writing, sent.get("text"))), ""

    for event in (section.rename.click, section.name.submit):
        wire(event, on_name, section.compared, section.name, js=_js("sent"))
    wire(section.delete.click, on_delete, section.compared)
    wire(section.file.select, on_load, section.compared)
    wire(section.tree.select, on_show, section.compared)
    wire(section.tree.force, on_force, section.surprisal)
    section.force.click(None, [section.words, section.where], None, js=_js("force"), **BROWSER)

    @handler(strings, errors=section.compared)
    def on_compare(t: Words, writing: VisitorState, other: Any) -> dict[Any, Any]:
        return {section.compared: compared(writing, other, t)}

    section.compare.click(on_compare, [tab.writing, section.other], section.compared, **QUIET)
    section.tree.fill(None, section.name, section.name, js=_js("fill"), **BROWSER)

    @handler(strings)
    def on_save(t: Words, writing: VisitorState) -> str:
        number = len(writing.tree.nodes)
        return render.notice(t("branches_saved", n=f"{number:,}") if number else t("branches_nothing_to_save"))

    def file_of(t: Words, writing: VisitorState) -> str:
        return to_json(writing.tree) if writing.tree.nodes else ""

    section.save.click(on_save, tab.writing, section.line, **QUIET)
    downloads.connect(section.save, section.file, "neoxjp-branches.json", file_of, tab.writing)


def _js(name: str) -> str:
    """A handler in script.js."""
    return f"(...given) => neoxjp.branches.{name}(...given)"


# ---------------------------------------------------------------- what the handlers show


def listed(writing: VisitorState, t: Words) -> tuple[str, dict[str, Any], list[tuple[str, int]]]:
    """The list as HTML, the name of the one on show (nothing without a branch on show), and the other branches."""
    tree, tokenizer = writing.tree, writing.tokenizer()
    if tokenizer is None:
        return views.tree([], None, t), {}, []
    rows = rows_of(tree, tokenizer)
    choices = [(views.label(row, t), row.node.key) for row in rows if row.node.key != tree.current]
    html = views.tree(rows, tree.current, t, not_stored=len(to_json(tree)) > LARGEST_MEMO)
    if tree.current is None:
        return html, {}, choices
    fields = {"key": tree.current, "name": tree.nodes[tree.current].name}
    return html, fields, choices


def compared(writing: VisitorState, other: Any, t: Words) -> str:
    """HTML of the branch shown above beside another.

    Raises:
        ParameterError: there is no other branch, or none was chosen.
    """
    tree, tokenizer = writing.tree, writing.tokenizer()
    if len(tree.nodes) < 2:
        raise strings.error(ParameterError, "branches_alone")
    chosen = actions.known(tree, other)
    if tree.current is None or tokenizer is None:
        raise strings.error(ParameterError, "branches_choose")
    keys = tree.current, chosen
    left, right = (branch_pieces(tree, key, tokenizer) for key in keys)
    place = shared_length(tree.ids(tree.current), tree.ids(chosen))
    one, two = (f"#{key + 1} {tree.nodes[key].name}".strip() for key in keys)
    return views.compared(left[:place], left[place:], right[place:], (f"{one} ◀ {t('branches_current')}", two), t)


def usable(playground: Playground, writing: VisitorState) -> bool:
    """Whether the loaded model can continue the branches."""
    return playground.loaded is None or not writing.tree.nodes or can_score(playground, writing.tree)
