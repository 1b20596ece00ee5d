"""What others may want to hear of an engine's requests: counters, a log."""

from collections.abc import Sequence

from neoxjp.engine.records import Step
from neoxjp.engine.request import Request, Visitor
from neoxjp.errors import NeoxjpError


class Observer:
    """Does nothing; override what you want to hear of.

    The engine calls it while it holds its lock, so return quickly, raise nothing, and do not call the engine.
    """

    def wrote(self, request: Request, steps: Sequence[Step]) -> None:
        """A forward added these steps to a request."""

    def ended(self, request: Request) -> None:
        """A request ended: `request.finish` says how."""

    def refused(self, visitor: Visitor, error: NeoxjpError) -> None:
        """A request was not accepted: the queue is full, or the engine is shutting down."""
