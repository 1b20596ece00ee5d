"""Generation for many requests over one model: batching, streaming, prefix cache, speculative decoding; and `score`.

    with Engine(model, tokenizer) as engine:
        for step in engine.submit(tokenizer.encode("吾輩は猫である。")):
            print(step.text, end="")

Knows the model only through the protocol `LanguageModel`.
"""

from neoxjp.engine.engine import PREFIX_BYTES, Engine
from neoxjp.engine.logits_cache import Logits, logits_after, next_logits
from neoxjp.engine.records import (
    PREFILL,
    Choice,
    Finish,
    LanguageModel,
    Step,
    bos_of,
    checked_ids,
    choices,
    eos_of,
    forward,
    namer,
    record,
    score,
)
from neoxjp.engine.request import Request, Stats
from neoxjp.engine.scheduler import fitting
from neoxjp.engine.threads import heed_quota

__all__ = [
    "PREFILL",
    "PREFIX_BYTES",
    "Choice",
    "Engine",
    "Finish",
    "LanguageModel",
    "Logits",
    "Request",
    "Stats",
    "Step",
    "bos_of",
    "checked_ids",
    "choices",
    "eos_of",
    "fitting",
    "forward",
    "heed_quota",
    "logits_after",
    "namer",
    "next_logits",
    "record",
    "score",
]
