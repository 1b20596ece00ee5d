"""Print the probability of each token of a sentence, and which of several sentences is the most probable.

python examples/score_sentence.py 猫が魚を食べる。 魚が猫を食べる。 --model abeja/gpt-neox-japanese-2.7b
"""

import math
from typing import Annotated

from typer import Argument, Option

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer, score
from neoxjp.cli import run


def main(
    sentences: Annotated[list[str] | None, Argument(show_default="two about a cat and a fish")] = None,
    name: Annotated[str, Option("--model", help="bundled, a folder or a Hub id.")] = "bundled",
) -> None:
    """Print the probability of each token of some sentences."""
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(name)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(name)

    bits = {}
    for sentence in sentences or ("猫が魚を食べる。", "魚が猫を食べる。"):
        steps = score(model, tokenizer.encode(sentence), tokenizer, top=1, bos=True)  # bos: the first token is scored too
        bits[sentence] = -sum(step.logprob for step in steps if step.logprob is not None) / math.log(2)
        print(f"{sentence}  {bits[sentence]:.1f} bits, {bits[sentence] / max(len(sentence), 1):.2f} per character")
        for step in steps:
            print(f"  {step.text!r:12} rank {step.rank:<5} {math.exp(step.logprob):7.2%}   most probable: {step.top[0].text!r}")
    if len(bits) > 1:
        print(f"most probable: {min(bits, key=bits.__getitem__)}")


run(main)
