"""Which tokens of two texts are replaced by which: words that are read alike, whatever their spelling."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neoxjp.labs.patching.alignment import align


def pairs(tokenizer: Any, text: str, donor: str) -> list[tuple[str, str]]:
    return [(pair.text, pair.donor_text) for pair in align(tokenizer.encode(text), tokenizer.encode(donor), tokenizer)]


@pytest.mark.parametrize(
    ("text", "donor", "wanted"),
    [
        ("慶応義塾大学", "けいおうぎじゅくだいがく", [("慶応", "けいおう"), ("義塾大学", "ぎじゅくだいがく")]),
        ("猫は魚を", "猫が魚を", [("猫", "猫"), ("は", "が"), ("魚", "魚"), ("を", "を")]),
        ("りんごを", "みかんを", [("りんごを", "みかんを")]),  # りん|ごを: the ん that both have is no border of words
        ("國語と", "国語と", [("国語", "国語"), ("と", "と")]),
        ("猫が", "白い猫が", [("猫", "白い猫"), ("が", "が")]),  # what has no counterpart goes with its neighbour
        ("東京へ", "トウキョウヘ", [("東京", "トウキョウ"), ("へ", "ヘ")]),
        ("猫", "猫", [("猫", "猫")]),
        ("a", "ｂ\nc", [("a", "ｂ\nc")]),
    ],
)
def test_words_that_are_read_alike_belong_together(abeja: Any, text: str, donor: str, wanted: list[tuple[str, str]]) -> None:
    assert pairs(abeja, text, donor) == wanted


def test_the_last_states_are_replaced_as_many_as_the_shorter_span_has(abeja: Any) -> None:
    ids, donor_ids = abeja.encode("慶応は"), abeja.encode("けいおうは")
    first, second = align(ids, donor_ids, abeja)
    assert (first.start, first.end, first.donor_start, first.donor_end) == (0, 1, 0, len(donor_ids) - 1)
    assert first.places == [(0, len(donor_ids) - 2)]
    assert second.places == [(1, len(donor_ids) - 1)]


def test_without_a_tokenizer_tokens_are_counted_from_the_end() -> None:
    found = align([1, 2, 3], [4, 5], None)
    assert [(pair.start, pair.end, pair.donor_start, pair.donor_end) for pair in found] == [(0, 2, 0, 1), (2, 3, 1, 2)]
    assert [pair.places for pair in found] == [[(1, 0)], [(2, 1)]]


@given(
    st.text("猫は東京がくつ語とaＡ\n𠮷🐈ｶﾞ、食べる1 ", min_size=1, max_size=12),
    st.text("ねこは東京犬つ語とa\n𠮷🐈、食る１", min_size=1, max_size=12),
)
def test_the_spans_tile_both_texts_and_none_is_empty(tiny: Any, text: str, donor: str) -> None:
    ids, donor_ids = tiny.encode(text) or [0], tiny.encode(donor) or [0]
    found = align(ids, donor_ids, tiny)
    for start, end, count in (("start", "end", len(ids)), ("donor_start", "donor_end", len(donor_ids))):
        ends = [0, *(getattr(pair, end) for pair in found)]
        assert [getattr(pair, start) for pair in found] == ends[:-1]
        assert ends == sorted(set(ends))
        assert ends[-1] == count
    assert "".join(pair.text for pair in found) == tiny.decode(ids)
