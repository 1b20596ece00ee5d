"""The Model tab without a browser: what is shown of a model, and what loading another one does to the old one."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from neoxjp import GPTNeoXJapaneseForCausalLM, quantization
from neoxjp.errors import CheckpointError, NeoxjpError
from neoxjp.model import ModelTooLarge, check_memory, gib, load_model, loading, memory
from neoxjp.model.memory import needed_bytes
from neoxjp.page_parts.session import playground as session
from neoxjp.page_parts.session.playground import Choice, Playground, Progress
from neoxjp.page_parts.strings import words
from neoxjp.sampling import SamplingParams
from neoxjp.ui import model
from tests.support.tiny_model import ours

EN = words("en")


@pytest.fixture
def playground(tiny_folder: Path) -> Any:
    playground = Playground()
    playground.load(Choice(str(tiny_folder)))
    yield playground
    if playground.loaded is not None and playground.loaded.engine is not None:
        playground.loaded.engine.close()


@pytest.fixture
def other(tiny_folder: Path, tmp_path: Path) -> Path:
    """A second model folder."""
    return shutil.copytree(tiny_folder, tmp_path / "other")


def lines(playground: Playground, choice: Choice, unload_first: bool = False, lang: Any = "en") -> list[tuple[str, bool]]:
    return list(model.load(playground, choice, unload_first, words(lang)))


def writes(playground: Playground) -> bool:
    engine = playground.ready.engine
    assert engine is not None
    return len(list(engine.submit([1], SamplingParams(max_new_tokens=2, eos_token_id=())))) == 2


# ---------------------------------------------------------------- what is loaded


def test_the_record_tells_what_is_loaded(playground, tiny_folder):
    found = model.info(playground)
    loaded = playground.loaded.model
    assert found["state"] == "ready"
    about = found["model"]
    assert about["source"] == str(tiny_folder)
    assert about["parameters"] == sum(parameter.numel() for parameter in loaded.parameters())
    assert (about["dtype"], about["quantization"], about["linears"]) == ("float32", None, "float32 (torch)")
    assert about["device_map"] == {"": "cpu"}
    assert about["weight_bytes"] == 4 * about["parameters"]
    assert about["attention"]["kernel"] == loaded.attention_backend().name
    assert about["config"]["hidden_size"] == 32
    assert found["engine"] == {"running": 0, "waiting": 0, "max_batch": 8, "max_waiting": 16}
    json.dumps(found)


def test_the_record_is_there_before_the_model():
    found = model.info(Playground(progress=Progress("weights", "mine", done=1, total=2)))
    assert found["model"] is None
    assert found["loading"] == {"name": "mine", "done_bytes": 1, "total_bytes": 2}
    json.dumps(found)


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_the_facts_show_every_field_and_escape_it(playground, lang, monkeypatch):
    about = model.info(playground)
    about["model"]["attention"] = {"kernel": "math", "flash_refused": "<b>too old</b>"}
    monkeypatch.setattr(model, "info", lambda playground: about)
    shown = model.facts(playground, words(lang))
    assert "&lt;b&gt;too old" in shown
    assert "<b>too old" not in shown
    assert f"{about['model']['parameters']:,}" in shown
    for name in about["model"]["config"]:
        assert f">{name}<" in shown


def test_the_facts_wait_for_the_model():
    assert "model is loading" in model.facts(Playground(progress=Progress("weights", "mine")), EN)
    assert "no model" in model.facts(Playground(), EN)


def test_only_the_bundled_card_is_shown_without_its_front_matter(playground, monkeypatch, tmp_path):
    assert model.card(None, "en") == ""
    assert model.card(playground.loaded, "en") == ""
    (playground.loaded.folder / "README.md").write_text("---\nlicense: mit\n---\n# Card\n", encoding="utf-8")
    (playground.loaded.folder / "README.ja.md").write_text("---\nlicense: mit\n---\n# カード\n", encoding="utf-8")
    assert model.card(playground.loaded, "en") == ""
    for module in (model, session):
        monkeypatch.setattr(module, "bundled_path", lambda: playground.loaded.folder)
    assert model.card(playground.loaded, "en") == "# Card"
    assert model.card(playground.loaded, "ja") == "# カード"
    assert model.info(playground)["model"]["source"] == "bundled"
    for name in ("README.md", "README.ja.md"):
        (playground.loaded.folder / name).unlink()


def test_the_curve_of_the_training_is_drawn_where_the_folder_has_one(playground):
    path = playground.loaded.folder / "training.csv"
    assert "curve" not in model.facts(playground, EN)
    path.write_text("tokens,seconds,bits_per_character\n1000000,60,6.5\n2000000,120,4.5\n3000000,180,4.0\n", encoding="utf-8")
    shown = model.facts(playground, EN)
    assert "From 6.50 to 4.00 bits per character on the training data, in 3.0 million tokens and 3 minutes" in shown
    assert shown.count("<polyline") == 1
    for broken in ("", "tokens\n1\n", "tokens,seconds,bits_per_character\n<b>,1,2\n3,4,5\n", "\0"):
        path.write_text(broken, encoding="utf-8")
        assert "<polyline" not in model.facts(playground, EN)
    path.unlink()


# ---------------------------------------------------------------- loading another


def test_the_bundled_model_is_offered_while_another_or_none_is_loaded(playground, monkeypatch):
    assert model.offers_bundled(playground)
    assert model.offers_bundled(Playground())
    assert not model.offers_bundled(Playground(progress=Progress("weights", "mine")))
    assert not model.offers_bundled(Playground(public=True, loaded=playground.loaded))
    monkeypatch.setattr(model, "bundled_path", lambda: playground.loaded.folder)
    assert not model.offers_bundled(playground)


def test_another_folder_takes_the_old_ones_place(playground, other):
    before = playground.loaded
    shown = lines(playground, Choice(str(other), dtype="bfloat16"))
    assert "other is loaded" in shown[-1][0]
    assert not any(asks for _, asks in shown)
    assert playground.loaded.serial > before.serial
    assert playground.loaded.model.dtype == torch.bfloat16
    assert writes(playground)


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_a_failing_load_keeps_the_old_model_and_says_so(playground, tmp_path, lang):
    before = playground.loaded
    line, asks = lines(playground, Choice(str(tmp_path / "nowhere")), lang=lang)[-1]
    assert not asks
    assert 'role="alert"' in line
    assert words(lang)("model_kept", name=before.name) in line
    assert playground.loaded is before
    assert writes(playground)


def test_a_damaged_folder_keeps_the_old_model(playground, other):
    before = playground.loaded
    (other / "model.safetensors").write_bytes(b"not weights")
    line, _ = lines(playground, Choice(str(other)))[-1]
    assert "still available" in line
    assert playground.loaded is before
    assert writes(playground)


def test_int8_is_chosen_where_the_dtype_is_and_said(playground, other):
    shown = lines(playground, Choice(str(other), quantization="int8"))
    assert "is loaded" in shown[-1][0]
    about = model.info(playground)["model"]
    assert about["quantization"] == "int8"
    assert about["linears"].startswith("int8 weights")
    assert about["linears"].split(";")[0] in model.facts(playground, EN)
    assert "int8" in model.DTYPES
    assert writes(playground)


def test_an_unknown_dtype_or_device_is_an_expected_error(playground, other):
    for choice in (Choice(str(other), dtype="float7"), Choice(str(other), device="nowhere")):
        with pytest.raises(NeoxjpError):
            playground.load(choice)
    assert writes(playground)


def test_an_unexpected_fault_keeps_the_old_model_too(playground, other, monkeypatch, caplog):
    def broken(*_: Any) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(session, "check_memory", broken)
    before = playground.loaded
    line, _ = lines(playground, Choice(str(other)))[-1]
    assert "still available" in line
    assert "boom" in caplog.text
    assert playground.loaded is before
    assert writes(playground)


def test_without_a_name_it_asks_for_one(playground):
    assert lines(playground, Choice("")) == [(f'<p class="notice error" role="alert">{EN("model_no_name")}</p>', False)]


def test_a_second_load_waits_for_the_first():
    busy = Playground(progress=Progress("weights", "mine"))
    assert "Another model is being loaded" in lines(busy, Choice("x"))[0][0]


def test_in_public_nothing_is_loaded_and_no_path_is_told(playground, other, monkeypatch):
    monkeypatch.setattr(playground, "public", True)
    before = playground.loaded
    assert "public" in lines(playground, Choice(str(other)))[0][0]
    assert playground.loaded is before
    assert str(before.folder.parent) not in json.dumps(model.info(playground))
    assert str(before.folder.parent) not in model.facts(playground, EN)


def test_progress_tells_what_is_read_and_how_much():
    line = model.loading_line(Progress("weights", "a/mine", done=2**29, total=2**30), EN)
    assert "mine: loading the weights 0.5 / 1.0 GiB" in line
    assert "<progress" in line
    assert "<progress" not in model.loading_line(Progress("vocabulary", "mine"), EN)


# ---------------------------------------------------------------- memory


def test_needed_bytes_are_weights_in_the_asked_dtype_and_one_context(playground, tiny_folder):
    parameters = sum(parameter.numel() for parameter in playground.loaded.model.parameters())
    context = 2 * 4 * 2 * 32 * 64  # keys and values, float32, layers, hidden size, context
    assert needed_bytes(tiny_folder, torch.float32) == 4 * parameters + context
    assert needed_bytes(tiny_folder, torch.bfloat16) == 2 * parameters + context
    assert needed_bytes(tiny_folder, None) == 4 * parameters + context


def test_a_page_loads_and_shows_the_cache_that_was_asked_for(playground, tiny_folder):
    before = model.info(playground)["model"]
    assert (before["cache_dtype"], before["cache_bytes_per_token"]) == ("float32", 512)
    lines(playground, Choice(str(tiny_folder), cache_dtype="int8"))
    now = model.info(playground)["model"]
    assert (now["cache_dtype"], now["cache_bytes_per_token"]) == ("int8", 2 * 2 * (32 + 4 * 4))
    assert "KV cache dtype</th><td>int8" in model.facts(playground, EN)


def test_needed_bytes_of_int8_are_what_it_takes(playground, tiny_folder):
    choice = Choice(str(tiny_folder), quantization="int8")
    context = 2 * 4 * 2 * 32 * 64
    taken = memory.weight_bytes(playground._read_model(choice)[0])
    assert needed_bytes(tiny_folder, None, "int8") == taken + context


def test_on_a_cpu_auto_is_the_fastest_that_loses_nothing(tiny_folder, other, monkeypatch):
    half = GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder, dtype="float32").to(torch.bfloat16)
    half.save_pretrained(other)
    monkeypatch.setattr(quantization, "fp16_kernel", lambda: quantization.Kernel("fbgemm"))
    assert memory.cpu_dtype(tiny_folder) == torch.float32  # as stored
    assert memory.cpu_dtype(other) == torch.float16
    monkeypatch.setattr(quantization, "fp16_kernel", lambda: "no fbgemm")
    assert memory.cpu_dtype(other) == torch.float32
    monkeypatch.setattr(memory, "free_memory", lambda device="cpu": 1000)
    assert memory.cpu_dtype(other) is None


def no_room_beside(monkeypatch: pytest.MonkeyPatch, playground: Playground, other: Path) -> None:
    """So little memory that the second model fits only once the first is gone."""
    needed = needed_bytes(other, torch.float32)
    monkeypatch.setattr(loading, "cpu_dtype", lambda folder: torch.float32)
    monkeypatch.setattr(memory, "free_memory", lambda device="cpu": needed)


def test_where_both_do_not_fit_it_asks_and_changes_nothing(playground, other, monkeypatch):
    no_room_beside(monkeypatch, playground, other)
    before = playground.loaded
    line, asks = lines(playground, Choice(str(other)))[-1]
    assert asks
    assert "fits after unloading the present model" in line
    assert playground.loaded is before
    assert writes(playground)


def test_told_to_it_unloads_first_and_then_loads(playground, other, monkeypatch):
    no_room_beside(monkeypatch, playground, other)
    seen = []
    read = playground._read_model
    monkeypatch.setattr(playground, "_read_model", lambda *given: (seen.append(playground.loaded.model), read(*given))[1])
    line, asks = lines(playground, Choice(str(other)), unload_first=True)[-1]
    assert "is loaded" in line
    assert not asks
    assert seen == [None]
    assert writes(playground)


def test_after_unloading_a_failed_load_brings_the_old_model_back(playground, other, monkeypatch):
    before = playground.loaded.choice
    (other / "model.safetensors").write_bytes(b"not weights")
    line, _ = lines(playground, Choice(str(other)), unload_first=True)[-1]
    assert "still available" in line
    assert playground.loaded.choice == before
    assert playground.progress.state == "failed"
    assert writes(playground)


def test_where_the_old_model_cannot_come_back_either_another_load_is_possible(playground, other, tiny_folder, monkeypatch):
    (other / "model.safetensors").write_bytes(b"not weights")
    read = playground._read

    def fail_again(choice):
        if choice.name != str(other):
            raise CheckpointError("the old one is gone")
        return read(choice)

    monkeypatch.setattr(playground, "_read", fail_again)
    line, _ = lines(playground, Choice(str(other)), unload_first=True)[-1]
    assert "is loaded" not in line
    assert playground.progress.state == "failed"
    monkeypatch.undo()
    assert "is loaded" in lines(playground, Choice(str(tiny_folder)))[-1][0]
    assert writes(playground)


def test_what_never_fits_is_refused_with_the_sizes(playground, other, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device="cpu": 1000)
    with pytest.raises(ModelTooLarge, match="smaller dtype") as found:
        check_memory("mine", other, None, "cpu", None)
    assert not found.value.can_unload
    assert "データ型" in found.value.ja


def test_mapped_weights_are_not_given_back_by_unloading(playground, other, monkeypatch):
    held = memory.weight_bytes(playground.loaded.model)  # float32 as stored: mapped from the file
    needed = needed_bytes(other, None)
    monkeypatch.setattr(memory, "free_memory", lambda device="cpu": needed - 1)
    with pytest.raises(ModelTooLarge) as found:
        check_memory("mine", other, None, "cpu", playground.loaded.model)
    assert found.value.free == needed - 1 - held
    assert not found.value.can_unload


def test_sizes_are_short():
    assert (gib(5_360_000_000), gib(13_000_000), gib(0)) == ("5.0", "0.012", "0")
    assert (model.amount(27_400_000), model.amount(3 * 2**30)) == ("26.1 MiB", "3.0 GiB")


def test_of_a_packed_model_the_tied_output_counts_as_a_second_copy(tmp_path):
    ours(vocab_size=1000).half().save_pretrained(tmp_path)
    loaded, _ = load_model(str(tmp_path), dtype="float16")
    context = 2 * 4 * 2 * 32 * 64
    assert abs(needed_bytes(tmp_path, torch.float16) - context - memory.weight_bytes(loaded)) < 4000  # norms are float32
    assert needed_bytes(tmp_path, torch.float16, on_gpu=True) == 2 * loaded.num_parameters + context


def test_with_auto_all_gpus_and_the_machine_count_and_a_gpu_that_is_too_small_names_the_cpu(other, monkeypatch):
    machine = memory.free_memory("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device=None: (1000, 2000))
    assert memory.free_memory("auto") > machine / 2
    check_memory("mine", other, None, "auto", None)
    with pytest.raises(ModelTooLarge, match=r"or the CPU \(device cpu\)") as found:
        check_memory("mine", other, None, "cuda", None)
    assert "CPU（デバイス cpu）" in found.value.ja


def test_free_memory_is_some():
    assert memory.free_memory() > 2**20
    assert issubclass(CheckpointError, NeoxjpError)
