"""A vocabulary built from text: which words are in, which spellings are one entry, and what its tables need."""

import re
from pathlib import Path

import pytest

from neoxjp.cli.main import main
from neoxjp.errors import VocabularyError
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.variants import UNICODE_FOLDER, emoji_tables, kanji_variants, width_variants
from neoxjp.train.vocabulary import TAIL, build_vocabulary
from tests.support.train_tiny import TEXTS

needs_tables = pytest.mark.skipif(not UNICODE_FOLDER.is_dir(), reason="Debian's package unicode-data is not installed")


@needs_tables
def test_a_built_vocabulary_encodes_its_text_in_words() -> None:
    pytest.importorskip("joyokanji")
    vocabulary = build_vocabulary(TEXTS, 3200)
    heads = [spellings[0] for spellings in vocabulary.entries]
    assert len(heads) <= 3200  # so short a text has no more words
    assert heads[-len(TAIL) :] == TAIL
    assert {"である", "大学", "東京", "猫", "ア", "が", "、", ",", "A"} <= set(heads)
    spellings = [spelling for entry in vocabulary.entries for spelling in entry]
    assert len(spellings) == len(set(spellings))
    lengths = [len(head) for head in heads[: heads.index("猫")]]
    assert lengths == sorted(lengths, reverse=True)  # the smallest id wins, so the longest word must have it


@needs_tables
def test_the_same_text_builds_the_same_vocabulary(tmp_path: Path) -> None:
    pytest.importorskip("joyokanji")
    (tmp_path / "text.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    for name in ("one", "two"):
        assert main(["train-vocabulary", str(tmp_path / name), f"{tmp_path / 'text.txt'}=2", "--size", "3200"]) == 0
    for file in ("vocab.txt", "emoji.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert GPTNeoXJapaneseTokenizer.from_pretrained(str(tmp_path / "one")).tokenize("猫である") == ["猫", "である"]


def test_a_models_folder_keeps_its_vocabulary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("\n".join(TEXTS), encoding="utf-8")
    (tmp_path / "config.json").write_text("{}")
    assert main(["train-vocabulary", str(tmp_path), str(tmp_path / "text.txt")]) == 2
    assert "is a model's folder" in capsys.readouterr().err


@needs_tables
def test_a_vocabulary_without_text_or_room_is_refused() -> None:
    pytest.importorskip("joyokanji")
    with pytest.raises(VocabularyError, match="needs text"):
        build_vocabulary([""])
    with pytest.raises(VocabularyError, match="of 300 entries is too small"):
        build_vocabulary(TEXTS, 300)


@needs_tables
def test_the_smallest_vocabulary_that_is_named_can_be_built() -> None:
    pytest.importorskip("joyokanji")
    with pytest.raises(VocabularyError) as refused:
        build_vocabulary(TEXTS, 300)
    least = max(int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", str(refused.value)))
    for size in (least, least + 10, least + 120):
        assert len(build_vocabulary(TEXTS, size).entries) <= size


@needs_tables
def test_two_kanji_of_japanese_text_stay_two() -> None:
    pytest.importorskip("joyokanji")
    heads = kanji_variants({})
    assert [heads[old] for old in "應國髙时\u2f47𠮟\ufa19"] == [*"応国高時日叱\u795e"]
    assert not {"机", "機", "叶", "芸", "後", "着", "著", "島", "喰", "食"} & set(heads)
    assert not set(heads) & set(heads.values())


def test_one_character_forms_are_spellings_of_what_they_stand_for() -> None:
    forms = width_variants()
    assert {"①", "１", "⑴", "⒈", "²"} <= {*forms["1"], *forms["2"]}
    assert "ｱ" in forms["ア"]
    assert "㌔" in forms["キロ"]
    assert "㈱" in forms["(株)"]
    assert "！" not in forms.get("!", [])


@needs_tables
def test_longer_emoji_are_replaced_before_those_they_contain() -> None:
    tables = emoji_tables()
    emoji = list(tables["emoji"])
    assert len(tables["emoji_inv"]) == 12
    assert emoji.index("👋🏻") < emoji.index("👋")
    assert set(tables["emoji"].values()) == set(tables["emoji_inv"])
    assert "♀" not in emoji
    assert "©" not in emoji


def test_missing_unicode_tables_are_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"Unihan_OtherMappings.*unicode-data"):
        kanji_variants({}, tmp_path)
    with pytest.raises(VocabularyError, match=r"emoji-test.*unicode-data"):
        emoji_tables(tmp_path)
