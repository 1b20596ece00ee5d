"""A text's surprise piece by piece and in sum: against transformers' loss, `neoxjp score` and numbers worked out by hand."""

import json
import math
from dataclasses import asdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp import GPTNeoXJapaneseTokenizer, score
from neoxjp.cli.main import main
from neoxjp.engine import Step
from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import heat as heat_file
from neoxjp.labs.common.heat import compare_texts, heat, heat_of_steps, pair_of
from neoxjp.labs.common.spans import spans_of
from tests.support.fake_model import Fake, mixed
from tests.support.texts import ODD, texts
from tests.support.tiny_model import pair

TEXT = "東京都の大学です。é猫😀"


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary):
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


@pytest.fixture(scope="module")
def models(tokenizer):
    """Our tiny network and transformers' with the same weights, for the tiny vocabulary; context 64."""
    return pair(vocab_size=tokenizer.vocab_size, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id)


@pytest.fixture(scope="module")
def model(models):
    return models[0]


def step(id, logprob, rank=1, entropy=0.5):
    return Step(id, "", logprob, rank, entropy, (), 0.0, None)


def uniform(tokenizer):
    """A model that finds all ids equally likely, with the context 40."""
    size = tokenizer.vocab_size
    return Fake(lambda ids: torch.zeros(size), 40, size, tokenizer.bos_token_id, tokenizer.eos_token_id)


# ---------------------------------------------------------------- sums


@torch.no_grad()
def test_the_perplexity_is_that_of_transformers_loss(models, tokenizer):
    ours, theirs = models
    ids = tokenizer.encode(TEXT)
    with_bos = torch.tensor([[tokenizer.bos_token_id, *ids]])
    loss = float(theirs(with_bos, labels=with_bos).loss)
    found = heat(ours, tokenizer, TEXT)
    assert found.tokens == len(ids)
    assert math.log(found.perplexity_per_token) == pytest.approx(loss, abs=1e-5)
    assert found.bits == pytest.approx(loss * len(ids) / math.log(2), abs=1e-3)
    bare = torch.tensor([ids])
    alone = heat(ours, tokenizer, TEXT, bos=False)
    assert math.log(alone.perplexity_per_token) == pytest.approx(float(theirs(bare, labels=bare).loss), abs=1e-5)
    assert alone.pieces[0].bits is None
    assert alone.characters == len(TEXT) - len(alone.pieces[0].surface)


@torch.no_grad()
def test_entropies_and_ranks_are_those_of_transformers_logits(models, tokenizer):
    ours, theirs = models
    ids = tokenizer.encode("東京都の大学です。")
    logits = theirs(torch.tensor([[tokenizer.bos_token_id, *ids]])).logits[0, :-1]
    entropies = torch.distributions.Categorical(logits=logits).entropy()
    ranks = (logits > logits.gather(1, torch.tensor(ids)[:, None])).sum(1) + 1
    pieces = heat(ours, tokenizer, "東京都の大学です。").pieces
    assert [piece.ids for piece in pieces] == [(id,) for id in ids]
    assert [piece.entropy for piece in pieces] == pytest.approx(entropies.tolist(), abs=1e-4)
    assert [piece.rank for piece in pieces] == ranks.tolist()


def test_where_all_ids_are_equally_likely_every_number_is_known(tokenizer):
    size = tokenizer.vocab_size
    found = heat(uniform(tokenizer), tokenizer, "猫é")  # one id, and two bytes of one character
    assert [piece.bits for piece in found.pieces] == pytest.approx([math.log2(size), 2 * math.log2(size)])
    assert [piece.entropy for piece in found.pieces] == pytest.approx([math.log(size), 2 * math.log(size)])
    assert found.perplexity_per_token == pytest.approx(size)
    assert found.bits_per_character == pytest.approx(1.5 * math.log2(size))
    assert found.perplexity_per_character == pytest.approx(size**1.5)


def test_the_sums_are_those_of_score_far_beyond_the_context(model, tokenizer):
    text = TEXT * 40
    steps = score(model, tokenizer.encode(text), tokenizer, bos=True)
    assert len(steps) > 4 * model.config.max_position_embeddings
    found = heat(model, tokenizer, text)
    assert found.bits == pytest.approx(-sum(step.logprob for step in steps) / math.log(2))
    assert found.bits == pytest.approx(math.fsum(piece.bits for piece in found.pieces))
    assert "".join(piece.surface for piece in found.pieces) == text


def test_a_long_text_is_read_in_windows_no_longer_than_the_context(tokenizer):
    model = uniform(tokenizer)
    heat(model, tokenizer, "猫" * 200)
    assert max(map(len, model.forwards)) <= model.config.max_position_embeddings
    assert sum(map(len, model.forwards)) < 3 * 200


def test_an_empty_text_costs_nothing(model, tokenizer):
    found = heat(model, tokenizer, "")
    assert (found.bits, found.tokens, found.pieces, found.surprising) == (0.0, 0, (), ())
    assert str(found.bits) == "0.0"
    assert found.bits_per_character is found.perplexity_per_token is found.perplexity_per_character is None


