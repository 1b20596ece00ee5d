"""The bundled model: what its vocabulary promises, and that it is a model which transformers reads as we do."""

import json
import math
import re
import unicodedata
import warnings
from pathlib import Path

import pytest
import torch

from neoxjp.bench.repetition import MAX_REPEATS, PROMPTS, generate_samples
from neoxjp.hub import bundled_path
from neoxjp.model import GPTNeoXJapaneseConfig, GPTNeoXJapaneseForCausalLM
from neoxjp.page_parts.text.settings import Settings
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.corpus import Document
from neoxjp.train.evaluate import bits_per_character
from neoxjp.train.vocabulary import TAIL

FOLDER = bundled_path()


@pytest.fixture(scope="module")
def lines() -> list[list[str]]:
    text = (FOLDER / "vocab.txt").read_text(encoding="utf-8")
    return [[","] if line == "," else line.split(",") for line in text.removesuffix("\n").split("\n")]


@pytest.fixture(scope="module")
def tokenizer() -> GPTNeoXJapaneseTokenizer:
    return GPTNeoXJapaneseTokenizer.from_pretrained(str(FOLDER))


@pytest.fixture(scope="module")
def model() -> GPTNeoXJapaneseForCausalLM:
    return GPTNeoXJapaneseForCausalLM.from_pretrained(str(FOLDER), dtype="float32")


# ---- the vocabulary


def test_the_vocabulary_has_eight_thousand_ids_and_each_spelling_one_of_them(lines: list[list[str]]) -> None:
    spellings = [spelling for line in lines for spelling in line]
    assert len(lines) == 8000
    assert all(spellings)
    assert len(spellings) == len(set(spellings))
    assert [line[0] for line in lines[-len(TAIL) :]] == TAIL
    assert max(len(spelling) for spelling in spellings if not spelling.startswith("<")) == 3


def test_at_least_1500_ids_have_several_spellings(lines: list[list[str]]) -> None:
    assert sum(len(line) > 1 for line in lines) >= 1500


VARIANTS = {"慶応": "慶應", "ア": "ｱ", "パ": "ﾊﾟ", "1": "①", "A": "Ａ", "国": "國", "高": "髙", "平成": "㍻", "cm": "㎝"}
VARIANTS |= {"が": "か\u3099", "。": "｡", "大学": "大學", "時間": "时间"}


@pytest.mark.parametrize(("one", "other"), VARIANTS.items())
def test_variant_spellings_share_an_id(tokenizer: GPTNeoXJapaneseTokenizer, one: str, other: str) -> None:
    assert tokenizer.encode(one) == tokenizer.encode(other)
    assert len(tokenizer.encode(one)) == 1
    assert tokenizer.decode(tokenizer.encode(other)) == one


@pytest.mark.parametrize("pair", ["機机", "食喰", "着著", "！!", "？?", "（(", "はば", "ッツ"])
def test_what_a_writer_tells_apart_stays_apart(tokenizer: GPTNeoXJapaneseTokenizer, pair: str) -> None:
    assert tokenizer.encode(pair[0]) != tokenizer.encode(pair[1])


