"""Every `neoxjp bench` command on a tiny model: what it prints is complete and adds up. Speeds are read by nobody here."""

import importlib.util
import json

import pytest
import torch

from neoxjp.bench.peers import Written, agreement
from neoxjp.bench.subject import SHAPES, subject
from neoxjp.cli import main
from neoxjp.export.parts import shapes

LLAMA = pytest.param(
    "llama.cpp:f32",
    marks=pytest.mark.skipif(
        not importlib.util.find_spec("llama_cpp") or not importlib.util.find_spec("gguf"),
        reason="the packages llama-cpp-python and gguf are not installed",
    ),
)
PEERS = ["transformers:float32", LLAMA]


def bench(capsys, *arguments: str) -> dict:
    assert main(["bench", *arguments, "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments: str) -> str:
    assert main(["bench", *arguments]) == 2
    return capsys.readouterr().err


def values(report: dict, who: str, what: str) -> list[float]:
    (row,) = [row for row in report["rows"] if (row["who"], row["what"]) == (who, what)]
    return row["values"]


GENERATE = ("generate", "--shape", "tiny", "--rounds", "2", "--prompt", "5", "--new", "4")


@pytest.mark.parametrize("peer", PEERS)
def test_generate_measures_ours_and_a_peer_in_the_same_rounds(capsys, peer):
    report = bench(capsys, *GENERATE, "--against", peer)
    name = peer.replace(":", " ")
    for who in ("ours", name):
        assert len(values(report, who, "decode")) == len(values(report, who, "first token")) == 2
    assert len(values(report, "linears alone", "decode")) == 2
    assert report["facts"] | {"format": "float32", "prompt": 5, "new": 4} == report["facts"]
    assert name.split()[0].replace("llama.cpp", "llama-cpp-python") in report["machine"]
    assert any(note.startswith("read limit: ") for note in report["notes"])
    assert f"{name}: 8 of 8 ids as ours before the first difference of a round" in report["notes"]


def test_generate_measures_a_folder(capsys, tiny_folder):
    report = bench(capsys, "generate", "--model", str(tiny_folder), "--rounds", "1", "--prompt", "5", "--new", "3",
                   "--against", "transformers:float32")  # fmt: skip
    assert str(tiny_folder) in report["title"]
    assert "transformers float32: 3 of 3 ids as ours before the first difference of a round" in report["notes"]


def test_a_peer_that_is_too_slow_is_left_out_with_its_estimate(capsys):
    report = bench(capsys, *GENERATE, "--against", "transformers:float32", "--limit", "0")
    assert values(report, "transformers float32", "decode") == []
    (row,) = [row for row in report["rows"] if row["who"] == "transformers float32" and row["what"] == "decode"]
    assert row["note"].startswith("not run: one of its layers alone, timed, makes ")
    assert "over --limit 0 s" in row["note"]


@pytest.mark.parametrize(("peer", "package"), [("transformers", "transformers"), ("llama.cpp", "llama-cpp-python")])
def test_an_absent_peer_is_said_with_its_pip_line(capsys, monkeypatch, peer, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert f"pip install {package}" in refused(capsys, *GENERATE, "--against", peer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--against", "vllm"), "against='vllm' is no peer of this table: choose transformers"),
        (("--against", "transformers:auto"), "name a dtype, for example transformers:float32"),
        (("--rounds", "0"), "rounds=0 must be at least 1"),
        (("--new", "1"), "new=1 must be at least 2"),
        (("--prompt", "300"), "prompt and new tokens are 304, but the context of tiny shape, random weights is 256"),
        (("--threads", "0"), "threads=0 must be at least 1"),
        (("--model", "/no/such/folder"), "/no/such/folder"),
    ],
)
def test_wrong_options_are_one_line(capsys, arguments, message):
    assert message in refused(capsys, *GENERATE, *arguments)


def test_random_weights_are_the_same_each_time_and_not_all_alike():
    first, again = (subject("tiny", None).ours().state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    rows = first["gpt_neox_japanese.layers.0.mlp.dense_h_to_4h.weight"]
    assert len(torch.unique(rows, dim=0)) == len(rows)
    assert 0.015 < rows.std() < 0.025


def test_the_bytes_of_a_token_are_those_of_the_linear_layers():
    for config in SHAPES.values():
        linears = {n: s for n, s in shapes(config).items() if len(s) == 2 and "embed_in" not in n}
        assert subject("tiny", None).__class__("", config, None).linear_weights == sum(a * b for a, b in linears.values())
    assert subject("2.7b", None).bytes_per_token("float16") == 2 * subject("2.7b", None).bytes_per_token("int8")


def test_prompts_differ_from_round_to_round_and_are_the_same_for_all():
    tiny = subject("tiny", None)
    assert tiny.prompt(9, 1) == tiny.prompt(9, 1) != tiny.prompt(9, 2)


def test_agreement_counts_the_common_beginning_of_each_round():
    ours = [Written([1, 2, 3], 1.0, 1.0), Written([4, 5, 6], 1.0, 1.0)]
    theirs = [Written([1, 2, 9], 1.0, 1.0), Written([4, 5], 1.0, 1.0)]
    assert agreement(ours, theirs) == "4 of 5 ids as ours before the first difference of a round"
