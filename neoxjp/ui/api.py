"""The named endpoints /generate, /score and /model_info: the same functions as behind the page, with plain values in and out.

Parameter names and docstrings are public: Gradio shows them under `/?view=api` and in `/gradio_api/openapi.json`.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr

from neoxjp.engine.records import Step, checked_ids
from neoxjp.errors import NeoxjpError, PromptTooLong
from neoxjp.page_parts.answers import check_length, plain, whole_numbers
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.settings import Settings, stop_strings
from neoxjp.page_parts.stream import Scorer, Stream
from neoxjp.page_parts.strings import language
from neoxjp.page_parts.writing import LN2, room, summary
from neoxjp.sampling.sampler import SamplingParams
from neoxjp.ui.model import info

SCORED_CONTEXTS = 4  # a text to score may be so many contexts long
MOST_ALTERNATIVES = 50


def connect(playground: Playground, stream: Stream, scorer: Scorer) -> None:
    """Add the endpoints to the page that is being built."""
    gr.api(generate(playground, stream), api_name="generate", concurrency_limit=None)
    gr.api(score_text(playground, scorer), api_name="score", concurrency_limit=1)
    gr.api(model_info(playground), api_name="model_info", queue=False)


def generate(playground: Playground, stream: Stream) -> Callable[..., Iterator[dict[str, Any]]]:
    """The function behind /generate."""

    def generate(
        prompt: str,
        max_new_tokens: int = 100,
        temperature: float = Settings.temperature,
        top_p: float = Settings.top_p,
        top_k: int = Settings.top_k,
        min_p: float = Settings.min_p,
        typical_p: float = Settings.typical_p,
        repetition_penalty: float = Settings.repetition_penalty,
        no_repeat_ngram_size: int = Settings.no_repeat_ngram_size,
        min_new_tokens: int = 0,
        seed: int | None = None,
        stop: list[str] | None = None,
        cut: bool = False,
        top: int = 0,
        ids: list[int] | None = None,
        request: gr.Request | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Go on from a text. Streams a record about fifteen times a second; the last one is complete and has the token records.

        Args:
            prompt: what to go on from; empty: the model begins by itself.
            max_new_tokens: writing stops after so many tokens, or where the context is full.
            temperature: low is safe and repetitive, high surprising; 0 takes the likeliest token each time.
            top_p: keep the likeliest tokens whose probabilities reach this sum; 1 is off.
            top_k: keep so many of the likeliest tokens; 0 is off.
            min_p: drop tokens below this share of the likeliest one's probability; 0 is off.
            typical_p: keep tokens of average surprise up to this sum; 1 is off.
            repetition_penalty: above 1, tokens that were there already come back less; 1 is off.
            no_repeat_ngram_size: no run of so many tokens comes twice; 0 is off.
            min_new_tokens: the text does not end before.
            seed: the same number gives the same text; null takes a fresh one, and the record says which.
            stop: the text ends before the first of these strings.
            cut: a prompt that is too long loses its beginning instead of being refused.
            top: so many alternatives with each token record, at most 50.
            ids: token ids behind the prompt to go on from as they are: a text goes on by ids, which no other cut can change.

        Returns:
            A record: text (all of it), continuation, ids (of the new tokens), finish (null until the end), seed, cut (tokens of
            the prompt that the model did not see), waiting (place in the line), stats; the last also has tokens.
        """
        with _Errors(request):
            loaded = playground.ready
            check_length(playground, prompt)
            whole_numbers(max_new_tokens=max_new_tokens, min_new_tokens=min_new_tokens, top=top)
            behind = checked_ids(ids or (), loaded.tokenizer.vocab_size, "ids")
            before = (*loaded.tokenizer.encode(prompt), *behind)
            given = prompt + loaded.tokenizer.decode(behind, skip_special_tokens=True)
            room_left, _ = room(playground, loaded, len(before), max_new_tokens, cut)
            params = SamplingParams(
                do_sample=True,
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                min_p=min_p,
                typical_p=typical_p,
                repetition_penalty=repetition_penalty,
                no_repeat_ngram_size=no_repeat_ngram_size,
                seed=seed,
                max_new_tokens=room_left,
                min_new_tokens=min(min_new_tokens, room_left),
                stop=stop_strings(stop or []),
            )
            steps: list[Step] = []
            for paint in stream(before, params, cut, min(max(top, 0), MOST_ALTERNATIVES), 0):
                steps += paint.steps
                continuation = "".join(step.text for step in steps)
                answer: dict[str, Any] = {
                    "text": given + continuation,
                    "continuation": continuation,
                    "ids": [step.id for step in steps],
                    "finish": paint.finish,
                    "seed": paint.seed,
                    "cut": paint.cut,
                    "waiting": paint.place,
                    "stats": summary(steps, paint.stats),
                }
                if paint.over:
                    answer["tokens"] = [token_record(step) for step in steps]
                yield plain(answer)

    return generate


def score_text(playground: Playground, scorer: Scorer) -> Callable[..., dict[str, Any]]:
    """The function behind /score."""

    def score_text(text: str, top: int = 0, request: gr.Request | None = None) -> dict[str, Any]:
        """How likely the model finds a text: a record for each of its tokens, and the sums.

        Args:
            text: the text; the model sees the beginning-of-text token before it.
            top: so many alternatives with each token record, at most 50.

        Returns:
            tokens (id, text, logprob in nats, probability, bits, rank, entropy in bits, top), bits, bits_per_character,
            mean_surprise_bits, perplexity_per_token, characters.
        """
        with _Errors(request):
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
            steps = scorer(ids, min(max(top, 0), MOST_ALTERNATIVES), True)
            bits = 0.0 - math.fsum(step.logprob for step in steps if step.logprob is not None) / LN2
            record = {
                "text": text,
                "characters": len(text),
                "bits": bits,
                "bits_per_character": bits / len(text) if text else None,
                "mean_surprise_bits": bits / len(steps) if steps else None,
                "perplexity_per_token": 2 ** (bits / len(steps)) if steps else None,
                "tokens": [token_record(step) for step in steps],
            }
            return plain(record)

    return score_text


def model_info(playground: Playground) -> Callable[..., dict[str, Any]]:
    """The function behind /model_info."""

    def model_info() -> dict[str, Any]:
        """What is loaded: name, revision, config, dtype, device map, parameters, memory, attention kernel.

        Returns:
            A record, with how loading stands; its model part is null while no model is there.
        """
        return info(playground)

    return model_info


def token_record(step: Step) -> dict[str, Any]:
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
                "kept": choice.kept,
            }
            for choice in step.top
        ],
    }


class _Errors:
    """Expected errors as Gradio's, which the client can read, in the caller's language."""

    def __init__(self, request: gr.Request | None):
        self.lang = language(request)

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if isinstance(error, NeoxjpError):
            raise gr.Error(error.ja if self.lang == "ja" else str(error), print_exception=False) from error
