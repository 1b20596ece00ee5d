"""The model of this process as a backend: jobs are requests to its engine, and no reader holds a thread."""

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from neoxjp.engine import Request, Stats, Visitor
from neoxjp.errors import NotReady, ShuttingDown
from neoxjp.hub import BUNDLED, bundled_path
from neoxjp.page_parts.session.playground import Choice, Playground, Ready, short_name
from neoxjp.serve.backend import Job, ModelCard, Part, Waiters

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

LOADING_SECONDS = 120.0  # that a request waits for a model that is being loaded
LOOK_SECONDS = 0.1  # between two looks
POLL_SECONDS = 1.0  # after which a reader looks whether the engine's thread is still there


class LocalBackend:
    """A backend over a `Playground`.

    >>> playground = Playground.create(public=True); playground.load(Choice("bundled"))
    >>> run = await LocalBackend(playground).open(Job(ids, SamplingParams(max_new_tokens=8)))
    >>> async for part in run: print(part.steps)
    """

    def __init__(self, playground: Playground):
        self.playground = playground
        self._created: tuple[int, int] = (0, 0)  # serial of what is loaded, and since when
        self._waiters = Waiters()

    @property
    def tokenizer(self) -> "GPTNeoXJapaneseTokenizer":
        return self.playground.tokenizer

    async def ready(self) -> ModelCard:
        if not isinstance(self.playground.loaded, Ready):
            async with self._waiters:
                await self._loading()
        loaded, limits = self.playground.ready, self.playground.limits
        if self._created[0] != loaded.serial:
            self._created = (loaded.serial, int(time.time()))
        model = loaded.here.model
        id, names = names_of(loaded.choice)
        return ModelCard(
            id,
            names,
            created=self._created[1],
            context=model.config.max_position_embeddings,
            vocab_size=model.config.vocab_size,
            bos=model.config.bos_token_id,
            parameters=model.num_parameters,
            dtype=str(model.dtype).removeprefix("torch."),
            quantization=model.quantization,
            cache_dtype=model.cache_dtype,
            device=str(model.device),
            rows_are_independent=model.rows_are_independent,
            jobs=loaded.engine.max_batch,
            new_tokens=limits.new_tokens,
            characters=limits.characters,
            serial=loaded.serial,
        )

    async def _loading(self) -> None:
        """Return when the model is loaded. Raises NotReady."""
        end = time.monotonic() + LOADING_SECONDS
        while True:
            loading = self.playground.progress.busy  # before the look: a load may end in between
            if isinstance(self.playground.loaded, Ready):
                return
            if not loading:
                raise NotReady("no model is loaded")
            if time.monotonic() > end:
                raise NotReady("the model is still loading: try again in a moment")
            await asyncio.sleep(LOOK_SECONDS)

    def charge(self, visitor: Visitor, characters: int) -> None:
        self.playground.visitors.charge(visitor, "characters", characters)

    async def open(self, job: Job) -> "LocalRun":
        loaded, visitors = self.playground.ready, self.playground.visitors
        if job.serial not in (0, loaded.serial):  # its ids are of another vocabulary
            raise NotReady("another model has been loaded meanwhile: send the request again")
        engine = loaded.here.engine
        visitors.check_tokens(job.visitor, engine)
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(news.set)

        request = engine.submit(
            job.ids,
            job.params,
            top=job.top,
            visitor=job.visitor,
            prompt_top=job.prompt_top,
            prompt_only=job.prompt_only,
            wake=wake,
            admitted=job.admitted,
        )
        visitors.note(job.visitor, "tokens", len(job.ids))
        return LocalRun(request, news, self.playground)


class LocalRun:
    """A request to the engine, read without a thread."""

    def __init__(self, request: Request, news: asyncio.Event, playground: Playground):
        self._request, self._news, self._playground = request, news, playground
        self._begun = self._done = False

    def __aiter__(self) -> "LocalRun":
        return self

    async def __anext__(self) -> Part:
        while not self._done:
            self._news.clear()
            finish = self._request.finish  # before the steps are read: then none comes later
            steps = tuple(self._request.read())
            if finish == "cancelled":
                raise ShuttingDown("the server has cancelled this request because it is shutting down: send it again")
            if finish == "error":  # the error comes after the last steps: the next call raises it
                finish = None
            if steps or finish is not None:
                self._done = finish is not None
                prompt = () if self._begun else tuple(self._request.prompt_steps)
                self._begun = True
                self._playground.visitors.note(self._request.visitor, "tokens", len(steps))
                return Part(steps, prompt, finish, self._request.reused)
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                await asyncio.to_thread(self._request.wait, 0)  # runs a forward where the engine has no thread any more
        raise StopAsyncIteration

    @property
    def stats(self) -> Stats:
        """The times and counts of the request so far."""
        return self._request.stats

    async def aclose(self) -> None:
        self._request.cancel()


def names_of(choice: Choice) -> tuple[str, tuple[str, ...]]:
    """What a model is called in /v1/models, where no path is shown, and all names by which a request may call it."""
    if choice.name in (BUNDLED, str(bundled_path())):
        return "bundled", ("bundled", choice.name)
    short = short_name(choice.name)
    id = choice.name if choice.name.count("/") == 1 and not choice.name.startswith((".", "/", "~")) else short
    return id, tuple(dict.fromkeys((id, short, choice.name)))
