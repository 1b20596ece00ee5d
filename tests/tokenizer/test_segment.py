"""Where tokens lie in the user's text, what they say of themselves, and why the text was cut there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp import GPTNeoXJapaneseTokenizer
from tests.support.texts import texts


def assert_tiled(tokens, text):
    """The distinct spans, in order, are the text without gap or overlap."""
    spans = list(dict.fromkeys((token.start, token.end) for token in tokens))
    assert [0, *(end for _, end in spans)] == [*(start for start, _ in spans), len(text)]
    assert "".join(text[start:end] for start, end in spans) == text
    assert all(start < end for start, end in spans)


@settings(max_examples=200)
@given(data=st.data(), cleaned=st.booleans())
def test_spans_tile_the_text_and_token_texts_are_decode(data, folder, tokenizer, compat, cleaned):
    text = data.draw(texts(folder), label="text")
    for one in (tokenizer, compat):
        tokens = one.analyze(text, do_clean_text=cleaned)
        assert_tiled(tokens, text)
        assert [token.id for token in tokens] == one.encode(text, do_clean_text=cleaned)
        assert [token.piece for token in tokens] == one.tokenize(text, do_clean_text=cleaned)
        written = "".join(token.text for token in tokens)
        assert (written.strip() if one.compat else written) == one.decode([token.id for token in tokens])
        if not any(token.lossy for token in tokens):
            assert written == text


def test_a_token_says_what_it_is(tiny):
    text = "慶應é 😀\r\n—‖<URL>"
    words = [(t.piece, t.text, text[t.start : t.end], t.kind, t.script, t.folded, t.lossy) for t in tiny.analyze(text)]
    assert words == [
        ("慶應", "慶応", "慶應", "word", "kanji", True, True),
        ("<|byte195|>", "", "é", "byte", "latin", False, False),
        ("<|byte169|>", "é", "é", "byte", "latin", False, False),
        ("<SP>", " ", " ", "blank", "space", False, False),
        ("<|emoji1|>", "😀", "😀", "emoji", "emoji", False, False),
        ("<BR>", "\n", "\r\n", "blank", "space", False, True),
        ("ー", "ー", "—", "word", "symbol", False, True),
        ("<U2000U2BFF>", "‖", "‖", "symbol", "symbol", False, False),
        ("<URL>", "<URL>", "<URL>", "tag", "other", False, False),
    ]


def test_special_tokens_in_a_text_are_of_the_special_kind(tokenizer):
    assert [token.kind for token in tokenizer.analyze("<|startoftext|><|endoftext|>")] == ["special"] * 2


def test_a_tag_that_the_vocabulary_cuts_in_two_keeps_one_span(tmp_path, tiny_vocabulary):
    # "a<" is a spelling here, and takes the first character of the tag that stands for the emoji.
    lines = (tiny_vocabulary / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("a<\n" + lines + "|\n", encoding="utf-8")
    tokenizer = GPTNeoXJapaneseTokenizer(tmp_path / "vocab.txt", tiny_vocabulary / "emoji.json")
    tokens = tokenizer.analyze("xa😀y")
    assert_tiled(tokens, "xa😀y")
    assert tokens[1].piece == "a<"
    assert {(token.start, token.end) for token in tokens} == {(0, 1), (1, 3), (3, 4)}


# --- reasons


@given(data=st.data())
def test_explain_gives_the_cuts_that_encode_makes(data, folder, tokenizer, compat):
    text = data.draw(texts(folder), label="text")
    for one in (tokenizer, compat):
        cuts = one.explain(text)
        assert [id for cut in cuts for id in cut.ids] == one.encode(text)
        assert_tiled(cuts, text)
        for cut in cuts:
            assert all(one.vocabulary.ids[candidate.piece] == candidate.id for candidate in cut.candidates)
            if cut.rule in ("smallest id", "only candidate"):
                assert cut.ids == (min(candidate.id for candidate in cut.candidates),)
            if cut.winner is None:
                assert not cut.candidates
                assert cut.rule in ("symbol", "byte")
            else:
                assert cut.ids == (cut.candidates[cut.winner].id,)


def test_explain_shows_the_candidates_longest_first_and_the_winner(tiny):
    (cut, *_) = tiny.explain("東京都")
    assert [candidate.piece for candidate in cut.candidates] == ["東京都", "東京", "東"]
    assert (cut.winner, cut.rule, cut.start, cut.end) == (0, "smallest id", 0, 3)
    assert cut.ids == (cut.candidates[0].id,) == tuple(tiny.convert_tokens_to_ids(["東京都"]))


def test_a_shorter_candidate_with_a_smaller_id_wins(abeja_vocabulary):
    cut = GPTNeoXJapaneseTokenizer.from_pretrained(abeja_vocabulary).explain("ること")[0]
    assert [(candidate.piece, candidate.id) for candidate in cut.candidates] == [("ること", 44), ("るこ", 42), ("る", 26650)]
    assert (cut.winner, cut.rule, cut.start, cut.end) == (1, "smallest id", 0, 2)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("ぬ", "only candidate"),
        ("<URL>", "tag"),
        ("<|byte195|>", "tag"),
        ("😀", "emoji"),
        (" ", "blank"),
        ("<|endoftext|>", "special"),
        ("¡", "symbol"),
        ("\u2028", "symbol"),
        ("é", "byte"),
    ],
)
def test_each_cut_names_its_rule(tiny, text, rule):
    (cut,) = tiny.explain(text)
    assert (cut.rule, cut.start, cut.end) == (rule, 0, len(text))


def test_half_of_a_tag_that_stands_for_an_emoji_is_no_candidate(tiny):
    assert [candidate.piece for candidate in tiny.explain("😀")[0].candidates] == ["<|emoji1|>"]
    assert [candidate.piece for candidate in tiny.explain("<SP>")[0].candidates] == ["<SP>", "<"]


@given(text=st.text(st.one_of(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), st.sampled_from("猫< ")), max_size=8))
def test_lone_surrogates_have_their_span_too(tiny, text):
    assert_tiled(tiny.analyze(text), text)
