"""The page: a head line and three tabs, and how it is started.

>>> playground = Playground(); playground.start(Choice("bundled")); launch(build(playground))
"""

import os
import sys
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.types import ASGIApp

from neoxjp.errors import ParameterError
from neoxjp.gateway import (
    OURS,
    SWITCHES,
    Guard,
    Operations,
    PageBlocks,
    Row,
    allowed_hosts,
    blocked_paths,
    guard_mounted,
    guarded_app,
    temporary_folder,
)
from neoxjp.labs.common import html as render
from neoxjp.labs.common import templates
from neoxjp.labs.features import FEATURES, Feature, endpoints_of, strings_of
from neoxjp.labs.share_link import section as links
from neoxjp.page_parts.endpoints import register
from neoxjp.page_parts.events import QUIET, announcing
from neoxjp.page_parts.gradio_private import skip_matplotlib
from neoxjp.page_parts.session.playground import SPARE_THREADS, THREADS, Playground
from neoxjp.page_parts.strings import Words, both, label, language, translations, words
from neoxjp.page_parts.text.state import allow_memory
from neoxjp.sampling import OPTIONS, Option
from neoxjp.ui import generate, model, tokenize, tour
from neoxjp.ui.endpoints import endpoints
from neoxjp.ui.theme import theme

SWITCH_SECONDS = (
    0.0005  # after which a thread gives the interpreter to one that waits; with Python's 5 ms the model waits longest
)
STYLES = ("page.css", "generate.css", "model.css", "lab.css")


