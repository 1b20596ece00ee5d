"""Section of the tokenizer lab: what a file of the visitor's costs. The file comes in through uploads.py and is counted once.

One count at a time for all visitors, others see their place in the line. A count can be stopped at every piece of the text;
however it ends, its file is gone. What is counted is in lab/tokens/corpus.py, what it looks like in render/corpus.py.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.resources import files
from typing import Any

import gradio as gr

from neoxjp.compare import Peer, offers, open_peer
from neoxjp.documents import CHOICES, inspect_file, preview
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.hub import bundled_path
from neoxjp.labs.common import html as render
from neoxjp.labs.corpus import records as corpus
from neoxjp.labs.corpus import view as render_corpus
from neoxjp.labs.corpus.command import to_csv
from neoxjp.labs.corpus.strings import both, label, strings, words
from neoxjp.page_parts import uploads
from neoxjp.page_parts.answers import guarded, message_of, plain
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Words, language
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

TOLD = 0.25  # seconds between two messages of a count
MOST_TOKENIZERS = 8  # beside the loaded one
PUBLIC_SECONDS = 300  # that a count may take on a public page
BEGINS = 60  # characters of a file shown before it is counted
LONGEST_NAME = 200  # characters of a file's name; its ending says what it is
NAMED = ("bytes", "characters", "compat")  # whose names are words of the page


@dataclass
class Count:
    """One visitor's count: whether it is to end."""

    stopped: bool = False

    def stop(self) -> None:
        """End it with its next piece of the text."""
        self.stopped = True


@dataclass(frozen=True)
class Corpus:
    """The components of the section."""

    run: gr.State
    chooser: gr.HTML
    given: gr.Textbox  # {"file": its key, "name": …} as the browser tells it
    found: gr.HTML
    column: gr.Dropdown
    encoding: gr.Dropdown
    tokenizers: gr.CheckboxGroup
    go: gr.Button
    stop: gr.Button
    progress: gr.HTML
    result: gr.HTML
    counted: gr.State  # the corpus.Corpus on show, or None
    downloads: gr.Row
    csv: gr.Button
    json: gr.Button
    saved: gr.Textbox
    linked: dict[str, Any]  # what a link restores: a short name and its component


def build(playground: Playground) -> Corpus:
    """Draw the section."""
    most = uploads.LARGEST // 1_000_000
    intro = f"<h2>{both('k_title')}</h2><p>{both('k_intro', most=most)}</p>"
    gr.HTML(intro, elem_classes="section", apply_default_css=False)
    with gr.Column(elem_classes="card corpus-form"):
        script = (files("neoxjp.labs.corpus") / "script.js").read_text(encoding="utf-8")
        chooser = gr.HTML(_chooser(), js_on_load=script, elem_id="k-chooser", apply_default_css=False)
        given = gr.Textbox(visible="hidden", show_label=False)
        found = gr.HTML(elem_id="k-found", apply_default_css=False)
        with gr.Row():
            column = gr.Dropdown(
                [],
                value=None,
                label=label("k_column"),
                info=label("k_column_info"),
                allow_custom_value=True,
                elem_id="k-column",
                min_width=200,
            )
            codes = [(label("k_auto"), ""), *((name, codec) for codec, name in CHOICES.items())]
            encoding = gr.Dropdown(
                codes, value="", label=label("k_encoding"), info=label("k_encoding_info"), elem_id="k-encoding", min_width=200
            )
        tokenizers = gr.CheckboxGroup(
            _choices(playground),
            value=["bytes"],
            label=label("k_tokenizers"),
            info=label("k_tokenizers_info"),
            elem_id="k-tokenizers",
        )
        with gr.Row(elem_classes="k-buttons"):
            go = gr.Button(label("k_go"), variant="primary", elem_id="k-go", min_width=120)
            stop = gr.Button(label("k_stop"), elem_id="k-stop", min_width=100)
        progress = gr.HTML(elem_id="k-progress", apply_default_css=False)
    result = gr.HTML(elem_id="k-result", apply_default_css=False)
    with gr.Row(elem_classes="chips", visible=False) as downloads:
        csv = gr.Button(label("k_csv"), size="sm", min_width=60, elem_id="k-csv")
        as_json = gr.Button(label("k_json"), size="sm", min_width=60, elem_id="k-json")
    saved = gr.Textbox(visible="hidden", show_label=False)
    linked = {"tokenizers": tokenizers, "column": column}
    run = gr.State(Count(), delete_callback=Count.stop)
    parts = (run, chooser, given, found, column, encoding, tokenizers, go, stop, progress, result)
    return Corpus(*parts, gr.State(None), downloads, csv, as_json, saved, linked)


