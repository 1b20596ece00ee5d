"""The lower half of the Tokens tab: one text in its spellings, side by side over one or two tokenizers; table and CSV.

A text fills the rows, the rows fill the table. A row that a visitor edited keeps what was written there, until it is reset.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from neoxjp import analysis, peers, readings, render
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.ui.answers import check_length, expected, guarded, said
from neoxjp.ui.session import Playground
from neoxjp.ui.strings import Words, both, label, language, words

COMPARED = 2_000  # characters of a text that the comparison takes; its kana may be three times as long
MOST_TOKENIZERS = 8  # of one call of /compare
EDITABLE: tuple[readings.SpellingKey, ...] = ("hiragana", "katakana", "halfwidth", "custom")
SECOND = ("none", "bytes", "characters", "compat", "folder")


@dataclass
class Spelled:
    """What stands in one visitor's rows, and what the dictionary put there: a row that differs was edited, and stays.

    Changed in place: a row edited while the readings of another text are looked up is not lost.
    """

    rows: dict[readings.SpellingKey, str] = field(default_factory=dict)
    automatic: dict[readings.SpellingKey, str] = field(default_factory=dict)

    def follow(self, text: str) -> list[readings.SpellingKey]:
        """Take the spellings of another text; edited rows keep what was written there. Returns the rows that changed."""
        fresh = automatic_rows(text)
        before = dict(self.rows)
        edited = {key: value for key, value in before.items() if value != self.automatic.get(key, "")}
        self.rows, self.automatic = {**fresh, **edited}, fresh
        return [key for key in EDITABLE if self.rows[key] != before.get(key, "")]


@dataclass(frozen=True)
class Comparison:
    """The components of the section."""

    second: gr.Radio
    folder: gr.Textbox
    view: gr.HTML
    rows: dict[readings.SpellingKey, gr.Textbox]
    reset: gr.Button
    spelled: gr.State  # a Spelled: what stands in the rows
    drawn: gr.Number  # another number whenever the comparison must be drawn anew
    table: gr.Dataframe
    download: gr.Button
    csv: gr.Textbox


def build(playground: Playground) -> Comparison:
    """Draw the section."""
    gr.HTML(f"<h2>{both('c_title')}</h2><p>{both('c_intro')}</p>", elem_classes="section", apply_default_css=False)
    with gr.Column(elem_classes="card"):
        offered = [(label(f"c_{key}"), key) for key in SECOND if key != "folder" or not playground.public]
        second = gr.Radio(offered, value="none", label=label("c_second"), elem_id="c-second")
        folder = gr.Textbox("", label=label("c_folder_path"), visible=False, elem_id="c-folder", max_lines=1)
        view = gr.HTML(elem_id="c-view", apply_default_css=False)
        drawn = gr.Number(0, visible="hidden")
    with gr.Accordion(label("c_edit"), open=False, elem_id="c-edit"):
        gr.HTML(f"<p>{both('c_edit_info')}</p>", elem_classes="section", apply_default_css=False)
        rows = {key: _row(key) for key in EDITABLE}
        reset = gr.Button(label("c_reset"), size="sm", elem_id="c-reset")
    with gr.Accordion(label("c_table"), open=False, elem_id="c-table"):
        table = gr.Dataframe(interactive=False, max_chars=40, show_label=False, buttons=["copy", "fullscreen"], elem_id="c-frame")
        download = gr.Button(label("c_download"), size="sm", elem_id="c-download")
        csv = gr.Textbox(visible="hidden", show_label=False)
    return Comparison(second, folder, view, rows, reset, gr.State(Spelled()), drawn, table, download, csv)


def _row(key: readings.SpellingKey) -> gr.Textbox:
    info = label("c_custom_info") if key == "custom" else None
    return gr.Textbox(label=label(f"spelling_{key}"), info=info, lines=1, max_lines=4, elem_id=f"c-row-{key}")


def connect(section: Comparison, playground: Playground, text: gr.Textbox, due: gr.Number) -> None:
    """Wire the events. `text` is the text above; `due` changes whenever the section must draw anew."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    live: dict[str, Any] = {**silent, "trigger_mode": "always_last", "concurrency_limit": None}
    rows = list(section.rows.values())
    asked = [text, section.second, section.folder, section.spelled]

    def draw(request: gr.Request, text: str, second: str, folder: str, spelled: Spelled) -> tuple[Any, ...]:
        return guarded(comparison_of, playground, text, second, folder, spelled, request=request, empty=(None,))

    def on_text(text: str, spelled: Spelled) -> tuple[Any, ...]:
        changed = spelled.follow(text)
        return *(spelled.rows[key] if key in changed else gr.skip() for key in EDITABLE), time.time()

    def on_reset(text: str, spelled: Spelled) -> tuple[Any, ...]:
        spelled.rows, spelled.automatic = {}, {}
        spelled.follow(text)
        return *(spelled.rows[key] for key in EDITABLE), time.time()

    # A row's own event trusts that row alone: the others may still be on their way to the browser.
    def on_row(key: readings.SpellingKey) -> Callable[[Spelled, str | None], Any]:
        def on_edit(spelled: Spelled, value: str | None) -> Any:
            if value is None or value == spelled.rows.get(key, ""):
                return gr.skip()  # it was filled by on_text
            spelled.rows = {**spelled.rows, key: value}
            return time.time()

        return on_edit

    # Everything that changes the comparison changes `drawn`; only that draws. So an older answer never covers a newer one.
    filled = [*rows, section.drawn]
    due.change(on_text, [text, section.spelled], filled, **live)
    section.reset.click(on_reset, [text, section.spelled], filled, **silent)
    for key, row in section.rows.items():
        row.change(on_row(key), [section.spelled, row], section.drawn, **live)
    chosen = [section.second.change, section.folder.change]
    gr.on(chosen, None, None, section.drawn, js="() => performance.now()", api_visibility="private")
    section.drawn.change(draw, asked, [section.view, section.table], **live)
    section.second.change(lambda second: gr.Textbox(visible=second == "folder"), section.second, section.folder, **silent)

    def on_download(request: gr.Request, text: str, second: str, folder: str, spelled: Spelled) -> str:
        try:
            return csv_of(playground, text, second, folder, spelled, words(language(request)))
        except NeoxjpError:
            return ""  # the comparison says why already; there is nothing to save

    save = "(text) => { if (text) neoxjp.download(text, 'spellings.csv', 'text/csv;charset=utf-8') }"
    section.download.click(on_download, asked, section.csv, **silent).then(None, section.csv, js=save, api_visibility="private")


