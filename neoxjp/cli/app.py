"""`neoxjp app`: open the page. A model that can be known to be wrong at once is refused here; a Hub id loads beside the page."""

import os
import re
from dataclasses import asdict, dataclass, field, fields, make_dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, ModelOptions, option
from neoxjp.page_parts.caps import Caps

if TYPE_CHECKING:
    from neoxjp.page_parts.session import Choice


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
    mcp: Annotated[bool, option("Serve tools for language models at /mcp, too.", "--mcp")] = False
    drain_seconds: Annotated[float, option("At SIGTERM, running texts may take so long.", metavar="N")] = 30.0


CapOptions: Any = make_dataclass(
    "CapOptions",
    [(each.name, Annotated[int, option(f"With --public: {each.metadata['help']}.")], each.default) for each in fields(Caps)],
    frozen=True,
)


def app(model: ModelOptions, page: PageOptions, caps: CapOptions) -> None:
    """Open the page, on http://127.0.0.1:7860."""
    tools = load_mcp() if page.mcp else None
    check(model)

    from neoxjp.gateway import Operations, log_to_stderr, password_check, run_until_stopped, sigterm_event
    from neoxjp.page_parts.session import Playground
    from neoxjp.page_parts.visitors import trust_proxies_of_spaces
    from neoxjp.ui.page import build, launch, stop

    trust_proxies_of_spaces()
    auth = password_check(page.auth_file) if page.auth_file else None
    public = page.public or page.share or bool(os.environ.get("SPACE_ID"))
    playground = Playground.create(public=public, caps=Caps(**asdict(caps)))
    asked = sigterm_event()
    operations = Operations(playground)
    playground.observer = operations
    if playground.public:
        log_to_stderr()
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
        prevent_thread_lock=True,
    )
    run_until_stopped(lambda: stop(blocks), operations, asked, page.drain_seconds)


def choice_of(model: ModelOptions) -> "Choice":
    """What to load, from the options of the command line."""
    from neoxjp.page_parts.session import Choice

    return Choice(model.model, model.revision, model.dtype, model.device or "auto", model.offline, model.quantization)


def check(model: ModelOptions) -> None:
    """Raises NeoxjpError for a folder without a model, and for names of formats and devices that do not exist."""
    import torch

    from neoxjp.hub import local_folder, resolve_model
    from neoxjp.model import GPTNeoXJapaneseConfig
    from neoxjp.quantization import parse_quantization
    from neoxjp.weights import parse_dtype

    parse_dtype(model.dtype)
    parse_quantization(model.quantization)
    if local_folder(model.model) is not None:
        GPTNeoXJapaneseConfig.from_folder(resolve_model(model.model))
    if model.device not in (None, "auto"):
        known = re.fullmatch(r"cpu|cuda(:\d+)?|mps", model.device or "")
        if not known:
            raise ParameterError(f"--device {model.device!r}: choose auto, cpu, cuda or cuda:1")
        if (model.device or "").startswith("cuda") and not torch.cuda.is_available():
            raise ParameterError(f"--device {model.device}: this machine has no CUDA device")


def load_mcp() -> Any:
    """The package `neoxjp.mcp`. Raises ParameterError where its library is missing."""
    if find_spec("mcp_types") is None:  # version 1 of the package mcp has no such module
        raise ParameterError("MCP needs the package mcp, version 2, which is not installed: pip install 'neoxjp[mcp]'")
    return import_module("neoxjp.mcp")


COMMANDS = (Command("app", app, "neoxjp app --model bundled"),)
