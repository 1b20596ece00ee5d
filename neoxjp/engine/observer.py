"""Callbacks for an engine's requests: counters, a log."""

from collections.abc import Sequence

from neoxjp.engine.protocols import TextRequest
from neoxjp.engine.records import Step
from neoxjp.engine.request import Visitor
from neoxjp.errors import NeoxjpError


class Observer:
    """Does nothing; override the callbacks that you need.

    The engine calls it while it holds its lock, so return quickly, raise nothing, and do not call the engine.
    """

    def wrote(self, request: TextRequest, steps: Sequence[Step]) -> None:
        """A forward added these steps to a request."""

    def ended(self, request: TextRequest) -> None:
        """A request ended: `request.finish` says how."""

    def refused(self, visitor: Visitor, error: NeoxjpError) -> None:
        """A request was not accepted: the queue is full, or the engine is shutting down."""
