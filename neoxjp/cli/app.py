"""`neoxjp app`: open the page. A model that can be known to be wrong at once is refused here; a Hub id loads beside the page."""

import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, fields, make_dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from neoxjp.cli.engine_process import EngineProcess
from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, ModelOptions, option
from neoxjp.page_parts.session.caps import Caps

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from neoxjp.gateway import Operations
    from neoxjp.page_parts.session.playground import Choice, Playground
    from neoxjp.serve import Access

ENGINE_CAPS = ("running", "waiting", "running_each", "waiting_each", "tokens_each")  # that the engine of a page keeps, too


@dataclass(frozen=True)
class PageOptions:
    """Where the page is, and for whom."""

    host: Annotated[str | None, option("Address to listen on; 0.0.0.0: every network.", show_default="this machine only")] = None
    server_port: Annotated[int | None, option("Port.", show_default="the first free one from 7860")] = None
    share: Annotated[bool, option("Open a public gradio.live tunnel; implies --public.", "--share")] = False
    public: Annotated[bool, option("Visitors cannot load models or name paths, and are bounded.", "--public")] = False
    allowed_host: Annotated[
        list[str],
        option(
            "A name under which the page may be asked for while it listens on this machine only, as behind a proxy.",
            metavar="NAME...",
            show_default="localhost",
        ),
    ] = field(default_factory=list)
    auth_file: Annotated[
        Path | None,
        option("Ask for a name and a password: a file that `htpasswd -B` wrote.", metavar="FILE", show_default="nobody"),
    ] = None
    engine: Annotated[
        str | None,
        option(
            "Use the model of `neoxjp serve --internal` at this address, not --model.",
            metavar="URL",
            show_default="none",
        ),
    ] = None
    engine_process: Annotated[
        bool,
        option(
            "Run the model in a process of its own: many visitors then wait less.",
            "--engine-process",
            envvar="NEOXJP_ENGINE_PROCESS",
        ),
    ] = False
    engine_key: Annotated[
        str | None,
        option("The API key of that server.", envvar="NEOXJP_API_KEY", show_envvar=True, metavar="KEY", show_default="none"),
    ] = None
    mcp: Annotated[bool, option("Serve tools for language models at /mcp, too.", "--mcp")] = False
    serve: Annotated[bool, option("Answer other programs too, as `neoxjp serve` does.", "--serve")] = False
    drain_seconds: Annotated[float, option("At SIGTERM, running texts may take so long.", metavar="N")] = 30.0


@dataclass(frozen=True)
class ProtocolOptions:
    """Who may use the protocol."""

    api_key: Annotated[
        str | None,
        option(
            "Ask for this key, as `Authorization: Bearer KEY`.", envvar="NEOXJP_API_KEY", show_envvar=True, show_default="nobody"
        ),
    ] = None
    cors: Annotated[
        list[str],
        option("Pages of this origin may call from a browser; * is all.", metavar="ORIGIN...", show_default="none"),
    ] = field(default_factory=list)


CapOptions: Any = make_dataclass(
    "CapOptions",
    [(each.name, Annotated[int, option(f"With --public: {each.metadata['help']}.")], each.default) for each in fields(Caps)],
    frozen=True,
)


def app(model: ModelOptions, page: PageOptions, protocol: ProtocolOptions, caps: CapOptions) -> None:
    """Open the page, on http://127.0.0.1:7860."""
    access = access_of_page(page, protocol)
    tools = load_mcp() if page.mcp else None
    if page.engine is None:
        check(model)
    elif page.engine_process:
        raise ParameterError("--engine-process starts an engine of its own: leave --engine out, or use only that")

    from neoxjp.gateway import Operations, log_to_stderr, password_check, run_until_stopped, sigterm_event
    from neoxjp.page_parts.remote.watch import Watch
    from neoxjp.page_parts.session.playground import Playground
    from neoxjp.page_parts.session.visitors import trust_proxies_of_spaces
    from neoxjp.page_parts.session.zerogpu import on_zerogpu
    from neoxjp.ui.page import build, launch, stop

    if page.engine_process and on_zerogpu():
        raise ParameterError("--engine-process: ZeroGPU gives its GPU to the page's own process only; leave it out")
    trust_proxies_of_spaces()
    auth = password_check(page.auth_file) if page.auth_file else None
    public = page.public or page.share or bool(os.environ.get("SPACE_ID"))
    playground = Playground.create(public=public, caps=Caps(**asdict(caps)))
    asked = sigterm_event()
    operations = Operations(playground)
    playground.observer = operations
    if playground.public:
        log_to_stderr()
    with ExitStack() as ending:
        if page.engine_process:
            engine = ending.enter_context(EngineProcess(engine_options(model, caps if public else None)))
            Watch(playground, engine.url, engine.key).start()
        elif page.engine is not None:
            Watch(playground, page.engine, page.engine_key or "").start()
        else:
            playground.start(choice_of(model))
        blocks = build(playground)
        launch(
            blocks,
            host=page.host,
            port=page.server_port,
            share=page.share,
            names=page.allowed_host,
            operations=operations,
            auth=auth,
            rows=tools.mcp_rows(playground) if tools else (),
            around=around_page(playground, operations, access) if access else None,
            prevent_thread_lock=True,
        )
        run_until_stopped(lambda: stop(blocks), operations, asked, page.drain_seconds)


