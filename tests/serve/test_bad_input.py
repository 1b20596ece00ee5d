"""Bad input in masses: each wrong request gets one error object that names what is wrong, and the server goes on."""

import json
import socket
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.http import Answer, ask

WRONG: list[tuple[str, Any, str]] = [
    ("prompt", None, "must be a text"),
    ("prompt", 3, "must be a text"),
    ("prompt", {}, "must be a text"),
    ("prompt", True, "must be a text"),
    ("prompt", [], "is an empty list"),
    ("prompt", [1, "猫"], "not a whole number"),
    ("prompt", ["猫", 1], "mixes"),
    ("prompt", [[1], "猫"], "mixes"),
    ("prompt", [[1], [1.5]], "not a whole number"),
    ("prompt", [[[1]]], "not a whole number"),
    ("prompt", [True], "mixes"),
    ("prompt", [None], "mixes"),
    ("prompt", [8000], "outside 0 to 7999"),
    ("prompt", [-1], "outside 0 to 7999"),
    ("prompt", [10**30], "outside 0 to 7999"),
    ("prompt", [[1], [8000]], "outside 0 to 7999"),
    ("prompt", "a\ud800", "half of a surrogate pair"),
    ("prompt", ["a", "\udfff"], "half of a surrogate pair"),
    ("prompt", [1] * 600, "600 tokens"),
    ("prompt", "猫" * 50_000, "but the context is 512"),
    ("prompt", "猫" * 100_000 * 3, "this server reads up to"),
    ("n", 10**9, "less than or equal to 128"),
    ("n", 0, "greater than or equal to 1"),
    ("n", -1, "greater than or equal to 1"),
    ("n", 1.5, "valid integer"),
    ("n", "1", "valid integer"),
    ("n", True, "valid integer"),
    ("max_tokens", -1, "greater than or equal to 0"),
    ("max_tokens", 10**30, "less than or equal to"),
    ("max_tokens", 600, "but the context is 512"),
    ("max_tokens", "x", "valid integer"),
    ("max_tokens", [], "valid integer"),
    ("temperature", -0.1, "must be a number from 0"),
    ("temperature", float("nan"), "must be a number from 0"),
    ("temperature", float("inf"), "must be a number from 0"),
    ("temperature", 10**400, "the body is not JSON"),
    ("temperature", "0.5", "must be a number from 0"),
    ("temperature", True, "must be a number from 0"),
    ("temperature", [], "must be a number from 0"),
    ("top_p", 1.1, "must be a number from 0 to 1"),
    ("top_k", -2, "must be a whole number"),
    ("top_k", 0.5, "must be a whole number"),
    ("min_p", 2, "must be a number from 0"),
    ("typical_p", 0, "must be a number above 0"),
    ("repetition_penalty", 0, "must be a number above 0"),
    ("no_repeat_ngram_size", -1, "must be a whole number"),
    ("min_tokens", -1, "must be a whole number"),
    ("seed", -2, "must be a whole number"),
    ("seed", 2**63, "must be a whole number"),
    ("seed", "a", "must be a whole number"),
    ("stop", "", "at least one character"),
    ("stop", ["a", ""], "at least one character"),
    ("stop", 3, "at least one character"),
    ("stop", ["a"] * 33, "may have 32 strings"),
    ("stop", "a" * 129, "may have 32 strings"),
    ("stop", ["\ud800"], "half of a surrogate pair"),
    ("stop", {"a": 1}, "must be"),
    ("logprobs", 21, "less than or equal to 20"),
    ("logprobs", -1, "greater than or equal to 0"),
    ("logprobs", True, "valid integer"),
    ("prompt_logprobs", 10**9, "less than or equal to 20"),
    ("echo", "yes", "valid boolean"),
    ("stream", 1, "valid boolean"),
    ("stream_options", {"include_usage": True}, "needs stream"),
    ("stream_options", 3, "valid dictionary"),
    ("model", 3, "valid string"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG, ids=[f"{n}-{str(v)[:20]!r}" for n, v, _ in WRONG])
def test_a_wrong_field_is_named(complete: Callable[..., Answer], name: str, value: Any, message: str) -> None:
    answer = complete(**{"prompt": "猫", "max_tokens": 1} | {name: value})
    assert answer.status == 400
    assert message in answer.error["message"], answer.error
    assert answer.error["type"] == "invalid_request_error"
    if "not JSON" not in message:
        assert answer.error["param"] in (name, "prompt")


def test_every_wrong_field_is_named_at_once(complete: Callable[..., Answer]) -> None:
    error = complete(temperature=-1, top_p=2, n=0, stop="", echo="x").error
    for name in ("prompt: field required", "temperature:", "top_p:", "n:", "stop:", "echo:"):
        assert name in error["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"{", 400), (b"[]", 400), (b'"a"', 400), (b"null", 400), (b"\xff\xfe", 400), (b'{"prompt": NaN}', 400),
        (b'{"prompt": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", 400), (b'{"prompt": [' + b"[]," * 20_000 + b"[]]}", 413),
        (b'{"prompt": [' + b"1," * 300_000 + b"1]}", 413), (b'{"prompt": "' + b"a" * 4_100_000 + b'"}', 413),
        (b'{"prompt": ' + b"9" * 5_000 + b"}", 400), (b"a=b", 400), ("{}".encode("utf-16"), 400),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/completions", "/tokenize", "/detokenize"])
def test_a_body_that_is_no_request_gets_an_error_object(server: SimpleNamespace, path: str, body: bytes, status: int) -> None:
    answer = ask(server.url + path, body)
    assert answer.status == status
    assert answer.error["type"] == "invalid_request_error"


def test_a_body_that_is_not_sent_as_json_is_refused(server: SimpleNamespace) -> None:
    """A page of another site can send such a body without asking."""
    body = json.dumps({"prompt": "猫"}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = ask(f"{server.url}/v1/completions", body, {"Content-Type": kind})
        assert answer.status == 400
        assert "application/json" in answer.error["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/v1"), ("GET", "/v1/completions"), ("POST", "/v1/embeddings"), ("DELETE", "/v1/models"),
        ("GET", "/v1/models/../../etc/passwd"), ("GET", "/docs"), ("POST", "/v1/completions/x"), ("GET", "/gradio_api/info"),
        ("POST", "//v1/completions"), ("PUT", "/tokenize"), ("GET", "/%2e%2e/"),
    ],
)  # fmt: skip
def test_other_routes_are_not_there(server: SimpleNamespace, method: str, path: str) -> None:
    answer = ask(server.url + path, None if method == "GET" else b"{}", method=method)
    assert answer.status == 404
    assert answer.error["type"] == "not_found_error"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted({name for name, _, _ in WRONG} | {"suffix", "user", "logit_bias", "return_token_ids", "ignore_eos"})


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fields=st.dictionaries(st.sampled_from(NAMES), values, max_size=5))
def test_any_values_get_an_answer_or_an_error_object(complete: Callable[..., Answer], fields: dict[str, Any]) -> None:
    answer = complete(**{"prompt": "猫", "max_tokens": 1} | fields)
    if answer.status == 200:
        assert answer.body
    else:
        assert answer.status in (400, 404, 413)
        assert answer.error["param"] or "JSON" in answer.error["message"] or "nested" in answer.error["message"]


def test_what_is_no_http_ends_its_connection_only(server: SimpleNamespace, complete: Callable[..., Answer]) -> None:
    place = urlsplit(server.url)
    for data in (
        b"\x00" * 100,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000,
        b"POST /v1/completions HTTP/1.1\r\nHost: a\r\n\r\n",
    ):
        with socket.create_connection((place.hostname, place.port), 20) as raw:
            raw.sendall(data)
            found = raw.recv(100)
            assert not found or found.startswith(b"HTTP/1.1 4")
    assert complete(prompt="猫", max_tokens=1).status == 200


def test_messages_repeat_little_of_what_was_sent(complete: Callable[..., Answer]) -> None:
    for fields in ({"model": "x" * 100_000}, {"temperature": "x" * 100_000}, {"prompt": "猫", "seed": "猫" * 100_000}):
        answer = complete(**{"prompt": "猫"} | fields)
        assert answer.status in (400, 404)
        assert len(answer.body) < 2_000
