"""Teach a model the style of a hundred lines: twenty recipes (written for this example), a few minutes on two cores.

python examples/finetune.py                                   # the bundled model, examples/recipes.txt, to folder fine-tuned
python examples/finetune.py mine.txt --split line --steps 200 --out my-model
python app.py --model fine-tuned                              # look at the result in the page

The same from a terminal, with resume, plot and CSV: neoxjp train my-run mine.txt --from bundled --steps 100
"""

import argparse
import tempfile
from pathlib import Path

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.hub import bundled_path
from neoxjp.train.corpus import pack, read_documents
from neoxjp.train.loop import train
from neoxjp.train.settings import TrainSettings

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
recipes = Path(__file__).parent / "recipes.txt"
parser.add_argument("text", nargs="?", type=Path, default=recipes, help=".txt, .jsonl, .csv or .parquet (default: recipes)")
parser.add_argument("--split", choices=["file", "blank", "line"], default="blank", help="what a document of a .txt is")
parser.add_argument("--model", default=str(bundled_path()), help="folder or Hub id to start from (default: the bundled model)")
parser.add_argument("--prompt", default="台所で大根を", help="what the samples begin with")
parser.add_argument("--steps", type=int, default=100, help="updates of the weights, of 8 windows each")
parser.add_argument("--out", type=Path, default=Path("fine-tuned"), help="folder for the fine-tuned model")
options = parser.parse_args()

tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(options.model)
model = GPTNeoXJapaneseForCausalLM.from_pretrained(options.model, dtype="float32")
stored = model.load_report.stored_dtype


def show(title: str) -> None:
    """Two samples, from the same two seeds before and after."""
    print(f"\n=== {title}")
    prompt = tokenizer(options.prompt, return_tensors="pt").input_ids
    for seed in (1, 2):
        ids = model.generate(prompt, do_sample=True, temperature=0.7, top_p=0.9, max_new_tokens=80, seed=seed)
        print(tokenizer.decode(ids[0].tolist(), skip_special_tokens=True) + "\n---")


def report(record: dict) -> None:
    if record["step"] % 10 == 0 or record["step"] == options.steps:
        left = record["seconds_left"]
        print(f"step {record['step']}  {record['bits_per_character']:.2f} bits/character  {left:.0f} s left", flush=True)


show("before")
tokenizer.save_pretrained(options.out)
with tempfile.TemporaryDirectory() as work:
    texts = pack(read_documents(options.text, split=options.split), options.out, Path(work) / "texts")
    settings = TrainSettings(
        steps=options.steps,
        rows=8,
        length=min(128, model.config.max_position_embeddings, len(texts.ids)),
        final_length=None,
        warmup_steps=10,
        muon_lr=0.002,  # a tenth of what fresh weights take: it should learn a style, and forget little
        adamw_lr=0.0004,
    )
    print(f"{texts.documents} documents, {texts.characters} characters, {len(texts.ids)} tokens")
    train(model, [texts], [1.0], Path(work) / "run", settings, on_step=report)
show("after")
model.to(stored).save_pretrained(options.out)
print(f"\nwritten to {options.out}; try: neoxjp generate 'カレー（四人分）' --model {options.out}")
