"""network.c → a shared library, by the C compiler that is here, for the processor that is here.

The library is kept as Python keeps its bytecode: in `__pycache__` beside the source where that can be written, else it is built
anew in each process. Its name holds what it was made of and for, so nothing old is ever loaded.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from neoxjp.errors import NeoxjpError

SOURCE = Path(__file__).with_name("network.c")
KEPT = SOURCE.parent / "__pycache__"
# No number may hang on what a compiler likes to fuse, nor on where a row begins in memory: where a product and a sum are one
# operation the source says so, and no loop starts with single numbers up to an even address.
COMPILE = (
    *("-std=gnu11", "-O3", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-fPIC"),
    *("-ffp-contract=off", "-fno-math-errno", "--param=vect-max-peeling-for-alignment=0"),
)
SECONDS = 120  # a compiler may take on a busy machine; 1 on a quiet one
SWITCH = "NEOXJP_NATIVE"  # environment variable; "0": build nothing


class NativeUnavailable(NeoxjpError):
    """Our own products cannot be built or run here. The message says why."""


def library() -> ctypes.CDLL:
    """The products, built at the first call of a process or found built. Raises NativeUnavailable, each time again."""
    found = _library(os.environ.get(SWITCH, ""))
    if isinstance(found, str):
        raise NativeUnavailable(found)
    return found


@functools.cache
def _library(switch: str) -> ctypes.CDLL | str:
    """The library, or why there is none."""
    if switch == "0":
        return f"switched off by {SWITCH}=0"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return f"written for Linux on x86_64, not for {sys.platform} on {platform.machine()}"
    compiler = _compiler()
    if compiler is None:
        return "no C compiler here (gcc, or the one that CC names)"
    try:
        return _declared(_built(compiler))
    except subprocess.CalledProcessError as error:
        return f"{compiler[0]} did not compile it: {_first_line(error.stderr)}"
    except (OSError, AttributeError, subprocess.TimeoutExpired) as error:
        return _first_line(str(error))


def _compiler() -> list[str] | None:
    asked = os.environ.get("CC")
    if asked:
        return shlex.split(asked)
    return next(([name] for name in ("gcc", "cc") if shutil.which(name)), None)


def _built(compiler: list[str]) -> ctypes.CDLL:
    name = f"layers-{_key(compiler)}.so"
    kept = KEPT / name
    if kept.is_file():
        return _opened(kept)
    try:
        KEPT.mkdir(exist_ok=True)
        beside = tempfile.TemporaryDirectory(dir=KEPT, prefix="layers-")
    except OSError:
        beside = tempfile.TemporaryDirectory(prefix="neoxjp-")
    with beside as folder:  # an open library stays after its file is gone
        made = _compile(compiler, Path(folder))
        found = _opened(made)  # before it is kept: a broken one is not
        if Path(folder).parent == KEPT:
            os.replace(made, kept)
        return found


def _compile(compiler: list[str], folder: Path) -> Path:
    compiled, linked = folder / "layers.o", folder / "layers.so"
    # Linked without an OpenMP library: torch has loaded one, whose threads these products share. A second one's would wait busily
    # beside them.
    for command in ([*COMPILE, "-c", str(SOURCE), "-o", str(compiled)], ["-shared", str(compiled), "-o", str(linked)]):
        subprocess.run([*compiler, *command], check=True, capture_output=True, text=True, timeout=SECONDS)
    return linked


def _opened(path: Path) -> ctypes.CDLL:
    import torch  # noqa: F401 - brings the OpenMP library whose functions are looked up now

    return ctypes.CDLL(str(path), mode=os.RTLD_NOW)


def _declared(found: ctypes.CDLL) -> ctypes.CDLL:
    address, count, threads = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
    for name, arguments in {
        "most": [],
        "offset": [],
        "linear": [address, count, count, address, count, address, threads],
        "forward": [address, address, count, address, address, count, address, count, address, address, count, address, threads],
    }.items():
        function = getattr(found, f"neoxjp_{name}")
        function.argtypes, function.restype = arguments, ctypes.c_int32
    return found


def _key(compiler: list[str]) -> str:
    """What a built library hangs on: the source, the compiler and its options, the processor's instructions."""
    program = Path(shutil.which(compiler[0]) or compiler[0]).resolve()
    found = program.stat()
    made_of = [str(program), *compiler[1:], *COMPILE, str(found.st_size), str(found.st_mtime_ns), _instructions()]
    return hashlib.sha256(SOURCE.read_bytes() + "\0".join(made_of).encode()).hexdigest()[:16]


def _instructions() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("flags")), platform.processor())


def _first_line(text: str | None) -> str:
    """The first line that says what is wrong, without the folders of this machine."""
    lines = [line for line in (text or "").splitlines() if line.strip()]
    told = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "no message")
    return told.replace(f"{SOURCE.parent}{os.sep}", "")[:160]
