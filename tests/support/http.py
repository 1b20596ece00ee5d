"""Requests to a running server as they go over the wire, and waiting for what they bring about."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What came back, whatever its status is."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """The error object of the completions protocol. Its message is a sentence."""
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        assert 5 < len(error["message"]) <= 1_001
        return error

    @property
    def events(self) -> list[Any]:
        """The records of a stream. Its last event is [DONE]."""
        lines = [line.removeprefix("data: ") for line in self.body.decode().split("\n\n") if line]
        assert lines.pop() == "[DONE]"
        return [json.loads(line) for line in lines]


def ask(url: str, body: Any = None, headers: dict[str, str] | None = None, method: str | None = None) -> Answer:
    """One request; with a body (an object, or bytes) a POST, of JSON where `headers` do not say something else."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} | (headers or {}), method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def wait_until(fact: Callable[[], bool], seconds: float = 60) -> None:
    """Return when it is so. Fails after a time that only a fault takes."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
