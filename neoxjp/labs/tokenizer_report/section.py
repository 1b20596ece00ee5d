"""Section of the Tokens tab: the text above, measured with many tokenizers, as tables and files."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from neoxjp.compare import list_offers
from neoxjp.errors import ParameterError
from neoxjp.labs.common.html import notice, replace_surrogates
from neoxjp.labs.common.templates import render
from neoxjp.labs.tokenizer_report.formats import to_json, to_markdown, to_records
from neoxjp.labs.tokenizer_report.measuring import TextPart, measure
from neoxjp.labs.tokenizer_report.opening import GROUPS, open_tokenizer
from neoxjp.labs.tokenizer_report.records import Report
from neoxjp.labs.tokenizer_report.strings import strings
from neoxjp.labs.tokenizer_report.view import report_html
from neoxjp.page_parts.answers import Run, check_length, follow_language, handler, plain, truncation_notice
from neoxjp.page_parts.events import QUIET, READING
from neoxjp.page_parts.files import downloads
from neoxjp.page_parts.parts import Parts
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.token_editor import Document

if TYPE_CHECKING:
    from neoxjp.page_parts.tabs.tokenize import TokenizeTab

LONGEST = 20_000  # characters of a text that are measured
SPELLED = 5_000  # of them, those whose spellings are measured
MOST = 12  # tokenizers at a time
DEFAULT = ("neoxjp", "gpt-4o", "characters", "sudachi-c", "bytes")
DOMAIN = "this text"
INTRO = {"most": f"{LONGEST:,}"}  # for the section's heading
view: Callable[..., str] = partial(render, "labs/tokenizer_report/view.html")


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        part = Parts("tokenizer_report", strings)
        with gr.Column(elem_classes="card"):
            self.tokenizers = gr.CheckboxGroup(_choices(), value=list(DEFAULT), **part.named("tokenizers"))
            with gr.Row(elem_classes="tokenizer-report-buttons"):
                self.go, self.stop = part.button("go", variant="primary"), part.button("stop")
            self.progress = part.html("progress")
        self.result = part.html("result", js_on_load=downloads.SCRIPT)
        with gr.Row(elem_classes="chips", visible=False) as self.downloads:
            self.save = {kind: part.button(kind, size="sm", min_width=60) for kind in ("markdown", "csv", "json")}
        self.run = gr.State(Run(), delete_callback=Run.stop)
        self.report = gr.State(None)  # the Report that is shown
        self.linked = {"tokenizers": self.tokenizers}  # what a link restores


def _choices() -> list[tuple[str, str]]:
    """Names and keys of the tokenizers that need no network. None of them is opened."""
    offers = [offer for offer in list_offers() if offer.group in GROUPS]
    named = ((f"tokenizer_{offer.key}", offer) for offer in offers)
    return [(strings.label(name) if name in strings.table else offer.title, offer.key) for name, offer in named]


def connect(section: Section, playground: Playground, tab: "TokenizeTab", due: gr.HTML) -> None:
    """Wire the events. `tab` has the text above; `due` changes when the section has to be updated."""

    @handler(strings, errors=section.progress)
    def on_go(t: Words, run: Run, document: Document, tokenizers: list[str]) -> Iterator[dict[Any, Any]]:
        run.stopped = False
        begun, serial = time.monotonic(), playground.serial
        for step in measure_text(playground, document.text, tokenizers, t):
            if run.stopped:
                yield {section.progress: notice(t("tokenizer_report_stopped"))}
                return
            if isinstance(step, str):
                yield {section.progress: step}
                continue
            cut = len(document.text) > LONGEST
            draw = partial(_drawn, step, cut, time.monotonic() - begun)
            done, html = run.result.show(draw, t, serial)
            yield {
                section.progress: done,
                section.result: html,
                section.report: step,
                section.downloads: gr.Row(visible=True),
            }

    outputs = [section.progress, section.result, section.report, section.downloads]
    inputs = [section.run, tab.document, section.tokenizers]
    ran = section.go.click(on_go, inputs, outputs, **READING | {"show_progress": "hidden"})
    section.stop.click(Run.stop, section.run, None, **QUIET)
    follow_language(due, section.run, [section.progress, section.result], strings, ran, playground=playground)

    def write(kind: str, t: Words, report: Report | None) -> Any:
        if report is None:
            return ""
        if kind == "csv":
            return to_records(report)
        if kind == "json":
            return json.dumps(plain(to_json(report)), ensure_ascii=False, indent=1)
        return replace_surrogates(to_markdown(report, t.lang))

    for kind, button in section.save.items():
        name = f"tokenizer-report.{'md' if kind == 'markdown' else kind}"
        downloads.connect(button, section.result, name, partial(write, kind), section.report)


def _drawn(report: Report, cut: bool, seconds: float, t: Words) -> tuple[str, str]:
    """What was done, and the tables."""
    characters = sum(domain.characters for domain in report.domains)
    done = t("tokenizer_report_done", characters=f"{characters:,}", seconds=f"{seconds:.1f}")
    note = truncation_notice("x" * (LONGEST + 1), LONGEST, t) if cut else ""
    return notice(done), note + report_html(report, t)


# ---------------------------------------------------------------- what the handlers show


def measure_text(playground: Playground, text: str, keys: Sequence[str], t: Words) -> Iterator[str | Report]:
    """Measure the beginning of a text: yields the progress as HTML, and the `Report` last. Raises ParameterError."""
    check_length(playground, text)
    if not text.strip():
        raise strings.error(ParameterError, "tokenizer_report_no_text")
    opened = []
    for key in checked_keys(keys):
        yield view("progress", t, message=t("tokenizer_report_opening", name=key))
        opened.append(open_tokenizer(key, playground.tokenizer, public=playground.public, local_files_only=playground.offline))
    expected = 2 * len(opened)  # a step of each tokenizer for the text, and one for its spellings
    for place, step in enumerate(measure([TextPart(DOMAIN, text[:LONGEST])], opened, spelled=SPELLED), 1):
        if isinstance(step, Report):
            yield step
            return
        share = min(place / expected, 1)
        yield view("progress", t, message=t("tokenizer_report_measuring", percent=int(100 * share)), share=share)


def checked_keys(keys: Sequence[str]) -> list[str]:
    """The keys, each once. Raises ParameterError for none, and for too many."""
    found = list(dict.fromkeys(keys or []))
    if not found:
        raise strings.error(ParameterError, "tokenizer_report_no_tokenizer")
    if len(found) > MOST:
        raise strings.error(ParameterError, "tokenizer_report_too_many", n=len(found), most=MOST)
    return found
