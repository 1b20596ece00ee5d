"""Between the network and the page: which requests are answered at all, how large they may be, and with which headers.

`guarded_app` is the application that `launch` serves, `guard_mounted` guards a page that is mounted in another application. Both
put a `Gate` in front of everything else. The gate answers 404 to each request that is not in the table of routes.
"""

from neoxjp.serve.calls import PageBlocks
from neoxjp.serve.gate import Gate
from neoxjp.serve.guard import SWITCHES, Guard, allowed_hosts, blocked_paths, guard_mounted, guarded_app, temporary_folder
from neoxjp.serve.headers import security_headers
from neoxjp.serve.routes import Row, table

__all__ = [
    "SWITCHES", "Gate", "Guard", "PageBlocks", "Row", "allowed_hosts", "blocked_paths", "guard_mounted", "guarded_app",
    "security_headers", "table", "temporary_folder",
]  # fmt: skip
