"""What a stranger sent to a running page in November 2026 that hurt others, as the same requests, and what becomes of it now."""

import json
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import bcrypt
import httpx
import pytest

from neoxjp.labs.branches.files import FORMAT, VERSION
from neoxjp.labs.common.fingerprints import vocabulary_fingerprint
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.gateway.conftest import connect
from tests.support.http import Answer, ask
from tests.support.page import serve, wait_for_model

Post = Callable[..., Answer]
EVIL = {"Origin": "https://evil.example"}
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "log.txt"


@pytest.fixture(scope="module")
def url(tiny_folder: Path, log_file: Path) -> Iterator[str]:
    """A public page whose log is read, also under a name that is not this machine's."""
    with serve(tiny_folder, "--public", "--allowed-host", "demo.example.org", log_file=log_file) as url:
        wait_for_model(url)
        yield url


@pytest.fixture(scope="module")
def locked_url(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page that asks for a name and a password: anna's is ねこ. Checking one takes about 0.1 s."""
    file = tmp_path_factory.mktemp("users") / "users.htpasswd"
    file.write_text(f"anna:{bcrypt.hashpw('ねこ'.encode(), bcrypt.gensalt(10)).decode()}\n", encoding="utf-8")
    with serve(tiny_folder, "--public", "--auth-file", str(file), "--allowed-host", "demo.example.org") as url:
        yield url


def visitor(url: str, address: str) -> httpx.Client:
    """A visitor who connects from an address of this machine's network."""
    return httpx.Client(base_url=url, timeout=60, transport=httpx.HTTPTransport(local_address=address))


# ---- long bodies and queries, which were read while all others waited


@pytest.mark.parametrize("value", ["[]", "{}", '{"":0}', "1", "null", '""', '"\\\\"'])
@pytest.mark.parametrize("path", ["run/tokenize", "queue/join", "call/score"])
def test_millions_of_values_are_refused_before_they_are_parsed(url: str, path: str, value: str) -> None:
    values = ",".join([value] * (3_900_000 // (len(value) + 1)))
    body = f'{{"data":[[{values}]],"fn_index":0,"session_hash":"many"}}'
    answer = ask(f"{url}/gradio_api/{path}", body.encode())
    assert answer.status == 413
    assert "250,000 values" in answer.json["error"]


def test_no_trick_with_quotes_hides_values_from_the_count(url: str) -> None:
    many = ",".join(["[]"] * 20_000)
    for body in (f'["\\\\",{many},"\\\\"]', f'["\\\\\\"",{many},"\\""]', f'["\\u0022",{many},""]'):
        assert ask(f"{url}/gradio_api/run/tokenize", f'{{"data":{body}}}'.encode()).status == 413
    hidden = f'{{"data":["\\"",{many},"\\""]}}'.encode("utf-16")
    assert ask(f"{url}/gradio_api/run/tokenize", hidden).status == 400


def test_a_long_text_of_commas_and_brackets_is_a_single_value(url: str) -> None:
    for text in (',[{"\\' * 200, ",[{" * 5_000):
        body = json.dumps({"data": [text]}).encode()
        assert ask(f"{url}/gradio_api/run/tokenize", body).status == 200
    body = json.dumps({"data": [',[{"\\' * 150_000]}).encode()
    assert "characters; the limit is" in ask(f"{url}/gradio_api/run/tokenize", body).json["error"]


def test_as_many_ids_as_a_text_may_have_characters_are_accepted(url: str) -> None:
    most = ask(f"{url}/gradio_api/run/model_info", b'{"data": []}').json["data"][0]["limits"]["characters"]
    answer = ask(f"{url}/gradio_api/run/detokenize", {"data": [[1] * most]})
    assert answer.status == 200, answer.body[:200]


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/queue/data"])
def test_a_query_is_as_long_as_a_link_at_most(url: str, path: str) -> None:
    answer = ask(f"{url}{path}?gen={'%E3%81%82' * 6_900}")
    assert (answer.status, answer.json["error"]) == (414, "the query is longer than 8,000 bytes")
    assert ask(f"{url}/?gen={'1' * 4_096}").status == 200


# ---- what a page keeps


def test_texts_in_a_file_of_branches_are_as_bounded_as_typed_ones(url: str, tiny_folder: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_folder)
    config = ask(f"{url}/config").json
    parts = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
    functions = {tuple(target): one for one in config["dependencies"] for target in one["targets"]}

    def send(part: str, event: str, data: dict[str, object]) -> str:
        function = functions[parts[part], event]
        body = {"fn_index": function["id"], "data": [None] * len(function["inputs"]), "event_data": data}
        body |= {"session_hash": "branches"}
        assert ask(f"{url}/gradio_api/queue/join", json.dumps(body, ensure_ascii=False).encode()).status == 200
        return ask(f"{url}/gradio_api/queue/data?session_hash=branches").body.decode()

    def file(texts: int, typed: str, stop: str = "") -> dict[str, object]:
        params = asdict(SamplingParams(stop=[stop])) if stop else None
        node = {"parent": None, "shared_ids": 0, "ids": [5], "author": "user", "name": "", "seed": None, "params": params}
        nodes = [node | {"key": key, "typed": typed} for key in range(texts)]
        head = {"format": FORMAT, "version": VERSION, "vocabulary": vocabulary_fingerprint(tokenizer)}
        return {"text": json.dumps(head | {"current": 0, "next_key": texts, "nodes": nodes}, ensure_ascii=False)}

    most = ask(f"{url}/gradio_api/run/model_info", b'{"data": []}').json["data"][0]["limits"]["characters"]
    send("generate-text", "sync", {})
    began = time.monotonic()
    assert "the limit is" in send("branches-file-part", "select", file(1, "a" * (most + 1)))
    assert "too long texts" in send("branches-file-part", "select", file(3, "\U0001f600" + "a" * 950_000))
    for _ in range(3):  # each of them alone has room
        answer = send("branches-file-part", "select", file(9, "\U0001f600" + "a" * 20_000))
    assert "delete some" in answer
    assert time.monotonic() - began < 20
    assert "Added 1 branches" in send("branches-file-part", "select", file(1, "猫", "。"))


# ---- answers


def test_an_error_that_repeats_a_lone_surrogate_is_a_sentence(url: str, log_file: Path) -> None:
    parameters = ["", "contains", "", "all", "all", "", "", "all", "id", False]
    for name, data in (
        ("vocabulary", [*parameters, "\ud800", 100]),
        ("vocabulary", [*parameters, 0, "a\udfff"]),
        ("vocabulary_entry", ["\ud800"]),
        ("vocabulary_diff", ["bundled", "only_here", "", "contains", "\udc00"]),
    ):
        answer = ask(f"{url}/gradio_api/run/{name}", {"data": data})
        assert "\ufffd" in answer.json["error"]
    function = next(one["id"] for one in ask(f"{url}/config").json["dependencies"] if one["api_name"] == "vocabulary_diff")
    body = {"data": ["bundled", "only_here", "", "contains", "\udc00"], "fn_index": function, "session_hash": "surrogate"}
    assert ask(f"{url}/gradio_api/queue/join", body).status == 200
    stream = ask(f"{url}/gradio_api/queue/data?session_hash=surrogate").body.decode()
    assert "must be an integer" in stream
    assert "unexpected_error" not in stream
    assert "Traceback" not in log_file.read_text(encoding="utf-8")


def test_a_mistake_leaves_no_traceback_in_the_log(url: str, log_file: Path) -> None:
    assert "404" in ask(f"{url}/gradio_api/call/generate/nothing").body.decode()
    assert "404" in ask(f"{url}/gradio_api/queue/data?session_hash=nobody").body.decode()
    functions = {one["id"]: one for one in ask(f"{url}/config").json["dependencies"]}
    for place in range(10):
        for wrong in ([], {}, [1], None):
            filters = ["", "contains", "", "all", "all", "", "", "all", "id", False]
            filters[place] = wrong  # type: ignore[call-overload]
            answer = ask(f"{url}/gradio_api/run/vocabulary", {"data": filters})
            assert "fault of the server" not in str(answer.json)
    for number, function in functions.items():
        if function["collects_event_data"] or function["inputs"] == []:
            for event_data in (None, {}, [], {"row": None, "word": 1}):
                body = {"fn_index": number, "data": [None] * len(function["inputs"]), "event_data": event_data}
                ask(f"{url}/gradio_api/run/any", body | {"session_hash": "event"})
    states = {one["id"] for one in ask(f"{url}/config").json["components"] if one["type"] == "state"}
    for number, function in functions.items():  # those that get what the server keeps, before it keeps anything
        if states & set(function["inputs"]):
            body = {"fn_index": number, "data": [None] * len(function["inputs"]), "session_hash": "empty"}
            ask(f"{url}/gradio_api/run/any", body)
    assert "Traceback" not in log_file.read_text(encoding="utf-8")
    assert re.findall(r"^\w+Error at .*", log_file.read_text(encoding="utf-8"), re.M) == []


def test_whole_numbers_with_thousands_of_digits_are_refused(url: str) -> None:
    body = f'{{"data": [{",".join(["9" * 4_000] * 900)}]}}'
    assert ask(f"{url}/gradio_api/run/tokenize", body.encode()).status == 400
    assert ask(f"{url}/gradio_api/run/tokenize", f'{{"data": ["{"9" * 4_000}"]}}'.encode()).status == 200


def test_what_has_a_queue_runs_in_it_only(url: str) -> None:
    for path in ("run/beams", "api/beams", "run/score", "run/generate"):
        answer = ask(f"{url}/gradio_api/{path}", {"data": ["猫"]})
        assert answer.json["error"] == "this function runs in the queue only: POST to /gradio_api/call/NAME"
    event = ask(f"{url}/gradio_api/call/score", {"data": ["猫"]}).json["event_id"]
    assert b"event: complete" in ask(f"{url}/gradio_api/call/score/{event}").body


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Gradio-Server"])
def test_no_cache_gives_one_visitors_page_to_another(url: str, header: str) -> None:
    for path in ("/", "/config", "/gradio_api/info"):
        assert ask(url + path, headers={header: "http://evil.example"}).headers["cache-control"] == "private, no-cache"
    assert "cache-control" not in ask(f"{url}/favicon.ico").headers


# ---- files


def test_many_small_files_do_not_push_out_the_file_of_another_visitor(url: str) -> None:
    with visitor(url, "127.0.0.2") as victim, visitor(url, "127.0.0.3") as attacker:
        key = victim.post("/neoxjp/file", content="猫\n".encode(), headers=BYTES).json()["file"]
        for _ in range(20):
            assert attacker.post("/neoxjp/file", content=b"x", headers=BYTES).status_code == 200
        event = victim.post("/gradio_api/call/corpus", json={"data": ["", key, "a.txt"]}).json()["event_id"]
        assert "event: complete" in victim.get(f"/gradio_api/call/corpus/{event}").text


def test_a_page_of_another_site_can_neither_send_nor_delete_files(url: str) -> None:
    host = {"Host": "demo.example.org"}
    assert ask(f"{url}/neoxjp/file", b"x", BYTES | host | EVIL).status == 403
    assert ask(f"{url}/neoxjp/file?file=x", headers=host | EVIL, method="DELETE").status == 403
    for method in ("POST", "DELETE"):
        asked = host | EVIL | {"Access-Control-Request-Method": method}
        assert ask(f"{url}/neoxjp/file", headers=asked, method="OPTIONS").status == 403
    own = {"Origin": "https://demo.example.org"}
    assert ask(f"{url}/neoxjp/file", b"x", BYTES | host | own).status == 200
    behind_a_proxy = {"Origin": "https://demo.example.org", "Sec-Fetch-Site": "same-origin"}  # which sends its own Host header
    assert ask(f"{url}/neoxjp/file", b"x", BYTES | behind_a_proxy).status == 200


# ---- passwords


def test_a_page_of_another_site_cannot_use_a_visitors_login(locked_url: str) -> None:
    host = {"Host": "demo.example.org"}
    with httpx.Client(base_url=locked_url, timeout=60) as anna:
        signed_in = anna.post("/login", data={"username": "anna", "password": "ねこ"})
        cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in signed_in.cookies.items())}
    for more in (EVIL, EVIL | {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert ask(f"{locked_url}/config", headers=host | cookie | more).status == 401
        body = json.dumps({"data": ["猫"]}).encode()
        assert ask(f"{locked_url}/gradio_api/run/tokenize", body, host | cookie | more).status == 401
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert ask(f"{locked_url}/login", b"username=anna&password=x", form | host | more).status == 403
    for more in ({}, {"Origin": "http://demo.example.org"}, {"Origin": "https://x.example", "Sec-Fetch-Site": "same-origin"}):
        assert ask(f"{locked_url}/config", headers=host | cookie | more).status == 200


def test_an_image_on_another_site_signs_nobody_out(locked_url: str) -> None:
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert ask(f"{locked_url}/logout", headers=image).status == 403
    assert ask(f"{locked_url}/logout", headers={"Sec-Fetch-Site": "same-origin"}).status != 403


def test_passwords_are_tried_slowly_and_nobody_waits_for_it(locked_url: str) -> None:
    waited = []

    def guess() -> None:
        with visitor(locked_url, "127.0.0.4") as attacker:
            answers.extend(attacker.post("/login", data={"username": "anna", "password": "x"}) for _ in range(5))

    answers: list[httpx.Response] = []
    guessing = [threading.Thread(target=guess) for _ in range(6)]
    for thread in guessing:
        thread.start()
    while any(thread.is_alive() for thread in guessing):
        began = time.monotonic()
        urllib.request.urlopen(f"{locked_url}/healthz", timeout=60).close()
        waited.append(time.monotonic() - began)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [400] * 20 + [429] * 10
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert "too many attempts to sign in" in refused.json()["error"]
    assert sorted(waited)[len(waited) // 2] < 0.1
    with visitor(locked_url, "127.0.0.5") as anna:
        for _ in range(30):  # one address, as a classroom has
            assert anna.post("/login", data={"username": "anna", "password": "ねこ"}).status_code == 200


def test_a_login_cannot_be_kept_waiting_by_half_a_form(locked_url: str) -> None:
    head = (
        "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n\r\n"
    )
    with connect(locked_url) as socket:
        socket.sendall(head.encode())
        with visitor(locked_url, "127.0.0.6") as anna:
            assert anna.post("/login", data={"username": "anna", "password": "ねこ"}).status_code == 200
