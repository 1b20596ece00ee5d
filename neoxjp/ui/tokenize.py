"""The Tokens tab: the visitor's text cut into pieces while it is typed, its counts and ids, and its spellings side by side.

`build` draws, `connect` wires, `endpoints` gives the same as API. What a handler shows is computed in plain functions below.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from neoxjp import analysis, peers, readings, render
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.ui.session import Playground
from neoxjp.ui.strings import Words, both, label, language, words

EXAMPLES = {
    "t_example_prose": "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。",
    "t_example_kana": "慶應義塾と慶応義塾、國語と国語、ﾊﾝｶｸとハンカク、①と1。",
    "t_example_bytes": "𩸽と鱈を食べた👨\u200d👩\u200d👧 café で🐈\u200d⬛を見た👋🏻",
    "t_example_mixed": "2024年4月、東京都で AI の会議が開かれ、約１２００人が参加した。",
}
IDS_SHOWN = 5_000  # ids written into the box to copy from
COMPARED = 2_000  # characters of a text that the comparison takes
EDITABLE: tuple[readings.SpellingKey, ...] = ("hiragana", "katakana", "halfwidth", "custom")
SECOND = ("none", "bytes", "characters", "compat", "folder")


@dataclass(frozen=True)
class TokenizeTab:
    """The components of the tab."""

    text: gr.Textbox
    examples: dict[str, gr.Button]
    view: gr.HTML
    show_ids: gr.Checkbox
    counts: gr.HTML
    ids: gr.Textbox
    paste: gr.Textbox
    pasted: gr.Textbox
    paste_note: gr.HTML
    second: gr.Radio
    folder: gr.Textbox
    compared: gr.HTML
    rows: dict[readings.SpellingKey, gr.Textbox]
    reset: gr.Button
    automatic: gr.State  # the dictionary's spelling of each editable row: a row that differs was edited, and stays
    drawn: gr.State  # what the comparison on show was made from
    table: gr.Dataframe
    download: gr.Button
    csv: gr.Textbox


def build(playground: Playground) -> TokenizeTab:
    """Draw the tab."""
    with gr.Row(elem_classes="two-columns"):
        with gr.Column(scale=7, min_width=320, elem_classes="card"):
            with gr.Row(elem_classes="chips"):
                examples = {key: gr.Button(label(key), size="sm", min_width=60) for key in EXAMPLES}
                show_ids = gr.Checkbox(label=label("t_show_ids"), container=False, elem_id="t-show-ids", min_width=100)
            text = gr.Textbox(
                EXAMPLES["t_example_kana"],
                label=label("t_text"),
                placeholder=label("t_placeholder"),
                lines=3,
                max_lines=8,
                elem_id="t-text",
                elem_classes="text-input",
                html_attributes=gr.InputHTMLAttributes(lang="ja", spellcheck=False),
            )
            view = gr.HTML(both("wait_vocabulary"), elem_id="t-view", apply_default_css=False)
        with gr.Column(scale=3, min_width=250, elem_classes="card side"):
            counts = gr.HTML(elem_id="t-counts", apply_default_css=False)
    with gr.Accordion(label("t_ids_section"), open=False, elem_id="t-ids-section"), gr.Row():
        with gr.Column(min_width=280):
            ids = gr.Textbox(
                label=label("t_ids"),
                lines=3,
                max_lines=6,
                interactive=False,
                buttons=["copy"],
                elem_id="t-ids",
                elem_classes="ids",
            )
        with gr.Column(min_width=280):
            paste = gr.Textbox(
                label=label("t_paste_ids"),
                placeholder=label("t_paste_placeholder"),
                lines=3,
                elem_id="t-paste",
                elem_classes="ids",
            )
            paste_note = gr.HTML(apply_default_css=False, elem_id="t-paste-note")
            pasted = gr.Textbox(
                label=label("t_decoded"), lines=1, max_lines=6, interactive=False, buttons=["copy"], elem_id="t-pasted"
            )
    gr.HTML(f"<h2>{both('c_title')}</h2><p>{both('c_intro')}</p>", elem_classes="section", apply_default_css=False)
    with gr.Column(elem_classes="card"):
        offered = [(label(f"c_{key}"), key) for key in SECOND if key != "folder" or not playground.public]
        with gr.Row(elem_classes="choice"):
            second = gr.Radio(offered, value="none", label=label("c_second"), elem_id="c-second")
            folder = gr.Textbox(label=label("c_folder_path"), visible=False, elem_id="c-folder", max_lines=1)
        compared = gr.HTML(elem_id="c-view", apply_default_css=False)
    with gr.Accordion(label("c_edit"), open=False, elem_id="c-edit"):
        gr.HTML(f"<p>{both('c_edit_info')}</p>", elem_classes="section", apply_default_css=False)
        rows = {key: _row(key) for key in EDITABLE}
        reset = gr.Button(label("c_reset"), size="sm", elem_id="c-reset")
    with gr.Accordion(label("c_table"), open=False, elem_id="c-table"):
        table = gr.Dataframe(interactive=False, wrap=True, show_label=False, buttons=["copy", "fullscreen"])
        download = gr.Button(label("c_download"), size="sm", elem_id="c-download")
        csv = gr.Textbox(visible="hidden", show_label=False)
    return TokenizeTab(
        text, examples, view, show_ids, counts, ids, paste, pasted, paste_note, second, folder, compared, rows, reset,
        gr.State({}), gr.State(None), table, download, csv,
    )  # fmt: skip


def _row(key: readings.SpellingKey) -> gr.Textbox:
    info = label("c_custom_info") if key == "custom" else None
    return gr.Textbox(label=label(f"spelling_{key}"), info=info, lines=1, max_lines=4, elem_id=f"c-row-{key}")


def connect(tab: TokenizeTab, playground: Playground, changed: gr.Number) -> None:
    """Wire the events. `changed` changes when another model was loaded."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    live: dict[str, Any] = {
        **silent, "trigger_mode": "always_last", "concurrency_limit": None,
    }  # fmt: skip
    rows = list(tab.rows.values())

    def on_text(text: str, request: gr.Request) -> tuple[str, str, str]:
        return tuple(guarded(view_of, playground, text, request=request, empty=("", "", "")))  # type: ignore[return-value]

    gr.on([tab.text.change, changed.change], on_text, [tab.text], [tab.view, tab.counts, tab.ids], **live)
    for key, button in tab.examples.items():
        button.click(lambda example=EXAMPLES[key]: example, outputs=tab.text, **silent)
    tab.show_ids.change(
        None, tab.show_ids, js="(on) => { document.body.classList.toggle('show-ids', on) }", api_visibility="private"
    )

    def on_ids(pasted: str, request: gr.Request) -> tuple[str, str]:
        say = words(language(request))
        try:
            return text_of_ids(playground, pasted, say), ""
        except NeoxjpError as error:
            return "", render.notice(message_of(error, request), "error")

    tab.paste.change(on_ids, tab.paste, [tab.pasted, tab.paste_note], **live)

    # The comparison: the text fills the rows, the rows fill the table; a row that was edited keeps what its author wrote.
    # The browser says None for a row that was never unfolded: it has the dictionary's spelling.
    def on_source(text: str, automatic: dict[str, str], *current: str | None) -> tuple[Any, ...]:
        fresh = automatic_rows(text)
        return fresh, *kept_rows(current, automatic, fresh)

    def on_reset(text: str) -> tuple[Any, ...]:
        fresh = automatic_rows(text)
        return fresh, *(fresh[key] for key in EDITABLE)

    def on_rows(
        request: gr.Request, text: str, second: str, folder: str | None, drawn: Any, automatic: dict[str, str], *current: str | None
    ) -> tuple[Any, ...]:
        rows = kept_rows(current, automatic, automatic)
        asked = (text, second, folder or "", rows, playground.serial, language(request))
        if asked == drawn:
            return gr.skip(), gr.skip(), gr.skip()
        shown = guarded(comparison_of, playground, *asked[:4], request=request, empty=("", None))
        return *shown, asked

    sources = [tab.text, tab.second, tab.folder, tab.drawn, tab.automatic, *rows]
    shown = [tab.compared, tab.table, tab.drawn]
    gr.on([tab.text.change, changed.change], on_source, [tab.text, tab.automatic, *rows], [tab.automatic, *rows], **live).then(
        on_rows, sources, shown, **silent
    )
    gr.on([row.change for row in rows] + [tab.second.change, tab.folder.change], on_rows, sources, shown, **live)
    tab.reset.click(on_reset, tab.text, [tab.automatic, *rows], **silent)
    tab.second.change(lambda second: gr.Textbox(visible=second == "folder"), tab.second, tab.folder, **silent)

    def on_download(
        request: gr.Request, text: str, second: str, folder: str | None, automatic: dict[str, str], *current: str | None
    ) -> str:
        rows = kept_rows(current, automatic, automatic)
        return csv_of(playground, text, second, folder or "", rows, words(language(request)))

    tab.download.click(on_download, [tab.text, tab.second, tab.folder, tab.automatic, *rows], tab.csv, **silent).then(
        None,
        tab.csv,
        js="(text) => { neoxjp.download(text, 'spellings.csv', 'text/csv;charset=utf-8') }",
        api_visibility="private",
    )


