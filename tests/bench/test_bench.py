"""Every `neoxjp bench` command on a tiny model: what it prints is complete and adds up. Speeds are read by nobody here."""

import importlib.util
import json
import lzma
import re
import shutil
import sys

import pytest
import torch

from neoxjp.bench import peers, quality
from neoxjp.bench.generate import linear_bytes
from neoxjp.bench.model_under_test import SHAPES, choose_model
from neoxjp.bench.peers import Generated, agreement
from neoxjp.bench.serve import serve_in_order
from neoxjp.cli.main import main
from neoxjp.engine import score
from neoxjp.export import quantize_folder
from neoxjp.export.parts import tensor_shapes
from neoxjp.hub import bundled_path

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


@pytest.mark.slow
def test_generate_and_serve_measure_our_other_formats_and_folders_in_the_same_rounds(capsys, tiny_folder, tmp_path):
    folder = tmp_path / "rounded"
    quantize_folder(tiny_folder, folder, bits=4, calibrate="none")
    given = ("--model", str(tiny_folder), "--rounds", "2", "--prompt", "5", "--new", "4", "--dtype", "float32")
    given += ("--against", "neoxjp:float32", "--against", "neoxjp:int8+float32", "--against", f"neoxjp:{folder}")
    report = bench(capsys, "generate", *given)
    assert "neoxjp float32: 8 of 8 ids as ours before the first difference of a round" in report["notes"]
    sizes = {row["who"]: row["values"][0] for row in report["rows"] if row["what"] == "weights"}
    assert sizes["ours"] == sizes["neoxjp float32"] > sizes["neoxjp int8+float32"] > sizes["neoxjp rounded"] > 0
    for who in sizes:
        assert len(values(report, who, "decode")) == 2
    report = bench(capsys, "serve", *given, "--visitors", "3")
    for who in sizes:
        assert len(values(report, who, "all together")) == len(values(report, who, "first token, last")) == 2


@pytest.mark.parametrize(("peer", "package"), [("transformers", "transformers"), ("llama.cpp", "llama-cpp-python")])
def test_an_absent_peer_is_said_with_its_pip_line(capsys, monkeypatch, peer, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert f"pip install {package}" in refused(capsys, *GENERATE, "--against", peer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--against", "vllm"), "--against 'vllm' is not a peer of this table: choose transformers"),
        (("--against", "neoxjp"), "--against 'neoxjp' is not a peer of this table"),
        (("--against", "neoxjp:int3"), "'int3' is no format: choose float32, "),
        (("--against", "neoxjp:int8+int3"), "int3"),
        (("--against", f"neoxjp:{bundled_path()}"), "has vocab_size=8000, and tiny shape, random weights 256"),
        (("--against", "transformers:auto"), "name a dtype, for example transformers:float32"),
        (("--rounds", "0"), "--rounds 0 must be at least 1"),
        (("--new", "1"), "--new 1 must be at least 2"),
        (("--prompt", "300"), "prompt and new tokens are 304, but the context of tiny shape, random weights is 256"),
        (("--threads", "0"), "--threads 0 must be at least 1"),
        (("--model", "/no/such/folder"), "/no/such/folder"),
    ],
)
def test_wrong_options_are_one_line(capsys, arguments, message):
    assert message in refused(capsys, *GENERATE, *arguments)


