"""The page: head line, three tabs, and how it is started.

>>> playground = Playground(); playground.start(Choice("neoxjp/bundled")); launch(build(playground))
"""

import os
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from neoxjp.labs.common import html as render
from neoxjp.labs.features import FEATURES, Feature, endpoints_of, strings_of
from neoxjp.labs.share_link import section as links
from neoxjp.page_parts import uploads
from neoxjp.page_parts.endpoints import EndpointBlocks, register
from neoxjp.page_parts.session import THREADS, Playground
from neoxjp.page_parts.strings import both, label, language, translations, words
from neoxjp.sampling import OPTIONS, Option
from neoxjp.ui import generate, model, tokenize
from neoxjp.ui.endpoints import endpoints
from neoxjp.ui.theme import theme

SESSIONS = 256  # of which Gradio keeps what they hold: over 1 MB each, and each call of the API is one; its default is 10,000


def build(playground: Playground, features: Sequence[Feature] = FEATURES) -> gr.Blocks:
    """The whole page over `playground` and its sampling options, with these features.

    It is ready for `launch`, or for `gr.mount_gradio_app` with the same `app_kwargs`.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with EndpointBlocks(title="neoxjp", analytics_enabled=False, fill_width=True) as blocks:
        with gr.Row(elem_id="head"):
            gr.HTML(f"<h1>neoxjp</h1><p>{both('tagline')}</p>", elem_id="brand", apply_default_css=False)
            status = gr.HTML(elem_id="status", apply_default_css=False)
        changed = gr.Number(0, visible="hidden")  # the serial of what is loaded: its change event tells the tabs
        timer = gr.Timer(0.5)
        with gr.Tabs(selected="generate", elem_id="tabs") as tabs:
            with gr.Tab(label("tab_generate"), id="generate", render_children=True):
                generate_tab = generate.build(playground, features)
            with gr.Tab(label("tab_tokenize"), id="tokenize", render_children=True):
                tokenize_tab = tokenize.build(playground, features)
            with gr.Tab(label("tab_model"), id="model", render_children=True):
                model_tab = model.build(playground)

        def tick(request: gr.Request) -> tuple[str, int, dict[str, Any]]:
            busy = playground.progress.busy
            return head_line(playground, request), playground.serial, gr.Timer(0.5 if busy else 5, active=True)  # type: ignore[return-value]

        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        gr.on([timer.tick, blocks.load], tick, outputs=[status, changed, timer], **quiet)
        generate.connect(generate_tab, playground, features, changed, status)
        tokenize.connect(tokenize_tab, playground, features, changed)
        links.connect(tokenize_tab.links, playground, tokenize_tab.text, tokenize_tab.show_ids)
        links.connect_link(tokenize_tab.links.link, playground, blocks, tokenize_tab.linked(tabs))
        links.connect_link(generate_tab.link, playground, blocks, generate_tab.linked(tabs))
        model.connect(model_tab, playground, changed, status, lambda request: head_line(playground, request))
        register(playground, [*endpoints(playground), *endpoints_of(features, playground)])
    return blocks


def head_line(playground: Playground, request: gr.Request | None) -> str:
    """HTML of the line that says what is loaded, or what is being loaded."""
    say, loaded, progress = words(language(request)), playground.loaded, playground.progress
    facts: list[str] = []
    name = loaded.title(say("bundled")) if loaded else ""
    if loaded and loaded.model is not None:
        weights = loaded.model.num_parameters
        backend = loaded.model.attention_backend().name
        dtype = loaded.model.quantization or str(loaded.model.dtype).removeprefix("torch.")
        facts = [name, render.short_count(weights), dtype, str(loaded.model.device), f"{say('attention')}: {backend}"]
    elif loaded:
        facts = [name, say("tokenizer_only")]
    if progress.state == "vocabulary":
        return render.status(facts, "busy", say("loading_vocabulary", name=progress.name))
    if progress.state == "download":
        return render.status(facts, "busy", say("loading_download", name=progress.name, percent=progress.percent))
    if progress.state == "weights":
        return render.status(facts, "busy", say("loading_weights", name=progress.name, percent=progress.percent))
    if progress.state == "failed" and (loaded is None or loaded.model is None):  # where an old model is kept, it is what counts
        return render.status(facts, "failed", f"{progress.name}: {say('failed')}")
    return render.status(facts, "ready" if facts else "idle", say("ready" if facts else "nothing_loaded"))


def launch(
    blocks: gr.Blocks,
    *,
    features: Sequence[Feature] = FEATURES,
    options: Sequence[Option] = OPTIONS,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    **more: Any,
) -> Any:
    """Serve the page that was built with these features and sampling options.

    `more` goes to Gradio's `launch` (tests pass `prevent_thread_lock=True`).
    """
    blocks.queue(default_concurrency_limit=8)
    return blocks.launch(
        server_name=host,
        server_port=port,
        share=share,
        theme=theme(),
        css="".join([_asset("page.css"), _asset("generate.css"), *(feature.text("style.css") for feature in features)]),
        max_threads=THREADS,
        state_session_capacity=SESSIONS,
        head="".join(
            f"<script>{script}</script>" for script in (_asset("page.js"), Feature("share_link", None).text("script.js"))
        ),
        i18n=translations(strings_of(features), options),
        footer_links=["api"],
        ssr_mode=False,
        enable_monitoring=False,
        run_history=False,
        max_file_size=1,  # disables Gradio's own upload; ours is uploads.py
        app_kwargs={"routes": uploads.routes()},
        **more,
    )


def _asset(name: str) -> str:
    return (files("neoxjp.ui") / name).read_text(encoding="utf-8")
