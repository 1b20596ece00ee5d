"""Tokenizers out of files: pieces tile the user's text, counts are the tokenizer's own, and what is missing is said."""

import base64
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import regex
import tokenizers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from neoxjp.compare import Encoder, Peer, Piece, find_offer, list_offers, open_peer
from neoxjp.compare.files import Tokenizer, open_file, split_of
from neoxjp.errors import PeerUnavailable
from neoxjp.japanese import sudachi_tokenizer
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support import tiny_peers
from tests.support.texts import ODD, texts
from tests.support.tiny import write_tiny_vocabulary

FILES = {
    "byte-level.json": lambda: tiny_peers.tokenizer_json(tiny_peers.byte_level),
    "byte-fallback.json": lambda: tiny_peers.tokenizer_json(tiny_peers.byte_fallback),
    "unigram.json": lambda: tiny_peers.tokenizer_json(tiny_peers.unigram),
    "wordpiece.json": lambda: tiny_peers.tokenizer_json(tiny_peers.wordpiece),
    "nfkc.model": lambda: tiny_peers.sentencepiece_model("nmt_nfkc"),
    "identity.model": lambda: tiny_peers.sentencepiece_model("identity"),
    "without-bytes.model": lambda: tiny_peers.sentencepiece_model("nmt_nfkc", fallback=False),
    "mine.tiktoken": lambda: tiny_peers.rank_file(),
}


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peers")
    for name, made in FILES.items():
        (folder / name).write_bytes(made())
    return folder


@pytest.fixture(scope="module")
def every(folder: Path, tokenizer: GPTNeoXJapaneseTokenizer) -> dict[str, Peer]:
    """A peer of each kind."""
    found = {name: open_peer(str(folder / name), tokenizer) for name in FILES}
    return found | {key: open_peer(key, tokenizer) for key in ("tekken", "sudachi-a", "sudachi-b", "sudachi-c")}


def own_count(name: str, peer: Any, text: str) -> int:
    """How many tokens the tokenizer's own library makes of the text."""
    clean = "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    if name.startswith("sudachi"):
        return len(sudachi_tokenizer(peer.mode, peer.edition).tokenize(clean))
    if name == "tekken":
        return len(peer.tokenizer.encode(clean, bos=False, eos=False))
    if name.endswith(".json"):
        return len(peer.tokenizer.encode(clean, add_special_tokens=False).ids)
    if name.endswith(".model"):
        return len(peer.processor.encode(clean, out_type=int))
    return len(peer.encoding.encode(clean, disallowed_special=()))


@settings(max_examples=60)
@given(text=st.tuples(texts(), ODD, texts()).map("".join))
def test_pieces_tile_any_text_and_count_what_the_tokenizer_counts(every: dict[str, Peer], text: str) -> None:
    for name, peer in every.items():
        pieces = peer.pieces(text)
        assert "".join(piece.text for piece in pieces) == text, name
        assert [piece.start for piece in pieces] == [0, *(piece.end for piece in pieces)][: len(pieces)], name
        assert all(piece.end > piece.start for piece in pieces), name
        assert all(piece.tokens == 1 or piece.id is None for piece in pieces), name
        assert sum(piece.tokens for piece in pieces) == own_count(name, peer, text), name
        assert isinstance(peer, Encoder) != name.startswith("sudachi"), name
        if isinstance(peer, Encoder):
            ids = list(peer.encode(text))
            assert len(ids) == own_count(name, peer, text), name
            assert {piece.id for piece in pieces if piece.id is not None} <= set(ids), name
            assert all(0 <= id < peer.vocabulary_size for id in ids), name


WITHOUT = ("byte-fallback.json", "unigram.json", "wordpiece.json", "without-bytes.model")  # a decoder, or tokens for 𩸽


def test_decoding_gives_the_text_back_but_for_what_normalisation_changes(every: dict[str, Peer]) -> None:
    text = "東京都の猫は、𩸽を"
    for name, peer in every.items():
        if isinstance(peer, Encoder) and name not in WITHOUT:
            assert peer.decode(peer.encode(text)) == text, name
    nfkc = every["nfkc.model"]
    assert isinstance(nfkc, Encoder)
    assert nfkc.decode(nfkc.encode("猫㍿")) == "猫株式会社"


