"""`neoxjp patch`: which words carry the difference between two texts, layer by layer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, ModelOptions, emit, load_model, option

if TYPE_CHECKING:
    from neoxjp.labs.patching.records import Patching

NARROW = 8  # columns of a number, at least


def patch(
    model: ModelOptions,
    base: Annotated[str, typer.Argument(help="The text that is read.", show_default=False)],
    donor: Annotated[str, typer.Argument(help="The text whose states are put in.", show_default=False)],
    target: Annotated[
        str | None, option("Score this token (text of one token).", metavar="TEXT", show_default="what the donor predicts")
    ] = None,
    other: Annotated[
        str | None,
        option("Compare it with this token.", metavar="TEXT", show_default="none with --target, else what the base predicts"),
    ] = None,
    json: Json = False,
) -> None:
    """Put the inner states of one text into another: which word carries the difference, at which layer (activation patching)."""
    from neoxjp.labs.patching import records

    network, tokenizer = load_model(model)
    if other is not None and target is None:
        raise ParameterError("--other is compared with --target: give both, or --target alone")
    if not base or not donor:
        raise ParameterError("a text is empty: give two texts")
    ids = {name: one_id(tokenizer, name, text) for name, text in (("--target", target), ("--other", other)) if text is not None}
    found = records.patch(
        network, tokenizer, tokenizer.encode(base), tokenizer.encode(donor), ids.get("--target"), ids.get("--other")
    )
    emit(records.as_dict(found)) if json else print(*lines(found), sep="\n")


def one_id(tokenizer: Any, name: str, text: str) -> int:
    """The id of a text that is one token. Raises ParameterError."""
    ids = tokenizer.encode(text)
    if len(ids) != 1:
        raise ParameterError(f"{name} {text!r} has {len(ids)} tokens: give the text of one token")
    return int(ids[0])


def lines(found: "Patching") -> Iterator[str]:
    """One line a layer, one column a span."""
    from rich.cells import cell_len

    against = "" if found.other_id is None else f" / p({found.other_text!r})"
    for name, run in (("base", found.base), ("donor", found.donor)):
        score = f"log2 p({found.target_text!r}){against} = {run.score:+.2f} bits"
        yield f"{name:>5}: predicts {run.text!r} {run.probability:.1%}; {score}"
    if found.share(0.0) is None:
        yield "the two predictions do not differ: there is nothing to share out"
        return
    heads = [pair.text if pair.text == pair.donor_text else f"{pair.text}←{pair.donor_text}" for pair in found.spans]
    heads = [repr(head)[1:-1] for head in [*heads, "all"]]
    widths = [max(NARROW, cell_len(head) + 2) for head in heads]
    yield "layers" + "".join(" " * (width - cell_len(head)) + head for head, width in zip(heads, widths, strict=True))
    for layers, row in enumerate(found.scores):
        shares = [found.share(score) or 0.0 for score in (*row, found.whole[layers])]
        yield f"{layers:>6}" + "".join(f"{share:>{width}.0%}" for share, width in zip(shares, widths, strict=True))


COMMANDS = (Command("patch", patch, "neoxjp patch 慶応義塾大学は けいおうぎじゅくだいがくは"),)
