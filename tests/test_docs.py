"""What the README and docs/ show is what happens: their commands run, their transcript is real, their files exist."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from neoxjp.cli.main import build, main
from neoxjp.hub import bundled_path

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")])
IDS = [str(path.relative_to(ROOT)) for path in PAGES]
README, README_JA = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.ja.md"))
SHORTER = {"--steps": "2", "--tokens": "100", "--cool-down": "50", "--last": "1"}  # so that training takes seconds
TAKE_LONG = {"app", "bench", "quantize", "serve"}  # these are parsed, not run; they have tests of their own


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def execute(*command: str, cwd: Path = ROOT) -> str:
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=here)
    assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
    return done.stdout


def commands(text: str) -> list[list[str]]:
    """The words of each `neoxjp …` line of the bash blocks."""
    lines = "\n".join(blocks("bash", text)).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("neoxjp ")]


def parse(words: list[str]) -> None:
    """Raises where the command or one of its options is not there."""
    command, words = typer.main.get_command(build()), list(words)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_has_these_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    inline = [shlex.split(found)[1:] for found in re.findall(r"`(neoxjp [^`…]+)`", text)]
    for words in [*commands(text), *(words for words in inline if len(words) > 1)]:
        parse(words)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_runs(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("novels.txt", "mine.txt", "other.txt"):
        (tmp_path / name).write_text("吾輩は猫である。名前はまだ無い。\n" * 40, encoding="utf-8")
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"prompt": "吾輩は"}) + "\n", encoding="utf-8")
    rows = blocks("json", (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8"))
    for name, text in zip(("pairs.jsonl", "sentences.jsonl", "questions.jsonl"), rows, strict=True):
        (tmp_path / name).write_text(text, encoding="utf-8")
    for words in commands(page.read_text(encoding="utf-8")):
        python = os.environ.get("NEOXJP_RAY") if "--ray" in words else sys.executable
        if words[0] in TAKE_LONG or python is None:  # None: no environment with ray
            continue
        words = [SHORTER.get(before, word) for before, word in zip(["", *words], words, strict=False)]
        if python != sys.executable or words[0] == "train":
            execute(python, "-m", "neoxjp", *words, cwd=tmp_path)
        else:  # in this process: to start one takes two seconds
            assert main(words) == 0, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("text", [README, README_JA], ids=["English", "Japanese"])
def test_the_five_lines_run_on_the_bundled_model(text: str) -> None:
    (code,) = blocks("python", text)
    code = code.replace("abeja/gpt-neox-japanese-2.7b", str(bundled_path()))
    assert execute(sys.executable, "-c", code).startswith("人とAIが協調するためには、")


def test_the_tokenizer_example_runs() -> None:
    (code,) = blocks("python", (ROOT / "docs" / "tokenizer.md").read_text(encoding="utf-8"))
    assert execute(sys.executable, "-c", code).endswith("慶応\n")


@pytest.mark.slow
@pytest.mark.parametrize("text", [README, README_JA], ids=["English", "Japanese"])
def test_the_terminal_session_prints_what_it_shows(text: str) -> None:
    (session,) = blocks("console", text)
    for entry in session.removeprefix("$ ").split("\n$ "):
        command, _, shown = entry.partition("\n")
        program, name, *arguments = shlex.split(command)
        assert program == "neoxjp"
        printed = execute(sys.executable, "-m", "neoxjp", name, *arguments)
        if name == "generate":  # another processor rounds differently and may draw another token
            assert printed.startswith(arguments[0])
            assert shown.startswith(arguments[0])
        else:
            assert printed.rstrip() == shown.rstrip()


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_file_it_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = [page.parent / target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
    named += [ROOT / name for name in re.findall(r"(?:python|bash) ([\w/]+\.py|tests/run)", text)]
    for path in named:
        assert path.exists(), path
    # In tables of places: `engine/scheduler.py`, `neoxjp/hub/local.py`, `tests/conftest.py`.
    for name in re.findall(r"`((?:\w+/)+\w+\.(?:py|c|html))`", text):
        assert (ROOT / "neoxjp" / name).exists() or (ROOT / name).exists(), name


def test_the_tree_names_every_folder() -> None:
    (tree,) = re.findall(r"```\n(app\.py .*?)```", README, re.DOTALL)
    for path in (ROOT / "neoxjp").iterdir():
        if not path.name.startswith("_") and path.suffix in (".py", ""):
            assert re.search(rf"\b{path.stem}\b", tree), f"{path.name} is missing from the README's tree"


def test_the_two_readmes_show_the_same_code_and_figures() -> None:
    for language in ("python", "bash"):
        assert blocks(language, README) == blocks(language, README_JA)
    figures = re.compile(r"\*\*([\d.]+) [×倍]")
    assert set(figures.findall(README_JA)) <= set(figures.findall(README))


@pytest.mark.parametrize("name", ["/tokenize", "/compare", "/generate", "/score", "/model_info"])
def test_the_endpoints_are_named(name: str) -> None:
    assert f"`{name}`" in README
    assert f"`{name}`" in README_JA
