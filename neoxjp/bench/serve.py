"""`neoxjp bench serve`: several visitors of one model. Tokens a second in sum, and how long each waits for the first token.

Ours serves them together, through the engine with its thread. A peer serves one after another, in the order of arrival.
"""

import functools
import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from neoxjp.bench import common
from neoxjp.bench.common import BEST, Report, Row
from neoxjp.bench.generate import report_of, show
from neoxjp.bench.options import ServeOptions
from neoxjp.bench.peers import Writer, Written
from neoxjp.bench.subject import Subject
from neoxjp.engine import Engine
from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.sampling import SamplingParams


@dataclass(frozen=True)
class Served:
    """One round."""

    tokens: int  # of all visitors
    seconds: float  # from the first arrival to the last token
    firsts: list[float]  # for each visitor: seconds from the arrival to the first token


def command(options: ServeOptions) -> None:
    """Measure and print."""
    if options.visitors < 1 or options.every < 0:
        raise ParameterError(f"visitors={options.visitors!r} must be at least 1 and every={options.every!r} at least 0 seconds")
    show(measure, options)


def measure(measured: Subject, model: GPTNeoXJapaneseForCausalLM, others: list[Writer], options: ServeOptions) -> Report:
    """The table."""
    runs: dict[str, Callable[[], Served]] = {BEST: _in_turn(measured, options, functools.partial(together, model, options))}
    notes = {BEST: ""}
    for peer in others:
        notes[peer.name] = peer.note
        if peer.write is None:
            continue
        visitors = max(1, min(options.visitors, int(options.limit / max(peer.seconds, 1e-9))))
        if visitors < options.visitors:
            notes[peer.name] = "; ".join(
                filter(None, [peer.note, f"served {visitors} of {options.visitors} to stay within --limit {options.limit:g} s"])
            )
        serve = functools.partial(one_after_another, functools.partial(peer.write, new=peer.new), options.every)
        runs[peer.name] = _in_turn(measured, options, lambda prompts, n=visitors, serve=serve: serve(prompts[:n]))  # type: ignore[misc]
    found = common.rounds(runs, options.rounds, warm=0)
    arrival = f"every {options.every:g} s" if options.every else "at once"
    report = report_of("serve", measured, model, others, options, visitors=options.visitors, arrival=arrival)
    for name, note in notes.items():
        values = tuple(served.tokens / served.seconds for served in found.get(name, ()))
        report.rows.append(Row(name, "all together", "tokens/s", values, note))
    for what, pick in (("first token, median", statistics.median), ("first token, last", max)):
        for name in notes:
            whole = [served for served in found.get(name, ()) if len(served.firsts) == options.visitors]
            report.rows.append(Row(name, what, "s", tuple(pick(served.firsts) for served in whole)))
    report.notes.append(
        "first token: seconds from a visitor's arrival, over the visitors of a round; peers serve one after another"
    )
    return report


def together(model: GPTNeoXJapaneseForCausalLM, options: ServeOptions, prompts: list[list[int]]) -> Served:
    """All visitors in one engine."""
    params = SamplingParams(do_sample=False, max_new_tokens=options.new, eos_token_id=())
    with Engine(model, max_batch=len(prompts), max_waiting=len(prompts), speculate=options.speculate) as engine:
        engine.start()
        began = time.perf_counter()
        requests = []
        for number, prompt in enumerate(prompts):
            time.sleep(max(0.0, began + number * options.every - time.perf_counter()))
            requests.append(engine.submit(prompt, params))
        for request in requests:
            for _ in request:
                pass
        seconds = time.perf_counter() - began
    return Served(
        sum(len(request.ids) for request in requests), seconds, [request.stats.time_to_first_token or 0.0 for request in requests]
    )


def one_after_another(write: Callable[[list[int]], Written], every: float, prompts: list[list[int]]) -> Served:
    """Each visitor waits until those before are done."""
    began = time.perf_counter()
    tokens, firsts = 0, []
    for number, prompt in enumerate(prompts):
        arrival = began + number * every
        time.sleep(max(0.0, arrival - time.perf_counter()))
        start = time.perf_counter()
        written = write(prompt)
        firsts.append(start - arrival + written.first)
        tokens += len(written.ids)
    return Served(tokens, time.perf_counter() - began, firsts)


def _in_turn(measured: Subject, options: ServeOptions, serve: Callable[[list[list[int]]], Served]) -> Callable[[], Served]:
    """A run whose every round has prompts that nobody has read yet."""
    rounds = itertools.count()

    def run() -> Served:
        first = next(rounds) * options.visitors
        return serve([measured.prompt(options.prompt, first + number) for number in range(options.visitors)])

    return run
