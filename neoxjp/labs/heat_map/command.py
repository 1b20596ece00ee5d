"""The commands of the generation lab that look at a text: `neoxjp score | lens | beams`; replay_commands.py has the others.

The parsers are here, and the records as lines of plain text; the records are computed in the other files of this folder,
imported when a command runs.
"""

import argparse
import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from neoxjp.errors import ParameterError
from neoxjp.labs.common.terminal import emit, load_model, model_arguments, read_text, text_argument
from neoxjp.labs.replay import command as replay_commands

if TYPE_CHECKING:
    from neoxjp.labs.beams.records import BeamTree, Node
    from neoxjp.labs.heat_map.records import Pair
    from neoxjp.labs.inside.records import Lens

LN2 = math.log(2)


def add_commands(commands: Any, under: str) -> None:
    """Add them to a parser's subparsers; the function to call with the options is left in their attribute `under`."""
    score = _added(commands, under, "score", score_command, "how likely the model finds a text, or which of two")
    score.add_argument("--against", default=None, metavar="TEXT2", help="another text: which of the two is likelier, and where")

    lens = _added(commands, under, "lens", lens_command, "show the next-token guess after each layer (logit lens)")
    lens.add_argument(
        "--at", type=int, default=None, metavar="N", help="what follows the token of character N, from 0 (default: the last)"
    )
    lens.add_argument("--top", type=int, default=5, metavar="K", help="guesses a layer (default 5)")

    beams = _added(commands, under, "beams", beams_command, "show a beam search: what was weighed, and its outcome")
    beams.add_argument("--beams", type=int, default=4, metavar="N", help="texts kept in sight, 2 to 6 (default 4)")
    beams.add_argument("--new", type=int, default=10, metavar="N", help="most tokens to write, 1 to 20 (default 10)")
    beams.add_argument(
        "--length-penalty", type=float, default=1.0, metavar="X", help="above 0 favours long texts, below short ones (default 1)"
    )
    replay_commands.add_commands(commands, under)


