"""`neoxjp train` on tiny models: from text to a folder that loads, fine-tuning, LoRA, processes, faults."""

import csv
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from neoxjp.cli.main import main
from neoxjp.documents import parse_weighted_path
from neoxjp.engine import threads
from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.folder_lock import only_run
from neoxjp.train.job import ProgressLine, _missing, _remove, progress_line
from neoxjp.train.plot import _running_mean, plot, ticks
from neoxjp.train.runs import last_checkpoint, open_log, read_curve, write_curve
from neoxjp.train.start import Start, merged_state, start_model
from tests.support.train_tiny import TEXTS, losses, settings

ROOT = Path(__file__).parents[2]
SHAPE = ["--hidden-size", "32", "--layers", "2", "--heads", "2", "--context", "64"]
QUICK = ["--rows", "4", "--length", "16", "--mixed-precision", "no"]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def texts(tmp_path: Path) -> str:
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    return str(tmp_path / "texts.txt")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def weights(folder: Path | str) -> dict[str, torch.Tensor]:
    return GPTNeoXJapaneseForCausalLM.from_pretrained(folder, dtype="float32").state_dict()


# ---- training


def test_from_text_to_a_model_that_generates(capsys, texts, tiny_vocabulary, tmp_path) -> None:
    arguments = [
        "train",
        tmp_path / "run",
        texts,
        "--vocabulary",
        tiny_vocabulary,
        "--split",
        "line",
        "--steps",
        6,
        *SHAPE,
        *QUICK,
    ]
    code, out, err = run(capsys, *arguments)
    assert code == 0, err
    assert out.splitlines()[0] == f"finished: {tmp_path / 'run' / 'model'}"
    program, *command = shlex.split(out.splitlines()[-1])
    assert program == "neoxjp"
    assert run(capsys, *command, "--max-new-tokens", 3)[0] == 0  # the last line works when it is pasted
    assert "80 documents" in err
    assert "step 6/6" in err
    assert "0 s left" in err
    assert len(losses(tmp_path / "run")) == 6
    with Image.open(tmp_path / "run" / "plot.png") as image:
        assert image.format == "PNG"
    assert run(capsys, "generate", "猫", "--model", tmp_path / "run" / "model", "--max-new-tokens", 3)[0] == 0
    assert GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path / "run" / "model").dtype == torch.float16
    before = weights(tmp_path / "run" / "model")
    code, _, err = run(capsys, *arguments)  # the same command again: nothing is left to do
    assert "this run is finished: 6 steps are done; ask for more to train on\n" in err
    assert "training" not in err
    assert all(torch.equal(before[name], weight) for name, weight in weights(tmp_path / "run" / "model").items())


def test_files_with_shares_are_drawn_from_apart(capsys, texts, tiny_vocabulary, tmp_path) -> None:
    (tmp_path / "b.jsonl").write_text(json.dumps({"body": "猫。" * 40}) + "\n", encoding="utf-8")
    (tmp_path / "c.jsonl").write_text(json.dumps({"body": "犬。" * 40}) + "\n", encoding="utf-8")
    files = [f"{tmp_path / 'b.jsonl'}=0.9", f"{tmp_path / 'c.jsonl'}=0.1", "--column", "body"]
    code, _, err = run(capsys, "train", tmp_path / "run", *files, "--vocabulary", tiny_vocabulary, "--steps", 1, *SHAPE, *QUICK)
    assert code == 0, err
    assert (tmp_path / "run" / "text-1" / "ids.bin").is_file()
    code, _, err = run(capsys, "train", tmp_path / "run2", files[0], texts, "--vocabulary", tiny_vocabulary, *SHAPE, *QUICK)
    assert (code, err) == (2, "neoxjp train: give every file a share (a.jsonl=0.7) or none of them\n")


