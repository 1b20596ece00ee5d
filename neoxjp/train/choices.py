"""Questions with options: how often a model finds the right option likeliest, with intervals.

The score of an option is its log probability after the question: in sum (`acc` of lm-evaluation-harness), or over the option's
number of tokens, characters (`acc_norm`) or UTF-8 bytes (`acc_bytes`). A tie is not right, other than in lm-eval, where the first
of equal options wins. Questions are streamed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from neoxjp.documents import Question
from neoxjp.errors import ParameterError
from neoxjp.train.scorers import OptionScore, OptionScorer
from neoxjp.train.statistics import Accuracy, McNemar

Measure = Literal["in_sum", "per_token", "per_character", "per_byte"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass
class ScoredQuestions:
    """What one scorer made of the questions."""

    measures: dict[Measure, Accuracy] = field(default_factory=lambda: {measure: Accuracy() for measure in MEASURES})
    ties: int = 0  # questions whose likeliest option, in sum, is not the only one
    crossing: int = 0  # options that were encoded by themselves, as a token would cross the end of the question


@dataclass
class ChoicesReport:
    """Scorers on the same questions, and the first against each other one."""

    scored: dict[str, ScoredQuestions]
    against: dict[str, dict[Measure, McNemar]]
    questions: int = 0
    options: int = 0
    chance: float = 0.0  # expected share of right answers of one who guesses

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        scored = {
            name: {measure: found.as_dict("questions") for measure, found in each.measures.items()}
            | {"ties": each.ties, "crossing": each.crossing}
            for name, each in self.scored.items()
        }
        against = {name: {measure: test.as_dict() for measure, test in found.items()} for name, found in self.against.items()}
        sizes = {"questions": self.questions, "options": self.options, "chance": self.chance}
        return sizes | {"scored": scored, "against": against}


def score_questions(questions: Iterable[Question], scorers: Mapping[str, OptionScorer]) -> ChoicesReport:
    """Score the options of each question with each scorer; the first is compared with the others.

    Raises:
        ParameterError: with the number of the line, where an option cannot be scored.
    """
    first, *others = scorers
    report = ChoicesReport(
        {name: ScoredQuestions() for name in scorers}, {name: {measure: McNemar() for measure in MEASURES} for name in others}
    )
    guessed = 0.0
    for question in questions:
        report.questions += 1
        report.options += len(question.options)
        guessed += 1 / len(question.options)
        right: dict[str, dict[Measure, bool]] = {}
        for name, scorer in scorers.items():
            try:
                scores = scorer(question.text, question.options)
            except ParameterError as error:
                raise ParameterError(f"line {question.line:,}: {error}") from error
            values = _values(question.options, scores)
            right[name] = {measure: _only_best(each, question.answer) for measure, each in values.items()}
            for measure, correct in right[name].items():
                report.scored[name].measures[measure].add(correct)
            report.scored[name].ties += values["in_sum"].count(max(values["in_sum"])) > 1
            report.scored[name].crossing += sum(each.crosses for each in scores)
        for name in others:
            for measure in MEASURES:
                report.against[name][measure].add(right[first][measure], right[name][measure])
    report.chance = guessed / max(report.questions, 1)
    return report


def _values(options: Sequence[str], scores: Sequence[OptionScore]) -> dict[Measure, list[float]]:
    """The scores of the options; higher is better."""
    lengths: dict[Measure, list[int]] = {
        "in_sum": [1] * len(options),
        "per_token": [max(each.tokens, 1) for each in scores],
        "per_character": [len(option) for option in options],
        "per_byte": [len(option.encode("utf-8", "surrogatepass")) for option in options],
    }
    return {
        measure: [-each.nats / length for each, length in zip(scores, divisors, strict=True)]
        for measure, divisors in lengths.items()
    }


def _only_best(values: Sequence[float], answer: int) -> bool:
    return all(values[answer] > value for place, value in enumerate(values) if place != answer)
