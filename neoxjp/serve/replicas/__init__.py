"""Several engines behind one server: replicas of the model on Ray Serve, on this machine or on a cluster.

    backend = RayBackend(choice, caps, ReplicaSettings.parse("2"))
    app, rows = server_app(backend, access, Operations(backend))
    with running(app, port=8000) as url, backend.started():
        ...

The process of the server has the gate, the routes and the tokenizer (backend.py). A replica is a process with an engine
(replica.py); it is called with the ids of a prompt, and the router (router.py) sends them to the replica that has computed the
prompt's beginning. Ray's own HTTP proxies do not run. Needs ray (pip install "neoxjp[ray]"), imported at the first use.
"""

from neoxjp.serve.replicas.backend import RayBackend
from neoxjp.serve.replicas.settings import ReplicaSettings

__all__ = ["RayBackend", "ReplicaSettings"]