def test_a_number_after_the_name_is_its_share() -> None:
    assert parse_weighted_path("a/b.txt=0.5") == (Path("a/b.txt"), 0.5)
    assert parse_weighted_path("a=b.txt") == (Path("a=b.txt"), None)
    assert parse_weighted_path("b.txt") == (Path("b.txt"), None)
    with pytest.raises(ParameterError, match=r"'b\.txt=-1': the number after = must be above 0"):
        parse_weighted_path("b.txt=-1")


def test_fine_tuning_starts_from_the_model_and_keeps_its_dtype(capsys, texts, tiny_folder, tmp_path) -> None:
    hardly = ["--steps", 3, "--lr", "1e-9", "--muon-lr", "1e-9"]
    code, _, err = run(capsys, "train", tmp_path / "run", texts, "--from", tiny_folder, *hardly, *QUICK)
    assert code == 0, err
    old, new = weights(tiny_folder), weights(tmp_path / "run" / "model")
    assert all(torch.allclose(old[name], new[name], atol=1e-5) for name in old)
    assert GPTNeoXJapaneseForCausalLM.from_pretrained(tmp_path / "run" / "model").dtype == torch.float32
    assert list(tmp_path.joinpath("run").glob("checkpoint-*"))


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_frozen_layers_and_the_embedding_stay_as_they_are(capsys, texts, tiny_folder, tmp_path, precision) -> None:
    half = GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder).to(torch.float16)
    half.save_pretrained(tmp_path / "half")
    GPTNeoXJapaneseTokenizer.from_pretrained(tiny_folder).save_pretrained(tmp_path / "half")
    old = weights(tmp_path / "half")
    arguments = ["train", tmp_path / "run", texts, "--from", tmp_path / "half", "--freeze", 1, "--steps", 3, *QUICK]
    code, _, err = run(capsys, *arguments, "--mixed-precision", precision)
    assert code == 0, err
    new = weights(tmp_path / "run" / "model")
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed
    assert all(".layers.1." in name or "final_layer_norm" in name for name in changed)
    state = torch.load(tmp_path / "run" / "checkpoint-00000003" / "state.pt", weights_only=True)
    assert not any(".layers.0." in name for name in state["model"])


@pytest.mark.parametrize("helps", [True, False])
def test_the_precision_is_printed_with_a_warning_where_bf16_is_slow(
    capsys, texts, tiny_vocabulary, tmp_path, monkeypatch, helps
) -> None:
    monkeypatch.setattr("neoxjp.train.settings.bf16_helps", lambda: helps)
    monkeypatch.setattr("neoxjp.train.job.bf16_helps", lambda: helps)
    shape = ["--vocabulary", tiny_vocabulary, "--steps", 1, *SHAPE, *QUICK]
    for name, found in (("auto", "bf16" if helps else "float32"), ("no", "float32"), ("bf16", "bf16")):
        code, _, err = run(capsys, "train", tmp_path / name, texts, *shape, "--mixed-precision", name)
        assert code == 0, err
        assert f"16 tokens, muon, {found}\n" in err
        assert ("has no instructions for bf16" in err) == (name == "bf16" and not helps)
        assert "tokens/s" in err


def test_frozen_matrices_keep_their_stored_dtype_only_under_autocast(tiny_folder, tmp_path) -> None:
    GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder).to(torch.float16).save_pretrained(tmp_path / "half")
    for half, expected in ((True, torch.float16), (False, torch.float32)):
        model = start_model(Start(str(tmp_path / "half"), freeze=1), seed=0, half=half)
        assert model.gpt_neox_japanese.layers[0].mlp.dense_h_to_4h.weight.dtype == expected
        others = {weight.dtype for name, weight in model.named_parameters() if ".layers.0." not in name}
        assert others == {torch.float32}


def test_more_frozen_layers_than_there_are_is_an_error(tiny_folder) -> None:
    with pytest.raises(ParameterError, match=r"freeze=3: the model has 2 layers"):
        start_model(Start(str(tiny_folder), freeze=3), seed=0, half=False)


def test_lora_without_peft_names_the_package(tiny_folder, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ParameterError, match=r"LoRA needs the package peft, .*: pip install peft"):
        start_model(Start(str(tiny_folder), lora=2), seed=0, half=False)


