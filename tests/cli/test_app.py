"""`neoxjp app` and app.py: what is served, for whom, and what is refused before a page is there."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from neoxjp.cli.main import main
from neoxjp.hub import bundled_path
from neoxjp.page_parts.session.caps import Caps

ROOT = Path(__file__).parents[2]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What would be loaded and served, without doing it."""
    from neoxjp.page_parts.session.playground import Playground
    from neoxjp.ui import page

    seen = SimpleNamespace()
    monkeypatch.setattr(Playground, "start", lambda self, choice: vars(seen).update(playground=self, choice=choice))
    monkeypatch.setattr(page, "build", lambda playground: playground)
    monkeypatch.setattr(page, "launch", lambda blocks, **where: vars(seen).update(where))
    monkeypatch.setattr("neoxjp.gateway.run_until_stopped", lambda *given: None)
    monkeypatch.setattr("neoxjp.gateway.sigterm_event", lambda: None)
    for name in ("NEOXJP_MODEL", "NEOXJP_REVISION", "NEOXJP_DTYPE", "NEOXJP_QUANTIZATION", "SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    return seen


def test_without_options_the_page_serves_the_bundled_model_to_this_machine_only(served: Any) -> None:
    assert main(["app"]) == 0
    choice = served.choice
    assert (choice.name, choice.revision, choice.dtype, choice.device, choice.quantization) == (
        "bundled", None, "auto", "auto", None,
    )  # fmt: skip
    assert (served.host, served.port, served.share, served.playground.public) == (None, None, False, False)


def test_the_environment_gives_defaults_and_the_command_line_wins(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("MODEL", "a/b"), ("REVISION", "main"), ("DTYPE", "bfloat16"), ("QUANTIZATION", "int8")):
        monkeypatch.setenv(f"NEOXJP_{name}", value)
    assert main(["app"]) == 0
    choice = served.choice
    assert (choice.name, choice.revision, choice.dtype, choice.quantization) == ("a/b", "main", "bfloat16", "int8")
    assert main(["app", "--model", "c/d", "--server-port", "7000"]) == 0
    assert (served.choice.name, served.port) == ("c/d", 7000)


def test_the_page_has_tools_for_language_models_only_where_it_is_told_to(served: Any) -> None:
    assert main(["app"]) == 0
    assert served.rows == ()
    assert main(["app", "--mcp"]) == 0
    assert {row.path for row in served.rows} == {"/mcp"}


def test_the_limits_of_a_public_page_are_options(served: Any) -> None:
    assert main(["app", "--public", "--running-each", "3", "--waiting", "40"]) == 0
    assert served.playground.visitors.caps == Caps(running_each=3, waiting=40)
    assert served.playground.limits.waiting == 40
    assert main(["app", "--public", "--tokens-each", "-1"]) == 2


@pytest.mark.parametrize("public", [["--public"], ["--share"]])
def test_a_shared_page_is_public(served: Any, public: list[str]) -> None:
    assert main(["app", *public]) == 0
    assert served.playground.public


def test_a_page_on_a_space_is_public(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "user/name")
    assert main(["app"]) == 0
    assert served.playground.public


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "/nope"], "no folder '/nope', and it is not a Hub id"),
        (["--model", str(ROOT / "tests")], "lacks 'config.json'"),
        (["--dtype", "float8"], "dtype must be one of 'auto', 'float32', 'bfloat16', 'float16', 'float64', not 'float8'"),
        (["--quantization", "int3"], "--quantization 'int3' is not one of None, 'int8', 'int4'"),
        (["--cache-dtype", "int3"], "--cache-dtype 'int3' is not one of None, 'float32', 'float16', 'int8'"),
        (["--device", "gpu"], "--device 'gpu': choose auto, cpu, cuda or cuda:1"),
    ],
)
def test_what_can_be_known_to_be_wrong_is_refused_before_a_page_is_served(
    served: Any, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["app", *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith("neoxjp app: ")
    assert message in err
    assert err.count("\n") == 1
    assert not vars(served)


@pytest.mark.slow
def test_app_py_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "app.py", "--model", "/nope"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("neoxjp app: no folder '/nope'")


def test_the_help_needs_neither_torch_nor_gradio() -> None:
    code = (
        "import sys; from neoxjp.cli.main import main\n"
        "codes = [main(['--help']), main(['app', '--help']), main(['tokenize', 'x'])]\n"
        "print(codes, sorted({'torch', 'gradio', 'pandas', 'transformers', 'accelerate'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=os.environ)
    assert done.stderr.splitlines()[-1] == "[0, 0, 0] []"


def test_bundled_is_a_name_everywhere() -> None:
    from neoxjp import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer

    assert GPTNeoXJapaneseConfig.from_pretrained("bundled") == GPTNeoXJapaneseConfig.from_pretrained(bundled_path())
    assert GPTNeoXJapaneseTokenizer.from_pretrained("bundled").vocab_size == 8000
    report = GPTNeoXJapaneseForCausalLM.from_pretrained("bundled").load_report
    assert report is not None
    assert report.folder == bundled_path()


def test_the_routes_for_other_programs_are_added_on_request(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEOXJP_API_KEY", raising=False)
    assert main(["app"]) == 0
    assert served.around is None
    assert main(["app", "--serve", "--cors", "*"]) == 0
    assert callable(served.around)


def test_options_of_the_protocol_that_do_nothing_or_too_much_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEOXJP_API_KEY", raising=False)
    assert main(["app", "--cors", "*"]) == 2
    assert "--cors is for the routes of --serve: add --serve" in capsys.readouterr().err
    assert main(["app", "--serve", "--auth-file", str(tmp_path / "users")]) == 2
    assert "needs --api-key" in capsys.readouterr().err
    assert main(["app", "--serve", "--cors", "example.org"]) == 2
    assert "is no origin" in capsys.readouterr().err
    assert main(["app", "--serve", "--api-key", ""]) == 2  # a variable of the shell that is not set
    assert "at least 8 ASCII characters" in capsys.readouterr().err


def test_an_engine_elsewhere_needs_its_key_and_cannot_serve_here(
    served: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEOXJP_API_KEY", raising=False)
    url = "http://127.0.0.1:9"
    for options, sentence in (
        (["--engine", url], "--engine needs the API key"),
        (["--engine", "127.0.0.1:9", "--engine-key", "a-key-of-mine"], "no address of a server"),
        (["--engine", url, "--engine-key", "a-key-of-mine", "--serve"], "answers other programs itself"),
    ):
        assert main(["app", *options]) == 2
        assert sentence in capsys.readouterr().err
    assert not hasattr(served, "playground")  # nothing was loaded


def test_the_internal_endpoints_need_a_key(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEOXJP_API_KEY", raising=False)
    assert main(["serve", "--internal"]) == 2
    assert "--internal needs --api-key" in capsys.readouterr().err


@pytest.mark.slow
def test_a_port_in_use_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "app.py", "--server-port", port], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert f"cannot listen on port {port}: it is in use; choose another --server-port" in done.stderr
    assert "Traceback" not in done.stderr
