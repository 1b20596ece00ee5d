"""Bad vocab.txt and emoji.json: each fault is named with its file, its line and what to do, in both languages."""

import json

import pytest

from neoxjp import GPTNeoXJapaneseTokenizer
from neoxjp.errors import CheckpointError, VocabularyError
from neoxjp.tokenizer.vocabulary import read_vocabulary
from tests.support.tiny import EMOJI_JSON, LINES


@pytest.fixture
def build(tmp_path):
    """Write a vocabulary and read it: `lines` may be the bytes of the file, `emoji` its text."""

    def build(lines=LINES, emoji=EMOJI_JSON, compat=None):
        (tmp_path / "vocab.txt").write_bytes(lines if isinstance(lines, bytes) else ("\n".join(lines) + "\n").encode())
        (tmp_path / "emoji.json").write_text(emoji if isinstance(emoji, str) else json.dumps(emoji), encoding="utf-8")
        return read_vocabulary(tmp_path / "vocab.txt", tmp_path / "emoji.json", compat=compat)

    return build


@pytest.fixture
def refused(build):
    """The message of the error that building ends with."""

    def refused(**files):
        with pytest.raises(VocabularyError) as error:
            build(**files)
        assert error.value.ja != str(error.value)
        return str(error.value)

    return refused


def test_a_vocabulary_that_is_not_utf8_names_line_and_byte(refused):
    message = refused(lines="猫\n犬\n".encode("cp932"))
    assert "vocab.txt, line 1: byte 0x94 is not UTF-8" in message
    assert "iconv" in message
    assert "line 3: byte 0xff" in refused(lines=b"a\nb\n\xff\n")


def test_a_byte_order_mark_is_refused(refused):
    message = refused(lines="\ufeff猫\n".encode())
    assert "vocab.txt, line 1: the file starts with a byte order mark. Save it as UTF-8 without one" in message


def test_missing_tokens_are_all_counted_and_the_first_named(refused):
    message = refused(lines=[line for line in LINES if line not in ("<|endoftext|>", "<SP>", "<|byte227|>")])
    assert "vocab.txt lacks 3 tokens that every text may need: '<SP>', '<|byte227|>', '<|endoftext|>'" in message
    assert "Add each on a line of its own" in message
    assert "lacks 243 tokens" in refused(lines=[line for line in LINES if "byte" not in line])


def test_bytes_that_no_utf8_holds_may_be_missing(build):
    assert build(lines=[line for line in LINES if line not in ("<|byte192|>", "<|byte254|>")])


def test_optional_specials_may_be_missing(build, tmp_path):
    build(lines=[line for line in LINES if line not in ("<|separator|>", "<|nottoken|>")])
    assert GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path).all_special_tokens == ["<|startoftext|>", "<|endoftext|>"]


def test_a_vocabulary_without_a_start_token_is_read_and_encodes_as_before(build, tmp_path):
    build()
    expected = GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path).tokenize("猫 é😀")
    build(lines=[line for line in LINES if line != "<|startoftext|>"])
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path)
    assert (tokenizer.bos_token, tokenizer.bos_token_id) == (None, None)
    assert tokenizer.all_special_tokens == ["<|separator|>", "<|nottoken|>", "<|endoftext|>"]
    assert tokenizer.tokenize("猫 é😀") == expected
    tokenizer.save_pretrained(tmp_path / "again")
    assert GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path / "again").bos_token is None


def test_empty_lines_are_named(refused):
    assert "vocab.txt, line 3, 5: empty line" in refused(lines=["a", "b", "", "c", "", "d"])
    assert "vocab.txt, line 1: empty line" in refused(lines=b"")


def test_an_empty_spelling_is_named(refused):
    assert "vocab.txt, line 2: 'b,,c' has an empty spelling" in refused(lines=["a", "b,,c"])


def test_a_number_that_is_no_byte_is_refused(refused):
    assert f"vocab.txt, line {len(LINES) + 1}: '<|byte256|>' is not a byte" in refused(lines=[*LINES, "<|byte256|>"])


