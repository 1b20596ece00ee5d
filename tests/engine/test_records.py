"""The text of a stream and its stop strings; the record of a text that is given."""

from collections.abc import Iterator

import pytest
import torch

from neoxjp.engine import Engine, score
from neoxjp.sampling import SamplingParams
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.fake_model import BOS, Fake, V, ids, mixed, writing
from tests.support.tiny_model import ours

# Text


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary) -> Iterator[GPTNeoXJapaneseTokenizer]:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


def streamed(tokenizer, text, *stop, **params) -> tuple[list[str], str | None]:
    request = Engine(writing(tokenizer, text), tokenizer).submit([0], SamplingParams(stop=stop, **params))
    return [step.text for step in request], request.finish


def test_text_is_what_decode_writes_and_the_end_token_is_no_text(tokenizer):
    text = "吾輩は猫である。 é𩸽😀\n名前"
    pieces, finish = streamed(tokenizer, text)
    assert "".join(pieces) == tokenizer.decode(tokenizer.encode(text))
    assert pieces[-1] == ""
    assert finish == "eos"
    assert not any("\ufffd" in piece for piece in pieces)


def test_a_stop_string_ends_the_text_before_it(tokenizer):
    pieces, finish = streamed(tokenizer, "東京です。大学です", "。")
    assert "".join(pieces) == "東京です"
    assert finish == "stop"


def test_a_stop_string_is_found_across_and_inside_tokens(tokenizer):
    assert len(tokenizer.encode("東京都大学")) == 2
    for stop, before in (("都大", "東京"), ("京", "東"), ("学", "東京都大"), ("東京都大学", "")):
        pieces, finish = streamed(tokenizer, "東京都大学", stop)
        assert ("".join(pieces), finish) == (before, "stop")


def test_text_waits_only_while_it_may_be_the_beginning_of_a_stop_string(tokenizer):
    pieces, _ = streamed(tokenizer, "abxabc", "abab", "xy")
    assert pieces == ["", "", "ab", "x", "", "abc", ""]
    pieces, finish = streamed(tokenizer, "aaab", "aab")
    assert ("".join(pieces), finish) == ("a", "stop")


def test_text_held_back_is_given_at_the_end(tokenizer):
    for params, finish in (({}, "eos"), ({"max_new_tokens": 2}, "length")):
        pieces, why = streamed(tokenizer, "ab", "abc", **params)
        assert ("".join(pieces), why) == ("ab", finish)


def test_a_stop_string_that_began_in_an_earlier_request_ends_the_text(tokenizer):
    engine = Engine(writing(tokenizer, "東京都大学"), tokenizer)
    first, second = tokenizer.encode("東京都大学")

    def one_more(stop, drawn):
        [step] = (request := engine.submit([0, first], SamplingParams(stop=(stop,), max_new_tokens=1), drawn=drawn))
        assert step.id == second
        return step.text, request.finish

    for stop, text in (("都大", ""), ("東京都大学", ""), ("大", ""), ("学", "大")):
        assert one_more(stop, 1) == (text, "stop")
    for stop in ("東京", "京都", "学校", "都学"):
        assert one_more(stop, 1) == ("大学", "length")
    assert one_more("都大", 0) == ("大学", "length")  # then it began in the prompt


def test_half_a_character_waits_for_its_other_half(tokenizer):
    pieces, _ = streamed(tokenizer, "é!")
    assert pieces == ["", "é", "!", ""]
    pieces, finish = streamed(tokenizer, "é!", max_new_tokens=1)
    assert (pieces, finish) == (["\ufffd"], "length")


def test_alternatives_have_names(tokenizer):
    request = Engine(writing(tokenizer, "é猫"), tokenizer).submit([0], top=1)
    assert [step.top[0].text for step in request] == ["<|byte195|>", "<|byte169|>", "猫", "<|endoftext|>"]


# Score


def test_score_tells_of_a_text_what_the_engine_told_when_it_wrote_it():
    model = ours()
    request = Engine(model).submit(
        [5, 6], SamplingParams(do_sample=True, seed=2, max_new_tokens=20, eos_token_id=(), top_k=0), top=2
    )
    written = list(request)
    scored = score(model, [5, 6, *ids(written)], top=2)
    assert (scored[0].logprob, scored[0].rank, scored[0].entropy, scored[0].top) == (None, None, None, ())
    for ours_, theirs in zip(scored[2:], written, strict=True):
        assert (ours_.id, ours_.rank) == (theirs.id, theirs.rank)
        assert ours_.logprob == pytest.approx(theirs.logprob, abs=1e-5)
        assert ours_.entropy == pytest.approx(theirs.entropy, abs=1e-5)
        assert ids(ours_.top) == ids(theirs.top)
        for choice in ours_.top:
            assert choice.passed_filters
            assert choice.probability == pytest.approx(torch.tensor(choice.logprob).exp().item(), abs=1e-6)


def test_score_with_bos_scores_the_first_id_too():
    scored = score(Fake(mixed), [3, 4], bos=True)
    assert ids(scored) == [3, 4]
    assert scored[0].logprob == pytest.approx(float(mixed([BOS]).log_softmax(0)[3]), abs=1e-6)
    assert scored[1].logprob == pytest.approx(float(mixed([BOS, 3]).log_softmax(0)[4]), abs=1e-6)


def test_score_of_nothing_and_of_one_id():
    assert score(Fake(mixed), []) == []
    assert score(Fake(mixed), [], bos=True) == []
    assert [step.logprob for step in score(Fake(mixed), [3])] == [None]


@pytest.mark.parametrize("context", [1, 2, 3, 10, 300])
def test_score_reads_past_the_context_in_windows_that_overlap_by_half(context):
    text = [(n * n + n // 3) % 10 for n in range(700)]
    seen: list[int] = []

    def how_much(ids):
        return torch.nn.functional.one_hot(torch.tensor(len(ids) % V), V) * 5.0

    model = Fake(how_much, context=context)
    scored = score(model, text, top=1)
    assert ids(scored) == text
    for place, step in enumerate(scored[1:], 1):
        behind = step.top[0].id
        seen.append(next(n for n in range(max(context // 2, 1), context + 1) if n % V == behind) if place > context else place)
    assert all(n >= max(context // 2, 1) for n in seen[context:])
    assert max(len(piece) for piece in model.forwards) <= min(context, 256)


def test_the_text_of_score_is_what_decode_writes(tokenizer):
    text = "吾輩は猫é。"
    encoded = tokenizer.encode(text)
    model = writing(tokenizer, text * 30)
    assert "".join(step.text for step in score(model, encoded, tokenizer)) == tokenizer.decode(encoded)
    assert "".join(step.text for step in score(model, encoded[:-2], tokenizer)) == tokenizer.decode(encoded[:-2])
