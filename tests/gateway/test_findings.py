"""Each way in which version 0.1 was hurt, as the same request to a running public page, and what becomes of it now."""

import http.server
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from tests.gateway.conftest import connect
from tests.support.http import Answer, ask

Post = Callable[..., Answer]
MALICE = "<img src=x onerror=alert(1)>"


def component(public_url: str, elem_id: str) -> dict[str, Any]:
    components = ask(f"{public_url}/config").json["components"]
    return next(one for one in components if one["props"].get("elem_id") == elem_id)


def html_inputs(public_url: str) -> list[tuple[int, list[int], int]]:
    """(function, its inputs, place of the input) for each input of a function that shows HTML."""
    config = ask(f"{public_url}/config").json
    shows_html = {one["id"] for one in config["components"] if one["type"] in ("html", "markdown")}
    return [
        (function["id"], function["inputs"], place)
        for function in config["dependencies"]
        for place, given in enumerate(function["inputs"])
        if given in shows_html
    ]


# ---- 1, 2: what one visitor stores and another one sees


def test_a_session_cannot_be_stored_for_others_to_open(post: Post, public_url: str, temporary: Path) -> None:
    before = sorted(temporary.rglob("*"))
    post("/gradio_api/run/tokenize", {"data": [MALICE * 1000], "session_hash": "stored"})
    for path in ("/gradio_api/deep_link", "/gradio_api/deep_link/", "/gradio_api/./deep_link", "/gradio_api/%64eep_link"):
        for _ in range(20):
            assert ask(f"{public_url}{path}?session_hash=stored").status == 404
    assert sorted(temporary.rglob("*")) == before


@pytest.mark.parametrize(
    "query", ["deep_link=abc", "deep%5Flink=abc", "__theme=dark&deep_link=", "view=api;&deep_link=abc", "page=x"]
)
@pytest.mark.parametrize("path", ["/", "/config"])
def test_a_stored_session_is_not_opened(public_url: str, path: str, query: str) -> None:
    assert ask(f"{public_url}{path}?{query}").status == 404


def test_no_function_accepts_html(public_url: str) -> None:
    assert html_inputs(public_url) == []


