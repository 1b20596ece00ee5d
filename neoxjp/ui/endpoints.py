"""The endpoints of the page itself: /generate, /score, /model_info, /tokenize and /detokenize; those of the features are theirs.

They are the same functions as behind the page, with plain values in and out. Parameter names and docstrings are public: Gradio
shows them under `/?view=api` and in `/gradio_api/openapi.json`.
"""

import math
from collections.abc import Iterator
from typing import (
    Any,
    NotRequired,  # pydantic reads it on Python 3.11, unlike typing's
)

from typing_extensions import TypedDict

from neoxjp import compare
from neoxjp.engine import LN2, Finish, Step, check_ids, measure_surprisal, nats_of
from neoxjp.errors import PromptTooLong
from neoxjp.page_parts.answers import check_length, whole_numbers
from neoxjp.page_parts.endpoints import Endpoint, Tool, endpoint
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.settings import checked, params_of
from neoxjp.page_parts.text.stream import scorer, stream
from neoxjp.page_parts.text.view import Summary, summary
from neoxjp.page_parts.text.writing import max_new_tokens_that_fit
from neoxjp.ui.model import info
from neoxjp.ui.tokenize import checked_ids as ids_of_vocabulary

SCORED_CONTEXTS = 4  # contexts: the longest text to score
MOST_ALTERNATIVES = 50
MOST_CHOICES = 50_000  # alternatives in one answer: 6 MB
MOST_RECORDS = 20_000  # tokens of a text with a record, in one answer of a public page: 4 MB


class Alternative(TypedDict):
    """A token that could stand in the place of another."""

    id: int
    text: str
    logprob: float  # nats
    probability: float
    filtered: float  # its probability after all filters
    passed_filters: bool


class TokenScore(TypedDict):
    """A token and how likely the model finds it; None: it was not scored."""

    id: int
    text: str
    logprob: float | None  # nats
    probability: float | None
    bits: float | None
    rank: int | None  # 1: the most probable
    entropy_bits: float | None
    top: list[Alternative]


class Continuation(TypedDict):
    """A text that is being continued."""

    text: str  # all of it
    continuation: str
    ids: list[int]  # of the new tokens
    finish: Finish | None  # None until the end
    seed: int
    truncated_tokens: int  # of the prompt
    waiting: int  # position in the queue
    stats: Summary
    tokens: NotRequired[list[TokenScore]]  # at the end


class Score(TypedDict):
    """A text and how likely the model finds it."""

    text: str
    characters: int
    bits: float
    bits_per_character: float | None
    bits_per_token: float | None
    perplexity_per_token: float | None
    tokens: list[TokenScore]


class Tokenized(TypedDict):
    """A text in tokens."""

    ids: list[int]
    tokens: list[compare.TokenRecord]
    left_off: int  # tokens at the end without a record
    counts: compare.Counts


