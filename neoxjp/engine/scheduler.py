"""Which requests run and which wait: slots, bytes of KV cache, a bounded queue. No locks, no model.

Whose turn it is, turns.py knows: a visitor with a hundred requests, or with long ones, delays another one by its share only. The
caps for one address bind only while other addresses wait or have no place to wait: a single visitor may use the complete machine.
Where it does when another address comes, its latest requests pause: they keep what they have computed, and go on as soon as there
is room.
"""

import math
from collections import Counter

from neoxjp.engine.request import Request
from neoxjp.engine.turns import Turns
from neoxjp.errors import PromptTooLong, QueueFull, prompt_too_long
from neoxjp.sampling import SamplingParams

RUNNING_EACH, WAITING_EACH = 2, 2
"""Requests of one address that run, and that wait, while others need the machine."""

FIRST_ESTIMATE = 5.0  # seconds of a request, until one has ended
LONGEST_ESTIMATE = 600  # seconds


class Scheduler:
    """The running and the waiting requests. Not thread-safe.

    slots: requests that run at once. places: requests that may wait.
    cache_bytes: limit for the KV caches of the running requests at their largest lengths; None: no limit.
    running_each: requests of one address that run while another address waits.
    waiting_each: requests of one address that keep their place when the queue is full and another address needs one.
    """

    def __init__(
        self,
        slots: int,
        places: int,
        cache_bytes: int | None,
        running_each: int = RUNNING_EACH,
        waiting_each: int = WAITING_EACH,
    ):
        self.slots = slots
        self.places = places
        self.cache_bytes = cache_bytes
        self.running_each = running_each
        self.waiting_each = waiting_each
        self.running: list[Request] = []
        self.paused: list[Request] = []  # they have run, and made place for another address; the first one goes on first
        self._turns = Turns()
        self._seconds = FIRST_ESTIMATE  # that a request runs, a moving average

    @property
    def waiting(self) -> list[Request]:
        """The requests that wait, by address and session."""
        return list(self._turns)

    @property
    def requests(self) -> list[Request]:
        """All that have not ended."""
        return [*self.running, *self.paused, *self.waiting]

    @property
    def reserved_bytes(self) -> int:
        """What the KV caches of the running and the paused requests take at their largest lengths."""
        return sum(request.nbytes for request in (*self.running, *self.paused))

    def join(self, request: Request, now: float) -> tuple[Request, QueueFull] | None:
        """Let a request run or wait.

        Returns:
            The request that lost its place to this one, and the error it ends with; None: nobody did. It is the last request
            of the address with the most waiting requests, if these are more than `waiting_each`.

        Raises:
            QueueFull: the queue is full, and no other address has more waiting requests than `waiting_each`.
        """
        if not self._turns and self._fits(request):
            self._turns.begin(request)
            self._begin(request, now)
            return None
        displaced = None
        if (waiting := len(self._turns)) >= self.places:
            displaced = self._displaced_by(request)
            error = self._full(len(self.running), waiting)
            if displaced is None:
                raise error
            self._turns.drop(displaced)
        self._turns.add(request)
        self._make_room()
        self._fill(now)
        return None if displaced is None else (displaced, error)

    def leave(self, request: Request, now: float) -> None:
        """Remove a request and let paused and waiting ones run that fit now, in the order of turns."""
        for begun in (self.running, self.paused):
            if request in begun:
                begun.remove(request)
                if request.started is not None:
                    self._seconds += 0.2 * (now - request.started - self._seconds)
                self._turns.end(request)
                break
        else:
            self._turns.drop(request)
        self._fill(now)

    def position(self, request: Request) -> int:
        """Its place in the queue, from 1; 0: it does not wait."""
        return self._turns.place(request)

    def seconds_to_wait(self) -> int:
        """An estimate, in whole seconds from 1 to LONGEST_ESTIMATE, of when a request that joins now would run."""
        if len(self.running) < self.slots and not self._turns:
            return 1
        return max(1, min(LONGEST_ESTIMATE, math.ceil(self._seconds * (len(self._turns) + 1) / self.slots)))

    def _next(self) -> Request | None:
        """Whose turn it is: first of the addresses that run fewer than `running_each`, or of all where all run that many."""
        running = self._runs()
        return self._turns.next(lambda address: running[address] < self.running_each)

    def _fill(self, now: float) -> None:
        """Let requests run while there are slots: of addresses below their cap first, then of who has used less."""
        while len(self.running) < self.slots:
            runs, following = self._runs(), self._next()
            if following is not None and not self._fits(following):
                following = None
            paused = next((one for one in self.paused if runs[one.visitor.address] < self.running_each), None)
            if paused is not None and following is not None and runs[following.visitor.address] < self.running_each:
                paused = paused if self._turns.before(paused.visitor.address, following.visitor.address) else None
            elif paused is None and (following is None or runs[following.visitor.address] >= self.running_each):
                paused = next(iter(self.paused), None)
            if paused is not None:
                self.paused.remove(paused)
                self.running.append(paused)
            elif following is not None:
                self._turns.take(following)
                self._begin(following, now)
            else:
                return

    def _make_room(self) -> bool:
        """Pause the latest request of the address with the most, where it runs more than its cap and the next turn is another's.

        False: the next turn has to wait, or needs no room.
        """
        runs, following = self._runs(), self._next()
        if following is None or len(self.running) < self.slots or len(self.paused) >= self.slots:
            return False
        largest, most = runs.most_common(1)[0]
        if most <= self.running_each or runs[following.visitor.address] >= self.running_each or not self._has_bytes(following):
            return False
        last = next(one for one in reversed(self.running) if one.visitor.address == largest)
        self.running.remove(last)
        self.paused.append(last)
        return True

    def _runs(self) -> Counter[str]:
        """How many requests of each address run."""
        return Counter(request.visitor.address for request in self.running)

    def _displaced_by(self, request: Request) -> Request | None:
        """The waiting request that must make place for this one where the queue is full."""
        sizes = self._turns.sizes()
        address = max(sizes, key=lambda address: sizes[address], default="")
        own = sizes.get(request.visitor.address, 0)
        if own >= self.waiting_each or sizes.get(address, 0) <= max(own, self.waiting_each):
            return None
        return self._turns.last(address)

    def _full(self, run: int, wait: int) -> QueueFull:
        seconds = self.seconds_to_wait()
        return QueueFull(
            f"the queue is full: {run} requests run and {wait} wait. Try again in about {seconds} s",
            ja=f"混み合っています（実行中 {run} 件、待機中 {wait} 件）。約 {seconds} 秒後にもう一度お試しください。",
            seconds=seconds,
        )

    def _fits(self, request: Request) -> bool:
        return len(self.running) < self.slots and self._has_bytes(request)

    def _has_bytes(self, request: Request) -> bool:
        return self.cache_bytes is None or self.reserved_bytes + request.nbytes <= self.cache_bytes

    def _begin(self, request: Request, now: float) -> None:
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
            f"全リクエスト合計の上限は {have} です。プロンプトを短くするか、最大トークン数を減らしてください。",
        )
    return nbytes


def fit_prompt(
    ids: tuple[int, ...], params: SamplingParams, context: int, overflow: str, prompt_only: bool = False
) -> tuple[int, ...]:
    """The ids of a prompt that fit the context beside the new tokens: all, or with overflow "truncate" the last ones.

    prompt_only: there are no new tokens.

    Raises:
        PromptTooLong: they do not fit and may not be truncated, or none would be left.
    """
    wanted = 0 if prompt_only else params.max_new_tokens or 1
    if len(ids) + wanted <= context:
        return ids
    if overflow == "error" or wanted >= context:
        raise prompt_too_long(len(ids), wanted, context, python=", or pass overflow='truncate'")
    reserved = wanted if params.max_new_tokens or prompt_only else max(context // 4, 1)
    return ids[-(context - reserved) :]
