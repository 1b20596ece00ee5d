"""Section of the tokenizer lab: what a text loses on its way to ids and back, and what normalising it first would change."""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.labs.common import html as render
from neoxjp.labs.round_trip import records as lab
from neoxjp.labs.round_trip import view as render_roundtrip
from neoxjp.labs.round_trip.strings import both, label, words
from neoxjp.page_parts.answers import check_length, expected, message_of
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Words, language
from neoxjp.tokenizer.tokenizer import GPTNeoXJapaneseTokenizer

LONGEST = 100_000  # characters of a text that the section looks at
SENT = 20_000  # characters of a text of which /roundtrip tells all differences at once


@dataclass(frozen=True)
class Roundtrip:
    """The components of the section."""

    compat: gr.Checkbox
    summary: gr.HTML
    aligned: gr.HTML
    reasons: gr.HTML
    normalization: gr.Radio
    effect: gr.HTML
    use: gr.Button

    @property
    def linked(self) -> dict[str, Any]:
        """What a link restores."""
        return {"norm": self.normalization, "compat": self.compat}


def build(playground: Playground) -> Roundtrip:
    """Draw the section."""
    gr.HTML(f"<h2>{both('r_title')}</h2><p>{both('r_intro')}</p>", elem_classes="section", apply_default_css=False)
    with gr.Row(elem_classes="two-columns"):
        with gr.Column(scale=7, min_width=320, elem_classes="card"):
            summary = gr.HTML(elem_id="r-summary", apply_default_css=False)
            aligned = gr.HTML(elem_id="r-aligned", apply_default_css=False)
            compat = gr.Checkbox(False, label=label("r_compat"), info=label("r_compat_info"), elem_id="r-compat")
        with gr.Column(scale=4, min_width=300, elem_classes="card"):
            offered = [(label(f"r_{name}"), name) for name in lab.NORMALIZATIONS]
            normalization = gr.Radio(offered, value="none", label=label("r_normalization"), elem_id="r-normalization")
            effect = gr.HTML(elem_id="r-effect", apply_default_css=False)
            use = gr.Button(label("r_use"), size="sm", elem_id="r-use", elem_classes="plain", interactive=False)
    with gr.Column(elem_classes="card"):
        reasons = gr.HTML(elem_id="r-reasons", apply_default_css=False)
    return Roundtrip(compat, summary, aligned, reasons, normalization, effect, use)


def connect(section: Roundtrip, playground: Playground, text: gr.Textbox, due: gr.Number) -> None:
    """Wire the events. `text` is the text above; `due` changes whenever the section must draw anew."""
    silent: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    asked = [text, section.compat, section.normalization]

    def draw(request: gr.Request, text: str, compat: bool, normalization: lab.Normalization) -> tuple[Any, ...]:
        try:
            return shown_of(playground, text, compat, normalization, words(language(request)))
        except NeoxjpError as error:
            return render.notice(message_of(error, request), "error"), "", "", "", gr.Button(interactive=False)

    changes = [due.change, section.compat.change, section.normalization.change]
    shown = [section.summary, section.aligned, section.reasons, section.effect, section.use]
    gr.on(changes, draw, asked, shown, trigger_mode="always_last", concurrency_limit=None, **silent)

    def use(text: str, compat: bool, normalization: lab.Normalization) -> tuple[Any, Any]:
        try:
            return used(playground, text, compat, normalization), "none"
        except NeoxjpError:
            return gr.skip(), gr.skip()  # the section says why already

    section.use.click(use, asked, [text, section.normalization], **silent)


def endpoints(playground: Playground) -> None:
    """The section's action as API: /roundtrip."""

    def roundtrip(text: str, compat: bool = False, normalize: str = "none") -> dict[str, Any]:
        """Encode a text, decode it again, and tell every difference with its reason.

        Args:
            text: The text.
            compat: True: as the transformers library does it, with the losses that only it has.
            normalize: What is done to the text first: "none", "nfc", "nfkc", or "clean" (do_clean_text: URLs, dates, prices
                become tags).

        Returns:
            "effect": what normalising did: text, replacements (start, end, was, became), characters, tokens_before, tokens_after,
            changed_before, changed_after. "roundtrip" of the normalised text: text, decoded, tokens, characters, changed,
            differences (start, end, was, became, reason, ids, changed) and totals by reason.
        """
        check_length(playground, text, min(SENT, playground.limits.characters))
        return asdict(lab.normalised(_tokenizer(playground, compat), text, normalize))  # type: ignore[arg-type]

    gr.api(expected(roundtrip), api_name="roundtrip", queue=False, concurrency_limit=None)


# ---------------------------------------------------------------- what the handlers show


def shown_of(
    playground: Playground, text: str, compat: bool, normalization: lab.Normalization, say: Words
) -> tuple[str, str, str, str, Any]:
    """The summary, the two texts, the reasons and the effect of a normalisation as HTML, and the button that uses it."""
    check_length(playground, text)
    if not text:
        return f'<p class="r-hint">{say("r_empty")}</p>', "", "", "", gr.Button(interactive=False)
    tokenizer = _tokenizer(playground, compat)
    found = _roundtrip(tokenizer, text[:LONGEST])
    effect = lab.effect(tokenizer, found, normalization)
    summary = render_roundtrip.summary(found, say)
    if len(text) > LONGEST:
        summary = render.notice(say("r_cut_off", n=f"{LONGEST:,}")) + summary
    views = render_roundtrip.aligned(found, say), render_roundtrip.reasons(found, say), render_roundtrip.effect(effect, say)
    return summary, *views, gr.Button(interactive=bool(effect.replacements))


def used(playground: Playground, text: str, compat: bool, normalization: lab.Normalization) -> str:
    """The whole text, normalised."""
    check_length(playground, text)
    tokenizer = _tokenizer(playground, compat)
    return render.whole(lab.effect(tokenizer, lab.roundtrip(tokenizer, text), normalization).text)


def _tokenizer(playground: Playground, compat: bool) -> GPTNeoXJapaneseTokenizer:
    return playground.compat() if compat else playground.tokenizer


@lru_cache(maxsize=4)
def _roundtrip(tokenizer: GPTNeoXJapaneseTokenizer, text: str) -> lab.Roundtrip:
    """Those of the texts that were looked at last: choosing a normalisation does not encode the text as it is again."""
    return lab.roundtrip(tokenizer, text)
