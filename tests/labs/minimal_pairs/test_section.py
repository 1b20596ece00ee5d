"""Rules of the section, without a browser: pairs are counted as by `neoxjp evaluate`, drawn, refused, queued, bounded."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from neoxjp.documents import minimal_pairs_in
from neoxjp.errors import NeoxjpError, ParameterError, PromptTooLong
from neoxjp.labs.minimal_pairs import section
from neoxjp.labs.minimal_pairs.endpoints import endpoints
from neoxjp.labs.minimal_pairs.section import EXAMPLE, Done, count_text, parse_pairs, record
from neoxjp.labs.minimal_pairs.strings import strings
from neoxjp.labs.minimal_pairs.view import report
from neoxjp.page_parts.answers import Run
from neoxjp.page_parts.files import uploads
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.stream import scorer
from neoxjp.train import model_scorer, score_pairs

EN, JA = strings.words("en"), strings.words("ja")
PAIRS = """good\tbad\tphenomenon
東京都の猫\t猫の東京都\t語順
東京の大学です\t東京都を大学\t語順
猫\t猫猫猫\t数
猫猫猫\t猫\t数
慶応\t慶應\t<b>字体</b>
"""


@pytest.fixture(autouse=True)
def nobody_waits() -> Iterator[None]:
    yield
    assert uploads.queue.position("test") == 0
    uploads.queue.leave("test")


def counted(playground: Playground, text: str, t: Any = EN, run: Run | None = None) -> tuple[list[str], Done]:
    *steps, last = count_text(playground, scorer(playground), text, t, run)
    assert isinstance(last, Done)
    return [str(step) for step in steps], last


def test_counts_are_those_of_neoxjp_evaluate(playground: Playground) -> None:
    _, done = counted(playground, PAIRS)
    loaded = playground.ready
    expected = score_pairs(minimal_pairs_in(PAIRS), {"m": model_scorer(loaded.here.model, loaded.tokenizer)}).as_dict()["scored"][
        "m"
    ]
    found = record(done.found)
    assert found["all"] == expected["all"]
    assert found["phenomena"] == expected["phenomena"]
    assert [(each["line"], each["phenomenon"]) for each in found["worst"]] == [
        (each["line"], each["phenomenon"]) for each in expected["worst"]
    ]
    assert [each["bits"] for each in found["worst"]] == pytest.approx(
        [each["nats"] / 0.693147 for each in expected["worst"]], rel=1e-3
    )
    assert (found["pairs"], found["total"], found["all"]["ties"]) == (5, 5, 1)


@pytest.mark.parametrize("t", [EN, JA])
def test_the_worst_pairs_are_drawn_token_by_token_and_escaped(playground: Playground, t: Any) -> None:
    _, done = counted(playground, PAIRS, t)
    message, html = done.drawn(t)
    assert ("Tested 5 pairs" in message) == (t is EN)
    assert "<b>字体" not in html
    assert "&lt;b&gt;字体" in html
    worst = done.found.worst
    assert worst
    assert html.count('class="heat-text"') == 2 * len(worst)
    for each, (good, bad) in zip(worst, _texts(html), strict=True):
        assert (good, bad) == (each.pair.first.text, each.pair.second.text)
    widths = [float(share) for share in re.findall(r"\* ([\d.]+)\)", html)]
    assert all(0 <= width <= 1 for width in widths)


def _texts(html: str) -> list[tuple[str, str]]:
    """The texts of the heat maps, two by two."""
    found = [
        re.sub(r"<[^>]*>|\s", "", span) for span in re.findall(r'<span class="heat-text"[^>]*>(.*?)</span>', html, re.DOTALL)
    ]
    return list(zip(found[::2], found[1::2], strict=True))


def test_what_differs_is_framed(playground: Playground) -> None:
    _, done = counted(playground, "good,bad\n猫,猫猫猫\n猫猫猫,猫\n")
    html = report(done.found, EN)
    assert html.count('<b class="l') == 2  # the two more cats
    assert 'title="' in html


def test_progress_is_reported_and_a_result_without_mistakes_says_so(
    playground: Playground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(section, "INTERVAL", 0.0)
    steps, done = counted(playground, "good,bad\n慶応,慶應\n慶應,慶応\n")
    assert "testing: 1 of 2 pairs" in steps[0]
    assert 'max="2"' in steps[0]
    assert done.found.worst == ()
    assert "In no pair is the bad text more probable." in report(done.found, EN)


def test_the_example_is_read(playground: Playground) -> None:
    pairs = parse_pairs(playground, EXAMPLE)
    assert len(pairs) == EXAMPLE.count("\n") - 1
    assert all(pair.phenomenon for pair in pairs)


@pytest.mark.parametrize(
    ("text", "message", "ja"),
    [
        ("", "there is no minimal pair", "最小対がありません"),
        ("猫がいる\n", "line 1: there is no column 'good'", "1 行目：列 'good' がありません"),
        ("good,bad\n猫,猫\n", "line 2: both texts are '猫'", "2 行目：2 つの文が同じです"),
        ("good,bad\n猫,\n", "line 2: the text 'bad' is empty", "2 行目：テキスト 'bad' が空です"),
        ("good,bad\n猫,犬,鳥\n", "line 2: 3 cells", "2 行目：セルが 3 個"),
        ('{"good": "猫", "bad": "犬"}\n{oops', "line 2: ", "2 行目："),
        ("猫" * 10_000_000, "characters", "文字"),
    ],
)
def test_what_is_no_pair_is_refused_in_a_sentence_with_its_line(playground: Playground, text: str, message: str, ja: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(message)) as caught:
        parse_pairs(playground, text)
    assert ja in caught.value.ja
    assert "\n" not in caught.value.ja


def test_a_text_longer_than_the_model_takes_is_refused_with_its_line(playground: Playground) -> None:
    with pytest.raises(PromptTooLong, match=r"^line 3: the text has [\d,]+ tokens") as caught:
        counted(playground, f"good,bad\n猫,犬\n{'猫。' * 300},猫\n")
    assert caught.value.ja.startswith("3 行目：")


def test_a_public_page_bounds_pairs_and_time(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playground, "public", True)
    monkeypatch.setattr(section, "PUBLIC_PAIRS", 3)
    with pytest.raises(ParameterError, match="There are 5 pairs; up to 3 can be tested at once"):
        parse_pairs(playground, PAIRS)
    monkeypatch.setattr(section, "PUBLIC_PAIRS", 10)
    with pytest.raises(ParameterError, match="A text on line 2 is too long: the limit is 1,000 characters"):
        parse_pairs(playground, f"good,bad\n猫,{'犬' * 1_001}\n")
    monkeypatch.setattr(section, "PUBLIC_SECONDS", 0.0)
    *_, last = count_text(playground, scorer(playground), PAIRS, EN)
    assert isinstance(last, str)
    assert "Ended after 0 of 5 pairs" in last


def test_a_stopped_count_shows_what_was_counted(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "INTERVAL", 0.0)
    run = Run()
    steps = count_text(playground, scorer(playground), PAIRS, EN, run)
    next(steps)
    run.stop()
    *_, last = steps
    assert isinstance(last, Done)
    assert (last.found.pairs, last.found.total) == (1, 5)
    assert "Ended after 1 of 5 pairs" in last.drawn(EN)[0]


def test_another_count_waits_and_sees_its_position_and_stop_ends_the_wait(playground: Playground) -> None:
    uploads.queue.position("someone")
    run = Run()
    steps = count_text(playground, scorer(playground), PAIRS, EN, run)
    assert "waiting: 1 ahead" in str(next(steps))
    run.stop()
    *_, last = steps
    assert "Ended after 0 of 5 pairs" in str(last)
    uploads.queue.leave("someone")


def test_the_endpoint_gives_the_record(playground: Playground, monkeypatch: pytest.MonkeyPatch) -> None:
    (declared,) = endpoints(playground)
    found = declared.bind(playground)(PAIRS)
    assert json.loads(json.dumps(found)) == found
    assert found["all"]["in_sum"]["pairs"] == 5
    assert {"good", "bad", "bits", "line", "phenomenon"} == set(found["worst"][0])
    monkeypatch.setattr("neoxjp.labs.minimal_pairs.endpoints.QUEUE_SECONDS", 0.0)
    uploads.queue.position("someone")
    with pytest.raises(NeoxjpError, match="The server is busy"):
        declared.function(PAIRS)
    uploads.queue.leave("someone")
    with pytest.raises(ParameterError, match="expected a string"):
        declared.function(3)
