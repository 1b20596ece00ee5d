"""`neoxjp score`: how likely the model finds each token of a text, or which of two texts is likelier."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from neoxjp.errors import ParameterError
from neoxjp.labs.common.command import Command, Json, ModelOptions, Text, emit, load_model, option, read_text

if TYPE_CHECKING:
    from neoxjp.labs.common.heat import Pair


def score(
    model: ModelOptions,
    text: Text = None,
    against: Annotated[
        str | None, option("Another text: which of the two is likelier, and where.", metavar="TEXT2", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Show how likely the model finds a text, or which of two."""
    from neoxjp.engine import score as score_steps
    from neoxjp.labs.common import heat

    text = read_text(text)
    if not text or against == "":
        raise ParameterError("there is nothing to score: the text is empty")
    network, tokenizer = load_model(model)
    if against is not None:
        pair = heat.compare_texts(network, tokenizer, text, against)
        emit(asdict(pair)) if json else print(*compared(pair), sep="\n")
        return
    tokens = tokenizer.analyze(text)
    steps = score_steps(network, [token.id for token in tokens], tokenizer, bos=True)
    scored = heat.heat_of_steps(text, [(token.start, token.end) for token in tokens], steps)
    if json:
        total = {name: value for name, value in asdict(scored).items() if name not in ("text", "pieces", "surprising")}
        emit({"text": text, "steps": [asdict(step) for step in steps], **total})
        return
    for step in steps:
        print(f"{step.id:>6}  {step.logprob:>8.3f}  rank {step.rank:<6} {step.text!r}")
    print(
        f"{scored.bits:.1f} bits, {_number(scored.bits_per_character, 2)} bits a character, "
        f"perplexity {_number(scored.perplexity_per_token, 1)} a token, "
        f"{_number(scored.perplexity_per_character, 1)} a character"
    )


def compared(pair: "Pair") -> Iterator[str]:
    """A minimal pair: the sums of both, stretch by stretch where the difference comes from, and the verdict."""
    for place, text in ((1, pair.first), (2, pair.second)):
        yield (
            f"{place}  {text.bits:>8.1f} bits  {_number(text.bits_per_character, 2):>6} a character  "
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
        sentence = f"{likelier} is likelier by {abs(pair.difference):.2f} bits in all"
        if pair.likelier_per_character not in (None, pair.likelier):
            sentence += f", but by the character {other} is: they differ in length, so this is inconclusive"
        yield sentence


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


COMMANDS = (Command("score", score, "neoxjp score '吾輩は猫である。' --against '吾輩が猫である。'"),)
