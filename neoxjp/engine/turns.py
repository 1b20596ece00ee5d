"""The requests that wait, in the order of turns: the address that has used least of the machine is next.

What an address uses is counted in tokens, not in requests, so that one with long texts has fewer turns than one with short ones
("Virtual Token Counter", arXiv 2401.00588). Where all ask for the same, this is a round robin. Inside an address its sessions
take turns.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import count

from neoxjp.engine.request import Request

ADDRESSES = 10_000  # whose use is remembered while they neither wait nor run


class Turns:
    """Waiting requests.

    Nobody who comes has credit for the time before: a counter starts at the lowest of those that wait, or at what each address
    would have got of the work so far, if that is more. The second rises with the work: else a stream of newcomers, each with the
    counter of the one before, would keep an address that has used more waiting for ever.
    """

    def __init__(self) -> None:
        self._line: dict[str, dict[str, deque[Request]]] = {}  # address → session → requests; who had a turn is at the end
        self._settled: dict[str, float] = {}  # by address: tokens of requests that have ended, since the queue was empty
        self._level = 0.0  # tokens that each waiting address would have got, since the queue was empty
        self._begun: list[Request] = []  # those that run or pause
        self._places: dict[Request, int] | None = None  # from 1, in the order of turns; None: not known yet

    def __len__(self) -> int:
        return sum(self.sizes().values())

    def __iter__(self) -> Iterator[Request]:
        """By address and session."""
        return (request for sessions in self._line.values() for own in sessions.values() for request in own)

    def sizes(self) -> dict[str, int]:
        """How many requests of each address wait."""
        return {address: sum(map(len, sessions.values())) for address, sessions in self._line.items()}

    def add(self, request: Request) -> None:
        """The request waits."""
        address, session = request.visitor.address, request.visitor.session
        if address not in self._line:
            used = self._used()
            start = max(self._level, min((used[other] for other in self._line), default=0.0))
            self._settled[address] = self._settled.get(address, 0.0) + max(0.0, start - used[address])
        self._line.setdefault(address, {}).setdefault(session, deque()).append(request)
        self._places = None

    def next(self, allowed: Callable[[str], bool]) -> Request | None:
        """Whose turn it is: the first whose address is allowed, or the first where none is."""
        if not self._line:
            return None
        used = self._used()
        order = sorted(self._line, key=lambda address: used[address])
        sessions = self._line[next(filter(allowed, order), order[0])]
        return next(iter(sessions.values()))[0]

    def take(self, request: Request) -> None:
        """It has its turn: its address and session come last of those that have used as much."""
        self._remove(request, turn=True)
        self.begin(request)

    def begin(self, request: Request) -> None:
        """The request runs from now on."""
        self._begun.append(request)
        self._places = None
        if not self._line:
            self._level = 0.0
        if not self._line or len(self._settled) > ADDRESSES:  # nobody has to share, or many have gone
            known = self._line.keys() | {other.visitor.address for other in self._begun}
            self._settled = {other: used for other, used in self._settled.items() if other in known}

    def end(self, request: Request) -> None:
        """A request that ran has ended."""
        self._begun.remove(request)
        address = request.visitor.address
        self._settled[address] = self._settled.get(address, 0.0) + request.spent
        self._level += request.spent / max(1, len(self._line))
        self._places = None

    def before(self, address: str, other: str) -> bool:
        """Whether an address has not used more than another one."""
        used = self._used()
        return used[address] <= used[other]

    def drop(self, request: Request) -> None:
        """The request waits no longer; nothing where it did not."""
        self._remove(request)

    def last(self, address: str) -> Request:
        """The last request of the session with the most, of an address that waits."""
        return max(self._line[address].values(), key=len)[-1]

    def place(self, request: Request) -> int:
        """How many turns until its own, from 1, if each becomes as long as it may; 0: it does not wait."""
        if self._places is None:
            self._places = {waiting: place for place, waiting in enumerate(self._in_order(), start=1)}
        return self._places.get(request, 0)

    def _used(self) -> dict[str, float]:
        """Tokens by address; 0 for one that is not known."""
        used = defaultdict[str, float](float, self._settled)
        for request in self._begun:
            used[request.visitor.address] += request.spent
        return used

    def _in_order(self) -> Iterator[Request]:
        turn = count()
        line = {address: deque(map(deque, sessions.values())) for address, sessions in self._line.items()}
        used = self._used()
        heap = [(used[address], next(turn), address) for address in line]
        heapq.heapify(heap)
        while heap:
            so_far, _, address = heapq.heappop(heap)
            session = line[address].popleft()
            request = session.popleft()
            if session:
                line[address].append(session)
            if line[address]:
                heapq.heappush(heap, (so_far + request.cost, next(turn), address))
            yield request

    def _remove(self, request: Request, turn: bool = False) -> None:
        address, session = request.visitor.address, request.visitor.session
        sessions = self._line.get(address, {})
        waiting = sessions.get(session, deque())
        if request not in waiting:
            return
        self._places = None
        waiting.remove(request)
        if turn or not waiting:
            del sessions[session]
            if waiting:
                sessions[session] = waiting
        if turn or not sessions:
            del self._line[address]
            if sessions:
                self._line[address] = sessions
