"""The endpoint /replay: run a saved generation again."""

from dataclasses import asdict
from typing import Any

from neoxjp.errors import ParameterError
from neoxjp.labs.replay.records import report
from neoxjp.labs.replay.section import parse_state, rerun_alone
from neoxjp.page_parts.endpoints import Endpoint, endpoint
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.text.stream import stream


def endpoints(playground: Playground) -> list[Endpoint]:
    """The section's action as API: /replay."""
    streamer = stream(playground)

    @endpoint("replay", at_once=4, needs="model")
    def replay(state: str) -> dict[str, Any]:
        """Run a saved generation again, and compare the ids.

        Args:
            state: The text of the JSON file that the page or `neoxjp generate --save-state` saved.

        Returns:
            same, first_difference (index of the first id that differs, or null), ids, text, differences (group, field, saved,
            current: recorded settings that differ, whether or not they are the reason) and report, the result in lines.
        """
        if not isinstance(state, str):
            raise ParameterError(f"state={state!r:.40}: expected the text of a file")
        saved = parse_state(playground, state)
        *_, found = rerun_alone(playground, streamer, saved)
        assert not isinstance(found, int)
        return asdict(found) | {"report": report(saved, found)}

    return [replay]
