"""A run that breaks off loses nothing: killed while it saves, out of room, interrupted, or its loss no number."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.model import GPTNeoXJapaneseConfig
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train import runs
from neoxjp.train.corpus import Document, Packed, draw_batch, pack
from neoxjp.train.loop import fresh_model, train
from neoxjp.train.runs import export_run, last_checkpoint
from neoxjp.train.settings import TrainSettings, build_optimizers
from tests.support.train_tiny import TEXTS, losses, settings, tiny_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def packed(tiny_vocabulary: Path, tmp_path: Path) -> Packed:
    return pack(map(Document, TEXTS), tiny_vocabulary, tmp_path / "packed")


@pytest.fixture
def config(tiny_vocabulary: Path) -> GPTNeoXJapaneseConfig:
    return tiny_config(GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


KILLED_WHILE_SAVING = """
import io, os, signal, sys, torch
from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.train.corpus import open_packed
from neoxjp.train.loop import fresh_model, train
from tests.support.train_tiny import settings, tiny_config

torch.set_num_threads(1)
packed, vocabulary, run = sys.argv[1:]
save, saves = torch.save, []

def save_half_of_the_third(state, file):
    saves.append(None)
    if len(saves) < 3:
        return save(state, file)
    whole = io.BytesIO()
    save(state, whole)
    file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

torch.save = save_half_of_the_third
model = fresh_model(tiny_config(GPTNeoXJapaneseTokenizer.from_pretrained(vocabulary), attention_dropout=0.1))
train(model, [open_packed(packed, vocabulary)], [1.0], run, settings(save_seconds=0.0, keep=5))
"""


def test_a_run_killed_while_it_saves_continues_with_the_same_losses(
    packed: Packed, tiny_vocabulary: Path, config: GPTNeoXJapaneseConfig, tmp_path: Path
) -> None:
    arguments = [str(tmp_path / "packed"), str(tiny_vocabulary), str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED_WHILE_SAVING, *arguments], cwd=ROOT, env=environment)
    assert done.returncode == -signal.SIGKILL
    assert [name for name in names(tmp_path / "killed") if "00000003" in name and not name.startswith(".")] == []
    assert any(name.endswith(".writing") for name in names(tmp_path / "killed"))
    dropping = tiny_config(GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary), attention_dropout=0.1)
    train(fresh_model(dropping, seed=5), [packed], [1.0], tmp_path / "killed", settings())
    train(fresh_model(dropping), [packed], [1.0], tmp_path / "whole", settings())
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    assert not any(name.endswith(".writing") for name in names(tmp_path / "killed"))


def test_a_disk_without_room_stops_the_run_and_keeps_the_last_checkpoint(
    packed: Packed, config: GPTNeoXJapaneseConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(record: dict) -> None:
        if record["step"] == 4:
            monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))  # type: ignore[attr-defined]

    with pytest.raises(CheckpointError, match=r"step 4 could not be saved: the disk is too full: .*checkpoint-00000003' is the"):
        train(fresh_model(config), [packed], [1.0], tmp_path / "run", settings(save_seconds=0.0), on_step=fill)
    assert names(tmp_path / "run") == ["checkpoint-00000002", "checkpoint-00000003", "log.csv"]
    monkeypatch.undo()
    train(fresh_model(config), [packed], [1.0], tmp_path / "run", settings())
    train(fresh_model(config), [packed], [1.0], tmp_path / "whole", settings())
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_a_checkpoint_that_the_system_cuts_off_is_a_clear_error(tmp_path: Path, tiny_vocabulary: Path, packed: Packed) -> None:
    """The largest file of this process is limited as a quota would: torch's own writer fails in the middle."""
    code = (
        "import resource, signal, sys, torch; from pathlib import Path\n"
        "from neoxjp.train import runs; from neoxjp.errors import CheckpointError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "try: runs._write_state({'model': {'a': torch.zeros(9999)}}, Path(sys.argv[1]) / 'state.pt')\n"
        "except (CheckpointError, OSError) as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stdout


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint_and_names_it(
    packed: Packed, config: GPTNeoXJapaneseConfig, tmp_path: Path
) -> None:
    model = fresh_model(config)

    def spoil(record: dict) -> None:
        if record["step"] == 5:
            with torch.no_grad():
                model.embed_out.weight[3] = torch.nan

    run = tmp_path / "run"
    with pytest.raises(ParameterError, match=r"are infinite or NaN after step 5: .*checkpoint-00000004' is the last good"):
        train(model, [packed], [1.0], run, settings(save_seconds=0.0), on_step=spoil)
    state = torch.load(run / "checkpoint-00000004" / "state.pt", weights_only=True)
    assert all(bool(weight.isfinite().all()) for weight in state["model"].values())


def test_a_gradient_that_is_no_number_is_never_applied(
    packed: Packed, config: GPTNeoXJapaneseConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fresh_model(config)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.gpt_neox_japanese.embed_in.weight.register_hook(lambda gradient: gradient * torch.inf)
    with pytest.raises(ParameterError, match=r"became nan at step 0: there is no checkpoint in .* yet; .*smaller learning rate"):
        train(model, [packed], [1.0], tmp_path / "run", settings())
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


STOPPED_TOGETHER = """
import os, signal, sys
from neoxjp.cli.main import leave, main
from neoxjp.train.job import ProgressLine

def stop(self, record):
    if record["step"] == 2:
        os.kill(os.getpid(), signal.SIGTERM)

ProgressLine.__call__ = stop  # only the first process logs: the second learns of it from the first
leave(main(sys.argv[1:]))
"""


def test_sigterm_to_one_of_two_processes_stops_both_with_a_checkpoint(tiny_vocabulary: Path, tmp_path: Path) -> None:
    (tmp_path / "stopped.py").write_text(STOPPED_TOGETHER, encoding="utf-8")
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    shape = "--steps 50 --rows 4 --length 16 --hidden-size 32 --layers 1 --heads 2 --mixed-precision no"
    run = ["train", str(tmp_path / "run"), str(tmp_path / "texts.txt"), "--vocabulary", str(tiny_vocabulary), *shape.split()]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, str(tmp_path / "stopped.py"), *run], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert last_checkpoint(tmp_path / "run") == tmp_path / "run" / "checkpoint-00000003", done.stderr
    assert done.stderr.count("stopped at checkpoint-00000003") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_step_it_came_in_and_the_run_continues_exactly(
    packed: Packed, config: GPTNeoXJapaneseConfig, tmp_path: Path, number: signal.Signals
) -> None:
    def interrupt(record: dict) -> None:
        if record["step"] == 3:
            os.kill(os.getpid(), number)

    handler = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        train(fresh_model(config), [packed], [1.0], tmp_path / "run", settings(), on_step=interrupt)
    assert signal.getsignal(number) is handler
    assert last_checkpoint(tmp_path / "run") == tmp_path / "run" / "checkpoint-00000003"
    train(fresh_model(config), [packed], [1.0], tmp_path / "run", settings())
    train(fresh_model(config), [packed], [1.0], tmp_path / "whole", settings())
    assert losses(tmp_path / "run") == losses(tmp_path / "whole")


def test_a_run_of_another_network_or_optimizer_is_not_continued(
    packed: Packed, config: GPTNeoXJapaneseConfig, tiny_vocabulary: Path, tmp_path: Path
) -> None:
    train(fresh_model(config), [packed], [1.0], tmp_path / "run", settings(steps=2))
    larger = tiny_config(GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary), hidden_size=64)
    with pytest.raises(ParameterError, match=r"is of a run with hidden_size 32: continue with that, or name another folder"):
        train(fresh_model(larger), [packed], [1.0], tmp_path / "run", settings())
    with pytest.raises(ParameterError, match=r"is of a run with optimizer 'muon'"):
        train(fresh_model(config), [packed], [1.0], tmp_path / "run", settings(optimizer="adamw"))
    frozen = fresh_model(config)
    frozen.gpt_neox_japanese.layers[0].requires_grad_(False)
    with pytest.raises(ParameterError, match=r"trained 21 tensors, now they are 13: continue with the same layers frozen"):
        train(frozen, [packed], [1.0], tmp_path / "run", settings())