def test_lora_trains_only_its_matrices_and_merges_into_an_ordinary_model(capsys, texts, tiny_folder, tmp_path) -> None:
    pytest.importorskip("peft")
    arguments = ["train", tmp_path / "run", texts, "--from", tiny_folder, "--lora", 2, "--lr", 0.01, *QUICK]
    code, _, err = run(capsys, *arguments, "--steps", 12)
    assert code == 0, err
    state = torch.load(tmp_path / "run" / "checkpoint-00000012" / "state.pt", weights_only=True)
    assert len(state["model"]) == 2 * 2 * 4
    assert all(".lora_" in name for name in state["model"])
    old, new = weights(tiny_folder), weights(tmp_path / "run" / "model")
    assert set(old) == set(new)
    changed = {name for name in old if not torch.allclose(old[name], new[name])}
    assert len(changed) == 2 * 4
    values = [float(loss) for loss in losses(tmp_path / "run")]
    assert values[-1] < values[0]


def test_an_ordinary_model_with_the_merged_weights_has_the_same_logits(tiny_folder) -> None:
    pytest.importorskip("peft")
    model = start_model(Start(str(tiny_folder), lora=2), seed=0, half=False).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if ".lora_" in name:
                weight.normal_(std=0.1)
        ids = torch.tensor([[1, 2, 3, 4]])
        before = model(ids).logits
        merged = GPTNeoXJapaneseForCausalLM(model.config).eval()
        merged.load_state_dict(merged_state(model, torch.float32))
        after = merged(ids).logits
    torch.testing.assert_close(after, before, atol=1e-4, rtol=0)


def test_a_start_says_what_cannot_be_combined() -> None:
    for changes, message in (
        ({"freeze": 1}, "takes a trained model"),
        ({"model": "a", "freeze": 1, "lora": 2}, "choose one of freezing layers and LoRA"),
        ({"model": "a", "freeze": -1}, "freeze=-1 must be at least 0"),
        ({"model": "a", "lora": 0}, "lora=0 must be at least 1"),
    ):
        with pytest.raises(ParameterError, match=message):
            Start(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "MODEL", "--layers", "3"], "--layers: a model to start from (--from) has its own; leave that out"),
        (["--steps", "3", "--minutes", "1"], "choose one of --steps, --minutes"),
        (["--epochs", "0"], "--epochs 0.0 must be a number above 0"),
        (["--epochs", "inf"], "--epochs inf must be a number above 0"),
        (["--tokens", "nan"], "--tokens nan must be a number above 0"),
        (["--minutes", "nan"], "--minutes nan must be a number above 0"),
        (["--from", "MODEL", "--lr", "nan"], "adamw_lr=nan must be a number above 0"),
        (["--from", "nowhere/at-all-here"], "nowhere"),
        (["--from", "MODEL", "--length", "65"], "windows of 65 tokens exceed the model's context of 64"),
        (["--from", "MODEL", "--lr", "0"], "adamw_lr=0.0 must be a number above 0"),
        (["--from", "MODEL", "--dtype", "int3"], "dtype must be one of"),
        (["--from", "MODEL", "--column", "body"], "no column"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_exit_code_2(
    capsys, monkeypatch, tiny_folder, tmp_path, arguments, message
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "a.csv").write_text("text\n" + "猫は犬である。\n" * 30, encoding="utf-8")
    arguments = [str(tiny_folder) if argument == "MODEL" else argument for argument in arguments]
    code, _, err = run(capsys, "train", tmp_path / "run", tmp_path / "a.csv", *arguments)
    assert code == 2
    assert message in err.splitlines()[-1]
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()  # a refused run leaves no folders behind


def test_a_refused_run_removes_nothing_of_others(tmp_path) -> None:
    made = _missing(tmp_path / "runs" / "a")
    (tmp_path / "runs" / "a" / "text").mkdir(parents=True)
    (tmp_path / "runs" / "b").mkdir()  # of another run, which began meanwhile
    _remove(made)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["b"]
    (tmp_path / "runs" / "b").rmdir()
    (tmp_path / "runs" / "a").mkdir()
    _remove(made)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "every document is empty"), ("\n \n", "every document is empty"), ("猫", "the text has 2 tokens, a window takes 16")],
)
def test_a_text_of_nothing_or_one_character_is_refused(capsys, tiny_folder, tmp_path, text, message) -> None:
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    code, _, err = run(capsys, "train", tmp_path / "run", tmp_path / "a.txt", "--from", tiny_folder, "--split", "line")
    assert code == 2
    assert message in err


