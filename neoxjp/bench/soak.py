"""`neoxjp bench soak URL`: simulated visitors on a running page, honest ones and perhaps an abuser, for minutes or hours.

They do over HTTP what browsers and gradio_client do: open the page, type, generate, stop, branch, close the tab in the middle,
cut the connection, never read an answer. Each visitor has a random generator of its own, so a run with the same seed does the
same. Every minute it prints what the honest visitors waited for, what was refused, and what the server tells under `/metrics`.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import httpx

from neoxjp.bench.common import table
from neoxjp.bench.options import SoakOptions
from neoxjp.errors import ParameterError
from neoxjp.sampling import OPTIONS

TEXT = (
    "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
    "何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。"
)
TIMEOUT = httpx.Timeout(120, connect=30)
SILENT_CONNECTION_SECONDS = 3.0
"""The server closes a silent connection after 5 s. A request that crosses with that: a browser sends it again, httpx does not."""
KEYSTROKES_A_SECOND = 6
THINKING_SECONDS = 3.0  # between two things that a visitor does, on average
SILENT_SECONDS = 10.0  # that a visitor who does not read stays connected
ABUSER_AT_ONCE = 200  # connections of the abuser
METRICS = {
    "memory MB": ("process_resident_memory_bytes", 1e6),
    "files": ("process_open_fds", 1),
    "running": ("neoxjp_num_requests_running", 1),
    "waiting": ("neoxjp_num_requests_waiting", 1),
}


class RefusedRequest(Exception):
    """The server did not accept a request: it is busy."""


@dataclasses.dataclass
class Found:
    """What the visitors met since the last report."""

    first: list[float] = dataclasses.field(default_factory=list)  # seconds from a request to its first token
    keystroke: list[float] = dataclasses.field(default_factory=list)
    did: Counter[str] = dataclasses.field(default_factory=Counter)
    tokens: int = 0
    refused: int = 0
    failed: Counter[str] = dataclasses.field(default_factory=Counter)  # by message
    abuser: Counter[str] = dataclasses.field(default_factory=Counter)  # by status

    def add(self, other: "Found") -> None:
        self.first += other.first
        self.keystroke += other.keystroke
        self.tokens += other.tokens
        self.refused += other.refused
        for mine, more in ((self.did, other.did), (self.failed, other.failed), (self.abuser, other.abuser)):
            mine.update(more)


class Page:
    """What a browser knows of a page: the events of its components and its endpoints, by name."""

    def __init__(self, config: dict[str, Any]):
        self._props = {component["id"]: component["props"] for component in config["components"]}
        self._ids = {props["elem_id"]: id for id, props in self._props.items() if props.get("elem_id")}
        self._events: dict[tuple[str, str], dict[str, Any]] = {}
        self._inputs: dict[int, int] = {}
        self.loads: list[int] = []
        for dependency in config["dependencies"]:
            self._inputs[dependency["id"]] = len(dependency["inputs"])
            for target, event in dependency["targets"]:
                if target is None and event == "load" and dependency["backend_fn"]:
                    self.loads.append(dependency["id"])
                elif target is not None and (name := self._props.get(target, {}).get("elem_id")):
                    self._events.setdefault((name, event), dependency)

    def event(self, name: str, kind: str, values: Mapping[str, Any] = MappingProxyType({})) -> tuple[int, list[Any]]:
        """The number of a function and its inputs: as the page shows them at first, but for `values` by element id."""
        try:
            dependency = self._events[name, kind]
        except KeyError:
            raise ParameterError(f"this page has no {kind!r} of {name!r}: is it a page of this version of neoxjp?") from None
        given = {self._ids[name]: value for name, value in values.items()}
        return int(dependency["id"]), [given.get(id, self._props.get(id, {}).get("value")) for id in dependency["inputs"]]

    def inputs(self, function: int) -> int:
        """How many inputs a function has."""
        return self._inputs[function]


class Visitor:
    """One honest visitor. `act` does one thing at random and notes what it met."""

    def __init__(self, url: str, number: int, options: SoakOptions, found: Found):
        self.url, self.found = url.rstrip("/"), found
        self.random = random.Random(f"{options.seed}/{number}")
        self.new_tokens = options.new
        kept = httpx.Limits(keepalive_expiry=SILENT_CONNECTION_SECONDS)
        transport = httpx.AsyncHTTPTransport(local_address=_address_of(url, number), limits=kept)
        self.client = httpx.AsyncClient(base_url=self.url, timeout=TIMEOUT, transport=transport)
        self.session, self.editor, self.ids = secrets.token_hex(8), 0, list[int]()
        self.page: Page | None = None
        self.heartbeat: asyncio.Task[None] | None = None
        self.acts: tuple[tuple[Callable[[], Awaitable[None]], int], ...] = (
            *((self.type, 30), (self.generate, 25), (self.branch, 10), (self.press_generate, 15), (self.press_stop, 8)),
            *((self.close_tab, 6), (self.cut_connection, 4), (self.read_nothing, 2)),
        )

    async def act(self) -> None:
        """Do one thing. Whatever fails is noted; it never raises."""
        (what,) = self.random.choices([act for act, _ in self.acts], [weight for _, weight in self.acts])
        try:
            if self.page is None:
                await self.open()
            await what()
            self.found.did[what.__name__] += 1
        except RefusedRequest:
            self.found.refused += 1
        except (httpx.HTTPError, ValueError, KeyError) as error:
            self.found.failed[f"{what.__name__}: {type(error).__name__} {error}"[:160]] += 1
            await self.leave()

    async def open(self) -> None:
        """Open the page as a browser does: the page, its config, the heartbeat, what runs at the load."""
        (await self.client.get("/")).raise_for_status()
        self.page = Page((await self.client.get("/config")).raise_for_status().json())
        self.heartbeat = asyncio.create_task(self._beat())
        for function in self.page.loads:
            with contextlib.suppress(RefusedRequest):
                await self._run(function, [None] * self.page.inputs(function))

    async def leave(self) -> None:
        """Close the tab; the next thing opens a new one."""
        if self.heartbeat is not None:
            self.heartbeat.cancel()
        self.page, self.session, self.ids = None, secrets.token_hex(8), []

    async def close(self) -> None:
        await self.leave()
        await self.client.aclose()

    # What a visitor does

    async def type(self) -> None:
        """Type a text on the Tokens tab: a request for each keystroke."""
        for length in range(1, self.random.randint(5, 30)):
            began = time.monotonic()
            await self._post("/gradio_api/run/tokenize", data=[TEXT[:length]])
            self.found.keystroke.append(time.monotonic() - began)
            await asyncio.sleep(1 / KEYSTROKES_A_SECOND)

    async def generate(self) -> None:
        """Generate through the endpoint, and read to the end."""
        await self._generate([])

    async def branch(self) -> None:
        """Continue from the middle of the text before, by ids."""
        await self._generate(self.ids[: len(self.ids) // 2])

    async def press_generate(self) -> None:
        """Press Generate on the page, and wait for the end."""
        async for _ in self._press():
            pass

    async def press_stop(self) -> None:
        """Press Generate, and Stop a little later."""
        stop_at: float | None = time.monotonic() + self.random.uniform(0.2, 1.5)
        async for _ in self._press():
            if stop_at is not None and time.monotonic() > stop_at:
                stop_at = None
                await self._post("/neoxjp/text", **self._call("stop", {}))

    async def close_tab(self) -> None:
        """Leave the page while a text is generated."""
        async with contextlib.aclosing(self._press()) as answers:
            async for _ in answers:
                break
        await self.leave()

    async def cut_connection(self) -> None:
        """Break the connection in the middle of a stream."""
        async with contextlib.aclosing(self._stream([])) as answers:
            async for _ in answers:
                break

    async def read_nothing(self) -> None:
        """Press Generate and never read the answer."""
        async with await self._begin() as response:
            _accepted(response)
            await asyncio.sleep(SILENT_SECONDS)
        await self.leave()

    # How

    def _shown(self) -> Page:
        assert self.page is not None
        return self.page

    def _prompt(self) -> str:
        start = self.random.randrange(len(TEXT) - 20)
        return TEXT[start : start + 20]

    async def _generate(self, ids: list[int]) -> None:
        began, answer, seen = time.monotonic(), {}, False
        async for answer in self._stream(ids):
            if answer["ids"] and not seen:
                seen = True
                self.found.first.append(time.monotonic() - began)
        self.ids = answer.get("ids", [])
        self.found.tokens += len(self.ids)

    async def _stream(self, ids: list[int]) -> AsyncGenerator[dict[str, Any]]:
        """The records of /generate."""
        asked = {"prompt": self._prompt(), "ids": ids, "max_new_tokens": self.new_tokens, "min_new_tokens": self.new_tokens}
        event = (await self._post("/gradio_api/call/v2/generate", **asked))["event_id"]
        async with self.client.stream("GET", f"/gradio_api/call/generate/{event}") as response:
            kind = ""
            async for line in _accepted(response).aiter_lines():
                name, _, rest = line.partition(": ")
                if name == "event":
                    kind = rest
                elif name == "data" and kind == "error":
                    raise _failure(rest)
                elif name == "data" and kind in ("generating", "complete") and (records := json.loads(rest)):
                    yield records[0]

    async def _begin(self) -> AbstractAsyncContextManager[httpx.Response]:
        """Type a prompt, which tells the page its editor's id, and press Generate."""
        function, data = self._shown().event("generate-text", "edit")
        answer = await self._run(function, data, event_data={"text": self._prompt()})
        self.editor = answer["data"][0]["props"]["editor"]
        values = [self.new_tokens if option.name == "max_new_tokens" else None for option in OPTIONS]
        return self.client.stream("POST", "/neoxjp/text", json=self._call("write", {"mode": "new", "settings": [*values, False]}))

    def _call(self, call: str, data: dict[str, Any]) -> dict[str, Any]:
        """The body of a request to the text's route."""
        return {"session": self.session, "editor": self.editor, "call": call, "data": data}

    async def _press(self) -> AsyncGenerator[None]:
        """Press Generate; one item for each change of the page."""
        async with await self._begin() as response:
            async for line in _accepted(response).aiter_lines():
                shown = json.loads(json.loads(line)["patch"])["also"]["html"]["generate-line"]
                if 'role="alert"' in shown:
                    raise _failure(shown)
                yield

    async def _run(self, function: int, values: list[Any], **more: Any) -> Any:
        asked = {"fn_index": function, "data": values, "session_hash": self.session}
        return await self._post("/gradio_api/run/predict", **asked, **more)

    async def _post(self, path: str, **body: Any) -> Any:
        answer = _accepted(await self.client.post(path, json=body))
        return answer.json() if answer.content else None

    async def _beat(self) -> None:
        with contextlib.suppress(httpx.HTTPError):
            async with self.client.stream("GET", f"/gradio_api/heartbeat/{self.session}") as response:
                async for _ in response.aiter_raw():
                    pass


