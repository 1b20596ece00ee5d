"""What a text loses on its way to ids and back: the reasons, the counts, and what a normalisation changes."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.errors import ParameterError
from neoxjp.labs.round_trip.records import NORMALIZATIONS, effect, grouped, roundtrip
from neoxjp.tokenizer import replace_spans
from tests.support.texts import ODD, texts


@settings(max_examples=200)
@given(data=st.data(), cleaned=st.booleans())
def test_the_differences_written_over_the_text_give_what_decoding_gives(data, folder, tokenizer, compat, cleaned):
    text = data.draw(st.one_of(texts(folder), ODD), label="text")
    for one in (tokenizer, compat):
        trip = roundtrip(one, text, cleaned)
        assert trip.decoded == one.decode(one.encode(text, cleaned))
        assert replace_spans(text, (((d.start, d.end), d.became) for d in trip.differences)) == trip.decoded
        assert all(d.was == text[d.start : d.end] and (d.was != d.became or d.reason == "comma") for d in trip.differences)
        assert trip.changed == sum(d.changed for d in trip.differences) <= trip.characters
        assert (trip.changed == 0) == (trip.decoded == text)
        assert sum(total.changed for total in trip.totals.values()) == trip.changed
        assert sum(total.differences for total in trip.totals.values()) == len(trip.differences)


@pytest.mark.parametrize(
    ("text", "was", "became", "reason", "changed"),
    [
        ("猫慶應", "慶應", "慶応", "variant", 1),
        ("猫—", "—", "ー", "dash", 1),
        ("−猫", "−", "ー", "dash", 1),
        ("猫\u3000犬", "\u3000", " ", "blank", 1),
        ("猫\r\n犬", "\r\n", "\n", "newline", 1),
        ("猫\r犬", "\r", "\n", "newline", 1),
        ("(^_^)", "(^_^)", "😀", "emoji", 5),
        ("☃", "☃", "‖", "symbol", 1),
        ("½", "½", "ǀ", "symbol", 1),
        ("\ud800", "\ud800", "\ufffd", "surrogate", 1),
        ("<SP>犬", "<SP>", " ", "tag", 4),
        ("<|emoji1|>", "<|emoji1|>", "😀", "tag", 10),
    ],
)
def test_each_loss_has_its_reason(tiny, text, was, became, reason, changed):
    (found,) = roundtrip(tiny, text).differences
    assert (found.was, found.became, found.reason, found.changed) == (was, became, reason, changed)
    assert list(found.ids) == [token.id for token in tiny.analyze(text) if token.start == found.start]


def test_a_text_that_comes_back_as_it_was_has_no_differences(tiny):
    trip = roundtrip(tiny, "𩸽 と\n猫, é")
    assert (trip.differences, trip.changed, trip.totals, trip.decoded) == ((), 0, {}, trip.text)


def test_the_losses_of_transformers_are_told_apart(tiny_vocabulary):
    compat = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary, compat="transformers")
    trip = roundtrip(compat, " é,猫\u3000\n")
    assert [(d.was, d.became, d.reason, d.changed) for d in trip.differences] == [
        (" ", "", "stripped", 1),
        ("é", "\ufffd\ufffd", "bytes", 1),
        (",", ",", "comma", 0),
        ("\u3000", "", "blank", 1),
        ("\n", "", "stripped", 1),
    ]
    assert trip.decoded == "\ufffd\ufffd,猫"


def test_do_clean_text_is_a_loss_too(tiny):
    (found,) = roundtrip(tiny, "03-1234-5678へ", True).differences
    assert (found.was, found.became, found.reason) == ("03-1234-5678", "<TEL>", "cleaned")


def test_totals_stand_in_the_order_of_their_size(tiny):
    trip = roundtrip(tiny, "慶應—−\u3000日夲日夲")
    assert [(reason, total.differences, total.changed) for reason, total in trip.totals.items()] == [
        ("variant", 3, 3),
        ("dash", 2, 2),
        ("blank", 1, 1),
    ]
    assert grouped(trip.differences)[0] == ("日夲", "日本", 2)


# ---------------------------------------------------------------- normalisation


@settings(max_examples=200)
@given(data=st.data(), form=st.sampled_from(["nfc", "nfkc"]))
def test_the_replacements_give_the_normal_form(data, folder, tokenizer, form):
    mixed = st.one_of(
        texts(folder),
        ODD,
        st.text(max_size=8),
        st.text(st.sampled_from("かｶﾞ\u3099\u309a\u0f73e\u0301\u0323각\u1100\u1161\u11a8")),
    )
    text = data.draw(mixed, label="text")
    found = effect(tokenizer, roundtrip(tokenizer, text), form)
    assert found.text == unicodedata.normalize(form.upper(), text)
    assert found.tokens_after == len(tokenizer.encode(found.text))
    assert found.changed_after == roundtrip(tokenizer, found.text).changed
    assert found.characters == sum(r.end - r.start for r in found.replacements)
    assert all(r.was != r.became and r.was == text[r.start : r.end] for r in found.replacements)


def test_a_normal_form_is_told_in_short_stretches(tiny):
    found = effect(tiny, roundtrip(tiny, "ｶﾞと①、か\u3099"), "nfkc")
    assert [(r.was, r.became) for r in found.replacements] == [("ｶﾞ", "ガ"), ("①", "1"), ("か\u3099", "が")]
    assert (found.text, found.characters) == ("ガと1、が", 5)


def test_a_span_of_thousands_of_marks_takes_no_cubic_time(tiny):
    text = "é\u0302" + "ﾞ\u0302" * 5_000  # the end of ﾞ's normal form goes behind each mark: one span; it took minutes
    found = effect(tiny, roundtrip(tiny, text), "nfkc")
    assert found.text == unicodedata.normalize("NFKC", text)


def test_normalising_first_may_lose_less(tiny):
    before = roundtrip(tiny, "ｱと①")
    found = effect(tiny, before, "nfkc")
    assert (before.changed, found.changed_before, found.changed_after) == (2, 2, 0)


def test_do_clean_text_is_shown_as_a_text(tiny):
    text = "03-1234-5678へ https://a.jp/x 千円"
    found = effect(tiny, roundtrip(tiny, text), "clean")
    assert found.text == "<TEL>へ <URL> <PRICE>"
    assert tiny.encode(found.text) == tiny.encode(text, do_clean_text=True)


def test_a_tag_that_was_typed_is_not_cleaned_again(tiny):
    assert effect(tiny, roundtrip(tiny, "<URL>"), "clean").replacements == ()


def test_without_a_normalisation_nothing_changes(tiny):
    found = effect(tiny, roundtrip(tiny, "ｱ"), "none")
    assert (found.text, found.replacements, found.tokens_before) == ("ｱ", (), found.tokens_after)


def test_an_unknown_normalisation_is_refused(tiny):
    with pytest.raises(ParameterError, match="normalization='nfd': choose one of 'none', 'nfc', 'nfkc', 'clean'"):
        effect(tiny, roundtrip(tiny, "猫"), "nfd")
    assert len(NORMALIZATIONS) == 4
