"""`python -m neoxjp.train train | evaluate | vocabulary`: what `neoxjp` has too, here for `accelerate launch -m neoxjp.train`.

pack, run and export are the steps of `train` one by one.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from neoxjp.cli.train import add_commands
from neoxjp.documents import parse_weighted_path
from neoxjp.errors import NeoxjpError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; expected errors become one line and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m neoxjp.train", description=__doc__)
    commands = parser.add_subparsers(required=True)

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
    running.add_argument("--mixed-precision", choices=("auto", "no", "bf16"), default="auto")
    running.set_defaults(run=_run)

    exporting = commands.add_parser("export", help="write the last checkpoint of a run as a model folder (fp16)")
    exporting.add_argument("folder", type=Path)
    exporting.add_argument("out", type=Path)
    exporting.add_argument("--tokenizer", type=Path, required=True)
    exporting.set_defaults(run=_export)

    add_commands(commands, "run", vocabulary="vocabulary")
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except NeoxjpError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _pack(options: argparse.Namespace) -> None:
    from neoxjp.train.corpus import pack, read_documents

    documents = (document for path in options.files for document in read_documents(path))
    packed = pack(documents, options.tokenizer, options.out, workers=options.workers)
    print(f"{options.out}: {packed.documents} documents, {packed.characters} characters, {len(packed.ids)} tokens")


def _run(options: argparse.Namespace) -> None:
    from neoxjp.model import GPTNeoXJapaneseConfig
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
    from neoxjp.train.corpus import open_packed
    from neoxjp.train.loop import TrainSettings, fresh_model, print_progress, train

    tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(str(options.tokenizer))
    packed = [parse_weighted_path(value) for value in options.packed]
    corpora = [open_packed(path, options.tokenizer) for path, _ in packed]
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
    shares = [1.0 if share is None else share for _, share in packed]
    train(model, corpora, shares, options.folder, settings, on_step=print_progress)


def _export(options: argparse.Namespace) -> None:
    from neoxjp.train.loop import export

    facts = export(options.folder, options.tokenizer, options.out)
    print(json.dumps(facts["progress"]))


def leave(code: int) -> None:
    """End this process: at once, where a launcher started several, and after taking leave of them where nothing went wrong.

    The threads of Gloo outlive its group, and one that still frees a tensor while Python shuts down aborts the process.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from torch import distributed

        if code == 0 and distributed.is_initialized():
            distributed.destroy_process_group()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    leave(main())
