"""The component `TokenEditor`, a class on `gr.HTML`: template, style and script lie beside this file."""

import json
import time
from abc import ABCMeta
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Literal
from urllib.parse import quote

import gradio as gr

from neoxjp.labs.common.steps import LEVELS

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "label": "Text, {n} tokens. Alt+↓ shows the token at the caret.", "popover": "Token", "id": "id",
        "probability": "probability", "surprisal": "surprisal", "rank": "rank", "entropy": "entropy", "bits": " bits",
        "model": "model", "filtered": "after the filters", "removed": "removed", "drawn": " (in the text)", "asking": "…",
        "again": "generate again after “{text}”", "from_here": "continue with “{text}” from here",
        "bytes": "{n} byte tokens make this character",
    },
    "ja": {
        "label": "文章、{n} トークン。Alt+↓ でカーソル位置のトークンを表示します。", "popover": "トークン", "id": "id",
        "probability": "確率", "surprisal": "情報量", "rank": "順位", "entropy": "エントロピー", "bits": " ビット",
        "model": "モデル", "filtered": "フィルター後", "removed": "除外", "drawn": "（本文のトークン）", "asking": "…",
        "again": "「{text}」の後を生成し直す", "from_here": "ここから「{text}」で続ける",
        "bytes": "この文字は {n} 個のバイトトークンからなります",
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
        changed: the text is another one, and nothing is being written.
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
            "js_on_load": _text("editor.js").replace("@fixed", quote(json.dumps(fixed))),
            "apply_default_css": False,
        }
        props = {"patch": "", "details": "", "given": "", "prompt": 0, "ids": ids}
        super().__init__("", **given | props | more)

    def get_block_name(self) -> str:
        return "html"

    @staticmethod
    def show(patch: str, prompt: int = 0) -> gr.HTML:
        """The update with a patch of `Document`. prompt: how many ids at the front are the prompt."""
        return gr.HTML(patch=patch, prompt=prompt)

    @staticmethod
    def give(text: str) -> gr.HTML:
        """The update that puts another text into the field, as if the visitor had typed it."""
        return gr.HTML(given=json.dumps([text, time.time_ns()]))  # with the time, the same text can be given again

    @staticmethod
    def tell(at: int, revision: int, **found: Any) -> gr.HTML:
        """The update with the details of the token at `at`, the answer to `pick`.

        Args:
            revision: of the event.
            found: `name` (str), `probability`, `entropy` (bits), `rank`, `note` (a sentence), `alternatives` (lists of text, id,
                probability, probability after the filters or None, whether the filters kept it), `can` (whether one can continue
                with one of them); `facts` (lists of term and value, in place of those of the model), `notes` (lists of mark and
                sentence), `texts` (a heading, texts, what follows them), `buttons` (lists of name and label, for the event `go`).
                What is not known is left out.
        """
        return gr.HTML(details=json.dumps({"at": at, "revision": revision, **found}, ensure_ascii=False))


def _text(name: str) -> str:
    return (files("neoxjp.page_parts.token_editor") / name).read_text(encoding="utf-8")
