"""What a round trip loses, as HTML: the text over what comes back, the losses by reason, what a normalisation would change."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from html import escape

from neoxjp.labs.common.html import bar, notice, visible
from neoxjp.labs.round_trip.records import Difference, Effect, Roundtrip, grouped

Words = Callable[..., str]
WHOLE = 400  # characters up to which all of a text is shown; of a longer one only what is around differences
AROUND = 12  # characters shown on either side of a difference
DRAWN = 200  # differences drawn
KINDS = 8  # kinds of differences listed for each reason
LONG = 40  # characters of one difference that are shown
Span = tuple[int, int]


def summary(found: Roundtrip, say: Words) -> str:
    """How many characters come back changed, as a number and as a bar."""
    key = "r_all_back" if not found.changed else "r_changed"
    sign = "=" if not found.changed else "≠"
    told = say(key, n=f"{found.changed:,}", m=f"{found.characters:,}")
    share = 100 * found.changed / found.characters if found.characters else 0.0
    drawn = bar(found.changed, max(found.characters, 1), f"{share:.1f} %", spoken=told)
    return f'<p class="r-sum" role="status"><i aria-hidden="true">{sign}</i> {escape(told)}</p>{drawn}'


def aligned(found: Roundtrip, say: Words) -> str:
    """The text, and under each difference what comes back; unchanged stretches of a long text are folded away."""
    text, drawn = found.text, found.differences[:DRAWN]
    if not text:
        return ""
    parts: list[str] = []
    done = 0
    for start, end in _stretches(len(text), drawn):
        if start > done:
            parts.append(_fold(start - done, say))
        parts += _stretch(text, start, end, drawn)
        done = end
    if done < len(text):
        parts.append(_fold(len(text) - done, say))
    rest = len(found.differences) - len(drawn)
    more = notice(say("r_not_drawn", drawn=f"{len(drawn):,}", rest=f"{rest:,}")) if rest else ""
    keys = (
        f'<span class="r-key">{escape(say("r_key_was"))}</span><span class="r-key under">≠ {escape(say("r_key_became"))}</span>'
    )
    return f'<p class="legend">{keys}</p><div class="r-text" lang="ja">{"".join(parts)}</div>{more}'


def _stretches(length: int, differences: Sequence[Difference]) -> list[Span]:
    """What of the text is shown."""
    if length <= WHOLE:
        return [(0, length)]
    shown: list[Span] = []
    for difference in differences:
        start, end = max(0, difference.start - AROUND), min(length, difference.end + AROUND)
        if shown and start <= shown[-1][1] + AROUND:  # to fold less would hide more than it saves
            shown[-1] = (shown[-1][0], end)
        else:
            shown.append((start, end))
    return shown or [(0, WHOLE)]


def _stretch(text: str, start: int, end: int, differences: Sequence[Difference]) -> Iterable[str]:
    done = start
    for difference in differences[bisect_left(differences, start, key=lambda each: each.start) :]:
        if difference.start >= end:
            break
        yield f"<span>{_lines(text[done : difference.start])}</span>"
        yield _pair(difference)
        done = difference.end
    yield f"<span>{_lines(text[done:end])}</span>"


def _pair(difference: Difference) -> str:
    """A difference: the user's characters over what comes back. "≠" marks a loss, "≈" what comes back by other ids."""
    sign = "≠" if difference.was != difference.became else "≈"
    became = _short(difference.became) or '<i class="blank">∅</i>'
    broken = "<br>" if "\n" in difference.was or "\r" in difference.was else ""
    return (
        f'<span class="r-pair {difference.reason}"><span class="was">{_short(difference.was)}</span>'
        f'<span class="became"><i aria-hidden="true">{sign}</i>{became}</span></span>{broken}'
    )


def _lines(text: str) -> str:
    return visible(text).replace("⏎</i>", "⏎</i><br>")


def _short(text: str) -> str:
    return visible(text[:LONG]) + ("…" if len(text) > LONG else "")


def _fold(characters: int, say: Words) -> str:
    return f'<span class="r-fold">… {escape(say("r_folded", n=f"{characters:,}"))} …</span>'


def reasons(found: Roundtrip, say: Words) -> str:
    """The losses by reason: a sentence, a bar, and the kinds of differences with how often each occurs."""
    if not found.totals:
        return ""
    most = max(total.changed for total in found.totals.values())
    rows = ""
    for reason, total in found.totals.items():
        kinds = grouped(each for each in found.differences if each.reason == reason)
        count = say("r_characters", n=f"{total.changed:,}")
        drawn = bar(total.changed, max(most, 1), f"{total.changed:,}", spoken=count)
        rows += (
            f'<tr><th scope="row">{escape(say(f"r_reason_{reason}"))}<small>{escape(say(f"r_because_{reason}"))}</small></th>'
            f"<td>{drawn}</td><td>{_kinds(kinds, say)}</td></tr>"
        )
    heads = "".join(f'<th scope="col">{escape(say(key))}</th>' for key in ("r_col_reason", "r_col_characters", "r_col_kinds"))
    return f'<table class="r-reasons"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'


def _kinds(kinds: Sequence[tuple[str, str, int]], say: Words) -> str:
    items = ""
    for was, became, times in kinds[:KINDS]:
        often = f" <small>×{times:,}</small>" if times > 1 else ""
        items += f'<li lang="ja"><b>{_short(was)}</b> → <b>{_short(became) or "∅"}</b>{often}</li>'
    rest = len(kinds) - KINDS
    more = f"<li><small>{escape(say('n_more', n=f'{rest:,}'))}</small></li>" if rest > 0 else ""
    return f'<ul class="r-kinds">{items}{more}</ul>'


def effect(found: Effect, say: Words) -> str:
    """What a normalisation would change before it is applied: characters, tokens, losses."""
    if found.normalization == "none":
        return f'<p class="r-hint">{escape(say("r_effect_hint"))}</p>'
    if not found.replacements:
        return f'<p class="r-sum"><i aria-hidden="true">=</i> {escape(say("r_effect_nothing"))}</p>'
    told = say("r_effect", n=f"{found.characters:,}", places=f"{len(found.replacements):,}")
    rows = ""
    for key, before, after in (
        ("tokens", found.tokens_before, found.tokens_after),
        ("r_lost", found.changed_before, found.changed_after),
    ):
        most = max(before, after, 1)
        step = f"{after - before:+,}".replace("-", "−") if after != before else "±0"
        rows += (
            f'<tr><th scope="row">{escape(say(key))}</th>'
            f"<td>{bar(before, most, f'{before:,}')}{bar(after, most, f'{after:,} ({step})', series=1)}</td></tr>"
        )
    keys = "".join(
        f'<span class="series s{i}"><i></i>{escape(say(key))}</span>' for i, key in enumerate(("r_as_written", "r_normalised"))
    )
    head = f'<p class="r-sum"><i aria-hidden="true">≠</i> {escape(told)}</p>{_kinds(grouped(found.replacements), say)}'
    note = f'<p class="r-hint">{escape(say("r_effect_note"))}</p>'
    return f'{head}<table class="r-effect"><tbody>{rows}</tbody></table><p class="legend">{keys}</p>{note}'
