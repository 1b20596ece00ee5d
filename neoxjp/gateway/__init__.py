"""Between the network and the page: which requests are answered at all, how large they may be, and with which headers.

`guarded_app` is the application that `launch` serves, `guard_mounted` guards a page that is mounted in another application. Both
put a `Gate` in front of everything else. The gate answers 404 to each request that is not in the table of routes. `Operations`
has the health, the metrics and the log of a page, `run_until_stopped` ends it without losing what runs.
"""

from neoxjp.gateway.calls import PageBlocks
from neoxjp.gateway.gate import Gate
from neoxjp.gateway.guard import SWITCHES, Guard, allowed_hosts, blocked_paths, guard_mounted, guarded_app, temporary_folder
from neoxjp.gateway.headers import security_headers
from neoxjp.gateway.operations import Operations, log_to_stderr
from neoxjp.gateway.passwords import password_check
from neoxjp.gateway.routes import OURS, Row, table
from neoxjp.gateway.shutdown import DRAIN_SECONDS, run_until_stopped, sigterm_event

__all__ = [
    "DRAIN_SECONDS", "OURS", "SWITCHES", "Gate", "Guard", "Operations", "PageBlocks", "Row", "allowed_hosts", "blocked_paths",
    "guard_mounted", "guarded_app", "log_to_stderr", "password_check", "run_until_stopped", "security_headers", "sigterm_event",
    "table", "temporary_folder",
]  # fmt: skip
