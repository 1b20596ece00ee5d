"""Generate texts on a grid of temperature and top-p, with the same seeds in each cell: a CSV of all and the means of each cell.

python examples/sweep.py むかし、山のふもとの小さな村に、 --out sweep.csv --model abeja/gpt-neox-japanese-2.7b
"""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neoxjp import Engine, GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer, SamplingParams
from neoxjp.cli import run
from neoxjp.compare import to_csv, to_frame
from neoxjp.labs.common.output import check_output, write_file
from neoxjp.labs.side_by_side.records import sweep, to_row


def main(
    prompt: Annotated[str, Argument()] = "むかし、山のふもとの小さな村に、",
    name: Annotated[str, Option("--model", help="bundled, a folder or a Hub id.")] = "bundled",
    samples: Annotated[int, Option(help="Texts for each pair of temperature and top-p.")] = 2,
    out: Annotated[Path, Option(metavar="FILE", help="All texts and numbers, as CSV.")] = Path("sweep.csv"),
) -> None:
    """Generate texts on a grid of temperature and top-p."""
    check_output(out)
    engine = Engine(GPTNeoXJapaneseForCausalLM.from_pretrained(name), GPTNeoXJapaneseTokenizer.from_pretrained(name))
    params = SamplingParams(do_sample=True, top_k=0, seed=1, max_new_tokens=30)
    grid = sweep(engine, prompt, [0.5, 0.8, 1.1], [0.9, 1.0], params, samples)
    table = to_frame(to_row(each.sample) for each in grid if each.sample)
    means = table.groupby(["temperature", "top_p"])[["distinct_2", "bits_per_character", "mean_logprob"]].mean()
    print(means.round(3).to_string())
    write_file(out, to_csv(table))
    print(f"{len(table)} texts in {out}")


run(main)
