"""The endpoint /replay: run a saved generation again."""

from dataclasses import asdict
from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.replay.records import told
from neoxjp.labs.replay.run import alone, readable
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.stream import stream


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API: /replay."""
    paints = stream(playground)

    @endpoint("replay", at_once=4, needs="model")
    def replay(state: str) -> dict[str, Any]:
        """Run a saved generation again, and say whether the same ids come out.

        Args:
            state: The text of the JSON file that the page or `neoxjp generate --save-state` saved.

        Returns:
            "same", "place" (of the first token that differs, or null), "ids", "text", "differences" (what, field, then, now:
            those that are known, whether or not they are the reason) and "told", the verdict in lines.
        """
        if not isinstance(state, str):
            raise ParameterError(f"state={state!r:.40}: expected the text of a file")
        given = readable(playground, state)
        *_, found = alone(playground, paints, given)
        assert not isinstance(found, int)
        return asdict(found) | {"told": told(given, found)}

    return [replay]
