"""Which requests run and which wait: slots, bytes of KV cache, a bounded queue, first come first served. No locks, no model."""

from collections import deque

from neoxjp.engine.request import Request
from neoxjp.errors import PromptTooLong, QueueFull, prompt_too_long
from neoxjp.sampling import SamplingParams


class Scheduler:
    """The running and the waiting requests. Not thread-safe.

    slots: requests that run at once. places: requests that may wait.
    cache_bytes: limit for the KV caches of the running requests at their largest lengths; None: no limit.
    """

    def __init__(self, slots: int, places: int, cache_bytes: int | None):
        self.slots = slots
        self.places = places
        self.cache_bytes = cache_bytes
        self.running: list[Request] = []
        self.waiting: deque[Request] = deque()

    @property
    def reserved_bytes(self) -> int:
        """What the KV caches of the running requests take at their largest lengths."""
        return sum(request.nbytes for request in self.running)

    def join(self, request: Request, now: float) -> None:
        """Let a request run or wait.

        Raises:
            QueueFull: the queue is full.
        """
        if not self.waiting and self._fits(request):
            self._admit(request, now)
        elif len(self.waiting) < self.places:
            self.waiting.append(request)
        else:
            run, wait = len(self.running), len(self.waiting)
            raise QueueFull(
                f"the queue is full: {run} requests run and {wait} wait. Try again in a moment",
                ja=f"混み合っています（実行中 {run} 件、待機中 {wait} 件）。しばらくしてからもう一度お試しください。",
            )

    def leave(self, request: Request, now: float) -> None:
        """Remove a request and start waiting ones that fit now. None overtakes: the first in the queue is always next."""
        if request in self.running:
            self.running.remove(request)
        elif request in self.waiting:
            self.waiting.remove(request)
        while self.waiting and self._fits(self.waiting[0]):
            self._admit(self.waiting.popleft(), now)

    def place(self, request: Request) -> int:
        """Its place in the queue, from 1; 0: it does not wait."""
        return self.waiting.index(request) + 1 if request in self.waiting else 0

    def _fits(self, request: Request) -> bool:
        if len(self.running) >= self.slots:
            return False
        return self.cache_bytes is None or self.reserved_bytes + request.nbytes <= self.cache_bytes

    def _admit(self, request: Request, now: float) -> None:
        request.started = now
        self.running.append(request)


def cache_bytes_needed(prompt: int, max_new_tokens: int, bytes_per_token: int, block: int, most: int | None) -> int:
    """Bytes of the KV cache of a prompt and its new tokens, rounded up to blocks of `block` tokens.

    Raises:
        PromptTooLong: they are more than `most`, the limit for all requests together.
    """
    nbytes = -(-(prompt + max_new_tokens) // block) * block * bytes_per_token
    if most is not None and nbytes > most:
        need, have = f"{nbytes / 2**20:,.1f} MiB", f"{most / 2**20:,.1f} MiB"
        raise PromptTooLong(
            f"the prompt's {prompt} tokens and {max_new_tokens} new ones need {need} of cache, but the limit for all requests is "
            f"{have}: shorten the prompt or lower max_new_tokens",
            ja=f"プロンプトの {prompt} トークンと生成する {max_new_tokens} トークンには {need} のキャッシュが必要ですが、"
            f"全体で {have} しかありません。どちらかを短くしてください。",
        )
    return nbytes


def fit_prompt(ids: tuple[int, ...], params: SamplingParams, context: int, overflow: str) -> tuple[int, ...]:
    """The ids of a prompt that fit the context beside the new tokens: all, or with overflow "cut" the last ones.

    Raises:
        PromptTooLong: they do not fit and may not be cut, or none would be left.
    """
    wanted = params.max_new_tokens or 1
    if len(ids) + wanted <= context:
        return ids
    if overflow == "error" or wanted >= context:
        raise prompt_too_long(len(ids), wanted, context, python=", or let it be cut with overflow='cut'")
    reserved = wanted if params.max_new_tokens else max(context // 4, 1)
    return ids[-(context - reserved) :]
