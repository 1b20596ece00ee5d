"""The ids, against the slow oracle and against transformers; decoding, streams, saving; on the tiny and the real vocabulary."""

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.errors import ParameterError, VocabularyError
from neoxjp.tokenizer.decode import join_texts
from tests.support.texts import oracle, texts

DOCUMENTED = "吾輩は猫である🐯。実は慶応(慶應)大学出身"
DOCUMENTED_IDS = [30014, 26883, 26638, 27228, 25, 26650, 31732, 31679, 27809, 26638, 17749, 31592, 17749, 31593, 321, 1281]


@pytest.fixture(scope="module")
def theirs(folder):
    """transformers' class as it is."""
    from transformers import GPTNeoXJapaneseTokenizer as Theirs

    return Theirs(str(folder / "vocab.txt"), str(folder / "emoji.json"))


@pytest.fixture(scope="module")
def mended(folder):
    """transformers' class with the line "," read as one spelling: the original encoder."""
    from transformers import GPTNeoXJapaneseTokenizer as Theirs

    tokenizer = Theirs(str(folder / "vocab.txt"), str(folder / "emoji.json"))
    comma = tokenizer.vocab.pop("")
    tokenizer.vocab[","] = comma
    tokenizer.ids_to_tokens[comma] = [","]
    return tokenizer


def rows(data, tokenizer):
    return data.draw(st.lists(st.integers(0, len(tokenizer.vocabulary) - 1), max_size=12), label="ids")


# --- ids


def test_the_documented_example(abeja):
    assert abeja.encode(DOCUMENTED) == DOCUMENTED_IDS
    assert abeja.decode(DOCUMENTED_IDS) == "吾輩は猫である🐯。実は慶応(慶応)大学出身"


@settings(max_examples=400)
@given(data=st.data())
def test_ids_are_those_of_the_slow_oracle(data, folder, tokenizer):
    text = data.draw(texts(folder), label="text")
    assert tokenizer.encode(text) == oracle(text, folder)


@settings(max_examples=250)
@given(data=st.data())
def test_ids_and_pieces_are_those_of_the_mended_transformers_class(data, folder, tokenizer, mended):
    text = data.draw(texts(folder), label="text")
    assert tokenizer.tokenize(text) == mended.tokenize(text)
    assert tokenizer.encode(text) == mended(text)["input_ids"]


@settings(max_examples=250)
@given(data=st.data())
def test_compat_is_transformers_fault_for_fault(data, folder, compat, theirs):
    text = data.draw(texts(folder), label="text")
    ids = compat.encode(text)
    assert ids == theirs(text)["input_ids"]
    assert compat.tokenize(text) == theirs.tokenize(text)
    for drop in (False, True):
        assert compat.decode(ids, skip_special_tokens=drop) == theirs.decode(ids, skip_special_tokens=drop)
    assert compat.convert_ids_to_tokens(ids) == theirs.convert_ids_to_tokens(ids)


@given(data=st.data())
def test_compat_decodes_any_ids_as_transformers_does(data, compat, theirs):
    ids = rows(data, compat)
    assert compat.decode(ids) == theirs.decode(ids)
    assert compat.decode(ids, True) == theirs.decode(ids, skip_special_tokens=True)
    assert compat.convert_ids_to_tokens(ids, skip_special_tokens=True) == theirs.convert_ids_to_tokens(
        ids, skip_special_tokens=True
    )


def test_compat_counts_and_names_as_transformers_does(compat, theirs):
    assert (len(compat), compat.vocab_size, compat.get_vocab()) == (len(theirs), theirs.vocab_size, theirs.get_vocab())
    assert compat.all_special_ids == theirs.all_special_ids
    names = ["", ",", "慶應", "<SP>", "<|endoftext|>", "no such piece"]
    assert compat.convert_tokens_to_ids(names) == theirs.convert_tokens_to_ids(names)


@given(data=st.data())
def test_cleaned_ids_are_those_of_transformers(data, folder, tokenizer, compat, mended, theirs):
    text = data.draw(texts(folder), label="text")
    for reference in (mended, theirs):
        reference.do_clean_text = True
    try:
        assert tokenizer.encode(text, do_clean_text=True) == mended(text)["input_ids"]
        assert compat(text, do_clean_text=True).input_ids == theirs(text)["input_ids"]
    finally:
        for reference in (mended, theirs):
            reference.do_clean_text = False
    assert [token.id for token in tokenizer.analyze(text, do_clean_text=True)] == tokenizer.encode(text, do_clean_text=True)


