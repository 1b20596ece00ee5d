"""Section of the Generate tab: all texts of a visit as a tree, to browse, name, delete, compare, edit, save and load."""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.branches import actions
from neoxjp.labs.branches import view as views
from neoxjp.labs.branches.actions import all_stored, can_score
from neoxjp.labs.branches.files import MAX_BYTES, listed, to_json
from neoxjp.labs.branches.records import LONGEST_NAME
from neoxjp.labs.branches.strings import both, label, strings, words
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.chooser import json_chooser
from neoxjp.page_parts.events import QUIET
from neoxjp.page_parts.gradio_private import payload
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.stream import scorer
from neoxjp.page_parts.strings import Words, language
from neoxjp.page_parts.text_view import show as show_text
from neoxjp.page_parts.texts import VisitorState
from neoxjp.page_parts.writing import Frame

if TYPE_CHECKING:
    from neoxjp.page_parts.generate_tab import GenerateTab

SENT = "(...given) => neoxjp.branches.sent(given)"
SELECTED = "(w, text, where, at) => [w, text, where, neoxjp.written?.chosen ?? -1]"


@dataclass(frozen=True)
class Section:
    """The components of the section."""

    tree: gr.HTML
    line: gr.HTML
    body: gr.Column  # the controls of the branch shown above; visible where there is one
    name: gr.Textbox
    rename: gr.Button
    delete: gr.Button
    other: gr.Dropdown
    compare: gr.Button
    compared: gr.HTML
    editing: gr.Accordion
    edit: gr.Textbox
    edit_of: gr.Number  # the branch in the text box
    edit_note: gr.HTML
    apply: gr.Button
    reset: gr.Button
    edited: gr.HTML
    words: gr.Textbox
    where: gr.Radio
    at: gr.Number  # place of the selected token, from 0; -1: none
    force: gr.Button
    surprisal: gr.HTML
    save: gr.Button
    saved: gr.Textbox  # the file for the browser to save
    file: gr.HTML
    fresh: gr.Textbox  # JSON of the new values of the name and edit fields: see script.js
    linked: dict[str, Any] = field(default_factory=dict)  # the components that a link restores: none, the texts are not in a link


def build(playground: Playground) -> Section:
    """Create the components."""
    parts: dict[str, Any] = {}
    japanese = gr.InputHTMLAttributes(lang="ja", spellcheck=False)

    def html(name: str | None, content: str = "", **options: Any) -> None:
        found = gr.HTML(content, elem_id=name and f"branches-{name}", apply_default_css=False, **options)
        parts.update({name.replace("-", "_"): found} if name else {})

    def button(name: str, key: str, **options: Any) -> None:
        parts[name] = gr.Button(label(f"branches_{key}"), elem_id=f"branches-{name}", **{"min_width": 110} | options)

    def textbox(name: str, key: str, **options: Any) -> None:
        parts[name] = gr.Textbox("", label=label(f"branches_{key}"), elem_id=f"branches-{name}", **options)

    def accordion(name: str, key: str) -> gr.Accordion:
        return gr.Accordion(label(f"branches_{key}"), open=False, elem_id=f"branches-{name}")

    with gr.Column(elem_classes="card", elem_id="branches"):
        html("tree", f'<p class="lab-hint">{both("branches_empty")}</p>', js_on_load=_script("script.js"))
        html("line")
        with gr.Column(visible=False, elem_id="branches-body") as parts["body"]:
            with gr.Row(elem_classes="lab-controls"):
                placeholder = label("branches_name_placeholder")
                textbox("name", "name", placeholder=placeholder, max_lines=1, max_length=LONGEST_NAME)
                button("rename", "name_go", min_width=90)
                button("delete", "delete", min_width=90)
            with accordion("comparing", "compare"):
                with gr.Row(elem_classes="lab-controls"):
                    parts["other"] = gr.Dropdown([], label=label("branches_other"), elem_id="branches-other", min_width=260)
                    button("compare", "compare_go", min_width=90)
                html("compared")
            with accordion("editing", "edit_title") as parts["editing"]:
                html(None, f'<p class="branches-note">{both("branches_edit_help")}</p>')
                textbox("edit", "edit_box", lines=4, max_lines=14, html_attributes=japanese)
                html("edit-note")
                with gr.Row(elem_classes="lab-controls"):
                    button("apply", "edit_go", variant="primary")
                    button("reset", "edit_reset")
                html("edited")
            with accordion("forcing", "force_title"):
                html(None, f'<p class="branches-note">{both("branches_force_help")}</p>')
                textbox("words", "force_text", lines=1, max_lines=4, html_attributes=japanese)
                places = [(label(f"branches_force_{where}"), where) for where in ("end", "chosen")]
                parts["where"] = gr.Radio(places, value="end", label=label("branches_force_where"), elem_id="branches-where")
                with gr.Row(elem_classes="lab-controls"):
                    button("force", "force_go", variant="primary")
                html("surprisal")
        with accordion("files", "files_title"):
            button("save", "save", min_width=120)
            chooser = json_chooser(strings, "branches", "branches-file", MAX_BYTES)
            html("file-part", chooser, js_on_load=_script("file.js"))
        for name in ("saved", "fresh"):
            parts[name] = gr.Textbox(visible="hidden")
        for name in ("edit_of", "at"):
            parts[name] = gr.Number(-1, visible="hidden", precision=0)
    parts["file"] = parts.pop("file_part")
    return Section(**parts)


