"""JSON that came from somebody else."""

import json
import tracemalloc

import pytest

from neoxjp.labs.common.savefile import MOST_CONTAINERS, parse_json


def test_many_lists_are_refused_before_they_are_made() -> None:
    deep = "{" + ",".join(f'"{number}":[[[]]]' for number in range(MOST_CONTAINERS)) + "}"
    tracemalloc.start()
    with pytest.raises(ValueError, match="more than 30,000 lists and objects"):
        parse_json(deep)
    assert tracemalloc.get_traced_memory()[1] < 10 * len(deep)
    tracemalloc.stop()


def test_brackets_in_a_text_are_no_lists() -> None:
    text = '[{"\\' * MOST_CONTAINERS
    assert parse_json(json.dumps({"text": text})) == {"text": text}
    assert parse_json(json.dumps({"text": text}).encode()) == {"text": text}


@pytest.mark.parametrize("bad", ["", "{", "NaN", "[Infinity]", b"\xff"])
def test_what_is_no_json_is_a_value_error(bad: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(bad)
