"""The tools as a client of the SDK sees and calls them, in this process: their list, their answers, their errors."""

import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import anyio
import gradio as gr
import jsonschema
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Tool

from neoxjp.labs.features import FEATURES, endpoints_of
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import Choice, Playground
from neoxjp.page_parts.session.visitors import Visitors
from neoxjp.ui.endpoints import endpoints
from neoxjp.ui.mcp import mcp_server
from neoxjp.ui.mcp.tools import MOST_CHARACTERS, EndpointTool, Turns, sections
from tests.support.loops import awaited
from tests.ui.mcp.conftest import Slow

T = TypeVar("T")
CALLS: dict[str, dict[str, Any]] = {
    "tokenize": {"text": "吾輩は猫である。👍 <BR>"},
    "explain": {"text": "東京都に住む", "at": 1, "replacement": "京", "which": "next"},
    "compare": {"text": "東京に住む", "tokenizers": ["neoxjp", "bytes", "nonsense"]},
    "round_trip": {"text": "慶應—☃", "normalize": "nfkc"},
    "vocabulary": {"query": "東", "limit": 3, "script": "kanji"},
    "vocabulary_entry": {"id": 300},
    "sampling_trace": {"prompt": "吾輩は", "show": 3, "seed": 1, "top_k": 5},
    "score": {"text": "吾輩は猫である。", "top": 2},
    "compare_texts": {"first": "猫が鳴く", "second": "猫が泣く"},
    "generate": {"prompt": "吾輩は", "max_new_tokens": 5, "seed": 1, "top": 2, "stop": ["。"]},
}


def with_client(playground: Any, use: Callable[[Client], Awaitable[T]], *features: Any, mode: str = "auto") -> T:
    """What `use` returns, with a client of the tools of this playground."""

    async def run() -> T:
        async with Client(mcp_server(playground, (*FEATURES, *features)), mode=mode) as client:
            return await use(client)

    return awaited(run)


def call(playground: Any, name: str, *features: Any, **given: Any) -> CallToolResult:
    return with_client(playground, lambda client: client.call_tool(name, given), *features)


def message(result: CallToolResult) -> str:
    """The sentence of a call that failed."""
    assert result.is_error
    (content,) = result.content
    return content.text  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def tools(playground: Any) -> dict[str, Tool]:
    async def listed(client: Client) -> list[Tool]:
        return (await client.list_tools()).tools

    return {tool.name: tool for tool in with_client(playground, listed)}


def test_the_tools_are_the_endpoints_that_are_declared_as_tools(tools: Any, playground: Any) -> None:
    declared = [*endpoints(playground), *endpoints_of(FEATURES, playground)]
    assert list(tools) == [each.name for each in declared if each.tool]
    assert set(tools) == set(CALLS)


def test_every_tool_is_described_and_only_reads(tools: Any) -> None:
    for tool in tools.values():
        assert tool.title == tool.annotations.title, tool.name
        assert "Returns: " in tool.description, tool.name
        assert "**" not in tool.description, tool.name
        for name, schema in tool.input_schema["properties"].items():
            assert schema.get("description"), (tool.name, name)
        hints = tool.annotations
        assert (hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint) == (True, False, True), tool.name
        assert hints.open_world_hint == (tool.name == "compare"), tool.name  # it may open a tokenizer of the Hub


def test_a_tool_has_the_parameters_defaults_and_choices_of_its_endpoint(tools: Any) -> None:
    generate = tools["generate"].input_schema
    assert generate["required"] == ["prompt"]
    assert generate["properties"]["temperature"]["default"] == 0.7
    assert generate["additionalProperties"] is False
    assert tools["explain"].input_schema["properties"]["which"]["enum"] == ["next", "second", "third"]
    assert tools["tokenize"].input_schema["properties"]["text"]["maxLength"] == MOST_CHARACTERS


