"""What the README shows is what happens: its Python runs, its transcript is real, its files exist."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from neoxjp.hub import bundled_path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def execute(*command: str) -> subprocess.CompletedProcess[str]:
    here = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=here, check=True)


def test_the_five_lines_run_on_the_bundled_model():
    (code,) = [block for block in blocks("python") if "from_pretrained" in block]
    code = code.replace("abeja/gpt-neox-japanese-2.7b", str(bundled_path()))
    assert execute(sys.executable, "-c", code).stdout.startswith("人とAIが協調するためには、")


def test_the_terminal_session_prints_what_it_shows():
    (session,) = blocks("console")
    for entry in session.removeprefix("$ ").split("\n$ "):
        command, _, shown = entry.partition("\n")
        program, name, *arguments = shlex.split(command)
        assert program == "neoxjp"
        printed = execute(sys.executable, "-m", "neoxjp", name, *arguments).stdout
        if name == "generate":  # another processor rounds differently and may draw another token
            assert printed.startswith(arguments[0])
            assert shown.startswith(arguments[0])
        else:
            assert printed.rstrip() == shown.rstrip()


def test_every_file_it_names_exists():
    named = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    named += re.findall(r"(?:\.venv/bin/python|bash) ([\w/]+\.py|tests/run)", README)
    assert len(named) > 4
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_tree_names_every_module():
    (tree,) = re.findall(r"```\n(app\.py .*?)```", README, re.DOTALL)
    for path in (ROOT / "neoxjp").iterdir():
        if not path.name.startswith("_") and path.suffix in (".py", ""):
            assert re.search(rf"\b{path.stem}\b", tree), f"{path.name} is missing from the README's tree"


@pytest.mark.parametrize("name", ["/tokenize", "/compare", "/generate", "/score", "/model_info"])
def test_the_endpoints_are_named(name):
    assert f"`{name}`" in README
