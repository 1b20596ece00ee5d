"""Who a visitor is, and how much each may use in a minute. No Gradio, no model.

A visitor is an address, with sessions inside it. The address is that of the connection; uvicorn replaces it by the one in
X-Forwarded-For where the connection comes from a proxy that `FORWARDED_ALLOW_IPS` names, and only there. An IPv6 address stands
for its /64 network, which one household or server has for itself. Session ids are chosen by the client, so that no limit
depends on them alone.
"""

import hashlib
import ipaddress
import math
import os
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from neoxjp.engine import Visitor
from neoxjp.errors import QueueFull
from neoxjp.page_parts.session.caps import UNLIMITED, Caps

if TYPE_CHECKING:
    from neoxjp.engine import TextEngine

Use = Literal["tokens", "characters", "file_bytes"]
WINDOW, BUCKET = 60.0, 5.0  # seconds of the sliding window, and of one entry in it
VISITOR_HEADER = "x-neoxjp-visitor"  # "HASH" or "HASH/SESSION", from a page that knows the API key: whom it asks for
ADDRESSES = 10_000  # with counts in memory; each takes about 1 kB
PAUSE_SECONDS, LONGEST_PAUSE = 1.0, 64.0  # after a refusal by a full queue: requests for texts are refused unread
FORGOTTEN_SECONDS = 10.0  # after a pause: a refusal within them makes the next one twice as long
SPACE_PROXIES = "127.0.0.1,10.0.0.0/8"  # where the proxies of Hugging Face Spaces connect from

_UNITS: dict[Use, tuple[str, str]] = {
    "tokens": ("トークン", "tokens"),
    "characters": ("文字", "characters"),
    "file_bytes": ("バイト分のファイル", "bytes of files"),
}


def trust_proxies_of_spaces() -> None:
    """On a Space, take the visitor's address from the Space's proxies, unless FORWARDED_ALLOW_IPS names others."""
    if os.environ.get("SPACE_ID"):
        os.environ.setdefault("FORWARDED_ALLOW_IPS", SPACE_PROXIES)


def visitor_of(host: str | None, session: str | None = None) -> Visitor:
    """The visitor with this address and session.

    >>> visitor_of("2001:db8:1:2:3:4:5:6").address
    '2001:db8:1:2::/64'
    >>> visitor_of("::ffff:192.0.2.1").address
    '192.0.2.1'
    """
    return Visitor(_address(host or ""), (session or "")[:64])


