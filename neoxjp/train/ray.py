"""A corpus of any size, tokenized on Ray: one machine with many cores, or a cluster.

Ray Data gives the shards of `neoxjp.train.shards` to actors, each of which loads the vocabulary once, reads the texts and writes
the shard itself: only records travel. Needs ray (pip install "neoxjp[ray]"), imported at the first call. On a cluster the texts
and the folder of shards are on a file system that all machines see, and neoxjp is installed on all of them.
"""

import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from neoxjp.errors import CheckpointError, NeoxjpError, ParameterError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.shards import Outcome, Shard, ShardSettings, Unit, tokenize_files, write_shard

LOCAL = {  # for a Ray of our own: this machine only, no reports, no log of its actors' start
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # listen on 127.0.0.1, as on macOS and Windows by default
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
START = "`ray start --head` starts a cluster"
STORE_BYTES = 100_000_000  # Ray's store of objects, which holds only records here


def tokenize(
    files: Iterable[str | Path],
    out: str | Path,
    tokenizer: GPTNeoXJapaneseTokenizer,
    settings: ShardSettings | None = None,
    *,
    workers: int | None = None,
    address: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Tokenize files into a folder of shards; the same call continues a run that was stopped, even by SIGKILL.

    Args:
        files: .txt, .jsonl, .csv (also .xz, .gz), .parquet, or folders with them.
        workers: actors, of one core each; None: the cores that Ray has.
        address: of a running cluster ("auto": the one of this machine); None: Ray is started here and stopped at the end, unless
            the caller has started it.
        progress: gets the numbers of finished and of all shards.

    Raises:
        ParameterError: as `tokenize_files`; ray is not installed or there is no cluster at the address.
    """
    if workers is not None and workers < 1:
        raise ParameterError(f"workers={workers!r} must be at least 1")

    times: list[float] = []  # when a worker began and finished each shard

    def execute(units: Sequence[Unit], folder: Path, settings: ShardSettings) -> Iterator[Shard]:
        if units:
            with _started(address, workers):
                yield from _run(units, folder, settings, workers, times)

    done = tokenize_files(files, Path(out), tokenizer, settings or ShardSettings(), execute, progress)
    return replace(done, seconds=max(times) - min(times)) if times else done


class ShardWriter:
    """An actor: takes one shard to write at a time and returns its record, or the error as a sentence."""

    def __init__(self, folder: str, settings: Mapping[str, Any]):
        self.folder, self.settings = Path(folder), ShardSettings(**settings)
        self.tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(str(self.folder / "vocabulary"))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        began = time.time()
        (unit,) = (Unit.from_dict(json.loads(value)) for value in batch["unit"])
        try:
            shard = write_shard(unit, self.folder, self.tokenizer, self.settings)
            record: dict[str, Any] = {"shard": shard.as_dict(), "times": [began, time.time()]}
        except NeoxjpError as error:
            record = {"error": str(error), "files": isinstance(error, CheckpointError)}
        return {"record": [json.dumps(record)]}


def _run(
    units: Sequence[Unit], folder: Path, settings: ShardSettings, workers: int | None, times: list[float]
) -> Iterator[Shard]:
    import ray
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    size = min(len(units), workers or int(ray.cluster_resources().get("CPU", 1)))
    rows = [{"unit": json.dumps(unit.as_dict())} for unit in units]
    records = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        ShardWriter,
        batch_size=1,
        fn_constructor_args=(str(folder), asdict(settings)),
        compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=1),
        num_cpus=1,
    )
    for row in records.iter_rows():
        record = json.loads(row["record"])
        if "error" in record:
            raise (CheckpointError if record["files"] else ParameterError)(record["error"])
        times += record["times"]
        yield Shard.from_dict(record["shard"])


@contextmanager
def _started(address: str | None, workers: int | None) -> Iterator[None]:
    """Ray, as it is already, at an address, or started here for as long as the block runs."""
    if address is None or address.startswith(("127.0.0.1:", "localhost:")):  # else Ray looks for these on the outer address
        for name, value in LOCAL.items():
            os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ModuleNotFoundError as error:
        raise ParameterError('this needs the package ray: pip install "neoxjp[ray]"') from error
    if ray.is_initialized():
        yield
        return
    ray.data.DataContext.get_current().enable_progress_bars = False
    _connect(address, workers)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str | None, workers: int | None) -> None:
    """Raises ParameterError where Ray cannot be started or reached."""
    import ray

    where: dict[str, Any] = {"address": address}
    if address is not None:
        _check_address(address)
    else:
        where = {"num_cpus": workers, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    for left in (1, 0):  # on a busy machine Ray's server may need longer than the 30 s for which Ray waits
        try:
            ray.init(**where, logging_level="error", log_to_driver=False)
            return
        except Exception as error:
            ray.shutdown()
            if address is not None:
                raise ParameterError(f"address={address!r}: no Ray cluster answers there ({error}). {START}") from error
            if not left:
                raise ParameterError(f"Ray does not start on this machine: {error}") from error


def _check_address(address: str) -> None:
    """Raises ParameterError where nothing listens at "host:port", for which Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "://" in address:
        return  # auto, or an address that only Ray understands
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise ParameterError(
            f"address={address!r}: nothing answers there ({error}). `ray start --head` starts a cluster"
        ) from error