def test_every_kana_is_one_token(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    kana = [chr(code) for code in [*range(0x3041, 0x3097), *range(0x30A1, 0x30FB), *range(0xFF66, 0xFF9E)]]
    assert [character for character in kana if len(tokenizer.encode(character)) != 1] == []
    decoded = {character: tokenizer.decode(tokenizer.encode(character)) for character in kana}
    assert decoded == {character: unicodedata.normalize("NFKC", character) for character in kana}


def test_all_of_printable_ascii_comes_back(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    text = "".join(map(chr, range(0x20, 0x7F)))
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode(",")) == 1


def test_what_is_not_in_the_vocabulary_goes_through_bytes(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    for text in ("𩸽", "é", "한국", "Ωя", "𝄞", "\u3402"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_an_emoji_sequence_is_one_token_of_twelve(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    for emoji in ("😀", "👋🏻", "👨‍👩‍👧", "🇯🇵", "❤️", "1️⃣"):
        assert len(tokenizer.encode(emoji)) == 1, emoji
    table = json.loads((FOLDER / "emoji.json").read_text(encoding="utf-8"))
    assert list(table["emoji_inv"]) == [f"<|emoji{number}|>" for number in range(1, 13)]
    assert all(table["emoji"][emoji] == tag for tag, emoji in table["emoji_inv"].items())


def test_frequent_words_are_one_token(tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    assert tokenizer.tokenize("という") == ["という"]
    assert tokenizer.tokenize("人間") == ["人間"]
    assert tokenizer.tokenize("データ") == ["データ"]


# ---- the model


def test_the_model_is_small_and_stored_in_float16(model: GPTNeoXJapaneseForCausalLM) -> None:
    assert (FOLDER / "model.safetensors").stat().st_size <= 30e6
    config = GPTNeoXJapaneseConfig.from_pretrained(str(FOLDER))
    assert (config.vocab_size, config.max_position_embeddings, config.dtype) == (8000, 512, "float16")
    assert config.tie_word_embeddings


def test_transformers_loads_it_with_equal_logits_and_ids(
    model: GPTNeoXJapaneseForCausalLM, tokenizer: GPTNeoXJapaneseTokenizer
) -> None:
    import transformers

    text = "吾輩は猫である。名前はまだ無い。コンポーネントの state を更新する。"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside transformers
        theirs = transformers.GPTNeoXJapaneseForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()
        their_tokenizer = transformers.GPTNeoXJapaneseTokenizer.from_pretrained(FOLDER)
    ids = torch.tensor([tokenizer.encode(text)])
    assert their_tokenizer(text)["input_ids"] == ids[0].tolist()
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, theirs(ids).logits, atol=1e-4, rtol=1e-5)


def test_it_reads_japanese_better_than_chance_up_to_its_whole_context(
    model: GPTNeoXJapaneseForCausalLM, tokenizer: GPTNeoXJapaneseTokenizer
) -> None:
    text = "私はその時、何も言わずに窓の外を見ていた。雨はまだ降っている。誰も来ないのだと思うと、急に寂しくなった。" * 16
    assert len(tokenizer.encode(text)) > 512
    score = bits_per_character(model, tokenizer, [Document(text[:52], "once"), Document(text, "long")], limit=None)
    assert score["once"].bits_per_character < 0.5 * math.log2(8000) / 1.5
    assert score["long"].bits_per_character < score["once"].bits_per_character


def test_it_continues_japanese_with_japanese(model: GPTNeoXJapaneseForCausalLM, tokenizer: GPTNeoXJapaneseTokenizer) -> None:
    ids = tokenizer("むかし、あるところに", return_tensors="pt").input_ids
    out = model.generate(ids, do_sample=True, max_new_tokens=40, temperature=0.8, seed=1)
    text = tokenizer.decode(out[0, ids.shape[1] :].tolist(), skip_special_tokens=True)
    assert sum("\u3041" <= character <= "\u9fff" for character in text) > len(text) / 2


@pytest.mark.slow
def test_the_page_s_settings_do_not_run_in_circles(
    model: GPTNeoXJapaneseForCausalLM, tokenizer: GPTNeoXJapaneseTokenizer
) -> None:
    page = Settings()
    settings = {name: page[name] for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")}
    samples = generate_samples(model, tokenizer, PROMPTS, samples=2, new=page["max_new_tokens"], seed=0, settings=settings)
    assert len(samples) == 20
    assert [sample for sample in samples if sample.repeats > MAX_REPEATS] == []


def test_the_card_says_what_it_is() -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    for needed in ("bits", "Aozora Bunko", "CC BY 4.0", "Apache-2.0", "MIT", "CC BY 2.0 FR", "Unicode", "minutes", "license:"):
        assert needed in card, needed
    assert Path(FOLDER / "config.json").is_file()


def test_the_japanese_card_has_the_numbers_samples_and_commands_of_the_english_one() -> None:
    english, japanese = ((FOLDER / name).read_text(encoding="utf-8") for name in ("README.md", "README.ja.md"))
    assert japanese.startswith(english[: english.index("# neoxjp-bundled")])
    for kept in (r"\b\d\.\d\d\b(?! M)", r"\]\([^)\s]+\)", r"(?m)^>.*$"):  # results, links, samples
        assert re.findall(kept, japanese) == re.findall(kept, english)
    commands = [line for line in re.findall(r"(?s)```\n(.*?)```", english)[-1].splitlines() if "#" not in line]
    assert all(line in japanese for line in commands)
