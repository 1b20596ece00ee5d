"""neoxjp generate --save-state and replay over a tiny model."""

import contextlib
import io
import json

import pytest

from neoxjp.cli.main import main


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def saved(capsys, tiny_folder, tmp_path):
    """A generation that was saved: its file, and what was printed."""
    file = tmp_path / "state.json"
    asked = ("--model", tiny_folder, "--max-new-tokens", 9, "--seed", 3, "--device", "cpu", "--save-state", file)
    code, out, err = run(capsys, "generate", "東京", *asked)
    assert code == 0
    assert "seed 3" in err
    return file, out


def test_what_was_saved_is_written_again_with_the_model_of_the_file(capsys, saved):
    file, printed = saved
    code, out, err = run(capsys, "replay", file, "--device", "cpu")
    assert (code, out) == (0, printed)
    assert err == "the same 9 tokens\n"
    _, out, _ = run(capsys, "replay", file, "--device", "cpu", "--json")
    record = json.loads(out)
    assert (record["same"], record["first_difference"], record["differences"]) == (True, None, [])
    assert record["ids"] == json.loads(file.read_text())["ids"]


def test_another_format_is_named(capsys, saved):
    file, _ = saved
    code, _, err = run(capsys, "replay", file, "--device", "cpu", "--quantization", "int8")
    assert code == 0
    assert "dtype (quantization): None → int8" in err


def test_another_format_of_the_cache_is_named(capsys, saved):
    file, _ = saved
    code, _, err = run(capsys, "replay", file, "--device", "cpu", "--cache-dtype", "int8")
    assert code == 0
    assert "dtype (cache_dtype): float32 → int8" in err


def test_a_saved_generation_as_code(capsys, saved):
    file, printed = saved
    _, code, _ = run(capsys, "replay", file, "--as", "python")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(code, {})
    assert out.getvalue() == printed
    _, code, _ = run(capsys, "replay", file, "--as", "curl", "--url", "http://example.org", "--json")
    assert "http://example.org/gradio_api/call/v2/generate" in json.loads(code)["code"]


def test_a_missing_or_damaged_file_is_one_line(capsys, saved, tmp_path):
    code, _, err = run(capsys, "replay", tmp_path / "none.json")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot read" in err
    saved[0].write_text(saved[0].read_text()[:-20])
    code, _, err = run(capsys, "replay", saved[0])
    assert (code, err.count("\n")) == (2, 1)
    assert "damaged" in err


def test_a_state_that_cannot_be_saved_is_told_before_the_text_is_written(capsys, tiny_folder, tmp_path):
    code, out, err = run(capsys, "generate", "東京", "--model", tiny_folder, "--save-state", tmp_path / "none" / "state.json")
    assert (code, out) == (2, "")
    assert "cannot write" in err
