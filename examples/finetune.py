"""Fine-tune a model on twenty recipes that were written for this example: a few minutes on two cores.

python examples/finetune.py                                             # writes the folder fine-tuned
python examples/finetune.py mine.txt --split line --steps 200 --out my-model
neoxjp app --model fine-tuned                                           # opens the result in the page

`neoxjp train my-run mine.txt --from bundled --steps 100` does the same and can resume; it writes a log and a plot.
"""

import tempfile
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer
from neoxjp.cli import run
from neoxjp.documents import Split, read_documents
from neoxjp.train import TrainSettings, pack, train

RECIPES = Path(__file__).with_name("recipes.txt")


def main(
    text: Annotated[Path, Argument(help=".txt, .jsonl, .csv or .parquet.", show_default="recipes.txt")] = RECIPES,
    split: Annotated[Split, Option(help="What a document of a .txt is.")] = "blank",
    name: Annotated[str, Option("--model", help="bundled, a folder or a Hub id.")] = "bundled",
    prompt: Annotated[str, Option(help="Of the samples.")] = "台所で大根を",
    steps: Annotated[int, Option(help="Updates of the weights, with 8 windows each.")] = 100,
    out: Annotated[Path, Option(help="Folder for the fine-tuned model.")] = Path("fine-tuned"),
) -> None:
    """Fine-tune a model and print samples from before and after."""
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(name)
    model = GPTNeoXJapaneseForCausalLM.from_pretrained(name, dtype="float32")

    def show(title: str) -> None:
        print(f"\n=== {title}")
        input_ids = tokenizer(prompt, return_tensors="pt").input_ids
        for seed in (1, 2):
            ids = model.generate(input_ids, do_sample=True, temperature=0.7, top_p=0.9, max_new_tokens=80, seed=seed)
            print(tokenizer.decode(ids[0].tolist(), skip_special_tokens=True) + "\n---")

    def report(record: dict[str, float]) -> None:
        if record["step"] % 10 == 0 or record["step"] == steps:
            bits, left = record["bits_per_character"], record["seconds_left"]
            print(f"step {record['step']}  {bits:.2f} bits per character  {left:.0f} s left", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(f"{folder}/tokenizer")
        texts = pack(read_documents(text, split=split), f"{folder}/tokenizer", f"{folder}/texts")
        settings = TrainSettings(
            steps=steps,
            rows=8,
            length=min(128, model.config.max_position_embeddings, len(texts.ids)),
            final_length=None,
            warmup_steps=10,
            muon_lr=0.002,  # a tenth of the rate for random weights: learn the style, forget little
            adamw_lr=0.0004,
        )
        tokenizer.save_pretrained(out)  # now: a folder that cannot be written is found before the training
        print(f"{texts.documents} documents, {texts.characters} characters, {len(texts.ids)} tokens")
        show("before")
        train(model, [texts], [1.0], f"{folder}/run", settings, on_step=report)
    show("after")
    model.to(model.load_report.stored_dtype).save_pretrained(out)
    print(f"\nwrote {out}; try: neoxjp generate カレー（四人分） --model {out}")


run(main)
