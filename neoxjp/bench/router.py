"""`neoxjp bench router`: many replicas of an engine, simulated, and ways to choose one for a prompt.

What is real: the router (`neoxjp.engine.PrefixRouter`), each replica's prefix cache (`PrefixCache`, with a number in place of the
tensors), eight requests at once, prompts computed in chunks beside running requests. What is assumed: how long a step takes, a
line through two measured points; that the network takes no time; what visitors do (`Visitor`). Same seed, same numbers.
"""

import heapq
import itertools
import json
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from neoxjp.bench.common import table, timed
from neoxjp.bench.options import RouterOptions
from neoxjp.engine import PrefixCache, PrefixEntry, PrefixRouter
from neoxjp.errors import ParameterError

SLOTS = 8  # requests of a replica that run at once
PREFILL_IDS = 64  # prompt ids in one step
CONTEXT = 2048  # tokens of a text; a visitor whose text is longer starts anew
SHARED_PROMPTS, SHARED = 40, 0.3  # examples on the page, and the share of new texts that begin with one
ACTIONS = {"continue": 45, "branch": 25, "go back": 15, "start anew": 15}
ACTIONS_OF_A_VISITOR = 20  # on average
WARM_UP = 0.25  # share of the time before what is counted


@dataclass(frozen=True)
class Speed:
    """How long an engine's step takes: `fixed` + `row` for each request that decodes + `prompt_id` for each id of a prompt, s."""

    fixed: float
    row: float
    prompt_id: float

    @classmethod
    def of(cls, one: float, eight: float, prefill: float) -> "Speed":
        """From tokens per second: of one request, of eight in sum, of a prompt."""
        row = (8 / eight - 1 / one) / 7
        return cls(max(1 / one - row, 0.0), row, 1 / prefill)

    def step(self, decoding: int, prompt_ids: int) -> float:
        return (self.fixed if decoding else 0.0) + self.row * decoding + self.prompt_id * prompt_ids


@dataclass
class Length:
    """In place of a KV cache: its length in tokens."""

    length: int
    token_bytes: int

    @property
    def nbytes(self) -> int:
        return self.length * self.token_bytes

    def crop(self, length: int) -> None:
        self.length = length


@dataclass(eq=False)
class Request:
    """A prompt and how many tokens are to follow."""

    visitor: "Visitor"
    ids: np.ndarray  # (T,) int64
    new: np.ndarray  # ids that the model will generate
    sent: float  # s
    left: int = 0  # ids of the prompt that are not computed
    done: int = 0  # generated tokens

    @property
    def text(self) -> np.ndarray:
        return np.concatenate([self.ids, self.new[: self.done]])


class Replica:
    """An engine: requests that run and wait, and cached prefixes."""

    def __init__(self, speed: Speed, cache_bytes: int, token_bytes: int):
        self.speed, self.token_bytes = speed, token_bytes
        self.cache = PrefixCache(cache_bytes, chunk=1)
        self.running: list[Request] = []
        self.waiting: deque[Request] = deque()
        self.chunks: dict[Request, int] = {}  # of the step that runs: ids of prompts
        self.busy_seconds = 0.0
        self.reused = 0  # tokens of prompts that were cached

    def __len__(self) -> int:
        return len(self.running) + len(self.waiting)

    def entry(self, request: Request) -> PrefixEntry:
        ids = request.ids[: len(request.ids) - request.left] if request.left else request.text
        return PrefixEntry(ids, Length(len(ids), self.token_bytes), None, len(request.ids))

    def begin(self) -> float | None:
        """Start a step. Returns its duration; None: there is nothing to do."""
        while self.waiting and len(self.running) < SLOTS:
            request = self.waiting.popleft()
            found = self.cache.longest_match(request.ids, [self.entry(each) for each in self.running])
            known = found.covers(request.ids, 1) if found else 0
            request.left = len(request.ids) - known
            self.reused += known
            self.running.append(request)
        if not self.running:
            return None
        budget, self.chunks = PREFILL_IDS, {}
        for request in self.running:
            if request.left and budget:
                self.chunks[request] = min(request.left, budget)
                budget -= self.chunks[request]
        seconds = self.speed.step(sum(not each.left for each in self.running), sum(self.chunks.values()))
        self.busy_seconds += seconds
        return seconds

    def end(self) -> tuple[list[Request], list[Request]]:
        """End a step. Returns the requests that got their first token, and those that are finished."""
        for request in self.running:
            if not request.left:
                request.done += 1
        for request, count in self.chunks.items():
            request.left -= count
            request.done += not request.left
        first = [each for each in self.chunks if not each.left]
        finished = [each for each in self.running if each.done >= len(each.new)]
        self.running = [each for each in self.running if each.done < len(each.new)]
        for request in finished:
            self.cache.add(self.entry(request))
        return first, finished


