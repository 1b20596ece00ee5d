"""Scores of texts by a model or an n-gram, in nats: of a text, of its tokens as unigrams, and of options after a question."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from neoxjp.documents import Document
from neoxjp.engine import LN2
from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.evaluate import score_ids, sum_of_nats
from neoxjp.train.ngram import Ngram

Scorer = Callable[[str], tuple[float, int]]
"""A text → minus its log probability in nats, and its number of tokens (of an n-gram: characters)."""

Unigrams = Callable[[str], float]
"""A text → minus the sum of its tokens' unigram log probabilities, in nats."""


@dataclass(frozen=True)
class OptionScore:
    """An option as continuation of its question."""

    nats: float  # minus its log probability
    tokens: int  # of an n-gram: characters
    crosses: bool = False  # a token crosses the border between question and option, so the option was encoded by itself


OptionScorer = Callable[[str, Sequence[str]], list[OptionScore]]
"""A question and its options → the score of each option."""


# ---- a model


def model_scorer(model: GPTNeoXJapaneseForCausalLM, tokenizer: GPTNeoXJapaneseTokenizer) -> Scorer:
    """Scores texts with a model, each after <|endoftext|>."""

    def score(text: str) -> tuple[float, int]:
        ids = tokenizer.encode(text)
        return score_ids(model, [tokenizer.eos_token_id, *ids])[0], len(ids)

    return score


@torch.inference_mode()
def first_token_unigrams(model: GPTNeoXJapaneseForCausalLM, tokenizer: GPTNeoXJapaneseTokenizer) -> Unigrams:
    """Each token as likely as the model finds it directly after <|endoftext|>: how much the words before it help."""
    ids = torch.tensor([[tokenizer.eos_token_id]], device=model.device)
    logprobs = model(ids, past_key_values=[model.new_cache()]).logits[0, -1].double().log_softmax(-1).cpu().numpy()  # (V,)
    return lambda text: -float(logprobs[tokenizer.encode(text)].sum())


def counted_unigrams(tokenizer: GPTNeoXJapaneseTokenizer, documents: Iterable[Document]) -> Unigrams:
    """Each token as likely as it is frequent in some texts; one is added to every count, so that none is impossible."""
    counts = np.ones(len(tokenizer))
    for document in documents:
        counts += np.bincount(tokenizer.encode_batch([document.text])[0], minlength=len(counts))
    logprobs = np.log(counts / counts.sum())
    return lambda text: -float(logprobs[tokenizer.encode(text)].sum())


def model_options_scorer(model: GPTNeoXJapaneseForCausalLM, tokenizer: GPTNeoXJapaneseTokenizer) -> OptionScorer:
    """Scores options with a model, as lm-evaluation-harness does: the question is encoded alone and with each option.

    White space at the end of the question belongs to the option, and no <|endoftext|> comes before the question. Only where a
    token crosses the border (は + ある → はある) do we differ: then the option is encoded by itself. Question and option are cut
    at the left to the context and one token. Raises ParameterError for an option that is longer than the context.
    """
    context = model.config.max_position_embeddings

    @torch.inference_mode()
    def score(question: str, options: Sequence[str]) -> list[OptionScore]:
        text = question.rstrip()
        between, before = question[len(text) :], tokenizer.encode(text)
        found = []
        for option in options:
            ids = tokenizer.encode(text + between + option)
            crosses = ids[: len(before)] != before or len(ids) == len(before)
            new = tokenizer.encode(between + option) if crosses else ids[len(before) :]
            if len(new) > context:
                raise ParameterError(f"an option has {len(new):,} tokens, but the model's context is {context:,}: shorten it")
            given = torch.tensor([[*before, *new][-context - 1 :]], device=model.device)
            logits = model(given[:, :-1], past_key_values=[model.new_cache()]).logits[0, -len(new) :].float()
            nats = sum_of_nats(logits, given[0, -len(new) :])
            found.append(OptionScore(nats, len(new), crosses))
        return found

    return score


# ---- an n-gram of characters


def ngram_scorer(ngram: Ngram) -> Scorer:
    """Scores texts with an n-gram of characters."""
    return lambda text: (float(ngram.bits(text).sum()) * LN2, len(text))


def ngram_unigrams(single: Ngram) -> Unigrams:
    """Each character as likely as an n-gram of order 1 has it."""
    return lambda text: ngram_scorer(single)(text)[0]


def ngram_options_scorer(ngram: Ngram) -> OptionScorer:
    """Scores options with an n-gram of characters, white space at the end of the question with the option."""

    def score(question: str, options: Sequence[str]) -> list[OptionScore]:
        start = len(question.rstrip())
        bits = (ngram.bits(question + option)[start:] for option in options)
        return [OptionScore(float(each.sum()) * LN2, len(each)) for each in bits]

    return score
