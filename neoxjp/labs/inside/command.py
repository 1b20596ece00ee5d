"""`neoxjp lens`: the next-token guess after each layer; `heads`: what attention heads do; `salience`: tokens left out."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, ModelOptions, Text, emit, load_model, option, read_text

if TYPE_CHECKING:
    from neoxjp.labs.inside.heads import Head, Heads
    from neoxjp.labs.inside.records import Lens
    from neoxjp.labs.inside.salience import Salience
    from neoxjp.tokenizer import Token

LN2 = math.log(2)
SCORES = ("itself", "previous", "first", "induction", "entropy")
By = Literal["layer", "itself", "previous", "first", "induction", "entropy"]


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
    found = records.lens(network, tokenizer, [token.id for token in tokens], place_of(text, tokens, at), top)
    emit(asdict(found)) if json else print(*lens_lines(found), sep="\n")


def heads(
    model: ModelOptions,
    text: Text = None,
    by: Annotated[By, option("Sort by this score, the largest first.")] = "layer",
    top: Annotated[int | None, option("Show only the first K heads.", metavar="K", show_default="all")] = None,
    json: Json = False,
) -> None:
    """Show what each attention head attends to: itself, the previous token, the first one, or what followed the same token."""
    from neoxjp.labs.inside.heads import heads as find_heads

    if top is not None and top < 1:
        raise ParameterError(f"top={top} must be at least 1")
    text = read_text(text)
    network, tokenizer = load_model(model)
    found = find_heads(network, tokenizer, tokenizer.encode(text))
    scores = found.scores if by == "layer" else sorted(found.scores, key=lambda head: -(getattr(head, by) or 0.0))
    if json:
        record = asdict(found) | {"scores": [asdict(head) for head in scores[:top]]}
        for score in record["scores"]:
            del score["picture"]
        emit(record)
    else:
        print(*heads_lines(found, scores[:top]), sep="\n")


def salience(
    model: ModelOptions,
    text: Text = None,
    at: Annotated[
        int | None, option("The prediction of the token of character N, from 0.", metavar="N", show_default="the last")
    ] = None,
    json: Json = False,
) -> None:
    """Show what a prediction rests on: the bits that it loses without each token before it."""
    from neoxjp.labs.inside.salience import salience as find_salience

    text = read_text(text)
    network, tokenizer = load_model(model)
    tokens = tokenizer.analyze(text)
    found = find_salience(network, tokenizer, [token.id for token in tokens], place_of(text, tokens, at))
    emit(asdict(found)) if json else print(*salience_lines(found), sep="\n")


def place_of(text: str, tokens: "Sequence[Token]", at: int | None) -> int:
    """The place of the last token of character `at`; -1: none was given.

    Raises:
        ParameterError: the text has no such character.
    """
    if at is None:
        return -1
    if not 0 <= at < len(text):
        has = f"the characters 0 to {len(text) - 1}" if text else "no characters"
        raise ParameterError(f"--at {at}: the text has {has}")
    return max(place for place, token in enumerate(tokens) if token.start <= at < token.end)


def lens_lines(found: "Lens") -> Iterator[str]:
    """One line a layer."""
    follows = "the end of the text" if found.next_id is None else repr(found.texts[found.at + 1])
    yield f"after token {found.at}, {found.texts[found.at]!r}, comes {follows}"
    head = "" if found.next_id is None else f"{'rank of it':>12}"
    yield f"{'layers':>6}  {'entropy':>9}{head}  guesses"
    for layer in found.layers:
        rank = "" if layer.next_rank is None else f"{layer.next_rank:>12,}"
        guesses = "  ".join(f"{guess.text!r} {guess.probability:.1%}" for guess in layer.top)
        yield f"{layer.layers:>6}  {layer.entropy / LN2:>4.1f} bits{rank}  {guesses}"


def heads_lines(found: "Heads", scores: "Sequence[Head]") -> Iterator[str]:
    """One line a head."""
    yield "layer  head" + "".join(f"{name:>12}" for name in SCORES)
    for head in scores:
        values = [getattr(head, name) for name in SCORES]
        shares = [f"{'–' if value is None else f'{value:.1%}':>12}" for value in values[:-1]]
        entropy = "–" if values[-1] is None else f"{values[-1]:.2f} bits"
        yield f"{head.layer:>5}  {head.head:>4}{''.join(shares)}{entropy:>12}"
    yield f"means over {max(len(found.ids) - 1, 0)} query tokens; induction: over {found.repeated} repeated ones"


def salience_lines(found: "Salience") -> Iterator[str]:
    """One line for each piece left out, in the order of the text."""
    yield f"token {found.start}, {found.text!r}: {found.surprisal:.2f} bits; without a token before it, it takes"
    if found.context_tokens:
        yield f"(the first {found.context_tokens} tokens are never left out)"
    yield f"{'difference':>12}{'bits':>8}"
    for left in found.left_out:
        yield f"{left.bits:>+12.2f}{left.surprisal:>8.2f}  {left.text!r}"


COMMANDS = (
    Command("lens", lens, "neoxjp lens 吾輩は猫である --top 3"),
    Command("heads", heads, "neoxjp heads 東京都の東京都の大学 --by induction --top 5"),
    Command("salience", salience, "neoxjp salience 吾輩は猫である"),
)