class Visitor:
    """Writes with the model: continues a text, branches inside it, goes back to an earlier one, or starts anew."""

    def __init__(self, number: int, options: RouterOptions):
        self.random = random.Random(f"{options.seed}/{number}")
        self.options = options
        self.texts: list[np.ndarray] = []  # the tree, as its leaves
        self.actions = 1 + int(self.random.expovariate(1 / ACTIONS_OF_A_VISITOR))

    def thinks(self) -> float:
        return self.random.expovariate(1 / self.options.think)

    def request(self, now: float) -> Request:
        self.actions -= 1
        new = min(max(1, int(self.random.expovariate(1 / self.options.new))), 4 * self.options.new)
        ids = self._prompt()
        if len(ids) + new > CONTEXT:
            ids = self._fresh()
        return Request(self, ids, self._ids(new), now)

    def _prompt(self) -> np.ndarray:
        (action,) = self.random.choices(list(ACTIONS), list(ACTIONS.values())) if self.texts else ("start anew",)
        if action == "start anew":
            return self._fresh()
        text = self.random.choice(self.texts) if action == "go back" else self.texts[-1]
        if action == "branch":
            return np.append(text[: self.random.randrange(1, len(text))], self._ids(1))
        return text

    def _fresh(self) -> np.ndarray:
        if self.random.random() < SHARED:
            number = min(int(self.random.paretovariate(1.0)), SHARED_PROMPTS)
            return np.random.default_rng([self.options.seed, number]).integers(0, 32_000, 8 + number % 40)
        return self._ids(max(2, int(self.random.lognormvariate(3.2, 0.9))))  # half of them shorter than 25 tokens

    def _ids(self, count: int) -> np.ndarray:
        return np.array(self.random.choices(range(32_000), k=count), np.int64)


Choose = Callable[[Request, Sequence[int]], int]  # a request, the number of requests of each replica → which replica


def policies(options: RouterOptions) -> dict[str, Choose]:
    """The ways to choose, by name."""
    some = random.Random(options.seed)

    def two_choices(_: Request, busy: Sequence[int]) -> int:
        return min((some.randrange(len(busy)) for _ in range(2)), key=lambda replica: busy[replica])

    def least_busy(_: Request, busy: Sequence[int]) -> int:
        least = min(busy)
        return some.choice([replica for replica, count in enumerate(busy) if count == least])

    def longest_prefix(count: int) -> Choose:
        """`count` routers, each of which gets some of the requests and knows only of these."""
        routers = [PrefixRouter[int](max_blocks=10**6) for _ in range(count)]

        def choose(request: Request, busy: Sequence[int]) -> int:
            router, ids = some.choice(routers), request.ids.tolist()
            chosen = router.rank(ids, dict(some.sample(list(enumerate(busy)), len(busy))))[0]
            router.routed(ids, chosen)
            return chosen

        return choose

    return {
        "random": lambda _, busy: some.randrange(len(busy)),
        "the less busy of two": two_choices,  # Ray Serve's default
        "the least busy": least_busy,
        "longest prefix": longest_prefix(1),
        "the same, 4 routers": longest_prefix(4),
    }


@dataclass
class Found:
    """What happened after the warm-up."""

    seconds: float
    first: list[float] = field(default_factory=list)  # from request to first token, s
    prompt: int = 0  # tokens
    reused: int = 0  # of these, from a prefix cache
    new: int = 0  # generated tokens
    busy: list[float] = field(default_factory=list)  # of each replica, s

    def as_dict(self) -> dict[str, float]:
        p50, p99 = np.quantile(self.first, [0.5, 0.99]).tolist() if self.first else (float("nan"),) * 2
        mean = sum(self.busy) / len(self.busy)
        return {
            "requests": len(self.first),
            "prompt_tokens_cached": self.reused / max(self.prompt, 1),
            "first_token_p50": p50,
            "first_token_p99": p99,
            "tokens_per_second": self.new / self.seconds,
            "busy": mean / self.seconds,
            "busiest_to_mean": max(self.busy) / mean if mean else 1.0,
        }


