"""The page's table of routes. All other requests are 404.

What the browser page, gradio_client (6.31) and Gradio's own check at the start ask for is here, and our own routes. Not here, for
example: upload, file, deep_link, proxy, stream, monitoring, profiling, dev/reload, run-history, vibe-edit, custom_component.
"""

from collections.abc import Iterable

import gradio as gr

from neoxjp.gateway.bodies import JSON_BYTES, SMALL_BYTES
from neoxjp.gateway.routes import Row
from neoxjp.page_parts.files import uploads
from neoxjp.page_parts.token_editor import route

GET, POST = ("GET",), ("POST",)
PAGE = (
    Row(("GET", "HEAD"), "/"),  # HEAD: launch asks whether the page is there
    Row(GET, "/config"),
    Row(GET, "/theme.css", shared=True),
    Row(GET, "/assets/{rest}", shared=True),
    Row(GET, "/static/{rest}", shared=True),
    Row(GET, "/favicon.ico", shared=True),
    Row(GET, "/robots.txt", shared=True),
    Row(GET, "/manifest.json"),
    Row(GET, "/gradio_api/startup-events"),  # launch's own check
    Row(GET, "/gradio_api/app_id"),  # the browser, after it lost the connection
    Row(GET, "/gradio_api/heartbeat/{session}"),
)
API = (
    Row(GET, "/gradio_api/info"),
    Row(GET, "/gradio_api/openapi.json"),
    Row(POST, "/gradio_api/queue/join", "json", JSON_BYTES),
    Row(GET, "/gradio_api/queue/data"),
    Row(POST, "/gradio_api/call/generate", "json", JSON_BYTES, generates=True),
    Row(POST, "/gradio_api/call/v2/generate", "json", JSON_BYTES, generates=True),
    Row(POST, "/gradio_api/call/{name}", "json", JSON_BYTES),
    Row(GET, "/gradio_api/call/{name}/{session}"),
    Row(POST, "/gradio_api/call/v2/{name}", "json", JSON_BYTES),
    Row(GET, "/gradio_api/call/v2/{name}/{session}"),
    Row(POST, "/gradio_api/run/{name}", "json", JSON_BYTES, session=True),
    Row(POST, "/gradio_api/api/{name}", "json", JSON_BYTES, session=True),
    Row(POST, "/gradio_api/cancel", "json", SMALL_BYTES),
    Row(POST, "/gradio_api/reset", "json", SMALL_BYTES),
)
LOGIN = (Row(POST, "/login", "form", SMALL_BYTES, own=True), Row(GET, "/logout", own=True))
UPLOAD = uploads.routes()[0].endpoint
OURS = (
    Row(POST, uploads.PATH, "file", uploads.MAX_BYTES, UPLOAD, own=True),
    Row(("DELETE",), uploads.PATH, endpoint=UPLOAD, own=True),
    Row(POST, route.PATH, "json", JSON_BYTES, route.answer, own=True, logged=False),
)


def table(blocks: gr.Blocks, ours: Iterable[Row] = OURS) -> tuple[Row, ...]:
    """All rows for this page. Login only where a password is asked for, `component_server` only for functions of ours."""
    functions = frozenset(
        (component._id, function.__name__)
        for component in blocks.blocks.values()
        if isinstance(component, gr.HTML)
        for function in component.server_fns
    )
    server = (Row(POST, "/gradio_api/component_server", "json", JSON_BYTES, functions=functions),) if functions else ()
    return (*PAGE, *API, *(LOGIN if blocks.auth else ()), *server, *ours)
