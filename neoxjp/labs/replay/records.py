"""A generation as a small JSON file: save it, share it, run it again, and compare the ids.

A seed alone does not reproduce a text: logits also depend on the weights, their dtype, the kernels and the machine. The file
names all of these, so that a different text can be explained.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from neoxjp.engine import Engine, Finish, Request
from neoxjp.hub import BUNDLED, bundled_path
from neoxjp.labs.common import savefile
from neoxjp.labs.common.fingerprints import COVERS, Difference, Setup, differences, setup
from neoxjp.labs.common.measures import first_difference
from neoxjp.sampling import SamplingParams

if TYPE_CHECKING:
    from neoxjp.model import GPTNeoXJapaneseForCausalLM
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

FORMAT, VERSION = "neoxjp-generation", 1
MAX_BYTES = 2 * 2**20
MOST_IDS = 2**17  # of the prompt and of the text
INTERRUPTED = ("cancelled", "deadline", "error", None)  # the values of `finish` that do not follow from the settings


@dataclass(frozen=True)
class State:
    """Everything that a generation depended on, and its result."""

    prompt_ids: tuple[int, ...]  # as the model saw them, after truncation
    ids: tuple[int, ...]  # the generated ones
    params: SamplingParams  # with the seed that was used and the length that the context had room for
    finish: Finish | None  # None: the stream was closed before its end
    concurrent: int  # the largest number of other requests in one of its forward passes
    rows_are_independent: bool  # the model's numbers do not depend on concurrent requests
    name: str  # of the model: a Hub id, a folder, or BUNDLED
    revision: str | None  # on the Hub
    setup: Setup


@dataclass(frozen=True)
class Replay:
    """The result of the second run."""

    ids: tuple[int, ...]
    text: str  # the decoded ids
    same: bool  # whether the ids equal the saved ones
    first_difference: int | None  # index of the first id that differs; None: none does
    differences: tuple[Difference, ...]  # of the setups; one of them may be the reason for other ids


def capture(
    request: Request,
    model: "GPTNeoXJapaneseForCausalLM",
    tokenizer: "GPTNeoXJapaneseTokenizer",
    name: str,
    revision: str | None = None,
) -> State:
    """The state of a request that has ended, or as far as it has got."""
    params = dataclasses.replace(request.params, seed=request.seed, max_new_tokens=request.max_new_tokens)
    return State(
        prompt_ids=tuple(request.prompt_ids),
        ids=tuple(request.ids),
        params=params,
        finish=request.finish,
        concurrent=request.max_concurrent,
        rows_are_independent=model.rows_are_independent,
        name=BUNDLED if Path(name) == bundled_path() else name,
        revision=revision or (model.load_report.revision if model.load_report else None),
        setup=setup(model, tokenizer),
    )


def replay(state: State, model: "GPTNeoXJapaneseForCausalLM", tokenizer: "GPTNeoXJapaneseTokenizer") -> Replay:
    """Run it again with this model in a new engine, without concurrent requests, and compare.

    An interrupted text is generated up to its saved length.

    Raises ParameterError: an id outside the model's vocabulary. PromptTooLong: the ids do not fit its context.
    """
    current = setup(model, tokenizer)
    if state.finish in INTERRUPTED and not state.ids:
        return compare(state, (), current, model.rows_are_independent, tokenizer)
    with Engine(model, tokenizer).submit(state.prompt_ids, rerun_params(state)) as request:
        ids = [step.id for step in request]
    return compare(state, ids, current, model.rows_are_independent, tokenizer, request.max_concurrent)


def compare(
    state: State,
    ids: Sequence[int],
    current: Setup,
    rows_are_independent: bool,
    tokenizer: "GPTNeoXJapaneseTokenizer",
    concurrent: int = 0,
) -> Replay:
    """Compare the ids that a model of the `current` setup generated with `rerun_params(state)`.

    concurrent: other requests that ran meanwhile.
    """
    found = differences(state.setup, current)
    if not rows_are_independent and (state.concurrent or concurrent):
        found += (Difference("batch", "concurrent", str(state.concurrent), str(concurrent)),)
    place = first_difference(state.ids, ids)
    return Replay(tuple(ids), tokenizer.decode(ids), place is None, place, found)


def rerun_params(state: State) -> SamplingParams:
    """The settings of a second run: without a deadline; an interrupted text ends at its saved length."""
    params = dataclasses.replace(state.params, deadline_s=None)
    if state.finish not in INTERRUPTED:
        return params
    length = max(1, len(state.ids))
    return dataclasses.replace(params, max_new_tokens=length, min_new_tokens=min(params.min_new_tokens, length))


def to_json(state: State) -> str:
    """The file: {"format": "neoxjp-generation", "version": 1, "prompt_ids": […], "ids": […], "params": {…}, …}."""
    content = dataclasses.asdict(state)
    return savefile.dumps(FORMAT, VERSION, content | {"fingerprint_covers": COVERS})


def from_json(data: str | bytes, kind: type[SamplingParams] = SamplingParams) -> State:
    """The state in a file. Raises ParameterError: too large, damaged, of another version, settings out of their range."""
    found = savefile.loads(data, FORMAT, VERSION, MAX_BYTES)
    with savefile.wrap_errors(FORMAT):
        finish = found["finish"]
        if finish is not None and finish not in get_args(Finish):
            raise ValueError("finish has an unknown value")
        if type(found["rows_are_independent"]) is not bool:
            raise ValueError("rows_are_independent is neither true nor false")
        revision = found["revision"]
        prompt_ids, ids = (savefile.parse_ids(found[name], 2**31, MOST_IDS, name) for name in ("prompt_ids", "ids"))
        if not prompt_ids:
            raise ValueError("prompt_ids is empty")
        return State(
            prompt_ids=prompt_ids,
            ids=ids,
            params=savefile.parse_params(found["params"], kind),
            finish=finish,
            concurrent=savefile.parse_int(found["concurrent"], 0, 2**31, "concurrent"),
            rows_are_independent=found["rows_are_independent"],
            name=savefile.parse_string(found["name"], 1000, "name"),
            revision=None if revision is None else savefile.parse_string(revision, 200, "revision"),
            setup=_setup(found["setup"]),
        )


def _setup(given: Any) -> Setup:
    if isinstance(given, dict) and "cache_dtype" not in given:  # written before there was a choice
        given = given | {"cache_dtype": "float32" if given.get("device") == "cpu" else given.get("dtype")}
    if not isinstance(given, dict) or set(given) != {field.name for field in dataclasses.fields(Setup)}:
        raise ValueError("setup is incomplete")
    for name, value in given.items():
        if name == "packed":
            if type(value) is not bool:
                raise ValueError("packed is neither true nor false")
        elif name == "threads":
            savefile.parse_int(value, 1, 2**16, name)
        elif name != "quantization" or value is not None:
            savefile.parse_string(value, 200, name)
    return Setup(**given)


def report(state: State, replayed: Replay) -> list[str]:
    """The comparison in lines, for a terminal."""
    count = len(state.ids)
    if replayed.same:
        lines = [f"the same {count} tokens"]
    else:
        lines = [f"the ids differ from token {(replayed.first_difference or 0) + 1} of {count} on"]
        if not replayed.differences:
            lines.append("  the setups are equal: the file was edited, or a kernel is not deterministic")
    for found in replayed.differences:
        name = "" if found.field == found.group else f" ({found.field})"
        lines.append(f"  {found.group}{name}: {found.saved} → {found.current}")
    return lines