@pytest.mark.parametrize("name", CALLS)
def test_a_tool_answers_as_its_endpoint_and_as_its_schema_says(name: str, playground: Any, tools: Any) -> None:
    result = call(playground, name, **CALLS[name])
    assert not result.is_error, message(result)
    jsonschema.validate(result.structured_content, tools[name].output_schema)
    declared = [*endpoints(playground), *endpoints_of(FEATURES, playground)]
    answer = next(each for each in declared if each.name == name).bind(playground)(**CALLS[name])
    expected = list(answer)[-1] if name == "generate" else answer
    found = result.structured_content["result"] if name == "compare" else result.structured_content
    if name == "generate":
        assert found.pop("stats").keys() == expected.pop("stats").keys()  # they hold times
    assert found == json.loads(json.dumps(expected))
    (content,) = result.content
    text = json.loads(content.text)
    if name == "generate":
        text.pop("stats")
    assert text == found


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("tokenize", {}, "text is missing"),
        ("tokenize", {"text": 5}, "text=5: expected a valid string"),
        ("tokenize", {"text": None}, "text=None: expected a valid string"),
        ("tokenize", {"text": ["猫"]}, "text=['猫']: expected a valid string"),
        ("tokenize", {"text": "あ" * 100_000}, "text has 100,000 characters: a tool takes 10,000, so send it in parts"),
        ("tokenize", {"txet": "猫"}, "text is missing; 'txet' is no argument of this tool; these are: text, compat"),
        ("tokenize", {"text": "猫", "compat": "yes"}, "compat='yes': expected a valid boolean"),
        ("explain", {"text": "猫", "which": "fourth"}, "which='fourth': expected 'next', 'second' or 'third'"),
        ("explain", {"text": "", "at": 3}, "position 3: the text has 0 characters"),
        ("vocabulary", {"script": "runes"}, "script='runes': expected 'hiragana', "),
        ("vocabulary_entry", {"id": 10**9}, "1000000000"),
        ("vocabulary_entry", {"id": "3"}, "id='3': expected a valid integer"),
        ("compare", {"text": "猫", "tokenizers": ["no such tokenizer"]}, "no tokenizer 'no such tokenizer'"),
        ("compare_texts", {"first": "猫"}, "second is missing"),
        ("score", {"text": "猫" * 1_000}, "tokens"),
        ("generate", {"prompt": "猫", "temperature": -1}, "temperature=-1.0 must be a number from 0 (greedy) upwards"),
        ("generate", {"prompt": "猫" * 100}, "tokens"),
        ("sampling_trace", {"prompt": "猫", "ids": [10**9]}, "ids"),
    ],
)
def test_a_wrong_call_is_a_result_that_says_what_is_wrong(name: str, given: Any, sentence: str, playground: Any) -> None:
    assert sentence in message(call(playground, name, **given))


@pytest.mark.parametrize("name", ["tokenize", "explain", "compare", "round_trip", "score", "sampling_trace", "generate"])
def test_an_empty_text_is_answered_or_refused_in_a_sentence(name: str, playground: Any) -> None:
    result = call(playground, name, **CALLS[name] | {next(iter(CALLS[name])): ""})
    assert not result.is_error or "server" not in message(result)


def test_an_unknown_tool_is_an_error_of_the_protocol(playground: Any) -> None:
    async def unknown(client: Client) -> str:
        with pytest.raises(MCPError) as error:
            await client.call_tool("nothing", {})
        return str(error.value)

    assert with_client(playground, unknown).startswith("there is no tool 'nothing'; these are: generate, score")