def build(playground: Playground, features: Sequence[Feature] = FEATURES) -> PageBlocks:
    """The whole page over `playground` and its sampling options, with these features.

    It is ready for `launch`, or for `mount`.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    temporary_folder()
    with PageBlocks(title="neoxjp", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as blocks:
        with gr.Row(elem_id="head"):
            name = templates.render("ui/frame.html", "brand", both=both)
            brand = gr.HTML(name, elem_id="brand", apply_default_css=False, js_on_load=links.ARRIVE)
            status = announcing("load", elem_id="status")  # its event comes when another model was loaded
            tour.build()
            switches = gr.HTML(
                templates.render("ui/frame.html", "switches", both=both),
                elem_id="switches",
                apply_default_css=False,
                js_on_load=_asset("switches.js"),
            )
        timer = gr.Timer(0.5)
        with gr.Tabs(selected="generate", elem_id="tabs") as tabs:
            with gr.Tab(label("tab_generate"), id="generate", render_children=True) as first:
                generate_tab = generate.build(playground, features)
            with gr.Tab(label("tab_tokenize"), id="tokenize", render_children=True) as second:
                tokenize_tab = tokenize.build(playground, features)
            with gr.Tab(label("tab_model"), id="model", render_children=True) as third:
                model_tab = model.build(playground)

        def on_tick(request: gr.Request) -> dict[Any, Any]:
            seconds = 0.5 if playground.progress.busy else 5
            return {status: head(playground, words(language(request))), timer: gr.Timer(seconds, active=True)}

        gr.on([timer.tick, blocks.load, switches.change], on_tick, outputs=[status, timer], trigger_mode="multiple", **QUIET)
        # Gradio (6.31) translates the name of a tab anew only where it is given anew, except that of the open one.
        names = [first, second, third, *generate_tab.lab.tab.values(), *tokenize_tab.lab.tab.values()]
        switches.change(lambda: {tab: gr.Tab(label=tab.label) for tab in names}, None, names, trigger_mode="multiple", **QUIET)
        generate.connect(generate_tab, playground, features, status, switches, blocks)
        tokenize.connect(tokenize_tab, playground, features, status, switches)
        links.connect(tokenize_tab.links, playground, tokenize_tab.document, tokenize_tab.show_ids)
        links.connect_link(tokenize_tab.links.link, playground, brand, tokenize_tab.linked(tabs))
        links.connect_link(generate_tab.link, playground, brand, generate_tab.linked(tabs))
        model.connect(model_tab, playground, status, switches, lambda t: head(playground, t))
        caps = playground.visitors.caps
        blocks.sessions, blocks.visitors = caps.sessions, playground.visitors
        allow_memory(caps.sessions_mib * 2**20, caps.sessions if playground.public else None)
        blocks.threads = max(THREADS, playground.limits.running + playground.limits.waiting + SPARE_THREADS)
        register(playground, [*endpoints(playground), *endpoints_of(features, playground)])
    return blocks


def head(playground: Playground, t: Words) -> gr.HTML:
    """The new value of the line in the head, and which model it is about."""
    return gr.HTML(head_line(playground, t), changed=playground.serial)


def head_line(playground: Playground, t: Words) -> str:
    """HTML of the line in the head: what is loaded, or what is being loaded."""
    loaded, progress = playground.loaded, playground.progress
    facts: list[str] = []
    name = loaded.title(t("bundled")) if loaded else ""
    if loaded and loaded.model is not None:
        weights = loaded.model.num_parameters
        dtype = loaded.model.quantization or str(loaded.model.dtype).removeprefix("torch.")
        facts = [name, render.short_count(weights), dtype, str(loaded.model.device)]
    elif loaded:
        facts = [name, t("tokenizer_only")]
    if loaded and loaded.remote and not loaded.remote.alive:
        return render.status(facts, "failed", t("engine_away"))
    if progress.busy:
        return render.status(facts, "busy", t(f"loading_{progress.state}", name=progress.name, percent=progress.percent))
    if progress.state == "failed" and (loaded is None or loaded.model is None):  # else the old model is still there
        return render.status(facts, "failed", f"{progress.name}: {t('failed')}")
    return render.status(facts, "ready" if facts else "idle", t("ready" if facts else "nothing_loaded"))


def launch(
    blocks: PageBlocks,
    *,
    features: Sequence[Feature] = FEATURES,
    options: Sequence[Option] = OPTIONS,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    names: Sequence[str] = (),
    operations: Operations | None = None,
    rows: Sequence[Row] = (),
    around: Callable[[ASGIApp], ASGIApp] | None = None,
    **more: Any,
) -> Any:
    """Serve the page that was built with these features and sampling options.

    Args:
        names: further names under which the page may be asked for, where `host` is this machine only.
        operations: adds /healthz, /readyz and /metrics.
        rows: further routes.
        around: from the guarded page to an application that answers more; it has a gate of its own.
        more: goes to Gradio's `launch` (tests pass `prevent_thread_lock=True`).
    """
    rows = (*OURS, *(operations.rows() if operations else ()), *rows)
    hosts = None if share else allowed_hosts(host, names)
    guard = Guard(rows, hosts=hosts, shared=share, operations=operations, script=_asset("first.js"), around=around)
    looks = _prepare(blocks, features, options)
    try:
        return blocks.launch(
            _app=guarded_app(guard),
            server_name=host,
            server_port=port,
            share=share,
            num_workers=0,  # GRADIO_NUM_WORKERS: processes that serve files and take uploads beside the gate
            max_threads=blocks.threads,
            state_session_capacity=blocks.sessions,
            **looks,
            **more,
        )
    except OSError as error:
        if "empty port" not in str(error):  # Gradio's sentence (6.31)
            raise
        raise ParameterError(f"cannot listen on port {port}: it is in use; choose another --server-port") from error


def stop(blocks: PageBlocks) -> None:
    """End the server that `launch` has started."""
    if blocks.server is not None:
        blocks.server.config.timeout_graceful_shutdown = 1  # second; open pages hold their connections for ever
    blocks.close(verbose=False)


def mount(
    app: FastAPI,
    blocks: PageBlocks,
    path: str,
    *,
    features: Sequence[Feature] = FEATURES,
    options: Sequence[Option] = OPTIONS,
    hosts: Sequence[str] | None = None,
    operations: Operations | None = None,
    **more: Any,
) -> None:
    """Serve the page below `path` of another application, as safe as `launch` does.

    >>> app = FastAPI(); mount(app, build(playground), "/neoxjp")

    Args:
        hosts: the only names in the Host header that are answered; None: any.
        operations: adds /healthz, /readyz and /metrics below `path`.
        more: goes to `gr.mount_gradio_app`.
    """
    blocks.max_threads, blocks.state_session_capacity = blocks.threads, blocks.sessions
    looks = _prepare(blocks, features, options)
    rows = (*OURS, *(operations.rows() if operations else ()))
    named = None if hosts is None else frozenset(hosts)
    guard = Guard(rows, hosts=named, operations=operations, script=_asset("first.js"))
    guard_mounted(app, blocks, path, guard, **looks, **more)


def _prepare(blocks: PageBlocks, features: Sequence[Feature], options: Sequence[Option]) -> dict[str, Any]:
    """What `launch` and `mount` have in common: the looks of the page, and every switch that makes it safe."""
    blocks.queue(default_concurrency_limit=8)
    skip_matplotlib()
    sys.setswitchinterval(SWITCH_SECONDS)
    os.environ.pop("GRADIO_ALLOWED_PATHS", None)
    scripts = (_asset("page.js"), _asset("control_names.js"), *(feature.text("page.js") for feature in features))
    return {
        "theme": theme(),
        "css": "".join([*map(_asset, STYLES), tour.text("tour.css"), *(feature.text("style.css") for feature in features)]),
        "head": "".join(f"<script>{script}</script>" for script in scripts),
        "i18n": translations(strings_of(features), options),
        "blocked_paths": blocked_paths(),
        **SWITCHES,
    }


def _asset(name: str) -> str:
    return (files("neoxjp.ui") / name).read_text(encoding="utf-8")
