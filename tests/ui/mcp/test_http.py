"""The tools over HTTP, behind the gate, and over standard input and output, as a client of the SDK and as strangers call them."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from neoxjp.cli.main import main
from neoxjp.serve import Access
from neoxjp.ui.mcp import PATH
from tests.support.loops import awaited
from tests.support.page import serve, wait_for_model
from tests.ui.mcp.conftest import Slow, serving
from tests.ui.mcp.test_tools import CALLS

MODERN = {"MCP-Protocol-Version": "2026-07-28"}
ACCEPT = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
CLIENT = {"name": "test", "version": "1"}
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": CLIENT,
}


def posted(url: str, body: Any, headers: dict[str, str] | None = None, method: str = "POST") -> tuple[int, Any]:
    """Status and body of a request as it goes over the wire."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, ACCEPT | (headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def request_of(name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": given, "_meta": META}}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_of_either_protocol_lists_and_calls_the_tools(mode: str, mcp_url: str) -> None:
    async def run() -> None:
        async with Client(mcp_url, mode=mode) as client:
            assert client.server_info.name == "neoxjp"
            assert "does not answer questions" in (client.instructions or "")
            assert set(CALLS) < {tool.name for tool in (await client.list_tools()).tools}
            for name, given in CALLS.items():
                result = await client.call_tool(name, given)
                assert not result.is_error, (name, result.content)
            wrong = await client.call_tool("score", {"text": 5})
            assert wrong.is_error

    awaited(run)


def test_clients_at_the_same_time_do_not_mix(mcp_url: str) -> None:
    async def one(text: str, found: dict[str, Any]) -> None:
        async with Client(mcp_url) as client:
            for _ in range(3):
                result = await client.call_tool("tokenize", {"text": text})
                found.setdefault(text, []).append(result.structured_content["ids"])  # type: ignore[index]

    async def run() -> dict[str, Any]:
        found: dict[str, Any] = {}
        async with anyio.create_task_group() as group:
            for number in range(8):
                group.start_soon(one, "猫" * (number + 1), found)
        return found

    found = awaited(run)
    assert all(len(ids) == len(text) and each == each[:1] * 3 for text, each in found.items() for ids in each)


def test_a_client_that_closes_the_connection_stops_its_call(mcp_url: str, slow: Slow) -> None:
    address = urlsplit(mcp_url)
    body = json.dumps(request_of("count", {"to": 10_000, "name": "closed"})).encode()
    headers = ACCEPT | MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "count", "Content-Length": str(len(body))}
    lines = [f"POST {PATH} HTTP/1.1", f"Host: {address.netloc}", *(f"{name}: {value}" for name, value in headers.items())]
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        until(lambda: "closed" in slow.running)
    until(lambda: "closed" not in slow.running)


def until(condition: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_client_that_is_closed_in_the_middle_leaves_nothing_running(mcp_url: str, slow: Slow) -> None:
    async def run() -> None:
        with anyio.move_on_after(1):
            async with Client(mcp_url) as client:
                await client.call_tool("count", {"to": 10_000, "name": "left"})

    awaited(run)
    until(lambda: "left" not in slow.running)


@pytest.mark.parametrize(
    ("body", "headers", "method", "status"),
    [
        (None, {}, "GET", 405),
        (None, {}, "DELETE", 405),
        (None, {}, "PUT", 404),
        (b"{", {}, "POST", 400),
        ([request_of("tokenize", {"text": "猫"})], {}, "POST", 400),  # a batch
        ({"jsonrpc": "2.0", "id": 1, "method": "nothing"}, MODERN, "POST", 400),
        (request_of("tokenize", {"text": "猫"}), {"Host": "evil.example"}, "POST", 421),
        (request_of("tokenize", {"text": "猫"}), {"Origin": "http://evil.example"}, "POST", 403),
        (request_of("tokenize", {"text": "あ" * 400_000}), {}, "POST", 413),
    ],
)
def test_what_is_no_call_is_refused(body: Any, headers: dict[str, str], method: str, status: int, mcp_url: str) -> None:
    assert posted(mcp_url, body, headers, method)[0] == status


def test_a_long_text_is_refused_in_a_sentence(mcp_url: str) -> None:
    status, answer = posted(
        mcp_url,
        request_of("tokenize", {"text": "a" * 100_000}),
        MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "tokenize"},
    )
    assert (status, json.loads(answer)["result"]["isError"]) == (200, True)
    assert "100,000 characters" in answer