# ---------------------------------------------------------------- what the handlers show


def view_of(playground: Playground, text: str, say: Words) -> tuple[str, str, str]:
    """The token view, the counts (both HTML) and the ids of a text."""
    tokenizer = playground.tokenizer
    check_length(playground, text)
    tokens = tokenizer.analyze(text)
    drawn = render.tokens(tokens, text, say, spellings=tokenizer.spellings, limit=playground.limits.drawn_pieces)
    ids = ", ".join(str(token.id) for token in tokens[:IDS_SHOWN])
    if len(tokens) > IDS_SHOWN:
        ids += " … " + say("t_ids_cut", drawn=f"{IDS_SHOWN:,}")
    return drawn, render.counts(analysis.counts(text, tokens), say), ids


def text_of_ids(playground: Playground, pasted: str, say: Words) -> str:
    """What pasted ids decode to: "[31000, 17749]", "31000 17749", one on each line, ...

    Raises:
        ParameterError: something in it is no id, or no id of this vocabulary.
    """
    ids = []
    last = playground.tokenizer.vocab_size - 1
    check_length(playground, pasted)
    for found in re.split(r"[\s,、，;\[\](){}]+", pasted):
        if not found:
            continue
        if not re.fullmatch(r"[0-9]{1,9}", found):
            raise _said(ParameterError, "t_bad_id", found=repr(found[:40]))
        if int(found) > last:
            raise _said(ParameterError, "t_id_range", found=found, last=last)
        ids.append(int(found))
    return playground.tokenizer.decode(ids)