def engine_options(model: ModelOptions, caps: Any) -> list[str]:
    """The options of `neoxjp serve` for the model of this page. caps: of a public page; None: no limits but the server's own."""
    given = {each.name: getattr(model, each.name) for each in fields(model)}
    if caps is not None:
        given |= {name: getattr(caps, name) for name in ENGINE_CAPS}
    options = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is True]
    for name, value in given.items():
        if value is not None and type(value) is not bool:
            options += [f"--{name.replace('_', '-')}", str(value)]
    return options


def access_of_page(page: PageOptions, protocol: ProtocolOptions) -> "Access | None":
    """Who may use the routes for other programs; None: the page has none.

    Raises ParameterError: options of the protocol without it, or a page with passwords beside open routes.
    """
    if not page.serve:
        if protocol.cors:
            raise ParameterError("--cors is for the routes of --serve: add --serve")
        if protocol.api_key and protocol.api_key != os.environ.get("NEOXJP_API_KEY"):
            raise ParameterError("--api-key protects the routes of --serve only: add --serve; for the page there is --auth-file")
        return None
    if page.engine is not None or page.engine_process:
        raise ParameterError("--serve beside --engine: the server at --engine answers other programs itself; leave --serve out")
    if page.auth_file and protocol.api_key is None:
        raise ParameterError("--serve beside --auth-file needs --api-key: else its routes would be open to all")

    from neoxjp.gateway import allowed_hosts
    from neoxjp.serve import Access

    hosts = None if page.share else allowed_hosts(page.host, page.allowed_host)
    return Access(protocol.api_key, tuple(protocol.cors), hosts)


def around_page(playground: "Playground", operations: "Operations", access: "Access") -> "Callable[[ASGIApp], ASGIApp]":
    """From the guarded page to the page with the routes for other programs beside it, over the same model."""
    from neoxjp.serve import Beside, LocalBackend, server_app

    application, rows = server_app(LocalBackend(playground), access, operations, beside_page=True)
    return lambda guarded: Beside(application, rows, guarded)


def choice_of(model: ModelOptions) -> "Choice":
    """What to load, from the options of the command line."""
    from neoxjp.page_parts.session.playground import Choice

    return Choice(
        model.model,
        model.revision,
        model.dtype,
        model.device or "auto",
        model.offline,
        model.quantization,
        model.cache_dtype,
    )


def check(model: ModelOptions) -> None:
    """Raises NeoxjpError for a folder without a model, and for names of formats and devices that do not exist."""
    import torch

    from neoxjp.hub import local_folder, resolve_model
    from neoxjp.model import GPTNeoXJapaneseConfig, parse_cache_dtype
    from neoxjp.quantization import parse_quantization
    from neoxjp.weights import parse_dtype

    parse_dtype(model.dtype)
    parse_quantization(model.quantization)
    parse_cache_dtype(model.cache_dtype)
    if local_folder(model.model) is not None:
        GPTNeoXJapaneseConfig.from_folder(resolve_model(model.model))
    if model.device not in (None, "auto"):
        known = re.fullmatch(r"cpu|cuda(:\d+)?|mps", model.device or "")
        if not known:
            raise ParameterError(f"--device {model.device!r}: choose auto, cpu, cuda or cuda:1")
        if (model.device or "").startswith("cuda") and not torch.cuda.is_available():
            raise ParameterError(f"--device {model.device}: this machine has no CUDA device")


def load_mcp() -> Any:
    """The package `neoxjp.ui.mcp`. Raises ParameterError where its library is missing."""
    if find_spec("mcp_types") is None:  # version 1 of the package mcp has no such module
        raise ParameterError("MCP needs the package mcp, version 2, which is not installed: pip install 'neoxjp[mcp]'")
    return import_module("neoxjp.ui.mcp")


COMMANDS = (Command("app", app, "neoxjp app --model bundled"),)
