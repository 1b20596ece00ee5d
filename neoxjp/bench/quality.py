"""`neoxjp bench quality`: the quality of each format: bits per character on texts, and how often it predicts the same next token.

Each text is read from <|endoftext|> on, in windows of the context that begin with the last id of the one before. float32 comes
first; the others are compared with it, on the same tokens; the interval of a loss (95 %) is from drawing the texts again.
"""

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from neoxjp.bench import common
from neoxjp.bench.common import Report, Row
from neoxjp.bench.model_under_test import FORMATS, choose_model, parse_cached_formats
from neoxjp.bench.options import QualityOptions
from neoxjp.documents import join_pieces, read_documents
from neoxjp.engine import measure_surprisal
from neoxjp.errors import ParameterError
from neoxjp.export import compare_losses, cut_few
from neoxjp.model import GPTNeoXJapaneseForCausalLM, weight_bytes
from neoxjp.quantization import describe_linears
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

SECONDS = 120.0  # for one format: texts not reached by then are left out, with a note


@dataclass(frozen=True)
class Prediction:
    """The predictions of one format for one text."""

    nats: float  # minus the log probability of all its tokens
    best: Tensor  # (tokens,) the likeliest id at each place


def command(options: QualityOptions) -> None:
    """Measure and print."""
    formats = parse_cached_formats(options.formats)
    measured = choose_model("small", options.model)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(measured.folder or measured.name)
    documents = read_texts(options)
    texts = cut_few(documents)
    texts_ids = [tokenizer.encode(text) for text in texts]
    begin = tokenizer.eos_token_id
    exact = predict_texts(measured.load("float32"), begin, texts_ids)
    report = Report(
        f"bench quality: {measured.name}",
        {
            "texts": min(len(documents), len(exact)),
            "characters": sum(map(len, texts[: len(exact)])),
            "tokens": sum(map(len, texts_ids[: len(exact)])),
        },
    )
    report.rows.append(Row("float32", "bits per character", "bits", (bits(exact, texts),)))
    for form, cache_dtype in formats:
        name = (form if form in FORMATS else Path(form).name) + (f"+{cache_dtype}" if cache_dtype else "")
        common.show_status(name)
        model = measured.load_format(form, cache_dtype)
        found = predict_texts(model, begin, texts_ids[: len(exact)])
        loss = compare_losses(nats(exact[: len(found)]), nats(found), texts[: len(found)])
        cut = f"; only {len(found)} of {len(exact)} texts in {SECONDS:g} s" if len(found) < len(exact) else ""
        report.rows.append(
            Row(
                name,
                "bits per character",
                "bits",
                (loss.bits_per_character,),
                f"{loss.percent:+.4f} % [{loss.low:+.4f}, {loss.high:+.4f}] ({describe_linears(model)}; "
                f"{weight_bytes(model) / model.num_parameters:.2f} bytes a weight; {model.cache_dtype} cache{cut})",
            )
        )
        report.rows.append(Row(name, "same likeliest token", "%", (100 * agreement(found, exact[: len(found)]),)))
        del model
    common.show_status("")
    report.show(options.json)


def read_texts(options: QualityOptions) -> list[str]:
    """The beginnings of the first documents. Raises ParameterError where there is no text."""
    if options.limit < 0 or options.documents < 0:
        raise ParameterError(f"limit={options.limit!r} and documents={options.documents!r} must be at least 0 (0: all)")
    read = (join_pieces(read_documents(path, column=options.column)) for path in options.files)
    documents = (document.text for documents in read for document in documents)
    kept = itertools.islice((text[: options.limit or None] for text in documents if text), options.documents or None)
    texts = list(kept)
    if not texts:
        raise ParameterError("there is no text to measure on: every document is empty")
    return texts


@torch.inference_mode()
def predict_texts(model: GPTNeoXJapaneseForCausalLM, begin: int, texts: Sequence[Sequence[int]]) -> list[Prediction]:
    """One a text, until SECONDS have passed; `begin` stands before each."""
    found: list[Prediction] = []
    started = time.monotonic()
    for number, ids in enumerate(texts):
        if found and time.monotonic() - started > SECONDS:
            break
        common.show_status(f"text {number + 1} of {len(texts)}")
        found.append(_predict(model, [begin, *ids]))
    return found


def _predict(model: GPTNeoXJapaneseForCausalLM, ids: Sequence[int]) -> Prediction:
    context = model.config.max_position_embeddings
    nats, best = 0.0, []
    for start in range(0, len(ids) - 1, context):
        window = torch.tensor(ids[start : start + context + 1], device=model.device)
        logits = model(window[None, :-1], past_key_values=[model.new_cache()]).logits[0].float()  # (T, V)
        nats += float(F.cross_entropy(logits, window[1:], reduction="none").double().sum())
        best.append(logits.argmax(1).cpu())
    return Prediction(nats, torch.cat(best) if best else torch.empty(0, dtype=torch.int64))


def bits(found: Sequence[Prediction], texts: Sequence[str]) -> float:
    """Bits per character over the texts that were read."""
    nats = math.fsum(reading.nats for reading in found)
    return measure_surprisal(nats, 0, sum(map(len, texts[: len(found)]))).bits_per_character or 0.0


def nats(found: Sequence[Prediction]) -> Tensor:
    """Of each text, (texts,) float64."""
    return torch.tensor([reading.nats for reading in found], dtype=torch.float64)


def agreement(found: Sequence[Prediction], exact: Sequence[Prediction]) -> float:
    """The share of places where both find the same id likeliest."""
    same = sum(int((a.best == b.best).sum()) for a, b in zip(found, exact, strict=True))
    return same / max(1, sum(len(reading.best) for reading in exact))
