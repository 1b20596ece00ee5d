"""One generation as a small JSON, to save, to share, to run again: the same ids, or what is different and from which token on.

A seed alone promises nothing: the numbers behind a draw depend on the weights, their format, the kernels and the machine. The
state names all of these, so that a text that comes out otherwise is explained and not a surprise.
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
MOST_BYTES = 2 * 2**20
MOST_IDS = 2**17  # of the prompt and of the text
BROKEN_OFF = ("cancelled", "deadline", "error", None)  # ends that do not follow from the settings


@dataclass(frozen=True)
class State:
    """All that a generation depended on, and what came out."""

    prompt_ids: tuple[int, ...]  # as the model saw them, after a cut
    ids: tuple[int, ...]  # what it wrote
    params: SamplingParams  # the seed that was used and the length that there was room for are filled in
    finish: Finish | None  # None: the stream was left
    beside: int  # the most other requests that one of its forwards served too
    steady: bool  # the model computes a text alike, alone and beside others
    name: str  # of the model, for people and for code: a Hub id, a folder, or BUNDLED
    revision: str | None  # on the Hub
    setup: Setup


@dataclass(frozen=True)
class Replay:
    """What came out the second time."""

    ids: tuple[int, ...]
    text: str  # what the ids decode to
    same: bool  # the same ids as in the state
    place: int | None  # of the first token that differs; None: the same
    differences: tuple[Difference, ...]  # known ones; they may or may not be the reason, and empty where there is none


def capture(
    request: Request,
    model: "GPTNeoXJapaneseForCausalLM",
    tokenizer: "GPTNeoXJapaneseTokenizer",
    name: str,
    revision: str | None = None,
    model_mark: str | None = None,
) -> State:
    """The state of a request that has ended, or as far as it came. model_mark: the model's fingerprint, where it is known."""
    params = dataclasses.replace(request.params, seed=request.seed, max_new_tokens=request.max_new_tokens)
    return State(
        prompt_ids=tuple(request.prompt_ids),
        ids=tuple(request.ids),
        params=params,
        finish=request.finish,
        beside=request.beside,
        steady=model.rows_are_independent,
        name=BUNDLED if Path(name) == bundled_path() else name,
        revision=revision or (model.load_report.revision if model.load_report else None),
        setup=setup(model, tokenizer, model_mark),
    )


def replay(
    state: State,
    model: "GPTNeoXJapaneseForCausalLM",
    tokenizer: "GPTNeoXJapaneseTokenizer",
    engine: Engine | None = None,
    model_mark: str | None = None,
) -> Replay:
    """Run it again with this model, and compare. engine: runs it; None: one of its own, beside nobody.

    A text that was broken off is written as far as it came then.

    Raises ParameterError where the ids are not in the model's vocabulary, PromptTooLong where they do not fit its context.
    """
    if state.finish in BROKEN_OFF and not state.ids:
        return judged(state, (), model, tokenizer, model_mark=model_mark)
    with (engine or Engine(model, tokenizer)).submit(state.prompt_ids, rerun(state)) as request:
        ids = [step.id for step in request]
    return judged(state, ids, model, tokenizer, request.beside, model_mark)


def judged(
    state: State,
    ids: Sequence[int],
    model: "GPTNeoXJapaneseForCausalLM",
    tokenizer: "GPTNeoXJapaneseTokenizer",
    beside: int = 0,
    model_mark: str | None = None,
) -> Replay:
    """What is to be said about ids that this model wrote with `rerun(state)`. beside: other requests that ran meanwhile."""
    found = differences(state.setup, setup(model, tokenizer, model_mark))
    if not model.rows_are_independent and (state.beside or beside):
        found += (Difference("batch", "beside", str(state.beside), str(beside)),)
    place = first_difference(state.ids, ids)
    return Replay(tuple(ids), tokenizer.decode(ids), place is None, place, found)


def rerun(state: State) -> SamplingParams:
    """The settings that write it again: a text that was broken off ends where it did, and no clock ends it."""
    params = dataclasses.replace(state.params, deadline_s=None)
    if state.finish not in BROKEN_OFF:
        return params
    length = max(1, len(state.ids))
    return dataclasses.replace(params, max_new_tokens=length, min_new_tokens=min(params.min_new_tokens, length))


def to_json(state: State) -> str:
    """The file: {"format": "neoxjp-generation", "version": 1, "prompt_ids": […], "ids": […], "params": {…}, …}."""
    content = dataclasses.asdict(state)
    return savefile.dumps(FORMAT, VERSION, content | {"fingerprint_covers": COVERS})


def from_json(data: str | bytes, kind: type[SamplingParams] = SamplingParams) -> State:
    """The state in a file.

    Raises ParameterError: too large, damaged, of a later version, settings out of their range. One sentence.
    """
    found = savefile.loads(data, FORMAT, VERSION, MOST_BYTES)
    with savefile.reading(FORMAT):
        finish = found["finish"]
        if finish is not None and finish not in get_args(Finish):
            raise ValueError("finish is no way to end")
        if type(found["steady"]) is not bool:
            raise ValueError("steady is neither true nor false")
        revision = found["revision"]
        prompt_ids, ids = (savefile.ids(found[name], 2**31, MOST_IDS, name) for name in ("prompt_ids", "ids"))
        if not prompt_ids:
            raise ValueError("prompt_ids is empty")
        return State(
            prompt_ids=prompt_ids,
            ids=ids,
            params=savefile.sampling_params(found["params"], kind),
            finish=finish,
            beside=savefile.whole(found["beside"], 0, 2**31, "beside"),
            steady=found["steady"],
            name=savefile.string(found["name"], 1000, "name"),
            revision=None if revision is None else savefile.string(revision, 200, "revision"),
            setup=_setup(found["setup"]),
        )


def _setup(given: Any) -> Setup:
    if not isinstance(given, dict) or set(given) != {field.name for field in dataclasses.fields(Setup)}:
        raise ValueError("setup is incomplete")
    for name, value in given.items():
        if name == "packed":
            if type(value) is not bool:
                raise ValueError("packed is neither true nor false")
        elif name == "threads":
            savefile.whole(value, 1, 2**16, name)
        elif name != "quantization" or value is not None:
            savefile.string(value, 200, name)
    return Setup(**given)


def told(state: State, replayed: Replay) -> list[str]:
    """The verdict in lines, for a terminal."""
    count = len(state.ids)
    if replayed.same:
        lines = [f"the same {count} tokens"]
    else:
        lines = [f"other ids from token {(replayed.place or 0) + 1} of {count} on"]
        if not replayed.differences:
            lines.append("  nothing that is known differs: the file was edited, or a kernel does not repeat itself")
    for found in replayed.differences:
        name = "" if found.field == found.what else f" ({found.field})"
        lines.append(f"  {found.what}{name}: {found.then} → {found.now}")
    return lines
