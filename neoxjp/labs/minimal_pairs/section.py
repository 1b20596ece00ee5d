"""Section of the Generate tab: minimal pairs that the visitor pastes or chooses as a file, counted and shown as heat maps.

One count runs at a time for all visitors; the others wait in the queue of the corpus section and see their position. A count can
be stopped, and on a public page it ends after a while: what is counted by then is shown.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from neoxjp.documents import MinimalPair, minimal_pairs_in
from neoxjp.errors import NeoxjpError, NotReady, ParameterError
from neoxjp.labs.common.glyphs import replace_surrogates
from neoxjp.labs.common.heat import Heat, heat_of_steps
from neoxjp.labs.common.html import notice
from neoxjp.labs.common.steps import working
from neoxjp.labs.common.templates import render
from neoxjp.labs.minimal_pairs import view
from neoxjp.labs.minimal_pairs.records import Found, count_pairs
from neoxjp.labs.minimal_pairs.strings import strings
from neoxjp.page_parts.answers import Run, check_length, follow_language, handler, plain
from neoxjp.page_parts.events import BROWSER, QUIET, STREAMED
from neoxjp.page_parts.files import downloads, uploads
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.parts import JAPANESE, Parts
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.text.stream import Scorer, scorer

if TYPE_CHECKING:
    from neoxjp.page_parts.tabs.generate import GenerateTab

INTERVAL = 0.25  # seconds between two updates of the progress, and between two looks at the queue
PUBLIC_PAIRS = 1_000  # on a public page
PUBLIC_CHARACTERS = 1_000  # of a text there: the tokens of the worst pairs are kept
PUBLIC_SECONDS = 120  # that a count may take there
MAX_BYTES = 2_000_000  # of a file
EXAMPLE = """good,bad,phenomenon
昔々、おじいさんとおばあさんがいました。,昔々、おじいさんとおばあさんはいました。,は／が
誰が来ましたか。,誰は来ましたか。,は／が
子供が本を読む。,子供が本が読む。,を／が
学校に行く。,学校を行く。,に／を
庭に犬がいる。,庭に犬がある。,いる／ある
机の上に本がある。,机の上に本がいる。,いる／ある
昨日、友達に会った。,昨日、友達に会う。,時制
猫が魚を食べる。,魚が猫を食べる。,主語と目的語
三匹の犬が走っていた。,三冊の犬が走っていた。,助数詞
"""


class Section:
    """The components of the section."""

    def __init__(self, playground: Playground):
        part = Parts("minimal_pairs", strings)
        with gr.Column(elem_classes="card"):
            self.text = part.textbox("text", EXAMPLE, lines=6, max_lines=14, html_attributes=JAPANESE)
            self.chooser = part.html("chooser", _chooser(), js_on_load=part.script())
            with gr.Row(elem_classes="lab-controls"):
                self.go, self.stop = part.button("go", variant="primary"), part.button("stop")
            self.progress = part.html("progress")
        self.result = part.html("result", js_on_load=downloads.SCRIPT)
        with gr.Row(elem_classes="chips", visible=False) as self.downloads:
            self.json = part.button("json", size="sm", min_width=60)
        self.run = gr.State(Run(), delete_callback=Run.stop)
        self.found = gr.State(None)  # the Found that is shown
        self.linked: dict[str, Any] = {}  # a file of pairs is too long for a link


def _chooser() -> str:
    keys, most = ("minimal_pairs_not_text", "minimal_pairs_too_large"), MAX_BYTES / 1e6
    words = {lang: {key: strings.words(lang)(key, most=f"{most:g}") for key in keys} for lang in ("ja", "en")}
    texts = {"label": Markup(strings.both("minimal_pairs_choose")), "note": Markup(strings.both("minimal_pairs_kinds"))}
    return render(view.TEMPLATE, "chooser", strings.words("en"), words=words, largest=MAX_BYTES, **texts)


def connect(section: Section, playground: Playground, tab: "GenerateTab", due: gr.HTML) -> None:
    """Wire the events. The section does not use the text above; `due` changes when it must be up to date."""
    scored = scorer(playground)

    @handler(strings, errors=section.progress)
    def on_go(t: Words, run: Run, text: str) -> Iterator[dict[Any, Any]]:
        run.stopped, serial = False, playground.serial
        for step in count_text(playground, scored, text, t, run):
            if isinstance(step, str):
                yield {section.progress: step}
                continue
            done, html = run.result.show(step.drawn, t, serial)
            shown = {section.progress: done, section.result: html, section.found: step.found}
            yield shown | {section.downloads: gr.Row(visible=True)}

    outputs = [section.progress, section.result, section.found, section.downloads]
    ran = section.go.click(on_go, [section.run, section.text], outputs, **STREAMED | {"concurrency_limit": 8})
    section.stop.click(Run.stop, section.run, None, **QUIET)
    section.chooser.select(None, None, section.text, js="() => neoxjp.minimalPairs.text()", **BROWSER)
    follow_language(due, section.run, [section.progress, section.result], strings, ran, playground=playground)

    def to_json(t: Words, found: Found | None) -> str:
        return json.dumps(plain(record(found)), ensure_ascii=False, indent=1) if found else ""

    downloads.connect(section.json, section.result, "minimal-pairs.json", to_json, section.found)


# ---------------------------------------------------------------- what the handlers show


@dataclass(frozen=True)
class Done:
    """The end of a count."""

    found: Found
    seconds: float

    def drawn(self, t: Words) -> tuple[str, str]:
        """How much was counted, and the result, as HTML."""
        key = "minimal_pairs_done" if self.found.pairs == self.found.total else "minimal_pairs_partly"
        numbers = {"pairs": f"{self.found.pairs:,}", "total": f"{self.found.total:,}", "seconds": f"{self.seconds:.1f}"}
        return notice(t(key, **numbers)), view.report(self.found, t)


def count_text(playground: Playground, scored: Scorer, text: str, t: Words, run: Run | None = None) -> Iterator[str | Done]:
    """Count the pairs of a text: yields the progress as HTML, and `Done` last, unless it is stopped before the first."""
    pairs, run = parse_pairs(playground, text), run or Run()
    ticket, address, shown = object(), current_visitor().address, 0.0
    try:
        while (ahead := uploads.queue.position(ticket, address)) and not run.stopped:
            yield working(t("minimal_pairs_waiting", n=ahead))
            time.sleep(INTERVAL)
        begun = time.monotonic()
        for step in count_in_turn(playground, scored, pairs, ticket, address, run):
            if isinstance(step, Found):
                done = Done(step, time.monotonic() - begun)
                yield done if step.pairs else done.drawn(t)[0]
            elif time.monotonic() - shown > INTERVAL:
                shown, total = time.monotonic(), len(pairs)
                yield working(t("minimal_pairs_counting", done=f"{step:,}", total=f"{total:,}"), step, total)
    finally:
        uploads.queue.leave(ticket)


def parse_pairs(playground: Playground, text: str) -> list[MinimalPair]:
    """The pairs of a text. Raises ParameterError where a line is broken, or there are too many on a public page."""
    check_length(playground, text)
    pairs = list(minimal_pairs_in(replace_surrogates(text)))
    if playground.public and len(pairs) > PUBLIC_PAIRS:
        raise strings.error(ParameterError, "minimal_pairs_too_many", n=f"{len(pairs):,}", most=f"{PUBLIC_PAIRS:,}")
    long = next((pair for pair in pairs if max(len(pair.good), len(pair.bad)) > PUBLIC_CHARACTERS), None)
    if playground.public and long is not None:
        line, most = f"{long.line:,}", f"{PUBLIC_CHARACTERS:,}"
        raise strings.error(ParameterError, "minimal_pairs_too_long", line=line, most=most)
    return pairs


def count_in_turn(
    playground: Playground, scored: Scorer, pairs: Sequence[MinimalPair], ticket: object, address: str, run: Run
) -> Iterator[int | Found]:
    """`count_pairs` for the first in the queue; on a public page it ends after a while. Raises NeoxjpError, naming the line."""
    loaded, begun = playground.ready, time.monotonic()
    assert loaded.model is not None
    bos = loaded.model.config.bos_token_id is not None

    def heat_of(pair: MinimalPair, text: str) -> Heat:
        uploads.queue.position(ticket, address)
        if playground.serial != loaded.serial:
            raise NotReady(
                "another model has been loaded meanwhile: count again",
                ja="途中で別のモデルが読み込まれました。もう一度集計してください。",
            )
        tokens = loaded.tokenizer.analyze(text)
        try:
            steps = scored([token.id for token in tokens], 0, bos)
        except NeoxjpError as error:
            raise _at(pair, error) from error
        return heat_of_steps(text, [(token.start, token.end) for token in tokens], steps)

    def stopped() -> bool:
        return run.stopped or (playground.public and time.monotonic() - begun > PUBLIC_SECONDS)

    yield from count_pairs(pairs, heat_of, stopped)


def _at(pair: MinimalPair, error: NeoxjpError) -> NeoxjpError:
    """The error with the number of the line."""
    words = partial(strings.words("ja"), "minimal_pairs_line"), partial(strings.words("en"), "minimal_pairs_line")
    ja, en = (say(line=f"{pair.line:,}", message=message) for say, message in zip(words, (error.ja, str(error)), strict=True))
    return type(error)(en, ja=ja)


def record(found: Found) -> dict[str, Any]:
    """For JSON: accuracies by phenomenon, and the worst pairs with their tokens."""
    worst = [
        {"line": each.line, "phenomenon": each.phenomenon, "bits": each.bits, "good": each.pair.first, "bad": each.pair.second}
        for each in found.worst
    ]
    phenomena = {name: each.as_dict() for name, each in found.by_phenomenon.items()}
    return {"pairs": found.pairs, "total": found.total, "all": found.all.as_dict(), "phenomena": phenomena, "worst": worst}
