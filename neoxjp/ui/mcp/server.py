"""The MCP server: its list of tools, and the two ways to reach it, HTTP and standard input and output."""

import asyncio
from collections.abc import Iterable
from typing import Any

import anyio
import gradio as gr
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from neoxjp import __version__
from neoxjp.gateway import Row
from neoxjp.labs.features import FEATURES, Feature, endpoints_of
from neoxjp.page_parts.session.playground import Playground
from neoxjp.ui.endpoints import endpoints
from neoxjp.ui.mcp.tools import EndpointTool, Turns

PATH = "/mcp"
BODY_BYTES = 1_000_000  # of a call
INSTRUCTIONS = (
    "Tools around a GPT-NeoX-Japanese language model: how it splits Japanese text into tokens, why, what its vocabulary "
    "contains, how likely it finds a text, and how it continues one. It is a base model that continues text: it does not "
    "answer questions."
)


def mcp_server(playground: Playground, features: Iterable[Feature] = FEATURES) -> Server[Any]:
    """A server whose tools are the endpoints that are declared as such. It keeps nothing between two calls."""
    turns = Turns(playground)
    declared = [*endpoints(playground), *endpoints_of(features, playground)]
    tools = {each.name: EndpointTool(each, playground, turns) for each in declared if each.tool is not None}

    async def list_tools(
        context: ServerRequestContext[Any, Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.listed for tool in tools.values()])

    async def call_tool(context: ServerRequestContext[Any, Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = tools.get(params.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {params.name!r:.60}; these are: {', '.join(tools)}")
        request = gr.Request(context.request) if context.request is not None else None
        return await tool.call(params.arguments or {}, request, context.session.report_progress)

    return Server(
        "neoxjp",
        version=__version__,
        title="GPT-NeoX-Japanese",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def mcp_rows(playground: Playground, features: Iterable[Feature] = FEATURES) -> tuple[Row, ...]:
    """The route /mcp (Streamable HTTP, stateless), for the table of a web server's gate.

    The gate checks the Host and the Origin, and how long the body is.
    """
    app = _HttpApp(mcp_server(playground, features))

    async def answer(request: Request) -> Response:
        return _Answer(app)

    async def not_allowed(request: Request) -> Response:  # a stream without a call, or the end of a session: there are none
        return Response(status_code=405, headers={"allow": "POST"})

    return (
        Row(("POST",), PATH, "json", BODY_BYTES, answer, own=True),
        Row(("GET", "DELETE"), PATH, endpoint=not_allowed, own=True),
    )


def run_stdio(playground: Playground) -> None:
    """Serve one client on standard input and output until it closes them."""

    async def run() -> None:
        server = mcp_server(playground)
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)


class _HttpApp:
    """The SDK's application. It starts with the first request, so that whatever serves it needs to start nothing."""

    def __init__(self, server: Server[Any]):
        nothing = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # the gate has checked Host and Origin
        self.manager = StreamableHTTPSessionManager(
            server, stateless=True, security_settings=nothing, max_request_body_size=BODY_BYTES
        )
        self._task: asyncio.Task[None] | None = None
        self._started = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await self._started.wait()
        await self.manager.handle_request(scope, receive, send)

    async def _run(self) -> None:
        async with self.manager.run():
            self._started.set()
            await asyncio.Event().wait()  # until the server's event loop ends


class _Answer(Response):
    """An ASGI application as the answer to one request."""

    def __init__(self, app: _HttpApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