def _address(host: str) -> str:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:  # a Unix socket, or a test client's name
        return host[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


def visitor_of_header(value: str) -> Visitor:
    """The visitor that VISITOR_HEADER names.

    >>> visitor_of_header("3f2a/7").address
    'visitor:3f2a'
    """
    hash, _, session = value.partition("/")
    return Visitor(f"visitor:{hash[:64]}", session[:64])


class Visitors:
    """What each address has used in the last minute. Thread-safe; its memory is bounded.

    caps: the limits.
    most: how many addresses are remembered; the one that was seen longest ago is forgotten first.
    """

    def __init__(self, caps: Caps = UNLIMITED, *, most: int = ADDRESSES, clock: Callable[[], float] = time.monotonic):
        self.caps = caps
        self._most, self._clock = most, clock
        self._salt = secrets.token_bytes(16)
        self._used: OrderedDict[tuple[str, Use], deque[list[float]]] = OrderedDict()  # [start of the bucket, amount], old first
        self._paused: OrderedDict[str, tuple[float, float]] = OrderedDict()  # address → (until when, seconds), the latest last
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._used)

    def name(self, visitor: Visitor) -> str:
        """What stands for the address in logs: the same while this process runs, and nobody can compute the address from it."""
        return hashlib.blake2b(visitor.address.encode("utf-8", "replace"), key=self._salt, digest_size=6).hexdigest()

    def used(self, visitor: Visitor, use: Use) -> int:
        """How much the address has used in the last minute."""
        with self._lock:
            return int(sum(amount for _, amount in self._recent(visitor, use)))

    def check(self, visitor: Visitor, use: Use) -> None:
        """Raises QueueFull where the budget of the last minute is used up."""
        self.charge(visitor, use, 0)

    def check_tokens(self, visitor: Visitor, engine: "TextEngine") -> None:
        """Raises QueueFull where the tokens of the last minute are used up and others wait: alone, one may use everything."""
        if engine.others_wait(visitor):
            self.check(visitor, "tokens")

    def charge(self, visitor: Visitor, use: Use, amount: int) -> None:
        """Count what is used.

        Raises:
            QueueFull: it is more than what is left of the budget; nothing is counted then. An amount that is larger than the
                complete budget passes where nothing else was used: what one request may ask for is limited elsewhere.
        """
        most = self._budget(use)
        if not most:
            return
        with self._lock:
            recent = self._recent(visitor, use)
            over = sum(amount for _, amount in recent) + max(amount, 1) - most
            if recent and over > 0:
                raise _too_much(use, most, self._seconds(recent, over))
            if amount > 0:
                self._add(visitor, use, recent, amount)

    def note(self, visitor: Visitor, use: Use, amount: int) -> None:
        """Count what was used already, also beyond the budget."""
        if self._budget(use) and amount > 0:
            with self._lock:
                self._add(visitor, use, self._recent(visitor, use), amount)

    def pause(self, visitor: Visitor) -> None:
        """The queue was full and refused the address: for a moment, its requests for texts are not even read.

        The moment is a second, and twice as long, up to `LONGEST_PAUSE`, for an address that asks again soon after it.
        """
        now = self._clock()
        with self._lock:
            until, seconds = self._paused.pop(visitor.address, (-math.inf, 0.0))
            if now >= until:  # else it is one of those that were read before the pause began
                again = now < until + FORGOTTEN_SECONDS
                seconds = min(2 * seconds, LONGEST_PAUSE) if again else PAUSE_SECONDS
                until = now + seconds
            self._paused[visitor.address] = until, seconds
            if len(self._paused) > self._most:
                self._paused.popitem(last=False)

    def paused(self, visitor: Visitor) -> float:
        """For how many seconds the address has to pause, because the queue refused it; 0: it need not."""
        return max(0.0, self._paused.get(visitor.address, (-math.inf, 0.0))[0] - self._clock())

    def _budget(self, use: Use) -> int:
        return int(getattr(self.caps, f"{use}_each"))

    def _recent(self, visitor: Visitor, use: Use) -> deque[list[float]]:
        recent = self._used.get((visitor.address, use), deque())
        while recent and recent[0][0] <= self._clock() - WINDOW:
            recent.popleft()
        return recent

    def _add(self, visitor: Visitor, use: Use, recent: deque[list[float]], amount: int) -> None:
        start = self._clock() // BUCKET * BUCKET
        if recent and recent[-1][0] == start:
            recent[-1][1] += amount
        else:
            recent.append([start, amount])
        self._used[visitor.address, use] = recent
        self._used.move_to_end((visitor.address, use))
        while len(self._used) > self._most:
            self._used.popitem(last=False)

    def _seconds(self, recent: deque[list[float]], over: float) -> int:
        """After how many seconds so much of the window has passed that `over` more fits."""
        for start, amount in recent:
            over -= amount
            if over <= 0:
                return max(1, math.ceil(start + WINDOW - self._clock()))
        return math.ceil(WINDOW)


def _too_much(use: Use, most: int, seconds: int) -> QueueFull:
    ja, en = _UNITS[use]
    return QueueFull(
        f"this is more than {most:,} {en} a minute, the limit for one visitor: try again in about {seconds} s",
        ja=f"1 分間に使えるのは 1 人あたり {most:,} {ja}までです。約 {seconds} 秒後にもう一度お試しください。",
        seconds=seconds,
    )
