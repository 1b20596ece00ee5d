"""`neoxjp bench serve --url URL`: the same visitors in front of servers of the completions protocol, ours or others."""

import asyncio
import functools
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from neoxjp.bench import common
from neoxjp.bench.common import Report, Row
from neoxjp.bench.generate import check_context, check_lengths
from neoxjp.bench.model_under_test import choose_model
from neoxjp.bench.options import ServeOptions
from neoxjp.errors import NeoxjpError, ParameterError

KEY_VARIABLE = "NEOXJP_API_KEY"
ANSWER_SECONDS = 300.0


@dataclass(frozen=True)
class ServeRound:
    """One round."""

    tokens: int  # of all visitors
    seconds: float  # from the first arrival to the last token
    firsts: list[float]  # for each visitor: seconds from the arrival to the first token


def measure_urls(options: ServeOptions) -> Report:
    """The table: each server in every round. The first one is the base of the ratios.

    Raises:
        ParameterError: an option has no effect here, or an address is no address of a server.
        NeoxjpError: a server answers with an error.
    """
    urls = list(dict.fromkeys(url.rstrip("/").removesuffix("/v1") for url in options.url or ()))
    if options.against or options.speculate:
        raise ParameterError("--url measures servers as they are: leave out --against and --speculate")
    for url in urls:
        if not url.startswith(("http://", "https://")):
            raise ParameterError(f"--url {url!r} must begin with http:// or https://")
    check_lengths(options)
    measured = choose_model(options.shape, options.model)
    check_context(measured, options.prompt + options.new)

    def per_round(url: str) -> Callable[[], ServeRound]:
        rounds = itertools.count()

        def run() -> ServeRound:
            first = next(rounds) * options.visitors
            prompts = [measured.prompt(options.prompt, first + number) for number in range(options.visitors)]
            return asyncio.run(serve_url(url, prompts, options.new, options.every))

        return run

    found = common.rounds({url: per_round(url) for url in urls}, options.rounds)
    arrival = f"every {options.every:g} s" if options.every else "at once"
    facts = {"visitors": options.visitors, "arrival": arrival, "prompt": options.prompt, "new": options.new}
    report = Report(f"bench serve: {measured.name}, over HTTP", facts, base=urls[0])
    shown: list[tuple[str, str, Callable[[ServeRound], float]]] = [
        ("all together", "tokens/s", lambda served: served.tokens / served.seconds),
        ("first token, median", "s", lambda served: statistics.median(served.firsts)),
        ("first token, last", "s", lambda served: max(served.firsts)),
    ]
    for what, unit, pick in shown:
        report.rows.extend(Row(url, what, unit, tuple(map(pick, found[url]))) for url in urls)
    report.notes.append("one warm-up round; the prompts of a server are new in each round; greedy, with ignore_eos; streamed")
    return report


async def serve_url(url: str, prompts: Sequence[Sequence[int]], new: int, every: float) -> ServeRound:
    """All visitors of a server, each with a connection of its own. Raises NeoxjpError: it answers with an error, or not."""
    key = os.environ.get(KEY_VARIABLE)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(headers=headers, timeout=ANSWER_SECONDS, limits=limits, trust_env=False) as client:
        visit = functools.partial(_visit, client, f"{url}/v1/completions", new)
        try:
            name = (await client.get(f"{url}/v1/models")).raise_for_status().json()["data"][0]["id"]
            began = time.perf_counter()
            visits = [visit(name, prompt, number * every) for number, prompt in enumerate(prompts)]
            found = await asyncio.gather(*visits)
        except (httpx.HTTPError, ValueError, LookupError) as error:
            raise NeoxjpError(f"{url}: {type(error).__name__}: {error}") from error
    return ServeRound(sum(tokens for tokens, _ in found), time.perf_counter() - began, [first for _, first in found])


async def _visit(
    client: httpx.AsyncClient, url: str, new: int, model: str, prompt: Sequence[int], delay: float
) -> tuple[int, float]:
    """One visitor: the number of tokens, and seconds to the first one."""
    await asyncio.sleep(delay)
    asked = {
        "model": model,
        "prompt": list(prompt),
        "max_tokens": new,
        "temperature": 0,
        "ignore_eos": True,
        "return_token_ids": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    began, first, tokens = time.perf_counter(), 0.0, 0
    async with client.stream("POST", url, json=asked) as answer:
        if answer.status_code != 200:
            await answer.aread()
            raise NeoxjpError(f"{url}: status {answer.status_code}: {answer.text[:300]}")
        async for line in answer.aiter_lines():
            data = line.removeprefix("data:").strip()
            if not line.startswith("data:") or data == "[DONE]":
                continue
            event = json.loads(data)
            if "error" in event:
                raise NeoxjpError(f"{url}: {event['error'].get('message')}")
            if event.get("choices") and not first:
                first = time.perf_counter() - began
            tokens = (event.get("usage") or {}).get("completion_tokens", tokens)
    return tokens, first
