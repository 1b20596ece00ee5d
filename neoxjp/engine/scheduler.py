"""Who may run and who waits: slots, bytes of cache, a line of bounded length, first come first served. No locks, no model."""

from collections import deque

from neoxjp.engine.request import Request
from neoxjp.errors import PromptTooLong, QueueFull
from neoxjp.sampling import SamplingParams


class Scheduler:
    """The requests that run and those that wait. For one thread at a time.

    slots: requests that run at once. places: requests that may wait.
    cache_bytes: what the caches of those that run may take when each text is as long as it may be; None: no bound.
    """

    def __init__(self, slots: int, places: int, cache_bytes: int | None):
        self.slots = slots
        self.places = places
        self.cache_bytes = cache_bytes
        self.running: list[Request] = []
        self.waiting: deque[Request] = deque()

    @property
    def reserved_bytes(self) -> int:
        """What the caches of those that run take at most."""
        return sum(request.nbytes for request in self.running)

    def join(self, request: Request, now: float) -> None:
        """Let a request run, or wait.

        Raises:
            QueueFull: as many wait as may.
        """
        if not self.waiting and self._fits(request):
            self._admit(request, now)
        elif len(self.waiting) < self.places:
            self.waiting.append(request)
        else:
            run, wait = len(self.running), len(self.waiting)
            raise QueueFull(
                f"{run} requests run and {wait} wait, the most there may be; try again in a moment",
                ja=f"混み合っています（実行中 {run}、待ち {wait}）。少し待ってからもう一度お試しください。",
            )

    def leave(self, request: Request, now: float) -> None:
        """Take a request out and let in who fits now. Nobody overtakes: the first in line waits for room."""
        if request in self.running:
            self.running.remove(request)
        elif request in self.waiting:
            self.waiting.remove(request)
        while self.waiting and self._fits(self.waiting[0]):
            self._admit(self.waiting.popleft(), now)

    def place(self, request: Request) -> int:
        """Its place among those that wait, from 1; 0: it is not among them."""
        return self.waiting.index(request) + 1 if request in self.waiting else 0

    def _fits(self, request: Request) -> bool:
        if len(self.running) >= self.slots:
            return False
        return self.cache_bytes is None or self.reserved_bytes + request.nbytes <= self.cache_bytes

    def _admit(self, request: Request, now: float) -> None:
        request.started = now
        self.running.append(request)


def cache_bytes_needed(prompt: int, max_new_tokens: int, bytes_per_token: int, block: int, most: int | None) -> int:
    """Bytes of the cache of so many ids and new ones, in whole blocks of `block` tokens, as it grows.

    Raises:
        PromptTooLong: more than `most`, which is all there is.
    """
    nbytes = -(-(prompt + max_new_tokens) // block) * block * bytes_per_token
    if most is not None and nbytes > most:
        need, have = f"{nbytes / 2**20:,.1f} MiB", f"{most / 2**20:,.1f} MiB"
        raise PromptTooLong(
            f"the prompt's {prompt} tokens and {max_new_tokens} new ones need {need} of cache, but the limit for all requests is "
            f"{have}: shorten the prompt or lower max_new_tokens",
            ja=f"プロンプトの {prompt} トークンと新しい {max_new_tokens} トークンには {need} のキャッシュが要りますが、"
            f"全体で {have} しかありません。どちらかを短くしてください。",
        )
    return nbytes


def fit_prompt(ids: tuple[int, ...], params: SamplingParams, context: int, overflow: str) -> tuple[int, ...]:
    """The last ids that leave room for the new ones; PromptTooLong where they may not be cut or nothing would be left."""
    wanted = params.max_new_tokens or 1
    if len(ids) + wanted <= context:
        return ids
    if overflow == "error" or wanted >= context:
        raise PromptTooLong(
            f"the prompt has {len(ids)} tokens and {wanted} new ones are asked for, but the context is {context}: "
            "shorten the prompt or lower max_new_tokens",
            python=", or let it be cut with overflow='cut'",
            ja=f"プロンプトの {len(ids)} トークンと新しい {wanted} トークンは、文脈の長さ {context} に収まりません。",
        )
    reserved = wanted if params.max_new_tokens else max(context // 4, 1)
    return ids[-(context - reserved) :]