def simulate(options: RouterOptions, choose: Choose, speed: Speed) -> Found:
    """All visitors and replicas for so many minutes, event by event."""
    replicas = [Replica(speed, int(options.cache * 2**30), options.token_bytes) for _ in range(options.replicas)]
    end, order = options.minutes * 60, itertools.count()
    start = WARM_UP * end
    found = Found(end - start)
    before: list[tuple[float, int]] = []  # busy seconds and reused tokens of each replica at the end of the warm-up
    events: list[tuple[float, int, Visitor | Replica]] = []
    for number in range(options.visitors):
        visitor = Visitor(number, options)
        heapq.heappush(events, (visitor.thinks(), next(order), visitor))
    visitors = itertools.count(options.visitors)

    def go_on(replica: Replica, now: float) -> None:
        if (seconds := replica.begin()) is not None:
            heapq.heappush(events, (now + seconds, next(order), replica))

    while events and events[0][0] <= end:
        now, _, who = heapq.heappop(events)
        counts = now >= start
        if counts and not before:
            before = [(replica.busy_seconds, replica.reused) for replica in replicas]
        if isinstance(who, Visitor):
            request = who.request(now)
            replica = replicas[choose(request, [len(each) for each in replicas])]
            idle = not len(replica)
            replica.waiting.append(request)
            found.prompt += len(request.ids) * counts
            if idle:
                go_on(replica, now)
            continue
        first, finished = who.end()
        found.first += [now - each.sent for each in first if counts]
        for request in finished:
            visitor = request.visitor
            visitor.texts.append(request.text)
            found.new += request.done * counts
            if not visitor.actions:
                visitor = Visitor(next(visitors), options)
            heapq.heappush(events, (now + visitor.thinks(), next(order), visitor))
        go_on(who, now)
    before = before or [(0.0, 0)] * len(replicas)
    found.busy = [replica.busy_seconds - busy for replica, (busy, _) in zip(replicas, before, strict=True)]
    found.reused = sum(replica.reused - reused for replica, (_, reused) in zip(replicas, before, strict=True))
    return found


def compare(options: RouterOptions) -> dict[str, dict[str, float]]:
    """Each way to choose, and what was found. Raises ParameterError for options out of range."""
    for name in ("replicas", "visitors", "minutes", "think", "new", "prefill", "token_bytes"):
        if not getattr(options, name) > 0:
            raise ParameterError(f"{name}={getattr(options, name)!r} must be above 0")
    if options.cache < 0:
        raise ParameterError(f"cache={options.cache!r} must be at least 0")
    try:
        one, eight = map(float, options.decode.split(","))
    except ValueError:
        one = eight = 0.0
    if not 0 < one <= eight < 8 * one * 1.001:
        raise ParameterError(
            f"decode={options.decode!r} must be two numbers of tokens per second, of one request and of eight in sum, such as "
            "19.7,73: the second is at least the first and at most eight times the first"
        )
    speed = Speed.of(one, eight, options.prefill)
    return {name: simulate(options, choose, speed).as_dict() for name, choose in policies(options).items()}


def command(options: RouterOptions) -> None:
    """Print the table, or one line of JSON."""
    found = compare(options)
    print(json.dumps(found) if options.json else text(options, found))


def text(options: RouterOptions, found: dict[str, dict[str, float]]) -> str:
    """The table as the terminal shows it."""
    rows: Iterable[list[str]] = (
        [
            name,
            f"{each['prompt_tokens_cached']:.1%}",
            f"{each['first_token_p50']:.2f} s",
            f"{each['first_token_p99']:.2f} s",
            f"{each['tokens_per_second']:,.0f}",
            f"{each['busy']:.0%}",
            f"{each['busiest_to_mean']:.2f}",
        ]
        for name, each in found.items()
    )
    head = ["a prompt goes to", "cached", "first token p50", "p99", "tokens/s", "busy", "busiest/mean"]
    asked = f"{options.replicas} replicas, {options.visitors} visitors, {options.minutes:g} minutes, seed {options.seed}"
    cost = f"* here the router needs {router_seconds(options.replicas) * 1e6:.0f} µs to choose for a prompt of 512 tokens"
    return "\n".join([f"simulation: {asked}", "", table([head, *rows]), cost])


def router_seconds(replicas: int, prompts: int = 500) -> float:
    """How long a `PrefixRouter` takes, on this machine, to choose for a prompt and to remember it: the mean."""
    some, router = random.Random(1), PrefixRouter[int]()
    busy = {replica: some.randrange(SLOTS) for replica in range(replicas)}
    texts = [some.choices(range(32_000), k=512) for _ in range(prompts)]
    for ids in texts:
        router.routed(ids, some.randrange(replicas))

    def work() -> None:
        for ids in texts:
            router.routed(ids, router.rank(ids, busy)[0])

    return timed(work) / prompts
