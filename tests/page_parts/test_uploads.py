"""The door for files: what it takes, how much it keeps, when a file goes, and that nothing is left on the disk."""

import io
import tempfile
import threading
import time
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from neoxjp.errors import ParameterError, QueueFull
from neoxjp.page_parts.uploads import PATH, Door, Line, routes

BYTES = {"Content-Type": "application/octet-stream"}


def client(door: Door) -> TestClient:
    return TestClient(Starlette(routes=routes(door)))


def send(door: Door, data: bytes = b"x") -> str:
    answer = client(door).post(PATH, content=data, headers=BYTES)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["file"])


def test_a_file_comes_whole_and_has_no_name_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    door = Door()
    key = send(door, b"abc" * 100_000)
    assert list(tmp_path.iterdir()) == []
    with door.using(key) as file:
        file.seek(0)
        assert file.read() == b"abc" * 100_000
    assert len(door) == 1
    with door.using(key, drop=True) as file:
        pass
    assert file.closed
    assert len(door) == 0
    with pytest.raises(ParameterError, match="send it again"):
        door.using(key).__enter__()


def test_a_file_beyond_the_limit_is_refused_whether_or_not_it_is_announced() -> None:
    door = Door(largest=1_000_000)
    told = client(door).post(PATH, content=b"x" * 1_000_001, headers=BYTES)
    untold = client(door).post(PATH, content=iter([b"x" * 600_000] * 2), headers=BYTES)
    for answer in (told, untold):
        assert answer.status_code == 413
        assert answer.json() == {"error": "the file is larger than 1 MB", "ja": "ファイルが 1 MB を超えています。"}
    assert len(door) == 0


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    door = Door()
    answer = client(door).post(PATH, content=b"x", headers=BYTES)
    assert (answer.status_code, answer.json()["error"]) == (507, "there is no room for the file")
    assert len(door) == 0


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_what_a_form_of_another_site_could_send_is_refused(kind: str) -> None:
    door = Door()
    assert client(door).post(PATH, content=b"x", headers={"Content-Type": kind}).status_code == 415
    assert len(door) == 0


def test_the_longest_idle_file_makes_room_and_one_in_use_never_does() -> None:
    door = Door(files=2)
    first, second = send(door), send(door)
    with door.using(first):
        third = send(door)
        assert len(door) == 2
        with pytest.raises(ParameterError), door.using(second):
            pass
        with door.using(third):
            answer = client(door).post(PATH, content=b"x", headers=BYTES)
            assert answer.status_code == 503
            assert "try again" in answer.json()["error"]
            with pytest.raises(QueueFull):
                door.open()
    assert len(door) == 2


def test_a_visitor_who_leaves_takes_the_file_along() -> None:
    door = Door()
    key = send(door)
    assert client(door).delete(PATH, params={"file": key}).status_code == 204
    assert client(door).delete(PATH, params={"file": "nobody's"}).status_code == 204
    assert len(door) == 0


def test_a_file_that_nobody_asks_for_goes_by_itself() -> None:
    door = Door(seconds=0.2)
    send(door)
    for _ in range(100):
        if not len(door):
            break
        time.sleep(0.05)
    assert len(door) == 0


def test_one_counts_at_a_time_in_the_order_of_arrival() -> None:
    line = Line()
    assert [line.place(name) for name in "abc"] == [0, 1, 2]
    line.leave("a")
    assert [line.place(name) for name in "bc"] == [0, 1]
    line.leave("nobody")


def test_one_who_vanished_does_not_hold_up_the_line() -> None:
    now = 0.0
    line = Line(seconds=60, clock=lambda: now)
    line.place("gone")
    assert line.place("here") == 1
    now = 59.0
    assert line.place("here") == 1
    now = 61.0
    assert line.place("here") == 0


def test_many_at_once_get_one_place_each() -> None:
    line, places = Line(), []
    threads = [threading.Thread(target=lambda n=n: places.append(line.place(n))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(places) == list(range(20))
