"""The table of sampling options. One row is one option, and everything else derives from it.

From here come the checks and defaults of `SamplingParams`, the flags of the command line, the controls of the page, what a link
and a replay file hold, and the parameters of `/generate` and `/sampling_trace`. A new option is a row here, a field of
`SamplingParams` and a filter in filters.py. No torch and no Gradio here.
"""

import inspect
import math
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, get_args, get_type_hints

from neoxjp.errors import ParameterError

Stage = Literal[
    "model",
    "repetition_penalty",
    "no_repeat_ngram",
    "min_new_tokens",
    "greedy",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "typical_p",
]
"""The stages of filters.py, in the order in which they are applied; "model" is the plain softmax."""

Kind = Literal["number", "integer", "strings"]
Text = tuple[str, str]  # Japanese, English


@dataclass(frozen=True)
class Option:
    """One sampling option."""

    name: str  # the field of SamplingParams, the parameter of the API, the name in links and replay files
    kind: Kind
    label: Text
    help: Text
    neutral: Any  # default of SamplingParams, `generate` and HTTP: as transformers
    recommended: Any  # default of the page, the command line and the Gradio endpoints
    range: Text  # the accepted values, as the end of "… must be" and "…にしてください"
    low: float = -math.inf  # the smallest accepted number
    high: float = math.inf  # the largest accepted number
    low_is_open: bool = False  # True: `low` itself is not accepted
    optional: bool = False  # None is accepted, too
    slider: tuple[float, float, float] | None = None  # smallest value, largest value and step on the page; None: a text field
    up_to_context: bool = False  # the slider ends at the context of the model that is loaded
    stage: Stage | None = None  # the filter that it feeds; None: it feeds none
    off: Any = None  # the value with which that filter removes nothing
    in_view: bool = False  # whether the page shows it at once; the others are folded away

    @property
    def flag(self) -> str:
        """The flag of the command line: `top_k` → "--top-k"."""
        return "--" + self.name.replace("_", "-")

    @property
    def type(self) -> Any:
        """The type of its values as a caller gives them, for annotations."""
        kinds: dict[Kind, Any] = {"number": float, "integer": int, "strings": list[str]}
        return kinds[self.kind] | None if self.optional or self.kind == "strings" else kinds[self.kind]

    @property
    def unused_when_greedy(self) -> bool:
        """Whether its filter comes after the most probable token is taken."""
        order = get_args(Stage)
        return self.stage is not None and order.index(self.stage) > order.index("greedy")

    def accept(self, value: Any) -> Any:
        """The value as SamplingParams holds it: float, int, tuple of strings, or None where the option is optional.

        Raises:
            TypeError, ValueError or OverflowError: it is not one of the accepted values.
        """
        if value is None and self.optional:
            return None
        if self.kind == "strings":
            strings = (value,) if isinstance(value, str) else tuple(value)
            if not all(isinstance(string, str) and string for string in strings):
                raise ValueError
            return strings
        if isinstance(value, (bool, str)):
            raise TypeError
        number = operator.index(value) if self.kind == "integer" else float(value)
        if not math.isfinite(number) or not self.low <= number <= self.high or (self.low_is_open and number == self.low):
            raise ValueError
        return number