def endpoints(playground: Playground) -> list[Endpoint]:
    """/generate, /score, /model_info, /tokenize and /detokenize."""
    updates, scored = stream(playground), scorer(playground)

    @endpoint("generate", at_once=None, needs="model", tool=Tool("Continue a text"))
    def generate(
        prompt: str, truncate: bool = False, top: int = 0, ids: list[int] | None = None, **sampling: Any
    ) -> Iterator[Continuation]:
        """Continue a text. Streams a record about fifteen times a second; the last one is complete and has the token records.

        Args:
            prompt: the text to continue; empty: the model starts from scratch.
            **sampling: the sampling options.
            truncate: truncate a prompt that is too long from the left instead of refusing it.
            top: how many alternatives each token record has, at most 50, and 50,000 in one answer.
            ids: token ids that follow the prompt, used as they are: continuing by ids never tokenizes a text differently.

        Returns:
            A record: text (all of it), continuation, ids (of the new tokens), finish (null until the end), seed, truncated_tokens
            (how many of the prompt), waiting (position in the queue), stats; the last also has tokens.
        """
        loaded = playground.ready
        check_length(playground, prompt)
        whole_numbers(top=top)
        values = checked(sampling)
        behind = check_ids(ids or (), loaded.tokenizer.vocab_size, "ids")
        before = (*loaded.tokenizer.encode(prompt), *behind)
        given = prompt + loaded.tokenizer.decode(behind, skip_special_tokens=True)
        most, _ = max_new_tokens_that_fit(playground, loaded, len(before), values["max_new_tokens"], truncate)
        params = params_of(values, most)
        steps: list[Step] = []
        for update in updates(before, params, truncate, alternatives(top, most), 0):
            steps += update.steps
            continuation = "".join(step.text for step in steps)
            answer: Continuation = {
                "text": given + continuation,
                "continuation": continuation,
                "ids": [step.id for step in steps],
                "finish": update.finish,
                "seed": update.seed,
                "truncated_tokens": update.truncated_tokens,
                "waiting": update.position,
                "stats": summary(steps, update.stats),
            }
            if update.done:
                answer["tokens"] = [token_record(step) for step in steps]
            yield answer

    @endpoint("score", needs="model", tool=Tool("How likely a text is"))
    def score(text: str, top: int = 0) -> Score:
        """How likely the model finds a text: a record for each of its tokens, and the sums.

        Args:
            text: the text; the model sees the beginning-of-text token before it.
            top: how many alternatives each token record has, at most 50, and 50,000 in one answer.

        Returns:
            tokens (id, text, logprob in nats, probability, bits, rank, entropy in bits, top), bits, bits_per_character,
            bits_per_token, perplexity_per_token, characters.
        """
        loaded = playground.ready
        check_length(playground, text)
        whole_numbers(top=top)
        assert loaded.model is not None
        ids = loaded.tokenizer.encode(text)
        most = SCORED_CONTEXTS * loaded.model.config.max_position_embeddings
        if len(ids) > most:
            raise PromptTooLong(
                f"the text has {len(ids)} tokens; up to {most} can be scored at once: send it in parts",
                ja=f"{len(ids)} トークンあります。一度に調べられるのは {most} トークンまでです。分けて送ってください。",
            )
        steps = scored(ids, alternatives(top, len(ids)), True)
        found = measure_surprisal(nats_of(step.logprob for step in steps), len(steps), len(text))
        return {
            "text": text,
            "characters": len(text),
            "bits": found.bits,
            "bits_per_character": found.bits_per_character,
            "bits_per_token": found.bits_per_token,
            "perplexity_per_token": found.perplexity_per_token,
            "tokens": [token_record(step) for step in steps],
        }

    @endpoint("model_info", queue=False)
    def model_info() -> dict[str, Any]:
        """The loaded model: name, revision, config, dtype, device map, parameters, memory, attention kernel.

        Returns:
            A record with the state of loading; its model part is null while no model is loaded.
        """
        return info(playground)

    @endpoint("tokenize", at_once=None, queue=False, needs="vocabulary", tool=Tool("Tokenize a text"))
    def tokenize(text: str, compat: bool = False) -> Tokenized:
        """Tokenize a Japanese text.

        Args:
            text: The text. Any text can be tokenized.
            compat: True: the ids that the transformers library gives, including its mistakes.

        Returns:
            "ids": the token ids. "tokens": one record a token with id, piece (the vocabulary's spelling), text (what
            decoding writes), surface (your characters), start and end (their place), bytes, kind, script, folded, lossy.
            "left_off": how many tokens at the end have no record; a public page answers with 20,000 records at most.
            "counts": tokens, characters, utf8_bytes, characters_per_token, by_script.
        """
        check_length(playground, text)
        tokenizer = playground.tokenizer_as(compat)
        tokens = tokenizer.analyze(text)
        shown = tokens[:MOST_RECORDS] if playground.public else tokens
        return {
            "ids": [token.id for token in tokens],
            "tokens": compare.token_records(shown, text),
            "left_off": len(tokens) - len(shown),
            "counts": compare.count_text(text, tokens),
        }

    @endpoint("detokenize", at_once=None, queue=False, needs="vocabulary")
    def detokenize(ids: list[int], skip_special_tokens: bool = False) -> str:
        """Turn token ids back into text.

        Args:
            ids: Ids of the loaded vocabulary.
            skip_special_tokens: True: leave out <|startoftext|>, <|endoftext|> and their like.

        Returns:
            The text.
        """
        playground.visitors.charge(current_visitor(), "characters", len(ids))
        return playground.tokenizer.decode(ids_of_vocabulary(playground, ids), skip_special_tokens=skip_special_tokens)

    return [generate, score, model_info, tokenize, detokenize]


def alternatives(top: int, tokens: int) -> int:
    """How many alternatives each record of an answer with so many tokens has, where `top` are asked for."""
    return min(max(top, 0), MOST_ALTERNATIVES, MOST_CHOICES // max(1, tokens))


def token_record(step: Step) -> TokenScore:
    """One token for the API. Probabilities are the model's own; `filtered` is after all filters."""
    return {
        "id": step.id,
        "text": step.text,
        "logprob": step.logprob,
        "probability": None if step.logprob is None else math.exp(step.logprob),
        "bits": None if step.logprob is None else -step.logprob / LN2,
        "rank": step.rank,
        "entropy_bits": None if step.entropy is None else step.entropy / LN2,
        "top": [
            {
                "id": choice.id,
                "text": choice.text,
                "logprob": choice.logprob,
                "probability": math.exp(choice.logprob),
                "filtered": choice.probability,
                "passed_filters": choice.passed_filters,
            }
            for choice in step.top
        ],
    }
