"""The endpoints as tools for language models, by the Model Context Protocol (MCP), with its official SDK.

`mcp_rows` is the route /mcp of a web server, `run_stdio` a server on standard input and output, for programs that start it
themselves. Both serve the endpoints that are declared with `tool=`. The optional package `mcp` is needed only here.
"""

from neoxjp.ui.mcp.server import PATH, mcp_rows, mcp_server, run_stdio

__all__ = ["PATH", "mcp_rows", "mcp_server", "run_stdio"]
