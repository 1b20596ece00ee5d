"""The vectorised encoder against the dictionary, on hard texts of any length and kind; its tables and its walk."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp.tokenizer import EmojiTable, FastEncoder, findable_emoji, normalize_text, segment_text
from neoxjp.tokenizer.fast_encode import displace_rows, find_starts
from neoxjp.tokenizer.vocabulary import read_vocabulary
from tests.support.texts import EMOJI, ODD, texts
from tests.support.tiny import EMOJI_JSON, LINES, write_tiny_vocabulary


@pytest.fixture(scope="module", params=[None, "transformers"])
def vocabulary(request, folder):
    return read_vocabulary(folder / "vocab.txt", folder / "emoji.json", compat=request.param)


@pytest.fixture(scope="module")
def emoji(vocabulary):
    return EmojiTable(findable_emoji(vocabulary.emoji))


@pytest.fixture(scope="module")
def scanner(vocabulary, emoji):
    assert FastEncoder.fits(vocabulary, emoji)
    return FastEncoder(vocabulary, emoji)


@settings(max_examples=150)
@given(data=st.data())
def test_ids_are_those_of_the_dictionary(data, folder, vocabulary, emoji, scanner):
    text = "".join(data.draw(st.lists(st.one_of(texts(folder), ODD), max_size=3), label="texts"))
    normal = normalize_text(text, emoji)
    expected = segment_text(normal, vocabulary)[0]
    assert scanner.ids(text).tolist() == expected
    assert scanner.ids(normal, normalised=True).tolist() == expected


@pytest.fixture(scope="module")
def short_parts():
    """Parts so short that a long text has several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neoxjp.tokenizer.fast_encode.PART", 10_001)
        yield


@settings(max_examples=30)
@given(data=st.data())
def test_ids_of_long_texts_are_those_of_the_dictionary(data, folder, vocabulary, emoji, scanner, short_parts):
    parts = data.draw(st.lists(st.one_of(texts(folder), ODD), min_size=1, max_size=4), label="texts")
    chance = random.Random(data.draw(st.integers(0, 999), label="seed"))
    text = "".join(chance.choice(parts) for _ in range(3000))[:40_000]
    assert scanner.ids(text).tolist() == segment_text(normalize_text(text, emoji), vocabulary)[0]


@pytest.mark.slow
@settings(max_examples=60)
@given(data=st.data())
def test_a_batch_gives_the_ids_of_each_text(data, folder, scanner):
    several = data.draw(st.lists(st.one_of(texts(folder), ODD, st.sampled_from(EMOJI)), max_size=5), label="texts")
    assert [ids.tolist() for ids in scanner.batch(several)] == [scanner.ids(text).tolist() for text in several]


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", ["ー", "あ", "る", "a", "1", "<", "👋", "😀", "<|emoji1|", "(^_^)", "\r", "\r\n", " ", "\ud800", "𩸽", "‖"]
)
def test_a_hundred_thousand_characters_of_one_kind(part, vocabulary, emoji, scanner):
    text = part * (100_000 // len(part))
    assert scanner.ids(text).tolist() == segment_text(normalize_text(text, emoji), vocabulary)[0]


@given(data=st.data())
def test_a_text_may_be_scanned_in_parts_that_look_two_places_ahead(data, folder, scanner):
    classes, codes = scanner.classes(data.draw(texts(folder), label="text") * 3)
    border = data.draw(st.integers(0, max(len(classes) - 2, 0)), label="border")
    first, covered = scanner.scan(classes[: border + 2], codes[: border + 2], ahead=min(2, len(classes)))
    rest, _ = scanner.scan(classes[border:], codes[border:], covered)
    assert [*first, *rest] == scanner.scan(classes, codes)[0].tolist()


@given(
    lengths=st.lists(st.integers(1, 3), max_size=60),
    times=st.integers(1, 200),
    covered=st.integers(0, 2),
)
def test_the_walk_beside_itself_is_the_walk_step_by_step(lengths, times, covered):
    lengths = lengths * times
    place, expected = covered, []
    while place < len(lengths):
        expected.append(place)
        place += lengths[place]
    starts, beyond = find_starts(np.array(lengths, np.uint8), covered)
    assert np.flatnonzero(starts).tolist() == expected
    assert beyond == place - len(lengths)


@given(st.sets(st.tuples(st.integers(0, 40), st.integers(0, 30)), min_size=1))
def test_no_two_entries_of_a_sparse_table_share_a_place(entries):
    rows, columns = np.array(sorted(entries)).T
    distinct, offsets, length = displace_rows(rows, columns, 31)
    places = offsets[np.searchsorted(distinct, rows)] + columns
    assert len(set(places.tolist())) == len(entries)
    assert max(offsets) + 31 <= length


@pytest.mark.parametrize(
    ("line", "emoji"),
    [
        ("a<", {}),
        ("<BR>!", {}),
        ("<a<b>", {}),
        ("x", {"😀": "犬"}),  # an emoji that stands for a word takes part in longer spellings
        ("x", {"SP": "<|emoji1|>"}),  # found within the tag of a blank
        ("x", {"emoji": "<|emoji1|>"}),
    ],
)
def test_vocabularies_whose_tags_are_not_apart_are_left_to_the_dictionary(tmp_path, line, emoji):
    folder = write_tiny_vocabulary(tmp_path)
    (folder / "vocab.txt").write_text("\n".join([*LINES, line]) + "\n", encoding="utf-8")
    vocabulary = read_vocabulary(folder / "vocab.txt", folder / "emoji.json")
    assert not FastEncoder.fits(vocabulary, EmojiTable({**EMOJI_JSON["emoji"], **emoji}))