def test_a_run_that_is_done_is_not_trained_again(packed: Packed, config: GPTNeoXJapaneseConfig, tmp_path: Path) -> None:
    train(fresh_model(config), [packed], [1.0], tmp_path / "run", settings())
    before = losses(tmp_path / "run")
    train(fresh_model(config, seed=3), [packed], [1.0], tmp_path / "run", settings())
    assert losses(tmp_path / "run") == before


# ---- how a step is computed


@pytest.mark.parametrize("changes", [{"accumulate": 2}, {"accumulate": 3}, {"gradient_checkpointing": True}])
def test_saving_memory_changes_no_loss(packed: Packed, config: GPTNeoXJapaneseConfig, tmp_path: Path, changes: dict) -> None:
    train(fresh_model(config), [packed], [1.0], tmp_path / "whole", settings())
    saved = train(fresh_model(config), [packed], [1.0], tmp_path / "saving", settings(**changes))
    whole, saving = ([float(loss) for loss in losses(tmp_path / name)] for name in ("whole", "saving"))
    assert saving == pytest.approx(whole, rel=1e-3)
    assert "forward" not in vars(saved.gpt_neox_japanese.layers[0])


def test_gradient_checkpointing_repeats_the_dropout(packed: Packed, tiny_vocabulary: Path, tmp_path: Path) -> None:
    dropping = tiny_config(GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary), hidden_dropout=0.2)
    for name, twice in (("whole", False), ("twice", True)):
        train(fresh_model(dropping), [packed], [1.0], tmp_path / name, settings(gradient_checkpointing=twice))
    whole, twice_ = ([float(loss) for loss in losses(tmp_path / name)] for name in ("whole", "twice"))
    assert twice_ == pytest.approx(whole, rel=1e-3)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_both_optimizers_learn(packed: Packed, config: GPTNeoXJapaneseConfig, tmp_path: Path, optimizer: str) -> None:
    train(fresh_model(config), [packed], [1.0], tmp_path / "run", settings(steps=25, optimizer=optimizer, weight_decay=0.01))
    values = [float(loss) for loss in losses(tmp_path / "run")]
    assert values[-1] < 0.85 * values[0]


