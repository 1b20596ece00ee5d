"""A generated text on the page: the line that says what is happening, the text in tokens, and its numbers."""

from collections.abc import Sequence

from typing_extensions import TypedDict  # pydantic reads it on Python 3.11, unlike typing's

from neoxjp.engine import LN2, Stats, Step, measure_surprisal, nats_of
from neoxjp.labs.common import steps as render_steps
from neoxjp.page_parts.strings import Words
from neoxjp.page_parts.text.state import Text
from neoxjp.page_parts.text.stream import Update


def progress(update: Update, done: int, most: int, t: Words) -> str:
    """The line while a request waits, reads its prompt, or has generated `done` of at most `most` tokens."""
    if update.position:
        return render_steps.working(t("generate_waiting", n=update.position))
    if not done and update.prefilled < update.total:
        line = t("generate_reading", n=f"{update.prefilled:,}", total=f"{update.total:,}")
        return render_steps.working(line, update.prefilled, update.total)
    return render_steps.working(t("generate_writing", n=f"{done:,}", total=f"{most:,}"), done, most)


def ended(text: Text, t: Words) -> str:
    """How the last generation ended, in a sentence. After a continued text it has the number of all generated tokens, too."""
    if text.finish is None:  # how the branch ended is not known
        return t("generate_branch_shown")
    note = t("generate_truncated_note", n=f"{text.truncated_tokens:,}") if text.truncated_tokens else ""
    new = len(text.steps) - text.base
    written = new + sum(map(text.by_model, range(text.base)))
    total = t("generate_finish_total", n=f"{written:,}") if written > new else ""
    return note + t("generate_finish_full" if text.full else f"generate_finish_{text.finish}", n=f"{new:,}") + total


def state(text: Text | None, t: Words) -> tuple[str, str]:
    """Line and numbers of a text that is complete, as after undo, both HTML."""
    if text is None:
        return render_steps.working(t("generate_hint")), ""
    return render_steps.working(ended(text, t)), numbers(text, t)


class Summary(TypedDict):
    """The numbers of a text. Bits are of the model's own distribution; None: there is nothing to measure."""

    tokens: int
    characters: int
    bits: float
    bits_per_token: float | None
    bits_per_character: float | None
    time_to_first_token_s: float | None
    tokens_per_second: float | None
    queue_s: float | None
    reused_tokens: int | None
    drafted_tokens: int | None
    accepted_tokens: int | None


def summary(steps: Sequence[Step], stats: Stats | None) -> Summary:
    """The numbers of a text, for the page and for the API.

    Bits are of the model's own distribution, before any filter, and of the tokens that it has scored.
    """
    scored = [step for step in steps if step.logprob is not None]
    logprobs = [step.logprob for step in scored if step.logprob is not None]
    found = measure_surprisal(nats_of(logprobs), len(logprobs), sum(len(step.text) for step in scored))
    return {
        "tokens": len(steps),
        "characters": sum(len(step.text) for step in steps),
        "bits": found.bits,
        "bits_per_token": found.bits_per_token,
        "bits_per_character": found.bits_per_character,
        "time_to_first_token_s": stats.time_to_first_token if stats else None,
        "tokens_per_second": stats.tokens_per_second if stats else None,
        "queue_s": stats.queue_s if stats else None,
        "reused_tokens": stats.reused if stats else None,
        "drafted_tokens": stats.drafted if stats else None,
        "accepted_tokens": stats.accepted if stats else None,
    }


def numbers(text: Text, t: Words) -> str:
    """HTML of the text's numbers; empty while it has no tokens."""
    if not text.steps:
        return ""
    found = summary(text.steps, text.stats)

    def bits(value: float | None) -> str:
        return "–" if value is None else f"{value:.2f}" + t("generate_bits")

    size = t("generate_n_tokens_value", tokens=f"{found['tokens']:,}", characters=f"{found['characters']:,}")
    cells = [
        (t("generate_n_tokens"), size),
        (t("generate_n_surprise"), bits(found["bits_per_token"])),
        (t("generate_n_bpc"), bits(found["bits_per_character"])),
    ]
    if found["reused_tokens"]:
        cells.append((t("generate_n_reused"), t("n_tokens", n=f"{found['reused_tokens']:,}")))
    if found["drafted_tokens"]:
        taken, drafted = found["accepted_tokens"], found["drafted_tokens"]
        cells.append((t("generate_n_drafts"), t("generate_n_drafts_value", taken=f"{taken:,}", drafted=f"{drafted:,}")))
    if text.params is not None:
        cells.append((t("generate_n_seed"), str(text.seed)))
    if text.stats is not None and text.stats.max_concurrent and not text.rows_are_independent:
        cells.append((t("generate_n_beside"), t("generate_n_beside_value")))
    timings = [
        ("first", t("generate_n_first"), t("generate_seconds")),
        ("speed", t("generate_n_speed"), t("generate_per_second")),
    ]
    return render_steps.numbers(cells, timings, [-step.logprob / LN2 for step in text.steps if step.logprob is not None], t)
