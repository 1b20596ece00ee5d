"""One endpoint as a tool: how it is listed, and what a call of it does. Nothing here is specific to an endpoint."""

import inspect
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_type_hints

import anyio
import gradio as gr
import mcp_types as types
from anyio.to_thread import run_sync
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema

from neoxjp.errors import ParameterError, QueueFull
from neoxjp.gateway import expected
from neoxjp.page_parts.answers import message_of, plain
from neoxjp.page_parts.endpoints import WAIT_SECONDS, Endpoint, with_waiting
from neoxjp.page_parts.gradio_private import as_event
from neoxjp.page_parts.session.playground import THREADS, NotReady, Playground
from neoxjp.page_parts.session.visitors import visitor_of
from neoxjp.sampling import expand

MOST_CHARACTERS = 10_000  # of a string in a call: a model could not read the answer about a longer one

Progress = Callable[[int], Awaitable[None]]


class _Schema(GenerateJsonSchema):
    """JSON schemas without a title for each field, which would only repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


@dataclass
class Turns:
    """Which calls run. `caps` of the playground say how many calls one visitor may have at the same time."""

    playground: Playground
    threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(THREADS))
    calls: Counter[str] = field(default_factory=Counter)  # by address

    @asynccontextmanager
    async def turn(self, free: anyio.Semaphore, request: gr.Request | None) -> AsyncIterator[None]:
        """Wait until `free` lets this call run. Raises QueueFull: the visitor has too many calls already."""
        address = visitor_of(request.client.host).address if request is not None and request.client else ""
        caps = self.playground.visitors.caps
        if caps.running_each and caps.waiting_each and self.calls[address] >= caps.running_each + caps.waiting_each:
            number = self.calls[address]
            raise QueueFull(
                f"{number} calls from your address are running or waiting: try again when one of them has ended",
                ja=f"同じアドレスからの呼び出しが {number} 件あります。終わってからもう一度お試しください。",
            )
        self.calls[address] += 1
        try:
            async with free:
                yield
        finally:
            self.calls[address] -= 1
            if not self.calls[address]:
                del self.calls[address]


class EndpointTool:
    """An endpoint as a tool. `listed` is what clients see, `call` runs it."""

    def __init__(self, endpoint: Endpoint, playground: Playground, turns: Turns):
        assert endpoint.tool is not None
        self.endpoint, self.playground, self.turns = endpoint, playground, turns
        self.function = expand(endpoint.function, playground.options)
        self.free = anyio.Semaphore(endpoint.at_once or THREADS)
        hints, parameters = get_type_hints(self.function), inspect.signature(self.function).parameters
        summary, arguments, returns = sections(with_waiting(inspect.getdoc(self.function) or "", endpoint.needs))
        fields: dict[str, Any] = {
            name: (
                Annotated[hints[name], Field(description=arguments.get(name))],
                ... if parameter.default is inspect.Parameter.empty else parameter.default,
            )
            for name, parameter in parameters.items()
        }
        config = ConfigDict(extra="forbid", strict=True, str_max_length=MOST_CHARACTERS)
        self.arguments: type[BaseModel] = create_model(endpoint.name, __config__=config, **fields)
        record = hints["return"]
        self.streams = inspect.isgeneratorfunction(endpoint.function)
        if self.streams:
            (record,) = get_args(record)
        schema = TypeAdapter(record).json_schema(mode="serialization", schema_generator=_Schema)
        self.wrapped = schema.get("type") != "object"  # a tool answers with an object
        if self.wrapped:
            schema = TypeAdapter(create_model(endpoint.name, result=record)).json_schema(
                mode="serialization", schema_generator=_Schema
            )
        if self.streams:
            summary += " This tool answers with the last record."
        self.listed = types.Tool(
            name=endpoint.name,
            title=endpoint.tool.title,
            description=f"{summary}\n\nReturns: {returns}",
            input_schema=self.arguments.model_json_schema(schema_generator=_Schema),
            output_schema=schema,
            annotations=types.ToolAnnotations(
                title=endpoint.tool.title,
                read_only_hint=True,
                destructive_hint=False,
                idempotent_hint=True,  # a second call has no effect that the first had not: none has any
                open_world_hint=endpoint.tool.open_world,
            ),
        )

    async def call(self, given: dict[str, Any], request: gr.Request | None, progress: Progress) -> types.CallToolResult:
        """The endpoint's answer. What goes wrong is a result, too: a sentence for the model that called.

        Args:
            given: the arguments by name.
            request: where the call comes from; None: from this machine.
            progress: called with each record of an endpoint that streams; the last record is the answer.
        """
        try:
            arguments = self._checked(given)
            async with self.turns.turn(self.free, request):
                value = plain(await self._answer(arguments, request, progress))
        except Exception as error:
            message = message_of(expected(error), request)
            return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text)],
            structured_content={"result": value} if self.wrapped else value,
        )

    def _checked(self, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments, with defaults. Raises ParameterError: it names all that are wrong."""
        try:
            arguments = self.arguments.model_validate(given)
        except ValidationError as error:
            raise ParameterError("; ".join(problems(error, list(self.arguments.model_fields)))) from None
        return {name: getattr(arguments, name) for name in self.arguments.model_fields}

    async def _answer(self, arguments: dict[str, Any], request: gr.Request | None, progress: Progress) -> Any:
        async def in_thread(call: Callable[[], Any]) -> Any:
            return await run_sync(lambda: as_event(request, call) if request is not None else call(), limiter=self.turns.threads)

        try:
            await in_thread(lambda: self.playground.wait_for(self.endpoint.needs, WAIT_SECONDS))
        except NotReady as error:
            reason = None if self.playground.public else self.playground.progress.error
            raise reason or error from None
        if not self.streams:
            return await in_thread(lambda: self.function(**arguments))
        records: Any = self.function(**arguments)
        last, number = None, 0
        try:
            while (record := await in_thread(lambda: next(records, None))) is not None:
                last, number = record, number + 1
                await progress(number)
        finally:
            with anyio.CancelScope(shield=True):  # the client has left: its text stops here
                await in_thread(records.close)
        return last


def problems(error: ValidationError, known: list[str]) -> Iterator[str]:
    """A sentence for each argument that is wrong."""
    found: dict[str, list[Any]] = {}
    for each in error.errors(include_url=False, include_context=True):
        found.setdefault(str(each["loc"][0]), []).append(each)
    for name, faults in found.items():
        first = faults[0]
        if first["type"] == "missing":
            yield f"{name} is missing"
        elif first["type"] == "extra_forbidden":
            yield f"{name!r:.40} is no argument of this tool; these are: {', '.join(known)}"
        elif first["type"] == "string_too_long":
            yield f"{name} has {len(first['input']):,} characters: a tool takes {MOST_CHARACTERS:,}, so send it in parts"
        else:
            wanted = dict.fromkeys(re.sub(r"^Input should be ", "", fault["msg"]) for fault in faults)
            yield f"{name}={first['input']!r:.60}: expected {' or '.join(wanted)}"


def sections(doc: str) -> tuple[str, dict[str, str], str]:
    """A docstring as its text, the descriptions of its arguments, and that of what it returns, each in one line."""
    head, _, returns = doc.partition("\n\nReturns:\n")
    summary, _, arguments = head.partition("\n\nArgs:\n")
    found = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", arguments, re.MULTILINE)
    return " ".join(summary.split()), {name: " ".join(text.split()) for name, text in found}, " ".join(returns.split())
