"""Tokenizers of the Hub, against a local server that plays it: one file each, bounded, and a sentence for what cannot be had."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from neoxjp.compare import list_offers, open_peer
from neoxjp.compare.hub import OFFERED
from neoxjp.errors import PeerUnavailable
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support import tiny_peers
from tests.support.hub_server import LocalHub


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalHub]:
    """A Hub with all that is offered, an empty cache, and nothing opened yet."""
    monkeypatch.setattr("neoxjp.compare.opening._opened", {})
    with LocalHub() as hub:
        hub.use(monkeypatch, tmp_path / "home")
        for key, offered in OFFERED.items():
            hub.add(offered.repo, {offered.file: content_of(key), "model.safetensors": b"x" * 2_000, "README.md": b"# A"})
        yield hub


def content_of(key: str) -> bytes:
    if OFFERED[key].file == "spiece.model":
        return tiny_peers.sentencepiece_model()
    kinds = {"gemma": tiny_peers.byte_fallback, "llm-jp": tiny_peers.unigram}
    return tiny_peers.tokenizer_json(kinds.get(key, tiny_peers.byte_level))


def asked_for(hub: LocalHub) -> set[str]:
    """The files of which more than the head was asked for."""
    return {path.rsplit("/", 1)[1] for method, path in hub.requests if method == "GET" and "/resolve/" in path}


@pytest.mark.parametrize("key", OFFERED)
def test_an_offered_name_is_one_file_downloaded_once(hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer, key: str) -> None:
    offer = next(offer for offer in list_offers(tokenizer) if offer.key == key)
    assert (offer.group, offer.source) == ("hub", OFFERED[key].repo)
    peer = open_peer(key, tokenizer, public=True)
    assert peer.name == offer.title
    assert "".join(piece.text for piece in peer.pieces("東京の猫")) == "東京の猫"
    assert asked_for(hub) == {OFFERED[key].file}


def test_the_offers_ask_nobody(hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    assert len([offer for offer in list_offers(tokenizer) if offer.group == "hub"]) == 5
    assert hub.requests == []


def test_what_was_downloaded_opens_without_the_hub(
    hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_peer("rinna", tokenizer)
    assert open_peer("rinna", tokenizer) is first
    monkeypatch.setattr("neoxjp.compare.opening._opened", {})
    hub.requests.clear()
    again = open_peer("rinna", tokenizer, local_files_only=True)
    assert again is not first
    assert again.pieces("猫") == first.pieces("猫")
    assert hub.requests == []


def refused(key: str, tokenizer: GPTNeoXJapaneseTokenizer, **options: bool) -> tuple[str, str]:
    """What is said, in English and Japanese, each one line."""
    with pytest.raises(PeerUnavailable) as caught:
        open_peer(key, tokenizer, **options)
    english, japanese = str(caught.value), caught.value.ja
    assert "\n" not in english + japanese
    assert english != japanese
    return english, japanese


def test_a_gated_one_says_what_to_do_and_spoils_no_other(hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    hub.repositories["model", OFFERED["gemma"].repo].gated = True
    english, japanese = refused("gemma", tokenizer)
    assert "'google/gemma-3-1b-it' is gated: accept its conditions on its Hub page" in english
    assert "条件に同意" in japanese
    assert open_peer("qwen", tokenizer).pieces("猫")


def test_a_repository_that_is_gone_is_said(hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    del hub.repositories["model", OFFERED["llm-jp"].repo]
    english, japanese = refused("llm-jp", tokenizer)
    assert "no model of that name on the Hub" in english
    assert "'llm-jp/llm-jp-3-1.8b'" in japanese


def test_a_repository_without_the_file_lists_what_it_holds(hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    hub.add(OFFERED["qwen"].repo, {"vocab.json": b"{}"})
    english, japanese = refused("qwen", tokenizer)
    assert "'Qwen/Qwen3-8B' lacks 'tokenizer.json'; it holds 'vocab.json'" in english
    assert "tokenizer.json" in japanese


def test_a_file_beyond_the_bound_is_not_downloaded(
    hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neoxjp.compare.hub.MAX_BYTES", 1_000)
    english, japanese = refused("swallow", tokenizer, public=True)
    assert f"has {len(content_of('swallow')):,} bytes; at most 1,000 are downloaded" in english
    assert "1,000 バイトまで" in japanese
    assert asked_for(hub) == set()


def test_a_file_that_is_no_tokenizer_is_said(hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    hub.add(OFFERED["qwen"].repo, {"tokenizer.json": b'{"model": 1}'})
    assert "'tokenizer.json' cannot be used" in refused("qwen", tokenizer)[0]


def test_without_a_network_it_says_so_and_a_later_try_succeeds(
    hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    with monkeypatch.context() as away:
        away.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
        english, japanese = refused("rinna", tokenizer)
    assert "the Hub cannot be reached" in english
    assert "キャッシュにもありません" in japanese
    assert open_peer("rinna", tokenizer).pieces("猫")


@pytest.mark.parametrize("how", ["asked", "environment"])
def test_offline_asks_nobody(
    hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", how == "environment")
    english, japanese = refused("rinna", tokenizer, local_files_only=how == "asked")
    assert "'spiece.model' of 'rinna/japanese-gpt-neox-3.6b' is not in the cache" in english
    assert "'rinna/japanese-gpt-neox-3.6b' の 'spiece.model' はキャッシュになく" in japanese
    assert hub.requests == []


def test_any_repository_opens_by_its_id_where_the_page_is_ones_own(hub: LocalHub, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    hub.add("owner/old-qwen", {"qwen.tiktoken": tiny_peers.rank_file(), "config.json": b"{}"})
    peer = open_peer("owner/old-qwen", tokenizer)
    assert peer.name == "old-qwen"
    assert [piece.text for piece in peer.pieces("東京猫")] == ["東京", "猫"]
    hub.add("owner/weights-only", {"model.safetensors": b"x"})
    assert "it holds 'model.safetensors'" in refused("owner/weights-only", tokenizer)[0]