# fmt: off
OPTIONS: tuple[Option, ...] = (
    Option(
        "temperature", "number",
        ("温度（temperature）", "Temperature"),
        ("低いほど無難で単調に、高いほど意外な文章になり、高すぎると文章として成り立たなくなります。0 は貪欲法（greedy）です。",
         "Low values give safe and repetitive text, high values give surprising text and, in the end, nonsense. 0 is greedy."),
        neutral=1.0, recommended=0.7,  # chosen by reading samples of the bundled model: its card says how
        range=("0（貪欲法）以上の数", "a number from 0 (greedy) upwards"), low=0,
        slider=(0, 2, 0.05), stage="temperature", off=1.0, in_view=True,
    ),
    Option(
        "top_p", "number",
        ("top-p", "Top-p"),
        ("確率の高い順に、合計がこの値に達するまでのトークンだけを候補に残します。1 で無効になります。",
         "Keep the most probable tokens whose probabilities add up to this value. 1 turns it off."),
        neutral=1.0, recommended=0.95,
        range=("0 から 1（無効）までの数", "a number from 0 to 1 (off)"), low=0, high=1,
        slider=(0.05, 1, 0.01), stage="top_p", off=1.0, in_view=True,
    ),
    Option(
        "max_new_tokens", "integer",
        ("最大トークン数（max_new_tokens）", "Maximum tokens (max_new_tokens)"),
        ("この数のトークンを生成すると止まります。コンテキスト長に達したときも止まります。",
         "Generation stops after this many tokens, or when the context is full."),
        neutral=None, recommended=100,  # None: until the context is full
        range=("1 以上の整数", "a whole number from 1 upwards, or None"), low=1, optional=True,
        slider=(1, 512, 1), up_to_context=True, in_view=True,
    ),
    Option(
        "top_k", "integer",
        ("top-k", "Top-k"),
        ("確率の高い k 個のトークンだけを候補に残します。0 で無効になります。",
         "Keep only the k most probable tokens. 0 turns it off."),
        neutral=50, recommended=0,
        range=("0（無効）以上の整数", "a whole number from 0 (off) upwards"), low=0,
        slider=(0, 200, 1), stage="top_k", off=0,
    ),
    Option(
        "min_p", "number",
        ("min-p", "Min-p"),
        ("最も確率の高いトークンに対する確率の比が、この値より小さいトークンを除外します。0 で無効になります。",
         "Drop tokens whose probability is below this share of the most probable token's. 0 turns it off."),
        neutral=0.0, recommended=0.0,
        range=("0（無効）から 1 までの数", "a number from 0 (off) to 1"), low=0, high=1,
        slider=(0, 0.5, 0.01), stage="min_p", off=0.0,
    ),
    Option(
        "typical_p", "number",
        ("typical-p", "Typical-p"),
        ("情報量がエントロピーに近い順に、確率の合計がこの値に達するまでのトークンだけを候補に残します。1 で無効になります。",
         "Keep the tokens whose surprisal is closest to the entropy, up to this total probability. 1 turns it off."),
        neutral=1.0, recommended=1.0,
        range=("0 より大きく 1（無効）以下の数", "a number above 0 and up to 1 (off)"), low=0, high=1, low_is_open=True,
        slider=(0.05, 1, 0.01), stage="typical_p", off=1.0,
    ),
    Option(
        "repetition_penalty", "number",
        ("繰り返しペナルティ（repetition_penalty）", "Repetition penalty"),
        ("1 より大きいと、プロンプトや生成した文章にあるトークンが選ばれにくくなります。1 で無効になります。",
         "Above 1, tokens that the text already contains become less likely. 1 turns it off."),
        neutral=1.0, recommended=1.1,
        range=("0 より大きい数（1 で無効）", "a number above 0 (1 is off)"), low=0, low_is_open=True,
        slider=(1, 2, 0.05), stage="repetition_penalty", off=1.0,
    ),
    Option(
        "no_repeat_ngram_size", "integer",
        ("n-gram の繰り返し禁止", "No-repeat n-gram size"),
        ("この長さの同じトークン列は 2 回以上現れなくなります。0 で無効になります。",
         "No sequence of this many tokens occurs twice. 0 turns it off."),
        neutral=0, recommended=0,
        range=("0（無効）以上の整数", "a whole number from 0 (off) upwards"), low=0,
        slider=(0, 10, 1), stage="no_repeat_ngram", off=0,
    ),
    Option(
        "min_new_tokens", "integer",
        ("最小トークン数（min_new_tokens）", "Minimum tokens (min_new_tokens)"),
        ("この数のトークンを生成するまで、文章は終わりません。",
         "The text does not end before this many tokens."),
        neutral=0, recommended=0,
        range=("0 以上の整数", "a whole number from 0 upwards"), low=0,
        slider=(0, 512, 1), up_to_context=True, stage="min_new_tokens", off=0,
    ),
    Option(
        "seed", "integer",
        ("シード（seed）", "Seed"),
        ("同じシードなら同じ文章になります。指定しなければ、毎回新しいシードを使います。",
         "The same seed gives the same text. Without one, each run uses a new seed."),
        neutral=None, recommended=None,
        range=("0 以上 2**63 未満の整数", "a whole number from 0 to 2**63 - 1, or None"), low=0, high=2**63 - 1, optional=True,
        in_view=True,
    ),
    Option(
        "stop", "strings",
        ("停止文字列（stop）", "Stop strings"),
        ("これらの文字列のうち最初に現れたものの直前で、文章を終えます。ページでは、そのトークンを薄く表示し、「続ける」で文章に戻します。",
         "The text ends before the first of these strings. The page shows its tokens, pale; Continue puts them back."),
        neutral=(), recommended=(),
        range=("1 文字以上の文字列", "strings of at least one character"),
    ),
)
# fmt: on
"""In the order of the page."""


