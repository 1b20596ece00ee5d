"""Build the kernels in C with a sanitizer and run them on small networks: `python -m tests.quantization.sanitize address`.

Kinds: address, undefined, thread. Ends with the program's exit code; 77 where the compiler has not that sanitizer.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from neoxjp.quantization.kernels import build

KINDS = {
    "address": ["-fsanitize=address", "-fopenmp"],
    "undefined": ["-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover=all", "-fopenmp"],
    "thread": ["-fsanitize=thread", "-DPTHREADS", "-fopenmp-simd", "-pthread"],  # OpenMP's own threads it does not understand
}
SKIPPED = 77  # exit code, as in automake
_TEXT: dict[str, Any] = {"capture_output": True, "text": True, "check": False}
SOURCE = Path(__file__).with_name("check_kernels.c")


def sanitize(kind: str) -> subprocess.CompletedProcess[str]:
    """Compile and run; the exit code is SKIPPED where there is no compiler or no such sanitizer."""
    compiler = build.find_compilers()[0]
    if compiler is None:
        return subprocess.CompletedProcess([], SKIPPED, "", "no C compiler here")
    common = [option for option in build.OPTIONS if option not in ("-O3", "-fopenmp", "-fPIC")]
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "check"
        probe = subprocess.run(
            [*compiler, *KINDS[kind], "-x", "c", "-", "-o", str(program)], input="int main(void) { return 0; }", **_TEXT
        )
        # Some kernels place memory where ThreadSanitizer cannot use it; without randomness they do not.
        fixed = [shutil.which("setarch") or "setarch", "-R"] if kind == "thread" and shutil.which("setarch") else []
        if probe.returncode or subprocess.run([*fixed, program], **_TEXT).returncode:
            return subprocess.CompletedProcess([], SKIPPED, "", f"no {kind} sanitizer here")
        options = [*common, "-O1", "-g", "-fno-omit-frame-pointer", *KINDS[kind], f"-I{build.SOURCE.parent}"]
        built = subprocess.run([*compiler, *options, str(SOURCE), "-o", str(program), "-lm"], **_TEXT)
        return built if built.returncode else subprocess.run([*fixed, program], **_TEXT)


if __name__ == "__main__":
    done = sanitize(sys.argv[1])
    print(done.stdout, done.stderr, sep="", end="")
    sys.exit(done.returncode)