def test_what_no_float_holds_is_none():
    found = heat_of_steps("ab", [(0, 1), (1, 2)], [step(1, -1000.0), step(2, -1000.0)])
    assert found.bits == pytest.approx(2000 / math.log(2))
    assert found.perplexity_per_token is found.perplexity_per_character is None


# ---------------------------------------------------------------- pieces


@given(st.one_of(texts(), ODD))
@settings(max_examples=60)
def test_pieces_tile_any_text(tiny_vocabulary, text):
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    tokens = tokenizer.analyze(text)
    found = heat_of_steps(text, [(token.start, token.end) for token in tokens], [step(token.id, -1.0) for token in tokens])
    assert "".join(piece.surface for piece in found.pieces) == text
    assert [id for piece in found.pieces for id in piece.ids] == [token.id for token in tokens]
    assert found.characters == len(text)
    json.dumps(asdict(found), allow_nan=False)


@pytest.mark.parametrize("text", ["\ud800猫", "<script>${x}</script>", "\u202e猫\u202c", "か\u3099\u200b", "👩‍👩‍👧", "\r\n　\t"])
def test_odd_texts_are_scored(model, tokenizer, text):
    found = heat(model, tokenizer, text)
    assert "".join(piece.surface for piece in found.pieces) == text


def test_the_bytes_of_a_character_are_one_piece(model, tokenizer):
    ids = tokenizer.encode("猫é大学")
    found = heat(model, tokenizer, "猫é大学")
    assert [piece.surface for piece in found.pieces] == ["猫", "é", "大学"]
    steps = score(model, ids, bos=True)
    middle = found.pieces[1]
    assert middle.ids == tuple(ids[1:3])
    assert middle.logprob == pytest.approx(steps[1].logprob + steps[2].logprob)
    assert middle.rank == max(steps[1].rank, steps[2].rank)


def test_the_most_surprising_pieces_come_first():
    steps = [step(1, -1.0), step(2, -5.0), step(3, -0.1), step(4, -5.0)]
    found = heat_of_steps("abcd", [(0, 1), (1, 2), (2, 3), (3, 4)], steps)
    assert found.surprising == (1, 3, 0, 2)
    assert len(heat_of_steps("a" * 30, [(i, i + 1) for i in range(30)], [step(1, -1.0)] * 30).surprising) == heat_file.LISTED


def test_ids_keep_their_cut_and_their_text_is_what_they_decode_to(model, tokenizer):
    east, capital = tokenizer.convert_tokens_to_ids(["東", "京"])
    assert tokenizer.encode("東京") != [east, capital]
    found = heat_of_steps(*spans_of([east, capital], tokenizer), score(model, [east, capital], bos=False))
    assert (found.text, [piece.surface for piece in found.pieces]) == ("東京", ["東", "京"])
    assert found.pieces[0].bits is None
    whole = heat_of_steps(*spans_of([east, capital], tokenizer), score(model, [east, capital], bos=True))
    assert whole.bits == pytest.approx(-sum(step.logprob for step in score(model, [east, capital], bos=True)) / math.log(2))


@given(st.lists(st.integers(0, 400), max_size=12))
@settings(max_examples=200)
def test_spans_of_any_ids_tile_what_they_decode_to(tiny_vocabulary, ids):
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    ids = [id % tokenizer.vocab_size for id in ids]
    text, spans = spans_of(ids, tokenizer)
    assert text == tokenizer.decode(ids)
    assert len(spans) == len(ids)
    assert "".join(text[start:end] for start, end in dict.fromkeys(spans)) == text


def test_bytes_that_make_no_character_are_not_the_next_tokens(tokenizer):
    broken, cat = tokenizer.encode("é")[0], tokenizer.encode("猫")[0]
    assert spans_of([broken, cat, broken], tokenizer) == ("\ufffd猫\ufffd", [(0, 1), (1, 2), (2, 3)])


def test_steps_and_spans_that_do_not_belong_together_are_refused():
    with pytest.raises(NeoxjpError, match="1 steps and 0 spans"):
        heat_of_steps("", [], [step(1, -1.0)])


def test_a_model_without_bos_is_refused_in_a_sentence(tokenizer):
    fake = Fake(mixed, vocab=tokenizer.vocab_size, bos=None)
    with pytest.raises(NeoxjpError, match="bos_token_id"):
        heat(fake, tokenizer, "猫")


# ---------------------------------------------------------------- minimal pairs


def test_a_pair_is_aligned_and_the_difference_is_where_it_arises(model, tokenizer):
    found = compare_texts(model, tokenizer, "東京都は猫です。", "東京都が猫です。")
    assert [(part.kind, part.first_text, part.second_text) for part in found.stretches] == [
        ("same", "東京都", "東京都"),
        ("different", "は", "が"),
        ("same", "猫です。", "猫です。"),
    ]
    before, here, behind = (part.difference for part in found.stretches)
    assert before == pytest.approx(0.0, abs=1e-4)
    assert abs(here) > 1e-3
    assert abs(behind) > 1e-3  # the model has read something else
    assert found.difference == pytest.approx(before + here + behind)
    assert found.difference == pytest.approx(found.first.bits - found.second.bits)
    assert found.likelier == ("second" if found.difference > 0 else "first")


