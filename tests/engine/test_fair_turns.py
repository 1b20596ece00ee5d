"""Who runs next where several visitors share the engine: turns, caps, places."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.engine import Engine, Visitor
from neoxjp.engine.scheduler import Scheduler
from neoxjp.errors import QueueFull
from neoxjp.sampling import SamplingParams
from tests.support.fake_model import Clock, Fake, mixed


@dataclass(eq=False)
class Asked:
    """What the scheduler needs of a request."""

    visitor: Visitor
    nbytes: int = 0
    started: float | None = None
    cost: float = 1
    spent: float = 1


def request(address: str, session: str = "") -> Any:
    return Asked(Visitor(address, session))


def test_who_fits_runs_at_once_where_another_address_waits_for_memory():
    scheduler = Scheduler(slots=8, places=8, cache_bytes=100, running_each=2)
    small = [Asked(Visitor(address), nbytes=10) for address in "bbc"]
    large = Asked(Visitor("b"), nbytes=90)
    for one in (*small[:2], large, small[2]):
        scheduler.join(one, 0.0)
    assert scheduler.running == small


def names(requests: list[Any]) -> list[str]:
    return [f"{one.visitor.address}{one.visitor.session}" for one in requests]


def run_out(scheduler: Scheduler) -> list[Any]:
    """End running requests, the oldest first, until none is left; the order in which the waiting ones ran."""
    order, now = [], 0.0
    while scheduler.running:
        before, now = list(scheduler.running), now + 1
        scheduler.leave(scheduler.running[0], now)
        order += [one for one in scheduler.running if one not in before]
    return order


def filled(slots: int, *waiting: Any, places: int = 100, **caps: int) -> Scheduler:
    """All slots run requests of other addresses, and these wait."""
    scheduler = Scheduler(slots, places, None, **caps)
    for number in range(slots):
        scheduler.join(request(f"first{number}"), 0)
    for one in waiting:
        scheduler.join(one, 0)
    return scheduler


def test_addresses_take_turns():
    scheduler = filled(1, *[request("a") for _ in range(4)], request("b"), request("c"), request("b"))
    assert names(run_out(scheduler)) == ["a", "b", "c", "a", "b", "a", "a"]


@pytest.mark.parametrize("slots", [1, 2])
def test_newcomers_that_never_end_keep_nobody_waiting_for_ever(slots: int) -> None:
    heavy = [Asked(Visitor("a"), cost=300, spent=300) for _ in range(2 * slots)]
    scheduler, now = filled(slots, *heavy[:slots]), 0.0
    for number in range(200):
        scheduler.join(Asked(Visitor(f"new{number}"), cost=100, spent=100), now)
        if number == 5:
            for one in heavy[slots:]:
                scheduler.join(one, now)
        now += 1
        scheduler.leave(scheduler.running[0], now)
        if number > 5 and not any(one in scheduler.waiting for one in heavy):
            return
    pytest.fail("it still waits")


def test_paused_texts_go_on_though_newcomers_never_end() -> None:
    scheduler, now = Scheduler(slots=4, places=100, cache_bytes=None, running_each=2), 0.0
    for _ in range(4):
        scheduler.join(Asked(Visitor("a"), cost=300, spent=300), now)
    for number in range(5):
        scheduler.join(Asked(Visitor(f"early{number}"), cost=100, spent=100), now)
    assert scheduler.paused
    for number in range(200):
        scheduler.join(Asked(Visitor(f"new{number}"), cost=100, spent=100), now)
        now += 1
        scheduler.leave(scheduler.running[0], now)
        if number > 5 and not scheduler.paused:
            return
    pytest.fail("they are still paused")


def test_who_asks_for_long_texts_has_fewer_turns():
    long = [Asked(Visitor("a"), cost=3, spent=3) for _ in range(3)]
    scheduler = filled(1, *long, *[request("b") for _ in range(9)])
    assert "".join(names(run_out(scheduler))) == "abbbabbbabbb"


@pytest.mark.parametrize(("spent", "order"), [(2, "babb"), (100, "bbba")])
def test_what_counts_is_what_a_text_has_become_not_what_it_might(spent: int, order: str) -> None:
    scheduler = filled(1, Asked(Visitor("a"), cost=100), request("a"), *[request("b") for _ in range(4)])
    scheduler.leave(scheduler.running[0], 1)
    (running,) = scheduler.running
    running.spent = spent
    scheduler.leave(running, 2)
    assert "".join(names(run_out(scheduler))) == order


def test_nobody_saves_up_turns():
    scheduler = filled(1, *[request("a") for _ in range(6)])
    for _ in range(3):
        scheduler.leave(scheduler.running[0], 1)
    for _ in range(3):
        scheduler.join(request("b"), 2)  # who comes later does not get all that a has had before
    assert "".join(names(run_out(scheduler))) == "ababab"


def test_who_used_much_alone_owes_nothing_once_nobody_waits():
    scheduler = Scheduler(1, 10, None)
    for _ in range(50):
        scheduler.join(Asked(Visitor("a"), cost=500, spent=500), 0)  # type: ignore[arg-type]
        scheduler.leave(scheduler.running[0], 1)
    scheduler.join(request("c"), 2)
    scheduler.join(request("a"), 2)
    scheduler.join(request("b"), 2)
    assert names(run_out(scheduler)) == ["a", "b"]


def test_inside_an_address_its_sessions_take_turns():
    scheduler = filled(1, *[request("a", "1") for _ in range(3)], request("a", "2"), request("b", "3"))
    assert names(run_out(scheduler)) == ["a1", "b3", "a2", "a1", "a1"]


def test_a_single_visitor_gets_all_slots_of_an_idle_machine():
    scheduler = Scheduler(8, 4, None)
    for _ in range(12):
        scheduler.join(request("a"), 0)
    assert len(scheduler.running) == 8
    assert len(scheduler.waiting) == 4


def test_while_another_address_waits_an_address_runs_no_more_than_its_cap():
    scheduler = Scheduler(4, 100, None)
    for address in "aaaaaabb":
        scheduler.join(request(address), 0)
    assert Counter(names(scheduler.running)) == {"a": 2, "b": 2}  # a had the machine alone: its latest two pause
    assert names(scheduler.paused) == ["a", "a"]
    scheduler.leave(scheduler.running[0], 1)
    assert Counter(names(scheduler.running)) == {"a": 2, "b": 2}
    assert names(scheduler.paused) == ["a"]
    scheduler.leave(next(one for one in scheduler.running if one.visitor.address == "b"), 2)  # and only a waits
    assert Counter(names(scheduler.running)) == {"a": 3, "b": 1}
    assert not scheduler.paused
    assert names(scheduler.waiting) == ["a", "a"]


def test_what_pauses_goes_on_when_its_address_has_not_used_more_than_those_that_wait():
    scheduler = Scheduler(4, 100, None)
    for _ in range(4):
        scheduler.join(Asked(Visitor("a"), cost=500, spent=500), 0)  # type: ignore[arg-type]
    for address in "bcdefg":
        scheduler.join(request(address), 0)
    assert Counter(names(scheduler.running)) == {"a": 2, "b": 1, "c": 1}
    for _ in range(2):
        scheduler.leave(next(one for one in scheduler.running if one.visitor.address == "a"), 1)
    assert Counter(names(scheduler.running)) == {"b": 1, "c": 1, "d": 1, "e": 1}
    assert names(scheduler.paused) == ["a", "a"]
    assert "".join(names(run_out(scheduler))) == "fgaa"


def test_who_comes_to_a_machine_that_one_address_has_alone_runs_at_once():
    scheduler = Scheduler(4, 100, 1_000)
    mine = [Asked(Visitor("a"), 100) for _ in range(60)]
    for one in mine:
        scheduler.join(one, 0)  # type: ignore[arg-type]
    large, small = Asked(Visitor("b"), 700), Asked(Visitor("b"), 600)
    scheduler.join(large, 0)  # type: ignore[arg-type]
    assert large not in scheduler.running  # what pauses keeps its memory, so that there is not enough
    scheduler.leave(large, 0)  # type: ignore[arg-type]
    scheduler.join(small, 0)  # type: ignore[arg-type]
    assert small in scheduler.running
    assert scheduler.paused == mine[3:4]
    assert scheduler.reserved_bytes == 1_000
    scheduler.leave(mine[3], 0)  # type: ignore[arg-type]
    assert scheduler.reserved_bytes == 900
    scheduler.leave(small, 0)  # type: ignore[arg-type]
    assert scheduler.running == mine[:3] + mine[4:5]


def test_a_paused_text_goes_on_with_what_it_has_and_is_the_same():
    params = SamplingParams(max_new_tokens=12, eos_token_id=(), seed=5)
    alone = Engine(Fake(mixed), max_batch=3, clock=Clock())
    expected = [[step.id for step in alone.submit([number], params)] for number in range(1, 4)]
    engine = Engine(Fake(mixed), max_batch=3, clock=Clock())
    mine = [engine.submit([number], params, visitor=Visitor("a")) for number in range(1, 4)]
    for _ in range(5):
        engine.step()
    other = engine.submit([1], SamplingParams(max_new_tokens=2, eos_token_id=()), visitor=Visitor("b"))
    assert other.position == 0
    begun = len(mine[2].ids)
    while other.finish is None:
        engine.step()
    assert len(mine[0].ids) > begun == len(mine[2].ids) > 0
    assert [list(one.ids) for one in mine if list(one)] == expected
    mine = [engine.submit([number], params, visitor=Visitor("a")) for number in range(1, 4)]
    engine.submit([1], params, visitor=Visitor("b"))
    engine.close()
    assert {one.finish for one in mine} == {"cancelled"}


def test_nobody_is_refused_while_there_are_places():
    scheduler = filled(2, *[request("a") for _ in range(10)], places=10)
    assert len(scheduler.waiting) == 10


def test_in_a_full_queue_a_visitor_within_its_share_takes_the_last_place_of_the_one_with_most():
    mine = [request("a", str(number)) for number in range(4)]
    scheduler = filled(1, *mine, places=4)
    found = scheduler.join(request("b"), 0)
    assert found is not None
    displaced, error = found
    assert displaced in mine
    assert error.seconds >= 1
    assert sorted(names(scheduler.waiting))[-1] == "b"
    assert len(scheduler.waiting) == 4


def test_who_waits_with_its_share_keeps_it():
    scheduler = filled(1, request("a"), request("a"), request("b"), request("b"), places=4)
    with pytest.raises(QueueFull):
        scheduler.join(request("c"), 0)
    with pytest.raises(QueueFull):
        scheduler.join(request("a"), 0)


def test_who_has_its_share_waiting_displaces_nobody():
    scheduler = filled(1, *[request("a") for _ in range(8)], request("b"), request("b"), places=10)
    with pytest.raises(QueueFull):
        scheduler.join(request("b"), 0)


def test_the_caps_are_settings():
    scheduler = Scheduler(4, 3, None, running_each=1, waiting_each=1)
    for address in "aaaaaaabcde":
        scheduler.join(request(address), 0)
    assert Counter(names(scheduler.running)) == {"a": 1, "b": 1, "c": 1, "d": 1}
    assert sorted(names(scheduler.waiting)) == ["a", "a", "e"]
    scheduler.join(request("f"), 0)  # in the place of a's second
    assert sorted(names(scheduler.waiting)) == ["a", "e", "f"]


def test_the_refusal_says_in_both_languages_how_long_to_wait():
    scheduler = Scheduler(2, 4, None)
    for _ in range(6):
        scheduler.join(request("a"), 0)
    for now in range(1, 20):
        scheduler.leave(scheduler.running[0], 100 * now)  # each takes long
        scheduler.join(request("a"), 100 * now)
    with pytest.raises(QueueFull, match=r"2 requests run and 4 wait\. Try again in about \d+ s") as caught:
        scheduler.join(request("a"), 2000)
    assert 150 < caught.value.seconds <= 600
    assert f"約 {caught.value.seconds} 秒後" in caught.value.ja


def test_the_last_request_that_lost_its_place_ends_with_the_sentence():
    engine = Engine(Fake(mixed), max_batch=1, max_waiting=3, clock=Clock())
    params = SamplingParams(max_new_tokens=3, eos_token_id=())
    mine = [engine.submit([1], params, visitor=Visitor("a")) for _ in range(4)]
    other = engine.submit([1], params, visitor=Visitor("b"))
    assert other.position == 2
    assert mine[3].finish == "error"
    with pytest.raises(QueueFull, match="Try again in about"):
        list(mine[3])
    assert len(list(other)) == 3
    assert [len(list(one)) for one in mine[:3]] == [3, 3, 3]


ARRIVALS = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("xyz"), st.integers(0, 3)), max_size=60)
"""Address, session, and how many running requests end before the next arrival."""


@given(st.integers(1, 4), st.integers(1, 12), st.integers(1, 3), ARRIVALS)
def test_no_request_starves_and_no_place_is_lost(slots, places, each, arrivals):
    scheduler, now, admitted = Scheduler(slots, places, None, each, each), 0.0, []
    deadlines: dict[int, tuple[Any, int]] = {}  # the waiting request, and the admission after which it must have run

    def note(before: list[Any]) -> None:
        admitted.extend(one for one in scheduler.running if all(one is not other for other in before))
        waiting = scheduler.waiting
        for key, (one, last) in list(deadlines.items()):
            if not any(one is other for other in waiting):
                del deadlines[key]
            else:
                assert len(admitted) <= last

    for address, session, ends in arrivals:
        one, before = request(address, session), list(scheduler.running)
        own = sum(other.visitor.address == address for other in scheduler.waiting)
        try:
            lost = scheduler.join(one, now)
        except QueueFull:
            assert len(scheduler.waiting) == places
            continue
        if lost is not None:
            assert lost[0].visitor.address != address
            assert own < each
            assert sum(other.visitor.address == lost[0].visitor.address for other in scheduler.waiting) >= each
        if scheduler.position(one):
            # Each of its own address and sessions before it lets the other four pass once, and its running ones have to end.
            deadlines[id(one)] = one, len(admitted) + (3 * own + 1) * 5 + 5 * slots
        note(before)
        for _ in range(min(ends, len(scheduler.running))):
            before, now = list(scheduler.running), now + 1
            scheduler.leave(scheduler.running[0], now)
            note(before)
        assert len(scheduler.waiting) <= places
        assert len(scheduler.running) == slots or not scheduler.waiting  # no slot is idle while somebody waits
        assert sorted(map(scheduler.position, scheduler.waiting)) == list(range(1, len(scheduler.waiting) + 1))
    run_out(scheduler)
    assert not scheduler.requests


@given(ARRIVALS)
def test_the_place_shown_is_the_order_in_which_requests_run(arrivals):
    """With one slot no cap binds between two turns."""
    scheduler = filled(1, *[request(address, session) for address, session, _ in arrivals])
    expected = sorted(scheduler.waiting, key=scheduler.position)
    assert [id(one) for one in run_out(scheduler)] == [id(one) for one in expected]


@given(st.lists(st.sampled_from("abc"), max_size=40), st.integers(1, 3))
def test_an_address_over_its_cap_gets_no_slot_while_another_one_may_have_it(addresses, cap):
    scheduler = Scheduler(4, 100, None, running_each=cap)
    for address in addresses:
        scheduler.join(request(address), 0)
    while scheduler.running:
        before = list(scheduler.running)
        scheduler.leave(scheduler.running[0], 1)
        fresh = [one for one in scheduler.running if one not in before]
        for one in fresh:
            if sum(other.visitor.address == one.visitor.address for other in scheduler.running) > cap:
                runs = Counter(other.visitor.address for other in scheduler.running)
                assert all(runs[other.visitor.address] >= cap for other in scheduler.waiting)