def test_an_unexpected_failure_is_a_sentence_without_the_exception(
    playground: Any, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        sentence = message(call(playground, "broken", slow, text="secret"))
    assert sentence.startswith("this did not work, because of a fault of the server")
    assert "ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text


def test_without_a_model_a_call_says_so_and_the_list_is_there() -> None:
    assert "No model is loaded" in message(call(Playground(), "score", text="猫"))
    assert "loaded" in message(call(Playground(), "tokenize", text="猫"))


def test_a_model_that_could_not_be_loaded_is_named_unless_the_page_is_public(tmp_path: Path) -> None:
    for public, sentence in ((False, str(tmp_path)), (True, "No model is loaded")):
        playground = Playground(public=public)
        playground.start(Choice(str(tmp_path / "unknown"), offline=True)).join()
        assert sentence in message(call(playground, "score", text="猫"))


def test_the_characters_of_a_visitor_are_counted(playground: Any) -> None:
    public = Playground(public=True, loaded=playground.loaded, visitors=Visitors(Caps(characters_each=30)))
    tool = {each.name: EndpointTool(each, public, Turns(public)) for each in endpoints(public) if each.tool}["tokenize"]
    one, other = (gr.Request(client=_Client(address), headers={}, session_hash=None) for address in ("192.0.2.1", "192.0.2.2"))

    async def silent(number: int) -> None: ...

    async def run() -> list[bool | None]:
        return [(await tool.call({"text": "猫" * 20}, who, silent)).is_error for who in (one, one, other)]

    assert awaited(run) == [False, True, False]


def test_calls_at_the_same_time_answer_as_each_alone(playground: Any) -> None:
    async def together(client: Client) -> list[Any]:
        found: list[Any] = [None] * 24

        async def one(place: int) -> None:
            name = ("generate", "score", "tokenize")[place % 3]
            result = await client.call_tool(name, CALLS[name])
            found[place] = result.structured_content["ids" if name != "score" else "bits"]  # type: ignore[index]

        async with anyio.create_task_group() as group:
            for place in range(24):
                group.start_soon(one, place)
        return found

    found = with_client(playground, together)
    assert found == found[:3] * 8
    assert found[0] == call(playground, "generate", **CALLS["generate"]).structured_content["ids"]  # type: ignore[index]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_tool_that_streams_reports_progress(mode: str, playground: Any, slow: Slow) -> None:
    heard: list[float] = []

    async def on_progress(progress: float, total: float | None, text: str | None) -> None:
        heard.append(progress)

    async def counted(client: Client) -> CallToolResult:
        return await client.call_tool("count", {"to": 3}, progress_callback=on_progress)

    assert with_client(playground, counted, slow, mode=mode).structured_content == {"number": 3}
    assert heard == [1, 2, 3]


def test_a_call_that_is_given_up_stops(playground: Any, slow: Slow) -> None:
    async def give_up(client: Client) -> None:
        with anyio.move_on_after(0.3):
            await client.call_tool("count", {"to": 10_000, "name": "given up"})
        assert "given up" not in slow.running

    with_client(playground, give_up, slow)


def test_a_visitor_has_as_many_calls_at_the_same_time_as_the_caps_say() -> None:
    playground = Playground(visitors=Visitors(Caps(running_each=1, waiting_each=1)))
    turns, refused = Turns(playground), []
    request = gr.Request(client=_Client("192.0.2.1"))
    other = gr.Request(client=_Client("192.0.2.2"))

    async def run() -> None:
        semaphore, end = anyio.Semaphore(10), anyio.Event()

        async def one(who: Any) -> None:
            try:
                async with turns.turn(semaphore, who):
                    await end.wait()
            except Exception as error:
                refused.append(str(error))

        async with anyio.create_task_group() as group:
            for who in (request, request, request, other):
                group.start_soon(one, who)
            await anyio.wait_all_tasks_blocked()
            assert turns.calls == {"192.0.2.1": 2, "192.0.2.2": 1}
            end.set()

    awaited(run)
    playground.visitors.caps = Caps(running_each=1, waiting_each=0)  # 0: no limit
    turns.calls["192.0.2.1"] = 5

    async def another() -> None:
        async with turns.turn(anyio.Semaphore(1), request):
            assert turns.calls["192.0.2.1"] == 6

    awaited(another)
    del turns.calls["192.0.2.1"]
    assert refused == ["2 calls from your address are running or waiting: try again when one of them has ended"]
    assert not turns.calls


class _Client(str):
    """The address of a request."""

    @property
    def host(self) -> str:
        return str(self)


def test_a_docstring_is_read_in_its_sections() -> None:
    assert sections("Do it.\nNow.\n\nArgs:\n    a: one\n        more, b: two\n    c: three\n\nReturns:\n    All of\n    it.") == (
        "Do it. Now.", {"a": "one more, b: two", "c": "three"}, "All of it.",
    )  # fmt: skip
