"""The tokenizers to compare with: their pieces tile any text, and characters are never cut."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.compare import Characters, Encoder, Peer, Piece, Utf8Bytes, builtin_peers, folder_peer, own_peer
from neoxjp.errors import CheckpointError, VocabularyError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from tests.support.tiny import write_tiny_vocabulary


@pytest.fixture(scope="module")
def tokenizer(tiny_vocabulary: Path) -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)


def total(peer: Peer, text: str) -> int:
    return sum(piece.tokens for piece in peer.pieces(text))


def test_the_page_compares_four(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    assert [peer.name for peer in builtin_peers(tokenizer)] == ["neoxjp", "transformers", "UTF-8 bytes", "characters"]


def test_ours_gives_the_tokens_of_the_text(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    pieces = own_peer(tokenizer).pieces("東京です")
    assert [piece.text for piece in pieces] == ["東京", "です"]
    assert [piece.id for piece in pieces] == tokenizer.encode("東京です")


def test_the_bytes_of_one_character_are_one_piece(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    assert own_peer(tokenizer).pieces("𩸽犬")[0] == Piece("𩸽", 0, 1, None, tokens=4)
    assert Utf8Bytes().pieces("𩸽a") == [Piece("𩸽", 0, 1, None, tokens=4), Piece("a", 1, 2, 97)]


def test_two_equal_characters_in_bytes_stay_two_pieces(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    assert [(piece.text, piece.tokens) for piece in own_peer(tokenizer).pieces("鰯鰯")] == [("鰯", 3), ("鰯", 3)]


def test_a_piece_shows_the_users_own_spelling(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    assert [piece.text for piece in own_peer(tokenizer).pieces("慶應 日夲")] == ["慶應", " ", "日夲"]


def test_compat_writes_a_comma_as_a_byte(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    right, faulty, *_ = builtin_peers(tokenizer)
    assert right.pieces(",")[0].id != faulty.pieces(",")[0].id


def test_a_character_is_a_code_point() -> None:
    assert total(Characters(), "か\u3099") == 2
    assert total(Characters(), "👨‍👩‍👧") == 5
    assert Characters().pieces("𩸽") == [Piece("𩸽", 0, 1, 0x29E3D)]


def test_bytes_count_what_utf8_takes() -> None:
    text = "a é 猫 𩸽\n"
    assert total(Utf8Bytes(), text) == len(text.encode())
    assert total(Utf8Bytes(), "\ud800") == 3


@settings(max_examples=100, deadline=None)
@given(
    st.text(alphabet=st.characters(codec=None), max_size=30)
    | st.text("東京都慶應ｱア,<SP>BR|byte 1①👋🏻(^_)\u3000\n\r\u3099\ud800𩸽é—−", max_size=40)
)
def test_pieces_tile_any_text(tiny_vocabulary: Path, text: str) -> None:
    for peer in builtin_peers(GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)):
        pieces = peer.pieces(text)
        assert "".join(piece.text for piece in pieces) == text
        assert [piece.start for piece in pieces] == [0, *(piece.end for piece in pieces)][: len(pieces)]
        assert all(piece.tokens >= 1 and (piece.tokens == 1 or piece.id is None) for piece in pieces)
        assert isinstance(peer, Encoder)
        assert len(peer.encode(text)) == total(peer, text)
        assert all(0 <= id < peer.vocabulary_size for id in peer.encode(text))


def test_bytes_and_characters_give_the_text_back() -> None:
    for peer in (Utf8Bytes(), Characters()):
        assert peer.decode(peer.encode("猫 𩸽\n")) == "猫 𩸽\n"


def test_the_tokens_of_ours_are_those_of_encode(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "東京都の鰯は①慶應(^_^)。\n👋🏻é"
    assert total(own_peer(tokenizer), text) == len(tokenizer.encode(text))


def test_any_vocabulary_folder_is_a_peer_by_its_name(tmp_path: Path) -> None:
    peer = folder_peer(write_tiny_vocabulary(tmp_path / "theirs"))
    assert peer.name == "theirs"
    assert [piece.text for piece in peer.pieces("東京都")] == ["東京都"]


def test_a_folder_that_is_not_there_is_said_in_both_languages(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"is not a folder of this machine: name one that holds vocab\.txt and emoji\.json"
    ) as caught:
        folder_peer(tmp_path / "nowhere")
    assert "フォルダーはありません" in caught.value.ja


def test_a_hub_id_is_not_a_folder() -> None:
    with pytest.raises(CheckpointError, match="is not a folder"):
        folder_peer("abeja/gpt-neox-japanese-2.7b")


def test_a_folder_without_a_vocabulary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"vocab\.txt"):
        folder_peer(tmp_path)


def test_a_broken_vocabulary_is_refused(tmp_path: Path) -> None:
    write_tiny_vocabulary(tmp_path)
    (tmp_path / "emoji.json").write_text("[]")
    with pytest.raises(VocabularyError, match=r"emoji\.json"):
        folder_peer(tmp_path)


@pytest.mark.parametrize("name", ["~nobody-of-that-name/x", "x" * 5_000, "a\0b", "a\ud800b"])
def test_a_name_that_no_folder_can_have_is_refused_in_one_short_line(name: str) -> None:
    with pytest.raises(CheckpointError, match="is not a folder") as caught:
        folder_peer(name)
    assert len(str(caught.value)) < 300
