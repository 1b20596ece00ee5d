"""`python -m neoxjp.train vocabulary | pack | run | export | evaluate`: the steps from text files to a model folder."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from neoxjp.errors import NeoxjpError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; expected errors become one line and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m neoxjp.train", description=__doc__)
    commands = parser.add_subparsers(required=True)

    vocabulary = commands.add_parser("vocabulary", help="write vocab.txt and emoji.json for texts")
    vocabulary.add_argument("out", type=Path)
    _files(vocabulary)
    vocabulary.add_argument("--size", type=int, default=8000, help="number of ids")
    vocabulary.set_defaults(run=_vocabulary)

    packing = commands.add_parser("pack", help="tokenise texts into a folder that training reads")
    packing.add_argument("out", type=Path)
    packing.add_argument("files", type=Path, nargs="+")
    packing.add_argument("--tokenizer", type=Path, required=True, help="folder with vocab.txt and emoji.json")
    packing.add_argument("--workers", type=int, default=1)
    packing.set_defaults(run=_pack)

    running = commands.add_parser("run", help="train from scratch, or go on with the run in a folder")
    running.add_argument("folder", type=Path, help="the run: checkpoints and log.csv")
    running.add_argument("packed", nargs="+", help="packed folders, each with its share: packed/modern=0.3")
    running.add_argument("--tokenizer", type=Path, required=True)
    running.add_argument("--minutes", type=float)
    running.add_argument("--steps", type=int)
    running.add_argument("--rows", type=int, default=16)
    running.add_argument("--length", type=int, default=256)
    running.add_argument("--final-length", type=int, default=512)
    running.add_argument("--hidden-size", type=int, default=384)
    running.add_argument("--layers", type=int, default=6)
    running.add_argument("--heads", type=int, default=6)
    running.add_argument("--context", type=int, default=512)
    running.add_argument("--seed", type=int, default=0)
    running.add_argument("--save-seconds", type=float, default=300.0)
    running.add_argument("--mixed-precision", choices=("no", "bf16"), default="bf16")
    running.set_defaults(run=_run)

    exporting = commands.add_parser("export", help="write the last checkpoint of a run as a model folder (fp16)")
    exporting.add_argument("folder", type=Path)
    exporting.add_argument("out", type=Path)
    exporting.add_argument("--tokenizer", type=Path, required=True)
    exporting.set_defaults(run=_export)

    evaluating = commands.add_parser("evaluate", help="bits per character of a model on text files, by source")
    evaluating.add_argument("model", type=Path)
    evaluating.add_argument("files", type=Path, nargs="+")
    evaluating.add_argument("--limit", type=int, default=1200, help="cut documents at so many characters")
    evaluating.add_argument("--apart", metavar="SOURCE", help="only this source for itself, all others summed as 'other'")
    evaluating.set_defaults(run=_evaluate)

    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except NeoxjpError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", help="texts, each with how often it counts: modern.jsonl.xz=3")


def _named(value: str, default: float) -> tuple[Path, float]:
    """ "a/b=3" → (a/b, 3.0)."""
    name, _, number = value.rpartition("=")
    return (Path(name), float(number)) if name else (Path(value), default)


def _vocabulary(options: argparse.Namespace) -> None:
    from neoxjp.train.corpus import read_documents
    from neoxjp.train.vocabulary import build_vocabulary

    texts, weights = [], []
    for path, weight in (_named(value, 1) for value in options.files):
        for document in read_documents(path):
            texts.append(document.text)
            weights.append(int(weight))
    vocabulary = build_vocabulary(texts, options.size, weights=weights)
    vocabulary.write(options.out)
    several = sum(len(spellings) > 1 for spellings in vocabulary.entries)
    print(f"{options.out}: {len(vocabulary.entries)} ids, {several} of them with several spellings")


def _pack(options: argparse.Namespace) -> None:
    from neoxjp.train.corpus import pack, read_documents

    documents = (document for path in options.files for document in read_documents(path))
    packed = pack(documents, options.tokenizer, options.out, workers=options.workers)
    print(f"{options.out}: {packed.documents} documents, {packed.characters} characters, {len(packed.ids)} tokens")


def _run(options: argparse.Namespace) -> None:
    from neoxjp.config import GPTNeoXJapaneseConfig
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
    from neoxjp.train.corpus import open_packed
    from neoxjp.train.loop import TrainSettings, fresh_model, print_progress, train

    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(str(options.tokenizer))
    named = [_named(value, 1.0) for value in options.packed]
    corpora = [open_packed(path, options.tokenizer) for path, _ in named]
    config = GPTNeoXJapaneseConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=options.hidden_size,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        max_position_embeddings=options.context,
        attention_dropout=0.0,
        bos_token_id=tokenizer.eos_token_id,  # as in the original: a text begins after the end of another
        eos_token_id=tokenizer.eos_token_id,
    )
    settings = TrainSettings(
        steps=options.steps,
        minutes=options.minutes,
        rows=options.rows,
        length=options.length,
        final_length=options.final_length or None,
        seed=options.seed,
        save_seconds=options.save_seconds,
        mixed_precision=options.mixed_precision,
    )
    model = fresh_model(config, options.seed)
    train(model, corpora, [share for _, share in named], options.folder, settings, on_step=print_progress)


def _export(options: argparse.Namespace) -> None:
    from neoxjp.train.loop import export

    facts = export(options.folder, options.tokenizer, options.out)
    print(json.dumps(facts["progress"]))


def _evaluate(options: argparse.Namespace) -> None:
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
    from neoxjp.train.corpus import read_documents
    from neoxjp.train.evaluate import bits_per_character

    model = GPTNeoXJapaneseForCausalLM.from_pretrained(str(options.model), dtype="float32")
    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(str(options.model))
    documents = (document for path in options.files for document in read_documents(path))
    if options.apart:
        documents = (d if d.source == options.apart else replace(d, source="other") for d in documents)
    for source, score in bits_per_character(model, tokenizer, documents, limit=options.limit).items():
        counted = f"{score.documents} documents, {score.characters} characters, {score.tokens} tokens"
        print(f"{source}: {score.bits_per_character:.3f} bits/character ({counted})")


if __name__ == "__main__":
    sys.exit(main())
