"""How the compiled kernels are built and kept, for which processors, and what is said where they cannot be."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from neoxjp.model import unpadded as packed
from neoxjp.quantization import Kernel, PackedLinear, Packing
from neoxjp.quantization import kernels as native
from neoxjp.quantization import pack as packing
from neoxjp.quantization import packed_linear as linear
from neoxjp.quantization.kernels import NativeUnavailable, build
from tests.quantization import sanitize
from tests.support.tiny_model import pair

ELF = b"\x7fELF" + bytes(4096)  # the beginning of a library, and nothing behind it


@pytest.mark.parametrize("march", ["haswell", "alderlake", "skylake-avx512", "icelake-server", "sapphirerapids"])
def test_every_processor_it_is_written_for_compiles(built, monkeypatch, compile_once, tmp_path, march, options_for):
    monkeypatch.setattr(build, "OPTIONS", options_for(march))
    assert compile_once(build.find_compilers()[0], tmp_path)


def test_the_sums_of_seven_bits_are_exact_too(built, anew, tmp_path, options_for):
    """As a processor with AVX2 alone would have it: any that this library runs on has AVX2."""
    anew.setattr(build, "OPTIONS", options_for("haswell"))
    anew.setattr(build, "CACHE", tmp_path)
    assert native.qmax() == 64
    assert linear._check_int8_kernel("native", 64, "cpu") is None
    assert linear._check_fp16_kernel("native") is None
    assert linear._check_group_kernel() is None


def test_a_processor_with_tiles_computes_the_same(built, anew, tmp_path):
    """As one with AMX has it, whose tiles tests/support/tiles.h plays here."""
    if native.qmax() != 127:
        pytest.skip("written for processors with VNNI, which all with AMX have")
    kernel, draw = Packing("int8", Kernel("native", 127), torch.float32, torch.float16), torch.Generator().manual_seed(3)
    layers = [PackedLinear(torch.randn(*shape, generator=draw), kernel) for shape in ((32, 64), (200, 512), (96, 100))]
    model = packing.pack_model(pair(hidden_size=64, max_position_embeddings=512)[0], torch.float16, "int8")
    rows = [torch.randn(count, layer.in_features, generator=draw) for count in (1, 2, 16, 17, 40) for layer in layers]

    def run():
        build._library.cache_clear()
        packed._cached_functions.clear()
        logits = [model.forward_unpadded(torch.arange(n) % 59, [n], [model.new_cache()], torch.arange(n)) for n in (1, 2, 35)]
        return [layer(x) for layer, x in zip(layers * 5, rows, strict=True)] + logits

    wanted = run()
    anew.setattr(build, "OPTIONS", (*build.OPTIONS, "-include", str(Path(__file__).parents[2] / "support" / "tiles.h")))
    anew.setattr(build, "CACHE", tmp_path)
    found = run()
    packed._cached_functions.clear()
    assert ctypes.c_int.in_dll(build.library(), "tiles_played").value > 0
    assert all(map(torch.equal, found, wanted))


def test_a_library_is_built_once_and_found_again(built, anew, tmp_path):
    anew.setattr(build, "CACHE", tmp_path)
    build.library()
    (kept,) = tmp_path.iterdir()  # and nothing half made beside it
    build._library.cache_clear()
    anew.setattr(build, "_compile", lambda *_: pytest.fail("it was there"))
    build.library()
    assert kept.suffix == ".so"


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: data[:-1] + b"x", lambda _: ELF]
)
def test_a_cut_or_foreign_library_is_built_again(built, anew, tmp_path, damage):
    anew.setattr(build, "CACHE", tmp_path)
    build.library()
    (cached,) = tmp_path.iterdir()
    whole = cached.read_bytes()
    cached.unlink()  # the file that is open stays as it is
    cached.write_bytes(damage(whole))
    build._library.cache_clear()
    asked = []
    anew.setattr(build, "_compile", lambda *how, compiled=build._compile: asked.append(how) or compiled(*how))
    assert build.library().neoxjp_qmax() in (64, 127)
    assert build._is_intact(cached)
    assert len(asked) == 1


def test_a_header_that_changes_builds_another_library(built, anew, tmp_path):
    before = build._key(build.find_compilers()[0])
    other = tmp_path / "simd.h"
    other.write_text(build.HEADERS[0].read_text() + "\n")
    anew.setattr(build, "HEADERS", (other, *build.HEADERS[1:]))
    assert build._key(build.find_compilers()[0]) != before


def test_a_folder_that_cannot_be_written_is_done_without(built, anew, tmp_path):
    (tmp_path / "file").write_text("")
    anew.setattr(build, "CACHE", tmp_path / "file" / "below")
    assert build.library().neoxjp_qmax() in (64, 127)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"NEOXJP_NATIVE": "0"}, "switched off by NEOXJP_NATIVE=0"),
        ({"CC": "/no/such/compiler"}, "No such file"),
        ({"CC": str(shutil.which("false"))}, "false did not compile it"),
        ({"CC": f"{sys.executable} -c 'raise SystemExit(\"an error of its own\")'"}, "an error of its own"),
        ({"CC": ""}, "no C compiler here"),
        ({"CC": "'gcc"}, "No closing quotation"),
        ({"CC": "gcc \udcff"}, "did not compile it|No such file|argument"),
        ({"CC": "/"}, "ermission denied|s a directory"),
    ],
)
def test_why_there_is_none_is_said(anew, tmp_path, setting, said):
    anew.setattr(build, "CACHE", tmp_path)
    for name, value in {"PATH": "", **setting}.items():
        anew.setenv(name, value)
    with pytest.raises(NativeUnavailable, match=said):
        build.library()
    assert not any(tmp_path.iterdir())


def test_where_the_compiler_that_was_asked_for_fails_gcc_is_taken(built, anew, tmp_path):
    anew.setattr(build, "CACHE", tmp_path)
    anew.setenv("CC", "false")
    assert build.library().neoxjp_qmax() in (64, 127)


def test_a_full_disk_in_the_packages_folder_is_done_without(built, anew, tmp_path):
    anew.setattr(build, "CACHE", tmp_path)
    compile_, asked = build._compile, []

    def full(compiler, folder):
        asked.append(folder)
        if folder.parent == tmp_path:
            raise subprocess.CalledProcessError(1, compiler, stderr="No space left on device")
        return compile_(compiler, folder)

    anew.setattr(build, "_compile", full)
    assert build.library().neoxjp_qmax() in (64, 127)
    assert len(asked) == 2
    assert not any(tmp_path.iterdir())


def test_other_machines_are_told_what_it_is_written_for(anew):
    anew.setattr(build.platform, "machine", lambda: "aarch64")
    with pytest.raises(NativeUnavailable, match=r"written for Linux on x86_64, not for .* on aarch64"):
        build.library()


def test_without_it_fbgemm_runs_and_the_reason_is_said(tmp_path):
    """In a process of its own, as somebody without a compiler has it."""
    code = "from neoxjp.quantization.packed_linear import available_kernels; print(available_kernels())"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"NEOXJP_NATIVE": "0", "PATH": ""}, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("native: switched off by NEOXJP_NATIVE=0") == 3
    assert "int4 weights, unpacked to int8: slower, and twice the memory" in done.stdout
    assert "(native)" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", sanitize.KINDS)
def test_the_sanitizers_find_nothing(kind):
    """On all kernels, in buffers of exactly the size that they need, with NaN and infinity among the numbers."""
    done = sanitize.sanitize(kind)
    if done.returncode == sanitize.SKIPPED:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all kernels passed" in done.stdout
