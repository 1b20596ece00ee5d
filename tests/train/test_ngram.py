"""The character n-gram: equal to a slow one written from the formula, a distribution over all of Unicode, bounded inputs."""

import json
import lzma
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.cli.main import main
from neoxjp.documents import Document
from neoxjp.errors import ParameterError
from neoxjp.train.ngram import UNICODE, Ngram, train_ngram, xz_bits
from tests.support.texts import texts as japanese

START = "<start>"


def slow(texts: list[str], order: int) -> Callable[[list[str], str], float]:
    """Probability of a character after a history, from the formula of Chen and Goodman (1998), with dictionaries."""
    raw: dict[int, Counter[tuple[str, ...]]] = {n: Counter() for n in range(1, order + 1)}
    for text in texts:
        letters = [START, *text]
        for n in raw:
            raw[n].update(tuple(letters[at : at + n]) for at in range(len(letters) - n + 1))
    counts = {order: raw[order]}
    for n in range(1, order):
        before = Counter(gram[1:] for gram in raw[n + 1])
        counts[n] = Counter({gram: raw[n][gram] if gram[0] == START else before[gram] for gram in raw[n]})
    counts[1].pop((START,), None)
    following: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for n in counts:
        for gram, count in counts[n].items():
            following[gram[:-1]].append(count)
    size = len(counts[1])

    def discount(n: int, count: int) -> float:
        one, two, three, four = (sum(c == k for c in counts[n].values()) for k in (1, 2, 3, 4))
        if not (one and two and three):
            return [0.0, 0.5, 1.0, 1.5][min(count, 3)]
        y = one / (one + 2 * two)
        found = [0.0, 1 - 2 * y * two / one, 2 - 3 * y * three / two, 3 - 4 * y * four / three][min(count, 3)]
        return 0.0 if count == 0 else min(max(found, 0.1), min(count, 3))

    def probability(history: list[str], letter: str) -> float:
        n = len(history) + 1
        shorter = probability(history[1:], letter) if history else 1 / (size + 1)
        if not history and (letter,) not in counts[1]:
            shorter /= UNICODE - size
        total = sum(following[tuple(history)])
        if not total:
            return shorter
        kept = sum(discount(n, count) for count in following[tuple(history)])
        count = counts[n][(*history, letter)]
        return (count - discount(n, count)) / total + kept / total * shorter

    return lambda history, letter: probability(history[len(history) - order + 1 :] if len(history) >= order else history, letter)


def probabilities(model: Ngram, text: str) -> list[float]:
    return (2.0 ** -model.bits(text)).tolist()


TEXTS = ["吾輩は猫である。名前はまだない。", "吾輩は犬である。", "名前はある。猫は猫である。", "ああああああい"]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("text", [*TEXTS, "猫は名前である。ん？", "い"])
def test_it_is_the_formula(order: int, text: str) -> None:
    texts = TEXTS * 2 + ["猫。", "はは"]
    model, expected = train_ngram(map(Document, texts), order), slow(texts, order)
    history = [START]
    for found, letter in zip(probabilities(model, text), text, strict=True):
        if order == 1:
            history = []
        assert found == pytest.approx(expected(history, letter), rel=1e-5)
        history.append(letter)


@given(texts=st.lists(japanese(), min_size=1, max_size=4).filter(any), context=japanese(), order=st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_the_probabilities_of_all_characters_sum_to_one(texts: list[str], context: str, order: int) -> None:
    model = train_ngram(map(Document, texts), order)
    known = sorted({letter for text in texts for letter in text})
    new = next(chr(code) for code in range(0x21, 0x3000) if chr(code) not in known)
    total = sum(probabilities(model, context + letter)[-1] for letter in known)
    assert total + probabilities(model, context + new)[-1] * (UNICODE - len(known)) == pytest.approx(1.0, abs=1e-5)


def test_the_pieces_of_a_long_text_are_one_document() -> None:
    pieces = [Document("吾輩は", continues=True), Document("猫である"), Document("犬")]
    whole = train_ngram([Document("吾輩は猫である"), Document("犬")])
    np.testing.assert_array_equal(train_ngram(pieces).bits("吾輩は猫"), whole.bits("吾輩は猫"))
    assert whole.characters == 8


def test_what_was_seen_often_costs_least_and_what_was_never_seen_is_spelled() -> None:
    model = train_ngram([Document("猫は犬である。" * 50)])
    assert model.bits("猫は犬である。猫は犬").mean() < 1.0
    assert model.bits("猫は\U00020b9f")[-1] > 20
    assert model.bits("").shape == (0,)
    assert np.isfinite(model.bits("\ud800")).all()


@pytest.mark.parametrize(("texts", "order"), [([], 5), ([""], 5), (["猫"], 0)])
def test_without_text_or_order_there_is_no_model(texts: list[str], order: int) -> None:
    with pytest.raises(ParameterError, match=r"no text to count n-grams in|order=0 must be at least 1"):
        train_ngram(map(Document, texts), order)


def test_xz_packs_the_texts_together() -> None:
    assert xz_bits(["猫は", "犬"] * 50) == 8 * len(lzma.compress(("猫は犬" * 50).encode(), preset=9)) / 150


def test_evaluate_prints_the_baselines_beside_the_model(capsys, tiny_folder: Path, tmp_path: Path) -> None:
    lines = [{"text": "猫は犬である。" * 9, "source": "a"}, {"text": "東京", "source": "b"}]
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    (tmp_path / "train.txt").write_text("猫は犬である。" * 9, encoding="utf-8")
    arguments = ["evaluate", str(tiny_folder), str(tmp_path / "x.jsonl"), "--limit", "20", "--ngram", str(tmp_path / "train.txt")]
    assert main(arguments) == 0
    table = [line.split("  ") for line in capsys.readouterr().out.split("\n\n")[1].splitlines()]
    assert [row[0] for row in table] == ["bits per character", str(tiny_folder), "5-gram of 63 characters", "xz -9"]
    assert main([*arguments, "--order", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = train_ngram([Document("猫は犬である。" * 9)], 2).bits(("猫は犬である。" * 9)[:20]).mean()
    assert found["sources"]["a"]["ngram_bits_per_character"] == pytest.approx(expected)
    assert found["sources"]["b"]["xz_bits_per_character"] == xz_bits(["東京"])
    assert found["ngram"] == {"order": 2, "characters": 63}