def test_a_stopped_run_has_a_model_and_says_how_to_continue(capsys, texts, tiny_folder, tmp_path, monkeypatch) -> None:
    def interrupt(self: ProgressLine, record: dict) -> None:
        if record["step"] == 2:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(ProgressLine, "__call__", interrupt)
    code, _, err = run(capsys, "train", tmp_path / "run", texts, "--from", tiny_folder, "--steps", 9, *QUICK)
    assert code == 130
    model = tmp_path / "run" / "model"
    assert f"stopped at checkpoint-00000002: {model} is the model so far, and the same command continues the run\n" in err
    assert run(capsys, "generate", "猫", "--model", model, "--max-new-tokens", 3)[0] == 0


def test_a_run_continues_only_from_the_model_it_was_started_with(capsys, texts, tiny_folder, tiny_vocabulary, tmp_path) -> None:
    assert run(capsys, "train", tmp_path / "run", texts, "--from", tiny_folder, "--steps", 1, *QUICK)[0] == 0
    code, _, err = run(capsys, "train", tmp_path / "run", texts, "--from", tiny_folder, "--freeze", 1, "--steps", 2, *QUICK)
    assert code == 2
    assert "was started with freeze 0: continue with that, or name another folder" in err


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (["--length", 12], "--length 16 (now 12)"),
        (["--lr", 0.5], "--lr 0.0004 (now 0.5)"),
        (["--rows", 2, "--seed", 3], "--rows 4 (now 2); --seed 0 (now 3)"),
    ],
)
def test_a_run_is_not_continued_with_other_settings_unless_that_is_asked_for(
    capsys, texts, tiny_folder, tmp_path, changed, message
) -> None:
    arguments = ["train", tmp_path / "run", texts, "--from", tiny_folder, *QUICK]
    assert run(capsys, *arguments, "--steps", 1)[0] == 0
    before = weights(tmp_path / "run" / "model")
    code, _, err = run(capsys, *arguments, "--steps", 2, *changed)
    assert code == 2
    assert f"holds a run with {message}. Name another folder, or add --continue-anyway" in err
    assert all(torch.equal(before[name], weight) for name, weight in weights(tmp_path / "run" / "model").items())
    assert run(capsys, *arguments, "--steps", 2, *changed, "--continue-anyway")[0] == 0
    assert len(losses(tmp_path / "run")) == 2


def test_a_run_is_not_continued_with_another_text(capsys, texts, tiny_folder, tmp_path) -> None:
    arguments = ["--from", tiny_folder, *QUICK, "--steps"]
    assert run(capsys, "train", tmp_path / "run", texts, *arguments, 1)[0] == 0
    (tmp_path / "moved.txt").write_bytes(Path(texts).read_bytes())
    assert run(capsys, "train", tmp_path / "run", tmp_path / "moved.txt", *arguments, 2)[0] == 0  # the same text elsewhere
    (tmp_path / "other.txt").write_text("\n".join(TEXTS[:-1]), encoding="utf-8")
    code, _, err = run(capsys, "train", tmp_path / "run", tmp_path / "other.txt", *arguments, 3)
    assert code == 2
    assert "holds a run with other texts, " in err
    assert "characters (now " in err


