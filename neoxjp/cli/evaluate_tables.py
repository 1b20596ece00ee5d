"""The results of `neoxjp evaluate` as lines for a terminal: tables in columns, and a sentence where a number needs one."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from neoxjp.labs.common.command import counted

if TYPE_CHECKING:
    from neoxjp.train import AcceptabilityReport, Accuracy, Auc, ChoicesReport, PairReport, TextScore

Row = list[str]
NAMES = {
    "in_sum": "in sum", "per_token": "per token", "slor": "SLOR", "per_character": "per character", "per_byte": "per byte",
}  # fmt: skip
"""What a score is divided by; an n-gram's tokens are characters."""


def pair_lines(found: "PairReport") -> Iterator[str]:
    """The accuracy of each scorer by phenomenon, how it does against the others, and the worst pairs."""
    for name, scored in found.scored.items():
        rows = [[f"minimal pairs, {name}", "pairs", "in sum", "per token", "equal length", "unequal length", "ties"]]
        phenomena = sorted(scored.by_phenomenon.items()) if set(scored.by_phenomenon) != {""} else []
        for title, counts in [*phenomena, ("all", scored.all)]:
            parts = (counts.in_sum, counts.per_token, counts.equal_length, counts.unequal_length)
            rows.append([title or "(none)", f"{counts.in_sum.pairs:,}", *map(_accuracy, parts), f"{counts.ties:,}"])
        yield from table_lines(rows)
        yield ""
    first = next(iter(found.scored))
    for name, test in found.against.items():
        only = f"only {first}: {test.only_first:,}, only {name}: {test.only_second:,}"
        yield f"right in sum, {only}, McNemar's test p = {test.p:.3g}"
    for worst in found.scored[first].worst:
        yield f"line {worst.pair.line:,}: {worst.pair.bad!r} is likelier than {worst.pair.good!r} by {worst.nats:.2f} nats"


def judgment_lines(found: "AcceptabilityReport") -> Iterator[str]:
    """AUC and correlation of each scorer, by phenomenon or source, and how the first does against the others."""
    yield f"{found.sentences:,} judged sentences, {found.acceptable:,} acceptable"
    for name, scored in found.scored.items():
        rows = [[f"acceptability, {name}", "AUC", "MCC, 10 folds", "MCC, best threshold", "threshold"]]
        for measure, each in scored.all.items():
            threshold = "–" if each.threshold is None else f"{each.threshold:.3f}"
            rows.append([NAMES[measure], _auc(each), f"{each.mcc:.3f}", f"{each.best_mcc:.3f}", threshold])
        yield ""
        yield from table_lines(rows)
        if scored.groups:
            rows = [[f"AUC, {name}", "sentences", "acceptable", *(NAMES[measure] for measure in scored.all)]]
            for group, some in sorted(scored.groups.items()):
                sizes = [f"{some.sentences:,}", f"{some.acceptable:,}"]
                rows.append([group or "(none)", *sizes, *map(_auc, some.measures.values())])
            yield ""
            yield from table_lines(rows)
    first = next(iter(found.scored))
    for name, differences in found.against.items():
        yield ""
        rows = [[f"AUC, {first} less {name}", "difference"]]
        yield from table_lines([*rows, *([NAMES[measure], _auc(each, "+")] for measure, each in differences.items())])


def choice_lines(found: "ChoicesReport") -> Iterator[str]:
    """The accuracy of each scorer, and how the first does against the others."""
    yield f"{counted(found.questions, 'question')}, {counted(found.options, 'option')}; by chance {found.chance:.1%} are right"
    rows = [["choices", *(NAMES[measure] for measure in next(iter(found.scored.values())).measures), "ties"]]
    for name, scored in found.scored.items():
        rows.append([name, *map(_accuracy, scored.measures.values()), f"{scored.ties:,}"])
    yield from table_lines(rows)
    first = next(iter(found.scored))
    for name, tests in found.against.items():
        yield ""
        rows = [["right", f"only {first}", f"only {name}", "McNemar's test"]]
        for measure, test in tests.items():
            rows.append([NAMES[measure], f"{test.only_first:,}", f"{test.only_second:,}", f"p = {test.p:.3g}"])
        yield from table_lines(rows)
    for name, scored in found.scored.items():
        if scored.crossing:
            yield f"{name}: {counted(scored.crossing, 'option')} encoded apart, as a token crosses the end of the question"


def _accuracy(found: "Accuracy") -> str:
    record = found.as_dict()
    if record["accuracy"] is None:
        return "–"
    return f"{record['accuracy']:.1%} [{record['low']:.1%}, {record['high']:.1%}]"


def _auc(found: "Auc", sign: str = "") -> str:
    if found.auc is None:
        return "–"
    return f"{found.auc:{sign}.4f} [{found.low:{sign}.4f}, {found.high:{sign}.4f}]"


def text_lines(scores: "Mapping[str, TextScore]") -> Iterator[str]:
    """A line for each source."""
    for source, score in scores.items():
        facts = score.as_dict()
        sizes = ((score.documents, "document"), (score.characters, "character"), (score.tokens, "token"))
        total = ", ".join(counted(number, name) for number, name in sizes)
        guessed = f"perplexity {score.perplexity:.1f} a token, top-1 {facts['top1']:.1%}, top-5 {facts['top5']:.1%}"
        yield f"{source or 'texts'}: {score.bits_per_character:.3f} bits/character ({total}), {guessed}"


def baseline_lines(
    name: str, scores: "Mapping[str, TextScore]", others: Mapping[str, Mapping[str, float]], order: int, characters: int
) -> Iterator[str]:
    """Bits per character of the model, the n-gram and xz."""
    head = ["bits per character", *(source or "texts" for source in scores)]
    ours = [name, *(f"{score.bits_per_character:.3f}" for score in scores.values())]
    lines = ((f"{order}-gram of {characters:,} characters", "ngram"), ("xz -9", "xz"))
    rows = [[title, *(f"{others[source][f'{key}_bits_per_character']:.3f}" for source in scores)] for title, key in lines]
    yield ""
    yield from table_lines([head, ours, *rows])


def table_lines(rows: list[Row]) -> Iterator[str]:
    """The rows in columns of equal width on a terminal, where a Japanese character takes two places."""
    from rich.cells import cell_len

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
