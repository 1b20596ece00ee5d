"""neoxjp sweep over a tiny model."""

import csv
import io
import json

import pytest

from neoxjp.cli.main import main
from neoxjp.errors import ParameterError
from neoxjp.labs.side_by_side.command import numbers


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_sweep_prints_every_sample_and_writes_the_table(capsys, tiny_folder, tmp_path):
    table = tmp_path / "sweep.csv"
    grid = ("--temperature", "0.5,1.2", "--top-p", "0.9, 1", "--max-new-tokens", 6, "--seed", 4)
    code, out, _ = run(capsys, "sweep", "東京", "--model", tiny_folder, *grid, "--csv", table)
    assert code == 0
    assert out.count("temperature ") == 4
    assert "temperature 0.5, top-p 0.9, seed 4: 6 tokens (length)" in out
    rows = list(csv.DictReader(io.StringIO(table.read_bytes().decode("utf-8-sig"))))
    _, out, _ = run(capsys, "sweep", "東京", "--model", tiny_folder, *grid, "--json")
    samples = json.loads(out)["samples"]
    assert [sample["text"] for sample in samples] == [row["text"].removeprefix("'") for row in rows]
    assert len(samples[0]["ids"]) == 6


def test_a_sweeps_lists_are_numbers(capsys, tiny_folder):
    assert numbers("0.5, 1,0.5", "--top-p") == [0.5, 1.0]
    with pytest.raises(ParameterError, match="--top-p 'x' must be numbers"):
        numbers("x", "--top-p")
    code, _, err = run(capsys, "sweep", "東京", "--model", tiny_folder, "--top-p", "3")
    assert (code, err.count("\n")) == (2, 1)
    assert "--top-p 3" in err
