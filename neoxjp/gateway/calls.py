"""Calls that go wrong: each is answered with one sentence, in the caller's language, that repeats little of what was sent.

A caller's mistake leaves no traceback. An exception that nobody expected leaves one, without the exception's message (which may
repeat a visitor's text), and only the first time that it comes from the same line.
"""

import traceback
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi.exceptions import RequestValidationError
from gradio.route_utils import FnIndexInferError
from starlette.requests import Request
from starlette.responses import JSONResponse

from neoxjp.errors import NeoxjpError, ParameterError, language_of
from neoxjp.gateway.faults import expected
from neoxjp.labs.common.glyphs import replace_surrogates
from neoxjp.page_parts.answers import message_of
from neoxjp.page_parts.endpoints import EndpointBlocks

LONGEST = 500  # characters of a message


class _Mistake(ParameterError):
    """A value that a component cannot take."""


class PageBlocks(EndpointBlocks):
    """`gr.Blocks` whose calls end with an answer or with one sentence."""

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Gradio (6) calls this with the values of a call before it reads or keeps any of them."""
        if block_fn.fn is None:
            raise _Mistake("this function runs in the browser only", ja="この関数はブラウザーの中だけで動きます。")
        try:
            super().validate_inputs(block_fn, inputs)
        except (gr.Error, NeoxjpError):
            raise
        except ValueError as error:
            needed, got = len(block_fn.inputs), len(inputs)
            raise _Mistake(
                f"the call needs {needed} values, and has {got}", ja=f"値が {needed} 個必要ですが、{got} 個しかありません。"
            ) from error

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **more: Any) -> list[Any]:
        """What the function gets for the values of a call."""
        try:
            return await super().preprocess_data(block_fn, inputs, *rest, **more)
        except (gr.Error, NeoxjpError):
            raise
        except Exception as error:
            raise _Mistake(
                "a value of this call has the wrong type, or is out of its range", ja="値の型が違うか、範囲の外です。"
            ) from error

    async def postprocess_data(self, block_fn: Any, predictions: Any, *rest: Any, **more: Any) -> Any:
        """A handler of several outputs may return {}: none of them changes. Gradio (6.31) would take it for one value."""
        nothing = isinstance(predictions, dict) and not predictions and len(block_fn.outputs) > 1
        return await super().postprocess_data(block_fn, gr.skip() if nothing else predictions, *rest, **more)

    async def process_api(
        self, block_fn: Any, inputs: list[Any], state: Any = None, request: Any = None, *rest: Any, **more: Any
    ) -> dict[str, Any]:
        """One step of a call. Raises gr.Error for everything that goes wrong."""
        try:
            return await super().process_api(block_fn, inputs, state, request, *rest, **more)
        except gr.Error as error:
            raise _shown(str(error.message), error) from error
        except Exception as error:
            one = request[0] if isinstance(request, list) and request else request
            raise _shown(message_of(expected(error), one)) from error


def _shown(message: str, like: gr.Error | None = None) -> gr.Error:
    message = replace_surrogates(message if len(message) <= LONGEST else f"{message[:LONGEST]}…")  # else the answer is no JSON
    more = {"duration": like.duration, "visible": like.visible, "title": like.title} if like is not None else {}
    return gr.Error(message, print_exception=False, **more)


async def no_such_function(request: Request, error: Exception) -> JSONResponse:
    """The answer to a call of a function that the page does not have, or with a name that is none of its parameters.

    Gradio's routes raise for these. An exception of any other code stays one.
    """
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    if not {"gradio", "gradio_client"} & set(Path(last).parts):
        raise error
    japanese = language_of(request.headers.get("accept-language", "")) == "ja"
    message, ja = "there is no function with this name, number or parameter", "その名前・番号・引数の関数はありません。"
    return JSONResponse({"error": message, "ja": ja, "detail": ja if japanese else message}, 404)


async def invalid_request(request: Request, error: Exception) -> JSONResponse:
    """The answer to a body of the wrong shape: which field is wrong, without repeating what was sent."""
    assert isinstance(error, RequestValidationError)
    found = "; ".join(f"{'.'.join(map(str, one['loc']))[:80]}: {one['msg'][:80]}" for one in error.errors()[:3])
    return JSONResponse({"error": found, "detail": found}, 422)


HANDLERS: dict[type[Exception], Any] = {RequestValidationError: invalid_request}
HANDLERS |= dict.fromkeys((FnIndexInferError, KeyError, TypeError, ValueError), no_such_function)
"""For the application: exception → who answers it."""
