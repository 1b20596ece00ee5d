"""Compare pairs of Japanese sentences that differ in one thing: which is more probable, and is it the expected one?

python examples/minimal_pairs.py --model abeja/gpt-neox-japanese-2.7b
"""

from typing import Annotated

from typer import Option

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.cli import run
from neoxjp.labs.common.heat import compare_texts

# What differs, the sentence that is expected to be more probable, the other one.
PAIRS = [
    ("は / が", "昔々、おじいさんとおばあさんがいました。", "昔々、おじいさんとおばあさんはいました。"),
    ("は / が", "誰が来ましたか。", "誰は来ましたか。"),
    ("を / が", "子供が本を読む。", "子供が本が読む。"),
    ("に / を", "学校に行く。", "学校を行く。"),
    ("いる / ある", "庭に犬がいる。", "庭に犬がある。"),
    ("た / る", "昨日、友達に会った。", "昨日、友達に会う。"),
    ("order", "猫が魚を食べる。", "魚が猫を食べる。"),
    ("kanji / kana", "今日は学校に行きました。", "きょうはがっこうにいきました。"),
    ("kanji / kana", "とても美しい花です。", "とてもうつくしいはなです。"),
    ("kana / kanji", "ありがとうございます。", "有り難う御座います。"),
]


def main(name: Annotated[str, Option("--model", help="bundled, a folder or a Hub id.")] = "bundled") -> None:
    """Compare pairs of sentences that differ in one thing."""
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(name)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(name)

    expected = 0
    print("   bits of both  per character   after  sentences")
    for difference, good, bad in PAIRS:
        pair = compare_texts(model, tokenizer, good, bad)
        # Up to the difference both sentences have the same bits; after it the model has read another text.
        after = sum(part.difference for part in pair.stretches if part.kind == "same")
        mark = {"first": "○", None: "=", "second": "×"}[pair.likelier]
        expected += pair.likelier == "first"
        bits = f"{pair.first.bits:>7.1f} {pair.second.bits:>7.1f}"
        mean = f"{pair.first.bits_per_character:>6.2f} {pair.second.bits_per_character:>6.2f}"
        print(f"{bits}  {mean}  {after:>+6.1f}  {mark} {good}  {bad}  ({difference})")
    print(f"○: fewer bits for the expected sentence ({expected} of {len(PAIRS)}). after: how much of the difference in bits lies")
    print("after the place where the two differ. Compare bits per character where the lengths differ (kanji / kana).")


run(main)