def _accepted(response: httpx.Response) -> httpx.Response:
    """Raises RefusedRequest where the server says that it is busy, httpx.HTTPStatusError for another error."""
    if response.status_code in (429, 503):
        raise RefusedRequest
    return response.raise_for_status()


def _failure(message: str) -> Exception:
    """The exception for an error inside a stream: being busy has the same two sentences everywhere."""
    busy = any(part in message for part in ("混み合って", "queue is full", "try again in"))
    return RefusedRequest() if busy else ValueError(message)


def _address_of(url: str, number: int) -> str | None:
    """The address that a visitor comes from: on this machine one of its own, so that the server can tell them apart."""
    local = (urlsplit(url).hostname or "") in ("127.0.0.1", "localhost")
    return f"127.0.{1 + number // 250}.{1 + number % 250}" if local else None


async def abuse(url: str, rate: float, found: Found) -> None:
    """One address that asks for `rate` texts a second and reads none, until it is cancelled.

    Without httpx, which takes more of a processor for a request than the server does to refuse one: on one machine that would
    count against the server.
    """
    target = urlsplit(url)
    secure, address = target.scheme == "https", _address_of(url, 0)
    body = json.dumps({"prompt": TEXT, "max_new_tokens": 512, "min_new_tokens": 512}).encode()
    head = (
        f"POST {target.path.rstrip('/')}/gradio_api/call/v2/generate HTTP/1.1\r\nHost: {target.netloc}\r\nConnection: close\r\n"
    )
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    where: dict[str, Any] = {"host": target.hostname, "port": target.port or (443 if secure else 80), "ssl": secure or None}
    async with asyncio.TaskGroup() as tasks:
        running: set[asyncio.Task[None]] = set()

        async def ask() -> None:
            try:
                async with asyncio.timeout(120):
                    reader, writer = await asyncio.open_connection(**where, local_addr=(address, 0) if address else None)
                    writer.write(request)
                    status = (await reader.readline()).split()[1:2]
                    writer.close()
                found.abuser[status[0].decode() if status else "closed"] += 1
            except (OSError, TimeoutError) as error:
                found.abuser[type(error).__name__] += 1

        while True:
            if len(running) < ABUSER_AT_ONCE:
                task = tasks.create_task(ask())
                running.add(task)
                task.add_done_callback(running.discard)
            else:
                found.abuser["not sent: 200 wait for an answer"] += 1
            await asyncio.sleep(1 / rate)


