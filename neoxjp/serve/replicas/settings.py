"""How many replicas, and what each may take of the machines: cores and memory. Knows no Ray."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from neoxjp.errors import ParameterError
from neoxjp.model import gib

MOST = 1000  # replicas


@dataclass(frozen=True)
class ReplicaSettings:
    """What `neoxjp serve` was asked for.

    >>> ReplicaSettings.parse("1:4")
    ReplicaSettings(least=1, most=4, cores=None, address=None, join=False)
    """

    least: int = 1  # replicas
    most: int = 1  # where more than `least`, their number follows the load
    cores: float | None = None  # of each replica; None: an equal share
    address: str | None = None  # of a Ray cluster; None: Ray is started on this machine
    join: bool = False  # use the replicas that another server has started

    @classmethod
    def parse(
        cls, replicas: str, cores: float | None = None, address: str | None = None, join: bool = False
    ) -> "ReplicaSettings":
        """From the options of the command line. Raises ParameterError."""
        found = re.fullmatch(r"(\d{1,9})(?::(\d{1,9}))?", replicas.strip())
        least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= least <= most <= MOST:
            raise ParameterError(
                f"--replicas {replicas!r} must be a number from 1 to {MOST:,}, or two as 1:4, the fewest and the most"
            )
        if cores is not None and not 0 < cores < math.inf:
            raise ParameterError(f"--cores {cores!r} must be more than 0")
        if join and address is None:
            raise ParameterError("--join uses the replicas of a cluster: name it with --address, for example --address auto")
        return cls(least, most, cores, address, join)

    @property
    def autoscaling(self) -> bool:
        return self.most > self.least


@dataclass(frozen=True)
class Machine:
    """What a machine has for replicas."""

    name: str
    cores: float
    memory: int  # bytes


@dataclass(frozen=True)
class Share:
    """What one replica gets."""

    cores: float
    memory: int  # bytes

    @property
    def threads(self) -> int:
        return max(1, int(self.cores))


def share_machines(machines: Sequence[Machine], settings: ReplicaSettings, needed: int, model: str) -> Share:
    """What each of the most replicas gets, where all of them fit.

    A replica's memory is to a machine's as its cores are to the machine's cores.

    Args:
        needed: bytes that a replica takes at least: the weights, one context, the program.

    Raises:
        ParameterError: fewer replicas fit; the message has the numbers.
    """
    total = sum(machine.cores for machine in machines)
    cores = settings.cores
    if cores is None:
        cores = min(total / settings.most, max(machine.cores for machine in machines))
        if len(machines) > 1:  # whole cores, so that no replica is left between two machines
            cores = max(1.0, math.floor(cores))
    fit = sum(int(machine.cores / cores + 1e-6) for machine in machines)
    if fit < settings.most:
        raise ParameterError(
            f"{_replicas(settings.most)} with {cores:g} cores each do not fit on {_machines(machines)} with {total:g} cores: "
            f"{fit} would; lower --replicas or --cores"
        )
    able = [machine for machine in machines if machine.memory * min(1.0, cores / machine.cores) >= needed]
    fit = sum(int(machine.cores / cores + 1e-6) for machine in able)
    if fit < settings.most:
        memory = sum(machine.memory for machine in machines)
        most = sum(machine.memory // needed for machine in machines)
        raise ParameterError(
            f"{_replicas(settings.most)} of {model!r} need {gib(needed)} GiB of memory each, but {_machines(machines)} with "
            f"{gib(memory)} GiB free {'has' if len(machines) == 1 else 'have'} room for {most}: lower --replicas, or choose a "
            "smaller format, such as --quantization int8 or int4"
        )
    return Share(cores, min(int(machine.memory * min(1.0, cores / machine.cores)) for machine in able))


def _replicas(number: int) -> str:
    return f"{number} replica{'' if number == 1 else 's'}"


def _machines(machines: Sequence[Machine]) -> str:
    return "this machine" if len(machines) == 1 else f"{len(machines)} machines"
