"""The command line over a tiny model: output, JSON, standard input, exit codes."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from neoxjp.cli import generate as generate_command
from neoxjp.cli.main import main
from neoxjp.cli.tokenize import parse_ids
from neoxjp.errors import ParameterError
from neoxjp.labs.heat_map import command as score_command


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def feed(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_tokenize_prints_a_line_a_token_and_the_counts(capsys, tiny_vocabulary):
    code, out, err = run(capsys, "tokenize", "慶應大学", "--model", tiny_vocabulary)
    assert code == 0
    assert [line.split()[-2:] for line in out.splitlines()] == [["慶應", "≈≠"], ["word", "大学"]]
    assert "2 tokens, 4 characters, 12 bytes, 2.00 characters a token" in err


def test_tokenize_json_holds_ids_spans_and_the_text_that_comes_back(capsys, tiny_vocabulary):
    code, out, _ = run(capsys, "tokenize", "慶應大学", "--model", tiny_vocabulary, "--json")
    record = json.loads(out)
    assert code == 0
    assert record["decoded"] == "慶応大学"
    assert [(t["piece"], t["start"], t["end"]) for t in record["tokens"]] == [("慶應", 0, 2), ("大学", 2, 4)]


def test_ids_go_out_and_come_back(capsys, tiny_vocabulary, monkeypatch):
    _, ids, _ = run(capsys, "tokenize", "東京 である\n", "--model", tiny_vocabulary, "--ids")
    feed(monkeypatch, ids.encode())
    _, text, _ = run(capsys, "tokenize", "--decode", "--model", tiny_vocabulary)
    assert text == "東京 である\n\n"


def test_standard_input_is_the_text_without_its_last_newline(capsys, tiny_vocabulary, monkeypatch):
    feed(monkeypatch, "東京\n大学\n".encode())
    _, out, _ = run(capsys, "tokenize", "-", "--model", tiny_vocabulary, "--json")
    assert json.loads(out)["text"] == "東京\n大学"


def test_an_empty_text_has_no_tokens(capsys, tiny_vocabulary):
    code, out, err = run(capsys, "tokenize", "", "--model", tiny_vocabulary)
    assert (code, out) == (0, "")
    assert "0 tokens" in err


def test_input_that_is_not_utf8_is_refused_in_one_line(capsys, tiny_vocabulary, monkeypatch):
    feed(monkeypatch, "東京".encode("shift_jis"))
    code, out, err = run(capsys, "tokenize", "--model", tiny_vocabulary)
    assert (code, out) == (2, "")
    assert err.startswith("neoxjp tokenize: standard input is not UTF-8 (byte 0x93 at 0)")
    assert err.count("\n") == 1


def test_a_folder_that_is_not_there_is_exit_code_2(capsys, tmp_path):
    code, _, err = run(capsys, "tokenize", "東京", "--model", tmp_path / "nowhere")
    assert code == 2
    assert "nowhere" in err
    assert err.count("\n") == 1


def test_generate_streams_the_prompt_and_its_continuation(capsys, tiny_folder):
    arguments = ("generate", "東京", "--model", tiny_folder, "--max-new-tokens", 8, "--seed", 1)
    code, out, err = run(capsys, *arguments)
    assert code == 0
    assert out.startswith("東京")
    assert "seed 1" in err
    record = json.loads(run(capsys, *arguments, "--json")[1])
    assert "東京" + record["text"] + "\n" == out
    assert len(record["ids"]) == len(record["logprobs"]) == record["stats"]["tokens"] <= 8


def test_greedy_ignores_the_seed(capsys, tiny_folder):
    arguments = ("generate", "東京", "--model", tiny_folder, "--max-new-tokens", 8, "--greedy", "--json")
    first, second = (json.loads(run(capsys, *arguments, "--seed", seed)[1])["ids"] for seed in (1, 2))
    assert first == second


@pytest.mark.parametrize(
    ("option", "value", "said"), [("--temperature", "-1", "--temperature -1.0 must be"), ("--top-p", "2", "--top-p 2.0 must be")]
)
def test_a_setting_out_of_range_is_named(capsys, tiny_folder, option, value, said):
    code, _, err = run(capsys, "generate", "東京", "--model", tiny_folder, option, value)
    assert code == 2
    assert said in err


def test_a_prompt_longer_than_the_context_is_refused(capsys, tiny_folder):
    code, _, err = run(capsys, "generate", "東京" * 100, "--model", tiny_folder)
    assert code == 2
    assert "the context is 64: shorten the prompt or lower --max-new-tokens\n" in err


def test_score_sums_what_it_lists(capsys, tiny_folder):
    record = json.loads(run(capsys, "score", "東京である", "--model", tiny_folder, "--json")[1])
    nats = -sum(step["logprob"] for step in record["steps"])
    assert record["tokens"] == len(record["steps"]) == 2
    assert record["bits"] == pytest.approx(nats / 0.6931471805599453)
    assert record["bits_per_character"] == pytest.approx(record["bits"] / 5)
    _, out, _ = run(capsys, "score", "東京である", "--model", tiny_folder)
    assert len(out.splitlines()) == 3


@pytest.mark.parametrize("texts", [("",), ("", "--against", "東京"), ("東京", "--against", "")])
def test_an_empty_text_has_no_score(capsys, tiny_folder, texts):
    code, out, err = run(capsys, "score", *texts, "--model", tiny_folder)
    assert (code, out, err) == (2, "", "neoxjp score: there is nothing to score: the text is empty\n")


def test_convert_names_the_folder_without_a_pickle(capsys, tmp_path):
    code, _, err = run(capsys, "convert", tmp_path)
    assert code == 2
    assert tmp_path.name in err


def test_doctor_says_which_attention_kernel_would_run(capsys):
    report = json.loads(run(capsys, "doctor", "--json")[1])
    assert report["attention"].split()[0] in {"flash", "cudnn", "efficient", "math", "flash_attn", "eager"}
    assert report["packages"]["torch"]
    _, out, _ = run(capsys, "doctor")
    assert "cpu threads" in out


def test_a_process_that_ends_while_a_model_loads_ends_in_order():
    """Python would abort (134) where another thread computes with torch."""
    program = (
        "import time; from neoxjp.cli.main import leave; from neoxjp.page_parts.session.playground import Choice, Playground\n"
        "playground = Playground(); playground.start(Choice('bundled', offline=True))\n"
        "while playground.progress.state != 'weights': time.sleep(0.001)\n"
        "leave(0)"
    )
    for _ in range(3):
        assert subprocess.run([sys.executable, "-c", program], timeout=120, check=False).returncode == 0


def test_the_reader_may_leave_early(tiny_vocabulary):
    shell = f'"{sys.executable}" -m neoxjp tokenize - --model "{tiny_vocabulary}" | head -n 1'
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        input=("東京" * 20_000).encode(),
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONUTF8": "1"},
    )
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("encoding", ["ascii", "cp932", "utf-8:strict"])
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_output_goes_through_any_encoding(tiny_vocabulary, encoding, options):
    text = "東京\udcff👶".encode("utf-8", "surrogateescape")  # as a shell hands on bytes that are not UTF-8
    done = subprocess.run(
        [sys.executable, "-m", "neoxjp", "tokenize", text, "--model", str(tiny_vocabulary), *options],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONUTF8": "1", "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 0, done.stderr
    assert not options or json.loads(done.stdout.decode(encoding.split(":")[0]))["text"] == "東京\udcff👶"


@pytest.mark.parametrize(("text", "ids"), [("1 2 3", [1, 2, 3]), ("[1, 2]", [1, 2]), ("", []), ("1,2\n3", [1, 2, 3])])
def test_ids_may_be_written_in_several_ways(text, ids):
    assert parse_ids(text) == ids


def test_what_is_not_an_id_is_named():
    with pytest.raises(ParameterError, match="'x'"):
        parse_ids("1 x 2")


def test_a_number_of_thousands_of_digits_is_no_id():
    with pytest.raises(ParameterError, match="'999"):
        parse_ids("9" * 5_000)


def test_int8_is_asked_for_by_name_or_environment_and_doctor_says_what_would_run(capsys, tiny_folder, monkeypatch):
    loaded = []
    original = generate_command.load_model
    for commands in (generate_command, score_command):
        monkeypatch.setattr(commands, "load_model", lambda options: loaded.append(original(options)) or loaded[-1])
    code, _, _ = run(capsys, "score", "東京", "--model", tiny_folder, "--quantization", "int8", "--device", "cpu")
    monkeypatch.setenv("NEOXJP_QUANTIZATION", "int8")
    run(capsys, "generate", "東京", "--model", tiny_folder, "--max-new-tokens", 2, "--device", "cpu")
    assert code == 0
    assert [model.quantization for model, _ in loaded] == ["int8", "int8"]
    code, _, err = run(capsys, "score", "東京", "--model", tiny_folder, "--quantization", "int3")
    assert code == 2
    assert "--quantization 'int3' is not one of None, 'int8', 'int4'" in err
    monkeypatch.setenv("NEOXJP_CACHE_DTYPE", "float32")
    run(capsys, "score", "東京", "--model", tiny_folder, "--cache-dtype", "int8", "--device", "cpu")
    run(capsys, "generate", "東京", "--model", tiny_folder, "--max-new-tokens", 2, "--device", "cpu")
    assert [model.cache_dtype for model, _ in loaded[-2:]] == ["int8", "float32"]
    _, out, _ = run(capsys, "doctor", "--json")
    assert json.loads(out)["linears"]["int8"].startswith("int8 weights")


def test_at_its_end_a_command_looks_through_no_objects():
    code = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 1_000))"
    code += "; from neoxjp.cli.main import main; main(['--version'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("True\n")