def cut(peer: Peer, text: str) -> list[tuple[str, int]]:
    return [(piece.text, piece.tokens) for piece in peer.pieces(text)]


def test_a_piece_never_ends_inside_a_character(every: dict[str, Peer]) -> None:
    for name in ("byte-level.json", "byte-fallback.json", "nfkc.model", "mine.tiktoken"):
        assert cut(every[name], "𩸽")[-1] == ("𩸽", 5 if name == "nfkc.model" else 4), name  # SentencePiece's ▁ in front


def test_a_token_over_the_border_of_two_characters_joins_them(folder: Path, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    ranks = folder / "joins.tiktoken"
    tokens = [bytes([byte]) for byte in range(256)] + ["、".encode()[2:] + "猫".encode()[:1]]
    ranks.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens)))
    assert cut(open_peer(str(ranks), tokenizer), "猫、猫") == [("猫", 3), ("、猫", 5)]


def test_normalisation_maps_back_to_the_users_characters(every: dict[str, Peer]) -> None:
    for name in ("nfkc.model", "unigram.json"):
        assert "㍿" in [piece.text for piece in every[name].pieces("猫㍿です")], name
        assert cut(every[name], "か\u3099")[-1][0] == "か\u3099", name  # read as が: nothing was dropped


def test_dropped_blanks_are_pieces_of_no_token(every: dict[str, Peer]) -> None:
    assert cut(every["wordpiece.json"], " cat  is ") == [(" ", 0), ("cat", 1), ("  ", 0), ("is", 1), (" ", 0)]
    assert cut(every["nfkc.model"], "猫 ")[-1] == (" ", 0)
    assert cut(every["nfkc.model"], "  ") == [("  ", 0)]


def test_special_tokens_are_neither_added_nor_read_out_of_the_text(every: dict[str, Peer]) -> None:
    assert cut(every["byte-level.json"], "猫") == [("猫", every["byte-level.json"].pieces("猫")[0].tokens)]
    assert len(every["byte-level.json"].pieces("<|endoftext|>")) > 3
    assert len(every["byte-fallback.json"].pieces("<s>")) == 3


def test_truncation_and_padding_of_the_file_are_undone(every: dict[str, Peer]) -> None:
    assert sum(tokens for _, tokens in cut(every["byte-level.json"], "abcdefghijkl")) > 8
    assert sum(tokens for _, tokens in cut(every["byte-level.json"], "cat")) < 8


def test_sudachi_cuts_shorter_in_mode_a_than_in_c(every: dict[str, Peer]) -> None:
    found = {mode: [piece.text for piece in every[f"sudachi-{mode}"].pieces("国家公務員")] for mode in "abc"}
    assert found == {"a": ["国家", "公務", "員"], "b": ["国家", "公務員"], "c": ["国家公務員"]}
    assert every["sudachi-c"].pieces("猫") == [Piece("猫", 0, 1, None)]


def test_without_the_core_dictionary_sudachi_uses_the_small_one_and_says_so(
    monkeypatch: pytest.MonkeyPatch, tokenizer: GPTNeoXJapaneseTokenizer
) -> None:
    monkeypatch.setattr("neoxjp.compare.words.find_spec", lambda name: None)
    assert find_offer("sudachi-c").source == "sudachidict-small"
    assert cut(open_peer("sudachi-a", tokenizer), "振り上げる") == [("振り", 1), ("上げる", 1)]
    assert cut(open_peer("sudachi-c", tokenizer), "振り上げる") == [("振り上げる", 1)]


def test_sudachi_takes_text_beyond_its_own_limit_from_several_threads(every: dict[str, Peer]) -> None:
    text = "﷽猫は国家公務員である。" * 1_500  # 18,000 characters, 54,000 bytes; ﷽ alone grows to 33
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(every["sudachi-b"].pieces, [text] * 4))
    assert all("".join(piece.text for piece in pieces) == text for pieces in found)
    assert found[0] == found[1] == found[2] == found[3]


def test_tekken_comes_with_its_package_and_keeps_its_ids(every: dict[str, Peer]) -> None:
    peer: Any = every["tekken"]
    assert peer.name == "Mistral Tekken"
    pieces = peer.pieces("東京 Tokyo")
    assert [piece.id for piece in pieces if piece.tokens == 1]
    assert all(peer.tokenizer.id_to_byte_piece(p.id, "ignore").decode() == p.text for p in pieces if p.id is not None)