def test_the_comma_is_a_token_and_not_a_byte_as_in_transformers(tokenizer, compat):
    assert tokenizer.tokenize(",") == [","]
    assert tokenizer.decode(tokenizer.encode("a,b")) == "a,b"
    assert compat.tokenize(",") == ["<|byte44|>"]


def test_each_line_is_an_id_although_transformers_counts_less(abeja, abeja_vocabulary):
    assert len(abeja) == abeja.vocab_size == 32000
    assert len(GPTNeoXJapaneseTokenizer.from_pretrained(abeja_vocabulary, compat="transformers")) == 31998


@pytest.mark.parametrize("mode", [None, "transformers"])
def test_a_lone_surrogate_is_written_as_the_replacement_character_and_marked_lossy(folder, mode):
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(folder, compat=mode)
    ids = tokenizer.encode("猫\ud83d")
    assert ids == tokenizer.encode("猫\ufffd")
    assert tokenizer.tokenize("\udc00") == ["<|byte239|>", "<|byte191|>", "<|byte189|>"]
    assert [token.lossy for token in tokenizer.analyze("猫\ud83d")] == [False, True, True, True]


@given(data=st.data())
def test_texts_with_lone_surrogates_encode_too(data, folder, tokenizer):
    text = data.draw(
        st.text(st.one_of(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), st.sampled_from("猫<a")), max_size=8)
    )
    mended_text = "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)
    assert tokenizer.encode(text) == oracle(mended_text, folder)


def test_typed_tags_are_read_as_tags(tiny):
    assert tiny.decode(tiny.encode("a<SP>b<|byte195|><|byte169|>")) == "a bé"
    assert tiny.tokenize("<<BR><B") == ["<", "<BR>", "<", "B"]


@pytest.mark.slow
def test_long_texts_of_one_sign_are_encoded_in_linear_time(tiny):
    for part in ("<", "<|emoji1|", "猫é", "(^", " \r"):
        text = part * (50_000 // len(part))
        assert len(tiny.analyze(text)) == len(tiny.encode(text)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("worthwhile", [0, 10**9], ids=["tables", "dictionary"])
@pytest.mark.parametrize("cleaned", [False, True])
@pytest.mark.parametrize("mode", [None, "transformers"])
def test_encode_batch_gives_the_ids_of_each_text(folder, monkeypatch, mode, cleaned, worthwhile):
    import numpy as np

    sentences = ["慶應大学" * 50, "", "é 😀", "a,b" * 40, "猫<|endoftext|>_<", "\ud800", "<|end", "oftext|>", "2020年1月\r", "\n"]
    expected = [
        GPTNeoXJapaneseTokenizer.from_pretrained(folder, compat=mode).encode(text, do_clean_text=cleaned) for text in sentences
    ]
    monkeypatch.setattr("neoxjp.tokenizer.tokenizer.WORTHWHILE", worthwhile)
    monkeypatch.setattr("neoxjp.tokenizer.tokenizer.BATCH", 100)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(folder, compat=mode)
    arrays = tokenizer.encode_batch(iter(sentences), do_clean_text=cleaned)
    assert [array.tolist() for array in arrays] == expected
    assert {array.dtype for array in arrays} == {np.dtype(np.int64)}
    assert tokenizer(sentences, do_clean_text=cleaned).input_ids == expected
    assert bool(tokenizer._scanner) is (worthwhile == 0)


@pytest.mark.parametrize("worthwhile", [0, 10**9], ids=["tables", "dictionary"])
def test_a_batch_of_what_is_no_text_is_refused(tiny_vocabulary, monkeypatch, worthwhile):
    monkeypatch.setattr("neoxjp.tokenizer.tokenizer.WORTHWHILE", worthwhile)
    with pytest.raises(ParameterError, match=r"text must be a str, not 3 \(int\)"):
        GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary).encode_batch(["猫", 3])


def test_the_tables_are_built_once_they_save_time_and_give_the_same_ids(tiny_vocabulary, monkeypatch):
    monkeypatch.setattr("neoxjp.tokenizer.tokenizer.WORTHWHILE", 400)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary)
    text = "東京 である😀é" * 20
    ids = [tokenizer.encode(text) for _ in range(3)]
    assert tokenizer._scanner
    assert ids[0] == ids[1] == ids[2]


def test_a_vocabulary_that_the_tables_cannot_hold_keeps_the_dictionary(tmp_path, tiny_vocabulary, monkeypatch):
    monkeypatch.setattr("neoxjp.tokenizer.tokenizer.WORTHWHILE", 0)
    lines = (tiny_vocabulary / "vocab.txt").read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text("a<\n" + lines, encoding="utf-8")
    tokenizer = GPTNeoXJapaneseTokenizer(tmp_path / "vocab.txt", tiny_vocabulary / "emoji.json")
    text = "xa😀y" * 100
    assert tokenizer.encode(text) == tokenizer.encode("xa😀y") * 100
    assert tokenizer._scanner is False


