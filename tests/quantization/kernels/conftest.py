"""Fixtures of the tests of the compiled kernels: skip where they cannot be built, and build them anew for another processor."""

import shutil

import pytest

from neoxjp.quantization.kernels import NativeUnavailable, build


@pytest.fixture
def built():
    try:
        build.library()
    except NativeUnavailable as refused:
        pytest.skip(f"not built here: {refused}")


@pytest.fixture(scope="session")
def compile_once(tmp_path_factory):
    """`build._compile`, which the compiler does once for the same command and source: it takes some seconds."""
    compiled, compile_anew = {}, build._compile

    def compile_or_copy(compiler, folder):
        key = (*compiler, *build.OPTIONS, *(path.read_bytes() for path in (build.SOURCE, *build.HEADERS)))
        if key not in compiled:
            compiled[key] = compile_anew(compiler, tmp_path_factory.mktemp("compiled"))
        return shutil.copy(compiled[key], folder / "network.so")

    return compile_or_copy


@pytest.fixture
def anew(monkeypatch, compile_once):
    """As in a process that has not asked for the library yet."""
    build._library.cache_clear()
    monkeypatch.delenv(build.SWITCH, raising=False)
    monkeypatch.setattr(build, "_compile", compile_once)
    yield monkeypatch
    monkeypatch.undo()
    build._library.cache_clear()


@pytest.fixture(scope="session")
def options_for():
    """A function: a processor's name (of -march) to the compiler's options for it; a warning is an error."""

    def options(march):
        others = ("-march=" + march if part == "-march=native" else part for part in build.OPTIONS)
        return *others, "-Wall", "-Wextra", "-Werror"

    return options
