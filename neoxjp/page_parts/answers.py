"""Answers to a visitor or an API caller: expected errors as a sentence in their language, values as JSON can hold them."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Protocol

import gradio as gr

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.page_parts.events import QUIET, latest
from neoxjp.page_parts.gradio_private import current_visitor
from neoxjp.page_parts.results import Result
from neoxjp.page_parts.session.playground import Playground
from neoxjp.page_parts.strings import COMMON, Strings, Words, language

Handler = Callable[..., Any]


def message_of(error: NeoxjpError, request: gr.Request | None) -> str:
    """The error's sentence in the visitor's language."""
    return COMMON.words(language(request)).message(error)


def error_notice(error: NeoxjpError, t: Words) -> str:
    """The error's sentence as HTML."""
    return render.notice(t.message(error), "error")


def handler(
    strings: Strings, errors: Any = None, empty: Sequence[Any] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator for event handlers: `f(t, *inputs)` as Gradio calls it, with the visitor's words and errors on the page.

    An expected error becomes a notice in the component `errors`, and the components `empty` show nothing then; buttons among them
    are disabled. Without `errors` nothing changes: another handler shows the error already.

    >>> @handler(strings, errors=section.line, empty=[section.view])
    ... def show(t: Words, text: str) -> dict[Any, Any]:
    ...     return {section.line: "", section.view: view_of(text, t)}
    """

    def decorate(function: Handler) -> Handler:
        def failed(error: NeoxjpError, t: Words) -> Any:
            if errors is None:
                return gr.skip()
            return {part: _empty(part) for part in empty} | {errors: error_notice(error, t)}

        if inspect.isgeneratorfunction(function):

            def streamed(request: gr.Request, *given: Any) -> Iterator[Any]:
                t = strings.words(language(request))
                try:
                    yield from function(t, *given)
                except NeoxjpError as error:
                    yield failed(error, t)

            return streamed

        def called(request: gr.Request, *given: Any) -> Any:
            t = strings.words(language(request))
            try:
                return function(t, *given)
            except NeoxjpError as error:
                return failed(error, t)

        return called

    return decorate


def _empty(part: Any) -> Any:
    """The value of a component that has nothing to show."""
    if isinstance(part, gr.Button):
        return gr.Button(interactive=False)
    return None if isinstance(part, gr.State) else ""


@dataclass
class Run:
    """What one visitor runs: whether it is running, and whether it is to stop at its next update."""

    running: bool = False
    stopped: bool = False
    result: Result = field(default_factory=Result)  # of the last one

    def stop(self) -> None:
        """Stop it; what was made so far is kept."""
        self.stopped = True

    def translated(self, t: Words, model: int | None = None) -> tuple[str, ...] | None:
        """As `Result.translated`; None while it is running."""
        return None if self.running else self.result.translated(t, model)


class Translated(Protocol):
    """What a section shows: a `Result`, a `Run`, or several results."""

    def translated(self, t: Words, model: int | None = None) -> tuple[Any, ...] | None: ...


def follow_language(
    due: gr.HTML,
    shown: gr.State,
    parts: Sequence[gr.HTML],
    strings: Strings,
    *runs: Any,
    playground: Playground | None = None,
) -> None:
    """Draw a result again when the section is updated in another language or (with `playground`) with another model loaded.

    Args:
        shown: has a `Translated`.
        parts: what it fills.
        runs: events that make a result; the language may have been switched while they ran.
    """

    @handler(strings)
    def redraw(t: Words, found: Translated) -> dict[Any, Any]:
        html = found.translated(t, playground.serial if playground else None)
        return gr.skip() if html is None else dict(zip(parts, html, strict=True))

    latest([due.change], redraw, shown, list(parts))
    for run in runs:
        run.then(redraw, shown, list(parts), **QUIET)


def streamed(
    run: Any,
    part: Any,
    request: gr.Request,
    updates: Iterator[dict[Any, Any]],
    off: tuple[gr.Button, ...] = (),
    end: Callable[[], dict[Any, Any]] = dict,
) -> Iterator[dict[Any, Any]]:
    """The updates of a run, with its buttons in each of them. An expected error becomes a notice in the line.

    Args:
        run: has `running`: one visitor has one run at a time.
        part: has the button `go`, which is disabled while it runs, the button `stop`, and `line`.
        off: other buttons that are disabled while it runs.
        end: what is updated at the end.
    """
    if run.running:
        yield {part.go: gr.skip()}
        return
    running = switched(on=[part.stop], off=[part.go, *off])
    yield running
    try:
        for update in updates:
            yield running | update
    except NeoxjpError as error:
        yield running | {part.line: render.notice(message_of(error, request), "error")}
    finally:
        run.running = False
    yield switched(on=[part.go], off=[part.stop]) | end()


def switched(*, on: Any = (), off: Any = ()) -> dict[Any, Any]:
    """Updates that enable and disable buttons."""
    return {button: gr.Button(interactive=True) for button in on} | {button: gr.Button(interactive=False) for button in off}


def plain(value: Any) -> Any:
    """The value as JSON on the wire can hold it: records as objects, U+FFFD for lone surrogates."""
    if isinstance(value, str):
        return render.replace_surrogates(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def check_length(playground: Playground, text: str, limit: int | None = None) -> None:
    """Raises ParameterError: the text is longer than the limit of the page (or `limit`), or not a string.

    The text counts as used by the visitor. Raises QueueFull: it is more than the visitor may send in a minute.
    """
    if not isinstance(text, str):
        raise ParameterError(f"text={text!r:.60}: expected a string")
    limit = playground.limits.characters if limit is None else limit
    if len(text) > limit:
        raise COMMON.error(ParameterError, "tokenize_too_long", n=f"{len(text):,}", limit=f"{limit:,}")
    playground.visitors.charge(current_visitor(), "characters", len(text))


def truncation_notice(text: str, limit: int, t: Words) -> str:
    """HTML that says that only the beginning of a text is checked; "" for a text within the limit."""
    return render.notice(t("tokenize_truncated", n=f"{limit:,}")) if len(text) > limit else ""


def whole_numbers(**given: Any) -> None:
    """Raises ParameterError for the first that is not a whole number. It does not check ranges."""
    for name, value in given.items():
        if type(value) is not int:
            raise ParameterError(f"{name}={value!r:.40} must be a whole number")