async def abandon(url: str, count: int) -> None:
    """Sessions that open the page, do something, and never come back."""
    transport = httpx.AsyncHTTPTransport(local_address=_address_of(url, 1))
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT, transport=transport) as client:
        page = Page((await client.get("/config")).raise_for_status().json())
        for _ in range(count):
            session = secrets.token_hex(8)
            for function in page.loads:
                body = {"fn_index": function, "data": [None] * page.inputs(function), "session_hash": session}
                await client.post("/gradio_api/run/predict", json=body)


class ServerWatch:
    """What the server tells under /metrics; nothing where it does not (`NEOXJP_METRICS_TOKEN`, or this machine)."""

    def __init__(self, url: str):
        token = os.environ.get("NEOXJP_METRICS_TOKEN")
        self.client = httpx.AsyncClient(
            base_url=url, timeout=TIMEOUT, headers={"authorization": f"Bearer {token}"} if token else {}
        )

    async def read(self) -> dict[str, float]:
        """By the names of METRICS."""
        try:
            response = await self.client.get("/metrics")
        except httpx.HTTPError:
            return {}
        if response.status_code != 200:
            return {}
        values = dict(line.rsplit(" ", 1) for line in response.text.splitlines() if line and not line.startswith("#"))
        return {name: float(values[metric]) / unit for name, (metric, unit) in METRICS.items() if metric in values}