# ---- 3: files and addresses named inside parameters


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another machine: its address, and what was asked of it."""
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 1000)

        def log_message(self, *_: Any) -> None: ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/secret", asked
    server.shutdown()
    server.server_close()


def named(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda file: file,
        lambda file: [[{"deeper": [file]}]],
        lambda file: {**file, "url": file["path"]},
        lambda file: {**file, "meta": "no dictionary"},
        lambda file: {"path": file["path"], "meta": {"_type": "gradio.FileData", "more": 1}},
    ],
)
@pytest.mark.parametrize("path", ["run/tokenize", "call/tokenize", "call/v2/tokenize", "queue/join", "api/tokenize"])
def test_no_parameter_names_a_file_or_an_address(
    post: Post, elsewhere: tuple[str, list[str]], temporary: Path, path: str, wrap: Callable[..., Any]
) -> None:
    url, asked = elsewhere
    before = sorted(temporary.rglob("*"))
    for target in (url, "https://example.com/x.bin", "/etc/passwd"):
        value = wrap(named(target))
        body = {"text": value} if "v2" in path else {"data": [value], "fn_index": 0, "session_hash": "s"}
        answer = post(f"/gradio_api/{path}", body)
        assert answer.status == 400, answer
        assert answer.json["error"] == "files cannot be named here"
    assert sorted(temporary.rglob("*")) == before
    assert asked == []


def test_a_file_is_found_behind_escapes_and_repeated_names(public_url: str) -> None:
    for text in (
        r'{"data": [{"p\u0061th": "/etc/passwd", "m\u0065ta": {"_typ\u0065": "gradio.FileData"}}]}',
        '{"data": [], "data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}',
        '{"data": [{"path": "/etc/passwd", "meta": {}, "meta": {"_type": "gradio.FileData"}}]}',
    ):
        assert ask(f"{public_url}/gradio_api/run/tokenize", text.encode()).status == 400
    sixteen = '{"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}'.encode("utf-16")
    assert ask(f"{public_url}/gradio_api/run/tokenize", sixteen).status == 400


# ---- 6: bodies without bound


@pytest.mark.parametrize("path", ["run/tokenize", "queue/join", "call/tokenize", "call/v2/tokenize", "cancel", "reset"])
def test_a_long_body_is_refused_before_it_is_sent(public_url: str, path: str) -> None:
    with connect(public_url) as line:
        line.sendall(
            f"POST /gradio_api/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Content-Length: 300000000\r\n\r\n".encode()
        )
        assert line.recv(1000).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize("path", ["run/tokenize", "queue/join", "call/tokenize"])
def test_a_long_body_without_a_length_is_cut_off_at_the_limit(public_url: str, path: str) -> None:
    sent, answer = 0, b""
    with connect(public_url) as line:
        line.sendall(
            f"POST /gradio_api/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        try:
            while sent < 300_000_000:
                line.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
                sent += 65536
        except OSError:
            pass  # the page has closed the connection
        try:
            answer = line.recv(1000)
        except OSError:
            answer = b""
    assert sent < 60_000_000  # the limit, what is read on and not stored, and the buffers of both sockets
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert ask(public_url).status == 200


def test_two_lengths_of_one_body_are_refused_and_no_second_request_is_read(public_url: str) -> None:
    """A proxy that goes by the other length takes what follows for a part of the body, or for another visitor's request."""
    body = b'{"data": ["a"]}'
    with connect(public_url) as line:
        line.sendall(
            b"POST /gradio_api/run/tokenize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
            + f"{len(body):x}\r\n".encode()
            + body
            + b"\r\n0\r\n\r\nGET /config HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        )
        answer = b""
        while more := line.recv(65536):
            answer += more
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"both Content-Length and Transfer-Encoding" in answer
    assert answer.count(b"HTTP/1.1 ") == 1


def test_a_text_of_the_largest_accepted_size_still_fits(post: Post) -> None:
    answer = post("/gradio_api/run/tokenize", {"data": ["猫" * 1_000_000]})
    assert answer.status == 500  # longer than the page takes, which its own sentence says
    assert "1,000,000" in answer.json["error"]


@pytest.mark.parametrize(
    "body", [b"", b"[" * 9_000, b"{", b"[]", b"\xff", b'{"data": ' + b"9" * 5000 + b"}", b'{"a": ' * 40 + b"1" + b"}" * 40]
)
def test_what_is_no_call_is_refused_with_a_sentence(public_url: str, body: bytes) -> None:
    answer = ask(f"{public_url}/gradio_api/run/tokenize", body)
    assert answer.status == 400
    assert answer.json["error"]


def test_the_name_of_a_session_is_short(post: Post, public_url: str) -> None:
    for name in ("x" * 65, "x" * 3_000_000, "../x", ["x"], {"a": 1}):
        assert post("/gradio_api/run/tokenize", {"data": ["猫"], "session_hash": name}).status == 400
    assert ask(f"{public_url}/gradio_api/queue/data?session_hash={'x' * 65}").status == 400
    assert ask(f"{public_url}/gradio_api/heartbeat/{'x' * 65}").status == 404


# ---- 7: uploads


def test_gradios_own_upload_is_gone(public_url: str, temporary: Path) -> None:
    before = sorted(temporary.rglob("*"))
    body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.txt"\r\n\r\nx\r\n--b--\r\n'
    for path in ("/gradio_api/upload", "/gradio_api/upload/", "/gradio_api/process_recording"):
        answer = ask(public_url + path, body, {"Content-Type": "multipart/form-data; boundary=b"})
        assert answer.status == 404
        assert b"/" not in answer.body
    assert sorted(temporary.rglob("*")) == before


def test_half_sent_uploads_do_not_block_others(public_url: str) -> None:
    """Eight connections of one visitor, each with half a file: another address can upload at once, this one after ten seconds."""
    lines = [connect(public_url) for _ in range(8)]
    try:
        for line in lines:
            line.sendall(
                b"POST /neoxjp/file HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Length: 1000\r\n\r\nhalf"
            )
        time.sleep(0.5)
        with connect(public_url, source="127.0.0.9") as other:
            other.sendall(
                b"POST /neoxjp/file HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Length: 1\r\nConnection: close\r\n\r\nx"
            )
            assert other.recv(100).startswith(b"HTTP/1.1 200")
        lines[0].settimeout(20)
        assert lines[0].recv(100).startswith(b"HTTP/1.1 408")
    finally:
        for line in lines:
            line.close()


# ---- 8: the Host header


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "[::2]", ""]
)
@pytest.mark.parametrize("path", ["/", "/config", "/theme.css", "/gradio_api/info", "/neoxjp/file"])
def test_a_page_of_this_machine_does_not_answer_for_another_name(public_url: str, path: str, host: str) -> None:
    with connect(public_url) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert re.match(rb"HTTP/1.1 4(21|00)", line.recv(1000))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:7860", "[::1]:7860", "localhost."])
