"""The Space that is built: complete, small in git, agreeing with what is installed; pushed to a local Hub; started and driven."""

import importlib.metadata
import os
import re
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gradio_client
import pytest
from huggingface_hub import metadata_load
from packaging.requirements import Requirement

from neoxjp.errors import CheckpointError
from neoxjp.hub import ABEJA, KNOWN_CONVERSIONS
from space import build as space
from tests.support.hub_server import LocalHub

ROOT = Path(__file__).parent.parent
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the real page and package, and a small file in the place of the bundled weights."""
    root = tmp_path / "repository"
    for name in ("neoxjp/ui", "neoxjp/hub/bundled", "neoxjp/__pycache__", "space"):
        (root / name).mkdir(parents=True)
    for name in ("app.py", "LICENSE", "requirements.txt", "space/README.md", "space/packages.txt", "neoxjp/__init__.py"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    (root / "neoxjp/ui/page.py").write_text("PAGE = 1\n")
    (root / "neoxjp/__pycache__/page.cpython-311.pyc").write_bytes(b"0")
    (root / "neoxjp/hub/bundled/config.json").write_text("{}")
    (root / "neoxjp/hub/bundled/model.safetensors").write_bytes(b"0" * 100)
    return root


def card(folder: Path) -> dict[str, object]:
    found = metadata_load(folder / "README.md")
    assert found is not None
    return found


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------- the tree


def test_the_tree_is_complete(repository: Path, tmp_path: Path) -> None:
    assert files(space.build(tmp_path / "out", root=repository)) == {
        "README.md", "app.py", "requirements.txt", "packages.txt", ".gitattributes", "LICENSE",
        "neoxjp/__init__.py", "neoxjp/ui/page.py", "neoxjp/hub/bundled/config.json", "neoxjp/hub/bundled/model.safetensors",
    }  # fmt: skip


def test_every_file_of_the_package_is_in_the_tree(tmp_path: Path) -> None:
    package = {path for path in files(ROOT / "neoxjp") if "__pycache__" not in path}
    assert {Path(path).suffix for path in package} >= {".py", ".html", ".css", ".js", ".c", ".h", ".tsv", ".json", ".txt"}
    assert files(space.build(tmp_path / "out") / "neoxjp") == package


def test_the_settings_are_what_a_space_takes(repository: Path, tmp_path: Path) -> None:
    settings = card(space.build(tmp_path / "out", root=repository))
    assert settings["sdk"] == "gradio"
    assert settings["sdk_version"] == importlib.metadata.version("gradio")
    assert settings["python_version"] == "3.12"  # a string: 3.10 as a number would be 3.1
    assert settings["app_file"] == "app.py"
    assert settings["license"] == "mit"
    assert len(str(settings["short_description"])) <= 60
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {settings["colorFrom"], settings["colorTo"]} <= colours
    assert {"title", "emoji", "tags", "startup_duration_timeout"} <= set(settings)
    assert "models" not in settings
    assert "preload_from_hub" not in settings


def test_no_placeholder_is_left_in_the_readme(repository: Path, tmp_path: Path) -> None:
    for served in (None, space.find_model(ABEJA)):
        text = (space.build(tmp_path / "out", served, root=repository) / "README.md").read_text(encoding="utf-8")
        assert "{{" not in text
        for name in ("NEOXJP_MODEL", "NEOXJP_REVISION", "NEOXJP_DTYPE"):
            assert f"`{name}`" in text


def test_requirements_leave_gradio_to_the_platform_and_agree_with_what_is_installed(repository: Path, tmp_path: Path) -> None:
    lines = (space.build(tmp_path / "out", root=repository) / "requirements.txt").read_text().splitlines()
    wanted = [Requirement(line.split("#")[0]) for line in lines if line.split("#")[0].strip()]
    assert {"torch", "SudachiPy", "jaconv", "pandas"} <= {requirement.name for requirement in wanted}
    assert not {"gradio", "spaces"} & {requirement.name for requirement in wanted}
    for requirement in wanted:
        assert requirement.specifier.contains(importlib.metadata.version(requirement.name), prereleases=True), requirement


def test_the_gradio_of_the_space_satisfies_the_repository() -> None:
    (line,) = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("gradio")]
    assert Requirement(line.split("#")[0]).specifier.contains(importlib.metadata.version("gradio"))


@pytest.mark.parametrize(
    "line", ["-r other.txt", "-e .", "./wheels/x.whl", "x @ file:///wheels/x.whl", "https://example.org/x.whl", "--index-url x"]
)
def test_requirements_with_paths_or_options_are_refused(line: str) -> None:
    with pytest.raises(CheckpointError, match="only packages by name"):
        space.requirements(f"torch>=2\n{line}\n")


def test_a_japanese_font_and_a_compiler_are_installed(repository: Path, tmp_path: Path) -> None:
    packages = (space.build(tmp_path / "out", root=repository) / "packages.txt").read_text().split()
    assert packages == ["fonts-noto-cjk", "gcc", "libc6-dev"]


def test_files_from_ten_megabytes_are_in_lfs(repository: Path, tmp_path: Path) -> None:
    small = space.build(tmp_path / "out", root=repository)
    assert (small / ".gitattributes").read_text() == ""
    (repository / "neoxjp/hub/bundled/model.safetensors").write_bytes(bytes(10_000_000))
    large = space.build(tmp_path / "out", root=repository)
    assert (large / ".gitattributes").read_text() == "neoxjp/hub/bundled/model.safetensors filter=lfs diff=lfs merge=lfs -text\n"


# ---------------------------------------------------------------- another model


def test_the_real_model_is_preloaded_at_its_commit(repository: Path, tmp_path: Path) -> None:
    out = space.build(tmp_path / "out", space.find_model(ABEJA), root=repository)
    settings = card(out)
    assert settings["models"] == [ABEJA]
    names, revision = "config.json,vocab.txt,emoji.json,tokenizer_config.json,model.safetensors", KNOWN_CONVERSIONS[ABEJA]
    assert settings["preload_from_hub"] == [f"{ABEJA} {names} {revision}"]


def test_the_variables_are_defaults_of_app_py_that_settings_override(repository: Path, tmp_path: Path) -> None:
    (repository / "app.py").write_text(
        '"""Docstring\nof two lines."""\n\nimport os\n\nprint(os.environ["NEOXJP_MODEL"], os.environ["NEOXJP_DTYPE"])\n'
    )
    out = space.build(tmp_path / "out", space.find_model(ABEJA, dtype="bfloat16"), root=repository)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NEOXJP_")}
    for more, expected in [({}, f"{ABEJA} bfloat16"), ({"NEOXJP_MODEL": "other/model"}, "other/model bfloat16")]:
        ran = subprocess.run([sys.executable, "app.py"], cwd=out, env=environment | more, capture_output=True, text=True)
        assert ran.stdout.strip() == expected, ran.stderr


def test_variables_come_before_the_first_import_with_or_without_a_docstring() -> None:
    for source in ['"""Doc."""\nimport neoxjp\n', "import neoxjp\n"]:
        text = space.with_variables(source, {"A": 'b"c'})
        assert text.index("os.environ") < text.index("import neoxjp")
        compile(text, "app.py", "exec")


def test_another_model_is_pinned_to_the_commit_its_branch_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["config.json", "vocab.txt", "emoji.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    with LocalHub() as hub:
        hub.use(monkeypatch, tmp_path)
        hub.add(
            "some/model", dict.fromkeys([*names, "model.safetensors.index.json", "pytorch_model.bin", "notes.md"], b"0"), sha=SHA
        )
        served = space.find_model("some/model", dtype="float16")
    assert served.revision == SHA
    assert set(served.files) == {*names, "model.safetensors.index.json"}
    assert served.variables == {"NEOXJP_MODEL": "some/model", "NEOXJP_REVISION": SHA, "NEOXJP_DTYPE": "float16"}


def test_a_space_can_serve_int8_and_says_so_only_then(tmp_path: Path) -> None:
    assert space.find_model(ABEJA, quantization="int8").variables["NEOXJP_QUANTIZATION"] == "int8"
    assert "NEOXJP_QUANTIZATION" not in space.find_model(ABEJA).variables
    assert space.main([str(tmp_path / "out"), "--quantization", "int8"]) == 2  # the bundled one is served as it is


def test_a_model_that_a_space_could_not_serve_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalHub() as hub:
        hub.use(monkeypatch, tmp_path)
        hub.add("some/pickle", {"config.json": b"{}", "pytorch_model.bin": b"0"})
        with pytest.raises(CheckpointError, match=r"has no vocab\.txt, emoji\.json, model\.safetensors"):
            space.find_model("some/pickle")
        with pytest.raises(CheckpointError, match="the Hub answered 404"):
            space.find_model("no/such-model")
    with pytest.raises(CheckpointError, match="cannot be reached"):
        space.find_model("some/pickle")
    with pytest.raises(CheckpointError, match="which a Space cannot read"):
        space.find_model(str(tmp_path))


# ---------------------------------------------------------------- writing


def test_building_again_replaces_the_old_tree_and_keeps_git(repository: Path, tmp_path: Path) -> None:
    out = space.build(tmp_path / "out", root=repository)
    (out / ".git").mkdir()
    (out / ".git/HEAD").write_text("ref: refs/heads/main")
    (out / "neoxjp/old.py").write_text("")
    (repository / "neoxjp/new.py").write_text("")
    space.build(out, root=repository)
    assert {".git/HEAD", "neoxjp/new.py"} <= files(out)
    assert "neoxjp/old.py" not in files(out)


def test_a_folder_with_something_else_in_it_is_refused_untouched(repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "README.md").write_text("My thesis")
    with pytest.raises(CheckpointError, match="is not a Space"):
        space.build(other, root=repository)
    assert files(other) == {"README.md"}
    with pytest.raises(CheckpointError, match="is not a Space"):
        space.build(repository, root=repository)


def test_a_build_that_fails_leaves_the_old_tree(repository: Path, tmp_path: Path) -> None:
    out = space.build(tmp_path / "out", root=repository)
    before = files(out)
    (repository / "requirements.txt").write_text("-e .\n")
    with pytest.raises(CheckpointError, match="only packages by name"):
        space.build(out, root=repository)
    assert files(out) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "repository"]


def test_a_repository_without_its_model_is_refused(repository: Path, tmp_path: Path) -> None:
    (repository / "neoxjp/hub/bundled/config.json").unlink()
    with pytest.raises(CheckpointError, match="has no model"):
        space.build(tmp_path / "out", root=repository)


def test_expected_errors_are_one_line_and_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("")
    assert space.main([str(tmp_path)]) == 2
    assert space.main([str(tmp_path / "out"), "--dtype", "float16"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in errors] == ["space/build.py"] * 2


# ---------------------------------------------------------------- pushing


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    with LocalHub() as hub:
        hub.use(monkeypatch, tmp_path / "hub-home")
        yield hub


def test_push_creates_the_space_with_its_variables_and_uploads_the_tree(hub: LocalHub, repository: Path, tmp_path: Path) -> None:
    served = space.find_model(ABEJA)
    out = space.build(tmp_path / "out", served, root=repository)
    url = space.push(out, "tester/neoxjp", served, private=True)
    assert url == f"{hub.url}/spaces/tester/neoxjp"
    made = hub.repositories["space", "tester/neoxjp"].card
    assert made["sdk"] == "gradio"
    assert made.get("visibility") == "private" or made.get("private") is True
    assert {item["key"]: item["value"] for item in made["variables"]} == served.variables
    assert {path: content for path, content in hub.files("tester/neoxjp", kind="space").items() if path != ".gitattributes"} == {
        path: (out / path).read_bytes() for path in files(out) if path != ".gitattributes"
    }
    assert hub.tokens == {"hf_test"}


def test_push_again_removes_modules_that_are_gone_and_leaves_the_owners_files(
    hub: LocalHub, repository: Path, tmp_path: Path
) -> None:
    (repository / "neoxjp/old.py").write_text("OLD = 1\n")
    out = space.build(tmp_path / "out", root=repository)
    space.push(out, "tester/neoxjp")
    there = hub.files("tester/neoxjp", kind="space")
    assert "neoxjp/old.py" in there
    hub.add("tester/neoxjp", {**there, "notes.md": b"mine"}, kind="space")
    (repository / "neoxjp/old.py").unlink()
    space.push(space.build(out, root=repository), "tester/neoxjp")
    there = hub.files("tester/neoxjp", kind="space")
    assert "neoxjp/old.py" not in there
    assert there["notes.md"] == b"mine"
    assert "app.py" in there


def test_push_does_not_upload_git(hub: LocalHub, repository: Path, tmp_path: Path) -> None:
    out = space.build(tmp_path / "out", root=repository)
    (out / ".git").mkdir()
    (out / ".git/config").write_text("secret")
    space.push(out, "tester/neoxjp")
    assert not [path for path in hub.files("tester/neoxjp", kind="space") if path.startswith(".git/")]


def test_push_says_what_went_wrong(hub: LocalHub, repository: Path, tmp_path: Path) -> None:
    out = space.build(tmp_path / "out", root=repository)
    with pytest.raises(CheckpointError, match="Repo id must"):
        space.push(out, "a/b/c")
    hub.close()
    with pytest.raises(CheckpointError, match="cannot be reached"):
        space.push(out, "tester/neoxjp")


# ---------------------------------------------------------------- started


@dataclass(frozen=True)
class Started:
    """A Space that runs: where, and its proxy for every other machine, at which nobody answers."""

    url: str
    proxy: socket.socket

    @property
    def asked_another_machine(self) -> bool:
        return bool(select.select([self.proxy], [], [], 0)[0])


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    """The Space, built from this repository and running as on the platform."""
    if not (ROOT / "neoxjp/hub/bundled/model.safetensors").is_file():
        pytest.skip("neoxjp/hub/bundled/model.safetensors is absent: train it with `neoxjp train`, then the Space can be started")
    folder = tmp_path_factory.mktemp("space")
    out = space.build(folder / "out")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("NEOXJP_", "PYTHON", "GRADIO_", "HF_"))}
    environment |= {
        "SPACE_ID": "tester/neoxjp",
        "SPACE_HOST": "tester-neoxjp.hf.space",
        "SYSTEM": "spaces",
        "SPACES_ZERO_GPU": "",
    }
    environment |= {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port), "HF_HOME": str(folder / "hub")}
    with socket.create_server(("127.0.0.1", 0)) as proxy, (folder / "log").open("w") as log:
        elsewhere = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            environment |= {name: elsewhere, name.lower(): elsewhere}
        environment |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        process = subprocess.Popen([sys.executable, "app.py"], cwd=out, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(f"http://127.0.0.1:{port}/", process, folder / "log")
            yield Started(f"http://127.0.0.1:{port}/", proxy)
        finally:
            process.terminate()
            process.wait(20)


def wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            if urllib.request.urlopen(url, timeout=5).status == 200:
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the Space did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def client(started: Started) -> Iterator[gradio_client.Client]:
    """A visitor, once the model is there: the page is up before it."""
    client = gradio_client.Client(started.url, verbose=False)
    for _ in range(600):
        state = client.predict(api_name="/model_info")["state"]
        if state in ("ready", "failed"):
            break
        time.sleep(0.2)
    assert state == "ready"
    yield client
    client.close()


def test_the_started_space_serves_its_bundled_model_in_public(client: gradio_client.Client) -> None:
    info = client.predict(api_name="/model_info")
    assert info["public"] is True
    assert info["model"]["source"] == "bundled"
    assert info["limits"]["new_tokens"]


def test_the_started_space_cuts_a_text(client: gradio_client.Client) -> None:
    answer = client.predict("吾輩は猫である。", api_name="/tokenize")
    assert "".join(token["surface"] for token in answer["tokens"]) == "吾輩は猫である。"
    assert [record["spelling"] for record in client.predict("猫", api_name="/compare")][:2] == ["written", "hiragana"]


def test_the_started_space_writes_the_same_text_for_the_same_seed(client: gradio_client.Client) -> None:
    written = [client.predict("吾輩は", max_new_tokens=5, seed=1, api_name="/generate") for _ in range(2)]
    assert written[0]["text"].startswith("吾輩は")
    assert written[0]["ids"] == written[1]["ids"]
    assert written[0]["ids"]


def test_visitors_of_the_started_space_cannot_load_or_name_paths(client: gradio_client.Client) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert {"/tokenize", "/compare", "/generate", "/score", "/model_info"} <= set(named)
    parameters = {parameter["parameter_name"] for endpoint in named.values() for parameter in endpoint["parameters"]}
    assert not [name for name in parameters if re.search("folder|path|revision|model", name)]
    with pytest.raises(gradio_client.exceptions.AppError):
        client.predict("猫", ["/etc"], api_name="/compare")


def test_the_started_space_asks_no_other_machine(started: Started, client: gradio_client.Client) -> None:
    client.predict("猫が", max_new_tokens=2, api_name="/generate")
    assert not started.asked_another_machine
