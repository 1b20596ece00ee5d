"""Endpoints: functions that other programs call by name, with plain values in and out.

A feature declares its endpoints in `endpoints.py`; the page registers those of all features in one place:

>>> def endpoints(playground: Playground) -> list[Endpoint]:
...     @endpoint("heat_map", needs="model")
...     def heat_map(text: str) -> dict[str, Any]:
...         "Docstring and parameter names are what callers see, under `/?view=api` and in `/gradio_api/openapi.json`."
...
...     return [heat_map]
>>> register(playground, endpoints(playground))
"""

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from functools import wraps
from typing import Any, get_args, get_origin, get_type_hints

import gradio as gr
from gradio.components.base import _Keywords
from gradio.state_holder import StateHolder
from typing_extensions import is_typeddict

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.page_parts.answers import message_of, plain
from neoxjp.page_parts.fair_queue import MAX_SIZE, FairQueue
from neoxjp.page_parts.session.caps import Caps
from neoxjp.page_parts.session.playground import THREADS, Need, Playground
from neoxjp.page_parts.session.states import SessionStates
from neoxjp.page_parts.session.visitors import Visitors, visitor_of
from neoxjp.sampling import expand

WAIT_SECONDS = 120
"""How long a call waits for a model, or a vocabulary, that is being loaded."""


@dataclass(frozen=True)
class Tool:
    """How an endpoint is listed for language models. None of them changes anything."""

    title: str
    open_world: bool = False  # it may send requests to other servers, such as the Hub


@dataclass(frozen=True)
class Endpoint:
    """One endpoint as a feature declares it."""

    name: str  # without the slash
    function: Callable[..., Any]  # a function, or a generator function that streams its records; `**sampling` takes all options
    at_once: int | None  # how many calls run at the same time; the others wait in Gradio's queue. None: any number
    queue: bool  # False: a quick one, answered outside the queue; it cannot stream
    needs: Need | None  # what has to be loaded; a call waits `WAIT_SECONDS` for one that is being loaded
    tool: Tool | None = None  # how it is listed for language models (neoxjp.ui.mcp); None: it is not

    def bind(self, playground: Playground) -> Callable[..., Any]:
        """The function as Gradio calls it.

        It has one parameter for each of `playground.options` instead of `**sampling`. It waits for what it needs. An expected
        error becomes Gradio's, in the caller's language and without a traceback in the log. What it returns can be written as
        JSON.
        """
        function = expand(self.function, playground.options)
        signature = inspect.signature(function)
        hints = get_type_hints(function)
        last = inspect.Parameter(
            "request", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=gr.Request | None
        )  # by the annotation, Gradio passes it and does not show it to callers
        full = signature.replace(
            parameters=[*(p.replace(annotation=hints[p.name]) for p in signature.parameters.values()), last],
            return_annotation=_for_gradio(hints["return"]),
        )

        @contextmanager
        def call(given: tuple[Any, ...], names: dict[str, Any]) -> Iterator[dict[str, Any]]:
            arguments = dict(full.bind(*given, **names).arguments)
            request = arguments.pop("request", None)
            try:
                _wait_for_load(playground, self.needs)
                yield arguments
            except NeoxjpError as error:
                raise gr.Error(message_of(error, request), print_exception=False) from error

        def answer(*given: Any, **names: Any) -> Any:
            with call(given, names) as arguments:
                return plain(function(**arguments))

        def stream(*given: Any, **names: Any) -> Iterator[Any]:
            with call(given, names) as arguments:
                for value in function(**arguments):
                    yield plain(value)

        bound = wraps(function)(stream if inspect.isgeneratorfunction(self.function) else answer)
        bound.__signature__ = full  # type: ignore[attr-defined]
        bound.endpoint = self  # type: ignore[attr-defined]
        bound.__annotations__ = {p.name: p.annotation for p in full.parameters.values()} | {"return": full.return_annotation}
        bound.__doc__ = with_waiting(inspect.getdoc(function) or "", self.needs)
        return bound


MOST_PATIENT = 16  # calls that wait for a load, each in a thread of the page
_PATIENT = threading.BoundedSemaphore(MOST_PATIENT)


def _wait_for_load(playground: Playground, needed: Need | None) -> None:
    """Raises NotReady: there is no model after `WAIT_SECONDS`, or none yet and enough calls are waiting for it."""
    patient = _PATIENT.acquire(blocking=False)
    try:
        playground.wait_for(needed, WAIT_SECONDS if patient else 0)
    finally:
        if patient:
            _PATIENT.release()


