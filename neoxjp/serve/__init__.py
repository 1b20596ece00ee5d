"""A model for other programs: the completions protocol of OpenAI and vLLM over one engine, or over something else that has one.

    access = Access()
    app, rows = server_app(LocalBackend(playground), access, Operations(playground))
    with running(app, port=8000) as url:
        ...

`build_app` makes the routes over a `Backend`; `LocalBackend` is the model of this process, `RayBackend` has replicas of it in
other processes. A backend gets `Job`s and gives `Part`s, which are plain records. No Gradio.
"""

from neoxjp.serve.app import ROWS, build_app
from neoxjp.serve.backend import Backend, Job, ModelCard, Part, Run
from neoxjp.serve.errors import Fault, ProtocolError, fault_of
from neoxjp.serve.fields import CompletionRequest
from neoxjp.serve.local import LocalBackend
from neoxjp.serve.replicas import RayBackend, ReplicaSettings
from neoxjp.serve.server import Access, Beside, access_of, running, server_app

__all__ = [
    "ROWS",
    "Access",
    "Backend",
    "Beside",
    "CompletionRequest",
    "Fault",
    "Job",
    "LocalBackend",
    "ModelCard",
    "Part",
    "ProtocolError",
    "RayBackend",
    "ReplicaSettings",
    "Run",
    "access_of",
    "build_app",
    "fault_of",
    "running",
    "server_app",
]