def _script(name: str) -> str:
    return (files("neoxjp.labs.branches") / name).read_text(encoding="utf-8")


def connect(section: Section, playground: Playground, tab: "GenerateTab", due: gr.HTML) -> None:
    """Wire the events. `tab` is the tab above; `due` changes when the section has to be updated."""
    events: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 4}
    scored = scorer(playground)
    listing = {name: getattr(section, name) for name in ("tree", "body", "other", "fresh")}
    outputs = [section.line, *listing.values(), *tab.shown, tab.prompt]

    def shown_list(writing: VisitorState, t: Words) -> dict[Any, Any]:
        return {listing[name]: value for name, value in drawn(writing, t).items()}

    def draw(writing: VisitorState, request: gr.Request) -> dict[Any, Any]:
        return shown_list(writing, words(language(request)))

    due.change(draw, tab.writing, list(listing.values()), trigger_mode="always_last", **QUIET)

    def doing(action: Callable[..., tuple[str, str | None]], part: Any) -> Callable[..., dict[Any, Any]]:
        """A handler: `action(writing, t, *given)` → the sentence for the line, and the HTML of `part` or None."""

        def handler(request: gr.Request, writing: VisitorState, *given: Any) -> dict[Any, Any]:
            t = words(language(request))
            try:
                sentence, answer = action(writing, t, *given)
            except NeoxjpError as error:
                return {section.line: render.notice(message_of(error, request), "error")}
            view, _, stats = show_text(writing.text, t)
            frame = Frame(render_steps.working(sentence), False, view, stats, announce=sentence)
            found: dict[Any, Any] = tab.updates(frame, writing, prompt=True) | shown_list(writing, t)
            found[section.line] = render.notice(sentence if usable(playground, writing) else t("branches_foreign"))
            if answer is not None:
                found[part] = answer
            return found

        return handler

    def wire(event: Any, action: Callable[..., tuple[str, str | None]], given: list[Any], part: Any, **how: Any) -> None:
        event(doing(action, part), [tab.writing, *given], [*outputs, part], **events, **how)

    def on_show(writing: VisitorState, t: Words, key: Any) -> tuple[str, None]:
        text = actions.show(playground, scored, writing, key)
        top = text.steps[-1].top if text is not None and text.steps else ()
        bare = text is not None and text.steps and text.steps[-1].logprob is None
        recomputed = any(choice.probability != choice.probability for choice in top)
        return t("branches_bare" if bare else "branches_scored" if recomputed else "g_branch_shown"), None

    def on_name(writing: VisitorState, t: Words, name: str) -> tuple[str, None]:
        actions.name(writing, name or "")
        return t("branches_named" if (name or "").strip() else "branches_unnamed"), None

    def on_delete(writing: VisitorState, t: Words) -> tuple[str, str]:
        return t("branches_deleted", n=actions.delete(playground, scored, writing)), ""

    def on_edit(writing: VisitorState, t: Words, key: Any, text: str) -> tuple[str, str]:
        done = actions.edit(playground, scored, writing, key, text or "")
        return t("g_branch_shown"), views.edited(done.found, done.kept, done.new, done.again, t)

    def on_force(writing: VisitorState, t: Words, text: str, where: str, at: Any) -> tuple[str, str]:
        place = (int(at) if at is not None else -1) if where == "chosen" else None
        return t("g_branch_shown"), views.forced(actions.force(playground, scored, writing, text or "", place), t)

    def on_load(writing: VisitorState, t: Words, data: Any) -> tuple[str, str]:
        return t("branches_loaded", n=actions.load(playground, scored, writing, data)), ""

    # The browser sends a row's key or a file's text with the event itself.
    for event, action, name in ((section.tree.select, on_show, "key"), (section.file.select, on_load, "text")):
        inner = doing(action, section.compared)

        def handler(
            request: gr.Request, writing: VisitorState, event: gr.EventData, inner: Any = inner, name: str = name
        ) -> dict[Any, Any]:
            return inner(request, writing, payload(event).get(name))

        event(handler, tab.writing, [*outputs, section.compared], **events)
    for event in (section.rename.click, section.name.submit):
        wire(event, on_name, [section.name], section.compared, js=SENT)
    wire(section.delete.click, on_delete, [], section.compared)
    wire(section.apply.click, on_edit, [section.edit_of, section.edit], section.edited, js=SENT)
    wire(section.force.click, on_force, [section.words, section.where, section.at], section.surprisal, js=SELECTED)

    def on_compare(request: gr.Request, writing: VisitorState, other: Any) -> str:
        try:
            return compared(writing, other, words(language(request)))
        except NeoxjpError as error:
            return render.notice(message_of(error, request), "error")

    section.compare.click(on_compare, [tab.writing, section.other], section.compared, **QUIET)

    fields = [section.name, section.edit, section.edit_of]
    for event, name in ((section.fresh.change, "fill"), (section.reset.click, "reset")):
        js = f"(...given) => neoxjp.branches.{name}(...given)"
        event(None, [section.fresh, *fields], [*fields, section.edit_note], js=js, api_visibility="private")

    def on_save(request: gr.Request, writing: VisitorState) -> dict[Any, Any]:
        t, number = words(language(request)), len(writing.tree.nodes)
        if not number:
            return {section.line: render.notice(t("branches_nothing_to_save")), section.saved: ""}
        return {section.line: render.notice(t("branches_saved", n=f"{number:,}")), section.saved: to_json(writing.tree)}

    saved = section.save.click(on_save, tab.writing, [section.line, section.saved], **QUIET)
    saved.then(None, section.saved, None, js="(text) => neoxjp.branches.save(text)", api_visibility="private")


