"""`neoxjp generate --file`: many prompts in one batch, JSONL in and out."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from neoxjp.cli.main import main

QUICK = ["--max-new-tokens", "6", "--device", "cpu"]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    rows: list[dict[str, Any]] = [{"prompt": "東京", "number": 1}, {"prompt": "猫は"}, {"prompt": ""}]
    file = tmp_path / "prompts.jsonl"
    file.write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    return file


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_each_line_gets_its_text_in_order_and_keeps_its_fields(capsys, tiny_folder, prompts, tmp_path) -> None:
    asked = ["generate", "--file", prompts, "--model", tiny_folder, "--seed", 5, *QUICK]
    code, out, err = run(capsys, *asked, "--out", tmp_path / "texts.jsonl")
    assert (code, out) == (0, "")
    rows = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["prompt"], row["seed"]) for row in rows] == [("東京", 5), ("猫は", 6), ("", 7)]
    assert rows[0]["number"] == 1
    assert err == f"3 texts, {sum(len(row['ids']) for row in rows)} tokens\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prompts.jsonl", "texts.jsonl"]
    assert run(capsys, *asked)[1].splitlines() == (tmp_path / "texts.jsonl").read_text(encoding="utf-8").splitlines()


def test_a_text_of_a_batch_is_the_text_alone(capsys, tiny_folder, prompts) -> None:
    asked = ["--model", tiny_folder, "--greedy", *QUICK]
    rows = [json.loads(line) for line in run(capsys, "generate", "--file", prompts, *asked)[1].splitlines()]
    alone = json.loads(run(capsys, "generate", "猫は", *asked, "--json")[1])
    assert (rows[1]["ids"], rows[1]["text"]) == (alone["ids"], alone["text"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"prompt": "猫"}\n{"prompt": ', "prompts.jsonl, line 2: this is not JSON"),
        ('\n{"text": "猫"}\n', "prompts.jsonl, line 2: found '{\"text\": \"猫\"}', not an object with a text 'prompt'"),
        ('["猫"]\n', "line 1: found '[\"猫\"]', not an object"),
        ("\n \n", "holds no prompt: write an object like"),
        (json.dumps({"prompt": "猫"}) + "\n" + json.dumps({"prompt": "東京" * 90}), "line 2: the prompt has 90 tokens"),
    ],
)
def test_an_error_names_its_line_and_nothing_is_written(capsys, tiny_folder, tmp_path, content, message) -> None:
    file, out = tmp_path / "prompts.jsonl", tmp_path / "texts.jsonl"
    file.write_text(content, encoding="utf-8")
    out.write_text("before", encoding="utf-8")
    code, _, err = run(capsys, "generate", "--file", file, "--out", out, "--model", tiny_folder, *QUICK)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert out.read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prompts.jsonl", "texts.jsonl"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "x.jsonl"], "--out takes the texts of --file"),
        (["猫", "--file", "x.jsonl"], "--file takes its prompts from the file"),
        (["--file", "x.jsonl", "--column", "text"], "would replace the prompt"),
        (["--file", "/no/such.jsonl"], "cannot read /no/such.jsonl: No such file or directory"),
    ],
)
def test_options_that_do_not_go_together_are_one_line(capsys, options, message) -> None:
    code, _, err = run(capsys, "generate", *options)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_half_a_character_in_a_field_loses_nothing(capsys, tiny_folder, tmp_path) -> None:
    file, out = tmp_path / "prompts.jsonl", tmp_path / "texts.jsonl"
    file.write_text('{"prompt": "猫", "id": "\\ud83d"}\n{"prompt": "犬"}\n', encoding="utf-8")
    code, _, err = run(capsys, "generate", "--file", file, "--out", out, "--model", tiny_folder, *QUICK)
    assert code == 0, err
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["prompt"] for row in rows] == ["猫", "犬"]
    assert rows[0]["id"] == "\ud83d"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_one_line(capsys, tiny_folder, prompts) -> None:
    code, _, err = run(capsys, "generate", "--file", prompts, "--model", tiny_folder, *QUICK, "--out", "/dev/full")
    assert (code, err) == (2, "neoxjp generate: cannot write /dev/full: No space left on device\n")
    code, _, err = run(capsys, "generate", "--file", prompts, "--model", tiny_folder, *QUICK, "--out", "/no/such/x.jsonl")
    assert (code, err) == (2, "neoxjp generate: cannot write /no/such/x.jsonl: No such file or directory\n")