def endpoint(
    name: str, *, at_once: int | None = 1, queue: bool = True, needs: Need | None = None, tool: Tool | None = None
) -> Callable[[Callable[..., Any]], Endpoint]:
    """Declare a function as an endpoint: a decorator, for the arguments see `Endpoint`.

    A call that needs a model or a vocabulary which is being loaded waits for it, at most `WAIT_SECONDS` (120 s). Where nothing is
    loaded and nothing is being loaded, or `MOST_PATIENT` (16) calls wait already, it fails at once.
    """

    def declare(function: Callable[..., Any]) -> Endpoint:
        return Endpoint(name, function, at_once, queue, needs, tool)

    return declare


def register(playground: Playground, endpoints: Iterable[Endpoint]) -> None:
    """Add endpoints to the page that is being built."""
    for each in endpoints:
        gr.api(each.bind(playground), api_name=each.name, queue=each.queue, concurrency_limit=each.at_once)


class EndpointBlocks(gr.Blocks):
    """`gr.Blocks` whose queue takes turns between visitors, and whose endpoints keep nothing after their answer.

    A call of an endpoint by position may leave out the last parameters that have defaults, as a call by name may.
    """

    threads = THREADS  # of the web server
    sessions = Caps.sessions  # open pages whose state is kept
    visitors = Visitors()  # what each has used; the page sets that of its playground

    @property
    def state_holder(self) -> SessionStates:
        return self._states

    @state_holder.setter
    def state_holder(self, holder: StateHolder) -> None:
        """Gradio's application sets this when it gets its blocks."""
        self._states = SessionStates.adopt(holder, self)

    def queue(self, *given: Any, **names: Any) -> "EndpointBlocks":
        super().queue(*given, **names)
        made = self._queue
        self._queue = FairQueue(
            made.live_updates,
            made.max_thread_count,
            made.update_intervals,
            MAX_SIZE if made.max_size is None else made.max_size,
            self,
            made.default_concurrency_limit,
        )
        return self

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, request: Any = None, *given: Any, **names: Any
    ) -> dict[str, Any]:
        """Gradio runs every function here. A session gets its state with the first function of its page."""
        session = names.get("session_hash")
        if block_fn.queue and names.get("event_id") is None and names.get("in_event_listener"):
            raise ParameterError(
                "this function runs in the queue only: POST to /gradio_api/call/NAME",
                ja="この関数は待ち行列を通してだけ実行できます。/gradio_api/call/NAME に POST してください。",
            )
        if isinstance(getattr(block_fn.fn, "endpoint", None), Endpoint):
            state, names["root_path"] = self._states.none, None  # no file in the answer whose address would need the root
        elif state is self._states.none and session:
            state = self._states.open(session, visitor_of(request.client.host if request.client else None).address)
        return await super().process_api(block_fn, inputs, state, request, *given, **names)

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        """What a function returned, as the browser gets it. An endpoint's answer is JSON already.

        Gradio (6.31) looks at each value in it for files, on the event loop: half a second for a long answer, for everybody.
        """
        if not isinstance(getattr(block_fn.fn, "endpoint", None), Endpoint) or len(block_fn.outputs) != 1:
            return await super().postprocess_data(block_fn, predictions, state)
        return [None if predictions is _Keywords.FINISHED_ITERATING else predictions]

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Gradio (6) calls this with the values of a call before it reads them; the missing ones are appended here."""
        if isinstance(declared := getattr(block_fn.fn, "endpoint", None), Endpoint):
            parameters = list(inspect.signature(block_fn.fn).parameters.values())
            for parameter in parameters[len(inputs) : len(block_fn.inputs)]:
                if parameter.default is inspect.Parameter.empty:
                    raise gr.Error(f"/{declared.name} needs a value for {parameter.name!r}", print_exception=False)
                inputs.append(parameter.default)
        super().validate_inputs(block_fn, inputs)


def _for_gradio(hint: Any) -> Any:
    """A return type as Gradio (6.31) describes it to callers: a record is an object, whatever its fields."""
    if isinstance(origin := get_origin(hint), type):
        return origin[tuple(_for_gradio(each) for each in get_args(hint))]  # type: ignore[index]
    return dict[str, Any] if is_dataclass(hint) or is_typeddict(hint) else hint


def with_waiting(doc: str, needs: Need | None) -> str:
    """The docstring with a sentence about waiting before its first section."""
    if needs is None:
        return doc
    head, section, rest = doc.partition("\n\nArgs:")
    return f"{head} Waits up to {WAIT_SECONDS} s for a {needs} that is being loaded.{section}{rest}"
