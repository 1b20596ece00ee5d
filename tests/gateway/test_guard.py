"""The gate before `launch` and before a mounted page: the same routes, headers and switches, on servers that run."""

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import gradio_client
import pytest
import uvicorn
from fastapi import FastAPI
from gradio import processing_utils
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder, is_allowed_file

from neoxjp.gateway import Gate, Patience, allowed_hosts
from neoxjp.page_parts.session.playground import Choice, Playground
from neoxjp.ui import page
from tests.gateway.conftest import connect
from tests.support.http import ask
from tests.support.loops import in_loop
from tests.support.page import free_port

# Gradio leaves event loops open in a process that builds a page; the command line ends then, a test does not.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

CLOSED = [
    "deep_link?session_hash=x", "dev/reload", "upload", "upload_progress?upload_id=x", "file=/etc/passwd", "proxy=https://x.hf.space",
    "component_server", "process_recording", "profiling/summary", "run-history/buckets", "runs", "vibe-code", "token", "user",
    "mcp/schema", "stream/a/b/1/playlist.m3u8", "custom_component/a/client/component/index.js", "reset/../upload", "nothing",
]  # fmt: skip
OPEN = ["/", "/config", "/theme.css", "/manifest.json", "/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/app_id"]


@dataclass(frozen=True)
class Running:
    """A server: the page's address, its blocks and its application."""

    url: str
    blocks: gr.Blocks
    app: Any


