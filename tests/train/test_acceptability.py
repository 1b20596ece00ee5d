"""Judged sentences: scores are transformers', groups are apart, and what the command prints."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from rich.cells import cell_len

from neoxjp.cli.evaluate_tables import table_lines
from neoxjp.cli.main import main
from neoxjp.documents import Document, JudgedSentence
from neoxjp.errors import ParameterError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train import (
    counted_unigrams,
    first_token_unigrams,
    model_scorer,
    ngram_scorer,
    ngram_unigrams,
    score_judgments,
    train_ngram,
)
from tests.support.tiny_model import pair as model_pair

TEXTS = ["東京都の猫", "慶應", "名前は吾輩である。", "猫", "日本の大学です", "私は東京から", "犬、猫。", "した"]
SENTENCES = [JudgedSentence(text, place % 3 > 0, "ab"[place % 2], place + 1) for place, text in enumerate(TEXTS)]
GOOD = np.array([each.acceptable for each in SENTENCES])


@pytest.fixture(scope="module")
def tiny_pair(tiny_vocabulary: Path) -> SimpleNamespace:
    """A tiny model, transformers' with the same weights, and their tokenizer."""
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    ours, theirs = model_pair(vocab_size=len(tokenizer))
    return SimpleNamespace(tokenizer=tokenizer, ours=ours, theirs=theirs)


def brute_auc(scores: np.ndarray, good: np.ndarray) -> float:
    return float((scores[good][:, None] > scores[~good]).mean() + (scores[good][:, None] == scores[~good]).mean() / 2)


def test_scores_are_those_of_transformers(tiny_pair: SimpleNamespace) -> None:
    tokenizer, theirs = tiny_pair.tokenizer, tiny_pair.theirs
    nats, single, tokens = [], [], []
    for text in TEXTS:
        ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer.encode(text)]])
        with torch.no_grad():
            logprobs = theirs(ids).logits[0].double().log_softmax(-1)
        nats.append(float(logprobs[:-1].gather(1, ids[0, 1:, None]).sum()))
        single.append(float(logprobs[0, ids[0, 1:]].sum()))
        tokens.append(ids.shape[1] - 1)
    their = {"in_sum": np.array(nats), "per_token": np.array(nats) / tokens}
    their["slor"] = (np.array(nats) - np.array(single)) / tokens
    kept: list[tuple[float, int]] = []
    score, unigrams = model_scorer(tiny_pair.ours, tokenizer), first_token_unigrams(tiny_pair.ours, tokenizer)

    def recorded(text: str) -> tuple[float, int]:
        kept.append(score(text))
        return kept[-1]

    report = score_judgments(SENTENCES, {"ours": recorded}, {"ours": unigrams})
    assert [each for each, _ in kept] == pytest.approx([-each for each in nats], abs=1e-3)
    assert [each for _, each in kept] == tokens
    assert [unigrams(text) for text in TEXTS] == pytest.approx([-each for each in single], abs=1e-3)
    for measure, found in report.scored["ours"].all.items():
        assert found.auc == pytest.approx(brute_auc(their[measure], GOOD))


def test_groups_are_scored_apart_and_one_class_has_no_auc() -> None:
    rows = [("a", 4.0, 1), ("a", 5.0, 0), ("b", 1.0, 1), ("b", 2.0, 1)]
    sentences = [JudgedSentence(str(nats), bool(good), group, 1) for group, nats, good in rows]
    report = score_judgments(sentences, {"x": lambda text: (float(text), 2)}, {"x": lambda text: 0.0})
    a, b = report.scored["x"].groups["a"], report.scored["x"].groups["b"]
    assert (a.sentences, a.acceptable, a.measures["in_sum"].auc) == (2, 1, 1.0)
    assert (b.sentences, b.acceptable, b.measures["in_sum"].auc, b.measures["slor"].low) == (2, 2, None, None)
    assert (report.sentences, report.acceptable) == (4, 3)
    assert report.scored["x"].all["in_sum"].auc == 1.0
    assert report.scored["x"].all["in_sum"].best_mcc == 1.0
    assert report.scored["x"].all["in_sum"].threshold == -4.5


