"""Section of the tokenizer lab: the statistics of a visitor's file, which is uploaded through page_parts/files/uploads.py.

One count runs at a time for all visitors; the others wait in a queue and see their position. A count can be stopped; however it
ends, its file is deleted.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from neoxjp.compare import Peer, list_offers, open_peer
from neoxjp.documents import CHOICES, inspect_file, preview
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common.glyphs import SCRIPTS
from neoxjp.labs.common.html import notice
from neoxjp.labs.common.templates import render
from neoxjp.labs.corpus.command import rows
from neoxjp.labs.corpus.costs import Cost
from neoxjp.labs.corpus.records import Corpus, Progress, Source, analyse
from neoxjp.labs.corpus.strings import strings
from neoxjp.page_parts.answers import Run, follow_language, handler, plain
from neoxjp.page_parts.events import BROWSER, QUIET, STREAMED
from neoxjp.page_parts.files import downloads, uploads
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.parts import Parts
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Words

if TYPE_CHECKING:
    from neoxjp.page_parts.tabs.tokenize import TokenizeTab

INTERVAL = 0.25  # seconds between two updates of the progress, and between two looks at the queue
INSPECTION_SECONDS = 10.0  # that a count waits for a file that is still inspected
MAX_TOKENIZERS = 8  # beside the loaded one
PUBLIC_SECONDS = 300  # that a count may take on a public page
PREVIEW = 60  # characters of a file that are shown before it is counted
MAX_FACTS = 10_000  # characters of what the page says of a file
MAX_NAME = 200  # last characters of a file's name that are used; its ending determines the kind
LIMITS = {"tokens": 20, "losses": 25, "examples": 2, "fault": 90}  # rows of the lists; examples of a loss; characters of a fault
INTRO = {"most": uploads.MAX_BYTES // 1_000_000}  # for the section's heading
view: Callable[..., str] = partial(render, "labs/corpus/view.html")


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        part = Parts("corpus", strings)
        with gr.Column(elem_classes="card"):
            self.chooser = part.html("chooser", _chooser(), js_on_load=part.script())
            self.info = part.html("info")
            with gr.Row():
                self.column = gr.Dropdown([], value=None, allow_custom_value=True, min_width=200, **part.named("column"))
                codecs = [(strings.label("corpus_auto"), ""), *((name, codec) for codec, name in CHOICES.items())]
                self.encoding = gr.Dropdown(codecs, value="", min_width=200, **part.named("encoding"))
            self.tokenizers = gr.CheckboxGroup(_tokenizers(), value=["bytes"], **part.named("tokenizers"))
            with gr.Row(elem_classes="corpus-buttons"):
                self.go, self.stop = part.button("go", variant="primary"), part.button("stop")
            self.progress = part.html("progress")
        self.result = part.html("result", js_on_load=downloads.SCRIPT)
        with gr.Row(elem_classes="chips", visible=False) as self.downloads:
            self.csv, self.json = part.button("csv", size="sm", min_width=60), part.button("json", size="sm", min_width=60)
        # As an input {"file": key, "name": …}, from script.js: a handler can take neither HTML nor what a script alone knows.
        self.file = gr.Textbox(visible="hidden", show_label=False)
        self.run = gr.State(Run(), delete_callback=Run.stop)
        self.corpus = gr.State(None)  # the Corpus that is shown
        self.linked = {"tokenizers": self.tokenizers, "column": self.column}  # what a link restores


def _chooser() -> str:
    keys = ("corpus_sending", "corpus_sent", "corpus_aborted", "corpus_failed", "corpus_too_large")
    fields = {name: f"{{{name}}}" for name in ("percent", "name", "size", "most")}
    words = {lang: {key: strings.words(lang)(key, **fields) for key in keys} for lang in ("ja", "en")}
    texts = {"label": Markup(strings.both("corpus_choose")), "note": Markup(strings.both("corpus_kinds"))}
    return view("chooser", strings.words("en"), words=words, largest=uploads.MAX_BYTES, **texts)


def _tokenizers() -> list[tuple[str, str]]:
    """Names and keys of the tokenizers offered beside the loaded one. None of them is opened."""
    named = [(f"tokenizer_{offer.key}", offer) for offer in list_offers() if offer.key != "neoxjp"]
    return [(strings.label(name) if name in strings.table else offer.title, offer.key) for name, offer in named]


def connect(section: Section, playground: Playground, tab: "TokenizeTab", due: gr.HTML) -> None:
    """Add the events. The section does not use the text above; `due` changes when it must be up to date."""

    def describe(t: Words, file: str, encoding: str, chosen: str | None) -> dict[Any, Any]:
        key, name = parse_file(file)
        if not key:
            return {}
        html, columns, column = describe_file(key, name, encoding, t)
        value = chosen if chosen in columns else column or None  # chosen: of a link, or of the file before
        return {section.info: html, section.column: gr.Dropdown(columns, value=value)}

    @handler(strings, errors=section.info)
    def on_file(t: Words, file: str, encoding: str, chosen: str | None) -> dict[Any, Any]:
        return {section.info: "", section.column: gr.Dropdown([], value=None)} | describe(t, file, encoding, chosen)

    @handler(strings, errors=section.progress)
    def on_go(
        t: Words, run: Run, file: str, column: str | None, encoding: str, tokenizers: list[str]
    ) -> Iterator[dict[Any, Any]]:
        key, name = parse_file(file)
        if name and not key:  # the upload failed; the note beside the file says why
            yield {section.progress: ""}
            return
        run.stopped, serial = False, playground.serial
        for step in count_file(playground, key, name, column or "", encoding, tokenizers, t, run):
            shown: dict[Any, Any] = {section.progress: step.status}
            if step.corpus:
                done, html = run.result.show(step.drawn, t, serial)
                shown = {section.progress: done, section.result: html, section.corpus: step.corpus}
                shown |= {section.downloads: gr.Row(visible=True)}
            yield shown

    inspected = [section.info, section.column]
    on_encoding = handler(strings, errors=section.info)(describe)
    current = "(file, ...others) => [neoxjp.corpus.current(), ...others]"
    for event, show in ((section.chooser.select, on_file), (section.encoding.change, on_encoding)):
        event(show, [section.file, section.encoding, section.column], inspected, js=current, **QUIET)
    ran = section.go.click(
        on_go,
        [section.run, section.file, section.column, section.encoding, section.tokenizers],
        [section.progress, section.result, section.corpus, section.downloads],
        js="async (run, file, ...rest) => [run, await neoxjp.corpus.use(), ...rest]",
        **STREAMED | {"concurrency_limit": 8},
    )
    follow_language(due, section.run, [section.progress, section.result], strings, ran, playground=playground)
    section.stop.click(None, None, None, js="() => neoxjp.corpus.stop()", **BROWSER)
    section.stop.click(Run.stop, section.run, None, **QUIET)

    def to_json(t: Words, corpus: Corpus | None) -> str:
        return json.dumps(plain(asdict(corpus)), ensure_ascii=False, indent=1) if corpus else ""

    downloads.connect(section.csv, section.result, "corpus.csv", lambda t, corpus: rows(corpus) if corpus else "", section.corpus)
    downloads.connect(section.json, section.result, "corpus.json", to_json, section.corpus)


# ---------------------------------------------------------------- what the handlers show


def parse_file(file: str) -> tuple[str, str]:
    """Key and name of the uploaded file from the JSON of script.js; ("", "") for none."""
    try:
        given = json.loads(file or "{}") if len(file or "") <= MAX_FACTS else {}
        return str(given["file"]), str(given["name"])[-MAX_NAME:]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def describe_file(key: str, name: str, encoding: str, t: Words) -> tuple[str, list[str], str]:
    """A file before it is counted: its encoding and first characters as HTML, its columns, and the one with the text."""
    with uploads.store.use(key) as file:
        info = inspect_file(file, name, encoding)  # type: ignore[arg-type]
        start = preview(file, info.encoding, PREVIEW)  # type: ignore[arg-type]
    return view("file_info", t, info=info, start=start), list(info.columns), info.column


def report(corpus: Corpus, t: Words) -> str:
    """The whole report as HTML."""
    return view("report", t, found=named(corpus, t), signs=SCRIPTS, limits=LIMITS)


def named(corpus: Corpus, t: Words) -> Corpus:
    """The corpus with the names of the tokenizers in the language of `t`: it may have been counted in the other one."""

    def name(cost: Cost) -> str:
        key = f"tokenizer_{cost.key}"
        if cost.name in strings.table["bundled"]:
            return t("bundled")
        return t(key) if key in strings.table and cost.key != "neoxjp" else cost.name

    return replace(corpus, costs=tuple(replace(cost, name=name(cost)) for cost in corpus.costs))


@dataclass(frozen=True)
class Step:
    """An update of a count."""

    status: str = ""  # HTML
    corpus: Corpus | None = None  # of the last one, unless the count was stopped
    seconds: float = 0.0  # that it took
    failed: tuple[tuple[str, NeoxjpError], ...] = ()  # tokenizers that could not be opened

    def drawn(self, t: Words) -> tuple[str, str]:
        """The last one as HTML: how long it took, and the report."""
        assert self.corpus is not None
        errors = "".join(notice(f"{key}: {t.message(error)}", "error") for key, error in self.failed)
        return notice(t("corpus_done", seconds=f"{self.seconds:.1f}")), errors + report(self.corpus, t)


def count_file(
    playground: Playground,
    key: str,
    name: str,
    column: str,
    encoding: str,
    tokenizers: Sequence[str],
    t: Words,
    run: Run | None = None,  # stops the count
) -> Iterator[Step]:
    """Count an uploaded file. However the count ends, also where the generator is closed, the file is deleted."""
    ticket, address, run = object(), current_visitor().address, run or Run()
    try:
        if not key:
            raise strings.error(ParameterError, "corpus_no_file")
        peers: list[tuple[str, Peer]] = []
        failed: list[tuple[str, NeoxjpError]] = []
        for wanted in other_keys(tokenizers):
            yield Step(view("progress", t, message=t("corpus_opening", name=wanted)))
            try:
                peer: Any = open_peer(wanted, playground.tokenizer, public=playground.public)
                name_key = f"tokenizer_{wanted}"
                peers.append((wanted, replace(peer, name=t(name_key)) if name_key in strings.table else peer))
            except NeoxjpError as error:  # the others are counted nevertheless
                failed.append((wanted, error))
        while (ahead := uploads.queue.position(ticket, address)) and not run.stopped:
            yield Step(view("progress", t, message=t("corpus_waiting", n=ahead)))
            time.sleep(INTERVAL)
        begun, shown = time.monotonic(), 0.0
        with uploads.store.use(key, wait=INSPECTION_SECONDS) as file:
            source = Source(name, file, column, encoding)  # type: ignore[arg-type]
            for step in analyse_in_turn(playground, source, peers, ticket, t, address):
                if run.stopped:
                    yield Step(notice(t("corpus_stopped")))
                    return
                if isinstance(step, Corpus):
                    yield Step(corpus=step, seconds=time.monotonic() - begun, failed=tuple(failed))
                elif time.monotonic() - shown > INTERVAL:
                    shown, share = time.monotonic(), step.read / max(step.total, 1)
                    numbers = {"percent": int(100 * share), "documents": f"{step.documents:,}", "tokens": f"{step.tokens:,}"}
                    yield Step(view("progress", t, message=t("corpus_counting", **numbers), share=share))
    finally:
        uploads.queue.leave(ticket)
        uploads.store.delete(key)


def analyse_in_turn(
    playground: Playground,
    source: Source,
    peers: Sequence[tuple[str, Peer]],
    ticket: object,
    t: Words | None = None,
    address: str = "",
) -> Iterator[Progress | Corpus]:
    """`analyse` for the first in the queue. Raises ParameterError where it takes too long for a public page."""
    begun = time.monotonic()
    name = playground.loaded.title(t("bundled")) if playground.loaded and t else "neoxjp"
    for step in analyse([source], playground.tokenizer, peers, name):
        if isinstance(step, Progress):
            if playground.public and time.monotonic() - begun > PUBLIC_SECONDS:
                raise strings.error(ParameterError, "corpus_too_long", n=PUBLIC_SECONDS)
            uploads.queue.position(ticket, address)
        yield step


def other_keys(tokenizers: Sequence[str]) -> list[str]:
    """The distinct keys without the loaded tokenizer's. Raises ParameterError for too many."""
    keys = [key for key in dict.fromkeys(tokenizers) if key != "neoxjp"]
    if len(keys) > MAX_TOKENIZERS:
        raise ParameterError(
            f"{len(keys)} tokenizers: count with {MAX_TOKENIZERS} at a time",
            ja=f"トークナイザーは一度に {MAX_TOKENIZERS} 個までです（{len(keys)} 個選ばれています）。",
        )
    return keys
