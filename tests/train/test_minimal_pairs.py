"""Minimal pairs: scores are transformers', counts and intervals are worked out by hand, and what the command prints."""

import json
from pathlib import Path

import pytest
import torch

from neoxjp.cli.main import main
from neoxjp.documents import Document, MinimalPair
from neoxjp.errors import ParameterError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train import model_options_scorer, model_scorer, ngram_scorer, score_pairs, train_ngram
from neoxjp.train.minimal_pairs import WORST
from tests.support.tiny_model import pair as model_pair

# nats and tokens of each text
TABLE = {"短": (4.0, 2), "長い": (6.0, 6), "並": (5.0, 2), "同": (4.0, 2), "悪い": (9.0, 3)}


def scored(*pairs: tuple[str, str, str]) -> dict:
    listed = [MinimalPair(good, bad, phenomenon, line) for line, (good, bad, phenomenon) in enumerate(pairs, 1)]
    return score_pairs(listed, {"a": TABLE.__getitem__}).as_dict()["scored"]["a"]


def test_pairs_are_counted_in_sum_per_token_by_length_and_by_phenomenon() -> None:
    found = scored(("長い", "短", "x"), ("短", "並", "x"), ("短", "悪い", "y"), ("短", "同", "y"))
    x, y = found["phenomena"]["x"], found["phenomena"]["y"]
    # 6 nats for 長い are more than 4 for 短, but 1 a token is less than 2
    assert (x["in_sum"]["correct"], x["per_token"]["correct"], x["in_sum"]["pairs"]) == (1, 2, 2)
    assert (x["equal_length"]["pairs"], x["unequal_length"]["pairs"], x["ties"]) == (1, 1, 0)
    assert (y["in_sum"]["correct"], y["ties"]) == (1, 1)  # equally likely is not right
    assert (found["all"]["in_sum"]["correct"], found["all"]["in_sum"]["pairs"]) == (2, 4)
    assert found["all"]["in_sum"]["accuracy"] == 0.5
    assert found["worst"] == [{"nats": 2.0, "good": "長い", "bad": "短", "phenomenon": "x", "line": 1}]


def test_the_worst_pairs_are_kept_and_no_more() -> None:
    pairs = [MinimalPair(str(10 * number), str(number), "", number) for number in range(1, 50)]
    found = score_pairs(pairs, {"a": lambda text: (float(text), 1)}).scored["a"]
    assert [each.pair.line for each in found.worst] == list(range(49, 49 - WORST, -1))


def test_two_scorers_are_compared_on_the_same_pairs() -> None:
    pairs = [MinimalPair("短", "並", "", 1), MinimalPair("並", "短", "", 2), MinimalPair("長い", "短", "", 3)]
    report = score_pairs(pairs, {"a": TABLE.__getitem__, "b": lambda text: (float(len(text) == 1), 1)})
    assert (report.against["b"].only_first, report.against["b"].only_second) == (1, 1)


def test_the_score_of_a_model_is_that_of_transformers(tiny_vocabulary: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    ours, theirs = model_pair(vocab_size=len(tokenizer))
    score = model_scorer(ours, tokenizer)
    for text in ("東京都の猫", "慶應"):
        ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer.encode(text)]])
        with torch.no_grad():
            logprobs = theirs(ids).logits[0, :-1].log_softmax(-1)
        nats = -float(logprobs.gather(1, ids[0, 1:, None]).sum())
        assert score(text) == (pytest.approx(nats, abs=1e-3), ids.shape[1] - 1)


def test_damaged_weights_are_an_error_and_no_wrong_pair(tiny_vocabulary: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    ours, _ = model_pair(vocab_size=len(tokenizer))
    with torch.no_grad():
        next(ours.parameters()).fill_(float("nan"))
    with pytest.raises(ParameterError, match="not a number: the weights are damaged"):
        model_scorer(ours, tokenizer)("東京都の猫")
    with pytest.raises(ParameterError, match="not a number: the weights are damaged"):
        model_options_scorer(ours, tokenizer)("東京都", ["の猫"])


def test_the_score_of_an_ngram_is_in_nats() -> None:
    counts = train_ngram([Document("猫がいる。犬がいる。" * 20)], 3)
    nats, characters = ngram_scorer(counts)("猫がいる")
    assert nats == pytest.approx(float(counts.bits("猫がいる").sum()) * 0.693147, abs=1e-4)
    assert characters == 4


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_the_command_prints_a_table_and_json(capsys: pytest.CaptureFixture[str], tiny_folder: Path, tmp_path: Path) -> None:
    rows = [{"good": "東京都の猫", "bad": "東京都を猫", "phenomenon": "助詞"}, {"good": "猫", "bad": "猫猫", "phenomenon": "数"}]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "texts.txt").write_text("猫がいる。\n" * 30, encoding="utf-8")
    given_ = ("evaluate", tiny_folder, "--minimal-pairs", tmp_path / "pairs.jsonl", "--against", tiny_folder)
    code, out, _ = run(capsys, *given_, "--ngram", tmp_path / "texts.txt")
    assert code == 0
    assert out.count("助詞") == 3
    assert "p = 1" in out
    assert "5-gram" in out
    code, out, _ = run(capsys, *given_, "--json")
    found = json.loads(out)["minimal_pairs"]
    assert found["scored"][str(tiny_folder)]["all"]["in_sum"]["pairs"] == 2
    assert found["against"][f"{tiny_folder} (second)"] == {"only_first": 0, "only_second": 0, "p": 1.0}
    code, out, _ = run(capsys, "evaluate", tiny_folder, tmp_path / "texts.txt", "--minimal-pairs", tmp_path / "pairs.jsonl")
    assert code == 0
    assert "bits/character" in out
    assert "minimal pairs" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "nothing to evaluate on"),
        (("--against", "bundled"), "nothing to evaluate on"),
        (("--minimal-pairs", "nothing.jsonl"), "no file 'nothing.jsonl'"),
        (("--minimal-pairs", __file__, "--limit", "9"), "--apart and --limit are about texts"),
        (("--minimal-pairs", __file__, "--order", "3"), "--order is about the n-gram"),
    ],
)
def test_the_command_refuses_in_one_line(
    capsys: pytest.CaptureFixture[str], tiny_folder: Path, options: tuple[str, ...], message: str
) -> None:
    code, out, err = run(capsys, "evaluate", tiny_folder, *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
