"""lm-evaluation-harness asks the running server; its numbers are those of `score` and of the engine, to the last bit."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from neoxjp.cli.main import main
from neoxjp.documents import Question
from neoxjp.engine import bos_ids, score
from neoxjp.sampling import SamplingParams
from neoxjp.train import model_options_scorer, score_questions

pytestmark = pytest.mark.slow
FOLDER = Path(__file__).parent / "lm_eval"
DOC = Path(__file__).parents[2] / "docs" / "serving.md"


@pytest.fixture(scope="module")
def python() -> str:
    """The Python of an environment with lm-eval."""
    found = os.environ.get("NEOXJP_LM_EVAL")
    if not found:
        pytest.skip("NEOXJP_LM_EVAL is not set: it names the Python of an environment with lm-eval (bash tests/lm-eval)")
    return found


def execute(command: list[str], folder: Path, cache: Path) -> str:
    """What the command prints. It finds no other server than ours, and none of this environment's packages."""
    quiet = {"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TQDM_DISABLE": "1", "NO_COLOR": "1"}
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OPENAI_API_KEY")}
    done = subprocess.run(command, cwd=folder, env=env | quiet, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


@pytest.fixture(scope="module")
def found(python: str, server: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What evaluate.py prints: all tasks with several batch sizes and numbers of requests at the same time."""
    cache = tmp_path_factory.mktemp("datasets")
    return json.loads(execute([python, str(FOLDER / "evaluate.py"), server.url], FOLDER, cache).splitlines()[-1])


@pytest.fixture(scope="module")
def runs(found: dict[str, Any]) -> Iterator[list[Any]]:
    return found["runs"]


def loglikelihood(server: SimpleNamespace, context: str, continuation: str) -> list[Any]:
    """Of a continuation after its context, by `score`: the sum of its log probabilities, and whether each token is the likeliest.

    Where the context is empty, bos comes first: these are the numbers of `neoxjp score`.
    """
    loaded = server.playground.ready
    before = loaded.tokenizer.encode(context)
    new = loaded.tokenizer.encode(context + continuation)[len(before) :]  # as lm-eval: also where a token goes over the border
    before = before or list(bos_ids(loaded.model.config))
    steps = score(loaded.model, before + new, loaded.tokenizer, bos=False)[len(before) :]
    return [sum(step.logprob for step in steps), all(step.rank == 1 for step in steps)]


def asked(sample: dict[str, Any]) -> list[list[str]]:
    """The requests of a sample."""
    return [list(given.values()) if isinstance(given, dict) else given for given in _values(sample["asked"])]


def _values(given: Any) -> list[Any]:
    return list(given.values()) if isinstance(given, dict) else list(given)


@pytest.mark.parametrize("task", ["neoxjp_pairs", "neoxjp_choices"])
def test_log_likelihoods_are_those_of_score_to_the_last_bit(task: str, runs: Any, server: SimpleNamespace) -> None:
    assert server.playground.ready.model.rows_are_independent
    for sample in runs[0]["samples"][task]:
        expected = [loglikelihood(server, *request) for request in asked(sample)]
        assert [answers[0] for answers in sample["answers"]] == expected


def test_some_choices_are_what_the_model_would_write(runs: Any) -> None:
    greedy = [answers[0][1] for sample in runs[0]["samples"]["neoxjp_choices"] for answers in sample["answers"]]
    assert 0 < sum(greedy) < len(greedy)


def test_accuracies_are_those_of_score(runs: Any, server: SimpleNamespace) -> None:
    for task, right in (("neoxjp_pairs", lambda doc: 0), ("neoxjp_choices", lambda doc: doc["answer"])):
        samples = runs[0]["samples"][task]
        hits = 0
        for sample in samples:
            likelihoods = [loglikelihood(server, *request)[0] for request in asked(sample)]
            hits += likelihoods.index(max(likelihoods)) == right(sample["doc"])
        assert runs[0]["results"][task]["acc,none"] == hits / len(samples)
        assert hits > len(samples) / 2, task


def test_choices_of_neoxjp_evaluate_are_those_of_the_harness(runs: Any, server: SimpleNamespace) -> None:
    loaded = server.playground.ready
    score = model_options_scorer(loaded.here.model, loaded.tokenizer)
    questions, right = [], {"in_sum": 0, "per_character": 0}
    for sample in runs[0]["samples"]["neoxjp_choices"]:
        question = Question(sample["doc"]["context"], tuple(sample["doc"]["choices"]), sample["doc"]["answer"], 0)
        found = score(question.text, question.options)
        if any(each.crosses for each in found):  # there we differ: docs/evaluation.md
            continue
        theirs = [answers[0][0] for answers in sample["answers"]]
        assert [-each.nats for each in found] == pytest.approx(theirs, abs=1e-3)
        questions.append(question)
        for measure, lengths in (("in_sum", [1] * len(theirs)), ("per_character", list(map(len, question.options)))):
            values = [nats / length for nats, length in zip(theirs, lengths, strict=True)]
            right[measure] += values.index(max(values)) == question.answer
    assert len(questions) > 5
    measures = score_questions(questions, {"": score}).scored[""].measures
    assert {measure: measures[measure].correct for measure in right} == right


def test_the_log_likelihood_of_a_text_is_that_of_the_command_score(runs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for sample in runs[0]["samples"]["neoxjp_texts"]:
        assert main(["score", sample["doc"]["text"], "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        assert sample["answers"] == [[sum(step["logprob"] for step in printed["steps"])]]


def test_continuations_are_those_of_the_engine(runs: Any, server: SimpleNamespace) -> None:
    loaded = server.playground.ready
    for sample in runs[0]["samples"]["neoxjp_continue"]:
        ids = loaded.tokenizer.encode(sample["doc"]["text"])
        params = SamplingParams(temperature=0, max_new_tokens=12, stop=("。", "\n"))
        with loaded.engine.submit(ids, params) as request:
            assert sample["answers"] == [["".join(step.text for step in request)]]


def test_neither_the_batch_size_nor_requests_at_the_same_time_change_a_bit(runs: Any) -> None:
    first = runs[0]
    for other in runs[1:]:
        assert (other["batch_size"], other["num_concurrent"]) != (1, 1)
        assert other["samples"] == first["samples"]
        assert other["results"] == first["results"]


def test_the_harness_needs_neither_transformers_nor_torch(found: Any) -> None:
    assert found["loaded"] == []


def test_the_lines_of_the_documentation_run(python: str, server: SimpleNamespace, tmp_path: Path) -> None:
    section = DOC.read_text(encoding="utf-8").partition("\n## lm-evaluation-harness\n")[2].partition("\n## ")[0]
    for name, text in re.findall(r"`(\S+)`:\n\n```(?:yaml|json)\n(.*?)```", section, re.DOTALL):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (line,) = (line for line in section.replace("\\\n", "").splitlines() if line.startswith("lm_eval run "))
    line = line.replace("http://127.0.0.1:8000", server.url)
    printed = execute([python, "-m", *line.split()], tmp_path, tmp_path / "cache")
    table = dict(re.findall(r"\|(acc|acc_norm) +\|[^|]*\| +([0-9.]+)\|", printed))
    samples = [json.loads(each) for each in (tmp_path / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    hits = sum(loglikelihood(server, "", pair["good"]) > loglikelihood(server, "", pair["bad"]) for pair in samples)
    assert float(table["acc"]) == round(hits / len(samples), 4)
