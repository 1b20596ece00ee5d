"""The model card's five lines, with only their import changed.

python examples/generate.py                                       # the bundled model
python examples/generate.py abeja/gpt-neox-japanese-2.7b          # the real one: a download of 5.4 GB
"""

import sys

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.hub import bundled_path

name = sys.argv[1] if len(sys.argv) > 1 else bundled_path()

model = GPTNeoXJapaneseForCausalLM.from_pretrained(name)
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(name)
input_ids = tokenizer("人とAIが協調するためには、", return_tensors="pt").input_ids
gen_tokens = model.generate(input_ids, do_sample=True, temperature=0.9, max_length=100)
print(tokenizer.batch_decode(gen_tokens, skip_special_tokens=True)[0])
