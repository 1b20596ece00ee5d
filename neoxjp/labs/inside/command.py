"""`neoxjp lens`: the next-token guess after each layer (logit lens)."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, ModelOptions, Text, emit, load_model, option, read_text

if TYPE_CHECKING:
    from neoxjp.labs.inside.records import Lens

LN2 = math.log(2)


def lens(
    model: ModelOptions,
    text: Text = None,
    at: Annotated[
        int | None, option("What follows the token of character N, from 0.", metavar="N", show_default="the last")
    ] = None,
    top: Annotated[int, option("Guesses per layer.", metavar="K")] = 5,
    json: Json = False,
) -> None:
    """Show the next-token guess after each layer (logit lens)."""
    from neoxjp.labs.inside import records

    text = read_text(text)
    network, tokenizer = load_model(model)
    tokens = tokenizer.analyze(text)
    place = -1
    if at is not None:
        if not 0 <= at < len(text):
            has = f"the characters 0 to {len(text) - 1}" if text else "no characters"
            raise ParameterError(f"--at {at}: the text has {has}")
        place = max(place for place, token in enumerate(tokens) if token.start <= at < token.end)
    found = records.lens(network, tokenizer, [token.id for token in tokens], place, top)
    emit(asdict(found)) if json else print(*seen(found), sep="\n")


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


COMMANDS = (Command("lens", lens, "neoxjp lens 吾輩は猫である --top 3"),)
