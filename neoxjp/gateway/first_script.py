"""A script at the top of the page's HTML, where it runs before anything is drawn.

Gradio (6.31) adds what `launch(head=…)` has only after its own scripts have read the browser's language and theme.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from neoxjp.gateway.gate import route_path

TOP = b"<head>"


class FirstScript:
    """ASGI layer for the page at `/`. It must be inside of the layer that compresses answers.

    Args:
        script: JavaScript; has no "</script>".
    """

    def __init__(self, app: ASGIApp, script: str):
        self.app, self.added = app, f"<script>{script}</script>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or route_path(scope) != "/":
            await self.app(scope, receive, send)
            return
        start: Message | None = None  # held back: its length depends on the body

        async def send_with_script(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            if start is not None:
                body, headers = message.get("body", b""), MutableHeaders(scope=start)
                if headers.get("content-type", "").startswith("text/html") and TOP in body:
                    message = {**message, "body": body.replace(TOP, TOP + self.added, 1)}
                    if "content-length" in headers:
                        headers["content-length"] = str(int(headers["content-length"]) + len(self.added))
                await send(start)
                start = None
            await send(message)

        await self.app(scope, receive, send_with_script)
