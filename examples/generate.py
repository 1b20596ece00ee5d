"""The five lines of the model card, with only their import changed.

python examples/generate.py
python examples/generate.py --model abeja/gpt-neox-japanese-2.7b          # downloads 5.4 GB
"""

from typing import Annotated

from typer import Option

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.cli import run


def main(name: Annotated[str, Option("--model", help="bundled, a folder or a Hub id.")] = "bundled") -> None:
    """Continue a text with the example of the model card."""
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(name)
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(name)
    input_ids = tokenizer("人とAIが協調するためには、", return_tensors="pt").input_ids
    gen_tokens = model.generate(input_ids, do_sample=True, temperature=0.9, max_length=100)
    print(tokenizer.batch_decode(gen_tokens, skip_special_tokens=True)[0])


run(main)