def named(options: Iterable[Option], name: str) -> Option:
    """The row of an option. Raises KeyError: there is none."""
    for option in options:
        if option.name == name:
            return option
    raise KeyError(name)


def filter_options(options: Iterable[Option] = OPTIONS) -> tuple[Option, ...]:
    """The options that feed a filter, in the order in which the filters are applied."""
    order = get_args(Stage)
    return tuple(sorted((each for each in options if each.stage), key=lambda each: order.index(each.stage)))


def problems(values: Mapping[str, Any], options: Iterable[Option] = OPTIONS) -> tuple[dict[str, Any], list[Text]]:
    """The accepted values by name, and a sentence (Japanese, English) for each value that is out of its range."""
    accepted, wrong = {}, []
    for option in options:
        if option.name in values:
            given = values[option.name]
            try:
                accepted[option.name] = option.accept(given)
            except (TypeError, ValueError, OverflowError):
                wrong.append(sentence(option.name, given, option.range))
    return accepted, wrong


def sentence(name: str, given: Any, range: Text) -> Text:
    """ "top_p=7 must be a number from 0 to 1 (off)", after the Japanese one."""
    return f"{name}={given!r:.80} は、{range[0]}にしてください", f"{name}={given!r:.80} must be {range[1]}"


def error_of(wrong: Iterable[Text]) -> ParameterError:
    """One error that names all problems."""
    ja, en = zip(*wrong, strict=True)
    return ParameterError("; ".join(en), ja="".join(f"{each}。" for each in ja))


# ---------------------------------------------------------------- parameters of functions


def expand(
    function: Callable[..., Any],
    options: Iterable[Option] = OPTIONS,
    *,
    annotation: Callable[[Option], Any] = lambda option: option.type,
    default: Callable[[Option], Any] = lambda option: None if option.kind == "strings" else option.recommended,
) -> Callable[..., Any]:
    """A function with `**sampling` → the same function with one parameter for each option: name, annotation, default, docstring.

    >>> def generate(prompt: str, top: int = 0, **sampling: Any) -> str: ...
    >>> inspect.signature(expand(generate))
    (prompt: str, temperature: float = 0.7, …, stop: list[str] | None = None, top: int = 0) -> str

    The new parameters come before the first parameter that has a default. In the docstring they replace the line
    "**sampling: …" under "Args:". A function without `**sampling` is returned as it is.

    Args:
        function: a function or a generator function.
        options: the rows.
        annotation: from an option to the parameter's annotation; the command line puts its help and flag there.
        default: from an option to the parameter's default.
    """
    signature = inspect.signature(function)
    if "sampling" not in signature.parameters:
        return function
    rows = tuple(options)
    hints = get_type_hints(function, include_extras=True)
    own = [p.replace(annotation=hints.get(p.name, p.annotation)) for p in signature.parameters.values() if p.name != "sampling"]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    new = [inspect.Parameter(row.name, kind, default=default(row), annotation=annotation(row)) for row in rows]
    place = next((place for place, parameter in enumerate(own) if parameter.default is not inspect.Parameter.empty), len(own))
    full = signature.replace(
        parameters=[*own[:place], *new, *own[place:]], return_annotation=hints.get("return", signature.return_annotation)
    )

    def arguments(given: tuple[Any, ...], names: dict[str, Any]) -> dict[str, Any]:
        bound = full.bind(*given, **names)
        bound.apply_defaults()
        lists = {row.name for row in rows if row.kind == "strings"}
        return {name: () if value is None and name in lists else value for name, value in bound.arguments.items()}

    if inspect.isgeneratorfunction(function):

        @wraps(function)
        def expanded(*given: Any, **names: Any) -> Iterator[Any]:
            yield from function(**arguments(given, names))

    else:

        @wraps(function)
        def expanded(*given: Any, **names: Any) -> Any:
            return function(**arguments(given, names))

    expanded.__signature__ = full  # type: ignore[attr-defined]
    expanded.__annotations__ = {p.name: p.annotation for p in full.parameters.values()} | {"return": full.return_annotation}
    expanded.__doc__ = _documented(inspect.getdoc(function) or "", rows)
    return expanded


def _documented(doc: str, options: Iterable[Option]) -> str:
    """The docstring with a line for each option instead of the line "**sampling: …"."""
    return re.sub(
        r"^( *)\*\*sampling:.*$",
        lambda found: "\n".join(f"{found[1]}{option.name}: {option.help[1]}" for option in options),
        doc,
        flags=re.MULTILINE,
    )