def test_the_pair_the_other_way_round_says_the_same(model, tokenizer):
    one = compare_texts(model, tokenizer, "猫です。", "大学である")
    other = compare_texts(model, tokenizer, "大学である", "猫です。")
    assert {one.likelier, other.likelier} == {"first", "second"}
    assert other.difference == -one.difference


def texts_of(*surprises):
    """A scored text: one character a piece, whose id and bits these are."""
    text = "".join(chr(0x3041 + id) for id, _ in surprises)
    steps = [step(id, -bits * math.log(2)) for id, bits in surprises]
    return heat_of_steps(text, [(i, i + 1) for i in range(len(text))], steps)


def test_totals_and_averages_may_disagree_and_both_are_told():
    short, long = texts_of((1, 4.0)), texts_of((1, 4.0), (2, 1.0), (3, 1.0))
    found = pair_of(short, long)
    assert (found.likelier, found.likelier_per_character) == ("first", "second")
    assert found.difference == pytest.approx(-2.0)


def test_texts_of_the_same_ids_cannot_be_told_apart(model, tokenizer):
    found = compare_texts(model, tokenizer, "慶応大学", "慶應大学")
    assert found.same_ids
    assert found.likelier is found.likelier_per_character is None
    assert [(part.kind, part.first_text, part.second_text) for part in found.stretches] == [("same", "慶応大学", "慶應大学")]


def test_words_that_change_places_are_aligned_place_by_place():
    found = pair_of(texts_of((1, 1.0), (2, 1.0), (3, 1.0)), texts_of((3, 2.0), (2, 1.0), (1, 1.0)))
    assert [(part.kind, part.first, part.second) for part in found.stretches] == [
        ("different", (0, 1), (0, 1)),
        ("same", (1, 2), (1, 2)),
        ("different", (2, 3), (2, 3)),
    ]
    moved = pair_of(texts_of(*[(i, 1.0) for i in (1, 2, 3, 4, 5, 9)]), texts_of(*[(i, 1.0) for i in (8, 1, 2, 3, 4, 5)]))
    assert [part.first_text for part in moved.stretches if part.kind == "same"] == [moved.first.text[:5]]


@given(st.lists(st.integers(1, 3), max_size=8), st.lists(st.integers(1, 3), max_size=8))
def test_stretches_tile_both_texts_and_their_bits_add_up(left, right):
    first, second = texts_of(*[(id, id / 2) for id in left]), texts_of(*[(id, id / 3) for id in right])
    found = pair_of(first, second)
    assert "".join(part.first_text for part in found.stretches) == first.text
    assert "".join(part.second_text for part in found.stretches) == second.text
    assert sum(part.difference for part in found.stretches) == pytest.approx(found.difference, abs=1e-9)
    assert all(part.first_text == part.second_text for part in found.stretches if part.kind == "same")
    assert found.same_ids == (left == right)


def test_two_long_texts_without_common_parts_are_one_stretch(monkeypatch):
    monkeypatch.setattr(heat_file, "ALIGNED", 3)
    found = pair_of(texts_of(*[(i, 1.0) for i in (1, 2, 3, 4, 9)]), texts_of(*[(i, 1.0) for i in (5, 2, 3, 6, 9)]))
    assert [part.kind for part in found.stretches] == ["different", "same"]


def test_against_nothing_is_a_pair_too(model, tokenizer):
    found = compare_texts(model, tokenizer, "猫", "")
    assert (found.likelier, found.likelier_per_character) == ("second", None)
    assert [(part.first_text, part.second_text) for part in found.stretches] == [("猫", "")]


# ---------------------------------------------------------------- the command


def test_score_against_prints_where_two_texts_differ(capsys, tiny_folder):
    assert main(["score", "東京都は猫です。", "--against", "東京都が猫です。", "--model", str(tiny_folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("'東京都は猫です。'")
    assert [line[0] for line in lines[3:6]] == ["=", "≠", "="]
    assert "'は' | 'が'" in lines[4]
    assert lines[-1].split()[1:4] == ["is", "likelier", "by"]


def test_score_against_as_json_is_the_record(capsys, tiny_folder):
    assert main(["score", "慶応", "--against", "慶應", "--model", str(tiny_folder), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["same_ids"] is True
    assert record["likelier"] is None
    main(["score", "慶応", "--against", "慶應", "--model", str(tiny_folder)])
    assert "cannot tell the two apart" in capsys.readouterr().out


def test_score_tells_perplexity_by_the_token_and_by_the_character(capsys, tiny_folder):
    main(["score", "東京都は", "--model", str(tiny_folder), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["perplexity_per_token"] == pytest.approx(2 ** (record["bits"] / record["tokens"]))
    assert record["perplexity_per_character"] == pytest.approx(2 ** (record["bits"] / 4))
