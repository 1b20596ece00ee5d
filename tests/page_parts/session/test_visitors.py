"""Who a visitor is, and what each may use in a minute."""

import os
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.errors import ParameterError, QueueFull
from neoxjp.page_parts.session.caps import Caps, flag
from neoxjp.page_parts.session.visitors import SPACE_PROXIES, Visitors, trust_proxies_of_spaces, visitor_of
from tests.support.fake_model import Clock


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("", ""),
        (None, ""),
    ],
)
def test_an_address_is_one_ipv4_address_or_one_ipv6_network(host, address):
    assert visitor_of(host).address == address


def test_long_names_are_cut():
    found = visitor_of("x" * 10_000, "y" * 10_000)
    assert len(found.address) == len(found.session) == 64


def test_the_budget_slides_and_the_refusal_says_when_to_come_back():
    clock = Clock()
    visitors, who = Visitors(Caps(tokens_each=100), clock=clock), visitor_of("192.0.2.1")
    visitors.charge(who, "tokens", 60)
    clock.now = 30
    visitors.charge(who, "tokens", 40)
    with pytest.raises(QueueFull, match=r"100 tokens a minute, the limit for one visitor: try again in about 30 s") as caught:
        visitors.charge(who, "tokens", 1)
    assert caught.value.seconds == 30
    assert "約 30 秒後" in caught.value.ja
    with pytest.raises(QueueFull) as caught:
        visitors.charge(who, "tokens", 90)
    assert caught.value.seconds == 60
    clock.now = 60
    visitors.charge(who, "tokens", 60)
    assert visitors.used(who, "tokens") == 100


def test_budgets_are_of_an_address_and_of_one_kind():
    visitors = Visitors(Caps(tokens_each=10, characters_each=10), clock=Clock())
    visitors.charge(visitor_of("192.0.2.1", "one"), "tokens", 10)
    with pytest.raises(QueueFull):
        visitors.charge(visitor_of("192.0.2.1", "another session"), "tokens", 1)
    visitors.charge(visitor_of("192.0.2.1"), "characters", 10)
    visitors.charge(visitor_of("192.0.2.2"), "tokens", 10)


def test_what_was_used_already_is_counted_beyond_the_budget():
    visitors, who = Visitors(Caps(tokens_each=10), clock=Clock()), visitor_of("192.0.2.1")
    visitors.note(who, "tokens", 500)
    with pytest.raises(QueueFull):
        visitors.check(who, "tokens")


def test_one_large_amount_passes_where_nothing_was_used():
    visitors, who = Visitors(Caps(characters_each=10), clock=Clock()), visitor_of("192.0.2.1")
    visitors.check(who, "characters")
    visitors.charge(who, "characters", 1000)
    with pytest.raises(QueueFull, match="10 characters a minute"):
        visitors.check(who, "characters")


def test_without_a_limit_nothing_is_counted():
    visitors, who = Visitors(), visitor_of("192.0.2.1")
    for _ in range(100):
        visitors.charge(who, "tokens", 10**9)
    assert len(visitors) == 0


def test_the_memory_of_a_million_addresses_is_bounded():
    visitors = Visitors(Caps(), most=100, clock=Clock())
    for number in range(5_000):
        visitors.charge(visitor_of(f"2001:db8:{number:x}::1"), "characters", 5)
    assert len(visitors) == 100
    assert sum(sys.getsizeof(each) for each in visitors._used.values()) < 200_000


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 60)), max_size=60))
def test_no_minute_has_more_than_the_budget(uses):
    clock = Clock()
    visitors, who, passed = Visitors(Caps(tokens_each=100), clock=clock), visitor_of("192.0.2.1"), []
    for pause, amount in uses:
        clock.now += pause
        try:
            visitors.charge(who, "tokens", amount)
        except QueueFull as error:
            clock.now += error.seconds
            visitors.charge(who, "tokens", amount)  # what the sentence promised
        passed.append((clock.now, amount))
        # A bucket is 5 s long: the window is never shorter than 55 s.
        assert sum(each for at, each in passed if at > clock.now - 55) <= 100


def test_logs_name_a_visitor_without_the_address():
    one, two = Visitors(), Visitors()
    who = visitor_of("192.0.2.1", "a")
    assert one.name(who) == one.name(visitor_of("192.0.2.1", "b"))
    assert one.name(who) != one.name(visitor_of("192.0.2.2"))
    assert one.name(who) != two.name(who)  # another process, another salt
    assert len(one.name(who)) == 12


@pytest.mark.parametrize("value", [-1, 1.5, True])
def test_a_cap_is_a_whole_number(value):
    with pytest.raises(ParameterError, match=r"--tokens-each .* must be a whole number of at least 0"):
        Caps(tokens_each=value)
    with pytest.raises(ParameterError, match="--sessions 0 must be a whole number of at least 1"):
        Caps(sessions=0)


def test_a_cap_that_is_given_replaces_what_comes_from_the_free_memory():
    assert Caps().limits == {}
    assert Caps(running=3, characters=10).limits == {"running": 3, "characters": 10}


def test_on_a_space_its_proxies_are_trusted_unless_the_owner_named_others(monkeypatch):
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    monkeypatch.delenv("SPACE_ID", raising=False)
    trust_proxies_of_spaces()
    assert "FORWARDED_ALLOW_IPS" not in os.environ
    monkeypatch.setenv("SPACE_ID", "user/name")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "192.0.2.9")
    trust_proxies_of_spaces()
    assert os.environ["FORWARDED_ALLOW_IPS"] == "192.0.2.9"
    monkeypatch.delenv("FORWARDED_ALLOW_IPS")
    trust_proxies_of_spaces()
    assert os.environ["FORWARDED_ALLOW_IPS"] == SPACE_PROXIES
    monkeypatch.delenv("FORWARDED_ALLOW_IPS")


def test_the_documentation_lists_every_limit_with_its_default_and_its_help():
    text = (Path(__file__).parents[3] / "docs" / "hosting.md").read_text(encoding="utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `--")}
    for each in fields(Caps):
        row = rows[flag(each.name)].replace(" (*busy*)", "")
        assert row == f"| `{flag(each.name)}` | {each.default} | {each.metadata['help']} |"
