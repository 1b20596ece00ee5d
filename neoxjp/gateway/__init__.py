"""Between the network and the page: which requests are answered at all, how large they may be, and with which headers.

`guarded_app` is the application that `launch` serves, `guard_mounted` guards a page that is mounted in another application. Both
put a `Gate` in front of everything else. The gate answers 404 to each request that is not in the table of routes. `Operations`
has the health, the metrics and the log of a server, `run_until_stopped` ends it without losing what runs.

The gate, the operations and the shutdown know no Gradio; the names for the page load it at their first use.
"""

from typing import TYPE_CHECKING

from neoxjp import lazy_names
from neoxjp.gateway.bodies import JSON_BYTES, SMALL_BYTES, Refused
from neoxjp.gateway.faults import expected
from neoxjp.gateway.gate import Gate, allowed_hosts
from neoxjp.gateway.headers import security_headers
from neoxjp.gateway.operations import Operations, Served, log_to_stderr
from neoxjp.gateway.patience import SEND_SECONDS, Patience
from neoxjp.gateway.routes import Row
from neoxjp.gateway.shutdown import DRAIN_SECONDS, drain, run_until_stopped, sigterm_event

if TYPE_CHECKING:
    from neoxjp.gateway.calls import PageBlocks
    from neoxjp.gateway.guard import SWITCHES, Guard, blocked_paths, guard_mounted, guarded_app, temporary_folder
    from neoxjp.gateway.page_routes import OURS, table
    from neoxjp.gateway.passwords import password_check
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "calls": ("PageBlocks",),
            "guard": ("SWITCHES", "Guard", "blocked_paths", "guard_mounted", "guarded_app", "temporary_folder"),
            "page_routes": ("OURS", "table"),
            "passwords": ("password_check",),
        },
    )

__all__ = [
    "DRAIN_SECONDS", "JSON_BYTES", "OURS", "SEND_SECONDS", "SMALL_BYTES", "SWITCHES", "Gate", "Guard", "Operations", "PageBlocks",
    "Patience", "Refused", "Row", "Served", "allowed_hosts", "blocked_paths", "drain", "expected", "guard_mounted", "guarded_app",
    "log_to_stderr", "password_check", "run_until_stopped", "security_headers", "sigterm_event", "table", "temporary_folder",
]  # fmt: skip
