"""Section of the generation lab: all texts of a visit as a tree, to walk, name, delete, compare, edit, force, save and load."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.branches import actions as branches_do
from neoxjp.labs.branches import endpoints as branches_api
from neoxjp.labs.branches import view as render_branches
from neoxjp.labs.branches.files import MOST_BYTES, listed, to_json
from neoxjp.labs.branches.recall import all_kept
from neoxjp.labs.branches.records import LONGEST_NAME
from neoxjp.labs.branches.strings import both, label, strings, words
from neoxjp.labs.branches.texts import can_score
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.chooser import json_chooser
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.stream import scorer
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.text_view import show as show_text
from neoxjp.page_parts.texts import Writing
from neoxjp.page_parts.writing import Frame

if TYPE_CHECKING:
    from neoxjp.page_parts.generate_tab import GenerateTab

endpoints = branches_api.endpoints


@dataclass(frozen=True)
class Branches:
    """The components of the section."""

    tree: gr.HTML
    line: gr.HTML
    body: gr.Column  # what one does with the branch on show; only where there is one
    name: gr.Textbox
    rename: gr.Button
    delete: gr.Button
    other: gr.Dropdown
    compare: gr.Button
    compared: gr.HTML
    editing: gr.Accordion
    edit: gr.Textbox
    edit_of: gr.Number  # the branch that the text box was filled from
    edit_note: gr.HTML
    apply: gr.Button
    reset: gr.Button
    edited: gr.HTML
    words: gr.Textbox
    where: gr.Radio
    at: gr.Number  # the place of the chosen token, from 0; -1: none
    force: gr.Button
    price: gr.HTML
    save: gr.Button
    saved: gr.Textbox  # the file, on its way to the browser
    file: gr.HTML
    fresh: gr.Textbox  # JSON of what the name's and the edit's fields may be filled with: see branches.js
    linked: dict[str, Any] = field(default_factory=dict)  # what a link restores: nothing, the texts are not in it


def build(playground: Playground) -> Branches:
    """Draw the section."""
    gr.HTML(f"<h2>{both('branches_title')}</h2><p>{both('branches_intro')}</p>", elem_classes="section", apply_default_css=False)
    script = (files("neoxjp.labs.branches") / "script.js").read_text(encoding="utf-8")
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="card", elem_id="branches"):
        empty = f'<p class="lab-hint">{both("branches_empty")}</p>'
        parts["tree"] = gr.HTML(empty, elem_id="br-tree", apply_default_css=False, js_on_load=script)
        parts["line"] = gr.HTML(elem_id="br-line", apply_default_css=False)
        with gr.Column(visible=False, elem_id="br-body") as parts["body"]:
            with gr.Row(elem_classes="lab-controls"):
                parts["name"] = gr.Textbox(
                    "",
                    label=label("branches_name"),
                    placeholder=label("branches_name_placeholder"),
                    max_lines=1,
                    max_length=LONGEST_NAME,
                    elem_id="br-name",
                )
                parts["rename"] = gr.Button(label("branches_name_go"), elem_id="br-rename", min_width=90)
                parts["delete"] = gr.Button(label("branches_delete"), elem_id="br-delete", min_width=90)
            with gr.Accordion(label("branches_compare"), open=False, elem_id="br-comparing"):
                with gr.Row(elem_classes="lab-controls"):
                    parts["other"] = gr.Dropdown([], label=label("branches_other"), elem_id="br-other", min_width=260)
                    parts["compare"] = gr.Button(label("branches_compare_go"), elem_id="br-compare", min_width=90)
                parts["compared"] = gr.HTML(elem_id="br-compared", apply_default_css=False)
            _build_edit(parts)
            _build_force(parts)
        with gr.Accordion(label("branches_files_title"), open=False, elem_id="br-files"):
            parts["save"] = gr.Button(label("branches_save"), elem_id="br-save", min_width=120)
            parts["file"] = gr.HTML(
                json_chooser(strings, "branches", "br-file", MOST_BYTES),
                elem_id="br-file-part",
                apply_default_css=False,
                js_on_load=_reader(),
            )
        parts["saved"] = gr.Textbox(visible="hidden")
        parts["fresh"] = gr.Textbox(visible="hidden")
        parts["edit_of"] = gr.Number(-1, visible="hidden", precision=0)
        parts["at"] = gr.Number(-1, visible="hidden", precision=0)
    return Branches(**parts)


def _build_edit(parts: dict[str, Any]) -> None:
    with gr.Accordion(label("branches_edit_title"), open=False, elem_id="br-editing") as parts["editing"]:
        gr.HTML(f'<p class="br-note">{both("branches_edit_help")}</p>', apply_default_css=False)
        parts["edit"] = gr.Textbox(
            "",
            label=label("branches_edit_box"),
            lines=4,
            max_lines=14,
            elem_id="br-edit",
            html_attributes=gr.InputHTMLAttributes(lang="ja", spellcheck=False),
        )
        parts["edit_note"] = gr.HTML(elem_id="br-edit-note", apply_default_css=False)
        with gr.Row(elem_classes="lab-controls"):
            parts["apply"] = gr.Button(label("branches_edit_go"), variant="primary", elem_id="br-apply", min_width=110)
            parts["reset"] = gr.Button(label("branches_edit_reset"), elem_id="br-reset", min_width=110)
        parts["edited"] = gr.HTML(elem_id="br-edited", apply_default_css=False)


def _build_force(parts: dict[str, Any]) -> None:
    with gr.Accordion(label("branches_force_title"), open=False, elem_id="br-forcing"):
        gr.HTML(f'<p class="br-note">{both("branches_force_help")}</p>', apply_default_css=False)
        parts["words"] = gr.Textbox(
            "",
            label=label("branches_force_text"),
            lines=1,
            max_lines=4,
            elem_id="br-words",
            html_attributes=gr.InputHTMLAttributes(lang="ja", spellcheck=False),
        )
        places = [(label(f"branches_force_{where}"), where) for where in ("end", "chosen")]
        parts["where"] = gr.Radio(places, value="end", label=label("branches_force_where"), elem_id="br-where")
        with gr.Row(elem_classes="lab-controls"):
            parts["force"] = gr.Button(label("branches_force_go"), variant="primary", elem_id="br-force", min_width=110)
        parts["price"] = gr.HTML(elem_id="br-price", apply_default_css=False)


def _reader() -> str:
    return (files("neoxjp.labs.branches") / "file.js").read_text(encoding="utf-8")


def connect(section: Branches, playground: Playground, tab: "GenerateTab", due: gr.Number) -> None:
    """Wire the events. `tab` is the tab above; `due` changes whenever the section must draw anew."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    events: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}
    scored = scorer(playground)
    listing = [section.tree, section.body, section.other, section.fresh]
    above = [*tab.shown, tab.prompt]

    def draw(writing: Writing, request: gr.Request) -> list[Any]:
        return drawn(writing, words(language(request)))

    due.change(draw, tab.writing, listing, trigger_mode="always_last", **silent)

    def doing(does: Callable[..., tuple[str, str | None]]) -> Callable[..., list[Any]]:
        """A handler: `does(writing, say, *given)` → what is said in the line, and the HTML of its part (or None)."""

        def handler(request: gr.Request, writing: Writing, *given: Any) -> list[Any]:
            say = words(language(request))
            try:
                told, part = does(writing, say, *given)
            except NeoxjpError as error:
                message = render.notice(message_of(error, request), "error")
                return [message, gr.skip(), *[gr.skip()] * (len(listing) + len(above))]
            view, _, stats = show_text(writing.text, say)
            frame = Frame(render_steps.working(told), False, view, stats, announce=told)
            found = tab.updates(frame, writing, prompt=True)
            shown = [found.get(part, gr.skip()) for part in above]
            line = render.notice(say("branches_foreign")) if not usable(playground, writing) else render.notice(told)
            return [line, gr.skip() if part is None else part, *drawn(writing, say), *shown]

        return handler

    def wire(event: Any, does: Callable[..., tuple[str, str | None]], given: list[Any], part: Any, **how: Any) -> None:
        event(doing(does), [tab.writing, *given], [section.line, part, *listing, *above], **events, **how)

    def on_show(writing: Writing, say: Words, key: Any) -> tuple[str, None]:
        text = branches_do.show(playground, scored, writing, key)
        top = text.steps[-1].top if text is not None and text.steps else ()
        bare = text is not None and text.steps and text.steps[-1].logprob is None
        anew = any(choice.probability != choice.probability for choice in top)
        return say("branches_bare" if bare else "branches_scored" if anew else "g_branch_shown"), None

    def on_name(writing: Writing, say: Words, name: str) -> tuple[str, None]:
        branches_do.name(writing, name or "")
        return say("branches_named" if (name or "").strip() else "branches_unnamed"), None

    def on_delete(writing: Writing, say: Words) -> tuple[str, str]:
        return say("branches_deleted", n=branches_do.delete(playground, scored, writing)), ""

    def on_edit(writing: Writing, say: Words, key: Any, text: str) -> tuple[str, str]:
        done = branches_do.edit(playground, scored, writing, key, text or "")
        return say("g_branch_shown"), render_branches.edited(done.found, done.kept, done.new, done.again, say)

    def on_force(writing: Writing, say: Words, text: str, where: str, at: Any) -> tuple[str, str]:
        place = (int(at) if at is not None else -1) if where == "chosen" else None
        price = branches_do.force(playground, scored, writing, text or "", place)
        return say("g_branch_shown"), render_branches.priced(price, say)

    def on_load(writing: Writing, say: Words, data: Any) -> tuple[str, str]:
        return say("branches_loaded", n=branches_do.load(playground, scored, writing, data)), ""

    # What the visitor points at comes with the event itself: a row's key, a file's text.
    def of_event(does: Callable[..., Any], name: str) -> Callable[..., Any]:
        inner = doing(does)

        def handler(request: gr.Request, writing: Writing, event: gr.EventData) -> list[Any]:
            return inner(request, writing, (event._data or {}).get(name))

        return handler

    out = [section.line, section.compared, *listing, *above]
    section.tree.select(of_event(on_show, "key"), tab.writing, out, **events)
    section.file.select(of_event(on_load, "text"), tab.writing, out, **events)
    for event in (section.rename.click, section.name.submit):
        wire(event, on_name, [section.name], section.compared, js=SENT)
    wire(section.delete.click, on_delete, [], section.compared)
    wire(section.apply.click, on_edit, [section.edit_of, section.edit], section.edited, js=SENT)
    wire(section.force.click, on_force, [section.words, section.where, section.at], section.price, js=CHOSEN)

    def on_compare(request: gr.Request, writing: Writing, other: Any) -> str:
        say = words(language(request))
        try:
            return compared(writing, other, say)
        except NeoxjpError as error:
            return render.notice(message_of(error, request), "error")

    section.compare.click(on_compare, [tab.writing, section.other], section.compared, **silent)

    filled = [section.name, section.edit, section.edit_of, section.edit_note]
    section.fresh.change(
        None, [section.fresh, *filled], filled, js="(...given) => neoxjp.branches.fill(...given)", api_visibility="private"
    )
    section.reset.click(
        None, [section.fresh, *filled], filled, js="(...given) => neoxjp.branches.reset(...given)", api_visibility="private"
    )

    def on_save(request: gr.Request, writing: Writing) -> tuple[str, Any]:
        say = words(language(request))
        if not writing.tree.nodes:
            return render.notice(say("branches_nothing_to_save")), ""
        told = render.notice(say("branches_saved", n=f"{len(writing.tree.nodes):,}"))
        return told, to_json(writing.tree)

    section.save.click(on_save, tab.writing, [section.line, section.saved], **silent).then(
        None, section.saved, None, js="(text) => neoxjp.branches.save(text)", api_visibility="private"
    )