async def soak(url: str, options: SoakOptions, report: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run the visitors; `report` gets a row every `options.every` seconds, the result is the row of the whole run."""
    watch, now, whole = ServerWatch(url), Found(), Found()
    memory: list[float] = []
    if options.abandoned:
        before = (await watch.read()).get("memory MB")
        await abandon(url, options.abandoned)
        after = (await watch.read()).get("memory MB")
        report({"abandoned sessions": options.abandoned, "memory MB before": before, "memory MB after": after})
    visitors = [Visitor(url, number + 1, options, now) for number in range(options.visitors)]

    async def live(visitor: Visitor) -> None:
        await asyncio.sleep(visitor.random.uniform(0, THINKING_SECONDS))
        while True:
            await visitor.act()
            await asyncio.sleep(visitor.random.expovariate(1 / THINKING_SECONDS))

    began = time.monotonic()
    tasks = [asyncio.create_task(live(visitor)) for visitor in visitors]
    if options.abuser:
        tasks.append(asyncio.create_task(abuse(url, options.abuser, now)))
    try:
        while (left := options.minutes * 60 - (time.monotonic() - began)) > 0:
            await asyncio.sleep(min(options.every, left))
            for task in tasks:
                if task.done():
                    task.result()  # a bug here must not look like a quiet server
            seen = await watch.read()
            memory += [seen["memory MB"]] if "memory MB" in seen else []
            report(row_of(now, time.monotonic() - began) | seen)
            whole.add(now)
            for part in dataclasses.fields(now):
                setattr(now, part.name, part.default_factory() if callable(part.default_factory) else part.default)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(visitor.close() for visitor in visitors), watch.client.aclose())
    result = row_of(whole, time.monotonic() - began) | {"failed": dict(whole.failed), "abuser": dict(whole.abuser)}
    if len(memory) >= 4:
        half = len(memory) // 2
        result["memory growth in the second half %"] = round(100 * (memory[-1] / memory[half] - 1), 2)
    return result


def row_of(found: Found, seconds: float) -> dict[str, Any]:
    """One line of the table."""
    return {
        "minute": round(seconds / 60, 1),
        "first p50 ms": _percentile(found.first, 50),
        "first p99 ms": _percentile(found.first, 99),
        "key p50 ms": _percentile(found.keystroke, 50),
        "key p99 ms": _percentile(found.keystroke, 99),
        "acts": sum(found.did.values()),
        "tokens": found.tokens,
        "refused": found.refused,
        "failures": sum(found.failed.values()),
    }


def _percentile(seconds: list[float], percent: int) -> int | None:
    """In milliseconds; None: there is nothing to count."""
    if not seconds:
        return None
    return round(1000 * sorted(seconds)[min(len(seconds) - 1, len(seconds) * percent // 100)])


def command(options: SoakOptions) -> None:
    """Run and print."""
    if options.visitors < 1 or options.minutes <= 0 or options.every <= 0 or options.abuser < 0 or options.abandoned < 0:
        raise ParameterError("visitors must be at least 1, minutes and every above 0, abuser and abandoned 0 or more")
    if urlsplit(options.url).scheme not in ("http", "https"):
        raise ParameterError(f"{options.url!r} is no address of a page: write http://127.0.0.1:7860")
    shown = False

    def report(row: dict[str, Any]) -> None:
        nonlocal shown
        if options.json:
            print(json.dumps(row, ensure_ascii=False), flush=True)
            return
        names = [name for name in row if name.endswith(("ms", "MB")) or not isinstance(row[name], dict)]
        lines = [[str("-" if row[name] is None else row[name]).rjust(len(name)) for name in names]]
        print(table([names, *lines] if not shown else lines), flush=True)
        shown = "minute" in row

    try:
        result = asyncio.run(soak(options.url, options, report))
    except httpx.HTTPError as error:
        raise ParameterError(f"{options.url} does not answer: {error}") from error
    if options.json:
        print(json.dumps({"whole": result}, ensure_ascii=False))
        return
    print("\nthe whole run")
    for name, value in result.items():
        print(f"  {name}: {'-' if value is None else value}")
