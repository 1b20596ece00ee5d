"""Measuring a model on texts: the loss is transformers', past the context too; sums by source; what the command prints."""

import json
import math
from pathlib import Path

import pytest
import torch

from neoxjp.cli.main import main
from neoxjp.documents import Document
from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.evaluate import _windows, bits_per_character, score_ids
from neoxjp.train.loop import fresh_model
from tests.support.tiny_model import pair
from tests.support.train_tiny import TEXTS, tiny_config


@pytest.fixture
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(str(tiny_vocabulary))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_bits_per_character_is_the_loss_in_bits_over_the_characters(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    model = fresh_model(tiny_config(tokenizer)).eval()
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer.encode(TEXTS[0])]])
    with torch.no_grad():
        nats = float(model(ids, labels=ids).loss) * (ids.shape[1] - 1)
    score = bits_per_character(model, tokenizer, [Document(TEXTS[0], "s")])["s"]
    assert score.bits_per_character == pytest.approx(nats / math.log(2) / len(TEXTS[0]), rel=1e-5)
    assert (score.documents, score.characters, score.tokens) == (1, len(TEXTS[0]), ids.shape[1] - 1)


def test_sources_are_summed_apart_and_documents_cut(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    model = fresh_model(tiny_config(tokenizer)).eval()
    documents = [Document("猫" * 300, "a"), Document("犬", "a"), Document("猫", "b"), Document("", "c")]
    scores = bits_per_character(model, tokenizer, documents, limit=200)
    assert {source: (score.documents, score.characters) for source, score in scores.items()} == {"a": (2, 201), "b": (1, 1)}
    with pytest.raises(ParameterError, match="no text to evaluate"):
        bits_per_character(model, tokenizer, [])


@pytest.mark.parametrize("length", [2, 63, 64, 65, 96, 97, 128, 129, 500])
def test_windows_score_every_position_once_with_half_a_context_before(length: int) -> None:
    scored: list[int] = []
    for start, new in _windows(length, 64):
        assert start < new <= start + 64
        assert start == 0 or new - start >= 32
        scored += range(new, min(length, start + 64))
    assert scored == list(range(1, length))


@pytest.mark.parametrize("size", [8, 40, 320])
def test_the_pieces_of_a_long_text_are_one_document(tiny_folder: Path, tokenizer: GPTNeoXJapaneseTokenizer, size: int) -> None:
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(tiny_folder, dtype="float32")
    text = "猫は犬である。\n" * 90
    pieces = [Document(text[at : at + size], "s", continues=at + size < len(text)) for at in range(0, len(text), size)]
    whole = bits_per_character(model, tokenizer, [Document(text, "s")], limit=None)["s"]
    joined = bits_per_character(model, tokenizer, [*pieces, Document("猫", "s")], limit=None)["s"]
    assert (joined.documents, joined.characters) == (2, len(text) + 1)
    assert joined.bits_per_character == pytest.approx(whole.bits_per_character, rel=0.02)  # other windows over the same text
    cut = bits_per_character(model, tokenizer, pieces, limit=30)["s"]
    assert (cut.documents, cut.characters, cut.truncated_documents) == (1, 30, 1)


def test_the_loss_is_that_of_transformers() -> None:
    our, theirs = pair()
    ids = [60, *(number * 7 % 59 for number in range(40))]
    with torch.no_grad():
        expected = float(theirs(torch.tensor([ids]), labels=torch.tensor([ids])).loss)
        logits = theirs(torch.tensor([ids])).logits[0, :-1]
    nats, first, first_five = score_ids(our, ids)
    assert nats / 40 == pytest.approx(expected, abs=1e-5)
    ranks = [int((row > row[target]).sum()) for row, target in zip(logits, ids[1:], strict=True)]
    assert (first, first_five) == (sum(rank == 0 for rank in ranks), sum(rank < 5 for rank in ranks))


def test_past_the_context_the_loss_is_that_of_overlapping_windows() -> None:
    our, theirs = pair(max_position_embeddings=16)
    ids = [60, *(number * 7 % 59 for number in range(39))]
    expected = 0.0
    for start, new in ((0, 1), (8, 16), (16, 24), (24, 32)):
        window = torch.tensor([ids[start : start + 16]])
        with torch.no_grad():
            logprobs = theirs(window).logits[0].log_softmax(-1)
        expected -= sum(float(logprobs[n - start - 1, ids[n]]) for n in range(new, min(start + 16, 40)))
    assert score_ids(our, ids)[0] == pytest.approx(expected, abs=1e-3)


def test_evaluate_prints_a_line_a_source_and_says_what_it_cut(capsys, tiny_folder, tmp_path) -> None:
    lines = [{"text": "猫は犬である。" * 9, "source": "a"}, {"text": "東京", "source": "b"}, {"text": "大学"}]
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    code, out, err = run(capsys, "evaluate", tiny_folder, tmp_path / "x.jsonl", "--limit", 20)
    assert code == 0
    assert [line.split(":")[0] for line in out.splitlines()] == ["a", "b", "texts"]
    assert "bits/character (1 document, 20 characters, " in out
    assert "top-5" in out
    assert err == "1 document was cut at 20 characters; --limit 0 takes them whole\n"
    code, out, err = run(capsys, "evaluate", tiny_folder, tmp_path / "x.jsonl", "--limit", 0, "--json")
    found = json.loads(out)["sources"]["a"]
    assert (code, err, found["characters"]) == (0, "", 63)
    assert found["perplexity_per_token"] == pytest.approx(math.exp(found["nats"] / found["tokens"]))
    assert found["bits_per_character"] == pytest.approx(found["nats"] / math.log(2) / 63)
    assert 0 <= found["top1"] <= found["top5"] <= 1
    code, out, _ = run(
        capsys, "evaluate", tiny_folder, tmp_path / "x.jsonl", "--quantization", "int8", "--device", "cpu", "--json"
    )
    assert json.loads(out)["sources"]["a"]["nats"] == pytest.approx(found["nats"], rel=0.02)


def test_evaluate_refuses_what_it_cannot_read(capsys, tiny_folder, tmp_path) -> None:
    (tmp_path / "x.txt").write_text("", encoding="utf-8")
    assert "there is no text to evaluate on" in run(capsys, "evaluate", tiny_folder, tmp_path / "x.txt")[2]
    for more in ((), (tmp_path / "x.txt", "--ngram")):  # before the model, which is not there
        assert "no file" in run(capsys, "evaluate", tmp_path / "nowhere", *more, tmp_path / "none.txt")[2]
    assert run(capsys, "evaluate", tiny_folder, tmp_path / "x.txt", "--limit", -1)[0] == 2
    assert run(capsys, "evaluate", tmp_path / "nowhere", tmp_path / "x.txt")[0] == 2


def test_a_vocabulary_needs_text(capsys, tmp_path) -> None:
    (tmp_path / "x.txt").write_text("", encoding="utf-8")
    code, _, err = run(capsys, "train-vocabulary", tmp_path / "out", tmp_path / "x.txt")
    assert (code, err) == (
        2,
        "neoxjp train-vocabulary: a vocabulary needs text to be built from, and there is none: name files that hold some\n",
    )
