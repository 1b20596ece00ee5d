"""Leaving tokens out: equal to scoring the shortened texts one by one."""

import json
from dataclasses import asdict

import pytest
import torch

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer, score
from neoxjp.cli.main import main
from neoxjp.engine import LN2
from neoxjp.errors import NeoxjpError, PromptTooLong
from neoxjp.labs.inside import salience as module
from neoxjp.labs.inside.salience import MOST, salience
from tests.support.tiny_model import ours

IDS = torch.randint(0, 59, (20,), generator=torch.Generator().manual_seed(3)).tolist()


def surprisal(model, ids, targets=1, bos=False):
    """Of the last ids of a text, in bits."""
    return -sum(step.logprob for step in score(model, ids, bos=bos)[-targets:]) / LN2


@pytest.fixture(scope="module", params=[{}, {"dtype": "float16"}, {"quantization": "int8"}], ids=str)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    ours(hidden_size=64).save_pretrained(folder)
    return GPTNeoXJapaneseForCausalLM.from_pretrained(folder, **request.param)


@pytest.mark.parametrize("at", [19, 7, 2, -1])
def test_each_effect_is_the_surprisal_of_the_shortened_text_minus_that_of_the_text(model, at):
    found = salience(model, None, IDS, at)
    end = at % 20 + 1
    whole = surprisal(model, IDS[:end])
    assert found.surprisal == pytest.approx(whole, abs=1e-4)
    assert [(left.start, left.end) for left in found.left_out] == [(place, place + 1) for place in range(end - 1)]
    for left in found.left_out:
        short = surprisal(model, IDS[: left.start] + IDS[left.end : end])
        assert left.surprisal == pytest.approx(short, abs=1e-4)
        assert left.bits == pytest.approx(short - whole, abs=1e-4)


def test_many_batches_have_the_numbers_of_one(monkeypatch):
    model = ours()
    found = salience(model, None, IDS)
    monkeypatch.setattr(module, "CACHE_TOKENS", 1)  # each run alone
    for one, other in zip(found.left_out, salience(model, None, IDS).left_out, strict=True):
        assert one.surprisal == pytest.approx(other.surprisal, abs=1e-5)


def test_without_the_only_token_before_it_the_prediction_is_that_of_the_beginning_of_a_text():
    model = ours()
    (left,) = salience(model, None, IDS, 1).left_out
    assert left.surprisal == pytest.approx(surprisal(model, IDS[1:2], bos=True), abs=1e-5)


def test_only_the_last_tokens_before_the_predicted_one_are_left_out():
    model = ours(max_position_embeddings=128)
    ids = (IDS * 5)[:90]
    found = salience(model, None, ids, 80)
    assert (len(found.left_out), found.left_out[0].start, found.left_out[-1].start) == (MOST, 80 - MOST, 79)
    assert found.context_tokens == 80 - MOST
    assert found.ids == tuple(ids[:81])
    last = found.left_out[3]
    assert last.surprisal == pytest.approx(surprisal(model, ids[:19] + ids[20:81]), abs=1e-5)
    assert len(salience(model, None, ids, 80, most=2).left_out) == 2


def test_the_bytes_of_a_character_are_left_out_and_predicted_together(tiny_folder):
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_folder)
    ids = tokenizer.encode("猫é犬𩸽")
    assert len(ids) == 1 + 2 + 1 + 4
    found = salience(model, tokenizer, ids, 5)  # the second byte of the last character
    assert (found.start, found.end, found.text) == (4, 8, "𩸽")
    assert [(left.start, left.end, left.text) for left in found.left_out] == [(0, 1, "猫"), (1, 3, "é"), (3, 4, "犬")]
    whole = surprisal(model, ids, 4)
    assert found.surprisal == pytest.approx(whole, abs=1e-4)
    without = [surprisal(model, ids[:a] + ids[b:], 4) for a, b in ((0, 1), (1, 3), (3, 4))]
    assert [left.bits for left in found.left_out] == pytest.approx([bits - whole for bits in without], abs=1e-4)
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["text"] == "𩸽"


def test_the_first_token_rests_on_nothing():
    with pytest.raises(NeoxjpError, match="nothing precedes the first token") as caught:
        salience(ours(), None, IDS, 0)
    assert "最初のトークン" in caught.value.ja


def test_what_is_not_there_is_refused():
    with pytest.raises(NeoxjpError, match="at=20 must be 0 to 19"):
        salience(ours(), None, IDS, 20)
    with pytest.raises(PromptTooLong, match="up to 64"):
        salience(ours(), None, [1] * 65)


# ---------------------------------------------------------------- the command


def test_the_command_prints_a_line_for_each_token_left_out(capsys, tiny_folder):
    arguments = ["salience", "東京都の大学", "--model", str(tiny_folder)]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("token 2, '大学': ")
    assert [line.split()[-1] for line in lines[2:]] == ["'東京都'", "'の'"]
    assert all(line.lstrip()[0] in "+-" for line in lines[2:])
    assert main([*arguments, "--at", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["start"] == 1
    assert main([*arguments, "--at", "0"]) == 2
    assert "nothing precedes" in capsys.readouterr().err
