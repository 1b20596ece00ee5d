"""`neoxjp bench serve`: several visitors of one model. Tokens a second in sum, and how long each waits for the first token.

Our engine serves them together, in whichever format. Another program serves one after another, in the order of arrival.
"""

import functools
import itertools
import statistics
import time
from collections.abc import Callable

from neoxjp.bench import common
from neoxjp.bench.common import OURS, Report, Row
from neoxjp.bench.generate import report_of, show
from neoxjp.bench.model_under_test import ModelUnderTest
from neoxjp.bench.options import ServeOptions
from neoxjp.bench.peers import Generated, Peer
from neoxjp.bench.serve_url import ServeRound, measure_urls
from neoxjp.engine import Engine
from neoxjp.errors import ParameterError
from neoxjp.model import GPTNeoXJapaneseForCausalLM
from neoxjp.sampling import SamplingParams


def command(options: ServeOptions) -> None:
    """Measure and print."""
    if options.visitors < 1 or options.every < 0:
        raise ParameterError(f"visitors={options.visitors!r} must be at least 1 and every={options.every!r} at least 0 seconds")
    if options.url:
        measure_urls(options).show(options.json)
        return
    show(measure, options)


def measure(measured: ModelUnderTest, model: GPTNeoXJapaneseForCausalLM, others: list[Peer], options: ServeOptions) -> Report:
    """The table."""
    runs: dict[str, Callable[[], ServeRound]] = {
        OURS: _per_round(measured, options, functools.partial(serve_at_once, model, options))
    }
    notes = {OURS: ""}
    for peer in others:
        notes[peer.name] = peer.note
        if peer.write is None:
            continue
        if peer.model is not None:
            runs[peer.name] = _per_round(measured, options, functools.partial(serve_at_once, peer.model, options))
            continue
        visitors = max(1, min(options.visitors, int(options.limit / max(peer.seconds, 1e-9))))
        if visitors < options.visitors:
            notes[peer.name] = "; ".join(
                filter(None, [peer.note, f"served {visitors} of {options.visitors} to stay within --limit {options.limit:g} s"])
            )
        serve = functools.partial(serve_in_order, functools.partial(peer.write, new=peer.new), options.every)
        runs[peer.name] = _per_round(measured, options, lambda prompts, n=visitors, serve=serve: serve(prompts[:n]))  # type: ignore[misc]
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
        "first token: seconds from a visitor's arrival, over the visitors of a round; other programs serve one after another"
    )
    return report


def serve_at_once(model: GPTNeoXJapaneseForCausalLM, options: ServeOptions, prompts: list[list[int]]) -> ServeRound:
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
    return ServeRound(
        sum(len(request.ids) for request in requests), seconds, [request.stats.time_to_first_token or 0.0 for request in requests]
    )


def serve_in_order(write: Callable[[list[int]], Generated], every: float, prompts: list[list[int]]) -> ServeRound:
    """Each visitor waits until the earlier ones are done."""
    began = time.perf_counter()
    tokens, firsts = 0, []
    for number, prompt in enumerate(prompts):
        arrival = began + number * every
        time.sleep(max(0.0, arrival - time.perf_counter()))
        start = time.perf_counter()
        written = write(prompt)
        firsts.append(start - arrival + written.first)
        tokens += len(written.ids)
    return ServeRound(tokens, time.perf_counter() - began, firsts)


def _per_round(
    measured: ModelUnderTest, options: ServeOptions, serve: Callable[[list[list[int]]], ServeRound]
) -> Callable[[], ServeRound]:
    """A run with new prompts each round."""
    rounds = itertools.count()

    def run() -> ServeRound:
        first = next(rounds) * options.visitors
        return serve([measured.prompt(options.prompt, first + number) for number in range(options.visitors)])

    return run