@pytest.fixture(scope="module")
def environment() -> Iterator[None]:
    """What an environment can switch on."""
    switched = {"GRADIO_SSR_MODE": "True", "GRADIO_RUN_HISTORY": "True", "GRADIO_MCP_SERVER": "True", "GRADIO_ALLOWED_PATHS": "/"}
    switched |= {"GRADIO_NUM_WORKERS": "2", "GRADIO_SHARE": "True"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in switched.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module", params=["launched", "mounted"])
def running(request: pytest.FixtureRequest, tiny_vocabulary: Path, environment: None) -> Iterator[Running]:
    """The page over a vocabulary, launched or mounted below /demo of another application."""
    playground = Playground.create(public=True)
    playground.start(Choice(str(tiny_vocabulary), offline=True))
    blocks, port = in_loop(lambda: page.build(playground)), free_port()
    if request.param == "launched":
        app, url, _ = in_loop(lambda: page.launch(blocks, port=port, prevent_thread_lock=True, quiet=True))
        yield Running(url.rstrip("/"), blocks, app)
        blocks.close()
        return
    outer = FastAPI()
    outer.get("/other")(lambda: {"other": True})
    in_loop(lambda: page.mount(outer, blocks, "/demo", hosts=("127.0.0.1",)))
    server = uvicorn.Server(uvicorn.Config(outer, port=port, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Running(f"http://127.0.0.1:{port}/demo", blocks, outer.routes[-1].app)  # type: ignore[attr-defined]
    server.should_exit = True
    thread.join(20)


def test_a_call_without_a_session_does_not_make_a_new_one(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr("gradio.route_utils.SessionState", lambda blocks: made.append(blocks) or SessionState(blocks))
    for session in ({}, {"session_hash": None}, {"session_hash": "mine"}):
        answer = ask(f"{running.url}/gradio_api/run/tokenize", {"data": ["猫"], **session})
        assert answer.status == 200
    assert not made


def test_the_answer_of_an_endpoint_is_not_searched_value_by_value(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio does so on the event loop: half a second for a long answer, in which nobody else is answered."""
    searched: list[Any] = []

    def noted(search: Any) -> Any:
        return lambda data, *more, **names: searched.append(data) or search(data, *more, **names)

    for name in ("async_move_files_to_cache", "add_root_url"):
        monkeypatch.setattr(processing_utils, name, noted(getattr(processing_utils, name)))
    answer = ask(f"{running.url}/gradio_api/run/tokenize", {"data": ["猫"]})
    assert "counts" in answer.json["data"][0]
    assert not any("counts" in str(data) for data in searched)


def test_what_the_page_needs_is_open(running: Running) -> None:
    assert [path for path in OPEN if ask(running.url + path).status != 200] == []
    assert ask(f"{running.url}/", method="HEAD").status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "DELETE"])
def test_all_else_is_not_found(running: Running, method: str) -> None:
    body = b"{}" if method == "POST" else None
    answers = {path: ask(f"{running.url}/gradio_api/{path}", body, method=method) for path in CLOSED}
    assert {path: answer.status for path, answer in answers.items() if answer.status != 404} == {}
    for path in ("/monitoring", "/login", "/logout", "/docs", "/pwa_icon/9", "/svelte/a.js", "/nothing"):
        assert ask(running.url + path, body, method=method).status == 404


@pytest.mark.parametrize("path", [*OPEN, "/nothing", "/gradio_api/upload", "/gradio_api/run/nothing"])
def test_each_answer_has_the_security_headers(running: Running, path: str) -> None:
    for method, body in (("GET", None), ("POST", b"{"), ("POST", b'{"data": []}')):
        headers = ask(running.url + path, body, method=method).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["connect-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'self'"
        assert policy["object-src"] == policy["frame-src"] == "'none'"


def test_gradio_client_works_through_the_gate(running: Running) -> None:
    client = gradio_client.Client(running.url, verbose=False)
    assert client.predict("猫", api_name="/tokenize")["counts"]["characters"] == 1
    assert "/tokenize" in client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    job = client.submit("猫", api_name="/tokenize")
    assert job.result(60)["ids"]
    client.close()


def test_a_stream_arrives_while_it_is_made(running: Running) -> None:
    """A heartbeat sends its first line at once and never ends: a layer that held answers back would send nothing."""
    with connect(running.url) as line:
        path = running.url.partition("://")[2].partition("/")[2]
        line.settimeout(10)
        prefix = f"/{path}" if path else ""
        line.sendall(f"GET {prefix}/gradio_api/heartbeat/s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        received = b""
        while b"ALIVE" not in received:
            received += line.recv(1000)


def test_every_switch_is_set_on_the_running_server(running: Running) -> None:
    blocks, app = running.blocks, running.app
    assert isinstance(app.middleware_stack, Patience)
    assert isinstance(app.middleware_stack.app, Gate)
    assert (blocks.ssr_mode, blocks.run_history, bool(blocks.enable_monitoring), blocks.mcp_server) == (
        False,
        False,
        False,
        False,
    )
    assert (blocks.show_error, blocks.allowed_paths, blocks.max_file_size) == (False, [], 1)
    assert (blocks.share, getattr(blocks, "_static_worker_pool", None), getattr(blocks, "node_process", None)) == (
        False,
        None,
        None,
    )
    assert (blocks.state_session_capacity, app.state_holder.capacity) == (256, 256)
    assert blocks.delete_cache == (3600, 3600)
    assert not blocks.expects_oauth
    assert blocks.proxy_urls == set()
    assert blocks.footer_links == ["api"]


def test_no_file_of_the_machine_may_be_served(running: Running, tiny_vocabulary: Path) -> None:
    folder = Path(get_upload_folder())
    assert app_folder(running) == str(folder)
    assert folder.name.startswith("neoxjp-")
    for path in (Path.home(), Path.cwd(), tiny_vocabulary / "vocab.txt", folder / "x", Path("/etc/passwd")):
        allowed, reason = is_allowed_file(
            path, blocked_paths=running.blocks.blocked_paths, allowed_paths=running.blocks.allowed_paths, created_paths=[folder]
        )
        assert (allowed, reason) == (False, "in_blocklist")


def app_folder(running: Running) -> str:
    return str(running.app.uploaded_file_dir)


def test_calls_leave_no_files(running: Running) -> None:
    for _ in range(3):
        body = json.dumps({"data": ["猫" * 1000], "session_hash": "files"}).encode()
        assert ask(f"{running.url}/gradio_api/run/tokenize", body).status == 200
    assert [path for path in Path(app_folder(running)).rglob("*") if path.is_file()] == []


def test_an_upload_works_and_so_does_its_removal(running: Running) -> None:
    answer = ask(f"{running.url}/neoxjp/file", b"text", {"Content-Type": "application/octet-stream"})
    assert (answer.status, answer.json["bytes"]) == (200, 4)
    assert ask(f"{running.url}/neoxjp/file?file={answer.json['file']}", method="DELETE").status == 204


def test_another_host_is_refused(running: Running) -> None:
    assert ask(f"{running.url}/config", headers={"Host": "evil.example"}).status == 421


def test_the_routes_of_the_application_around_a_mounted_page_stay_as_they_are(running: Running) -> None:
    if not running.url.endswith("/demo"):
        pytest.skip("not mounted")
    answer = ask(running.url.removesuffix("/demo") + "/other")
    assert (answer.status, answer.json) == (200, {"other": True})
    assert "content-security-policy" not in answer.headers


@pytest.mark.parametrize(
    ("host", "local"),
    [(None, True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.5", False), ("example.org", False)],
)  # fmt: skip
def test_only_a_page_for_this_machine_looks_at_the_host_header(
    host: str | None, local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    names = allowed_hosts(host, ["Page.Example"])
    assert (names is not None and {"localhost", "127.0.0.1", "::1", "page.example"} <= names) == local
    assert (names is None) == (not local)
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    assert (allowed_hosts(None) is None) == (os.environ["GRADIO_SERVER_NAME"] == "0.0.0.0")