def test_two_scorers_are_compared_on_the_same_resamples() -> None:
    sentences = [JudgedSentence(str(place), place % 2 == 0, "", place) for place in range(40)]
    good = {"same": lambda text: (float(int(text) * 7 % 11), 1), "right": lambda text: (float(int(text) % 2), 1)}
    scorers = {"first": good["same"], "again": good["same"], "right": good["right"]}
    report = score_judgments(sentences, scorers, dict.fromkeys(scorers, lambda text: 0.0))
    same, right = report.against["again"]["in_sum"], report.against["right"]["in_sum"]
    assert (same.auc, same.low, same.high) == (0.0, 0.0, 0.0)
    assert right.auc == pytest.approx((report.scored["first"].all["in_sum"].auc or 0) - 1)
    assert right.high is not None
    assert right.high < 0


def test_unigrams_are_counts_of_texts(tiny_vocabulary: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    cat, dog = tokenizer.encode("猫"), tokenizer.encode("犬")
    assert len(cat) == len(dog) == 1
    unigrams = counted_unigrams(tokenizer, [Document("猫猫犬"), Document("")])
    total = 3 + len(tokenizer)
    assert unigrams("猫犬") == pytest.approx(-math.log(3 / total) - math.log(2 / total))
    assert unigrams("東") == pytest.approx(-math.log(1 / total))
    single = train_ngram([Document("猫が猫と犬がいる。" * 9)], 1)
    assert ngram_unigrams(single)("猫犬") == ngram_scorer(single)("猫犬")[0] == ngram_scorer(single)("犬猫")[0]


def test_what_has_no_auc_is_refused() -> None:
    one = [JudgedSentence("猫", True, "", 1)]
    with pytest.raises(ParameterError, match=r"acceptable sentences \(label 1\) and others \(0\) are needed"):
        score_judgments(one, {"x": lambda text: (1.0, 1)}, {"x": lambda text: 0.0})
    with pytest.raises(ParameterError, match="x: the probability of a sentence is not a number"):
        score_judgments(SENTENCES, {"x": lambda text: (math.nan, 1)}, {"x": lambda text: 0.0})


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_the_command_prints_tables_and_json(capsys: pytest.CaptureFixture[str], tiny_folder: Path, tmp_path: Path) -> None:
    rows = [{"sentence": each.text, "label": int(each.acceptable), "source": f"出典{each.group}"} for each in SENTENCES]
    (tmp_path / "judged.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "texts.txt").write_text("猫がいる。\n" * 30, encoding="utf-8")
    given = ("evaluate", tiny_folder, "--acceptability", tmp_path / "judged.jsonl")
    code, out, _ = run(capsys, *given, "--ngram", tmp_path / "texts.txt", "--against", tiny_folder)
    assert code == 0
    assert out.startswith("8 judged sentences, 5 acceptable\n")
    assert out.count("出典a") == 3
    assert "AUC, " in out
    assert "less 5-gram" in out
    code, out, _ = run(capsys, *given, "--json")
    found = json.loads(out)["acceptability"]
    scored = found["scored"][str(tiny_folder)]
    assert set(scored["all"]["slor"]) == {"auc", "low", "high", "mcc", "best_mcc", "threshold"}
    assert scored["groups"]["出典a"]["sentences"] == 4
    assert run(capsys, *given, "--json")[1] == out


@pytest.mark.parametrize("option", ["--minimal-pairs", "--acceptability", "--choices"])
def test_a_broken_line_is_found_before_anything_is_scored(
    capsys: pytest.CaptureFixture[str], tiny_folder: Path, tmp_path: Path, option: str
) -> None:
    row = {"good": "猫", "bad": "犬", "sentence": "猫", "label": 1, "question": "猫？", "options": ["猫", "犬"]}
    lines = [json.dumps(row | {"label": place % 2}) for place in range(50)]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, "{oops"]), encoding="utf-8")
    (tmp_path / "texts.txt").write_text("猫がいる。\n", encoding="utf-8")
    code, out, err = run(capsys, "evaluate", tiny_folder, tmp_path / "texts.txt", option, tmp_path / "rows.jsonl")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "rows.jsonl': line 51: " in err


def test_columns_are_as_wide_as_a_terminal_shows_them() -> None:
    rows = [["現象", "a", "x"], ["ascii", "慶應ｱ", "y"], ["👋🏻が", "", "z"]]
    lines = list(table_lines(rows))
    assert len({cell_len(line) for line in lines}) == 1
    assert lines[0] == "現象   a      x"
