"""Generation for many requests over one model: batching, streaming, prefix cache, speculative decoding; and `score`.

    with Engine(model, tokenizer) as engine:
        for step in engine.submit(tokenizer.encode("吾輩は猫である。")):
            print(step.text, end="")

Knows the model only through the protocol `LanguageModel`.
"""

from neoxjp.engine.engine import PREFIX_BYTES, Engine
from neoxjp.engine.logits_cache import LogitsCache, logits_after, next_logits
from neoxjp.engine.observer import Observer
from neoxjp.engine.prefix_cache import PrefixCache, PrefixEntry
from neoxjp.engine.protocols import TextEngine, TextRequest
from neoxjp.engine.records import (
    SCORE_CHUNK,
    Choice,
    Finish,
    LanguageModel,
    Step,
    bos_ids,
    check_ids,
    eos_ids,
    forward_one,
    score,
    token_statistics,
    token_text_function,
    top_choices,
)
from neoxjp.engine.request import ANYONE, Request, Stats, Visitor
from neoxjp.engine.routing import PrefixRouter
from neoxjp.engine.scheduler import fit_prompt
from neoxjp.engine.surprisal import LN2, Surprisal, measure_surprisal, nats_of
from neoxjp.engine.threads import cpu_quota, limit_threads_to_quota, share_processors

__all__ = [
    "ANYONE",
    "LN2",
    "PREFIX_BYTES",
    "SCORE_CHUNK",
    "Choice",
    "Engine",
    "Finish",
    "LanguageModel",
    "LogitsCache",
    "Observer",
    "PrefixCache",
    "PrefixEntry",
    "PrefixRouter",
    "Request",
    "Stats",
    "Step",
    "Surprisal",
    "TextEngine",
    "TextRequest",
    "Visitor",
    "bos_ids",
    "check_ids",
    "cpu_quota",
    "eos_ids",
    "fit_prompt",
    "forward_one",
    "limit_threads_to_quota",
    "logits_after",
    "measure_surprisal",
    "nats_of",
    "next_logits",
    "score",
    "share_processors",
    "token_statistics",
    "token_text_function",
    "top_choices",
]
