"""One endpoint that takes all sampling options."""

from typing import Any

from neoxjp.page_parts.endpoints import Endpoint, Tool, endpoint
from neoxjp.page_parts.session.playground import Playground


def endpoints(playground: Playground) -> list[Endpoint]:
    @endpoint("extra", needs="vocabulary", tool=Tool("Extra"))
    def extra(text: str, **sampling: Any) -> dict[str, Any]:
        """Return what it was given.

        Args:
            text: A text.
            **sampling: The sampling options.

        Returns:
            All of it.
        """
        return {"text": text, **sampling}

    return [extra]
