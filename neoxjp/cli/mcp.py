"""`neoxjp mcp`: the tools for language models on standard input and output, as programs start them themselves."""

from neoxjp.cli.app import check, load_mcp
from neoxjp.labs.common.command import Command, ModelOptions


def mcp(model: ModelOptions) -> None:
    """Serve tools for language models (MCP) on standard input and output."""
    package = load_mcp()
    check(model)

    from neoxjp.page_parts.session import Choice, Playground

    playground = Playground.create(public=False)
    device = model.device or "auto"
    playground.start(Choice(model.model, model.revision, model.dtype, device, model.offline, model.quantization))
    package.run_stdio(playground)


COMMANDS = (Command("mcp", mcp, "neoxjp mcp --model bundled"),)