def test_held_out_texts_are_scored_every_so_many_steps_and_change_no_loss(capsys, texts, tiny_folder, tmp_path) -> None:
    (tmp_path / "other.txt").write_text("猫は東京都の大学にいる。", encoding="cp932")
    arguments = [texts, "--from", tiny_folder, *QUICK, "--steps"]
    held_out = ["--evaluate", tmp_path / "other.txt", "--evaluate-every", 2]
    code, _, err = run(capsys, "train", tmp_path / "run", *arguments, 5, *held_out)
    assert code == 0, err
    with (tmp_path / "run" / "held-out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["2", "4", "5"]
    assert f"step 5: held-out texts {float(rows[-1]['bits_per_character']):.3f} bits/character" in err
    assert run(capsys, "train", tmp_path / "plain", *arguments, 5)[0] == 0
    assert losses(tmp_path / "run") == losses(tmp_path / "plain")
    _, out, _ = run(capsys, "evaluate", tmp_path / "run" / "model", tmp_path / "other.txt", "--json")
    score = json.loads(out)["sources"]["other.txt"]
    assert score["bits_per_character"] == pytest.approx(float(rows[-1]["bits_per_character"]), abs=1e-4)


def test_held_out_texts_are_scored_beside_frozen_weights_in_half_precision(capsys, texts, tiny_folder, tmp_path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "half")
    GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder, dtype="float32").half().save_pretrained(tmp_path / "half")
    shape = ["--rows", 4, "--length", 16, "--mixed-precision", "bf16", "--steps", 1, "--freeze", 1, "--from", tmp_path / "half"]
    code, _, err = run(capsys, "train", tmp_path / "run", texts, *shape, "--evaluate", texts)
    assert code == 0, err
    assert "held-out texts: " in err
    assert "step 1: held-out texts " in err


def test_a_longer_held_out_text_is_cut_and_that_is_said(capsys, texts, tiny_folder, tmp_path) -> None:
    (tmp_path / "long.txt").write_text("猫は東京にいる。\n" * 500, encoding="utf-8")
    arguments = [texts, "--from", tiny_folder, *QUICK, "--steps", 1, "--evaluate", tmp_path / "long.txt"]
    _, _, err = run(capsys, "train", tmp_path / "run", *arguments)
    assert "held-out texts: 1, of each the first 1,200 characters, 1,200 of 4,500 together (--split line or blank" in err


def test_two_runs_do_not_write_to_one_folder(capsys, texts, tiny_folder, tmp_path) -> None:
    arguments = ["train", tmp_path / "run", texts, "--from", tiny_folder, *QUICK, "--steps", 1]
    with only_run(tmp_path / "run"):
        code, _, err = run(capsys, *arguments)
    assert code == 2
    assert "another run writes to" in err
    left, own = (tmp_path / "run" / name for name in (".text-0.ab12_c.writing", ".bashrc.old"))
    left.mkdir()
    own.write_text("")
    assert run(capsys, *arguments)[0] == 0
    assert not left.exists()
    assert own.exists()


def test_another_vocabulary_is_taken_before_the_first_checkpoint_and_refused_after_it(
    capsys, texts, tiny_folder, tmp_path
) -> None:
    folder = tmp_path / "run"
    GPTNeoXJapaneseTokenizer.from_pretrained("bundled").save_pretrained(
        folder / "vocabulary"
    )  # left by a run without checkpoints
    (folder / "log.csv").write_text("")
    arguments = ["train", folder, texts, *QUICK, "--steps"]
    assert run(capsys, *arguments, 1, "--from", tiny_folder)[0] == 0
    assert (folder / "model" / "vocab.txt").read_bytes() == (tiny_folder / "vocab.txt").read_bytes()
    code, _, err = run(capsys, *arguments, 2, "--from", "bundled")
    assert code == 2
    assert "another vocabulary than that of 'bundled'" in err


def test_a_run_does_not_start_from_the_folder_that_it_writes(capsys, texts, tiny_folder, tmp_path) -> None:
    shutil.copytree(tiny_folder, tmp_path / "run" / "model")
    code, _, err = run(capsys, "train", tmp_path / "run", texts, "--from", tmp_path / "run" / "model", *QUICK, "--steps", 1)
    assert code == 2
    assert "is the folder that this run writes its model to" in err