def test_it_answers_for_the_names_of_this_machine(public_url: str, host: str) -> None:
    assert ask(f"{public_url}/config", headers={"Host": host}).status == 200


# ---- 9: small


def test_the_developers_routes_are_gone(public_url: str) -> None:
    for path in (
        "dev/reload",
        "profiling/summary",
        "token",
        "user",
        "login_check",
        "queue/status",
        "vibe-code",
        "runs",
        "run-history/buckets",
    ):
        assert ask(f"{public_url}/gradio_api/{path}").status == 404
    for path in (
        "/monitoring",
        "/monitoring/summary",
        "/pwa_icon/100000",
        "/login",
        "/logout",
        "/svelte/x.js",
        "/docs",
        "/openapi.json",
    ):
        assert ask(public_url + path).status == 404


def test_a_message_repeats_little_of_what_was_sent(post: Post) -> None:
    long = "長" * 200_001
    for path, body in (
        ("run/tokenize", {"data": long}),
        ("run/tokenize", {"data": [long], "fn_index": long}),
        ("call/tokenize", {"data": {"a": long}}),
        ("queue/join", {"data": [], "fn_index": [long], "session_hash": "s"}),
        ("cancel", {"session_hash": "s"}),
    ):
        answer = post(f"/gradio_api/{path}", body)
        assert answer.status == 422
        assert len(answer.body) < 1000
        assert answer.json["detail"]


def test_a_path_cannot_be_smuggled_past_the_table(public_url: str) -> None:
    place = urlsplit(public_url)
    for path in (
        "/assets/../gradio_api/deep_link",
        "/assets/%2e%2e/config",
        "//gradio_api/upload",
        "/gradio_api//upload",
        "/gradio_api/upload%00",
        "/static/..%2f..%2fetc/passwd",
        "/gradio_api/run/../upload",
        "/gradio_api/call/%2e%2e/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://x.hf.space",
        "/GRADIO_API/UPLOAD",
        "/gradio_api/\uff55pload",
    ):
        with connect(public_url) as line:
            line.sendall(f"GET {quote(path, safe='/%=:')} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n\r\n".encode())
            assert line.recv(1000).startswith(b"HTTP/1.1 404"), path


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "POST"])
def test_other_methods_are_not_found(public_url: str, method: str) -> None:
    assert ask(f"{public_url}/config", method=method).status == 404


def test_refusals_are_in_the_visitors_language(public_url: str) -> None:
    body = json.dumps({"data": [named("/etc/passwd")]}).encode()
    answer = ask(f"{public_url}/gradio_api/run/tokenize", body, {"Accept-Language": "ja"})
    assert answer.json["detail"] == "ここではファイルを指定できません。"
