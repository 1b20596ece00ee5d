"""Our own products: fbgemm's numbers bit for bit, how they are built and kept, and what is said where they cannot be."""

import subprocess
import sys

import pytest
import torch

from neoxjp import linear, native
from neoxjp.linear import Kernel, PackedLinear, Packing
from neoxjp.native import NativeUnavailable, NativeWeight, build


@pytest.fixture
def built():
    try:
        build.library()
    except NativeUnavailable as refused:
        pytest.skip(f"not built here: {refused}")


@pytest.fixture
def anew(monkeypatch):
    """As in a process that has not asked for the library yet."""
    build._library.cache_clear()
    yield monkeypatch
    monkeypatch.undo()
    build._library.cache_clear()


@pytest.mark.parametrize("format", ["float16", "int8"])
@pytest.mark.parametrize(("out", "size"), [(32, 16), (64, 383), (96, 512), (1152, 384), (384, 1536), (8192, 384)])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 9, 70])
def test_its_numbers_are_those_of_fbgemm(built, format, out, size, rows):
    kernel = Kernel("fbgemm", native.most() if format == "int8" else 127)
    problem = linear._wrong_halves("fbgemm") if format == "float16" else linear._wrong_sums("fbgemm", kernel.limit, "cpu")
    if problem is not None:
        pytest.skip(f"fbgemm: {problem}")
    generator = torch.Generator().manual_seed(out + size + rows)
    weight = torch.randn(out, size, generator=generator) * 0.02
    x = torch.randn(rows, size, generator=generator) * 5
    found = []
    for chosen in (Kernel("native", kernel.limit), kernel):
        found.append(PackedLinear(weight, Packing(format, chosen, torch.float32, torch.float16))(x))
    assert torch.equal(*found)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_its_numbers_do_not_hang_on_the_threads(built, threads):
    weight, x = torch.randn(1000, 700).half(), torch.randn(9, 700)
    layer = NativeWeight(weight)
    before, wanted = torch.get_num_threads(), layer.multiply(x)
    try:
        torch.set_num_threads(threads)
        assert torch.equal(layer.multiply(x), wanted)
    finally:
        torch.set_num_threads(before)


def test_rows_that_do_not_lie_together_and_no_rows(built):
    layer = NativeWeight(torch.randn(48, 20).half())
    wide = torch.randn(6, 40)
    assert torch.equal(layer.multiply(wide[:, :20]), layer.multiply(wide[:, :20].contiguous()))
    assert layer.multiply(wide[:0, :20]).shape == (0, 48)


@pytest.mark.parametrize("march", ["haswell", "alderlake", "skylake-avx512", "icelake-server"])
def test_every_processor_it_is_written_for_compiles(built, tmp_path, march):
    compiler = build._compiler()
    command = [f"-march={march}" if part == "-march=native" else part for part in build.COMPILE]
    subprocess.run(
        [*compiler, *command, "-Wall", "-Wextra", "-Werror", "-c", str(build.SOURCE), "-o", str(tmp_path / "it.o")], check=True
    )


def test_the_sums_of_seven_bits_are_exact_too(built, anew, tmp_path):
    """As a processor with AVX2 alone would have it: any that this library runs on has AVX2."""
    anew.setattr(build, "COMPILE", tuple("-march=haswell" if part == "-march=native" else part for part in build.COMPILE))
    anew.setattr(build, "KEPT", tmp_path)
    assert native.most() == 64
    assert linear._wrong_sums("native", 64, "cpu") is None
    assert linear._wrong_halves("native") is None


def test_a_library_is_built_once_and_found_again(built, anew, tmp_path):
    anew.setattr(build, "KEPT", tmp_path)
    build.library()
    (kept,) = tmp_path.iterdir()  # and nothing half made beside it
    build._library.cache_clear()
    anew.setattr(build, "_compile", lambda *_: pytest.fail("it was there"))
    build.library()
    assert kept.suffix == ".so"


def test_a_folder_that_cannot_be_written_is_done_without(built, anew, tmp_path):
    (tmp_path / "file").write_text("")
    anew.setattr(build, "KEPT", tmp_path / "file" / "below")
    assert build.library().neoxjp_most() in (64, 127)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"NEOXJP_NATIVE": "0"}, "switched off by NEOXJP_NATIVE=0"),
        ({"CC": "/no/such/compiler"}, "No such file"),
        ({"CC": "false"}, "false did not compile it"),
        ({"CC": f"{sys.executable} -c 'raise SystemExit(\"an error of its own\")'"}, "an error of its own"),
        ({"CC": "", "PATH": ""}, "no C compiler here"),
    ],
)
def test_why_there_is_none_is_said(anew, tmp_path, setting, said):
    anew.setattr(build, "KEPT", tmp_path)
    for name, value in setting.items():
        anew.setenv(name, value)
    with pytest.raises(NativeUnavailable, match=said):
        build.library()
    assert not any(tmp_path.iterdir())


def test_other_machines_are_told_what_it_is_written_for(anew):
    anew.setattr(build.platform, "machine", lambda: "aarch64")
    with pytest.raises(NativeUnavailable, match=r"written for Linux on x86_64, not for .* on aarch64"):
        build.library()


def test_without_it_fbgemm_runs_and_the_reason_is_said(tmp_path):
    """In a process of its own, as somebody without a compiler has it."""
    told = "from neoxjp.linear import available; print(available())"
    done = subprocess.run(
        [sys.executable, "-c", told], env={"NEOXJP_NATIVE": "0", "PATH": ""}, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("native: switched off by NEOXJP_NATIVE=0") == 2
    assert "(native)" not in done.stdout