SENT = "(...given) => neoxjp.branches.sent(given)"
CHOSEN = "(w, text, where, at) => [w, text, where, neoxjp.written?.chosen ?? -1]"


# ---------------------------------------------------------------- what the handlers show


def drawn(writing: Writing, say: Words) -> list[Any]:
    """Values for the list, the body, the choice of another branch, and what the fields may be filled with."""
    tree, tokenizer = writing.tree, writing.tokenizer()
    if not tree.nodes or tokenizer is None:
        return [render_branches.tree([], say), gr.Column(visible=False), gr.skip(), ""]
    rows = listed(tree, tokenizer)
    html = render_branches.tree(rows, say)
    if not all_kept(writing):
        html += render.notice(say("branches_not_kept"))
    choices = [(render_branches.label(row, say), row.key) for row in rows if not row.current]
    fresh = ""
    if tree.current is not None:
        number = tree.current + 1
        fresh = render.data(
            {
                "key": tree.current,
                "name": tree.nodes[tree.current].name,
                "text": render.whole(branches_do.to_edit(writing, tree.current)),
                "of": say("branches_edit_of", n=number),
                "kept": say("branches_edit_kept", n="{n}"),
            }
        )
    return [html, gr.Column(visible=tree.current is not None), gr.Dropdown(choices=choices), fresh]


def compared(writing: Writing, other: Any, say: Words) -> str:
    """The branch on show beside another, as HTML."""
    if len(writing.tree.nodes) < 2:
        raise strings.error(ParameterError, "branches_alone")
    found = branches_do.compare(writing, other)
    tree = writing.tree
    assert tree.current is not None

    def named(key: int) -> str:
        return " ".join(filter(None, [render_branches.label_number(key), tree.nodes[key].name]))

    names = (f"{named(tree.current)} ◀ {say('branches_this')}", named(branches_do.known(tree, other)))
    return render_branches.compared(found.same, found.left, found.right, names, say)


def usable(playground: Playground, writing: Writing) -> bool:
    """Whether the model that is loaded can go on with the branches."""
    return playground.loaded is None or not writing.tree.nodes or can_score(playground, writing.tree)
