"""What an installation can do: from any folder, and from the wheel alone."""

import json
import os
import site
import subprocess
import sys
import tempfile
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from neoxjp.ui.generate import examples
from tests.support.page import answering, free_port

ROOT = Path(__file__).parent.parent


def without_path() -> dict[str, str]:
    """The environment of a user: nothing on PYTHONPATH."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def test_the_package_is_found_in_the_folder_that_holds_the_clone(tmp_path: Path) -> None:
    (tmp_path / "neoxjp" / "docs").mkdir(parents=True)  # a clone: a folder of the package's name without __init__.py
    code = "import neoxjp; print(neoxjp.__version__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=without_path(), capture_output=True, text=True)
    assert done.stdout.strip(), done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment into which the built wheel was installed, and nothing of this folder."""
    folder = tmp_path_factory.mktemp("installed")
    built = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    subprocess.run(built, check=True, env=without_path())
    (wheel,) = folder.glob("*.whl")
    environment = folder / "environment"
    venv.create(environment, with_pip=False)
    # The dependencies of this environment, by path: its own editable neoxjp is not read along.
    (packages,) = (environment / "lib").glob("*/site-packages") if os.name != "nt" else [environment / "Lib" / "site-packages"]
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--force-reinstall", wheel]
    subprocess.run(install, check=True, env=without_path())
    code = "import neoxjp; print(neoxjp.__file__)"
    where = subprocess.run([python, "-c", code], cwd=folder, env=without_path(), capture_output=True, text=True)
    assert Path(where.stdout.strip()).is_relative_to(environment), where.stderr
    return python


@contextmanager
def opened(python: Path, folder: Path, port: int, *options: str, **environment: str) -> Iterator[str]:
    """The page of the installed `neoxjp app`, started in `folder`."""
    command = [python.with_name("neoxjp"), "app", "--server-port", str(port), *options]
    with tempfile.TemporaryFile("w+") as log:
        page = subprocess.Popen(command, cwd=folder, env=without_path() | environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield answering(f"http://127.0.0.1:{port}", page, log)
        finally:
            page.terminate()
            assert page.wait(timeout=60) == 0


@pytest.mark.slow
def test_the_wheel_opens_the_page_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    with opened(installed, tmp_path, free_port()) as url, urllib.request.urlopen(f"{url}/config") as config:
        assert quote(json.dumps(examples()["story"])) in config.read().decode()  # the text that the editor starts with
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_what_the_container_runs_opens_a_healthy_page(installed: Path, tmp_path: Path) -> None:
    """The image's variables, command and health check; Docker itself is not here."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    (variables,) = [line.removeprefix("ENV ").split() for line in lines if line.startswith("ENV ")]
    (command,) = [json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD ")]
    (health,) = [json.loads(line.partition("CMD ")[2]) for line in lines if line.startswith("HEALTHCHECK ")]
    environment = dict(pair.split("=") for pair in variables if not pair.startswith("PATH="))
    environment = {name: value.replace("/tmp", str(tmp_path / "tmp")) for name, value in environment.items()}
    assert command[:2] == ["neoxjp", "app"]
    assert command[command.index("--server-port") + 1] == "7860"
    assert "--public" in command, "the image serves strangers"
    port, empty = free_port(), tmp_path / "empty"
    empty.mkdir()
    switches = [word for word in command if word.startswith("--") and word not in ("--host", "--server-port")]
    with opened(installed, empty, port, *switches, **environment):
        check = [installed, *health[1:-1], health[-1].replace("7860", str(port))]
        assert subprocess.run(check, cwd=empty).returncode == 0
    assert list(empty.iterdir()) == []