# --- decoding


@given(data=st.data())
def test_the_stream_is_decode_in_pieces(data, tokenizer, compat):
    for one in (tokenizer, compat):
        ids = rows(data, one)
        for drop in (False, True):
            stream = one.stream_decoder(skip_special_tokens=drop)
            for _ in range(2):  # flush makes the stream new
                shown = ""
                for id in ids:
                    shown += stream.push(id)
                    assert one.decode(ids, drop).startswith(shown)
                assert shown + stream.flush() == one.decode(ids, drop)


@given(data=st.data())
def test_the_stream_never_shows_half_a_character(data, folder, tokenizer):
    text = data.draw(texts(folder).filter(lambda text: "\ufffd" not in text and "<|byte" not in text), label="text")
    stream = tokenizer.stream_decoder()
    assert all("\ufffd" not in stream.push(id) for id in tokenizer.encode(text))
    assert stream.flush() == ""


def test_a_character_of_several_bytes_comes_with_its_last_one(tokenizer):
    stream = tokenizer.stream_decoder()
    assert [stream.push(id) for id in tokenizer.encode("é𩸽")] == ["", "é", "", "", "", "𩸽"]


def test_bytes_that_are_not_utf8_become_the_replacement_character(tokenizer):
    broken = tokenizer.convert_tokens_to_ids(["<|byte240|>", "<|byte159|>", "猫", "<|byte195|>"])
    assert tokenizer.decode(broken) == "\ufffd猫\ufffd"


def test_decoding_keeps_blanks_at_both_ends_where_compat_strips_them(tokenizer, compat):
    assert tokenizer.decode(tokenizer.encode(" 猫\n\t")) == " 猫\n\t"
    assert compat.decode(compat.encode(" 猫\n\t")) == "猫"


