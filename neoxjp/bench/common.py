"""Shared by all tables: alternating rounds, min/median/max and ratio, the facts of this machine, its measured read bandwidth.

Knows no model and no tokenizer. A figure means nothing without its machine, threads and versions, so a `Report` has them too.
"""

import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from neoxjp import __version__
from neoxjp.errors import ParameterError

T = TypeVar("T")
OURS = "ours"  # our own runs: ratios compare them with the others
READ_BYTES = 1 << 29  # of the buffer that the bandwidth is measured on: many times any cache


@dataclass(frozen=True)
class Row:
    """One line of a table: one measurement per round."""

    who: str  # OURS, or the peer
    what: str  # "decode", "first token"
    unit: str  # "tokens/s", "s"
    values: tuple[float, ...]  # one a round; empty: not measured, `note` says why
    note: str = ""

    @property
    def more_is_better(self) -> bool:
        """True for rates, False for seconds and bytes."""
        return self.unit.endswith("/s")

    def as_dict(self) -> dict[str, Any]:
        found = (
            {"min": min(self.values), "median": statistics.median(self.values), "max": max(self.values)} if self.values else {}
        )
        facts = {"who": self.who, "what": self.what, "unit": self.unit, **found, "values": list(self.values)}
        return facts | ({"note": self.note} if self.note else {})


@dataclass
class Report:
    """A table with its machine. `facts` are what the command was asked: lengths, dtype, file."""

    title: str
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)  # empty: asked for when the report is shown
    base: str = OURS

    def ratio(self, row: Row) -> float | None:
        """How many times better the base is than this row: the median over the rounds of the ratio within a round."""
        ours = next((r for r in self.rows if r.who == self.base and r.what == row.what and r.values), None)
        if ours is None or row.who == self.base or len(ours.values) != len(row.values) or not all(row.values + ours.values):
            return None
        pairs = zip(ours.values, row.values, strict=True)
        return statistics.median(a / b if row.more_is_better else b / a for a, b in pairs)

    def as_dict(self) -> dict[str, Any]:
        rows = [row.as_dict() | ({} if (r := self.ratio(row)) is None else {f"{self.base} is better by": r}) for row in self.rows]
        machine = self.machine or machine_facts()
        return {"title": self.title, "facts": self.facts, "machine": machine, "rows": rows, "notes": self.notes}

    def text(self) -> str:
        """The table as the terminal shows it; without colour, so that it can be pasted into a README."""
        lines = [["", "", "min", "median", "max", "", f"{self.base} is better by"]]
        for row in self.rows:
            found = row.as_dict()
            numbers = [_number(found[key]) if row.values else "–" for key in ("min", "median", "max")]
            ratio = self.ratio(row)
            lines.append([row.who, row.what, *numbers, row.unit, "" if ratio is None else f"{ratio:.2f} ×"])
        if not any(line[-1] for line in lines[1:]):
            lines = [line[:-1] for line in lines]
        explained = [f"{row.who}, {row.what}: {row.note}" for row in self.rows if row.note]
        facts = [_facts(self.facts), _facts(self.machine or machine_facts())]
        return "\n".join([self.title, *filter(None, facts), "", table(lines), *[f"* {note}" for note in explained + self.notes]])

    def show(self, as_json: bool) -> None:
        """Print the table, or one line of JSON."""
        print(json.dumps(self.as_dict(), ensure_ascii=False) if as_json else self.text())


def rounds(runs: Mapping[str, Callable[[], T]], n: int, *, warm: int = 1, progress: bool = True) -> dict[str, list[T]]:
    """Run each in turn, n times over: {"ours": [...], "tiktoken": [...]}, what each run returned, round by round.

    Alternating, so that a machine that slows down affects all of them equally. `warm` rounds before are not
    counted. A run measures itself and returns its figures, so its preparation is not counted.

    Raises ParameterError for n below 1.
    """
    if n < 1:
        raise ParameterError(f"rounds={n!r} must be at least 1")
    found: dict[str, list[T]] = {name: [] for name in runs}
    for number in range(-warm, n):
        for name, run in runs.items():
            show_status(f"round {number + 1} of {n}: {name}" if number >= 0 else f"warming up: {name}", progress)
            value = run()
            if number >= 0:
                found[name].append(value)
    show_status("", progress)
    return found


def rows(found: Mapping[str, Sequence[float]], what: str, unit: str) -> list[Row]:
    """The rows of a table from what `rounds` found of runs that return one number."""
    return [Row(who, what, unit, tuple(values)) for who, values in found.items()]


def timed(work: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show_status(text: str, wanted: bool = True) -> None:
    """Show the current step on one line of a terminal's standard error; "" clears it."""
    if wanted and sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def machine_facts(packages: Iterable[str] = ("torch", "numpy")) -> dict[str, Any]:
    """Processor, cores, threads and versions; `packages` that are absent are left out."""
    import torch

    versions = {}
    for name in packages:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    facts = {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "memory GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9) if hasattr(os, "sysconf") else None,
        "neoxjp": __version__,
        "python": platform.python_version(),
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts | versions


def read_bandwidth(device: str = "cpu", nbytes: int = READ_BYTES, tries: int = 8) -> float:
    """Bytes a second that this machine reads from memory with the threads in use: the best of several passes over a large buffer.

    Decoding reads every weight once a token, so this over the weights' bytes is the most tokens a second that can be had.
    """
    import torch

    data = torch.ones(max(nbytes // 4096, 1), 1024, device=device)  # (rows, 1024) float32
    whole = data.view(torch.int64)

    def waited(read: Callable[[], Any]) -> float:
        def work() -> None:
            read()
            if data.is_cuda:
                torch.cuda.synchronize()

        return timed(work)

    with torch.inference_mode():
        seconds = [waited(read) for _ in range(tries) for read in (data.sum, whole.max)]
    return data.nbytes / min(seconds)


def limit_note(nbytes: int, bandwidth: float, rate: float, what: str = "decode") -> str:
    """ "limit: 2.9 GB a token, 25 GB/s read: 8.6 tokens/s; decode reaches 81 %"."""
    most = bandwidth / nbytes
    return (
        f"read limit: {nbytes / 1e9:.2f} GB a token at {bandwidth / 1e9:.1f} GB/s make {_number(most)} tokens/s; "
        f"{what} reaches {rate / most:.0%} of it"
    )


def table(lines: Sequence[Sequence[str]]) -> str:
    """Columns aligned, the first two to the left: numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = []
    for line in lines:
        cells = [c.ljust(w) if n < 2 or n == 5 else c.rjust(w) for n, (c, w) in enumerate(zip(line, widths, strict=True))]
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)


def _number(value: float) -> str:
    """Four significant digits: 0.01234, 1.234, 12.34, 12,345."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _facts(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in facts.items() if value is not None)


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