def automatic_rows(text: str) -> dict[str, str]:
    """The dictionary's spelling for each row that can be edited; the visitor's own row starts empty."""
    found: dict[str, str] = {spelling.key: spelling.text for spelling in readings.spellings(text[:COMPARED])}
    return {key: found.get(key, "") for key in EDITABLE}


def kept_rows(current: Sequence[str | None], automatic: Mapping[str, str], fresh: Mapping[str, str]) -> tuple[str, ...]:
    """The rows after the text changed: what a visitor wrote stays, what came from the dictionary (`automatic`) becomes `fresh`."""
    pairs = zip(EDITABLE, current, strict=True)
    return tuple(fresh.get(key, "") if value is None or value == automatic.get(key, "") else value for key, value in pairs)


def records_of(playground: Playground, text: str, second: str, folder: str, rows: Sequence[str]) -> list[analysis.Comparison]:
    """The comparison's records: the text as written and the rows, by our tokenizer and by a second one."""
    own = peers.ours(playground.tokenizer, playground.loaded.name if playground.loaded else "neoxjp")
    chosen: list[peers.Peer] = [own]
    other = second_peer(playground, second, folder)
    if other is not None:
        chosen.append(other)
    spelled = [readings.Spelling("written", text[:COMPARED])]
    for key, value in zip(EDITABLE, rows, strict=True):
        if value:
            check_length(playground, value)
            spelled.append(readings.Spelling(key, value))
    return analysis.compare(spelled, chosen) if text or len(spelled) > 1 else []


def second_peer(playground: Playground, second: str, folder: str) -> peers.Peer | None:
    """The tokenizer to compare with; None: none is chosen. A folder can be named only where the page is not public."""
    if second == "bytes":
        return peers.Utf8Bytes()
    if second == "characters":
        return peers.Characters()
    if second == "compat":
        return peers.ours(playground.compat(), "transformers")
    if second == "folder" and folder.strip():
        if playground.public:
            raise ParameterError("Folders cannot be named on a public page.", ja="公開中のページではフォルダーを指定できません。")
        return peers.folder(folder.strip())
    return None


def comparison_of(
    playground: Playground, text: str, second: str, folder: str, rows: Sequence[str], say: Words
) -> tuple[str, Any]:
    """The comparison as HTML and as a table."""
    records = records_of(playground, text, second, folder, rows)
    drawn = render.comparison(records, say)
    if len(text) > COMPARED:
        drawn = render.notice(say("c_cut", n=f"{COMPARED:,}")) + drawn
    return drawn, localised(records, say)


def localised(records: Sequence[analysis.Comparison], say: Words) -> Any:
    """The pandas table with its columns and spellings named in the visitor's language."""
    table = analysis.frame(records)
    if table.empty:
        return table
    table["spelling"] = [say(f"spelling_{key}") for key in table["spelling"]]
    heads = {
        "spelling": "col_spelling",
        "tokenizer": "col_tokenizer",
        "ratio": "col_ratio",
        "text": "col_text",
        "pieces": "col_pieces",
    }
    return table.rename(columns={column: say(heads.get(column, column)) for column in table.columns})


def csv_of(playground: Playground, text: str, second: str, folder: str, rows: Sequence[str], say: Words) -> str:
    """The table as CSV text, a byte order mark in front so that spreadsheets read it as UTF-8."""
    return analysis.to_csv(localised(records_of(playground, text, second, folder, rows), say)).decode("utf-8")


def check_length(playground: Playground, text: str) -> None:
    """Raises ParameterError where a text is longer than the page takes."""
    limit = playground.limits.characters
    if len(text) > limit:
        raise _said(ParameterError, "t_too_long", n=f"{len(text):,}", limit=f"{limit:,}")


def _said(kind: type[NeoxjpError], key: str, **values: object) -> NeoxjpError:
    """An expected error with its sentence in both languages."""
    return kind(words("en")(key, **values), ja=words("ja")(key, **values))


def message_of(error: NeoxjpError, request: gr.Request | None) -> str:
    """The error's sentence in the visitor's language."""
    return error.ja or str(error) if language(request) == "ja" else str(error)


def guarded(show: Callable[..., tuple[Any, ...]], *given: Any, request: gr.Request, empty: tuple[Any, ...]) -> tuple[Any, ...]:
    """What `show(*given, say)` returns; an expected error becomes a sentence in the first place, the rest is `empty`."""
    try:
        return show(*given, words(language(request)))
    except NeoxjpError as error:
        return (render.notice(message_of(error, request), "error"), *empty[1:])