@settings(max_examples=200)
@given(data=st.data())
def test_many_ids_are_decoded_as_few_are(data, tokenizer, compat):
    import numpy as np

    for one in (tokenizer, compat):
        broken = st.sampled_from([id for id, byte in enumerate(tokenizer.vocabulary.byte_values) if byte >= 0])
        any_id = st.integers(0, len(one.vocabulary) - 1)
        ids = data.draw(st.lists(st.one_of(any_id, broken, st.sampled_from(one.all_special_ids)), max_size=20), label="ids")
        text = join_texts(ids, one.vocabulary.texts, one.vocabulary.byte_values)
        assert one._writer.write(np.array(ids, np.int64)) == text
        long = ids * (200 // max(len(ids), 1) + 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("neoxjp.tokenizer.tokenizer.MANY", 200)
            for drop in (False, True):
                assert one.decode(long, drop) == one.decode(map(int, long), drop)  # an iterator has no length: never many
                assert one.decode(np.array(long, np.uint16), drop) == one.decode(long, drop)


@pytest.mark.parametrize("bad", [-1, 10**6, 1 << 70, "猫", 1.5, None, [1]])
def test_one_wrong_id_among_many_is_named_as_among_few(tokenizer, bad):
    with pytest.raises((ParameterError, VocabularyError)) as few:
        tokenizer.decode([1, bad])
    with pytest.raises(type(few.value)) as many:
        tokenizer.decode([1] * 30_000 + [bad])
    assert str(many.value) == str(few.value)


def test_special_tokens_are_written_or_skipped(tokenizer):
    ids = [tokenizer.bos_token_id, *tokenizer.encode("猫"), tokenizer.eos_token_id]
    assert tokenizer.decode(ids) == "<|startoftext|>猫<|endoftext|>"
    assert tokenizer.decode(ids, skip_special_tokens=True) == "猫"
    assert tokenizer.batch_decode([ids, ids[:2]], skip_special_tokens=True) == ["猫", "猫"]


def test_a_skipped_special_token_does_not_part_the_bytes_around_it(tokenizer):
    first, last = tokenizer.encode("é")
    assert tokenizer.decode([first, tokenizer.eos_token_id, last], skip_special_tokens=True) == "é"
    assert tokenizer.decode([first, tokenizer.eos_token_id, last]) == "\ufffd<|endoftext|>\ufffd"


def test_decode_takes_tensors_arrays_and_single_ids(tokenizer):
    import numpy as np
    import torch

    ids = tokenizer.encode("猫である")
    assert tokenizer.decode(torch.tensor(ids)) == tokenizer.decode(np.array(ids, dtype=np.int32)) == "猫である"
    assert tokenizer.decode(ids[0]) == tokenizer.decode(np.int64(ids[0])) == tokenizer.decode(torch.tensor(ids[0])) == "猫"
    assert tokenizer.decode(torch.tensor(ids * 20_000)) == "猫である" * 20_000
    assert tokenizer.batch_decode(torch.tensor([ids, ids])) == ["猫である"] * 2


@pytest.mark.parametrize("bad", [-1, 10**6])
def test_an_id_out_of_range_names_the_file_and_the_range(tokenizer, folder, bad):
    with pytest.raises(
        VocabularyError, match=rf"id {bad} is outside the vocabulary: .*vocab\.txt has \d+ lines.*from 0 to"
    ) as error:
        tokenizer.decode([1, bad])
    assert str(folder / "vocab.txt") in str(error.value)
    assert "語彙の範囲外" in error.value.ja
    for ask in (tokenizer.spellings, tokenizer.stream_decoder().push, tokenizer.convert_ids_to_tokens):
        with pytest.raises(VocabularyError, match="outside the vocabulary"):
            ask(bad)


@pytest.mark.parametrize(
    ("ids", "message"), [([1, "2"], "whole numbers, not '2'"), ([1.5], "not 1.5"), ([[1], [2]], "batch_decode")]
)
def test_what_is_no_id_is_refused(tokenizer, ids, message):
    with pytest.raises(ParameterError, match=message):
        tokenizer.decode(ids)


def test_spellings_names_all_variants_and_the_written_one_first(abeja, tiny):
    assert abeja.spellings(17749)[0] == "慶応"
    assert "慶應" in abeja.spellings(17749)
    assert tiny.spellings(tiny.encode("ｱ")[0]) == ("ア", "ｱ")


def test_pieces_and_ids_convert_into_each_other(tokenizer):
    pieces = ["慶応", "<SP>", ",", "<|byte240|>", "<|endoftext|>"]
    ids = tokenizer.convert_tokens_to_ids(pieces)
    assert tokenizer.convert_ids_to_tokens(ids) == pieces
    assert tokenizer.convert_tokens_to_ids("慶應") == ids[0]
    assert tokenizer.convert_ids_to_tokens(ids[0]) == "慶応"
    assert tokenizer.convert_tokens_to_ids("no such piece") == tokenizer.unk_token_id
    assert tokenizer.get_vocab()["慶應"] == ids[0]


# --- loading and saving


def test_save_and_load_round_trip_byte_for_byte(tmp_path, tokenizer, folder):
    paths = tokenizer.save_pretrained(tmp_path / "copy")
    assert [path.name for path in paths] == ["vocab.txt", "emoji.json", "tokenizer_config.json"]
    for name in ("vocab.txt", "emoji.json"):
        assert (tmp_path / "copy" / name).read_bytes() == (folder / name).read_bytes()
    again = GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path / "copy")
    assert again.encode(DOCUMENTED) == tokenizer.encode(DOCUMENTED)


def test_saving_keeps_what_else_lies_in_the_folder_and_the_settings(tmp_path, tiny_vocabulary):
    (tmp_path / "config.json").write_text("{}")
    vocab, emoji = tiny_vocabulary / "vocab.txt", tiny_vocabulary / "emoji.json"
    GPTNeoXJapaneseTokenizer(vocab, emoji, do_clean_text=True, padding_side="left", model_max_length=64).save_pretrained(tmp_path)
    again = GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path)
    assert (again.do_clean_text, again.padding_side, again.model_max_length) == (True, "left", 64)
    assert again.tokenize("1,234円") == ["<PRICE>"]
    assert (tmp_path / "config.json").read_text() == "{}"


def test_a_saved_folder_loads_in_transformers_and_theirs_in_ours(tmp_path, tiny, tiny_vocabulary):
    from transformers import GPTNeoXJapaneseTokenizer as Theirs

    tiny.save_pretrained(tmp_path / "ours")
    theirs = Theirs.from_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    compat = GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path / "theirs", compat="transformers")
    assert compat.encode("慶應,猫😀") == theirs("慶應,猫😀")["input_ids"]
    assert compat.model_max_length is None


def test_an_unknown_mode_names_the_choices(tiny_vocabulary):
    with pytest.raises(ParameterError, match=r"compat='hf': choose None .* or 'transformers'"):
        GPTNeoXJapaneseTokenizer.from_pretrained(tiny_vocabulary, compat="hf")


@pytest.mark.parametrize("text", [None, 3, b"abc", ["a"]])
def test_encode_refuses_what_is_no_text(tiny, text):
    with pytest.raises(ParameterError, match="text must be a str"):
        tiny.encode(text)


def test_the_tokenizer_needs_no_torch():
    code = "import neoxjp.tokenizer, sys; print(sorted({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
