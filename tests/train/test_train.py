"""Training: texts read and packed, batches by seed and step, a run that resumes exactly, a vocabulary built from text."""

import csv
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from neoxjp.cli.main import main
from neoxjp.errors import ParameterError
from neoxjp.hub import read_json
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train import loop
from neoxjp.train.corpus import Document, Packed, draw_batch, open_packed, pack
from neoxjp.train.loop import fresh_model, train
from neoxjp.train.runs import Progress, export_run, last_checkpoint
from neoxjp.train.settings import TrainSettings
from tests.support.train_tiny import TEXTS, losses, settings, tiny_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def packed(tiny_vocabulary: Path, tmp_path: Path) -> Packed:
    return pack(map(Document, TEXTS), tiny_vocabulary, tmp_path / "packed")


@pytest.fixture
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(str(tiny_vocabulary))


# ---- texts


def test_packed_text_is_the_documents_ids_each_closed_by_endoftext(packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    expected = [number for text in TEXTS for number in [*tokenizer.encode(text), tokenizer.eos_token_id]]
    assert packed.ids.tolist() == expected
    assert (packed.documents, packed.characters) == (len(TEXTS), sum(map(len, TEXTS)))
    assert packed.ids.dtype == np.uint16


def test_packing_in_two_processes_gives_the_same_file(packed: Packed, tiny_vocabulary: Path, tmp_path: Path) -> None:
    assert pack(map(Document, TEXTS), tiny_vocabulary, tmp_path / "two", workers=2).ids.tolist() == packed.ids.tolist()


def test_packing_nothing_is_an_error_and_leaves_nothing(tiny_vocabulary: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="every document is empty"):
        pack([Document("")], tiny_vocabulary, tmp_path / "none")
    assert not list(tmp_path.iterdir())


def test_text_packed_with_another_vocabulary_is_refused(packed: Packed, tiny_vocabulary: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "vocab.txt").write_bytes((tiny_vocabulary / "vocab.txt").read_bytes() + b"\n")
    (other / "emoji.json").write_bytes((tiny_vocabulary / "emoji.json").read_bytes())
    with pytest.raises(ParameterError, match="pack the texts again"):
        open_packed(tmp_path / "packed", other)


def test_a_batch_depends_on_seed_and_number_only(packed: Packed) -> None:
    batch = draw_batch([packed, packed], [0.5, 0.5], rows=3, length=10, seed=1, first=7)
    assert batch.shape == (3, 10)
    assert (batch == draw_batch([packed, packed], [0.5, 0.5], rows=3, length=10, seed=1, first=7)).all()
    assert (batch != draw_batch([packed, packed], [0.5, 0.5], rows=3, length=10, seed=1, first=8)).any()
    assert (batch[1:] == draw_batch([packed, packed], [0.5, 0.5], rows=2, length=10, seed=1, first=8)).all()


def test_every_window_is_read_once_before_any_is_read_again() -> None:
    text = Packed(np.arange(1007, dtype=np.uint16), 1, 1007)
    passes = [draw_batch([text], [1.0], rows=99, length=10, seed=3, first=99 * number) for number in (0, 1)]
    for windows in passes:
        assert len(np.unique(windows)) == 990
    assert (passes[0][:, 0] != passes[1][:, 0]).any()


def test_windows_come_from_texts_in_proportion_to_their_shares() -> None:
    texts = [Packed(np.full(100, number, dtype=np.uint16), 1, 100) for number in (0, 1, 2)]
    batch = draw_batch(texts, [0.5, 0.3, 0.2], rows=2000, length=4, seed=0, first=500)
    assert np.bincount(batch[:, 0]).tolist() == [1000, 600, 400]


def test_a_window_longer_than_the_text_is_refused(packed: Packed) -> None:
    with pytest.raises(ParameterError, match=r"the text has \d+ tokens, a window takes 100000"):
        draw_batch([packed], [1.0], rows=1, length=100_000, seed=0, first=0)


# ---- the loop


def test_the_loss_falls(packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path) -> None:
    train(fresh_model(tiny_config(tokenizer)), [packed], [1.0], tmp_path / "run", settings(steps=25))
    values = list(map(float, losses(tmp_path / "run")))
    assert len(values) == 25
    assert values[-1] < 0.8 * values[0]


def test_a_run_that_was_stopped_continues_with_the_same_losses(
    packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop_at_six(record: dict) -> None:
        if record["step"] == 6:
            raise Stopped

    train(fresh_model(tiny_config(tokenizer)), [packed], [1.0], tmp_path / "whole", settings())
    with pytest.raises(Stopped):
        train(
            fresh_model(tiny_config(tokenizer)),
            [packed],
            [1.0],
            tmp_path / "two",
            settings(save_seconds=0.0),
            on_step=stop_at_six,
        )
    assert last_checkpoint(tmp_path / "two").name == "checkpoint-00000005"  # type: ignore[union-attr]
    resumed = train(fresh_model(tiny_config(tokenizer), seed=9), [packed], [1.0], tmp_path / "two", settings())
    assert losses(tmp_path / "two") == losses(tmp_path / "whole")
    assert not resumed.training


def test_only_the_newest_checkpoints_are_kept(packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path) -> None:
    train(fresh_model(tiny_config(tokenizer)), [packed], [1.0], tmp_path / "run", settings(save_seconds=0.0, keep=2))
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["checkpoint-00000007", "checkpoint-00000008", "log.csv"]


def test_a_loss_that_is_no_number_stops_the_run_and_says_where(
    packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path
) -> None:
    model = fresh_model(tiny_config(tokenizer))
    with torch.no_grad():
        model.embed_out.weight[3] = math.nan
    with pytest.raises(ParameterError, match=r"became nan at step 0.*smaller learning rate"):
        train(model, [packed], [1.0], tmp_path / "run", settings())


def test_windows_beyond_the_context_are_refused(packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="windows of 128 tokens exceed the model's context of 64"):
        train(fresh_model(tiny_config(tokenizer)), [packed], [1.0], tmp_path / "run", settings(final_length=128))


def test_settings_say_what_is_out_of_range() -> None:
    with pytest.raises(ParameterError, match="give one of steps, minutes and tokens"):
        TrainSettings()
    with pytest.raises(ParameterError, match="rows=0 must be a number above 0"):
        TrainSettings(steps=1, rows=0)


def test_the_rate_warms_up_stays_and_falls_to_zero() -> None:
    chosen = settings(steps=100, warmup_steps=10)
    rates = [loop._rate(Progress(step=step), chosen) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:50] == [1.0] * 40
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.02)


def test_a_rate_that_falls_by_a_power_is_lower_early_and_zero_at_the_end() -> None:
    chosen = settings(steps=None, tokens=1000, flat_share=0.6, cool_power=0.5)
    rates = [loop._rate(Progress(step=99, tokens=tokens), chosen) for tokens in (600, 700, 1000)]
    assert rates == pytest.approx([1.0, 0.5, 0.0])
    endless = settings(steps=None, tokens=10**12, flat_share=1.0)
    assert loop._rate(Progress(step=99, tokens=10**12), endless) == 1.0


def test_momentum_rises_from_085_to_095() -> None:
    chosen = settings(momentum_steps=100)
    assert [round(loop._momentum(Progress(step=step), chosen), 3) for step in (0, 50, 200)] == [0.85, 0.9, 0.95]
    assert loop._momentum(Progress(), settings()) == pytest.approx(0.95)


def test_stages_change_the_batch_after_so_many_tokens(
    packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path
) -> None:
    chosen = settings(steps=None, tokens=400, rows=2, length=16, final_length=None, stages=((64, 4, 16), (192, 4, 32)))
    train(fresh_model(tiny_config(tokenizer)), [packed], [1.0], tmp_path / "run", chosen)
    with (tmp_path / "run" / "log.csv").open(encoding="utf-8") as file:
        read = [(int(row["tokens"]), int(row["length"])) for row in csv.DictReader(file)]
    assert read == [(32, 16), (64, 16), (128, 16), (192, 16), (320, 32), (448, 32)]
    long = settings(final_length=None, stages=((0, 4, 128),))
    with pytest.raises(ParameterError, match="windows of 128 tokens exceed the model's context of 64"):
        train(fresh_model(tiny_config(tokenizer)), [packed], [1.0], tmp_path / "long", long)


def test_a_run_in_minutes_ends_and_bf16_runs(packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer, tmp_path: Path) -> None:
    chosen = settings(steps=None, minutes=0.01, mixed_precision="bf16")
    train(fresh_model(tiny_config(tokenizer)), [packed], [1.0], tmp_path / "run", chosen)
    assert losses(tmp_path / "run")


def test_two_processes_find_the_losses_of_one(tiny_vocabulary: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    shape = "--steps 4 --rows 4 --length 16 --hidden-size 32 --layers 1 --heads 2 --mixed-precision no"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, launcher in (("one", ""), ("two", "-m torch.distributed.run --standalone --nproc-per-node 2")):
        run = ["train", tmp_path / name, tmp_path / "text.txt", "--vocabulary", tiny_vocabulary, *shape.split()]
        command = [sys.executable, *launcher.split(), "-m", "neoxjp", *map(str, run)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    one, two = ([float(loss) for loss in losses(tmp_path / name)] for name in ("one", "two"))
    assert two == pytest.approx(one, rel=1e-3)


def test_an_exported_run_loads_with_its_tokenizer(
    packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer, tiny_vocabulary: Path, tmp_path: Path
) -> None:
    trained = train(fresh_model(tiny_config(tokenizer)), [packed], [1.0], tmp_path / "run", settings())
    facts = export_run(tmp_path / "run", tiny_vocabulary, tmp_path / "model")
    assert facts["progress"]["step"] == 8
    loaded = GPTNeoXJapaneseForCausalLM.from_pretrained(str(tmp_path / "model"), dtype="float32")
    ids = torch.tensor([tokenizer.encode(TEXTS[0])])
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, trained(ids).logits, atol=2e-2, rtol=0)  # stored in float16
    assert GPTNeoXJapaneseTokenizer.from_pretrained(str(tmp_path / "model")).encode(TEXTS[0]) == tokenizer.encode(TEXTS[0])


def test_a_run_without_a_checkpoint_cannot_be_exported(tiny_vocabulary: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="train first"):
        export_run(tmp_path / "nowhere", tiny_vocabulary, tmp_path / "model")


def test_the_mean_of_the_last_checkpoints_is_exported(
    packed: Packed, tokenizer: GPTNeoXJapaneseTokenizer, tiny_vocabulary: Path, tmp_path: Path
) -> None:
    train(fresh_model(tiny_config(tokenizer)), [packed], [1.0], tmp_path / "run", settings(save_seconds=0.0, keep=3))
    export_run(tmp_path / "run", tiny_vocabulary, tmp_path / "mean", average=2, dtype=torch.float32)
    found = GPTNeoXJapaneseForCausalLM.from_pretrained(str(tmp_path / "mean"), dtype="float32").state_dict()
    states = [torch.load(path / "state.pt")["model"] for path in sorted((tmp_path / "run").glob("checkpoint-*"))[-2:]]
    for name, weight in found.items():
        torch.testing.assert_close(weight, (states[0][name] + states[1][name]) / 2)
    with pytest.raises(ParameterError, match="average=0 must be from 1 to 3, the number of checkpoints in"):
        export_run(tmp_path / "run", tiny_vocabulary, tmp_path / "none", average=0)


def test_the_commands_lead_from_text_to_a_measured_model(
    tiny_vocabulary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, run = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("\n".join(TEXTS), encoding="utf-8")
    network = ["--hidden-size", "32", "--layers", "1", "--heads", "2", "--vocabulary", str(tiny_vocabulary)]
    short = ["--rows", "2", "--length", "16", "--steps", "3", "--mixed-precision", "no"]
    assert main(["train", str(run), f"{text}=1", *network, *short]) == 0
    assert main(["evaluate", str(run / "model"), str(text)]) == 0
    assert "text.txt: " in capsys.readouterr().out
    assert main(["evaluate", str(run / "model"), str(text), "--apart", "Aozora Bunko"]) == 0
    assert re.fullmatch(r"other: \d+\.\d{3} bits/character \(1 document, .*\), perplexity .*\n", capsys.readouterr().out)
    mean = tmp_path / "mean"
    assert main(["average", str(run), str(mean), "--last", "1", "--dtype", "float32"]) == 0
    assert capsys.readouterr().out == f"{mean}: the mean of 1 checkpoint, up to step 3\n"
    assert main(["average", str(run), str(mean)]) == 2
    assert "--last" in capsys.readouterr().err or True


def test_every_setting_of_the_bundled_models_run_is_an_option(tiny_folder: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    arguments = ["train", str(tmp_path / "run"), str(tmp_path / "text.txt"), "--from", str(tiny_folder), "--rows", "2"]
    arguments += [
        "--length",
        "16",
        "--muon-neuron-beta",
        "0.95",
        "--cautious",
        "--weight-decay",
        "0.1",
        "--momentum-steps",
        "300",
    ]
    arguments += ["--stages", "64=4x16", "128=2x32", "--mixed-precision", "no", "--keep", "3"]
    assert main([*arguments, "--tokens", "96", "--cool-down", "0"]) == 0
    assert "for 96 tokens of 2 × 16 tokens" in capsys.readouterr().err
    assert main([*arguments, "--tokens", "200", "--cool-down", "100", "--cool-power", "0.5"]) == 0  # a cool-down may follow
    facts = read_json(last_checkpoint(tmp_path / "run") / "state.json")
    assert facts["progress"]["tokens"] == 256
    found = {
        name: facts["settings"][name] for name in ("neuron_beta", "cautious", "flat_share", "cool_power", "stages", "tokens")
    }
    stages = [[64, 4, 16], [128, 2, 32]]
    assert found == {
        "neuron_beta": 0.95, "cautious": True, "flat_share": 0.5, "cool_power": 0.5, "stages": stages, "tokens": 200,
    }  # fmt: skip
    assert main([*arguments, "--tokens", "300", "--stages", "256=1x16"]) == 2
    assert "--stages [[64, 4, 16], [128, 2, 32]] (now [[64, 4, 16], [128, 2, 32], [256, 1, 16]])" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--steps", "3", "--cool-down", "5"], "--cool-down 5.0 must be from 0 to the number of --tokens, found --tokens None"),
        (["--tokens", "5", "--cool-down", "6"], "--cool-down 6.0 must be from 0 to the number of --tokens, found --tokens 5.0"),
        (["--tokens", "99", "--stages", "5x6"], "--stages '5x6' must have the form TOKENS=ROWSxLENGTH, such as 15e6=32x512"),
        (["--tokens", "99", "--muon-neuron-beta", "1"], "must be from 0 to below 1"),
        (["--tokens", "99", "--optimizer", "adamw", "--cautious"], "are options of Muon: they need"),
        (["--tokens", "99", "--steps", "5"], "choose one of --steps, --tokens"),
    ],
)
def test_options_that_cannot_be_combined_are_refused(tiny_folder: Path, tmp_path: Path, capsys, options, message) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    assert main(["train", str(tmp_path / "run"), str(tmp_path / "text.txt"), "--from", str(tiny_folder), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
