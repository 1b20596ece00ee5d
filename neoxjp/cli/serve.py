"""`neoxjp serve`: the model for other programs, through the completions protocol."""

import sys
import threading
from dataclasses import dataclass, field, fields, make_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from neoxjp.cli.app import ProtocolOptions, check, choice_of, load_mcp
from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, ModelOptions, option
from neoxjp.page_parts.caps import Caps

if TYPE_CHECKING:
    from neoxjp.page_parts.session import Playground

SWITCH_SECONDS = 0.0005  # after which a thread gives the interpreter to one that waits
CAPS = ("running", "waiting", "new_tokens", "characters", "running_each", "waiting_each", "tokens_each", "characters_each")
DEFAULTS = {"characters_each": 100_000_000}  # a program sends more than a visitor of the page
ANY_NUMBER = 2**31  # of new tokens: up to the context
HELP = {"new_tokens": "new tokens of one text; 0: up to the context"}


@dataclass(frozen=True)
class ServerOptions:
    """Where the server is."""

    host: Annotated[str, option("Address to listen on; 0.0.0.0: every network.")] = "127.0.0.1"
    port: Annotated[int, option("Port; 0: a free one.", min=0, max=65535)] = 8000
    allowed_host: Annotated[
        list[str],
        option(
            "A name under which the server may be asked for while it listens on this machine only, as behind a proxy.",
            metavar="NAME...",
            show_default="localhost",
        ),
    ] = field(default_factory=list)
    mcp: Annotated[bool, option("Serve tools for language models at /mcp, too.", "--mcp")] = False
    internal: Annotated[
        bool, option("Let pages in other processes use the model (`neoxjp app --engine`); needs --api-key.", "--internal")
    ] = False
    drain_seconds: Annotated[float, option("At SIGTERM, running texts may take so long.", metavar="N")] = 30.0


LimitOptions: Any = make_dataclass(
    "LimitOptions",
    [
        (
            each.name,
            Annotated[int, option(f"{HELP.get(each.name, each.metadata['help'])}.".capitalize())],
            DEFAULTS.get(each.name, each.default),
        )
        for each in fields(Caps)
        if each.name in CAPS
    ],
    frozen=True,
)


def serve(model: ModelOptions, server: ServerOptions, protocol: ProtocolOptions, limits: LimitOptions) -> None:
    """Answer other programs: /v1/completions and more, as OpenAI and vLLM do."""
    from neoxjp.gateway import Operations, log_to_stderr, run_until_stopped, sigterm_event
    from neoxjp.page_parts.session import Playground
    from neoxjp.page_parts.visitors import trust_proxies_of_spaces
    from neoxjp.serve import LocalBackend, access_of, running, server_app

    tools = load_mcp() if server.mcp else None
    internal = load_internal(protocol.api_key) if server.internal else None
    check(model)
    access = access_of(server.host, server.allowed_host, protocol.api_key, protocol.cors)
    trust_proxies_of_spaces()
    sys.setswitchinterval(SWITCH_SECONDS)
    given = {each.name: getattr(limits, each.name) for each in fields(limits)}
    caps = Caps(**given | {"new_tokens": given["new_tokens"] or ANY_NUMBER})
    playground = Playground.create(public=True, caps=caps)
    operations = Operations(playground)
    playground.observer = operations
    asked = sigterm_event()
    rows = tools.mcp_rows(playground) if tools else ()
    rows += internal.internal_rows(internal.Internal(playground)) if internal else ()
    application, _ = server_app(LocalBackend(playground), access, operations, rows=rows)
    with running(application, server.host, server.port) as url:
        log_to_stderr()
        print(f"{url}/v1 serves {model.model}", file=sys.stderr, flush=True)
        stop_if_failed(playground, playground.start(choice_of(model)), asked)
        run_until_stopped(lambda: None, operations, asked, server.drain_seconds)
    if playground.progress.error is not None:
        raise playground.progress.error


def load_internal(key: str | None) -> Any:
    """The module with the internal endpoints. Raises ParameterError: there is no API key."""
    if not key:
        raise ParameterError("--internal needs --api-key KEY: whoever knows it may use the model as a page does")
    return import_module("neoxjp.serve.internal")


def stop_if_failed(playground: "Playground", loading: threading.Thread, asked: threading.Event) -> None:
    """Ask the server to stop once the model could not be loaded."""

    def watch() -> None:
        loading.join()
        if playground.progress.state == "failed":
            asked.set()

    threading.Thread(target=watch, name="neoxjp-loading", daemon=True).start()


COMMANDS = (Command("serve", serve, "neoxjp serve --model bundled --port 8000"),)