@settings(max_examples=150)
@example(text="猫\r\t")
@given(text=st.tuples(texts(), st.text("aZ ' \t\r\n猫ー1２é'sLL", max_size=20), texts()).map("".join))
def test_text_is_split_as_tiktoken_splits_it_for_a_file_of_that_many_ranks(text: str) -> None:
    ranks = {bytes([byte]): byte for byte in range(256)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: ranks)
        theirs = {50_256: openai_public.r50k_base(), 100_256: openai_public.cl100k_base(), 199_998: openai_public.o200k_base()}
    for size, encoding in theirs.items():
        assert regex.findall(split_of(size), text) == regex.findall(encoding["pat_str"], text), size


def test_digits_are_split_by_the_family_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.tiktoken").write_bytes(tiny_peers.rank_file("12345"))
    assert cut(open_file(tmp_path / "x.tiktoken", "x"), "12345") == [("123", 1), ("4", 1), ("5", 1)]  # three at a time
    assert regex.findall(split_of(151_643), "猫123") == ["猫", "1", "2", "3"]  # Qwen looks at each digit alone


@pytest.mark.parametrize(
    ("name", "inside"),
    [("tokenizer.json", "byte-level.json"), ("spiece.model", "nfkc.model"), ("tokenizer.model.v3", "nfkc.model"),
     ("qwen.tiktoken", "mine.tiktoken"), ("tokenizer.model", "mine.tiktoken")],
)  # fmt: skip
def test_a_folder_is_opened_by_what_it_holds(
    tmp_path: Path, tokenizer: GPTNeoXJapaneseTokenizer, every: dict[str, Peer], name: str, inside: str
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / name).write_bytes(FILES[inside]())
    peer = open_peer(str(tmp_path / "theirs"), tokenizer)
    assert peer.name == find_offer(str(tmp_path / "theirs")).title == "theirs"
    assert peer.pieces("東京の猫") == every[inside].pieces("東京の猫")


def test_a_folder_with_our_files_is_ours(tmp_path: Path, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    write_tiny_vocabulary(tmp_path / "other")
    (tmp_path / "other" / "tokenizer.json").write_text("{}")
    assert cut(open_peer(str(tmp_path / "other"), tokenizer), "東京都") == [("東京都", 1)]


def test_every_offer_that_needs_no_file_opens_under_its_title(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    for known in list_offers(tokenizer):
        assert known == find_offer(known.key)
        if known.group != "hub":
            assert open_peer(known.key, tokenizer, public=True).name == known.title


def test_a_peer_is_opened_once_and_a_changed_file_again(tmp_path: Path, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    file = tmp_path / "mine.tiktoken"
    file.write_bytes(tiny_peers.rank_file())
    first = open_peer(str(file), tokenizer)
    assert open_peer(str(file), tokenizer) is first
    assert open_peer("compat", tokenizer).tokenizer is open_peer("compat", tokenizer).tokenizer  # type: ignore[attr-defined]
    file.write_bytes(tiny_peers.rank_file("犬"))
    os.utime(file, ns=(1, 1))
    assert cut(open_peer(str(file), tokenizer), "犬") == [("犬", 1)]
    folder = write_tiny_vocabulary(tmp_path / "folder")
    before = open_peer(str(folder), tokenizer)
    assert open_peer(str(folder), tokenizer) is before
    with (folder / "vocab.txt").open("a", encoding="utf-8") as vocab:  # in place: the folder's own time stays
        vocab.write("犬小屋\n")
    assert open_peer(str(folder), tokenizer).vocabulary_size == before.vocabulary_size + 1  # type: ignore[attr-defined]


def test_compat_is_not_offered_for_a_tokenizer_that_is_it(tiny_vocabulary: Path) -> None:
    faulty = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary, compat="transformers")
    assert "compat" not in [known.key for known in list_offers(faulty)]


# ---------------------------------------------------------------- what cannot be had


@pytest.mark.parametrize(
    ("module", "package", "key"),
    [("tokenizers", "tokenizers", "byte-level.json"), ("sentencepiece", "sentencepiece", "nfkc.model"),
     ("tiktoken", "tiktoken", "mine.tiktoken"), ("mistral_common", "mistral-common", "tekken")],
)  # fmt: skip
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tokenizer: GPTNeoXJapaneseTokenizer, module: str, package: str, key: str
) -> None:
    monkeypatch.setattr("neoxjp.compare.opening._opened", {})
    monkeypatch.setitem(sys.modules, module, None)
    if key in FILES:
        (tmp_path / key).write_bytes(FILES[key]())
        key = str(tmp_path / key)
    with pytest.raises(
        PeerUnavailable, match=rf"the package {package} is not installed: pip install 'neoxjp\[peers\]'"
    ) as caught:
        open_peer(key, tokenizer)
    assert f"パッケージ {package} がありません" in caught.value.ja


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [("broken.json", b'{"version": "1.0"}', "cannot be used"), ("tekken.json", b'{"config": {}}', "cannot be used"),
     ("broken.model", b"\x00\x01nothing", "cannot be used"), ("empty.model", b"", "cannot be used"),
     ("few.tiktoken", b"YQ== 0\nYg== 1\n", "no rank for 254 of the 256 bytes"),
     ("bad.tiktoken", b"YQ== 0\n???? x\n", "cannot be used")],
)  # fmt: skip
def test_a_file_that_is_no_tokenizer_is_said_in_one_line(
    tmp_path: Path, tokenizer: GPTNeoXJapaneseTokenizer, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PeerUnavailable, match=why) as caught:
        open_peer(str(tmp_path / name), tokenizer)
    assert "使えません" in caught.value.ja
    assert "\n" not in str(caught.value) + caught.value.ja


