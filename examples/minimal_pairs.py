"""Which of two sentences that differ in one thing does the model find likelier? Minimal pairs of Japanese, scored and counted.

python examples/minimal_pairs.py --model abeja/gpt-neox-japanese-2.7b
"""

import argparse

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.hub import bundled_path
from neoxjp.labs.heat_map.records import compare_texts

# What differs, the sentence one expects to be likelier, the other one.
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

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", default=str(bundled_path()), help="folder or Hub id (default: the bundled model)")
options = parser.parse_args()

model = GPTNeoXJapaneseForCausalLM.from_pretrained(options.model)
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(options.model)

expected = 0
print("  bits of each    a character  behind  sentences")
for what, good, bad in PAIRS:
    pair = compare_texts(model, tokenizer, good, bad)
    # What is the same costs the same before the difference; behind it, the model has read something else.
    behind = sum(part.difference for part in pair.stretches if part.kind == "same")
    mark = "○" if pair.likelier == "first" else "=" if pair.likelier is None else "×"
    expected += pair.likelier == "first"
    bits = f"{pair.first.bits:>7.1f} {pair.second.bits:>7.1f}"
    mean = f"{pair.first.bits_per_character:>6.2f} {pair.second.bits_per_character:>6.2f}"
    print(f"{bits}  {mean}  {behind:>+6.1f}  {mark} {good}  {bad}  ({what})")
print(f"○ as expected: {expected} of {len(PAIRS)}, by the bits in all; behind: the part of their difference that lies behind")
print("the place where the two differ. Where they differ in length as well (kanji / kana), look at the bits a character too.")
