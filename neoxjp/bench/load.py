"""`neoxjp bench load`: seconds until a model is ready, and the anonymous memory that loading takes at its peak, in each format.

Each load is a process of its own, watched from here. Anonymous memory cannot be reclaimed by the system: mapped pages of
the weight file do not count.
"""

import contextlib
import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import torch

from neoxjp.bench import common
from neoxjp.bench.common import Report, Row
from neoxjp.bench.model_under_test import FORMATS, ModelUnderTest, choose_model, parse_formats
from neoxjp.bench.options import LoadOptions
from neoxjp.errors import NeoxjpError
from neoxjp.export import write_safetensors

_CHILD = """
import sys, time
import torch
from neoxjp.bench.load import anonymous
from neoxjp import GPTNeoXJapaneseForCausalLM
import neoxjp.weights.device_map, accelerate
folder, dtype, quantization, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
print(anonymous("self"), flush=True)
began = time.perf_counter()
model = GPTNeoXJapaneseForCausalLM.from_pretrained(folder, dtype=dtype, quantization=quantization or None)
print(time.perf_counter() - began, flush=True)
"""


def command(options: LoadOptions) -> None:
    """Measure and print."""
    formats = parse_formats(options.formats)
    measured = choose_model(options.shape, options.model)
    with _folder(measured) as folder:
        found = common.rounds({name: functools.partial(load, folder, name) for name in formats}, options.rounds, warm=0)
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    report = Report(f"bench load: {measured.name}", {"stored GB": round(size / 1e9, 3)})
    for name in formats:
        report.rows.append(Row(name, "load", "s", tuple(seconds for seconds, _ in found[name])))
        peaks = tuple(peak / 1e9 for _, peak in found[name] if peak is not None)
        missing = "" if peaks else "this system does not report it (no /proc)"
        report.rows.append(Row(name, "peak anonymous memory", "GB", peaks, missing))
    report.notes.append("memory: growth of the process over what Python and its imports take; the file is in the system's cache")
    report.show(options.json)


def load(folder: Path, form: str) -> tuple[float, int | None]:
    """(seconds, bytes of anonymous memory at the peak over those before) of one load in a fresh process.

    Raises NeoxjpError with the last line that the process wrote, where it fails.
    """
    dtype, quantization = FORMATS[form]
    root = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
    arguments = [sys.executable, "-c", _CHILD, str(folder), dtype, quantization or "", str(torch.get_num_threads())]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as child,
    ):
        assert child.stdout is not None
        before = child.stdout.readline().strip()
        peaks: list[int] = []
        done = threading.Event()
        watch = threading.Thread(target=_watch, args=(child.pid, peaks, done))
        watch.start()
        line = child.stdout.readline()
        done.set()
        watch.join()
        child.wait()
        errors.seek(0)
        if child.returncode or not line:
            raise NeoxjpError(f"loading {str(folder)!r} as {form} failed: {(errors.read().strip().splitlines() or ['?'])[-1]}")
    return float(line), max(0, max(peaks) - int(before)) if peaks else None


def _watch(pid: int, found: list[int], done: threading.Event) -> None:
    """Note the anonymous memory at once, and then every 2 ms."""
    while True:
        size = anonymous(pid)
        if size is not None:
            found.append(size)
        if done.wait(0.002):
            return


def anonymous(pid: int | str) -> int | None:
    """Bytes of anonymous resident memory of a process; None where the system does not report it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon:")), None)


@contextlib.contextmanager
def _folder(measured: ModelUnderTest) -> Iterator[Path]:
    """The model's folder; random weights are written to one in float16, tensor by tensor."""
    if measured.folder is not None:
        yield measured.folder
        return
    with tempfile.TemporaryDirectory(prefix="neoxjp-bench-") as name:
        folder = Path(name)
        halves = [
            dataclasses.replace(part, dtype=torch.float16, read=lambda part=part: part.read().half())  # type: ignore[misc]
            for part in measured.parts()
        ]
        write_safetensors(halves, folder / "model.safetensors")
        config = measured.config.to_dict() | {"torch_dtype": "float16"}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        yield folder
