"""The simulation of many replicas: the same numbers for the same seed, steps as measured, and prefixes that are found."""

import json

import numpy as np
import pytest

from neoxjp.bench import RouterOptions
from neoxjp.bench.router import PREFILL_IDS, Replica, Request, Speed, Visitor, compare, policies, simulate
from neoxjp.cli.main import main
from neoxjp.errors import ParameterError

SMALL = RouterOptions(replicas=4, visitors=24, minutes=3)
SPEED = Speed.of(10, 40, 100)


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, float]]:
    return compare(SMALL)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers(found: dict[str, dict[str, float]]) -> None:
    assert compare(SMALL) == found
    assert compare(RouterOptions(replicas=4, visitors=24, minutes=3, seed=2)) != found


def test_the_longest_prefix_finds_more_than_chance_and_answers_sooner(found: dict[str, dict[str, float]]) -> None:
    ours = found["longest prefix"]
    assert ours["prompt_tokens_cached"] > 0.7
    for other in (found[name] for name in ("random", "the less busy of two", "the least busy")):
        assert other["prompt_tokens_cached"] < ours["prompt_tokens_cached"] - 0.2
        assert other["first_token_p50"] > ours["first_token_p50"]
    assert found["the same, 4 routers"]["prompt_tokens_cached"] < ours["prompt_tokens_cached"]


def test_with_one_replica_every_way_is_the_same() -> None:
    numbers = list(compare(RouterOptions(replicas=1, visitors=4, minutes=2)).values())
    assert all(each == numbers[0] for each in numbers)
    assert numbers[0]["busiest_to_mean"] == 1


def test_without_a_cache_only_running_requests_are_reused() -> None:
    options = RouterOptions(replicas=1, visitors=1, minutes=5, cache=0)
    assert simulate(options, policies(options)["random"], SPEED).reused == 0


def test_a_step_takes_what_was_measured() -> None:
    assert SPEED.step(1, 0) == pytest.approx(1 / 10)
    assert SPEED.step(8, 0) == pytest.approx(8 / 40)
    assert SPEED.step(0, 50) == pytest.approx(0.5)


def request(prompt: list[int], new: int) -> Request:
    return Request(Visitor(0, SMALL), np.array(prompt), np.arange(1000, 1000 + new), 0.0)


def test_one_request_step_by_step() -> None:
    replica = Replica(SPEED, 2**30, 1000)
    prompt = list(range(PREFILL_IDS + 10))
    one = request(prompt, 3)
    replica.waiting.append(one)
    assert replica.begin() == pytest.approx(PREFILL_IDS / 100)
    assert replica.end() == ([], [])
    assert replica.begin() == pytest.approx(10 / 100)
    assert replica.end() == ([one], [])  # the first token comes with the end of the prompt
    for _ in range(2):
        assert replica.begin() == pytest.approx(1 / 10)
        first, finished = replica.end()
    assert (first, finished) == ([], [one])
    assert replica.begin() is None
    again = request([*prompt, 1000, 1001, 1002, 7], 1)  # the answer and one id more
    replica.waiting.append(again)
    assert replica.begin() == pytest.approx(1 / 100)
    assert replica.reused == len(prompt) + 3


def test_eight_requests_run_and_the_next_waits() -> None:
    replica = Replica(SPEED, 0, 1000)
    replica.waiting.extend(request([number], 2) for number in range(9))
    replica.begin()
    assert (len(replica.running), len(replica.waiting), len(replica)) == (8, 1, 9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicas": 0}, "replicas=0 must be above 0"),
        ({"minutes": -1.0}, "minutes=-1.0 must be above 0"),
        ({"cache": -1.0}, "cache=-1.0 must be at least 0"),
        ({"decode": "19.7"}, "decode='19.7' must be two numbers"),
        ({"decode": "19.7,500"}, "at most eight times the first"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        compare(RouterOptions(**options))  # type: ignore[arg-type]


def test_the_command_prints_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["bench", "router", "--replicas", "2", "--visitors", "4", "--minutes", "1"]
    assert main(arguments) == 0
    table = capsys.readouterr().out
    assert table.startswith("simulation: 2 replicas, 4 visitors, 1 minutes, seed 1")
    assert "longest prefix" in table
    assert main([*arguments, "--json"]) == 0
    names = ["random", "the less busy of two", "the least busy", "longest prefix", "the same, 4 routers"]
    assert list(json.loads(capsys.readouterr().out)) == names
