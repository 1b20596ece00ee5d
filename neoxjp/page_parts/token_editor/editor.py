"""The component `TokenEditor`, a class on `gr.HTML`: template, style and script lie beside this file."""

import json
import time
from abc import ABCMeta
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import quote

import gradio as gr

from neoxjp.labs.common.steps import LEVELS
from neoxjp.page_parts.events import QUIET, STREAMED
from neoxjp.page_parts.gradio_private import payload

SCRIPT = tuple(
    f"script/{name}.js" for name in ("state", "requests", "painting", "patches", "edits", "selection", "popover", "api", "start")
)  # one script, in this order

Call = Callable[[Any, Mapping[str, Any], gr.Request], Iterator[dict[str, Any]]]

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "label": "Text, {n} tokens. Alt+↓ shows the token at the caret.", "popover": "Token", "id": "id",
        "probability": "probability", "surprisal": "surprisal", "rank": "rank", "entropy": "entropy", "bits": " bits",
        "model": "model", "filtered": "after the filters", "removed": "removed", "drawn": " (in the text)", "asking": "…",
        "again": "generate again after “{text}”", "from_here": "continue with “{text}” from here",
        "bytes": "{n} byte tokens make this character",
        "failed": "The server does not answer. Your text is still here.",
    },
    "ja": {
        "label": "文章、{n} トークン。Alt+↓ でカーソル位置のトークンを表示します。", "popover": "トークン", "id": "ID",
        "probability": "確率", "surprisal": "情報量", "rank": "順位", "entropy": "エントロピー", "bits": " ビット",
        "model": "モデル", "filtered": "フィルター後", "removed": "除外", "drawn": "（文章にあるトークン）", "asking": "…",
        "again": "「{text}」の後を生成し直す", "from_here": "ここから「{text}」で続ける",
        "bytes": "この文字は {n} 個のバイトトークンからなります",
        "failed": "サーバーから応答がありません。文章は失われていません。",
    },
}  # fmt: skip
"""What the component says. The page's language (`<html lang>`) decides."""


