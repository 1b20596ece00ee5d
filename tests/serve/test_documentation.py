"""The lines of docs/serving.md do what it says."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pytest

from neoxjp.cli.serve import LimitOptions
from neoxjp.serve import ROWS, CompletionRequest

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
PROGRAMS = [block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "mcp" not in block]


def test_the_line_with_curl_answers(server: SimpleNamespace) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl here")
    (line,) = re.findall(r"```sh\n(curl .*?)```", TEXT, re.DOTALL)
    words = shlex.split(line.replace("http://127.0.0.1:8000", server.url).replace("\\\n", " "))
    answer = json.loads(subprocess.run([*words, "--silent"], capture_output=True, check=True).stdout)
    assert answer["usage"]["completion_tokens"] == 20


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_the_programs_run(server: SimpleNamespace, number: int) -> None:
    code = PROGRAMS[number].replace("http://127.0.0.1:8000", server.url)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_field_and_every_route_is_named() -> None:
    for name, field in CompletionRequest.model_fields.items():
        own = "Not supported" not in str(field.metadata)
        assert not own or name in ("user", "add_special_tokens") or f"`{name}`" in TEXT or name == "stream_options", name
    for row in ROWS:
        path = row.path.replace("{model}", "NAME")
        assert path in TEXT, path
    for each in fields(LimitOptions):
        assert f"--{each.name.replace('_', '-')}`" in TEXT, each.name
