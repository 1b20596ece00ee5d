"""What do temperature and top-p do to a text? A grid of samples with the same seeds, as a CSV, and the means of each cell.

python examples/sweep.py "むかし、山のふもとの小さな村に、" --out sweep.csv --model abeja/gpt-neox-japanese-2.7b
"""

import argparse
from dataclasses import asdict

import pandas

from neoxjp import Engine, GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer, SamplingParams
from neoxjp.hub import bundled_path
from neoxjp.labs.side_by_side.records import sweep

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("prompt", nargs="?", default="むかし、山のふもとの小さな村に、")
parser.add_argument("--out", default="sweep.csv")
parser.add_argument("--samples", type=int, default=2, help="texts of each pair of temperature and top-p")
parser.add_argument("--model", default=str(bundled_path()), help="folder or Hub id (default: the bundled model)")
options = parser.parse_args()

model = GPTNeoXJapaneseForCausalLM.from_pretrained(options.model)
tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(options.model)
params = SamplingParams(do_sample=True, top_k=0, seed=1, max_new_tokens=30)

rows = []
for progress in sweep(Engine(model, tokenizer), options.prompt, [0.5, 0.8, 1.1], [0.9, 1.0], params, options.samples):
    sample = progress.sample
    rows.append(
        {"temperature": sample.temperature, "top_p": sample.top_p, "seed": sample.seed}
        | asdict(sample.measures)
        | {"text": options.prompt + sample.text}
    )

table = pandas.DataFrame(rows)
table.to_csv(options.out, index=False)
means = table.groupby(["temperature", "top_p"])[["distinct_2", "bits_per_character", "mean_logprob"]].mean()
print(means.round(3).to_string())
print(f"{len(table)} samples in {options.out}")
