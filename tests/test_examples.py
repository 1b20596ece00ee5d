"""Every example runs, on a tiny model with random weights and on the bundled one; wrong input is one line and exit code 2."""

import csv
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import indent

import pytest

from neoxjp.hub import bundled_path
from neoxjp.japanese import ALL_KEYS
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.tiny_model import ours
from tests.support.tiny_peers import rank_file

EXAMPLES = Path(__file__).parent.parent / "examples"
NEED_A_SERVER = {"api_client.py", "token_editor.py"}  # the page's tests run these
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py") if path.name not in NEED_A_SERVER)
TAKES_MINUTES = {"finetune.py": ("--steps", "2")}


def start(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    here = os.environ | {"PYTHONPATH": str(EXAMPLES.parent)}  # whether or not the package is installed
    command = [sys.executable, str(EXAMPLES / script), *arguments]
    with tempfile.TemporaryDirectory() as folder:  # some write files to the current folder
        return subprocess.run(command, capture_output=True, text=True, timeout=300, env=here, cwd=folder)


def run(script: str, *arguments: str) -> str:
    done = start(script, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def folder(tiny_vocabulary: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model folder with the tiny vocabulary and random weights."""
    folder = tmp_path_factory.mktemp("tiny-model")
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    model = ours(
        vocab_size=tokenizer.vocab_size,
        max_position_embeddings=128,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_example_runs_on_the_model_it_is_given(script, folder):
    assert run(script, "--model", folder, *TAKES_MINUTES.get(script, ())).strip()


@pytest.mark.parametrize("script", SCRIPTS)
def test_an_example_runs_on_the_bundled_model(script):
    if not (bundled_path() / "model.safetensors").exists():
        pytest.skip("no bundled model in this tree")
    assert run(script, *TAKES_MINUTES.get(script, ())).strip()


WRONG = [
    *((script, ("--model", "/no/such/model"), "no/such/model") for script in SCRIPTS),
    *((script, ("--colour", "red"), "no such option: --colour") for script in SCRIPTS),
    ("generate.py", ("--modle", "bundled"), "Did you mean --model?"),
    ("compare_spellings.py", ("猫", "--csv", "/no/such/folder/x.csv"), "/no/such/folder/x.csv"),
    ("compare_tokenizers.py", ("/no/such.txt",), "no file '/no/such.txt'"),
    ("compare_tokenizers.py", ("--tokenizer", "/no/such.json"), "no tokenizer '/no/such.json'"),
    ("finetune.py", ("/no/such.txt",), "no file '/no/such.txt'"),
    ("finetune.py", ("--steps", "0"), "steps"),
    ("finetune.py", ("--split", "page"), "'page'"),
    ("finetune.py", ("--out", "/dev/null"), "/dev/null"),
    ("sweep.py", ("--samples", "0"), "0 samples"),
    ("sweep.py", ("--samples", "many"), "invalid value for '--samples'"),
    ("sweep.py", ("--out", "/no/such/folder/x.csv"), "/no/such/folder/x.csv"),
    ("api_client.py", ("http://127.0.0.1:1",), "no page answers at http://127.0.0.1:1"),
]


@pytest.mark.parametrize(("script", "arguments", "message"), WRONG)
def test_wrong_input_ends_in_one_line_and_exit_code_2(script, arguments, message, folder):
    model = () if "--model" in arguments or script == "api_client.py" else ("--model", folder)
    done = start(script, *arguments, *model)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{script}: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_the_five_lines_are_the_documented_ones():
    documented = """\
model = GPTNeoXJapaneseForCausalLM.from_pretrained("abeja/gpt-neox-japanese-2.7b")
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained("abeja/gpt-neox-japanese-2.7b")
input_ids = tokenizer("人とAIが協調するためには、", return_tensors="pt").input_ids
gen_tokens = model.generate(input_ids, do_sample=True, temperature=0.9, max_length=100)
print(tokenizer.batch_decode(gen_tokens, skip_special_tokens=True)[0])"""
    example = (EXAMPLES / "generate.py").read_text(encoding="utf-8").replace("(name)", '("abeja/gpt-neox-japanese-2.7b")')
    assert indent(documented, "    ") in example


def test_scoring_prints_every_token_and_a_preference(folder):
    out = run("score_sentence.py", "--model", folder, "猫。", "東京都です")
    assert out.count("rank") == 2 + 2
    assert "most probable: 猫。" in out or "most probable: 東京都です" in out


def test_fine_tuning_shows_samples_before_and_after_and_writes_a_model(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("猫は東京都に住んでいた。\n" * 30, encoding="utf-8")
    options = ("--split", "line", "--steps", "12", "--prompt", "猫は", "--out", str(tmp_path / "out"))
    out = run("finetune.py", str(tmp_path / "mine.txt"), "--model", folder, *options)
    assert out.index("30 documents") < out.index("=== before") < out.index("step 10") < out.index("=== after")
    assert run("generate.py", "--model", str(tmp_path / "out")).startswith("人とAIが")


def test_streaming_prints_why_each_text_ended(folder):
    out = run("streaming.py", "--model", folder)
    assert out.count("finished: ") == 2
    assert out.startswith("吾輩は")


def test_comparing_tokenizers_makes_the_matrix_of_a_file_and_leaves_out_what_is_missing(folder, tmp_path):
    (tmp_path / "letter.txt").write_text("東京都に住む", encoding="utf-8")
    (tmp_path / "mine.tiktoken").write_bytes(rank_file("東京", "都"))
    keys = ("bytes", str(tmp_path / "mine.tiktoken"), "/nowhere/at/all")
    table = tmp_path / "letter.csv"
    options = ("--model", folder, "--tokenizer", *keys, "--csv", str(table))
    done = start("compare_tokenizers.py", str(tmp_path / "letter.txt"), *options)
    assert done.returncode == 0
    assert done.stderr.startswith("no tokenizer '/nowhere/at/all'")
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
    assert [(row["tokens"], row["tokens_per_character"]) for row in rows[:2]] == [("18", "3.0"), ("11", "1.833")]
    assert {row["spelling"] for row in rows} == set(ALL_KEYS)
