"""Uploads: which files are accepted, how many are stored, when one is deleted, and that nothing is left on the disk."""

import io
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from neoxjp.errors import ParameterError, QueueFull
from neoxjp.page_parts.files.uploads import EACH, PATH, Queue, Uploads, routes
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.visitors import Visitors

BYTES = {"Content-Type": "application/octet-stream"}


def client(store: Uploads) -> TestClient:
    return TestClient(Starlette(routes=routes(store)))


def send(store: Uploads, data: bytes = b"x") -> str:
    answer = client(store).post(PATH, content=data, headers=BYTES)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["file"])


def test_a_file_is_complete_and_has_no_name_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = Uploads()
    key = send(store, b"abc" * 100_000)
    assert list(tmp_path.iterdir()) == []
    with store.use(key) as file:
        file.seek(0)
        assert file.read() == b"abc" * 100_000
    assert len(store) == 1
    with store.use(key, delete=True) as file:
        pass
    assert file.closed
    assert len(store) == 0
    with pytest.raises(ParameterError, match="send it again"):
        store.use(key).__enter__()


def test_a_file_beyond_the_limit_is_refused_whether_or_not_it_is_announced() -> None:
    store = Uploads(max_bytes=1_000_000)
    with_length = client(store).post(PATH, content=b"x" * 1_000_001, headers=BYTES)
    without_length = client(store).post(PATH, content=iter([b"x" * 600_000] * 2), headers=BYTES)
    for answer in (with_length, without_length):
        assert answer.status_code == 413
        assert answer.json() == {"error": "the file is larger than 1 MB", "ja": "ファイルが 1 MB を超えています。"}
    assert len(store) == 0


def test_a_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    store = Uploads()
    answer = client(store).post(PATH, content=b"x", headers=BYTES)
    assert (answer.status_code, answer.json()["error"]) == (507, "the disk is full")
    assert len(store) == 0


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_what_a_form_of_another_site_could_send_is_refused(kind: str) -> None:
    store = Uploads()
    assert client(store).post(PATH, content=b"x", headers={"Content-Type": kind}).status_code == 415
    assert len(store) == 0


def test_the_file_unused_for_longest_makes_room_and_one_in_use_never_does() -> None:
    store = Uploads(files=2)
    first, second = send(store), send(store)
    with store.use(first):
        third = send(store)
        assert len(store) == 2
        with pytest.raises(ParameterError), store.use(second):
            pass
        with store.use(third):
            answer = client(store).post(PATH, content=b"x", headers=BYTES)
            assert answer.status_code == 429
            assert answer.headers["Retry-After"] == "60"
            assert "try again" in answer.json()["error"]
            with pytest.raises(QueueFull):
                store.open()
    assert len(store) == 2


def test_an_address_makes_room_itself_unless_another_one_has_more_files() -> None:
    store = Uploads(files=3)

    def keep(address: str) -> str:
        key, _ = store.open(address)
        store.complete(key)
        return key

    anna, first, second = keep("anna"), keep("greedy"), keep("greedy")
    third = keep("greedy")
    assert set(store._files) == {anna, second, third}
    ben = keep("ben")
    assert set(store._files) == {anna, third, ben}
    with store.use(third), pytest.raises(QueueFull):
        store.open("greedy")
    assert first not in store._files


def test_a_visitor_may_send_so_many_bytes_in_a_minute() -> None:
    class Page(Starlette):
        def get_blocks(self) -> SimpleNamespace:
            return SimpleNamespace(visitors=visitors)

    visitors, store = Visitors(Caps(file_bytes_each=1_000)), Uploads()
    page = Page(routes=routes(store))
    one, other = (TestClient(page, client=(f"192.0.2.{n}", 1)) for n in (1, 2))
    assert one.post(PATH, content=b"x" * 600, headers=BYTES).status_code == 200
    assert one.post(PATH, content=b"x" * 600, headers=BYTES).status_code == 200
    answer = one.post(PATH, content=b"x", headers=BYTES)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "1,000 bytes of files a minute" in answer.json()["error"]
    assert "秒後" in answer.json()["ja"]
    assert other.post(PATH, content=b"x", headers=BYTES).status_code == 200


def test_a_file_that_is_being_inspected_is_waited_for() -> None:
    store = Uploads()
    key = send(store)
    inspected, ended = threading.Event(), []

    def inspect() -> None:
        with store.use(key):
            inspected.set()
            time.sleep(0.3)
            ended.append(True)

    thread = threading.Thread(target=inspect)
    thread.start()
    assert inspected.wait(10)
    with pytest.raises(ParameterError), store.use(key):
        pass
    with store.use(key, wait=10):
        assert ended
    thread.join()


def test_a_file_can_be_deleted_by_its_visitor() -> None:
    store = Uploads()
    key = send(store)
    assert client(store).delete(PATH, params={"file": key}).status_code == 204
    assert client(store).delete(PATH, params={"file": "nobody's"}).status_code == 204
    assert len(store) == 0


def test_an_unused_file_is_deleted_after_a_time() -> None:
    store = Uploads(seconds=0.2)
    send(store)
    for _ in range(100):
        if not len(store):
            break
        time.sleep(0.05)
    assert len(store) == 0


def test_one_counts_at_a_time_in_the_order_of_arrival() -> None:
    queue = Queue()
    assert [queue.position(name) for name in "abc"] == [0, 1, 2]
    queue.leave("a")
    assert [queue.position(name) for name in "bc"] == [0, 1]
    queue.leave("nobody")


def test_an_address_has_few_entries_in_the_queue() -> None:
    queue = Queue()
    for number in range(EACH):
        queue.position(number, "greedy")
    with pytest.raises(QueueFull, match="4 files or lists of this address"):
        queue.position("one more", "greedy")
    assert queue.position(1, "greedy") == 1
    assert queue.position("anna", "anna") == 1


def test_addresses_take_turns_in_the_queue_and_whoever_counts_goes_on() -> None:
    queue = Queue()
    assert [queue.position(n, "greedy") for n in range(4)] == [0, 1, 2, 3]
    assert [queue.position(name, name) for name in ("anna", "ben")] == [1, 2]
    assert queue.position(0, "greedy") == 0
    ended = []
    waiting: dict[Any, str] = {0: "greedy", 1: "greedy", 2: "greedy", 3: "greedy", "anna": "anna", "ben": "ben"}
    while waiting:
        first = next(who for who, address in waiting.items() if queue.position(who, address) == 0)
        ended.append(first)
        queue.leave(first)
        del waiting[first]
    assert ended == [0, "anna", "ben", 1, 2, 3]


def test_a_visitor_who_vanished_does_not_block_the_queue() -> None:
    now = 0.0
    queue = Queue(seconds=60, clock=lambda: now)
    queue.position("gone")
    assert queue.position("here") == 1
    now = 59.0
    assert queue.position("here") == 1
    now = 61.0
    assert queue.position("here") == 0


def test_many_at_once_get_one_position_each() -> None:
    queue, places = Queue(), []
    threads = [threading.Thread(target=lambda n=n: places.append(queue.position(n, str(n)))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(places) == list(range(20))
