"""The command line as such: help, misspelt words, streams that are closed or full, options that come from tables."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from neoxjp.cli import run
from neoxjp.cli.main import build, main
from neoxjp.errors import ParameterError
from neoxjp.labs.features import FEATURES
from neoxjp.sampling import OPTIONS

ROOT = Path(__file__).parents[2]


def shell(line: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    line = line.replace("neoxjp ", f'"{sys.executable}" -m neoxjp ')
    return subprocess.run(["bash", "-c", line], capture_output=True, cwd=ROOT, env=os.environ | environment)


def commands() -> list[list[str]]:
    """The words of every command, such as ["bench", "load"]."""
    found: list[list[str]] = []

    def visit(command: Any, words: list[str]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            visit(inner, [*words, name])
        if not hasattr(command, "commands"):
            found.append(words)

    visit(typer.main.get_command(build()), [])
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_the_help_of_every_command_has_one_example_of_it(capsys, words) -> None:
    assert main([*words, "--help"]) == 0
    out = capsys.readouterr().out
    (example,) = [line.strip() for line in out.splitlines() if line.strip().startswith("Example: ")]
    assert example.startswith(f"Example: neoxjp {' '.join(words)}")
    assert "╭" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tokenise", "猫"], "neoxjp: no such command 'tokenise'. Did you mean 'tokenize'?\n"),
        (["generate", "--temprature", "1"], "neoxjp generate: no such option: --temprature. Did you mean --temperature?\n"),
        (
            ["tokenize", "--file", "a.txt", "--ids"],
            "neoxjp tokenize: --file writes the ids of files: it takes no text, --decode, --ids or --format\n",
        ),
        (
            ["tokenize", "1", "--decode", "--clean"],
            "neoxjp tokenize: --decode reads ids and prints their text: it takes no --ids, --format or --clean\n",
        ),
        (
            ["tokenize", "--ray", "--file", "a.txt", "--out", "o", "--shard-bytes", "inf"],
            "neoxjp tokenize: --shard-bytes inf must be a finite number of bytes\n",
        ),
        (["tokenize", "吾輩は", "猫"], "neoxjp tokenize: the text has several words: put the text into quotes, '吾輩は 猫'\n"),
        (["export", "bundled"], "neoxjp export: missing argument 'out'.\n"),
    ],
)
def test_a_misspelt_command_is_one_line_that_helps(capsys, words, message) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == message


def test_no_command_prints_the_list_of_them(capsys) -> None:
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("Usage: neoxjp [OPTIONS] COMMAND")


def test_an_option_may_take_several_values_up_to_the_next_option(capsys, tiny_vocabulary) -> None:
    asked = ["compare", "猫", "--model", str(tiny_vocabulary), "--spelling", "written", "--tokenizer"]
    assert main([*asked, "bytes", "characters"]) == 0
    together = capsys.readouterr().out
    assert main([*asked, "bytes", "--tokenizer", "characters"]) == 0
    assert capsys.readouterr().out == together


def test_a_new_row_of_the_sampling_table_and_a_new_feature_are_on_the_command_line(capsys) -> None:
    extra = replace(OPTIONS[0], name="smoothing_factor", help=("", "Smooths."), recommended=0.25)
    for options, found in ((OPTIONS, False), ((*OPTIONS, extra), True)):
        program = typer.main.get_command(build(FEATURES, options))
        for name in ("generate", "sweep"):
            program.main([name, "--help"], standalone_mode=False)
            assert ("--smoothing-factor <float>" in capsys.readouterr().out) == found
    program = typer.main.get_command(build(FEATURES[:1], OPTIONS))
    assert "compare" in program.commands  # type: ignore[attr-defined]
    assert "score" not in program.commands  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("words", ["tokenize 猫", "generate 猫 --max-new-tokens 2", "--help", "--version", "vocabulary"])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_is_one_line(words) -> None:
    done = shell(f"neoxjp {words} > /dev/full")
    assert done.returncode == 2
    assert b"the output cannot be written: No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr


def test_closed_streams_are_no_reason_for_a_traceback() -> None:
    for line, code, message in (
        ("neoxjp tokenize 猫 >&-", 0, b"1 token, 1 character, 3 bytes"),
        ("neoxjp tokenize 猫 2>&-", 0, b""),
        ("neoxjp tokenize <&-", 2, b"neoxjp tokenize: no text: give it as an argument; standard input is closed\n"),
    ):
        done = shell(line)
        assert done.returncode == code, (line, done.stderr)
        assert message in done.stderr
        assert b"Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["'gcc", " ", "/no/such/cc", "gcc -fno-such-option"])
def test_a_strange_compiler_is_no_reason_for_a_traceback(compiler) -> None:
    done = shell("neoxjp generate 猫 --max-new-tokens 2", CC=compiler)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr


def test_convert_refuses_a_config_that_loading_refuses_and_says_that_the_pickle_can_go(capsys, tiny_folder, tmp_path) -> None:
    import json
    import shutil

    import torch

    from neoxjp import GPTNeoXJapaneseForCausalLM

    shutil.copytree(tiny_folder, tmp_path / "old", ignore=shutil.ignore_patterns("*.safetensors"))
    torch.save(GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder).state_dict(), tmp_path / "old" / "pytorch_model.bin")
    config = tmp_path / "old" / "config.json"
    good = config.read_text()
    config.write_text(json.dumps(json.loads(good) | {"num_attention_heads": 7}))
    assert main(["score", "猫", "--model", str(tmp_path / "old")]) == 2
    assert "neoxjp convert" in (err := capsys.readouterr().err)
    assert "allow_pickle" not in err
    assert main(["convert", str(tmp_path / "old")]) == 2
    assert "num_attention_heads" in capsys.readouterr().err
    config.write_text(good)
    assert main(["convert", str(tmp_path / "old")]) == 0
    assert "the pickle in " in (out := capsys.readouterr().out)
    assert out.endswith("(pytorch_model.bin) is no longer needed: you can delete it\n")


def test_doctor_lists_optional_packages_with_what_they_are_for(capsys, monkeypatch) -> None:
    import importlib.metadata

    original = importlib.metadata.version

    def version(package: str) -> str:
        if package == "pyarrow":
            raise importlib.metadata.PackageNotFoundError(package)
        return original(package)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert main(["doctor"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "pyarrow not installed: pip install pyarrow (texts from .parquet files)" in lines


def test_a_function_becomes_a_command_line_whose_errors_are_one_line(capsys, monkeypatch) -> None:
    def main(text: str, times: int = 1) -> None:
        """Repeat a text."""
        if times < 1:
            raise ParameterError(f"times={times} must be at least 1")
        print(text * times)

    for given, code, out, err in [
        (["猫", "--times", "2"], 0, "猫猫\n", ""),
        (["猫", "--times", "0"], 2, "", "repeat.py: --times 0 must be at least 1\n"),
        ([], 2, "", "repeat.py: missing argument 'text'.\n"),
    ]:
        monkeypatch.setattr(sys, "argv", ["/anywhere/repeat.py", *given])
        with pytest.raises(SystemExit) as ended:
            run(main)
        assert (ended.value.code, *capsys.readouterr()) == (code, out, err)
