"""The internal endpoints over replicas: the server passes on what a page sends, and a replica answers (`serve/internal.py`).

A text goes to the replica that has computed its beginning. The logits of a text are with the replica that wrote it: where
another one is asked, the server asks all of them, and where none has them the page offers to compute them again, as always.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Literal

from neoxjp.engine import Visitor
from neoxjp.page_parts.remote.client import away
from neoxjp.page_parts.remote.records import Card, Prompt, Status, decode, encode
from neoxjp.page_parts.session.calls import missing_logits, stored_logits
from neoxjp.serve.errors import ReplicaLost
from neoxjp.serve.internal import Call, problem_line, read_record
from neoxjp.serve.replicas.backend import RayBackend, ReplicaRun
from neoxjp.serve.replicas.replica import Piece

GET_SECONDS = 5.0  # a page asks for the status all the time
STORED, MISSING = stored_logits.__name__, missing_logits.__name__  # look up what a text has left on its replica


class InternalReplicas:
    """As `Internal`, over replicas. Every method raises NeoxjpError."""

    def __init__(self, backend: RayBackend):
        self.backend = backend

    async def card(self) -> bytes:
        """The model, with what all replicas carry."""
        card: Card = decode(await self._get("card"), Card)
        running, waiting = max(card.running, self.backend.max_running), max(card.waiting, self.backend.max_waiting)
        return encode(replace(card, running=running, waiting=waiting))

    async def status(self) -> bytes:
        """The moment, of a replica; it takes texts as long as the server does."""
        status: Status = decode(await self._get("status"), Status)
        return encode(replace(status, draining=not self.backend.alive))

    async def vocabulary(self) -> bytes:
        return await self._get("vocabulary")

    async def call(self, body: bytes, token: str, visitor: Visitor) -> bytes:
        """The result of a function of CALLS: on the replica with the text where it looks something up, else on any one."""
        asked: Call = read_record(body, Call)
        ids = ids_in(asked.arguments) if asked.name in (STORED, MISSING) else ()
        try:
            found: bytes = await self.backend.ask("internal_call", ids, body, token, visitor)
        except ReplicaLost as error:
            raise away("the replicas that computed this have ended") from error
        if (asked.name == STORED and found == b"null") or (asked.name == MISSING and found != b"[]"):
            answers = await asyncio.to_thread(self.backend.ask_all, "internal_call", ids, body, token, visitor)
            found = joined(asked.name, [found, *(each for each in answers if isinstance(each, bytes))])
        return found

    async def generate(self, body: bytes, token: str, visitor: Visitor) -> "ReplicaLines":
        """The lines of a text that a replica has accepted."""
        prompt: Prompt = read_record(body, Prompt)
        if prompt.params.seed is None:  # another replica that starts again draws the same
            prompt = replace(prompt, params=replace(prompt.params, seed=secrets.randbits(32)))
            body = encode(prompt)
        return await self.backend.begin(ReplicaLines(self.backend, prompt.ids, body, token, visitor))

    async def _get(self, name: Literal["card", "status", "vocabulary"]) -> bytes:
        found: bytes = await self.backend.ask("internal_get", name, seconds=GET_SECONDS)
        return found


class ReplicaLines(ReplicaRun):
    """The lines of a text that a replica writes. Where it ends in the middle, the last line says so."""

    def __init__(self, backend: RayBackend, ids: tuple[int, ...], body: bytes, token: str, visitor: Visitor):
        super().__init__(backend, "internal_lines", ids, visitor, body, token, visitor)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        item: Piece | None
        accepted = False
        try:
            while (item := await self._take()) is not None:
                if not (item.first and accepted):  # a second replica accepts it with the same words
                    yield item.line
                    accepted = True
        except ReplicaLost:
            yield problem_line(away("a replica has ended"))
        except Exception as error:
            yield problem_line(error)


def ids_in(arguments: Sequence[object]) -> tuple[int, ...]:
    """The ids in the arguments of a call; () where there are none."""
    found = arguments[0] if arguments else None
    return tuple(found) if isinstance(found, list) and all(type(each) is int for each in found) else ()


def joined(name: str, answers: Sequence[bytes]) -> bytes:
    """What several replicas have together."""
    if name == STORED:
        return next((each for each in answers if each != b"null"), b"null")
    first, *others = [decode(each, list[int]) for each in answers]
    return encode([end for end in first if all(end in other for other in others)])
