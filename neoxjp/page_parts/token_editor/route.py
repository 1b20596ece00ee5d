"""The route of the editor: what the visitor does with the text goes to the server in one request, and is answered line by line.

The same functions answer Gradio's events (`TokenEditor.answer`). An event takes Gradio's browser part (6.31) a tenth of a second
on a large page, and a stream through its queue four requests; this takes neither.

Request: POST {"session", "editor", "call", "data"}: Gradio's session and the editor's component id, both given to the page with
the first event's answer; the name of the event, and its data. Answer: lines of JSON, each an update of the editor's properties.
409: the session is not known, as after a restart; an event makes it again.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from neoxjp.page_parts.gradio_private import as_event, session_state
from neoxjp.page_parts.token_editor.editor import TokenEditor

PATH = "/neoxjp/text"
END = object()


async def answer(request: Request) -> Response:
    """Run a call of an editor of this page, and send what it yields as it comes."""
    body = await request.json()
    session, name, data = body.get("session"), body.get("call"), body.get("data")
    blocks = request.app.get_blocks()
    editor = blocks.blocks.get(body.get("editor")) if type(body.get("editor")) is int else None
    if not isinstance(editor, TokenEditor) or not isinstance(session, str) or not isinstance(data, dict):
        return _refused(400, "expected session, editor, call and data", "session、editor、call、data が必要です。")
    call = editor.calls.get(name) if isinstance(name, str) else None
    if call is None or editor.state is None:
        return _refused(404, "the editor has no such call", "そのような呼び出しはありません。")
    state = session_state(request.app, session, editor.state)
    if state is None:
        return _refused(409, "this session is not known", "このセッションは見つかりません。")
    asked = gr.Request(request=request, session_hash=session)
    updates = as_event(asked, lambda: iter(call(state, data, asked)))
    first = await _next(blocks, asked, updates)
    return StreamingResponse(_lines(blocks, asked, updates, first), media_type="application/x-ndjson")


async def _lines(blocks: gr.Blocks, asked: gr.Request, updates: Iterator[Any], first: Any) -> AsyncIterator[str]:
    """The updates as lines. However the request ends, the call's own `finally` has run."""
    update = first
    try:
        while update is not END:
            yield json.dumps(update, ensure_ascii=False) + "\n"
            update = await _next(blocks, asked, updates)
    finally:
        with anyio.CancelScope(shield=True):
            close = getattr(updates, "close", None)
            if close is not None:
                await anyio.to_thread.run_sync(lambda: as_event(asked, close), limiter=blocks.limiter)


async def _next(blocks: gr.Blocks, asked: gr.Request, updates: Iterator[Any]) -> Any:
    return await anyio.to_thread.run_sync(lambda: as_event(asked, lambda: next(updates, END)), limiter=blocks.limiter)


def _refused(status: int, error: str, ja: str) -> Response:
    return JSONResponse({"error": error, "ja": ja}, status)
