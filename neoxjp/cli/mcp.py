"""`neoxjp mcp`: the tools for language models on standard input and output, as programs start them themselves."""

from neoxjp.cli.app import check, choice_of, load_mcp
from neoxjp.labs.common.command import Command, ModelOptions


def mcp(model: ModelOptions) -> None:
    """Serve tools for language models (MCP) on standard input and output."""
    package = load_mcp()
    check(model)

    from neoxjp.page_parts.session.playground import Playground

    playground = Playground.create(public=False)
    loading = playground.start(choice_of(model))
    try:
        package.run_stdio(playground)
    finally:  # Python would abort if it ended while another thread computes
        loading.join()
        if playground.loaded is not None and playground.loaded.engine is not None:
            playground.loaded.engine.close()


COMMANDS = (Command("mcp", mcp, "neoxjp mcp --model bundled"),)
