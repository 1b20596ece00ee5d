"""What a call that goes wrong is answered: one short sentence, never `null`, and no traceback on the server for a mistake."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import Answer, ask
from tests.support.page import serve, wait_for_model

LONG = "長" * 200_001


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "page.log"


@pytest.fixture(scope="module")
def url(tiny_folder: Path, log_file: Path) -> Iterator[str]:
    """A public page whose log is read."""
    with serve(tiny_folder, "--public", log_file=log_file) as url:
        wait_for_model(url)
        yield url


def run(url: str, name: str, **body: Any) -> Answer:
    return ask(f"{url}/gradio_api/run/{name}", json.dumps(body, ensure_ascii=False).encode())


def call(url: str, name: str, *data: Any, **names: Any) -> list[tuple[str, Any]]:
    """The events of a raw call: `call(url, "tokenize", "猫")` by position, `call(url, "tokenize", text="猫")` by name."""
    path, body = (f"v2/{name}", names) if names else (name, {"data": data})
    answer = ask(f"{url}/gradio_api/call/{path}", body)
    assert answer.status == 200, answer
    lines = ask(f"{url}/gradio_api/call/{path}/{answer.json['event_id']}").body.decode().splitlines()
    return [(kind[7:], json.loads(data[6:])) for kind, data in zip(lines[::3], lines[1::3], strict=True)]


def test_a_raw_call_may_leave_out_what_has_a_default(url: str) -> None:
    for events in (call(url, "generate", "猫", 0.0, 1.0, 2), call(url, "generate", prompt="猫", max_new_tokens=2)):
        kind, (record,) = events[-1]
        assert kind == "complete"
        assert record["text"].startswith("猫")


def test_a_raw_call_without_a_value_that_has_no_default_is_told_which(url: str) -> None:
    for kind, found in (call(url, "generate")[-1], call(url, "tokenize")[-1]):
        assert kind == "error"
        assert "needs a value for" in found["error"]


def test_the_smallest_number_above_0_is_an_accepted_penalty(url: str) -> None:
    kind, (record,) = call(url, "generate", prompt="猫", repetition_penalty=5e-324, max_new_tokens=3)[-1]
    assert (kind, record["stats"]["tokens"] > 0) == ("complete", True)


def failures(url: str, function: int, data: Any) -> list[bytes]:
    """The answer of a function in the queue, where it failed without a sentence or with a long one."""
    body = {"fn_index": function, "data": data, "session_hash": f"bad{function}"}
    assert ask(f"{url}/gradio_api/queue/join", json.dumps(body, ensure_ascii=False).encode()).status == 200
    lines = ask(f"{url}/gradio_api/queue/data?session_hash=bad{function}").body.splitlines()
    messages = [json.loads(line[5:]) for line in lines if line.startswith(b"data:")]
    ended = next(message for message in messages if message["msg"] == "process_completed")
    fine = ended["success"] or (ended["output"]["error"] and len(lines[-1]) < 3000)
    return [] if fine else [str(ended["output"]).encode()[:200]]


BAD: list[Any] = [None, LONG, {"a": LONG}, [["x"]], 1e308, -1, True]


def test_no_function_answers_null_or_repeats_much_whatever_it_is_called_with(url: str, log_file: Path) -> None:
    functions = ask(f"{url}/config").json["dependencies"]
    assert len(functions) > 100
    wrong = []
    for function in functions:
        number, several = function["id"], len(function["inputs"])
        for data in ([], *([value] * several for value in BAD if several < 6 or value not in (LONG, {"a": LONG}))):
            answer = run(url, "any", fn_index=number, data=data, session_hash="bad")
            if answer.status != 200 and (not answer.json["error"] or len(answer.body) > 3000):
                wrong.append((number, function["api_name"], answer.status, answer.body[:200]))
            if function["queue"]:
                assert answer.status == 500, "it ran outside the queue"
                wrong += [(number, function["api_name"], 200, error) for error in failures(url, number, data)]
    assert wrong == []
    assert "Traceback" not in log_file.read_text(encoding="utf-8")
    assert LONG[:50] not in log_file.read_text(encoding="utf-8")


def test_a_text_beyond_the_limit_of_a_body_gets_an_answer_although_it_was_sent_at_once(url: str) -> None:
    answer = run(url, "tokenize", data=["長" * 3_000_000])
    assert (answer.status, answer.json["error"]) == (413, "the request is larger than 4 MB")


def test_a_function_that_is_not_there_is_not_found(url: str, log_file: Path) -> None:
    for path, body in (
        ("run/nothing", {"data": []}),
        ("call/nothing", {"data": []}),
        ("call/v2/nothing", {}),
        ("call/v2/tokenize", {"no_such_parameter": 1}),
        ("run/tokenize", {"data": [], "fn_index": 99_999}),
        ("queue/join", {"data": [], "fn_index": -1, "session_hash": "s"}),
    ):
        answer = ask(f"{url}/gradio_api/{path}", body, {"Accept-Language": "ja"})
        assert answer.status == 404
        assert answer.json["detail"] == "その名前・番号・引数の関数はありません。"
    assert "Traceback" not in log_file.read_text(encoding="utf-8")