def endpoints(playground: Playground) -> None:
    """The section's action as API: /compare."""

    def compare(text: str, tokenizers: list[str] | None = None, own_spelling: str = "") -> list[dict[str, Any]]:
        """Count what a text costs in its spellings: as written, hiragana, katakana, half-width.

        Args:
            text: The text; kanji are read by a dictionary.
            tokenizers: Any of "neoxjp", "bytes", "characters", "compat"; where the page is not public also the path of a
                vocabulary folder. Left out: ["neoxjp"].
            own_spelling: One more spelling of your own, such as rōmaji.

        Returns:
            One record for each spelling and tokenizer: spelling, tokenizer, tokens, characters, utf8_bytes,
            characters_per_token, ratio (to the text as written), text, pieces (with their separator).
        """
        check_length(playground, text, playground.limits.compared)
        check_length(playground, own_spelling, playground.limits.compared)
        if not isinstance(tokenizers, list | None) or not all(isinstance(name, str) for name in tokenizers or []):
            raise ParameterError(f"tokenizers={str(tokenizers)[:40]!r}: expected a list of names")
        if tokenizers and len(tokenizers) > MOST_TOKENIZERS:
            raise ParameterError(f"{len(tokenizers)} tokenizers: compare {MOST_TOKENIZERS} at a time")
        written, own = render.whole(text), render.whole(own_spelling)
        spelled = readings.spellings(written) + ([readings.Spelling("custom", own)] if own else [])
        chosen = [named_peer(playground, name) for name in dict.fromkeys(tokenizers or ["neoxjp"])]
        return json.loads(analysis.frame(analysis.compare(spelled, chosen)).to_json(orient="records"))

    gr.api(expected(compare), api_name="compare", queue=False, concurrency_limit=None)


# ---------------------------------------------------------------- what the handlers show


def automatic_rows(text: str) -> dict[readings.SpellingKey, str]:
    """The dictionary's spelling for each row that can be edited; the visitor's own row starts empty."""
    found: dict[str, str] = {spelling.key: render.whole(spelling.text) for spelling in readings.spellings(text[:COMPARED])}
    return {key: found.get(key, "") for key in EDITABLE}


def records_of(
    playground: Playground, text: str, second: str, folder: str, spelled: Spelled, say: Words
) -> list[analysis.Comparison]:
    """The comparison's records: the text as written and the rows, by our tokenizer and by a second one."""
    name = playground.loaded.title(say("bundled")) if playground.loaded else "neoxjp"
    chosen = [peers.ours(playground.tokenizer, name)]
    other = second_peer(playground, second, folder, say)
    if other is not None:
        chosen.append(other)
    lines = [readings.Spelling("written", render.whole(text[:COMPARED]))] if text else []
    for key, value in spelled.rows.items():
        check_length(playground, value)
        if value:
            lines.append(readings.Spelling(key, render.whole(value[: 3 * COMPARED])))
    return analysis.compare(lines, chosen)


def second_peer(playground: Playground, second: str, folder: str, say: Words) -> peers.Peer | None:
    """The tokenizer to compare with; None: none is chosen. A folder can be named only where the page is not public."""
    if second == "bytes":
        return peers.Utf8Bytes(say("c_bytes"))
    if second == "characters":
        return peers.Characters(say("c_characters"))
    if second == "compat":
        return peers.ours(playground.compat(), "transformers")
    if second == "folder" and folder.strip():
        if playground.public:
            raise said(ParameterError, "c_no_folders")
        return peers.folder(folder.strip())
    return None


def named_peer(playground: Playground, name: str) -> peers.Peer:
    """A tokenizer by its name in the API."""
    if name == "neoxjp":
        return peers.ours(playground.tokenizer)
    kind = name if name in SECOND[1:4] else "folder"
    peer = second_peer(playground, kind, name, lambda key, **_: name)
    if peer is None:
        raise ParameterError(f"tokenizer={name!r}: choose 'neoxjp', 'bytes', 'characters', 'compat' or a vocabulary folder")
    return peer


def comparison_of(playground: Playground, text: str, second: str, folder: str, spelled: Spelled, say: Words) -> tuple[str, Any]:
    """The comparison as HTML and as a table."""
    records = records_of(playground, text, second, folder, spelled, say)
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
    heads = {name: f"col_{name}" for name in ("spelling", "tokenizer", "ratio", "text", "pieces")}
    return table.rename(columns={column: say(heads.get(column, column)) for column in table.columns})


def csv_of(playground: Playground, text: str, second: str, folder: str, spelled: Spelled, say: Words) -> str:
    """The table as CSV text, a byte order mark in front so that spreadsheets read it as UTF-8."""
    return analysis.to_csv(localised(records_of(playground, text, second, folder, spelled, say), say)).decode("utf-8")
