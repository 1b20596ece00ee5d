"""/v1/completions: from the fields of a request to jobs, and from their parts to choices, in one answer or as a stream."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from neoxjp.engine import Visitor, fit_prompt
from neoxjp.errors import QueueFull
from neoxjp.serve.backend import Backend, Job, ModelCard, Part
from neoxjp.serve.errors import ProtocolError, fault_of
from neoxjp.serve.fields import DEFAULT_TOKENS, HELD_EACH, MAX_COPIED, MAX_HELD, MAX_TEXTS, MAX_VALUES, CompletionRequest
from neoxjp.serve.jobs import Runs
from neoxjp.serve.logprobs import Columns, id_names, prompt_records, token_names
from neoxjp.serve.prompts import Places, Prompt, read_prompts

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

REASONS = {"eos": "stop", "stop": "stop", "length": "length", "deadline": "length"}
DONE = b"data: [DONE]\n\n"
SILENT_SECONDS = 15.0  # between two tokens: a proxy ends a connection that is silent for about a minute
STILL_WAITING = b": waiting\n\n"  # a comment to readers of events
Item = TypeVar("Item")


@dataclass
class News:
    """What is new of a choice."""

    text: str = ""
    columns: Columns | None = None  # where log probabilities are asked for
    ids: list[int] = field(default_factory=list)
    finish: str | None = None


class Choice:
    """One text of the answer."""

    def __init__(self, index: int, prompt: Prompt, text: str, request: CompletionRequest, tokenizer: "GPTNeoXJapaneseTokenizer"):
        """text: what the prompt says, where `echo` is set."""
        self.index, self.prompt, self._request, self._tokenizer = index, prompt, request, tokenizer
        self._names = id_names if request.return_tokens_as_token_ids else token_names(tokenizer)
        self._echo, self._text = bool(request.echo), text
        self._places = Places(tokenizer, len(self._text))
        self._begun = False
        self.prompt_logprobs: list[dict[str, Any] | None] | None = None
        self.tokens = self.cached = 0

    def add(self, part: Part) -> News:
        """What a part adds. The first part adds the prompt where `echo` is set."""
        request, news = self._request, News()
        if request.logprobs is not None:
            news.columns = Columns(request.logprobs, self._names)
        if not self._begun:
            self._begun = True
            news.text = self._text
            if news.columns is not None and self._echo and self.prompt.ids:
                for step, offset in zip(part.prompt, self.prompt.offsets(self._tokenizer), strict=True):
                    news.columns.add(step, offset)
            if request.prompt_logprobs is not None:
                scored = part.prompt if self.prompt.ids else ()
                self.prompt_logprobs = prompt_records(scored, request.prompt_logprobs, self._names)
        news.text += "".join(step.text for step in part.steps)
        if news.columns is not None:
            for step in part.steps:
                news.columns.add(step, self._places.next(step.id))
        news.ids = [step.id for step in part.steps]
        news.finish = REASONS.get(part.finish or "")
        self.tokens += len(part.steps)
        self.cached = max(self.cached, part.cached)
        return news

    def record(self, news: News, first: bool) -> dict[str, Any]:
        """An entry of `choices`. first: the answer has what belongs to the prompt."""
        found: dict[str, Any] = {
            "index": self.index,
            "text": news.text,
            "logprobs": news.columns.record() if news.columns else None,
            "finish_reason": news.finish,
        }
        if self._request.prompt_logprobs is not None and first:
            found["prompt_logprobs"] = self.prompt_logprobs
        if self._request.return_token_ids:
            found["prompt_token_ids"] = list(self.prompt.ids) if first else None
            found["token_ids"] = news.ids
        return found


class Held:
    """How many log probabilities the unfinished answers of a server may have: they stay in memory until an answer is sent.

    One address gets three quarters of them at most, so that others get an answer meanwhile.
    """

    def __init__(self) -> None:
        self.values = Counter[str]()  # by address

    def take(self, address: str, values: int) -> None:
        """Raises QueueFull where they would be too many."""
        if self.values[address] + values > HELD_EACH or self.values.total() + values > MAX_HELD:
            raise QueueFull(
                f"the answers that are being computed would have too many log probabilities (at most {MAX_HELD:,}, "
                f"{HELD_EACH:,} of one address): try again in a moment",
                ja="計算中の対数確率が多すぎます。しばらくしてからもう一度お試しください。",
                seconds=5,
            )
        self.values[address] += values

    def give(self, address: str, values: int) -> None:
        """The answer has been sent, or given up."""
        self.values[address] -= values
        if not self.values[address]:
            del self.values[address]


class Completions:
    """One request that is being answered: `await Completions.start(…)`, then `answer()` or `events()`."""

    def __init__(self, request: CompletionRequest, card: ModelCard, prompts: list[Prompt], choices: list[Choice], values: int):
        """values: the log probabilities that the answer may have."""
        self._request, self._card, self._prompts, self._choices = request, card, prompts, choices
        self._values = values
        self._held: Held | None = None
        self._address = ""
        self._head = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": card.id,
        }
        self.runs: Runs | None = None

    @classmethod
    def prepare(
        cls, request: CompletionRequest, backend: Backend, card: ModelCard, visitor: Visitor
    ) -> "tuple[Completions, list[Job]]":
        """Check the request and tokenize its prompts. It computes for a moment: call it in a thread.

        Raises:
            ProtocolError: the request is refused. QueueFull: the visitor has sent too much.
        """
        request.check()
        check_model(request.model, card)
        tokenizer, n = backend.tokenizer, request.n or 1
        given = request.prompt
        number = len(given) if isinstance(given, list) and not isinstance(given[0], int) else 1
        if number * n > MAX_TEXTS:
            raise ProtocolError(f"{number:,} prompts and n {n} are more than {MAX_TEXTS:,} texts: send fewer prompts", "prompt")
        prompts = read_prompts(given, tokenizer, card.vocab_size, card.characters, lambda count: backend.charge(visitor, count))
        jobs = [job for prompt in prompts for job in _jobs(request, prompt, card, visitor)]
        values = _check_size(request, prompts, jobs, card)
        texts = [prompt.written(tokenizer) if request.echo else "" for prompt in prompts]
        _check_copies(request, prompts, texts)
        choices = [Choice(index, prompts[index // n], texts[index // n], request, tokenizer) for index in range(len(jobs))]
        return cls(request, card, prompts, choices, values), jobs

    async def start(self, backend: Backend, jobs: list[Job], held: Held) -> None:
        """Let the first job run or wait. Raises what `Backend.open` and `Held.take` raise."""
        held.take(jobs[0].visitor.address, self._values)
        self._held, self._address = held, jobs[0].visitor.address
        if not (self._request.prompt_only and self._request.prompt_top is None):  # else there is nothing to compute
            self.runs = await Runs.start(backend, jobs, self._card.jobs)

    async def aclose(self) -> None:
        if self._held is not None:
            self._held.give(self._address, self._values)
            self._held = None
        if self.runs is not None:
            await self.runs.aclose()

    async def answer(self) -> dict[str, Any]:
        """The answer in one piece."""
        found: list[News | None] = [None] * len(self._choices)
        async for number, news in self._news():
            found[number] = news if (known := found[number]) is None else _joined(known, news)
        choices = [choice.record(news or News(), True) for choice, news in zip(self._choices, found, strict=True)]
        return self._head | {"choices": choices, "usage": self.usage()}

    async def events(self) -> AsyncIterator[bytes]:
        """The answer as server-sent events. An error after the beginning is an event, too; the last one is [DONE]."""
        options = self._request.stream_options
        include_usage = options is not None and bool(options.include_usage)
        more: dict[str, Any] = {"usage": None} if include_usage else {}
        begun: set[int] = set()
        try:
            async for item in _awaited(self._news()):
                if item is None:
                    yield STILL_WAITING
                    continue
                number, news = item
                if news.text or news.finish or (news.ids and (self._request.return_token_ids or news.columns is not None)):
                    record = self._choices[number].record(news, number not in begun)
                    begun.add(number)
                    yield _event(self._head | {"choices": [record]} | more)
            if include_usage:
                yield _event(self._head | {"choices": [], "usage": self.usage()})
        except Exception as error:
            yield _event(fault_of(error).content)
        yield DONE

    def usage(self) -> dict[str, Any]:
        prompt = sum(len(prompt.ids) or 1 for prompt in self._prompts)  # an empty one became the bos token
        generated = sum(choice.tokens for choice in self._choices)
        first = self._choices[:: self._request.n or 1]  # of each prompt: its other texts take the prompt from the first
        return {
            "prompt_tokens": prompt,
            "completion_tokens": generated,
            "total_tokens": prompt + generated,
            "prompt_tokens_details": {"cached_tokens": sum(choice.cached for choice in first)},
        }

    async def _news(self) -> AsyncIterator[tuple[int, News]]:
        if self.runs is None:
            for number, choice in enumerate(self._choices):
                yield number, choice.add(Part(finish="length"))
            return
        async for number, part in self.runs:
            yield number, self._choices[number].add(part)


async def _awaited(items: AsyncIterator[Item]) -> AsyncIterator[Item | None]:
    """The items, and None for each `SILENT_SECONDS` that one takes."""
    while True:
        item = asyncio.ensure_future(anext(items, None))
        try:
            await asyncio.sleep(0)  # it may be there already: then nothing has to be waited for
            while not item.done() and not (await asyncio.wait({item}, timeout=SILENT_SECONDS))[0]:
                yield None
        finally:
            item.cancel()  # nothing where it is done
        if (found := item.result()) is None:
            return
        yield found


def check_model(name: str | None, card: ModelCard) -> None:
    """Raises ProtocolError: a request names another model."""
    if name is not None and name not in card.names:
        raise ProtocolError(
            f"there is no model {name!r:.100}: this server has {card.id!r}", "model", status=404, code="model_not_found"
        )


def _jobs(request: CompletionRequest, prompt: Prompt, card: ModelCard, visitor: Visitor) -> list[Job]:
    """The jobs for the texts of one prompt. With a seed, text number i draws with seed + i.

    Raises ProtocolError, PromptTooLong.
    """
    params = request.params()
    if "max_tokens" not in request.model_fields_set:
        default = DEFAULT_TOKENS if card.new_tokens is None else min(DEFAULT_TOKENS, card.new_tokens)
        params = replace(params, max_new_tokens=max(1, min(default, card.context - (len(prompt.ids) or 1))))
    most = card.new_tokens
    if most is not None and not request.prompt_only:
        if params.max_new_tokens is None:
            params = replace(params, max_new_tokens=max(1, min(most, card.context - (len(prompt.ids) or 1))))
        elif params.max_new_tokens > most:
            raise ProtocolError(f"max_tokens: {params.max_new_tokens} must be at most {most} on this server", "max_tokens")
    if not (request.prompt_only and request.prompt_top is None):  # before any text is computed, and not when its turn comes
        fit_prompt(prompt.ids or (0,), params, card.context, "error", request.prompt_only)
    at_once = not request.stream
    job = Job(
        prompt.ids,
        params,
        request.logprobs or 0,
        request.prompt_top,
        request.prompt_only,
        at_once,
        visitor,
        serial=card.serial,
    )
    if params.seed is None:
        return [job] * (request.n or 1)
    seeds = [(params.seed + number) % 2**63 for number in range(request.n or 1)]
    return [replace(job, params=replace(params, seed=seed)) for seed in seeds]


def _check_size(request: CompletionRequest, prompts: list[Prompt], jobs: list[Job], card: ModelCard) -> int:
    """How many log probabilities the answer may have. Raises ProtocolError: too many."""
    n, values = request.n or 1, 0
    if request.prompt_top is not None:
        values += sum(len(prompt.ids) for prompt in prompts) * n * (request.prompt_top + 1)
    if request.logprobs is not None and not request.prompt_only:
        values += sum(min(job.params.max_new_tokens or card.context, card.context) for job in jobs) * (request.logprobs + 1)
    if values > MAX_VALUES:
        raise ProtocolError(
            f"the answer would have up to {values:,} log probabilities, more than {MAX_VALUES:,}: send fewer prompts, or lower "
            "logprobs, prompt_logprobs or max_tokens",
            "logprobs" if request.logprobs is not None else "prompt_logprobs",
        )
    return values


def _check_copies(request: CompletionRequest, prompts: list[Prompt], texts: list[str]) -> None:
    """Raises ProtocolError: the answer would repeat too much of the prompts."""
    n = request.n or 1
    size = sum(map(len, texts)) + (sum(len(prompt.ids) for prompt in prompts) if request.return_token_ids else 0)
    if n * size > MAX_COPIED:
        raise ProtocolError(
            f"the answer would repeat {n * size:,} characters and ids of the prompts, more than {MAX_COPIED:,}: lower n, send "
            "fewer or shorter prompts, or leave out echo and return_token_ids",
            "echo" if request.echo else "return_token_ids",
        )


def _joined(known: News, news: News) -> News:
    columns = known.columns
    if columns is not None and news.columns is not None:
        columns.extend(news.columns)
    return News(known.text + news.text, columns, known.ids + news.ids, news.finish)


def _event(record: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(record) + b"\n\n"
