"""Why a cut falls where it falls: the window, its candidates, another character tried, and the entries that keep a word whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.errors import ParameterError
from neoxjp.labs.why_this_cut.records import SLOTS, Cuts, nearest, span_of, what_if, word_at
from tests.support.texts import ODD, texts

# ---------------------------------------------------------------- places


@given(data=st.data())
def test_places_are_the_tokenizers_own_cuts(data, folder, tokenizer, compat):
    text = data.draw(st.one_of(texts(folder), ODD), label="text")
    for one in (tokenizer, compat):
        cuts = Cuts(one, text)
        own = one.explain(text)
        assert [(p.start, p.end, p.rule, p.ids) for p in cuts] == [(c.start, c.end, c.rule, c.ids) for c in own]
        for place, cut in zip(cuts, own, strict=True):
            assert [(r.piece, r.id) for r in place.candidates if r.id is not None and not r.partial] == [
                (candidate.piece, candidate.id) for candidate in cut.candidates
            ]


@given(data=st.data())
def test_every_candidate_is_in_the_vocabulary_and_the_smallest_id_wins(data, folder, tokenizer):
    text = data.draw(texts(folder), label="text")
    for place in Cuts(tokenizer, text):
        for candidate in place.candidates:
            assert tokenizer.vocabulary.ids.get(candidate.piece) == candidate.id
            assert candidate.won == (place.winner is not None and candidate is place.candidates[place.winner])
        if place.rule in ("smallest id", "only candidate"):
            assert all(candidate.behind >= 0 for candidate in place.candidates if candidate.id is not None)
        if place.winner is None:
            assert all(candidate.id is None for candidate in place.candidates)


@given(data=st.data())
def test_every_character_belongs_to_the_cut_that_covers_it(data, folder, tokenizer):
    text = data.draw(texts(folder), label="text")
    cuts = Cuts(tokenizer, text)
    for position in range(len(text)):
        start, end = cuts.spans[cuts.at(position)]
        assert start <= position < end


def test_a_shorter_piece_with_a_smaller_id_wins_and_says_by_how_much(abeja):
    place = Cuts(abeja, "ること")[0]
    assert [(r.piece, r.id, r.behind, r.won) for r in place.candidates] == [
        ("ること", 44, 2, False),
        ("るこ", 42, 0, True),
        ("る", 26650, 26608, False),
    ]


def test_what_is_not_in_the_vocabulary_is_on_the_ladder_too(tiny):
    place = Cuts(tiny, "東京に")[0]
    assert [(r.piece, r.id is None) for r in place.candidates] == [("東京に", True), ("東京", False), ("東", False)]
    assert (place.winner, place.rule, place.window) == (1, "smallest id", "東京に")


def test_at_the_end_of_the_text_the_window_is_shorter(tiny):
    place = Cuts(tiny, "犬猫")[1]
    assert (place.window, [candidate.piece for candidate in place.candidates]) == ("猫", ["猫"])


def test_a_window_that_ends_in_the_middle_of_a_tag_says_so(tiny):
    place = Cuts(tiny, "犬 猫")[0]
    assert [(r.piece, r.partial) for r in place.candidates] == [("犬<S", True), ("犬<", True), ("犬", False)]
    assert (place.candidates[0].start, place.candidates[0].end) == (0, 2)


@pytest.mark.parametrize(("text", "candidates"), [("😀", ["<|emoji1|>"]), (" ", ["<SP>"]), ("<SP>", ["<SP>", "<SP", "<S", "<"])])
def test_of_a_tag_that_stands_for_something_else_only_the_tag_is_shown(tiny, text, candidates):
    assert [candidate.piece for candidate in Cuts(tiny, text)[0].candidates] == candidates


def test_a_tag_wins_whatever_the_ids(tiny):
    place = Cuts(tiny, "<URL>")[0]
    assert place.rule == "tag"
    assert {candidate.behind for candidate in place.candidates} == {0, None}


def test_bytes_and_symbols_have_no_winner(tiny):
    place, symbol = Cuts(tiny, "é‖")
    assert (place.winner, place.rule, len(place.ids)) == (None, "byte", 2)
    assert (symbol.winner, symbol.rule, len(symbol.ids)) == (None, "symbol", 1)


@pytest.mark.parametrize("position", [-1, 2])
def test_a_position_outside_of_the_text_is_refused_with_its_length(tiny, position):
    with pytest.raises(ParameterError, match=f"position {position}: the text has 2 characters") as caught:
        Cuts(tiny, "犬猫").at(position)
    assert "全部で 2 文字" in caught.value.ja


def test_an_empty_text_has_no_cuts(tiny):
    assert list(Cuts(tiny, "")) == []


# ---------------------------------------------------------------- what if


@settings(max_examples=200)
@given(data=st.data(), which=st.sampled_from(SLOTS), replacement=st.one_of(ODD, st.text(max_size=3)))
def test_what_if_is_what_the_changed_text_really_gives(data, folder, tokenizer, which, replacement):
    text = data.draw(texts(folder).filter(bool), label="text")
    cuts = Cuts(tokenizer, text)
    index = data.draw(st.integers(0, len(cuts) - 1), label="index")
    tried = what_if(cuts, index, replacement, which)
    changed = text[: tried.start] + replacement + text[tried.end :]
    shift = len(changed) - len(text)
    front = [id for i, (_, end) in enumerate(cuts.spans) if end <= tried.first and i < len(cuts) for id in cuts.part(i).ids]
    back = [id for i, (start, _) in enumerate(cuts.spans) if start >= tried.last for id in cuts.part(i).ids]
    assert front + [id for part in tried.after for id in part.ids] + back == tokenizer.encode(changed)
    assert front + [id for part in tried.before for id in part.ids] + back == tokenizer.encode(text)
    assert "".join(part.surface for part in tried.before) == text[tried.first : tried.last]
    assert "".join(part.surface for part in tried.after) == changed[tried.first : tried.last + shift]
    assert tried.was == text[tried.start : tried.end]


def test_another_character_behind_a_piece_may_change_it(tiny):
    cuts = Cuts(tiny, "東京に住む")
    tried = what_if(cuts, 0, "都")
    assert (tried.was, tried.same, tried.token.surface) == ("に", False, "東京都")
    assert [part.surface for part in tried.before] == ["東京", "に"]
    assert [part.surface for part in tried.after] == ["東京都"]
    assert (tried.first, tried.last) == (0, 3)


def test_what_lies_behind_the_window_cannot_change_the_cut(tiny):
    tried = what_if(Cuts(tiny, "東京都に住む"), 0, "で")
    assert tried.same
    assert [part.surface for part in tried.before] == ["に"]
    assert [part.surface for part in tried.after] == ["で"]


@pytest.mark.parametrize(("which", "was"), [("next", "に"), ("second", "京"), ("third", "に")])
def test_each_place_of_the_window_can_be_tried(tiny, which, was):
    assert what_if(Cuts(tiny, "東京に住む"), 0, "犬", which).was == was


def test_behind_the_end_of_the_text_a_character_is_added(tiny):
    tried = what_if(Cuts(tiny, "犬東京"), 1, "都")
    assert (tried.start, tried.end, tried.was) == (3, 3, "")
    assert [part.surface for part in tried.after] == ["東京都"]


def test_an_emoji_of_several_code_points_is_replaced_as_one(tiny):
    assert what_if(Cuts(tiny, "犬(^_^)猫"), 0, "人").was == "(^_^)"


def test_too_long_a_replacement_is_refused(tiny):
    with pytest.raises(ParameterError, match="a replacement of 21 characters: try at most 20") as caught:
        what_if(Cuts(tiny, "犬"), 0, "猫" * 21)
    assert "21 文字あります" in caught.value.ja


def test_an_unknown_place_to_try_is_refused(tiny):
    with pytest.raises(ParameterError, match="which='fourth': choose one of 'next', 'second', 'third'"):
        what_if(Cuts(tiny, "犬"), 0, "猫", "fourth")


# ---------------------------------------------------------------- words and their nearest entries


def test_the_word_is_the_dictionarys():
    assert word_at("昨日、大学に住む。", 4) == (3, 5)
    assert word_at("犬。" * 1000 + "大学", 2001) == (2000, 2002)


def test_a_word_that_is_one_token_needs_no_entries(tiny):
    word = nearest(Cuts(tiny, "東京都に"), 0, 3)
    assert (word.whole, word.entries, [part.surface for part in word.pieces]) == (True, (), ["東京都"])


def test_a_word_of_bytes_is_not_whole(tiny):
    word = nearest(Cuts(tiny, "𩸽を"), 0, 1)
    assert (word.whole, word.entries, len(word.pieces[0].ids)) == (False, (), 4)


def test_a_word_in_the_vocabulary_may_have_lost_its_first_character(abeja):
    # 都 is taken by 都知, so that 知事, an entry of its own, is never asked for.
    cuts = Cuts(abeja, "東京都知事")
    word = nearest(cuts, 3, 5)
    assert [part.surface for part in word.pieces] == ["都知", "事"]
    first = word.entries[0]
    assert (first.piece, first.how, first.whole, first.reason, first.by) == ("知事", "equal", True, "begun before", "都知")
    assert (first.id, first.by_id) == (abeja.vocabulary.ids["知事"], abeja.vocabulary.ids["都知"])


def test_a_word_in_the_vocabulary_may_have_lost_to_a_smaller_id(abeja):
    word = nearest(Cuts(abeja, "ること"), 0, 3)
    assert [(e.piece, e.how, e.reason, e.by, e.by_id) for e in word.entries[:1]] == [
        ("ること", "equal", "smaller id", "るこ", 42)
    ]


def test_no_token_holds_more_than_three_characters(tiny):
    word = nearest(Cuts(tiny, "慶應大学生"), 0, 5)
    assert not word.fits
    assert not any(entry.whole for entry in word.entries)
    assert [(e.piece, e.how, e.shared, e.reason) for e in word.entries] == [("慶應", "prefix", 2, "taken")]


def test_the_kana_reading_and_the_other_width_are_named(tiny):
    word = nearest(Cuts(tiny, "ﾄｳ"), 0, 2)
    assert [(entry.piece, entry.how, entry.reason) for entry in word.entries] == [("トウ", "width", "other characters")]


@settings(max_examples=50)
@given(data=st.data())
def test_every_entry_is_in_the_vocabulary_and_says_the_truth(data, folder, tokenizer):
    text = data.draw(texts(folder).filter(bool), label="text")
    start = data.draw(st.integers(0, len(text) - 1), label="start")
    end = data.draw(st.integers(start + 1, min(len(text), start + 4)), label="end")
    cuts = Cuts(tokenizer, text)
    for entry in nearest(cuts, start, end).entries:
        assert tokenizer.vocabulary.ids[entry.piece] == entry.id
        if entry.how in ("equal", "contains"):
            assert text[start:end] in entry.piece
        if entry.reason == "smaller id":
            assert entry.by_id <= entry.id or cuts[cuts.at(start)].rule not in ("smallest id", "only candidate")


def test_a_word_that_the_user_names_is_found_next_to_the_place():
    assert span_of("犬と犬と犬", "犬", 2) == (2, 3)
    assert span_of("犬と猫", "猫", 0) == (2, 3)
    with pytest.raises(ParameterError, match="'鳥' is not in the text") as caught:
        span_of("犬と猫", "鳥", 0)
    assert caught.value.ja == "「鳥」は文章にありません。"


def test_of_an_ids_spellings_one_is_named_the_texts_own_first(tmp_path, tiny_vocabulary):
    lines = (tiny_vocabulary / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text(lines + "犬人間,犬人問,犬人閒\n", encoding="utf-8")
    tokenizer = GPTNeoXJapaneseTokenizer(tmp_path / "vocab.txt", tiny_vocabulary / "emoji.json")
    word = nearest(Cuts(tokenizer, "犬人問"), 0, 2)
    assert [(e.piece, e.how, e.reason, e.by) for e in word.entries] == [("犬人問", "contains", "smaller id", "犬")]
