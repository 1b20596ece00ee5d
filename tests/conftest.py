"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest

from tests.tiny import write_tiny_vocabulary


@pytest.fixture(scope="session")
def tiny_vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small vocab.txt and emoji.json in the real format."""
    return write_tiny_vocabulary(tmp_path_factory.mktemp("tiny-vocabulary"))


@pytest.fixture(scope="session")
def abeja_vocabulary() -> Path:
    """The real 32k vocabulary, which is not part of this project."""
    folder = os.environ.get("NEOXJP_ABEJA_VOCAB")
    if not folder:
        pytest.skip("NEOXJP_ABEJA_VOCAB is not set: it names the folder with vocab.txt and emoji.json of abeja/gpt-neox-japanese-2.7b")
    return Path(folder)
