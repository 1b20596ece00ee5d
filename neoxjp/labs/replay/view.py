"""A saved generation as HTML: what it holds, what a second run says about it, and the code that runs it. Everything escaped.

The buttons in here act in the browser alone (`labs/replay/script.js`): what they save or copy stands in their data attributes.
"""

from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from neoxjp.labs.common.html import Words, attributes, notice, table, visible
from neoxjp.labs.replay.as_code import Code
from neoxjp.labs.replay.records import BUNDLED, Replay, State
from neoxjp.sampling import OPTIONS, Option, SamplingParams

Named = Callable[[int], str]
"""The text of an id, or its name where it is no text."""


def saved(state: State, json: str, link: str, file: str, say: Words) -> str:
    """What would be saved, with the buttons that save it and copy its link. link: "" where it would be too long."""
    buttons = (
        f'<button type="button" class="r-button"{attributes(id="r-save", data_json=json, data_file=file)}>'
        f"{escape(say('replay_save'))}</button>"
    )
    facts = attributes(
        id="r-link", data_link=link or None, data_said=say("replay_link_copied"), data_shown=say("replay_link_shown")
    )
    off = "" if link else " disabled"
    buttons += f'<button type="button" class="r-button"{facts}{off}>{escape(say("replay_link"))}</button>'
    note = "" if link else f'<p class="r-note">{escape(say("replay_link_long"))}</p>'
    said = '<p class="r-said" id="r-said" role="status"></p>'
    return f'<p class="r-buttons">{buttons}</p>{said}{note}{holds(state, say)}'


def holds(state: State, say: Words) -> str:
    """What a state holds, folded."""
    setup = state.setup
    dtype = f"{setup.dtype} · {setup.quantization}" if setup.quantization else setup.dtype
    name = say("bundled") if state.name == BUNDLED else state.name
    versions = f"neoxjp {setup.neoxjp}, torch {setup.torch}, numpy {setup.numpy}, Python {setup.python}"
    rows = [
        (say("replay_model"), f"{name}{f' @ {state.revision}' if state.revision else ''}"),
        (say("replay_mark"), setup.model),
        (say("replay_vocabulary"), setup.vocabulary),
        (say("replay_prompt"), say("n_tokens", n=f"{len(state.prompt_ids):,}")),
        (say("replay_written"), say("n_tokens", n=f"{len(state.ids):,}")),
        (say("replay_settings"), settings(state.params)),
        (say("replay_seed"), "–" if state.params.greedy else str(state.params.seed)),
        (say("replay_dtype"), dtype),
        (say("replay_kernel"), f"{setup.linears} · {setup.attention}"),
        (say("replay_machine"), f"{setup.device} · {setup.cpu} · {say('replay_threads', n=setup.threads)}"),
        (say("replay_version"), versions),
    ]
    return f'<details class="r-holds"><summary>{escape(say("replay_holds"))}</summary>{table((), rows)}</details>'


def settings(params: SamplingParams, options: Iterable[Option] = OPTIONS) -> str:
    """Those that are on, by the names of SamplingParams: "temperature=0.8, top_p=0.95, max_new_tokens=100"."""
    all: dict[str, Any] = {}
    for option in options:
        value = getattr(params, option.name)
        on = value != (option.off if option.stage else option.neutral) or option.name == "temperature"
        if on and option.name not in ("seed", "max_new_tokens") and not (params.greedy and option.unused_when_greedy):
            all[option.name] = value
    all["max_new_tokens"] = params.max_new_tokens
    return ("greedy, " if params.greedy else "") + ", ".join(f"{name}={value!r:.80}" for name, value in all.items())


def verdict(state: State, found: Replay, stopped: bool, shown_above: bool, named: Named, say: Words) -> str:
    """The same ids, or from which token on they differ and what is known to be different."""
    count = f"{len(state.ids):,}"
    same = found.same or (stopped and found.place == len(found.ids))
    if same:
        key = "replay_same_so_far" if stopped and not found.same else "replay_same"
        head = say(key, n=f"{len(found.ids):,}", all=count)
    else:
        head = say("replay_other", n=f"{(found.place or 0) + 1:,}", all=count)
    sign = "=" if same else "≠"
    html = f'<p class="r-verdict {"same" if same else "other"}" role="status"><i aria-hidden="true">{sign}</i> {escape(head)}</p>'
    if not same and found.place is not None:
        pair = ((say("replay_then"), state.ids), (say("replay_now"), found.ids))
        shown = "".join(
            f'<span>{escape(term)} <b lang="ja">{_token(ids[found.place], named) if found.place < len(ids) else "–"}</b></span>'
            for term, ids in pair
        )
        html += f'<p class="r-pair">{shown}</p>'
    if found.differences:
        heads = (say("replay_what"), say("replay_then"), say("replay_now"))
        rows = [(_what(one.what, one.field, say), one.then, one.now) for one in found.differences]
        key = "replay_though" if same else "replay_reasons"
        html += f'<p class="r-note">{escape(say(key))}</p><div class="r-scroll" tabindex="0">{table(heads, rows)}</div>'
    elif not same:
        html += notice(say("replay_no_reason"))
    if shown_above:
        return html + f'<p class="r-note">{escape(say("replay_shown_above"))}</p>'
    text = f'<p class="r-text" lang="ja">{visible(found.text)}</p>' if found.text else ""
    return f'{html}<p class="r-note">{escape(say("replay_shown_here"))}</p>{text}'


def _token(id: int, named: Named) -> str:
    return f"{visible(named(id))} <code>{id}</code>"


def _what(what: str, field: str, say: Words) -> str:
    name = say(f"replay_{what}")
    return name if field == what else f"{name} ({field})"


def code(found: Code, say: Words) -> str:
    """The code with a button that copies it, and why it may write another text."""
    notes = "".join(f"<li>{escape(say(f'replay_caveat_{caveat}'))}</li>" for caveat in found.caveats)
    facts = attributes(data_r_copy="", data_said=say("replay_code_copied"))
    button = f'<button type="button" class="r-button"{facts}>{escape(say("replay_code_copy"))}</button>'
    caveats = f'<ul class="r-caveats">{notes}</ul>' if notes else ""
    return (
        f'<div class="r-code"><p class="r-buttons">{button}<span role="status"></span></p>{caveats}'
        f'<pre tabindex="0"><code>{escape(found.code)}</code></pre></div>'
    )
