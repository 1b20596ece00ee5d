"""One running public page for the tests of this folder, and requests to it as they go over the wire."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.http import Answer, ask
from tests.support.page import serve, wait_for_model


def connect(url: str, source: str = "") -> socket.socket:
    """A bare connection, for requests that no client library would send."""
    place = urlsplit(url)
    assert place.hostname
    assert place.port
    return socket.create_connection((place.hostname, place.port), 60, (source, 0) if source else None)


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the page's temporary files."""
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(scope="module")
def public_url(tiny_folder: Path, temporary: Path) -> Iterator[str]:
    """The address of a page that runs as strangers see it."""
    with serve(tiny_folder, "--public", GRADIO_TEMP_DIR=str(temporary)) as url:
        wait_for_model(url)
        yield url


@pytest.fixture
def post(public_url: str) -> Callable[..., Answer]:
    """`post("/gradio_api/run/tokenize", {"data": ["猫"]})`: a JSON body to the public page."""
    return lambda path, value: ask(public_url + path, json.dumps(value, ensure_ascii=False).encode())
