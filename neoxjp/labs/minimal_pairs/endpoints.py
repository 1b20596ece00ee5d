"""The endpoint /minimal_pairs."""

import time
from typing import Any

from neoxjp.errors import ParameterError, QueueFull
from neoxjp.labs.minimal_pairs.records import Found
from neoxjp.labs.minimal_pairs.section import INTERVAL, count_in_turn, parse_pairs, record
from neoxjp.labs.minimal_pairs.strings import strings
from neoxjp.page_parts.answers import Run
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.files import uploads
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.stream import scorer

QUEUE_SECONDS = 60  # that a call waits in the queue


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API."""
    scored = scorer(playground)

    @endpoint("minimal_pairs", at_once=2, needs="model")
    def minimal_pairs(text: str) -> dict[str, Any]:
        """Count how often the model finds the good text of a minimal pair more probable, and show the worst pairs.

        Args:
            text: The pairs as JSONL, CSV or TSV with the fields or columns good, bad and, where there are several kinds,
                phenomenon. A public page takes 1,000 pairs of texts of at most 1,000 characters, and ends after two
                minutes.

        Returns:
            "pairs" that were counted of "total"; "all" and "phenomena": in_sum, per_token, equal_length, unequal_length (pairs,
            correct, accuracy, low and high of Wilson's 95 % interval) and ties; "worst": up to ten pairs whose bad text is more
            probable (line, phenomenon, bits, and good and bad, records as /heat_map gives).
        """
        if not isinstance(text, str):
            raise ParameterError(f"text={text!r:.60}: expected a string")
        pairs = parse_pairs(playground, text)
        ticket, address, begun = object(), current_visitor().address, time.monotonic()
        try:
            while uploads.queue.position(ticket, address):
                if time.monotonic() - begun > QUEUE_SECONDS:
                    raise strings.error(QueueFull, "minimal_pairs_busy")
                time.sleep(INTERVAL)
            *_, last = count_in_turn(playground, scored, pairs, ticket, address, Run())
        finally:
            uploads.queue.leave(ticket)
        assert isinstance(last, Found)
        return record(last)

    return [minimal_pairs]
