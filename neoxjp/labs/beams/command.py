"""`neoxjp beams`: every continuation of every step of a beam search, its scores, and what became of it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, ModelOptions, Text, emit, load_model, option, read_text

if TYPE_CHECKING:
    from neoxjp.labs.beams.records import BeamTree, Node


def beams(
    model: ModelOptions,
    text: Text = None,
    width: Annotated[int, option("Texts kept at each step, 2 to 6.", "--beams", metavar="N")] = 4,
    new: Annotated[int, option("Most tokens to generate, 1 to 20.", metavar="N")] = 10,
    length_penalty: Annotated[float, option("Above 0 favours long texts, below 0 short ones.", metavar="X")] = 1.0,
    json: Json = False,
) -> None:
    """Show a beam search: every candidate of each step, and what became of it."""
    from neoxjp.labs.beams.records import NEW_TOKENS, NUM_BEAMS, beam_tree

    for name, value, (low, high) in (("--beams", width, NUM_BEAMS), ("--new", new, NEW_TOKENS)):
        if not low <= value <= high:
            raise ParameterError(
                f"{name} {value}: this command takes {low} to {high}, since it prints every candidate; for the best "
                f"text alone, call model.generate(ids, num_beams={max(1, width)}, max_new_tokens={max(1, new)}) in Python"
            )
    text = read_text(text)
    network, tokenizer = load_model(model)
    ids = tokenizer.encode(text)
    tree = beam_tree(network, tokenizer, ids, num_beams=width, max_new_tokens=new, length_penalty=length_penalty)
    emit(asdict(tree)) if json else print(*grown(tree, tokenizer), sep="\n")


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


COMMANDS = (Command("beams", beams, "neoxjp beams 吾輩は --beams 4 --new 10"),)
