"""What Gradio keeps of a session: only the state of the page's own components, and nothing of an API call.

Gradio 6.31 keeps each session's last inputs and outputs in memory, for links that we do not serve: 62 MiB for one call of
/tokenize with a long text. It drops the oldest session when there are too many, so that one visitor with many sessions would
take the texts of all others. tests/page_parts/session/test_states.py checks what is overridden.
"""

import ctypes
import sys
from collections import Counter
from copy import copy
from datetime import datetime
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

CLOSED_SECONDS = 600  # that the state of a closed page is kept: its connection may come back
TRIM_SECONDS = 60  # between two times that freed memory is returned to the system
IDLE_SECONDS = 24 * 3600  # the same for a session that was never closed


class PageState(SessionState):
    """The state of one open page: its `gr.State` values, and the components that an event has changed."""

    def __init__(self, blocks: Any) -> None:
        self.blocks_config = copy(blocks.default_config)
        self.config_values: dict[int, Any] = {}
        self.state_data: dict[int, Any] = {}
        self._state_ttl: dict[int, Any] = {}
        self.is_closed = False
        self.STATE_TTL_WHEN_CLOSED = CLOSED_SECONDS

    def __setitem__(self, key: int, value: Any) -> None:
        if isinstance(self.blocks_config.blocks.get(key), gr.State):
            self.state_data[key] = value
        elif not isinstance(value, gr.HTML):  # no handler reads one, and one may hold a file that the browser has saved
            self.blocks_config.blocks[key] = value

    def _update_config(self, key: int) -> None:
        """Nothing: only a link that we do not serve shows these values."""

    def _update_value_in_config(self, key: int, value: Any) -> None:
        """Nothing, as above."""


class NoState(PageState):
    """The state of all calls that have none, such as those of endpoints. It never changes."""

    def __init__(self, blocks: Any) -> None:
        super().__init__(blocks)
        self.blocks_config = blocks.default_config

    def __setitem__(self, key: int, value: Any) -> None:
        """Nothing is kept."""


class SessionStates(StateHolder):
    """The states by session. A session gets one with the first event of its page (`open`), not by being named in a call."""

    addresses: dict[str, str]  # by session
    none: NoState
    trimmed: datetime

    @classmethod
    def adopt(cls, holder: StateHolder, blocks: Any) -> "SessionStates":
        """Make Gradio's own holder, which is empty still, one of these."""
        holder.__class__ = cls
        assert isinstance(holder, cls)
        holder.addresses, holder.none, holder.trimmed = {}, NoState(blocks), datetime.now()
        return holder

    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            return self.none
        return super().__getitem__(session_id)

    def open(self, session_id: str, address: str) -> SessionState:
        """The state of a session, a new one if need be. Where there are too many, the address with the most loses its oldest."""
        if session_id not in self.session_data:
            while len(self.session_data) >= self.capacity:
                largest = Counter(self.addresses.values()).most_common(1)[0][0]
                self.drop(next(session for session in self.session_data if self.addresses[session] == largest))
            self.session_data[session_id] = PageState(self.blocks)
            self.addresses[session_id] = address
        return super().__getitem__(session_id)

    def drop(self, session_id: str) -> None:
        """Forget a session; what its page still runs ends."""
        state = self.session_data.pop(session_id)
        for key, value in state.state_data.items():
            component = state.blocks_config.blocks.get(key)
            if isinstance(component, gr.State):
                component.delete_callback(value)
        del self.time_last_used[session_id], self.addresses[session_id]

    def delete_all_expired_state(self) -> None:
        """Forget the sessions that were closed or unused for long. Gradio calls this every second."""
        now = datetime.now()
        for session_id, state in list(self.session_data.items()):
            seconds = (now - self.time_last_used[session_id]).total_seconds()
            if seconds > (CLOSED_SECONDS if state.is_closed else IDLE_SECONDS):
                self.drop(session_id)
        if (now - self.trimmed).total_seconds() > TRIM_SECONDS:
            self.trimmed = now
            give_back_memory()


def give_back_memory() -> None:
    """Return freed memory to the system. glibc keeps it, so that a page's memory would follow its busiest minute."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
