"""Ray and Ray Serve: start or reach them, deploy the replicas, and end what was started here."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from neoxjp.engine import cpu_quota
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.hub import local_folder, resolve_model
from neoxjp.model import cpu_dtype, default_cache_dtype, free_memory, needed_bytes, parse_cache_dtype
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import PROGRAM_BYTES, Choice
from neoxjp.quantization import parse_quantization
from neoxjp.serve.backend import ModelCard
from neoxjp.serve.local import names_of
from neoxjp.serve.replicas.replica import Replica, ReplicaState
from neoxjp.serve.replicas.settings import Machine, ReplicaSettings, Share, share_machines
from neoxjp.weights import parse_dtype

if TYPE_CHECKING:
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

APPLICATION = "neoxjp"  # its name in Ray Serve
LOCAL = {  # for a Ray of our own: this machine only, with a token, no reports
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listen on 127.0.0.1, as on macOS and Windows by default
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
}
STORE_BYTES = 100_000_000  # Ray's store of objects; messages of this layer are small and do not go through it
RAY_BYTES = 800 * 2**20  # Ray's own processes
MISSING = 'this needs the package ray: pip install "neoxjp[ray]"'
UNBOUNDED = 1_000_000  # requests that Serve sends to a replica: the engine itself refuses what is too much
TARGET = 0.75  # of the texts that run at once: more make autoscaling add a replica
HEALTH_SECONDS, HEALTH_TIMEOUT = 2.0, 10.0
STOP_SECONDS = 20.0
CONNECT_SECONDS = 5.0


class Cluster:
    """The replicas of one server."""

    def __init__(self, choice: Choice, caps: Caps, settings: ReplicaSettings):
        """Start Ray, or connect to it.

        Raises:
            ParameterError: ray is not installed, no cluster answers, or the replicas do not fit on this machine.
        """
        if settings.address is None or settings.address.startswith("127.0.0.1:"):  # that of another server
            for name, value in LOCAL.items():
                os.environ.setdefault(name, value)
        self.ray, self.serve = import_ray()
        self.choice, self.caps, self.settings = choice, caps, settings
        self._handle: Any = None
        self._deployed = False
        self._local = settings.address is None
        if self._local and local_folder(choice.name) is not None:  # else once the model has been downloaded
            self._share([this_machine()])
        self._connect()

    def load_tokenizer(self) -> "GPTNeoXJapaneseTokenizer":
        from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

        where: dict[str, Any] = {"revision": self.choice.revision, "local_files_only": self.choice.offline}
        return GPTNeoXJapaneseTokenizer.from_pretrained(self.choice.name, **where)

    def start(self) -> tuple[Any, ModelCard]:
        """The handle of the deployment, once all replicas have loaded the model.

        Raises:
            ParameterError: the replicas do not fit, or there are none to join.
            NeoxjpError: a replica cannot load the model.
        """
        if self.settings.join:
            self._handle = self._running()
        else:
            self._deploy(self._share([this_machine()] if self._local else self._machines()))
        cards = self._handle.broadcast("card").results()
        for card in cards:
            if isinstance(card, NeoxjpError):
                raise card
        if not cards:
            raise NeoxjpError("no replica answers: see `serve status`")
        if self.settings.join and names_of(self.choice)[0] != cards[0].id:
            raise ParameterError(
                f"the replicas serve {cards[0].id!r}, and this server was asked for {self.choice.name!r}, whose vocabulary it "
                "would use: give --model as the server that has started them"
            )
        return self._handle, cards[0]

    @property
    def address(self) -> str:
        """Of Ray, for servers that join."""
        return str(self.ray.get_runtime_context().gcs_address)

    def states(self, seconds: float) -> list[ReplicaState]:
        """What each replica that answers does."""
        found = self._handle.broadcast("state").results(timeout_s=seconds, return_exceptions=True)
        return [each for each in found if isinstance(each, ReplicaState)]

    def stop(self) -> None:
        """End the replicas that were started here, and Ray if it was."""
        if not self._local and self._deployed:
            stopping = threading.Thread(target=self._delete, daemon=True)
            stopping.start()
            stopping.join(STOP_SECONDS)
        self.ray.shutdown()  # ends a Ray that was started here with all its processes

    def _delete(self) -> None:
        with suppress(Exception):
            self.serve.delete(APPLICATION)

    def _share(self, machines: Sequence[Machine]) -> Share:
        choice = self.choice
        folder = resolve_model(choice.name, revision=choice.revision, local_files_only=choice.offline)
        dtype = cpu_dtype(folder) if choice.dtype == "auto" else parse_dtype(choice.dtype)
        quantization = parse_quantization(choice.quantization)
        stored = parse_cache_dtype(choice.cache_dtype) or default_cache_dtype(dtype, quantization, choice.device)
        needed = PROGRAM_BYTES + needed_bytes(folder, dtype, quantization, stored)
        return share_machines(machines, self.settings, needed, choice.name)

    def _connect(self) -> None:
        """Raises ParameterError where Ray cannot be started or reached."""
        address = self.settings.address
        where: dict[str, Any] = {"address": address}
        if address is None:
            where = {"num_cpus": this_machine().cores, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        else:
            _check_answers(address)
        for left in (1, 0):  # on a busy machine Ray's server may need longer than the time for which Ray waits
            try:
                with _signals_kept():
                    self.ray.init(**where, logging_level="error", log_to_driver=False)
                return
            except Exception as error:
                self.ray.shutdown()
                if address is not None:
                    raise ParameterError(
                        f"--address {address!r}: no Ray cluster answers there ({_first_line(error)}). "
                        "`ray start --head` starts one"
                    ) from error
                if not left:
                    raise ParameterError(f"Ray does not start on this machine: {_first_line(error)}") from error

    def _machines(self) -> list[Machine]:
        """What the cluster has."""
        nodes = [node for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if not nodes:
            raise ParameterError(f"--address {self.settings.address!r}: no machine of the cluster has cores for replicas")
        return [Machine(node["NodeName"], node["Resources"]["CPU"], int(node["Resources"].get("memory", 0))) for node in nodes]

    def _running(self) -> Any:
        """The handle of the replicas of another server. Raises ParameterError: there are none."""
        found = self.serve.status().applications.get(APPLICATION)
        if found is None:
            raise ParameterError("--join: no server has replicas on this cluster; start one without --join first")
        return self.serve.get_app_handle(APPLICATION)

    def _deploy(self, share: Share) -> None:
        settings, local = self.settings, self._local
        if not local and APPLICATION in self.serve.status().applications:
            raise ParameterError("another server has replicas on this cluster: use them with --join, or end that server first")
        actor: dict[str, Any] = {"num_cpus": share.cores}
        if not local:
            actor["memory"] = share.memory
        number: dict[str, Any] = {"num_replicas": settings.most}
        if settings.autoscaling:
            number = {
                "autoscaling_config": {
                    "min_replicas": settings.least,
                    "max_replicas": settings.most,
                    "target_ongoing_requests": TARGET * (self.caps.running or 8),
                    "upscale_delay_s": 5.0,
                    "downscale_delay_s": 60.0,
                    "metrics_interval_s": 1.0,
                    "look_back_period_s": 5.0,
                }
            }
        deployment = self.serve.deployment(Replica).options(
            ray_actor_options=actor,
            max_ongoing_requests=UNBOUNDED,
            health_check_period_s=HEALTH_SECONDS,
            health_check_timeout_s=HEALTH_TIMEOUT,
            graceful_shutdown_wait_loop_s=0.5,
            graceful_shutdown_timeout_s=30.0,
            logging_config={"log_level": "WARNING", "enable_access_log": False},
            request_router_config={
                "request_router_class": "neoxjp.serve.replicas.router:PrefixRequestRouter",
            },
            **number,
        )
        self.serve.start(proxy_location="Disabled")
        self._deployed = True
        application = deployment.bind(self.choice, self.caps, share.threads, share.memory, local)
        self._handle = self.serve.run(application, name=APPLICATION, route_prefix=None)


def import_ray() -> tuple[Any, Any]:
    """The modules ray and ray.serve. Raises ParameterError: ray is not installed."""
    try:
        import ray
        from ray import serve
    except ModuleNotFoundError as error:
        raise ParameterError(MISSING) from error
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    return ray, serve


def this_machine() -> Machine:
    """What this machine has for replicas, Ray's own processes and the server subtracted."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine("", float(min(cores, cpu_quota() or cores)), max(0, free_memory("cpu") - RAY_BYTES - PROGRAM_BYTES))


def _check_answers(address: str) -> None:
    """Raises ParameterError: nobody listens at host:port. Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if port.isdecimal() and host and "//" not in host:
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise ParameterError(
                f"--address {address!r}: no Ray cluster answers there ({error}). `ray start --head` starts one"
            ) from error


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep our handlers of signals: Ray installs one of its own for SIGTERM, which ends the process at once."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for each, handler in handlers.items():
                signal.signal(each, handler)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]