def _added(commands: Any, under: str, name: str, function: Any, help_text: str) -> argparse.ArgumentParser:
    """A command about a text and a model that prints text or, with --json, one object."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    text_argument(parser)
    model_arguments(parser)
    parser.set_defaults(**{under: function})
    return parser


# --- score


def score_command(options: argparse.Namespace) -> None:
    """Log probability of each token, and of the text: total bits, bits a character, perplexity; or two texts side by side."""
    from neoxjp.engine import score
    from neoxjp.labs.heat_map import records as heat

    text = read_text(options.text)
    model, tokenizer = load_model(options)
    if options.against is not None:
        pair = heat.compare_texts(model, tokenizer, text, options.against)
        emit(asdict(pair)) if options.json else print(*compared(pair), sep="\n")
        return
    tokens = tokenizer.analyze(text)
    steps = score(model, [token.id for token in tokens], tokenizer, bos=True)
    scored = heat.heat_of_steps(text, [(token.start, token.end) for token in tokens], steps)
    total = {
        "tokens": scored.tokens,
        "characters": scored.characters,
        "bits": scored.bits,
        "bits_per_character": scored.bits_per_character,
        "perplexity_per_token": scored.perplexity_per_token,
        "perplexity_per_character": scored.perplexity_per_character,
    }
    if options.json:
        emit({"text": text, "steps": [asdict(step) for step in steps], **total})
        return
    for step in steps:
        print(f"{step.id:>6}  {step.logprob:>8.3f}  rank {step.rank:<6} {step.text!r}")
    if steps:
        print(
            f"{scored.bits:.1f} bits, {_number(scored.bits_per_character, 2)} bits a character, "
            f"perplexity {_number(scored.perplexity_per_token, 1)} a token, "
            f"{_number(scored.perplexity_per_character, 1)} a character"
        )


def compared(pair: "Pair") -> Iterator[str]:
    """A minimal pair: the sums of both, stretch by stretch where the difference comes from, and the verdict."""
    for number, text in ((1, pair.first), (2, pair.second)):
        yield (
            f"{number}  {text.bits:>8.1f} bits  {_number(text.bits_per_character, 2):>6} a character  "
            f"{text.tokens:>4} tokens  {text.text!r}"
        )
    yield f"   {'bits of 1':>10} {'of 2':>9} {'1 - 2':>9}"
    for part in pair.stretches:
        same = part.kind == "same" and part.first_text == part.second_text
        texts = f"{part.first_text!r}" if same else f"{part.first_text!r} | {part.second_text!r}"
        mark = "=" if part.kind == "same" else "≠"
        yield f"{mark}  {part.first_bits:>10.2f} {part.second_bits:>9.2f} {part.difference:>+9.2f}  {texts}"
    if pair.same_ids:
        yield "the same ids: this model cannot tell the two apart"
    elif pair.likelier is None:
        yield "equally likely"
    else:
        likelier, other = (1, 2) if pair.likelier == "first" else (2, 1)
        told = f"{likelier} is likelier by {abs(pair.difference):.2f} bits in all"
        if pair.likelier_per_character not in (None, pair.likelier):
            told += f", but by the character {other} is: they differ in length, trust neither"
        yield told


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


# --- lens


def lens_command(options: argparse.Namespace) -> None:
    """The guesses after each layer at one place of the text."""
    from neoxjp.labs.inside.records import lens

    text = read_text(options.text)
    model, tokenizer = load_model(options)
    tokens = tokenizer.analyze(text)
    at = -1
    if options.at is not None:
        if not 0 <= options.at < len(text):
            has = f"the characters 0 to {len(text) - 1}" if text else "no characters"
            raise ParameterError(f"--at {options.at}: the text has {has}")
        at = max(place for place, token in enumerate(tokens) if token.start <= options.at < token.end)
    found = lens(model, tokenizer, [token.id for token in tokens], at, options.top)
    emit(asdict(found)) if options.json else print(*seen(found), sep="\n")


def seen(found: "Lens") -> Iterator[str]:
    """One line a layer."""
    follows = "the end of the text" if found.next_id is None else repr(found.texts[found.at + 1])
    yield f"after token {found.at}, {found.texts[found.at]!r}, comes {follows}"
    head = "" if found.next_id is None else f"{'rank of it':>12}"
    yield f"{'layers':>6}  {'entropy':>9}{head}  guesses"
    for layer in found.layers:
        rank = "" if layer.next_rank is None else f"{layer.next_rank:>12,}"
        guesses = "  ".join(f"{guess.text!r} {guess.probability:.1%}" for guess in layer.top)
        yield f"{layer.layers:>6}  {layer.entropy / LN2:>4.1f} bits{rank}  {guesses}"


# --- beams


def beams_command(options: argparse.Namespace) -> None:
    """Every continuation of every step with its scores and its outcome, then the finished texts."""
    from neoxjp.labs.beams.records import NEW_TOKENS, NUM_BEAMS, beam_tree

    for name, value, (low, high) in (("--beams", options.beams, NUM_BEAMS), ("--new", options.new, NEW_TOKENS)):
        if not low <= value <= high:
            raise ParameterError(
                f"{name} {value}: this command takes {low} to {high}, since it prints every text that it weighs; for the best "
                f"text alone, call model.generate(ids, num_beams={max(1, options.beams)}, max_new_tokens={max(1, options.new)})"
            )
    text = read_text(options.text)
    model, tokenizer = load_model(options)
    tree = beam_tree(
        model,
        tokenizer,
        tokenizer.encode(text),
        num_beams=options.beams,
        max_new_tokens=options.new,
        length_penalty=options.length_penalty,
    )
    emit(asdict(tree)) if options.json else print(*grown(tree, tokenizer), sep="\n")


def grown(tree: "BeamTree", tokenizer: Any) -> Iterator[str]:
    """Step by step, then the finished texts."""
    paths: list[list[int]] = []
    step = 0
    for node in tree.nodes:
        paths.append([*(paths[node.parent] if node.parent is not None else []), node.id])
        if node.step != step:
            step = node.step
            yield f"step {step}"
            yield f"{'nats':>10} {'score':>10}"
        yield f"{node.total:>10.3f} {node.score:>10.3f}  {_outcome(node):<22} {tokenizer.decode(paths[-1])!r}"
    yield f"finished ({'no text may be longer' if tree.stopped == 'length' else 'no running text would beat them'}), best first"
    for hypothesis in tree.hypotheses:
        yield f"{hypothesis.total:>10.3f} {hypothesis.score:>10.3f}  {hypothesis.finish:<22} {hypothesis.text!r}"


def _outcome(node: "Node") -> str:
    """ "> kept, pruned at 7", "■ finished", …: a mark and a word."""
    pruned = f", pruned at {node.pruned_at}" if node.pruned_at is not None and node.pruned_at > node.step else ""
    marks = {"continued": "> kept", "dead_end": "> kept", "unfinished": "> unfinished", "finished": "■ finished"}
    marks |= {"outscored": "□ outscored", "pruned": "· pruned"}
    return marks[node.outcome] + pruned
