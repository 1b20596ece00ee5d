"""`neoxjp serve`: the model for other programs, through the completions protocol."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, fields, make_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from neoxjp.cli.app import ProtocolOptions, check, choice_of, load_mcp
from neoxjp.cli.engine_process import end_with_input, is_engine_process
from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, ModelOptions, option
from neoxjp.page_parts.session.caps import Caps

if TYPE_CHECKING:
    from neoxjp.page_parts.session.playground import Playground
    from neoxjp.serve import RayBackend, ReplicaSettings

SWITCH_SECONDS = 0.0005  # after which a thread gives the interpreter to one that waits
RETRY_SECONDS = 60.0  # after which the model of a page is loaded again where that failed: the Hub may be back
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


@dataclass(frozen=True)
class ReplicaOptions:
    """Several engines behind this server, on Ray Serve."""

    replicas: Annotated[
        str | None,
        option(
            "So many engines, each in a process of its own; 1:4: from one to four, by the load.",
            metavar="N|MIN:MAX",
            show_default="one engine in this process",
        ),
    ] = None
    cores: Annotated[float | None, option("With --replicas: cores of each.", metavar="N", show_default="an equal share")] = None
    address: Annotated[
        str | None,
        option(
            "Run the replicas on this Ray cluster (auto: the one that this machine is part of).",
            show_default="start Ray on this machine",
        ),
    ] = None
    join: Annotated[bool, option("With --address: use the replicas that another server has started there.", "--join")] = False

    @property
    def settings(self) -> "ReplicaSettings | None":
        """None: one engine in this process. Raises ParameterError."""
        from neoxjp.serve import ReplicaSettings

        if self.join and (self.replicas is not None or self.cores is not None):
            raise ParameterError("--join uses replicas that run already: leave --replicas and --cores out")
        if self.replicas is None and self.address is None and not self.join:
            if self.cores is not None:
                raise ParameterError("--cores are those of each replica: add --replicas")
            return None
        return ReplicaSettings.parse("1" if self.replicas is None else self.replicas, self.cores, self.address, self.join)


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


def serve(
    model: ModelOptions, server: ServerOptions, replicas: ReplicaOptions, protocol: ProtocolOptions, limits: LimitOptions
) -> None:
    """Answer other programs: /v1/completions and more, as OpenAI and vLLM do."""
    from neoxjp.gateway import Operations, log_to_stderr, run_until_stopped, sigterm_event
    from neoxjp.page_parts.session.playground import Playground
    from neoxjp.page_parts.session.visitors import trust_proxies_of_spaces
    from neoxjp.serve import LocalBackend, RayBackend, access_of, running, server_app

    settings = replicas.settings
    if settings is not None and server.mcp:
        raise ParameterError("--mcp needs the model in this process: leave out --replicas and --address")
    tools = load_mcp() if server.mcp else None
    internal = load_internal(protocol.api_key) if server.internal else None
    check(model)
    access = access_of(server.host, server.allowed_host, protocol.api_key, protocol.cors)
    trust_proxies_of_spaces()
    sys.setswitchinterval(SWITCH_SECONDS)
    given = {each.name: getattr(limits, each.name) for each in fields(limits)}
    caps = Caps(**given | {"new_tokens": given["new_tokens"] or ANY_NUMBER})
    asked = sigterm_event()
    end_with_input(asked)
    if settings is None:
        playground = Playground.create(public=True, caps=caps)
        served: Playground | RayBackend = playground
        backend: LocalBackend | RayBackend = LocalBackend(playground)
        rows = tools.mcp_rows(playground) if tools else ()
        rows += internal.internal_rows(internal.Internal(playground)) if internal else ()
        loading: AbstractContextManager[threading.Thread] = once(lambda: playground.start(choice_of(model)))
    else:
        served = backend = RayBackend(choice_of(model), caps, settings)
        rows, loading = (), backend.started()
        if internal:
            rows = internal.internal_rows(import_module("neoxjp.serve.replicas.internal").InternalReplicas(backend))
    operations = Operations(served)
    served.observer = operations
    if isinstance(backend, RayBackend):
        operations.registry.register(backend)
    application, _ = server_app(backend, access, operations, rows=rows)
    with running(application, server.host, server.port) as url, loading as thread:
        log_to_stderr()
        print(f"{url}/v1 serves {model.model}", file=sys.stderr, flush=True)
        again = (lambda: playground.start(choice_of(model))) if settings is None and is_engine_process() else None
        watch_loading(served, thread, asked, again)
        run_until_stopped(lambda: None, operations, asked, server.drain_seconds)
    if served.progress.error is not None:
        raise served.progress.error


def load_internal(key: str | None) -> Any:
    """The module with the internal endpoints. Raises ParameterError: there is no API key."""
    if not key:
        raise ParameterError("--internal needs --api-key KEY: whoever knows it may use the model as a page does")
    return import_module("neoxjp.serve.internal")


@contextmanager
def once(start: Callable[[], threading.Thread]) -> Iterator[threading.Thread]:
    """What nobody has to end."""
    yield start()


def watch_loading(
    served: "Playground | RayBackend",
    loading: threading.Thread,
    asked: threading.Event,
    again: Callable[[], threading.Thread] | None = None,
) -> None:
    """Ask the server to stop once the model could not be loaded; with `again` load it again after a while instead.

    The process of a page's model stays, so that the page can say why there is no model.
    """

    def watch() -> None:
        loading.join()
        while served.progress.state == "failed":
            if again is None:
                asked.set()
            if asked.wait(RETRY_SECONDS) or again is None:
                return
            again().join()

    threading.Thread(target=watch, name="neoxjp-loading", daemon=True).start()


COMMANDS = (Command("serve", serve, "neoxjp serve --model bundled --port 8000"),)