def _chooser() -> str:
    """The control that takes a file by a click, by the keyboard, or dropped on it."""
    keys = ("k_sending", "k_sent", "k_aborted", "k_failed", "k_too_large")
    fields = {name: f"{{{name}}}" for name in ("percent", "name", "size", "most")}
    sentences = {lang: {key: words(lang)(key, **fields) for key in keys} for lang in ("ja", "en")}
    facts = render.attributes(data_words=render.data(sentences), data_largest=uploads.LARGEST)
    return (
        f'<div class="k-chooser"{facts}><label><b>{both("k_choose")}</b><input type="file" id="k-file"></label>'
        f'<p>{both("k_kinds")}</p><progress max="1" hidden aria-labelledby="k-note"></progress>'
        '<p class="k-note" id="k-note" role="status"></p></div>'
    )


def _choices(playground: Playground) -> list[tuple[str, str]]:
    """The tokenizers offered beside the loaded one; the list opens none of them."""
    ours = GPTNeoXJapaneseTokenizer.from_pretrained(bundled_path())  # the page's own is not loaded yet; the list is the same
    found = offers(ours, public=playground.public)
    return [(label(f"k_{one.key}") if one.key in NAMED else one.title, one.key) for one in found if one.key != "neoxjp"]


def connect(section: Corpus, playground: Playground, text: gr.Textbox, due: gr.Number) -> None:
    """Wire the events. Neither the text above nor `due` changes anything here."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

    def on_file(event: gr.EventData, encoding: str, request: gr.Request) -> tuple[Any, ...]:
        told = event._data if isinstance(event._data, dict) else {}
        given = str(told.get("given", ""))
        return looked(given, encoding, request) if read_given(given)[0] else ("", gr.Dropdown([], value=None))

    def looked(given: str, encoding: str, request: gr.Request) -> tuple[Any, ...]:
        if not read_given(given)[0]:
            return gr.skip(), gr.skip()
        return guarded(look_of, given, encoding, strings=strings, request=request, empty=(gr.skip(),))

    def on_go(
        request: gr.Request, run: Count, given: str, column: str | None, encoding: str, tokenizers: list[str]
    ) -> Iterator[tuple[Any, ...]]:
        say = words(language(request))
        key, name = read_given(given)
        keep = (gr.skip(), gr.skip(), gr.skip())
        if name and not key:  # it was not sent to its end: the note beside the file says why
            yield "", *keep
            return
        run.stopped = False
        try:
            told = partial(message_of, request=request)
            for step in counting(playground, key, name, column or "", encoding, tokenizers, say, told, run):
                if isinstance(step, str):
                    yield step, *keep
                else:
                    done, found, notes = step
                    yield done, notes + render_corpus.corpus(found, say), found, gr.Row(visible=True)
        except NeoxjpError as error:
            yield render.notice(message_of(error, request), "error"), *keep

    looks = [section.found, section.column]
    now = "(given, encoding) => [neoxjp.corpus.now(), encoding]"
    section.chooser.select(on_file, section.encoding, looks, **silent)
    section.encoding.change(looked, [section.given, section.encoding], looks, js=now, **silent)
    asked = [section.run, section.given, section.column, section.encoding, section.tokenizers]
    section.go.click(
        on_go,
        asked,
        [section.progress, section.result, section.counted, section.downloads],
        js="async (run, given, ...rest) => [run, await neoxjp.corpus.use(), ...rest]",
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    section.stop.click(None, None, None, js="() => neoxjp.corpus.stop()", api_visibility="private")
    section.stop.click(Count.stop, section.run, None, **silent)

    def on_json(found: corpus.Corpus | None) -> str:
        return json.dumps(plain(asdict(found)), ensure_ascii=False, indent=1) if found else ""

    def on_csv(found: corpus.Corpus | None) -> str:
        return to_csv(found).decode("utf-8") if found else ""

    for button, show, name, kind in (
        (section.csv, on_csv, "corpus.csv", "text/csv;charset=utf-8"),
        (section.json, on_json, "corpus.json", "application/json"),
    ):
        save = f"(text) => {{ if (text) neoxjp.download(text, '{name}', '{kind}') }}"
        button.click(show, section.counted, section.saved, **silent).then(None, section.saved, js=save, api_visibility="private")


# ---------------------------------------------------------------- what the handlers show


def read_given(given: str) -> tuple[str, str]:
    """Key and name of the file, as the browser tells them; "" for none."""
    try:
        told = json.loads(given or "{}")
        return str(told["file"]), str(told["name"])[-LONGEST_NAME:]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def look_of(given: str, encoding: str, say: Words) -> tuple[Any, ...]:
    """What a file is, before it is counted: its encoding and first characters as HTML, and its columns to choose from."""
    key, name = read_given(given)
    with uploads.door.using(key) as file:
        plan = inspect_file(file, name, encoding)  # type: ignore[arg-type]
        begins = preview(file, plan.encoding, BEGINS)  # type: ignore[arg-type]
    sure = "chosen" if encoding else plan.encoding.confidence
    drawn = render_corpus.found_note(plan.encoding.name, sure, plan.columns, begins, say)
    return drawn, gr.Dropdown(list(plan.columns), value=plan.column or None)


def counting(
    playground: Playground,
    key: str,
    name: str,
    column: str,
    encoding: str,
    tokenizers: Sequence[str],
    say: Words,
    told_of: Callable[[NeoxjpError], str] = str,
    run: Count | None = None,  # whoever holds it can end the count
) -> Iterator[str | tuple[str, corpus.Corpus, str]]:
    """Count a file: HTML of how far it came, last that it is done, the corpus, and what could not be opened.

    Stopped, the last is that. However this ends, also where it is closed half-way, the file is deleted and the next in the line
    goes on.
    """
    ticket, run = object(), run or Count()
    try:
        if not key:
            raise strings.error(ParameterError, "k_no_file")
        chosen, notes = [], ""
        for wanted in _keys(tokenizers):
            yield render_corpus.progress(say("k_opening", name=wanted))
            try:
                peer: Any = open_peer(wanted, playground.tokenizer, public=playground.public)
                chosen.append((wanted, replace(peer, name=say(f"k_{wanted}")) if wanted in NAMED else peer))
            except NeoxjpError as error:  # one that cannot be opened does not spoil the rest
                notes += render.notice(f"{wanted}: {told_of(error)}", "error")
        while (before := uploads.line.place(ticket)) and not run.stopped:
            yield render_corpus.progress(say("k_waiting", n=before))
            time.sleep(TOLD)
        began = told = time.monotonic()
        with uploads.door.using(key) as file:
            source = corpus.Source(name, file, column, encoding)  # type: ignore[arg-type]
            title = playground.loaded.title(say("bundled")) if playground.loaded else "neoxjp"
            for step in corpus.analyse([source], playground.tokenizer, chosen, title):
                if run.stopped:
                    yield render.notice(say("k_stopped"))
                    return
                if isinstance(step, corpus.Corpus):
                    done = render.notice(say("k_done", seconds=f"{time.monotonic() - began:.1f}"))
                    yield done, step, notes
                elif time.monotonic() - told > TOLD or step.read == 0:
                    told = time.monotonic()
                    _check_time(playground, began)
                    uploads.line.place(ticket)
                    yield render_corpus.progress(_how_far(step, say), step.read / max(step.total, 1))
    finally:
        uploads.line.leave(ticket)
        uploads.door.drop(key)


def _how_far(step: corpus.Progress, say: Words) -> str:
    percent = 100 * step.read // max(step.total, 1)
    return say("k_counting", percent=percent, documents=f"{step.documents:,}", tokens=f"{step.tokens:,}")


def _run(playground: Playground, source: corpus.Source, chosen: list[tuple[str, Peer]], ticket: object) -> corpus.Corpus:
    """A count to its end, within the time that the page gives."""
    begun = time.monotonic()
    for step in corpus.analyse([source], playground.tokenizer, chosen):
        if isinstance(step, corpus.Corpus):
            return step
        _check_time(playground, begun)
        uploads.line.place(ticket)
    raise AssertionError("analyse ends with a corpus")


def _check_time(playground: Playground, begun: float) -> None:
    if playground.public and time.monotonic() - begun > PUBLIC_SECONDS:
        raise strings.error(ParameterError, "k_too_long", n=PUBLIC_SECONDS)


def _keys(tokenizers: Sequence[str]) -> list[str]:
    """The keys beside the loaded tokenizer's, each once. Raises ParameterError for too many."""
    keys = [key for key in dict.fromkeys(tokenizers) if key != "neoxjp"]
    if len(keys) > MOST_TOKENIZERS:
        raise ParameterError(
            f"{len(keys)} tokenizers: count with {MOST_TOKENIZERS} at a time",
            ja=f"トークナイザーは一度に {MOST_TOKENIZERS} つまでです（{len(keys)} つ選ばれています）。",
        )
    return keys
