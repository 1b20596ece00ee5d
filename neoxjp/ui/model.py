"""The Model tab: what is loaded, on what it runs, its card; and, where visitors may, loading another one."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr
from markupsafe import Markup

from neoxjp.errors import NeoxjpError
from neoxjp.hub import BUNDLED, bundled_path
from neoxjp.labs.common import curve as render_curve
from neoxjp.labs.common import html as render
from neoxjp.labs.common import steps as render_steps
from neoxjp.labs.common import templates
from neoxjp.model import ModelTooLarge, free_memory, gib
from neoxjp.page_parts.answers import handler
from neoxjp.page_parts.events import QUIET, STREAMED, latest
from neoxjp.page_parts.parts import Parts
from neoxjp.page_parts.session.model_facts import ModelFacts, model_facts
from neoxjp.page_parts.session.playground import Choice, Loaded, Playground, Progress
from neoxjp.page_parts.strings import COMMON, Lang, Words, both
from neoxjp.quantization import QUANTIZATIONS
from neoxjp.train import read_curve

DTYPES = ("auto", "float32", "bfloat16", "float16", "int8", "int4")  # the last two: quantizations
POLL = 0.25  # seconds between two updates while a model is loading


@dataclass(frozen=True)
class ModelTab:
    """The components of the tab; those for loading are None where visitors cannot load."""

    facts: gr.HTML
    card: gr.Markdown
    folded: gr.Accordion  # around the card
    name: gr.Textbox | None = None
    revision: gr.Textbox | None = None
    dtype: gr.Dropdown | None = None
    load: gr.Button | None = None
    unload: gr.Button | None = None
    keep: gr.Button | None = None
    bundled: gr.Button | None = None
    line: gr.HTML | None = None


def build(playground: Playground) -> ModelTab:
    """Make the components of the tab."""
    part = Parts("model", COMMON)
    parts: dict[str, Any] = {}
    with gr.Row(elem_id="model-row"):
        with gr.Column(scale=6, min_width=320):
            parts["facts"] = part.html("facts", templates.render("ui/frame.html", "line", message=both("wait_model")))
        with gr.Column(scale=5, min_width=320):
            if not playground.can_load:
                why = part.both("public" if playground.public else "elsewhere")
                part.html(value=templates.render("ui/frame.html", "notice", message=why))
            else:
                parts |= _build_loading(part)
    with gr.Accordion(part.label("about"), open=False, visible=False, elem_id="model-about") as parts["folded"]:
        parts["card"] = gr.Markdown("", elem_id="model-card", latex_delimiters=[])
    return ModelTab(**parts)


def _build_loading(part: Parts) -> dict[str, Any]:
    with gr.Group(elem_id="model-loading"):
        name = part.textbox("name", placeholder="abeja/gpt-neox-japanese-2.7b")
        with gr.Row():
            revision = part.textbox("revision", placeholder="main", min_width=140)
            dtype = gr.Dropdown(list(DTYPES), value="auto", min_width=140, **part.named("dtype"))
    with gr.Row(elem_id="model-buttons"):
        load = part.button("load", variant="primary", min_width=120)
        bundled = part.button("use_bundled", visible=False, min_width=160)
        unload = part.button("unload", visible=False, min_width=160)
        keep = part.button("keep", visible=False, min_width=120)
    buttons = {"load": load, "unload": unload, "keep": keep, "bundled": bundled}
    return {"name": name, "revision": revision, "dtype": dtype, "line": part.html("line")} | buttons


def connect(tab: ModelTab, playground: Playground, status: gr.HTML, switches: gr.HTML, head: Callable[[Words], gr.HTML]) -> None:
    """Wire the events. `status` is the line in the page's head: `head` makes its value, `load` comes for another model.

    `switches.change` comes when the language was changed.
    """

    @handler(COMMON)
    def on_changed(t: Words) -> dict[Any, Any]:
        text = card(playground.loaded, t.lang)
        found: dict[Any, Any] = {tab.facts: facts(playground, t), tab.card: text, tab.folded: gr.Accordion(visible=bool(text))}
        return found if tab.bundled is None else found | {tab.bundled: gr.Button(visible=offers_bundled(playground))}

    changing: list[Any] = [tab.facts, tab.card, tab.folded, *([tab.bundled] if tab.bundled else [])]
    latest([status.load, switches.change], on_changed, None, changing)
    if tab.line is None or tab.load is None or tab.unload is None or tab.keep is None or tab.bundled is None:
        return
    unload, keep, bundled = tab.unload, tab.keep, tab.bundled

    def loader(unload_first: bool) -> Callable[..., Iterator[dict[Any, Any]]]:
        @handler(COMMON)
        def on_load(t: Words, name: str, revision: str, dtype: str) -> Iterator[dict[Any, Any]]:
            before = playground.loaded.choice if playground.loaded else Choice("")
            dtype, quantization = ("auto", dtype) if dtype in QUANTIZATIONS else (dtype, None)
            where = before.device, before.offline
            choice = Choice(name.strip(), revision.strip() or None, dtype, *where, quantization, before.cache_dtype)
            refused = playground.progress.busy
            for line, asks in load(playground, choice, unload_first, t):
                yield {
                    tab.line: line,
                    tab.load: gr.Button(interactive=refused or not playground.progress.busy),
                    unload: gr.Button(visible=asks),
                    keep: gr.Button(visible=asks),
                    bundled: gr.Button(visible=offers_bundled(playground)),
                    status: head(t),
                }

        return on_load

    inputs: list[Any] = [tab.name, tab.revision, tab.dtype]
    outputs: list[Any] = [tab.line, tab.load, unload, keep, bundled, status]
    tab.load.click(loader(False), inputs, outputs, **STREAMED)
    unload.click(loader(True), inputs, outputs, **STREAMED)
    # The fields say what is loaded; so "unload the current model, then load" means the bundled one too.
    named = bundled.click(lambda: (BUNDLED, "", "auto"), None, inputs, **QUIET)
    named.then(loader(False), inputs, outputs, **STREAMED)
    hidden = {tab.line: "", unload: gr.Button(visible=False), keep: gr.Button(visible=False)}
    keep.click(lambda: hidden, None, list(hidden), **QUIET)


def offers_bundled(playground: Playground) -> bool:
    """Whether the button that loads the bundled model is shown: another one, or none, is loaded, and nothing is on its way."""
    loaded = playground.loaded
    return playground.can_load and not playground.progress.busy and (loaded is None or loaded.folder != bundled_path())


def load(playground: Playground, choice: Choice, unload_first: bool, t: Words) -> Iterator[tuple[str, bool]]:
    """Load in the background; yields the line to show (HTML) and whether it asks to unload the current model first."""
    refusal = (
        "model_public"
        if playground.public
        else "model_elsewhere"
        if not playground.can_load
        else "model_busy"
        if playground.progress.busy
        else ""
        if choice.name
        else "model_no_name"
    )
    if refusal:
        yield render.notice(t(refusal), "error"), False
        return
    thread = playground.start(choice, unload_first=unload_first)
    while thread.is_alive():
        yield loading_line(playground.progress, t), False
        thread.join(POLL)
    progress = playground.progress
    if progress.state == "failed":
        yield (
            failed_line(playground, progress.error, t),
            isinstance(progress.error, ModelTooLarge) and progress.error.can_unload,
        )
    else:
        name = playground.loaded.title(t("bundled")) if playground.loaded else progress.name
        yield render.notice(t("model_loaded", name=name)), False


def loading_line(progress: Progress, t: Words) -> str:
    """What is being read, and how much of it."""
    key = {"download": "model_downloading", "weights": "model_reading"}.get(progress.state, "model_vocabulary")
    amount = f"{gib(progress.done)} / {gib(progress.total)} GiB" if progress.total else "…"
    return render_steps.working(t(key, name=progress.name, amount=amount), progress.done, progress.total)


def failed_line(playground: Playground, error: NeoxjpError | None, t: Words) -> str:
    """Why it failed, and that the old model still works."""
    message = t("unexpected") if error is None else t.message(error)
    loaded = playground.loaded
    if loaded is not None and loaded.model is not None:
        ends = message.endswith((".", "。"))
        message += ("" if ends else t("model_stop")) + t("model_kept", name=loaded.title(t("bundled")))
    return render.notice(message, "error")


def info(playground: Playground) -> dict[str, Any]:
    """Everything that is known about what is loaded, as plain values: the record of /model_info."""
    progress, loaded, limits = playground.progress, playground.loaded, playground.limits
    record: dict[str, Any] = {
        "state": progress.state,
        "loading": {"name": progress.name, "done_bytes": progress.done, "total_bytes": progress.total} if progress.busy else None,
        "error": str(progress.error) if progress.error is not None and not playground.public else None,
        "public": playground.public,
        "limits": asdict(limits),
        "vocabulary": loaded.tokenizer.vocab_size if loaded else None,
        "model": None,
        "engine": None,
    }
    if loaded is None or loaded.model is None or loaded.engine is None:
        return record
    record["model"] = asdict(facts_of(playground, loaded))
    engine = loaded.engine
    record["engine"] = {
        "running": engine.running,
        "waiting": engine.waiting,
        "max_batch": engine.max_batch,
        "max_waiting": engine.max_waiting,
    }
    return record


def facts_of(playground: Playground, loaded: Loaded) -> ModelFacts:
    """What is known about the model, wherever it runs."""
    if loaded.remote is not None:
        return loaded.remote.model.card.facts
    return model_facts(loaded.here.model, loaded.name, loaded.source(playground.public), loaded.choice.revision)


def facts(playground: Playground, t: Words) -> str:
    """HTML of the loaded model: its facts, its memory as bars, its training curve, and the config, folded."""
    record = info(playground)
    model, engine = record["model"], record["engine"]
    if model is None:
        state = "wait_model" if playground.progress.busy else "nothing_loaded"
        return render_steps.working(t(state))
    stored = model["stored_dtype"]
    devices = ", ".join(f"{name or t('model_all')}: {device}" for name, device in model["device_map"].items())
    kernel = model["attention"]["kernel"]
    refused = model["attention"]["flash_refused"]
    dtype = model["dtype"] if stored in (None, model["dtype"]) else t("model_f_dtype_value", now=model["dtype"], stored=stored)
    where = t("model_bundled") if model["source"] == "bundled" else model["source"]
    rows = [
        (t("model_f_name"), t("bundled") if model["source"] == "bundled" else model["name"]),
        (t("model_f_source"), where),
        (t("model_f_revision"), model["revision"] or "–"),
        (t("model_f_parameters"), f"{model['parameters']:,}"),
        (t("model_f_shape"), t("model_f_shape_value", **{key: model["config"][key] for key in SHAPE})),
        (t("model_f_vocabulary"), f"{model['config']['vocab_size']:,}"),
        (t("model_f_context"), t("model_f_tokens", n=f"{model['context']:,}")),
        (t("model_f_dtype"), dtype),
        (t("model_f_linears"), model["linears"]),
        (t("model_f_cache"), model["cache_dtype"]),
        (t("model_f_devices"), devices),
        (t("model_f_attention"), kernel if refused is None else t("model_f_refused", kernel=kernel, why=refused)),
        (t("model_f_output"), t("model_f_tied" if model["tied_output"] else "model_f_untied")),
        (t("model_f_threads"), str(model["threads"])),
        (t("model_f_independent"), t("model_f_yes" if model["rows_are_independent"] else "model_f_no")),
        (t("model_f_engine"), t("model_f_engine_value", **engine)),
    ]
    if playground.engine_url is not None:
        url = "" if playground.public else playground.engine_url
        rows.append((t("model_f_process"), t("model_f_elsewhere", url=url).strip()))
    if playground.public:
        limits = record["limits"]
        rows.append(
            (t("model_f_limits"), t("model_f_limits_value", tokens=limits["new_tokens"], characters=f"{limits['characters']:,}"))
        )
    return templates.render(
        "ui/model.html",
        "facts",
        t,
        rows=rows,
        memory=memory(playground, model),
        each=model["cache_bytes_per_token"],
        curve=training_curve(playground.loaded, t),
        config=[(name, str(value)) for name, value in model["config"].items()],
    )


SHAPE = ("num_hidden_layers", "hidden_size", "num_attention_heads")


def memory(playground: Playground, model: dict[str, Any]) -> list[tuple[str, int, str]]:
    """The rows of the memory table as (key, bytes, text): the weights, the cache of one full context, and what is free."""
    device, remote = (playground.loaded.choice.device, playground.loaded.remote) if playground.loaded else ("cpu", None)
    sizes = {
        "model_mem_weights": model["weight_bytes"],
        "model_mem_cache": model["cache_bytes_per_token"] * model["context"],
        "model_mem_free": remote.free_bytes if remote else free_memory(device),
    }
    return [(key, size, amount(size)) for key, size in sizes.items()]


def training_curve(loaded: Loaded | None, t: Words) -> tuple[Markup, str] | None:
    """The chart of the training.csv that `neoxjp train` leaves in the model's folder, and its sentence. None: there is none."""
    points = read_curve(loaded.folder / "training.csv") if loaded is not None and loaded.folder is not None else []
    if len(points) < 2:
        return None
    (_, _, first), (tokens, seconds, last) = points[0], points[-1]
    sentence = t(
        "model_curve_facts", tokens=f"{tokens / 1e6:.1f}", minutes=f"{seconds / 60:.0f}", first=f"{first:.2f}", last=f"{last:.2f}"
    )
    chart = render_curve.curve([(at, bits) for at, _, bits in points], t("model_curve_tokens"), t("model_curve_bits"), sentence)
    return Markup(chart), sentence


def card(loaded: Loaded | None, lang: Lang) -> str:
    """The bundled model's card without its front matter, in the visitor's language. Other cards may fetch pictures: "" then."""
    if loaded is None or loaded.folder is None or loaded.folder != bundled_path():
        return ""
    path = loaded.folder / ("README.ja.md" if lang == "ja" else "README.md")
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.startswith("---\n") and "\n---\n" in text[4:]:
        text = text[4:].split("\n---\n", 1)[1]
    return text.strip()


def amount(size: int) -> str:
    """27_400_000 → "26.1 MiB"."""
    return f"{gib(size)} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"
