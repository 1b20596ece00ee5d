"""What the options of `neoxjp serve --replicas` mean, what each replica gets, and what is refused before anything starts."""

import asyncio
import math
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from neoxjp.cli.main import main
from neoxjp.engine import ANYONE
from neoxjp.errors import ParameterError
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import Choice
from neoxjp.serve import Part, RayBackend, ReplicaSettings
from neoxjp.serve.errors import ReplicaLost
from neoxjp.serve.replicas.backend import ReplicaRun
from neoxjp.serve.replicas.replica import Replica, gathered
from neoxjp.serve.replicas.settings import Machine, Share, share_machines
from tests.support.loops import awaited

GIB = 2**30


@pytest.mark.parametrize(("given", "least", "most"), [("1", 1, 1), ("4", 4, 4), ("1:4", 1, 4), ("2:2", 2, 2), (" 3 ", 3, 3)])
def test_replicas_are_a_number_or_the_fewest_and_the_most(given: str, least: int, most: int) -> None:
    settings = ReplicaSettings.parse(given)
    assert (settings.least, settings.most, settings.autoscaling) == (least, most, most > least)


@pytest.mark.parametrize("given", ["0", "-1", "4:1", "0:2", "two", "1:2:3", "", "1.5", "9999999999", "２:"])
def test_other_numbers_of_replicas_are_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", f"--replicas={given}"]) == 2
    assert "must be a number from 1 to 1,000, or two as 1:4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--join"], "name it with --address"),
        (["--join", "--address", "auto", "--cores", "2"], "--join uses replicas that run already"),
        (["--cores", "2"], "--cores are those of each replica: add --replicas"),
        (["--replicas", "2", "--cores", "0"], "--cores 0.0 must be more than 0"),
        (["--replicas", "2", "--cores", "nan"], "--cores nan must be more than 0"),
        (["--replicas", "2", "--mcp"], "--mcp needs the model in this process"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--port", "0", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_without_ray_the_command_names_the_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["serve", "--port", "0", "--replicas", "2"]) == 2
    assert 'this needs the package ray: pip install "neoxjp[ray]"' in capsys.readouterr().err


def shared(*machines: Machine, needed: int = GIB, **settings: Any) -> Share:
    return share_machines(machines, ReplicaSettings(**settings), needed, "m")


def test_replicas_share_a_machine_equally() -> None:
    machine = Machine("", 8, 32 * GIB)
    assert shared(machine, least=4, most=4) == Share(2, 8 * GIB)
    assert shared(machine, least=1, most=4) == Share(2, 8 * GIB)
    assert shared(machine) == Share(8, 32 * GIB)
    assert shared(machine, least=2, most=2, cores=3) == Share(3, 12 * GIB)
    assert shared(Machine("", 2, 8 * GIB), least=3, most=3).threads == 1


def test_on_a_cluster_each_replica_gets_whole_cores_of_one_machine() -> None:
    machines = [Machine("a", 8, 16 * GIB), Machine("b", 4, 16 * GIB)]
    assert shared(*machines, least=3, most=3) == Share(4, 8 * GIB)
    assert shared(*machines, least=2, most=2, cores=4) == Share(4, 8 * GIB)


def test_more_replicas_than_the_cores_allow_are_refused_with_the_numbers() -> None:
    with pytest.raises(ParameterError, match="3 replicas with 3 cores each do not fit on this machine with 8 cores: 2 would"):
        shared(Machine("", 8, 32 * GIB), least=1, most=3, cores=3)


def test_more_replicas_than_the_memory_allows_are_refused_with_what_was_found() -> None:
    message = "4 replicas of 'm' need 3.0 GiB of memory each, but this machine with 8.0 GiB free has room for 2"
    with pytest.raises(ParameterError, match=message):
        shared(Machine("", 8, 8 * GIB), least=4, most=4, needed=3 * GIB)


def test_the_command_refuses_more_replicas_than_the_memory_allows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = pytest.importorskip("neoxjp.serve.replicas.cluster")
    monkeypatch.setattr(cluster, "import_ray", lambda: (None, None))
    monkeypatch.setattr(cluster, "this_machine", lambda: Machine("", 2, GIB))
    assert main(["serve", "--port", "0", "--replicas", "3"]) == 2
    assert "3 replicas of 'bundled' need 0." in capsys.readouterr().err


def test_an_address_where_nobody_listens_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = pytest.importorskip("neoxjp.serve.replicas.cluster")
    monkeypatch.setattr(cluster, "import_ray", lambda: (None, None))
    assert main(["serve", "--port", "0", "--address", "127.0.0.1:9"]) == 2
    assert "--address '127.0.0.1:9': no Ray cluster answers there" in capsys.readouterr().err


def test_a_replica_that_cannot_load_the_model_says_why_and_is_replaced_later(tmp_path: Path) -> None:
    replica = Replica(Choice(str(tmp_path / "nothing"), offline=True), Caps(), threads=1, memory=GIB, local=False)
    error = awaited(replica.card)
    assert "nothing" in str(error)
    replica.check_health()
    with pytest.raises(RuntimeError, match="nothing"):
        replica.check_health()


def test_the_server_says_that_the_replicas_start() -> None:
    backend = RayBackend(Choice("bundled"), Caps(), ReplicaSettings())
    assert backend.loaded is None
    with pytest.raises(Exception, match="the replicas are still starting"):
        _ = backend.tokenizer
    with pytest.raises(Exception, match="the replicas are still starting"):
        awaited(backend.ready)


def test_a_server_without_replicas_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neoxjp.serve.replicas.backend.POLL_SECONDS", 0.01)
    backend, answers = RayBackend(Choice("bundled"), Caps(), ReplicaSettings()), [["one"], *[RuntimeError("no replicas")] * 3]

    def states(seconds: float) -> list[Any]:
        found: Any = answers.pop(0)
        seen.append(backend.alive)
        if not answers:
            backend._ended.set()
        if isinstance(found, Exception):
            raise found
        return found

    seen: list[bool] = []
    backend._watch(SimpleNamespace(states=states))
    assert seen == [False, True, True, True]
    assert not backend.alive


def test_a_text_that_ends_one_replica_after_another_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    began = []

    async def start(run: ReplicaRun) -> None:
        began.append(run)

    async def lost(run: ReplicaRun) -> None:
        raise OSError

    async def take() -> None:
        run = ReplicaRun(RayBackend(Choice("bundled"), Caps(), ReplicaSettings()), "run", (1,), ANYONE)
        await run._take()

    monkeypatch.setattr(ReplicaRun, "start", start)
    monkeypatch.setattr(ReplicaRun, "_next", lost)
    monkeypatch.setattr("neoxjp.serve.replicas.backend.is_lost", lambda error: True)
    with pytest.raises(ReplicaLost, match="3 replicas have ended while they had this text"):
        awaited(take)
    assert len(began) == 2


def parts_of(pauses: list[float], seconds: float, error: Exception | None = None) -> list[Part]:
    """What `gathered` makes of one part after each pause."""

    async def run() -> AsyncIterator[Part]:
        for number, pause in enumerate(pauses):
            await asyncio.sleep(pause)
            yield Part(cached=number, finish="length" if number == len(pauses) - 1 and error is None else None)
        if error is not None:
            raise error

    async def collect() -> list[Part]:
        return [part async for part in gathered(run(), seconds)]

    return awaited(lambda: asyncio.wait_for(collect(), 20))


def test_parts_that_come_together_are_one_and_the_last_one_does_not_wait() -> None:
    found = parts_of([0.0] * 50, 10.0)
    assert (len(found), found[-1].finish, found[-1].cached) == (2, "length", 49)
    assert len(parts_of([0.05] * 4, 0.001)) == 4
    (whole,) = parts_of([0.0, 0.01, 0.0], math.inf)
    assert (whole.finish, whole.cached) == ("length", 2)


def test_an_error_comes_after_the_parts_before_it() -> None:
    with pytest.raises(ParameterError, match="broken"):
        parts_of([0.0, 0.0], 0.01, ParameterError("broken"))