def test_random_weights_are_the_same_each_time_and_not_all_alike():
    first, again = (choose_model("tiny", None).load().state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    rows = first["gpt_neox_japanese.layers.0.mlp.dense_h_to_4h.weight"]
    assert len(torch.unique(rows, dim=0)) == len(rows)
    assert 0.015 < rows.std() < 0.025


def test_the_bytes_of_a_token_are_those_of_the_linear_layers():
    for config in SHAPES.values():
        linears = {n: s for n, s in tensor_shapes(config).items() if len(s) == 2 and "embed_in" not in n}
        assert choose_model("tiny", None).__class__("", config, None).linear_weights == sum(a * b for a, b in linears.values())


def test_the_bytes_of_a_token_are_those_of_the_format():
    tiny = choose_model("tiny", None)
    assert linear_bytes(tiny, tiny.load("float32")) == 4 * tiny.linear_weights
    packed = linear_bytes(tiny, tiny.load("float16"))
    assert 2 * tiny.linear_weights <= packed < 4 * tiny.linear_weights


def test_prompts_differ_from_round_to_round_and_are_the_same_for_all():
    tiny = choose_model("tiny", None)
    assert tiny.prompt(9, 1) == tiny.prompt(9, 1) != tiny.prompt(9, 2)


def test_agreement_counts_the_common_beginning_of_each_round():
    ours = [Generated([1, 2, 3], 1.0, 1.0), Generated([4, 5, 6], 1.0, 1.0)]
    theirs = [Generated([1, 2, 9], 1.0, 1.0), Generated([4, 5], 1.0, 1.0)]
    assert agreement(ours, theirs) == "4 of 5 ids as ours before the first difference of a round"


@pytest.mark.parametrize(
    ("options", "form"), [(("--dtype", "float16"), "float16"), (("--quantization", "int8"), "int8"), ((), "float32")]
)
def test_a_format_is_measured_and_named(capsys, options, form):
    report = bench(capsys, *GENERATE, *options, "--cache-dtype", "int8")
    assert (report["facts"]["format"], report["facts"]["cache"]) == (form, "int8")
    assert report["facts"]["kernel"]


@pytest.mark.parametrize(("dtype", "quantization"), [("float16", None), ("auto", "int8"), ("float32", None)])
def test_random_weights_are_those_of_a_converted_model(dtype, quantization):
    from neoxjp.quantization import pack as packing

    tiny = choose_model("tiny", None)
    ids = torch.tensor([tiny.prompt(9)])
    built = tiny.load(dtype, quantization)
    wanted = None if dtype == "auto" else getattr(torch, dtype)
    converted = packing.pack_model(tiny.load("float32"), wanted, quantization)
    with torch.inference_mode():
        assert torch.equal(built(ids).logits, converted(ids).logits)


SERVE = ("serve", "--shape", "tiny", "--rounds", "2", "--prompt", "5", "--new", "4", "--visitors", "3")


@pytest.mark.parametrize("arrival", [(), ("--every", "0.01")])
def test_serve_measures_all_visitors_together(capsys, arrival):
    report = bench(capsys, *SERVE, *arrival, "--against", "transformers:float32")
    for who in ("ours", "transformers float32"):
        for what in ("all together", "first token, median", "first token, last"):
            assert len(values(report, who, what)) == 2
        pairs = zip(values(report, who, "first token, median"), values(report, who, "first token, last"), strict=True)
        assert all(median <= last for median, last in pairs)
    assert report["facts"]["visitors"] == 3


def test_a_slow_peer_serves_fewer_visitors_and_says_so(capsys, monkeypatch):
    monkeypatch.setattr(peers, "_estimate", lambda *_: (1.0, 1.0))
    report = bench(capsys, *SERVE, "--against", "transformers:float32", "--limit", "11")
    (row,) = [r for r in report["rows"] if r["who"] == "transformers float32" and r["what"] == "all together"]
    assert row["note"] == "served 2 of 3 to stay within --limit 11 s"
    assert len(row["values"]) == 2
    assert values(report, "transformers float32", "first token, last") == []


def test_one_after_another_waits_for_those_before():
    served = serve_in_order(lambda prompt: Generated([1, 2], 0.5, 0.0), 0.0, [[1], [2]])
    assert served.tokens == 4
    assert served.firsts[0] >= 0.5
    assert served.firsts[1] >= served.firsts[0] - 0.5


@pytest.mark.parametrize("arguments", [("--visitors", "0"), ("--every", "-1")])
def test_wrong_visitors_are_refused(capsys, arguments):
    assert "--visitors " in refused(capsys, *SERVE, *arguments)


def test_quality_compares_formats_with_float32(capsys, tmp_path, tiny_folder):
    (tmp_path / "a.txt").write_text("東京都の大学である。" * 30, encoding="utf-8")
    with lzma.open(tmp_path / "b.jsonl.xz", "wt", encoding="utf-8") as file:
        file.write(json.dumps({"text": "吾輩は猫である。"}, ensure_ascii=False) + "\n" + json.dumps({"text": ""}) + "\n")
    report = bench(capsys, "quality", str(tmp_path / "a.txt"), str(tmp_path / "b.jsonl.xz"), "--model", str(tiny_folder))
    exact = values(report, "float32", "bits per character")[0]
    for name in ("float16", "bfloat16", "int8"):
        assert abs(values(report, name, "bits per character")[0] / exact - 1) < 0.05
        assert 50 < values(report, name, "same likeliest token")[0] <= 100
    assert report["facts"] | {"texts": 2, "characters": 308} == report["facts"]
    notes = {row["who"]: row.get("note", "") for row in report["rows"] if row["what"] == "bits per character"}
    loss, low, high = (float(part) for part in re.findall(r"[+-]\d+\.\d+", notes["int8"])[:3])
    assert low <= loss <= high


def test_quality_measures_a_folder(capsys, tmp_path, tiny_folder):
    (tmp_path / "a.txt").write_text("東京都の大学である。" * 30, encoding="utf-8")
    quantize_folder(tiny_folder, tmp_path / "rounded", bits=4, calibrate="none")
    given = ("--model", str(tiny_folder), "--formats", f"int4,{tmp_path / 'rounded'}")
    report = bench(capsys, "quality", str(tmp_path / "a.txt"), *given)
    (rounded,), (whole,) = (values(report, name, "bits per character") for name in ("rounded", "int4"))
    assert rounded == pytest.approx(whole, rel=1e-3)  # the embedding of the folder has 8 bits


def test_quality_measures_formats_of_the_cache(capsys, tmp_path, tiny_folder):
    (tmp_path / "a.txt").write_text("東京都の大学である。" * 30, encoding="utf-8")
    formats = "float32+int8,float32+float16"
    report = bench(capsys, "quality", str(tmp_path / "a.txt"), "--model", str(tiny_folder), "--formats", formats)
    exact = values(report, "float32", "bits per character")
    away = [abs(values(report, f"float32+{name}", "bits per character")[0] / exact[0] - 1) for name in ("float16", "int8")]
    assert 0 < away[0] < 1e-4
    assert away[0] < away[1] < 0.01


def test_quality_counts_every_token_once(tiny_folder):
    from neoxjp import GPTNeoXJapaneseForCausalLM

    model = GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder, dtype="float32")
    ids = [n % 40 for n in range(3 * 64 + 1)]
    (reading,) = quality.predict_texts(model, 7, [ids])
    assert len(reading.best) == len(ids)
    short = quality.predict_texts(model, 7, [ids[:20]])[0]
    expected = [step.logprob for step in score(model, [7, *ids[:20]])[1:]]
    assert short.nats == pytest.approx(-sum(expected), rel=1e-5)