def test_muon_takes_the_matrices_of_the_layers_and_adamw_everything_else(config: GPTNeoXJapaneseConfig) -> None:
    model = fresh_model(config)
    (muon, muon_lr), (adamw, adamw_lr) = build_optimizers(model, settings())
    assert (muon_lr, adamw_lr) == (0.02, 0.004)
    assert len(muon.param_groups[0]["params"]) == 2 * 4
    assert all(weight.ndim == 2 for weight in muon.param_groups[0]["params"])
    assert sum(len(group["params"]) for group in adamw.param_groups) == len(list(model.parameters())) - 8
    ((only, _),) = build_optimizers(model, settings(optimizer="adamw"))
    assert sum(len(group["params"]) for group in only.param_groups) == len(list(model.parameters()))
    with pytest.raises(ParameterError, match="every weight is frozen"):
        build_optimizers(model.requires_grad_(False), settings())


def test_a_text_shorter_than_a_window_is_refused_before_anything_is_written(
    packed: Packed, config: GPTNeoXJapaneseConfig, tiny_vocabulary: Path, tmp_path: Path
) -> None:
    one = pack([Document("猫")], tiny_vocabulary, tmp_path / "one")
    assert len(one.ids) == 2
    with pytest.raises(ParameterError, match=r"the text has 2 tokens, a window takes 32: give more text or a smaller length"):
        train(fresh_model(config), [packed, one], [0.5, 0.5], tmp_path / "run", settings())
    assert not (tmp_path / "run").exists()
    batch = draw_batch([one], [1.0], rows=1, length=2, seed=0, first=0)
    assert batch.tolist() == [one.ids.tolist()]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minutes": 1.0}, "give one of steps, minutes and tokens"),
        ({"steps": None}, "give one of steps, minutes and tokens"),
        ({"steps": -1}, "steps=-1 must be a number above 0"),
        ({"rows": 0}, "rows=0 must be a number above 0"),
        ({"accumulate": 0}, "accumulate=0 must be a number above 0"),
        ({"length": 1}, "length=1 must be at least 2"),
        ({"seed": -1}, "seed=-1 must be at least 0"),
        ({"mixed_precision": "fp16"}, "'auto', 'no', 'bf16', not 'fp16'"),
        ({"optimizer": "sgd"}, "'muon', 'adamw', not 'sgd'"),
        ({"flat_share": 2.0}, "flat_share=2.0 must be from 0 to 1"),
        ({"log_with": "paper"}, "log_with='paper' is no tracker that accelerate knows: .*'tensorboard'"),
    ],
)
def test_settings_say_what_is_out_of_range(changes: dict, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        settings(**changes)


def test_a_tracker_whose_package_is_absent_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", lambda: [])
    with pytest.raises(ParameterError, match=r"log_with='tensorboard' needs .*: pip install tensorboard"):
        TrainSettings(steps=1, log_with="tensorboard")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of tensorboard's own
def test_tensorboard_is_written_beside_the_log(packed: Packed, config: GPTNeoXJapaneseConfig, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train(fresh_model(config), [packed], [1.0], tmp_path / "run", settings(steps=3, log_with="tensorboard"))
    (events,) = (tmp_path / "run" / "tracked").glob("events*")
    assert events.stat().st_size > 100


def test_the_export_of_a_run_that_trained_a_part_says_how_to_get_the_whole(
    packed: Packed, config: GPTNeoXJapaneseConfig, tiny_vocabulary: Path, tmp_path: Path
) -> None:
    model = fresh_model(config)
    model.gpt_neox_japanese.layers[0].requires_grad_(False)
    train(model, [packed], [1.0], tmp_path / "run", settings(steps=2))
    assert not any(".layers.0." in name for name in runs.trained_state(model))
    with pytest.raises(ParameterError, match=r"holds only the weights that were trained, not 'gpt_neox_japanese\.layers\.0\."):
        export_run(tmp_path / "run", tiny_vocabulary, tmp_path / "model")