# ---------------------------------------------------------------- what the handlers show


def drawn(writing: VisitorState, t: Words) -> dict[str, Any]:
    """New values by component: the list, the body, the choice of another branch, the name and edit fields as JSON."""
    tree, tokenizer = writing.tree, writing.tokenizer()
    if not tree.nodes or tokenizer is None:
        return {"tree": views.tree([], t), "body": gr.Column(visible=False), "other": gr.skip(), "fresh": ""}
    rows = listed(tree, tokenizer)
    choices = [(views.label(row, t), row.key) for row in rows if not row.current]
    fresh = ""
    if tree.current is not None:
        fields = {
            "key": tree.current,
            "name": tree.nodes[tree.current].name,
            "text": render.replace_surrogates(actions.to_edit(writing, tree.current)),
            "of": t("branches_edit_of", n=tree.current + 1),
            "kept": t("branches_edit_kept", n="{n}"),
        }
        fresh = render.data(fields)
    body = gr.Column(visible=tree.current is not None)
    html = views.tree(rows, t, not_stored=not all_stored(writing))
    return {"tree": html, "body": body, "other": gr.Dropdown(choices=choices), "fresh": fresh}


def compared(writing: VisitorState, other: Any, t: Words) -> str:
    """HTML of the branch shown above beside another.

    Raises:
        ParameterError: there is no other branch, or none was chosen.
    """
    tree = writing.tree
    if len(tree.nodes) < 2:
        raise strings.error(ParameterError, "branches_alone")
    found = actions.compare(writing, other)
    assert tree.current is not None
    names = [
        " ".join(filter(None, [views.number_of(key), tree.nodes[key].name])) for key in (tree.current, actions.known(tree, other))
    ]
    return views.compared(found.same, found.left, found.right, (f"{names[0]} ◀ {t('branches_current')}", names[1]), t)


def usable(playground: Playground, writing: VisitorState) -> bool:
    """Whether the loaded model can continue the branches."""
    return playground.loaded is None or not writing.tree.nodes or can_score(playground, writing.tree)
