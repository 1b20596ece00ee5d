"""network.c → a shared library, by the C compiler that is here, for the processor that is here.

The library is cached as Python caches its bytecode: in `__pycache__` beside the source where that can be written, else it is
built again in each process. The name of the cached file is a hash of what it was made of and for, and its last bytes are a hash
of its content: an old, cut or foreign file is never opened, but built again.
"""

import contextlib
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
from neoxjp.quantization.kernels.pages import huge_pages_refusal

SOURCE = Path(__file__).with_name("network.c")
HEADERS = tuple(SOURCE.with_name(name) for name in ("simd.h", "gemm.h", "team.h", "round.h"))
CACHE = SOURCE.parent / "__pycache__"
# No number may depend on what a compiler likes to fuse, nor on where a row begins in memory: where a product and a sum are one
# operation the source says so, and no loop starts with single numbers up to an even address. Without -fno-trapping-math
# GCC computes no exponentials in the vectors of AVX2, because a comparison could set a flag, which nobody reads here.
OPTIONS = (
    *("-std=gnu11", "-O3", "-march=native", "-mprefer-vector-width=512", "-fopenmp", "-fPIC"),
    *("-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "--param=vect-max-peeling-for-alignment=0"),
)
TIMEOUT_S = 120  # that a compiler may take on a busy machine; 1 on a quiet one
SWITCH = "NEOXJP_NATIVE"  # environment variable; "0": build nothing
DIGEST_BYTES = hashlib.sha256().digest_size


class NativeUnavailable(NeoxjpError):
    """The kernels in C cannot be built or run here. The message says why."""


def library() -> ctypes.CDLL:
    """The kernels, built at the first call of a process or found in the cache. Raises NativeUnavailable, each time again."""
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
    reasons = []
    try:
        compilers = find_compilers()
    except ValueError as error:
        return _first_error(str(error))
    for compiler in compilers:
        try:
            return _declare(_load_or_build(compiler))
        except subprocess.CalledProcessError as error:
            reasons.append(f"{compiler[0]} did not compile it: {_first_error(error.stderr)}")
        except (OSError, AttributeError, ValueError, subprocess.TimeoutExpired) as error:
            reasons.append(_first_error(str(error)))
    return reasons[0] if reasons else "no C compiler here (gcc, or the one that CC names)"


def find_compilers() -> list[list[str]]:
    """The words of CC, and gcc or cc where one is on PATH: clang's code needs another OpenMP library than the one that torch has.

    Raises ValueError for a CC that no shell would read.
    """
    asked = shlex.split(os.environ.get("CC") or "")
    found = next(([name] for name in ("gcc", "cc") if shutil.which(name)), [])
    return [each for each in ([asked] if asked == found else [asked, found]) if each]


def _load_or_build(compiler: list[str]) -> ctypes.CDLL:
    cached = CACHE / f"network-{_key(compiler)}.so"
    if _is_intact(cached):
        return _open(cached)
    try:
        CACHE.mkdir(exist_ok=True)
        return _build(compiler, CACHE, cached)
    except (OSError, subprocess.CalledProcessError):  # a folder that cannot be written, or a full disk
        return _build(compiler, Path(tempfile.gettempdir()), None)


def _build(compiler: list[str], beside: Path, cached: Path | None) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(dir=beside, prefix="neoxjp-") as folder:  # an open library stays after its file is gone
        built = _compile(compiler, Path(folder))
        _seal(built)
        found = _open(built)  # before it is cached: a broken one is not
        if cached is not None:
            with contextlib.suppress(OSError):
                os.replace(built, cached)
        return found


def _compile(compiler: list[str], folder: Path) -> Path:
    compiled, linked = folder / "network.o", folder / "network.so"
    # Linked without an OpenMP library: torch has loaded one, whose threads these kernels share. A second one's would wait busily
    # beside them.
    # Another machine's object must not come out of a cache of the compiler's: ccache does not see what "native" means.
    environment = os.environ | {"CCACHE_DISABLE": "1"}
    for command in ([*OPTIONS, "-c", str(SOURCE), "-o", str(compiled)], ["-shared", str(compiled), "-o", str(linked)]):
        subprocess.run(
            [*compiler, *command],
            check=True,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            env=environment,
        )
    return linked


def _seal(path: Path) -> None:
    """Append the hash of a file's content to it; what a loader reads of a library ends before."""
    content = path.read_bytes()
    with path.open("ab") as file:
        file.write(hashlib.sha256(content).digest())


def _is_intact(path: Path) -> bool:
    """Whether a file is one that `_seal` has closed, and complete. Opening a cut library would end the process (SIGBUS)."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-DIGEST_BYTES]).digest() == content[-DIGEST_BYTES:]


def _open(path: Path) -> ctypes.CDLL:
    import torch  # noqa: F401 - brings the OpenMP library whose functions are looked up now

    return ctypes.CDLL(str(path), mode=os.RTLD_NOW)


def _declare(found: ctypes.CDLL) -> ctypes.CDLL:
    address, count, number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32
    forward = [address, address, count, address, address, count, address, count, address, address, count, address]
    for name, result, arguments in (
        ("use_huge_pages", None, [number]),
        ("qmax", number, []),
        ("zero_point", number, []),
        ("max_in", count, []),
        ("sizeof", count, [number]),
        ("round_groups", number, [address, count, count, address, number, address, number, address, address, number]),
        ("linear_workspace", count, [count, count]),
        ("linear", number, [address, count, count, address, count, address, address, count, number]),
        ("forward_workspace", count, [address, count, address, count, count, number]),
        ("forward", number, [*forward, address, count, number]),
    ):
        function = getattr(found, f"neoxjp_{name}")
        function.argtypes, function.restype = arguments, result
    found.neoxjp_use_huge_pages(huge_pages_refusal() is None)
    return found


def _key(compiler: list[str]) -> str:
    """What a built library depends on: the source, the compiler and its options, the processor's instructions."""
    program = Path(shutil.which(compiler[0]) or compiler[0]).resolve()
    found = program.stat()
    made_of = [str(program), *compiler[1:], *OPTIONS, str(found.st_size), str(found.st_mtime_ns), _instructions()]
    source = b"".join(path.read_bytes() for path in (SOURCE, *HEADERS))
    return hashlib.sha256(source + "\0".join(made_of).encode(errors="surrogateescape")).hexdigest()[:16]


def _instructions() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith("flags")), platform.processor())


def _first_error(text: str | None) -> str:
    """The first line that says what is wrong, without the folders of this machine."""
    lines = [line for line in (text or "").splitlines() if line.strip()]
    found = next((line for line in lines if "error" in line.lower()), lines[0] if lines else "no message")
    return found.replace(f"{SOURCE.parent}{os.sep}", "")[:160]
