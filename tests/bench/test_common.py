"""The common parts of the benchmarks: what is counted, in which order, and how it is shown. Nothing here is timed."""

import json

import pytest

from neoxjp.bench.common import Report, Row, limit_note, machine_facts, read_bandwidth, rounds, rows, table, timed
from neoxjp.errors import ParameterError


def test_rounds_alternate_and_leave_out_the_warm_up():
    calls = []

    def run(name):
        calls.append(name)
        return float(len(calls))

    found = rounds({"ours": lambda: run("ours"), "theirs": lambda: run("theirs")}, 2, warm=1, progress=False)
    assert calls == ["ours", "theirs"] * 3
    assert found == {"ours": [3.0, 5.0], "theirs": [4.0, 6.0]}


def test_no_round_at_all_is_refused():
    with pytest.raises(ParameterError, match="rounds=0 must be at least 1"):
        rounds({}, 0)


def test_a_ratio_is_the_median_of_the_pairs_of_a_round():
    speeds = rows({"ours": [10.0, 30.0, 8.0], "theirs": [5.0, 10.0, 4.0]}, "decode", "tokens/s")
    seconds = rows({"ours": [1.0, 1.0, 1.0], "theirs": [4.0, 2.0, 3.0]}, "first token", "s")
    report = Report("t", rows=speeds + seconds)
    assert [report.ratio(row) for row in report.rows] == [None, 2.0, None, 3.0]


def test_what_was_not_measured_has_no_ratio_and_says_why():
    report = Report("t", rows=[Row("ours", "decode", "tokens/s", (2.0,)), Row("theirs", "decode", "tokens/s", (), "absent")])
    assert report.ratio(report.rows[1]) is None
    assert "* theirs, decode: absent" in report.text()
    assert "min" not in report.as_dict()["rows"][1]


def test_the_table_holds_min_median_max_and_ratio_and_the_machine():
    report = Report("Decode", {"dtype": "int8"}, rows({"ours": [1.0, 2.0, 9.0], "theirs": [1.0, 1.0, 1.0]}, "decode", "tokens/s"))
    text = report.text()
    assert "ours    decode    1       2    9  tokens/s" in text
    assert "2.00 ×" in text
    assert "dtype int8" in text
    assert f"threads {machine_facts()['threads']}" in text


def test_json_holds_every_value(capsys):
    Report("Decode", rows=rows({"ours": [2.0, 4.0], "theirs": [1.0, 2.0]}, "decode", "tokens/s")).show(as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["rows"][0]["values"] == [2.0, 4.0]
    assert shown["rows"][1]["ours is better by"] == 2.0
    assert {"cpu", "cores", "threads", "torch", "neoxjp"} <= shown["machine"].keys()


def test_an_absent_package_is_left_out_of_the_facts():
    assert "no-such-package" not in machine_facts(["torch", "no-such-package"])


def test_the_limit_is_bandwidth_over_bytes():
    assert limit_note(2_000_000_000, 20e9, 8.0) == (
        "read limit: 2.00 GB a token at 20.0 GB/s make 10 tokens/s; decode reaches 80% of it"
    )


def test_the_bandwidth_is_a_number_of_bytes():
    assert read_bandwidth(nbytes=1 << 20, tries=1) > 0
    assert timed(lambda: None) >= 0


def test_numbers_stand_under_numbers():
    assert table([["", "", "min"], ["ours", "decode", "12"]]) == "              min\nours  decode   12"