def test_where_the_server_has_an_api_key_the_tools_ask_for_it(playground: Any, slow: Slow) -> None:
    async def run(url: str) -> Any:
        http = httpx2.AsyncClient(headers={"Authorization": "Bearer secret-key"})
        async with http, Client(streamable_http_client(url, http_client=http)) as client:
            return (await client.call_tool("tokenize", {"text": "猫"})).structured_content

    with serving(playground, slow, Access(key="secret-key")) as url:
        assert posted(url, request_of("tokenize", {"text": "猫"}), MODERN)[0] == 401
        assert awaited(lambda: run(url))["counts"]["characters"] == 1


def test_a_japanese_caller_gets_japanese_sentences(mcp_url: str) -> None:
    headers = MODERN | {"Mcp-Method": "tools/call", "Mcp-Name": "generate", "Accept-Language": "ja"}
    _, answer = posted(mcp_url, request_of("generate", {"prompt": "猫", "temperature": -1}), headers)
    assert "0（貪欲法）以上の数にしてください" in json.loads(answer)["result"]["content"][0]["text"]


@pytest.mark.slow
def test_the_page_serves_the_tools_where_it_is_told_to_also_beside_the_protocol(tiny_folder: Path) -> None:
    async def run(url: str) -> Any:
        async with Client(f"{url}{PATH}") as client:
            return (await client.call_tool("tokenize", {"text": "猫"})).structured_content

    with serve(tiny_folder, "--serve", "--mcp") as url:
        wait_for_model(url)
        assert awaited(lambda: run(url))["counts"]["characters"] == 1
        assert posted(f"{url}{PATH}", None, method="GET")[0] == 405
        assert json.loads(posted(f"{url}/tokenize", {"prompt": "猫"})[1])["count"] == 1


@pytest.mark.slow
def test_neoxjp_mcp_serves_the_tools_on_standard_input_and_output(tiny_folder: Path) -> None:
    command = StdioServerParameters(command=sys.executable, args=["-m", "neoxjp", "mcp", "--model", str(tiny_folder)])

    async def run() -> Any:
        async with Client(command) as client:
            assert len((await client.list_tools()).tools) == len(CALLS)
            return await client.call_tool("score", {"text": "吾輩は猫である。"})  # waits for the model

    assert awaited(run).structured_content["characters"] == 8


@pytest.mark.slow
def test_a_client_that_closes_standard_input_ends_the_program(tiny_folder: Path) -> None:
    asked = [
        {"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": CLIENT}},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "score", "arguments": {"text": "猫"}}},
    ]
    lines = "".join(json.dumps({"jsonrpc": "2.0"} | each) + "\n" for each in asked)
    command = [sys.executable, "-m", "neoxjp", "mcp", "--model", str(tiny_folder)]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()][:1] == [1]  # nothing but messages


def test_a_model_that_is_not_there_is_refused_before_a_client_is_served(tmp_path: Path, capsys: Any) -> None:
    assert main(["mcp", "--model", str(tmp_path)]) == 2
    assert "neoxjp mcp: " in capsys.readouterr().err


@pytest.mark.parametrize("command", [["mcp"], ["app", "--mcp"], ["serve", "--mcp"]])
def test_without_the_package_the_command_says_what_to_install(command: list[str], monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("neoxjp.cli.app.find_spec", lambda name: None)
    assert main(command) == 2
    assert "MCP needs the package mcp, version 2, which is not installed: pip install 'neoxjp[mcp]'" in capsys.readouterr().err
