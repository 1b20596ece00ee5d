"""Routing: a prompt goes to the replica that has computed its beginning, unless others are much less busy."""

import pytest

from neoxjp.engine import PrefixRouter
from neoxjp.errors import ParameterError

TEXT = list(range(64))


def router(**options: float) -> "PrefixRouter[str]":
    return PrefixRouter(**({"block": 16} | options))  # type: ignore[arg-type]


def test_a_new_prompt_goes_to_the_least_busy_replica() -> None:
    assert router().rank(TEXT, {"a": 2, "b": 1, "c": 3}) == ["b", "a", "c"]
    assert router().rank(TEXT, {"a": 1, "b": 1}) == ["a", "b"]
    assert router().rank(TEXT, {}) == []


def test_a_known_beginning_goes_to_its_replica() -> None:
    some = router()
    some.routed(TEXT, "b")
    assert some.rank([*TEXT, 1, 2, 3], {"a": 0, "b": 2, "c": 1}) == ["b", "a", "c"]
    assert some.rank([*TEXT[:32], 999, 998], {"a": 0, "b": 2})[0] == "b"  # a branch


def test_the_longest_beginning_decides() -> None:
    some = router()
    some.routed(TEXT[:32], "a")
    some.routed(TEXT, "b")
    assert some.rank([*TEXT, 7], {"a": 0, "b": 0})[0] == "b"


def test_less_than_a_block_in_common_is_not_seen() -> None:
    some = router()
    some.routed(TEXT, "b")
    assert some.rank([*TEXT[:15], 999], {"a": 0, "b": 0})[0] == "a"
    assert some.rank([999, *TEXT], {"a": 0, "b": 0})[0] == "a"  # the same blocks, one id later


@pytest.mark.parametrize(("common", "busy", "chosen"), [(64, 4, "b"), (64, 5, "a"), (16, 1, "b"), (16, 2, "a")])
def test_a_replica_may_be_busier_by_the_share_that_it_has_computed(common: int, busy: int, chosen: str) -> None:
    some = router(slack=4)
    some.routed(TEXT, "b")
    assert some.rank([*TEXT[:common], *range(900, 964 - common)], {"a": 0, "b": busy})[0] == chosen


def test_where_the_longest_is_too_busy_a_shorter_beginning_counts() -> None:
    some = router(slack=4)
    some.routed(TEXT, "b")
    some.routed([*TEXT[:32], *range(900, 932)], "c")
    assert some.rank(TEXT, {"a": 0, "b": 9, "c": 1})[0] == "c"


def test_of_several_replicas_with_the_beginning_the_least_busy_is_chosen() -> None:
    some = router()
    for name in "abc":
        some.routed(TEXT, name)
    assert some.rank(TEXT, {"a": 2, "b": 1, "c": 2, "d": 1})[0] == "b"


def test_a_replica_that_ended_is_forgotten() -> None:
    some = router()
    some.routed(TEXT, "b")
    assert some.rank(TEXT, {"a": 0})[0] == "a"  # no candidate any more
    some.forget("b")
    assert len(some) == 0
    assert some.rank(TEXT, {"a": 0, "b": 0})[0] == "a"


def test_memory_is_bounded_and_the_latest_blocks_stay() -> None:
    some = router(max_blocks=8)
    for start in range(0, 6400, 64):
        some.routed(range(start, start + 64), "b")
    assert len(some) == 8
    assert some.rank(range(6336, 6400), {"a": 0, "b": 1})[0] == "b"
    assert some.rank(TEXT, {"a": 0, "b": 1})[0] == "a"


@pytest.mark.parametrize("name", ["block", "max_blocks", "slack"])
def test_numbers_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ParameterError, match=f"{name}=-1 must be at least"):
        router(**{name: -1})