def test_training_goes_on_where_nobody_reads_its_lines(texts, tiny_folder, tmp_path) -> None:
    read, write = os.pipe()
    os.close(read)
    words = [str(word) for word in ("train", tmp_path / "run", texts, "--from", tiny_folder, *QUICK, "--steps", 2)]
    done = subprocess.run([sys.executable, "-m", "neoxjp", *words], stderr=write, stdout=subprocess.PIPE, check=False)
    os.close(write)
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file(), done


def test_a_damaged_checkpoint_is_named(capsys, texts, tiny_folder, tmp_path) -> None:
    arguments = ["train", tmp_path / "run", texts, "--from", tiny_folder, *QUICK, "--steps"]
    assert run(capsys, *arguments, 1)[0] == 0
    (last_checkpoint(tmp_path / "run") / "state.pt").write_bytes(b"")
    code, _, err = run(capsys, *arguments, 2)
    assert code == 2
    assert "is damaged" in err
    assert "delete the folder checkpoint-00000001" in err


def test_stages_do_not_change_what_an_epoch_is(capsys, texts, tiny_folder, tmp_path) -> None:
    shape = ["--stages", "0=8x16", "--from", tiny_folder, *QUICK]
    assert run(capsys, "train", tmp_path / "run", texts, *shape)[0] == 0
    facts = json.loads((last_checkpoint(tmp_path / "run") / "state.json").read_text())
    tokens = sum(text["tokens"] for text in facts["start"]["texts"])
    assert tokens <= facts["progress"]["tokens"] < tokens + 8 * 16


def test_another_weight_decay_is_the_one_that_is_used(capsys, texts, tiny_folder, tmp_path) -> None:
    arguments = ["train", tmp_path / "run", texts, "--from", tiny_folder, *QUICK, "--continue-anyway", "--steps"]
    assert run(capsys, *arguments, 1, "--weight-decay", 0.0)[0] == 0
    assert run(capsys, *arguments, 2, "--weight-decay", 0.25)[0] == 0
    state = torch.load(last_checkpoint(tmp_path / "run") / "state.pt", weights_only=True)
    decays = {group["weight_decay"] for saved in state["optimizers"] for group in saved["param_groups"]}
    assert decays == {0.0, 0.25}  # norms and biases do not decay