def test_of_two_lines_with_one_spelling_the_later_has_it(build):
    assert build(lines=["猫", *LINES]).ids["猫"] == LINES.index("猫") + 1


def test_other_line_ends_are_read_too(build):
    assert build(lines="\r\n".join(LINES).encode()).ids == build(lines="\n".join(LINES).encode()).ids == build().ids


def test_of_two_lines_with_a_comma_transformers_splits_the_first(build, tmp_path):
    from transformers import GPTNeoXJapaneseTokenizer as Theirs

    vocabulary = build(lines="\n".join([*LINES, ","]).encode(), compat="transformers")
    assert vocabulary.ids == Theirs(str(tmp_path / "vocab.txt"), str(tmp_path / "emoji.json")).vocab
    assert (vocabulary.spellings[LINES.index(",")], vocabulary.spellings[-1]) == (("", ""), (",",))
    assert vocabulary.texts[-1] == ","
    assert build(lines=[*LINES, ","]).spellings[LINES.index(",")] == (",",)


@pytest.mark.parametrize("ended", [True, False])
def test_a_comma_on_the_last_line_is_split_by_transformers_only_where_the_line_ends(build, tmp_path, ended):
    from transformers import GPTNeoXJapaneseTokenizer as Theirs

    lines = [*(line for line in LINES if line != ","), ","]
    vocabulary = build(lines=("\n".join(lines) + "\n" * ended).encode(), compat="transformers")
    theirs = Theirs(str(tmp_path / "vocab.txt"), str(tmp_path / "emoji.json"))
    assert vocabulary.ids == theirs.vocab
    assert ("," in vocabulary.ids) is not ended


@pytest.mark.parametrize(
    ("emoji", "message"),
    [
        ("{\n\n oops}", "emoji.json, line 3: not JSON"),
        ("[1, 2]", "emoji.json, line 1: no 'emoji' at the top"),
        ({"emoji": {}}, "emoji.json, line 1: no 'emoji_inv' at the top"),
        ({"emoji": [], "emoji_inv": {}}, "emoji.json, line 1: 'emoji' is list, not an object"),
        ({"emoji": {"😀": 1}, "emoji_inv": {}}, "emoji.json, line 1: 'emoji' maps '😀' to 1: both must be text"),
        ({"emoji": {"": "<SP>"}, "emoji_inv": {}}, "'emoji' maps '' to '<SP>'"),
        ({"emoji": {"\ud800": "<SP>"}, "emoji_inv": {}}, "both must be text"),
        ({**EMOJI_JSON, "emoji": {"😀": "<|emoji99|>"}}, "'😀' stands for '<|emoji99|>', which is not in vocab.txt"),
        ({**EMOJI_JSON, "emoji_inv": {}}, "\"emoji_inv\" has no entry for '<|emoji1|>', which is line"),
    ],
)
def test_an_emoji_file_of_the_wrong_shape_is_refused(refused, emoji, message):
    assert message in refused(emoji=emoji)


def test_a_fault_in_the_emoji_file_names_its_line(refused):
    emoji = json.dumps({**EMOJI_JSON, "emoji": {"👋": "<|emoji2|>", "🐯": 3}}, indent=1, ensure_ascii=False)
    assert "emoji.json, line 4: 'emoji' maps '🐯' to 3" in refused(emoji=emoji)


def test_a_missing_file_says_where_to_get_it(tmp_path, tiny_vocabulary):
    with pytest.raises(VocabularyError, match=r"cannot read .*none\.txt: No such file.*from_pretrained"):
        GPTNeoXJapaneseTokenizer(tmp_path / "none.txt", tiny_vocabulary / "emoji.json")


def test_a_folder_without_vocabulary_names_what_it_lacks(tmp_path):
    with pytest.raises(CheckpointError, match=r"vocab\.txt"):
        GPTNeoXJapaneseTokenizer.from_pretrained(tmp_path)