def test_quality_stops_in_time_and_says_so(capsys, tmp_path, tiny_folder, monkeypatch):
    (tmp_path / "a.txt").write_text("猫\n犬\n人", encoding="utf-8")
    monkeypatch.setattr(quality, "SECONDS", -1.0)
    monkeypatch.setattr(quality, "read_texts", lambda options: ["猫", "犬"])
    report = bench(capsys, "quality", str(tmp_path / "a.txt"), "--model", str(tiny_folder), "--formats", "float16")
    assert report["facts"]["texts"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such.txt",), "no file 'no-such.txt'"),
        (("a.txt", "--formats", "int3"), "'int3' is no format: choose float32, bfloat16, float16, int8, int4 or a folder"),
        (("a.txt", "--formats", "int8+int4"), "cache_dtype='int4' is not one of"),
        (("a.txt", "--limit", "-1"), "--limit -1"),
        (("empty.txt",), "there is no text to measure on"),
    ],
)
def test_wrong_texts_are_one_line(capsys, tmp_path, tiny_folder, monkeypatch, arguments, message):
    (tmp_path / "a.txt").write_text("猫", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, "quality", *arguments, "--model", str(tiny_folder))


@pytest.mark.slow
def test_load_watches_a_process_of_its_own(capsys):
    report = bench(capsys, "load", "--shape", "tiny", "--rounds", "1", "--formats", "float32,int8")
    for name in ("float32", "int8"):
        assert values(report, name, "load")[0] > 0
        assert len(values(report, name, "peak anonymous memory")) == (1 if sys.platform == "linux" else 0)


@pytest.mark.slow
def test_a_load_that_fails_is_one_line(capsys, tmp_path, tiny_folder):
    shutil.copytree(tiny_folder, tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"nothing")
    assert "as float32 failed: " in refused(capsys, "load", "--model", str(tmp_path / "model"), "--formats", "float32")
