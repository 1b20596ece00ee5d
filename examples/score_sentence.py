"""How likely does the model find a sentence, token by token? And which of two does it prefer?

python examples/score_sentence.py 猫が魚を食べる。 魚が猫を食べる。 --model abeja/gpt-neox-japanese-2.7b
"""

import argparse
import math

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer, score
from neoxjp.hub import bundled_path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("sentences", nargs="*", default=["猫が魚を食べる。", "魚が猫を食べる。"])
parser.add_argument("--model", default=str(bundled_path()), help="folder or Hub id (default: the bundled model)")
options = parser.parse_args()

model = GPTNeoXJapaneseForCausalLM.from_pretrained(options.model)
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(options.model)

bits = {}
for sentence in options.sentences:
    steps = score(model, tokenizer.encode(sentence), tokenizer, top=1, bos=True)  # bos: the first token is scored too
    bits[sentence] = -sum(step.logprob for step in steps if step.logprob is not None) / math.log(2)
    print(f"{sentence}  {bits[sentence]:.1f} bits, {bits[sentence] / max(len(sentence), 1):.2f} a character")
    for step in steps:
        print(f"  {step.text!r:12} rank {step.rank:<5} {math.exp(step.logprob):7.2%}   (most probable: {step.top[0].text!r})")
if len(bits) > 1:
    print(f"preferred: {min(bits, key=bits.__getitem__)}")