def test_a_folder_without_a_tokenizer_says_what_was_looked_for(tmp_path: Path, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    with pytest.raises(PeerUnavailable, match=r"holds no tokenizer: neither vocab\.txt with emoji\.json nor tokenizer\.json"):
        open_peer(str(tmp_path), tokenizer)
    (tmp_path / "vocab.txt").write_bytes(b"\xff")
    (tmp_path / "emoji.json").write_bytes(b"[]")
    with pytest.raises(PeerUnavailable, match=r"vocab\.txt"):
        open_peer(str(tmp_path), tokenizer)


def test_a_text_that_a_tokenizer_refuses_is_said(tmp_path: Path, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    tokenizers.Tokenizer(tokenizers.models.WordLevel({"cat": 0}, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(PeerUnavailable, match=r"cannot cut this text: .*\[?UNK") as caught:
        open_file(tmp_path / "tokenizer.json", "theirs").pieces("猫")
    assert "分割できません" in caught.value.ja


def test_a_panic_inside_a_library_is_a_refusal_and_the_next_text_works(every: dict[str, Peer]) -> None:
    with pytest.raises(PeerUnavailable, match=r"cannot cut this text: .*StackOverflow"):
        every["mine.tiktoken"].pieces(" " * 1_200_000)
    assert cut(every["mine.tiktoken"], "東京") == [("東京", 1)]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), GeneratorExit()])
def test_what_is_no_refusal_goes_through(error: BaseException) -> None:
    class Interrupted:
        def encode(self, text: str, add_special_tokens: bool) -> None:
            raise error

    with pytest.raises(type(error)):
        Tokenizer("theirs", Interrupted()).pieces("猫")


@pytest.mark.parametrize("key", ["", "nothing", "~nobody-of-that-name/x/y", "x" * 5_000, "a\0b", "a\ud800b", "/nowhere/at/all"])
def test_an_unknown_key_lists_the_known_ones(tokenizer: GPTNeoXJapaneseTokenizer, key: str) -> None:
    with pytest.raises(PeerUnavailable, match="choose neoxjp, compat, gpt-4o, gpt-4, bytes") as caught:
        open_peer(key, tokenizer)
    assert len(str(caught.value)) < 400
    assert "というトークナイザーはありません" in caught.value.ja


def test_a_public_page_opens_no_path_and_tells_nothing_of_it(folder: Path, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    said = []
    for key in (str(folder), str(folder / "nowhere"), "owner/name"):
        with pytest.raises(PeerUnavailable, match="no tokenizer") as caught:
            open_peer(key, tokenizer, public=True)
        said.append(str(caught.value).replace(repr(key)[:80], ""))
    assert len(set(said)) == 1
