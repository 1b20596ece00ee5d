"""`neoxjp bench repetition`: what counts as a circle, and what the command says of a model that runs in one."""

import json

import pytest

from neoxjp.bench.repetition import Sample
from neoxjp.cli.main import main


def test_only_the_last_half_of_a_sample_counts():
    circle = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] * 5
    assert Sample("", "", (*circle, *range(100, 150))).repeats == 1
    assert Sample("", "", (*range(100, 150), *circle)).repeats == 5


def test_the_command_finds_greedy_circles_and_says_how_many(capsys, tmp_path):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("彼は毎朝、\n", encoding="utf-8")
    asked = ["bench", "repetition", "--prompts", str(prompts), "--samples", "1", "--new", "120", "--repetition-penalty", "1"]
    assert main([*asked, "--temperature", "0", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    (sample,) = report["samples"]
    assert sample["repeats"] > 2
    assert report["rows"][0]["values"] == [1.0]
    assert main([*asked, "--temperature", "0"]) == 0
    assert f"[{sample['repeats']} ×] 彼は毎朝、│{sample['text']}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--samples", "0"], "--samples 0 must be at least 1"),
        (["--prompts", "nothing.txt"], "cannot be read"),
        (["--temperature", "-1"], "--temperature -1.0"),
    ],
)
def test_bad_numbers_are_refused_in_one_line(capsys, asked, said):
    assert main(["bench", "repetition", *asked]) == 2
    assert said in capsys.readouterr().err
