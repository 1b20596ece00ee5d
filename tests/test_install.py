"""What an installation can do: from any folder, and from the wheel alone."""

import json
import os
import site
import subprocess
import sys
import urllib.request
import venv
from pathlib import Path

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


@pytest.mark.slow
def test_the_wheel_opens_the_page_in_an_empty_folder(tmp_path: Path) -> None:
    built = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT]
    subprocess.run(built, check=True, env=without_path())
    (wheel,) = tmp_path.glob("*.whl")
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    # The dependencies of this environment, by path: its own editable neoxjp is not read along.
    (packages,) = (environment / "lib").glob("*/site-packages") if os.name != "nt" else [environment / "Lib" / "site-packages"]
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    python = environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    installed = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--force-reinstall", wheel]
    subprocess.run(installed, check=True, env=without_path())
    empty = tmp_path / "empty"
    empty.mkdir()
    where = subprocess.run(
        [python, "-c", "import neoxjp; print(neoxjp.__file__)"], cwd=empty, env=without_path(), capture_output=True, text=True
    )
    assert Path(where.stdout.strip()).is_relative_to(environment), where.stderr
    port = free_port()
    command = [python.with_name("neoxjp"), "app", "--server-port", str(port)]
    with (tmp_path / "log").open("w+") as log:
        page = subprocess.Popen(command, cwd=empty, env=without_path(), stdout=log, stderr=subprocess.STDOUT)
        try:
            url = answering(f"http://127.0.0.1:{port}", page, log)
            with urllib.request.urlopen(f"{url}/config") as config:
                values = [component["props"].get("value") for component in json.load(config)["components"]]
            assert examples()["story"] in values
        finally:
            page.terminate()
            page.wait(timeout=30)
    assert list(empty.iterdir()) == []
