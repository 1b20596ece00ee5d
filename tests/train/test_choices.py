"""Questions with options: scores are transformers' with lm-eval's rule, and what the command prints."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from neoxjp.cli.main import main
from neoxjp.documents import Document, Question
from neoxjp.errors import ParameterError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train import model_options_scorer, ngram_options_scorer, score_questions, train_ngram
from neoxjp.train.scorers import OptionScore
from tests.support.tiny_model import pair as model_pair

QUESTIONS = [
    Question("吾輩は猫である。名前は？", ("東京", "日本の大学", "猫"), 1, 1),
    Question("私は東京から？ ", ("日本", "慶應大学です。"), 0, 2),
    Question("猫。" * 20, ("犬です", "猫"), 0, 3),  # longer than the context
]


def lm_eval(
    model: object, tokenizer: GPTNeoXJapaneseTokenizer, context: str, continuation: str, longest: int
) -> tuple[float, int]:
    """A log likelihood as lm-eval has it (api/model.py, `_encode_pair`; models/huggingface.py, `_loglikelihood_tokens`)."""
    spaces = len(context) - len(context.rstrip())
    if spaces:
        context, continuation = context[:-spaces], context[-spaces:] + continuation
    before = tokenizer.encode(context)
    new = tokenizer.encode(context + continuation)[len(before) :]
    given = torch.tensor([[*before, *new][-(longest + 1) :][:-1]])
    with torch.no_grad():
        logprobs = model(given).logits[0, -len(new) :].double().log_softmax(-1)  # type: ignore[operator]
    return float(logprobs.gather(1, torch.tensor(new)[:, None]).sum()), len(new)


def test_scores_and_accuracies_are_those_of_lm_eval_with_transformers(tiny_vocabulary: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    ours, theirs = model_pair(vocab_size=len(tokenizer), max_position_embeddings=32)
    score = model_options_scorer(ours, tokenizer)
    right = np.zeros(3)
    for question in QUESTIONS:
        expected = [lm_eval(theirs, tokenizer, question.text, option, 32) for option in question.options]
        found = score(question.text, question.options)
        assert [-each.nats for each in found] == pytest.approx([nats for nats, _ in expected], abs=1e-3)
        assert [each.tokens for each in found] == [tokens for _, tokens in expected]
        assert not any(each.crosses for each in found)
        nats = np.array([each for each, _ in expected])
        sizes = [[1] * len(nats), [len(each) for each in question.options], [len(each.encode()) for each in question.options]]
        right += [np.argmax(nats / np.array(size)) == question.answer for size in sizes]
    measures = score_questions(QUESTIONS, {"ours": score}).scored["ours"].measures
    assert [measures[each].correct for each in ("in_sum", "per_character", "per_byte")] == right.tolist()  # type: ignore[index]


def test_an_option_whose_first_token_crosses_the_border_is_encoded_by_itself(tiny_vocabulary: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    ours, theirs = model_pair(vocab_size=len(tokenizer))
    assert len(tokenizer.encode("私は東京")) == len(tokenizer.encode("私は東京都"))  # 東京都 is one token
    (found, safe) = model_options_scorer(ours, tokenizer)("私は東京", ["都", "猫"])
    before, new = tokenizer.encode("私は東京"), tokenizer.encode("都")
    with torch.no_grad():
        logprobs = theirs(torch.tensor([before])).logits[0, -1].log_softmax(-1)
    assert found == OptionScore(pytest.approx(-float(logprobs[new[0]]), abs=1e-4), 1, True)
    assert not safe.crosses
    report = score_questions([Question("私は東京", ("都", "猫"), 0, 1)], {"ours": model_options_scorer(ours, tokenizer)})
    assert report.scored["ours"].crossing == 1


def test_each_measure_divides_by_its_length_and_a_tie_is_not_right() -> None:
    # nats and tokens of each option
    table = {"ab": (4.0, 4), "猫": (3.0, 1), "犬": (3.0, 1), "c": (3.0, 3)}

    def score(question: str, options: tuple[str, ...]) -> list[OptionScore]:
        return [OptionScore(*table[option]) for option in options]

    report = score_questions([Question("q", ("ab", "猫", "c"), 0, 1), Question("q", ("猫", "犬"), 0, 2)], {"a": score})  # type: ignore[dict-item]
    scored = report.scored["a"]
    # of the first question: 猫 and c tie in sum; ab has 1 nat a token, as c; 2 a character, others 3; 2 a byte, 猫 1
    assert {measure: each.correct for measure, each in scored.measures.items()} == {
        "in_sum": 0,
        "per_token": 0,
        "per_character": 1,
        "per_byte": 0,
    }
    assert (scored.ties, report.questions, report.options) == (2, 2, 5)
    assert report.chance == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert report.as_dict()["scored"]["a"]["per_character"]["accuracy"] == 0.5


def test_two_scorers_are_compared_on_the_same_questions() -> None:
    def always(place: int):  # type: ignore[no-untyped-def]
        return lambda question, options: [OptionScore(float(number != place), 1) for number in range(len(options))]

    report = score_questions(QUESTIONS, {"first": always(0), "second": always(1)})
    test = report.against["second"]["in_sum"]
    assert (test.only_first, test.only_second, test.p) == (2, 1, 1.0)


def test_the_score_of_an_ngram_is_that_of_the_characters_after_the_question() -> None:
    counts = train_ngram([Document("猫がいる。犬がいる。" * 20)], 3)
    ((found),) = ngram_options_scorer(counts)("猫が ", ["いる"])
    assert found.tokens == 3  # with the space
    assert found.nats == pytest.approx(float(counts.bits("猫が いる")[2:].sum()) * 0.693147, abs=1e-4)


def test_an_option_longer_than_the_context_is_refused_with_the_line(tiny_vocabulary: Path) -> None:
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    ours, _ = model_pair(vocab_size=len(tokenizer), max_position_embeddings=32)
    with pytest.raises(ParameterError, match="line 7: an option has 40 tokens, but the model's context is 32"):
        score_questions([Question("猫。", ("犬。" * 20, "猫"), 0, 7)], {"ours": model_options_scorer(ours, tokenizer)})


def test_the_command_prints_a_table_and_json(capsys: pytest.CaptureFixture[str], tiny_folder: Path, tmp_path: Path) -> None:
    rows = [{"question": each.text, "options": each.options, "label": each.answer} for each in QUESTIONS]
    rows.append({"question": "私は東京", "options": ["都", "猫"], "label": 0})
    (tmp_path / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "texts.txt").write_text("猫がいる。\n" * 30, encoding="utf-8")
    given = ["evaluate", str(tiny_folder), "--choices", str(tmp_path / "questions.jsonl"), "--ngram", str(tmp_path / "texts.txt")]
    assert main([*given, "--against", str(tiny_folder)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("4 questions, 9 options; by chance 45.8% are right\n")
    assert "only 5-gram" in out
    assert f"{tiny_folder}: 1 option encoded apart" in out
    assert main([*given, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["choices"]
    assert found["scored"]["5-gram"]["per_byte"]["questions"] == 4
    assert found["against"]["5-gram"]["in_sum"].keys() == {"only_first", "only_second", "p"}