def test_lora_also_writes_the_adapter_alone(capsys, texts, tiny_folder, tmp_path) -> None:
    pytest.importorskip("peft")
    from safetensors.torch import load_file

    arguments = ["train", tmp_path / "run", texts, "--from", tiny_folder, "--lora", 2, "--lr", 0.01, *QUICK, "--steps", 3]
    assert run(capsys, *arguments)[0] == 0
    adapter = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    config = json.loads((tmp_path / "run" / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (2, 4, str(tiny_folder))
    base, merged = weights(tiny_folder), weights(tmp_path / "run" / "model")
    name = "gpt_neox_japanese.layers.0.attention.dense"
    low, high = (adapter[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
    torch.testing.assert_close(merged[f"{name}.weight"], base[f"{name}.weight"] + 2 * high @ low, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("threads_asked", "expected"), [(None, 2), ("1", 2), ("3", 3)])
def test_a_launched_process_takes_its_share_of_the_processors(monkeypatch, threads_asked, expected) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(4)))
    monkeypatch.setattr(threads, "cpu_quota", lambda: None)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if threads_asked:
        monkeypatch.setenv("OMP_NUM_THREADS", threads_asked)
        torch.set_num_threads(int(threads_asked))
    threads.share_processors(2)
    assert torch.get_num_threads() == expected
    threads.share_processors(2, 1)
    assert torch.get_num_threads() == 1


def test_accelerate_launches_two_processes_that_find_the_losses_of_one(texts, tiny_vocabulary, tmp_path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    launch = "-m accelerate.commands.launch --cpu --num_processes 2 --num_machines 1 --dynamo_backend no --mixed_precision no"
    launch += " --main_process_port 0 -m neoxjp"
    for name, launcher in (("one", ["-m", "neoxjp"]), ("two", launch.split())):
        arguments = ["train", tmp_path / name, texts, "--vocabulary", tiny_vocabulary, "--steps", 4, *SHAPE, *QUICK]
        arguments += ["--accumulate", 2]
        command = [sys.executable, *launcher, *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    one, two = ([float(loss) for loss in losses(tmp_path / name)] for name in ("one", "two"))
    assert two == pytest.approx(one, rel=1e-3)
    assert (tmp_path / "two" / "model" / "model.safetensors").is_file()


def test_a_place_that_cannot_be_written_is_named(capsys, texts, tiny_folder, tmp_path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        code, _, err = run(capsys, "train", place, texts, "--from", tiny_folder, "--steps", 1)
        assert code == 2
        assert f"{str(place)!r} cannot be written: " in err


# ---- what a run shows


def test_the_progress_line_shows_loss_speed_and_time_left() -> None:
    record = {"step": 120, "bits_per_character": 4.0714, "tokens_per_second": 2310.4, "seconds_left": 730.0}
    assert progress_line(record, 2000) == "step 120/2000  4.071 bits/character  2,310 tokens/s  12 min left"
    assert progress_line(record | {"seconds_left": 9.6}, None) == "step 120  4.071 bits/character  2,310 tokens/s  10 s left"
    assert progress_line(record | {"seconds_left": 9000.0}, None).endswith("  2.5 h left")


def test_progress_is_printed_now_and_then_and_at_the_end(capsys) -> None:
    line = ProgressLine(settings(steps=3), every=1000.0)
    for step in (1, 2, 3):
        line({"step": step, "bits_per_character": float(step), "tokens_per_second": 1.0, "seconds_left": 3.0 - step})
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("step 1/3  1.000 ")
    assert last.startswith("step 3/3  2.500 ")  # the mean since the line before


def test_a_plot_is_drawn_from_any_log(tmp_path) -> None:
    open_log(tmp_path / "log.csv", 0)
    plot(tmp_path / "log.csv", tmp_path / "plot.png", "nothing")
    assert not (tmp_path / "plot.png").exists()
    header = (tmp_path / "log.csv").read_text()
    for count in (1, 2, 300):
        rows = [f"{n},{n},{n * 16},16,1.0,3.0,{3 + math.sin(n) / n},9" for n in range(1, count + 1)]
        (tmp_path / "log.csv").write_text(header + "\n".join(rows) + "\n")
        plot(tmp_path / "log.csv", tmp_path / "plot.png", "a run")
        with Image.open(tmp_path / "plot.png") as image:
            assert image.size == (1200, 720)


def test_a_log_in_short_has_the_means_of_equal_stretches(tmp_path) -> None:
    open_log(tmp_path / "log.csv", 0)
    write_curve(tmp_path / "log.csv", tmp_path / "training.csv")
    assert not (tmp_path / "training.csv").exists()
    rows = [f"{n},{n * 2},{n * 16},16,1.0,3.0,{n},9" for n in range(1, 251)]
    (tmp_path / "log.csv").write_text((tmp_path / "log.csv").read_text() + "\n".join(rows) + "\n")
    write_curve(tmp_path / "log.csv", tmp_path / "training.csv")
    points = read_curve(tmp_path / "training.csv")
    assert points[0] == (48, 6, 2.0)  # the mean of steps 1, 2, 3
    assert points[-1] == (4000, 500, 250.0)
    assert len(points) == 84


def test_the_mean_runs_over_the_last_values() -> None:
    assert _running_mean([4.0, 2.0, 6.0, 1.0], 2) == [4.0, 3.0, 4.0, 3.5]


def test_ticks_are_round_numbers() -> None:
    assert ticks(0, 7.3) == [0, 2, 4, 6]
    assert ticks(3.8, 6.6) == [4.0, 4.5, 5.0, 5.5, 6.0, 6.5]
    assert ticks(1, 1) == [1.0]
