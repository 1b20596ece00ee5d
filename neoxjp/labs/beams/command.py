"""`neoxjp beams`: every continuation of every step of a beam search, its scores, and what became of it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, ModelOptions, Text, emit, load_model, option, read_text

if TYPE_CHECKING:
    from neoxjp.labs.beams.records import Node, Tree


def beams(
    model: ModelOptions,
    text: Text = None,
    width: Annotated[int, option("Texts kept at each step, 2 to 6.", "--beams", metavar="N")] = 4,
    new: Annotated[int, option("Most tokens to write, 1 to 20.", metavar="N")] = 10,
    length_penalty: Annotated[float, option("Above 0 favours long texts, below 0 short ones.", metavar="X")] = 1.0,
    json: Json = False,
) -> None:
    """Show a beam search: every text that was weighed, and what became of it."""
    from neoxjp.labs.beams.records import MOST_BEAMS, MOST_NEW, grow

    for name, value, (low, high) in (("--beams", width, MOST_BEAMS), ("--new", new, MOST_NEW)):
        if not low <= value <= high:
            raise ParameterError(
                f"{name} {value}: this command takes {low} to {high}, since it prints every text that it weighs; for the best "
                f"text alone, call model.generate(ids, num_beams={max(1, width)}, max_new_tokens={max(1, new)}) in Python"
            )
    text = read_text(text)
    network, tokenizer = load_model(model)
    ids = tokenizer.encode(text)
    tree = grow(network, tokenizer, ids, num_beams=width, max_new_tokens=new, length_penalty=length_penalty)
    emit(asdict(tree)) if json else print(*grown(tree, tokenizer), sep="\n")


def grown(tree: "Tree", tokenizer: Any) -> Iterator[str]:
    """Step by step, then the finished texts."""
    paths: list[list[int]] = []
    step = 0
    for node in tree.nodes:
        paths.append([*(paths[node.parent] if node.parent is not None else []), node.id])
        if node.step != step:
            step = node.step
            yield f"step {step}"
            yield f"{'nats':>10} {'penalised':>10}"
        yield f"{node.score:>10.3f} {node.penalised:>10.3f}  {_fate(node):<22} {tokenizer.decode(paths[-1])!r}"
    yield f"finished ({'no text may be longer' if tree.over == 'length' else 'no running text would beat them'}), best first"
    for hypothesis in tree.hypotheses:
        yield f"{hypothesis.score:>10.3f} {hypothesis.penalised:>10.3f}  {hypothesis.end:<22} {hypothesis.text!r}"


def _fate(node: "Node") -> str:
    """ "> runs on, lost at 7", "■ finished", …: a mark and a word."""
    lost = f", lost at {node.died}" if node.died is not None and node.died > node.step else ""
    marks = {"followed": "> runs on", "died": "> runs on", "stopped": "> still ran", "finished": "■ finished"}
    marks |= {"outdone": "□ outdone", "dropped": "· dropped"}
    return marks[node.fate] + lost


COMMANDS = (Command("beams", beams, "neoxjp beams 吾輩は --beams 4 --new 10"),)
