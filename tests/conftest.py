"""Fixtures that several test files share."""

import atexit
import gc
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.support.page import serve, wait_for_model
from tests.support.tiny import write_tiny_vocabulary

pytest_plugins = ["tests.support.browser"]
settings.register_profile("untimed", deadline=None)  # a busy machine must not fail a property
settings.load_profile("untimed")

# Folders and files whose tests compile, train, or start processes; other slow tests are marked where they are.
SLOW = (
    "train",
    "quantization/kernels",
    "test_examples.py",
    "test_space.py",
    "test_install.py",
    "test_tables.py",
    "cli/test_engine_process.py",
    "page_parts/test_gradio_private.py",
    "page_parts/test_token_editor_page.py",
)


atexit.register(gc.freeze)  # nothing is looked through at the end of the process, nor, after the imports, during the tests


def pytest_collection_finish() -> None:
    """Leave the modules, which stay, out of garbage collection: a tenth of the tests' time."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `tests/run quick` leaves out, and put it first.

    Tests that ask for the address of a running page, properties over the real vocabulary (those over the small one stay), SLOW.
    """
    for item in items:
        path = item.path.relative_to(Path(__file__).parent).as_posix()
        page = any(re.fullmatch(r"(.+_)?url", name) for name in getattr(item, "fixturenames", ()))
        many_texts = "abeja_vocabulary" in item.name and hasattr(getattr(item, "obj", None), "hypothesis")
        if page or many_texts or path.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    # Their files first, or one worker would be left with a long one at the end.
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="module", autouse=True)
def memory_of_all_pages() -> Iterator[None]:
    """A page that a test builds sets what all pages of the process may keep, by the machine's memory: not for other files."""
    yield
    if (texts := sys.modules.get("neoxjp.page_parts.text.state")) is not None:
        texts.allow_memory(512 * 2**20)


@pytest.fixture(scope="session")
def tiny_vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small vocab.txt and emoji.json in the real format."""
    return write_tiny_vocabulary(tmp_path_factory.mktemp("tiny-vocabulary"))


@pytest.fixture(scope="session")
def abeja_vocabulary() -> Path:
    """The real 32k vocabulary, which is not part of this project."""
    folder = os.environ.get("NEOXJP_ABEJA_VOCAB")
    if not folder:
        pytest.skip(
            "NEOXJP_ABEJA_VOCAB is not set: it names the folder with vocab.txt and emoji.json of abeja/gpt-neox-japanese-2.7b"
        )
    return Path(folder)


@pytest.fixture(scope="session")
def ray_python() -> str:
    """The Python of an environment that has ray and datatrove beside what neoxjp needs."""
    python = os.environ.get("NEOXJP_RAY")
    if not python:
        pytest.skip("NEOXJP_RAY is not set: it names the python of an environment with ray; `bash tests/ray` makes one")
    return python


@pytest.fixture(scope="module", params=["tiny_vocabulary", "abeja_vocabulary"])
def folder(request: pytest.FixtureRequest) -> Path:
    """Each of the two vocabularies in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    """The tokenizer of each vocabulary in turn."""
    return _tokenizer(folder)


@pytest.fixture(scope="module")
def compat(folder: Path) -> Any:
    """The same as transformers has it."""
    return _tokenizer(folder, compat="transformers")


@pytest.fixture(scope="module")
def tiny(tiny_vocabulary: Path) -> Any:
    """The tokenizer of the small vocabulary."""
    return _tokenizer(tiny_vocabulary)


@pytest.fixture(scope="module")
def abeja(abeja_vocabulary: Path) -> Any:
    """The tokenizer of the real vocabulary."""
    return _tokenizer(abeja_vocabulary)


def _tokenizer(folder: Path, **how: Any) -> Any:
    from neoxjp import GPTNeoXJapaneseTokenizer

    return GPTNeoXJapaneseTokenizer.from_pretrained(folder, **how)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory, tiny_vocabulary: Path) -> Path:
    """A complete model folder: random tiny weights (context 64) with the tiny vocabulary."""
    from neoxjp import GPTNeoXJapaneseTokenizer
    from tests.support.tiny_model import ours

    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    folder = tmp_path_factory.mktemp("tiny-model")
    end = tokenizer.eos_token_id
    ours(vocab_size=tokenizer.vocab_size, bos_token_id=end, eos_token_id=end).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def playground(tiny_folder: Path) -> Iterator[Any]:
    """The page's state without the page: a Playground with the tiny model loaded."""
    from neoxjp.page_parts.session.playground import Choice, Playground

    playground = Playground()
    loaded = playground.load(Choice(str(tiny_folder)))
    yield playground
    assert loaded.engine is not None
    loaded.engine.close()


@pytest.fixture(scope="session")
def page_url(tiny_folder: Path) -> Iterator[str]:
    """The address of one running page over the tiny model, shared by all tests that only look at it or call its API."""
    with serve(tiny_folder) as url:
        wait_for_model(url)
        yield url