class _WithoutStub(type(gr.HTML)):  # type: ignore[misc]
    """Gradio (6.31) writes a .pyi file beside each new class of components when it is imported: not into an installed package."""

    def __new__(mcs, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        return ABCMeta.__new__(mcs, name, bases, attributes)


class TokenEditor(gr.HTML, metaclass=_WithoutStub):
    """A text field that shows its tokens, with a popover at each of them.

    Events, each with `gr.EventData`:
        edit: the text was changed: `Edit.read(event._data)`. Answer with a patch.
        sync: the page has missed a patch. Answer with `Document.whole()`.
        pick: a popover opens at the token whose first id has the place `at`. Answer with details, or with `ask=True` where they
            need the model: then `ask` comes, which may wait in a queue.
        stop: the visitor wants the text that is being written to end: the first `ids` of it are visible.
        changed: the text is another one, and nothing is being written.
        write: the page wants something written; the data is its own: `api.write(data)` in the browser.
        select: the token at `at` was selected.
        apply: the visitor wants to continue at `at` with the token `id`.
        go: the button `name` in the popover of the token at `at` was pressed.

    >>> editor = TokenEditor("吾輩は猫である。")
    >>> editor.edit(on_edit, [document], editor, queue=False)  # returns editor.show(document.patch(pieces, answers=edit))

    Args:
        start: the text at the start.
        words, levels: what it says in "ja" and "en", and the borders of the colours.
        look: "probability" colours each piece by its probability, "pieces" draws neighbours in two tones.
        ids: whether the ids are written under the pieces; `gr.HTML(ids=True)` changes it.
        placeholder: what an empty field shows, in "ja" and "en".
        more: goes to `gr.HTML`.
    """

    def __init__(
        self,
        start: str = "",
        *,
        words: Mapping[str, Mapping[str, str]] = WORDS,
        levels: Sequence[float] = LEVELS,
        look: Literal["probability", "pieces"] = "probability",
        ids: bool = False,
        placeholder: Mapping[str, str] | None = None,
        **more: Any,
    ):
        fixed = {"start": start, "words": words, "levels": list(levels), "look": look}
        fixed["placeholder"] = placeholder or {"ja": "", "en": ""}
        given: dict[str, Any] = {
            "html_template": _text("editor.html").replace("@label", "").replace("@popover", words["en"]["popover"]),
            "css_template": _text("editor.css"),
            "js_on_load": "\n".join(map(_text, SCRIPT)).replace("@fixed", quote(json.dumps(fixed))),
            "apply_default_css": False,
        }
        props = {"patch": "", "details": "", "given": "", "prompt": 0, "ids": ids, "session": "", "editor": 0}
        super().__init__("", **given | props | more)

        self.state: gr.State | None = None
        self.calls: Mapping[str, Call] = {}

    def get_block_name(self) -> str:
        return "html"

    def answer(self, state: gr.State, calls: Mapping[str, Call], *, streams: Collection[str] = (), route: bool = True) -> None:
        """Answer the events with these functions, through the route (route.py) or, before the page knows it, through Gradio.

        Args:
            state: what the functions get first; then the data of the event, and the request. They yield updates: see `patched`.
            streams: the events that are answered with many updates.
            route: whether the page may use the route.
        """
        self.state, self.calls = state, calls

        def listener(call: Call, stream: bool) -> Callable[..., Any]:
            def updates(held: Any, request: gr.Request, event: gr.EventData) -> Iterator[gr.HTML]:
                known: dict[str, Any] = {"session": request.session_hash, "editor": self._id} if route else {}
                for update in call(held, payload(event), request):
                    yield gr.HTML(**known, **update)

            def last(held: Any, request: gr.Request, event: gr.EventData) -> Any:
                found = list(updates(held, request, event))
                return found[-1] if found else gr.skip()

            return updates if stream else last

        for name, call in calls.items():
            options = STREAMED if name in streams else QUIET | {"trigger_mode": "multiple"}
            getattr(self, name)(listener(call, name in streams), state, self, **options)

    @staticmethod
    def patched(patch: str, prompt: int = 0) -> dict[str, Any]:
        """The update with a patch of `Document`. prompt: how many ids at the front are the prompt."""
        return {"patch": patch, "prompt": prompt}

    @staticmethod
    def show(patch: str, prompt: int = 0) -> gr.HTML:
        """`patched` for a handler of a Gradio event."""
        return gr.HTML(**TokenEditor.patched(patch, prompt))

    @staticmethod
    def give(text: str) -> gr.HTML:
        """The update that puts another text into the field, as if the visitor had typed it."""
        return gr.HTML(given=json.dumps([text, time.time_ns()]))  # with the time, the same text can be given again

    @staticmethod
    def tell(at: int, revision: int, **found: Any) -> gr.HTML:
        """`details` for a handler of a Gradio event."""
        return gr.HTML(**TokenEditor.details(at, revision, **found))

    @staticmethod
    def details(at: int, revision: int, **found: Any) -> dict[str, Any]:
        """The update with the details of the token at `at`, the answer to `pick`.

        Args:
            revision: of the event.
            found: `name` (str), `probability`, `entropy` (bits), `rank`, `note` (a sentence), `alternatives` (lists of text, id,
                probability, probability after the filters or None, whether it passed the filters), `can` (whether one can
                continue with one of them); `facts` (lists of term and value, in place of those of the model), `notes` (lists of
                mark and sentence), `texts` (a heading, texts, what follows them), `buttons` (lists of name and label, for the
                event `go`). What is not known is left out.
        """
        return {"details": json.dumps({"at": at, "revision": revision, **found}, ensure_ascii=False)}


def _text(name: str) -> str:
    return (files("neoxjp.page_parts.token_editor") / name).read_text(encoding="utf-8")
