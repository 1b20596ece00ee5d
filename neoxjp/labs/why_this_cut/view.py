"""Why a text is cut where it is, as HTML: the strip of tokens, the window with its ladder of candidates, the sentence, what was
tried, and the entries nearest to a word. How a token is chosen stands in `labs/why_this_cut/script.js`."""

from collections.abc import Callable, Sequence
from html import escape

from neoxjp.labs.common.glyphs import glyphs
from neoxjp.labs.common.html import attributes, bar, notice, visible
from neoxjp.labs.why_this_cut.nearest import Word
from neoxjp.labs.why_this_cut.records import Cuts, Part, Place, Rung, WhatIf
from neoxjp.tokenizer import KIGOU_RANGES

Words = Callable[..., str]
PAGE = 200  # tokens on the strip at a time
AROUND = 14  # characters shown on either side of the window
PARTS_SHOWN = 24  # pieces drawn of what a try changes


def strip(cuts: Cuts, index: int, say: Words) -> str:
    """The tokens around one of them, to choose from. The same for all of a page: which one is chosen is marked in the browser."""
    first = index // PAGE * PAGE
    last = min(first + PAGE, len(cuts))
    boxes = "".join(_box(cuts, i) for i in range(first, last))
    facts = attributes(aria_label=say("w_strip", n=f"{len(cuts):,}"))
    pages = ""
    if len(cuts) > PAGE:
        to = [(first - 1, "w_page_before"), (last, "w_page_behind")]
        buttons = "".join(
            f'<button type="button"{attributes(data_go=cuts.spans[i][0])}>{escape(say(key))}</button>'
            for i, key in to
            if 0 <= i < len(cuts)
        )
        told = escape(say("w_page", first=f"{first + 1:,}", last=f"{last:,}", n=f"{len(cuts):,}"))
        pages = f'<p class="w-pages">{told} {buttons}</p>'
    return f'<div class="pieces w-strip" role="listbox" lang="ja"{facts}>{boxes}</div>{pages}'


def _box(cuts: Cuts, index: int) -> str:
    part = cuts.part(index)
    count = f"<sup>{len(part.ids)}</sup>" if len(part.ids) > 1 else ""
    broken = "<br>" if "\n" in part.surface or "\r" in part.surface else ""
    facts = attributes(data_at=cuts.spans[index][0])
    return f'<span class="p" role="option" tabindex="-1"{facts}>{visible(part.surface)}{count}</span>{broken}'


def place(cuts: Cuts, found: Place, say: Words) -> str:
    """One cut: where the window stands, the ladder of candidates, and the sentence."""
    number = say("w_number", i=f"{found.index + 1:,}", n=f"{len(cuts):,}")
    ids = " ".join(map(str, found.ids))
    facts = f"<span>id <code>{ids}</code></span><span>{escape(number)}</span>"
    head = f'<p class="w-head"><b lang="ja">{visible(found.surface)}</b>{facts}</p>'
    said = _said("∴", escape(sentence(found, cuts, say)))
    at = attributes(data_at=found.start)
    return f'<section class="why"{at}>{head}{_line(cuts, found)}{_ladder(cuts, found, say)}{said}</section>'


def _said(sign: str, html: str) -> str:
    return f'<p class="w-said"><i aria-hidden="true">{sign}</i> {html}</p>'


def _line(cuts: Cuts, found: Place) -> str:
    """The text around, the window over it, and in the window what was taken."""
    text = cuts.text
    end = max([found.end, *(rung.end for rung in found.rungs)])
    before, behind = text[max(0, found.start - AROUND) : found.start], text[end : end + AROUND]
    dots = ("…" if found.start > AROUND else "", "…" if end + AROUND < len(text) else "")
    taken = f'<b class="won">{visible(text[found.start : found.end])}</b>'
    window = f'<span class="w-window">{taken}{visible(text[found.end : end])}</span>'
    return f'<p class="w-line" lang="ja">{dots[0]}{visible(before)}{window}{visible(behind)}{dots[1]}</p>'


def _ladder(cuts: Cuts, found: Place, say: Words) -> str:
    size = len(cuts.tokenizer.vocabulary)
    heads = "".join(f'<th scope="col">{escape(say(key))}</th>' for key in ("w_col_candidate", "w_col_id", "w_col_verdict"))
    rows = "".join(_rung(cuts, found, rung, size, say) for rung in found.rungs)
    if found.winner is None:
        names = " ".join(cuts.tokenizer.vocabulary.spellings[id][0] for id in found.ids)
        verdict = f'<td class="verdict">✓ {escape(say("w_fallback"))}</td>'
        rows += (
            f'<tr class="won"><th scope="row"><code>{escape(names)}</code></th><td>{_id(found.ids[0], size)}</td>{verdict}</tr>'
        )
    scale = f'<p class="w-scale">{escape(say("w_scale", last=f"{size - 1:,}"))}</p>'
    return f'<table class="w-ladder"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{scale}'


def _rung(cuts: Cuts, found: Place, rung: Rung, size: int, say: Words) -> str:
    surface = cuts.text[rung.start : rung.end]
    letters = "".join(f"<span>{visible(letter)}</span>" for letter in (rung.piece if len(rung.piece) <= 3 else [rung.piece]))
    tag = f'<small lang="ja">{visible(surface)}</small>' if surface != rung.piece else ""
    if rung.id is None:
        verdict = f"– {say('w_absent')}"
    elif rung.won:
        verdict = f"✓ {say('w_won')}"
    elif rung.behind is None:
        verdict = f"× {say('w_tag_first')}"
    elif rung.behind == 0:
        verdict = f"× {say('w_same_id')}"
    else:
        verdict = f"× {say('w_behind', n=f'{rung.behind:,}')}"
    if rung.partial:
        verdict += f" {say('w_partial')}"
    name = ' class="won"' if rung.won else ' class="absent"' if rung.id is None else ""
    number = "" if rung.id is None else _id(rung.id, size)
    return (
        f'<tr{name}><th scope="row"><span class="w-letters" lang="ja">{letters}</span>{tag}</th>'
        f'<td>{number}</td><td class="verdict">{escape(verdict)}</td></tr>'
    )


def _id(id: int, size: int) -> str:
    return bar(id, size, f"{id:,}")


def sentence(found: Place, cuts: Cuts, say: Words) -> str:
    """The reason in one or two plain sentences."""
    surface, id = found.surface, found.ids[0]
    known = [rung for rung in found.rungs if rung.id is not None]
    piece = (
        known[0].piece if found.winner is None and known else found.rungs[found.winner].piece if found.winner is not None else ""
    )
    if found.rule == "smallest id":
        longer = any(len(rung.piece) > len(piece) for rung in known)
        return say("w_why_shorter" if longer else "w_why_smallest", piece=_plain(piece), id=f"{id:,}", n=len(known))
    if found.rule == "only candidate":
        return say("w_why_only", piece=_plain(piece), id=f"{id:,}")
    if found.rule == "byte":
        key = "w_why_surrogate" if "\ud800" <= surface <= "\udfff" else "w_why_byte"
        values = ["".join(filter(str.isdigit, cuts.tokenizer.vocabulary.spellings[each][0])) for each in found.ids]
        return say(key, piece=_plain(surface), n=len(values), bytes=" ".join(f"{int(value):02X}" for value in values))
    if found.rule == "symbol":
        kigou = any(low <= ord(surface[0]) <= high for low, high in KIGOU_RANGES)
        return say("w_why_kigou" if kigou else "w_why_symbol", piece=_plain(surface), code=f"U+{ord(surface[0]):04X}")
    typed = surface == piece
    if found.rule in ("emoji", "blank") and not typed:
        return say(f"w_why_{found.rule}", piece=_plain(surface), tag=piece)
    if found.rule == "tag" and not typed:
        return say("w_why_cleaned", piece=_plain(surface), tag=piece)
    return say("w_why_special" if found.rule == "special" else "w_why_tag", tag=piece)


def tried(found: WhatIf, cuts: Cuts, say: Words) -> str:
    """What another character changes: a sentence, and the pieces before and after."""
    was = _plain(found.was) if found.was else say("w_end")
    now = _plain(found.replacement)
    if not found.replacement or found.before == found.after:
        return notice(say("w_try_same_text", now=now))
    key = "w_try_stays" if found.same else "w_try_changes"
    said = say(key, was=was, now=now, piece=_plain(found.place.surface), id=" ".join(map(str, found.place.ids)))
    rows = ""
    for (name, parts), n, most in _counted((("w_try_before", found.before), ("w_try_after", found.after))):
        count = bar(n, most, f"{n:,}", spoken=say("n_tokens", n=n))
        rows += f'<tr><th scope="row">{escape(say(name))}</th><td>{_parts(parts, say)}</td><td>{count}</td></tr>'
    rest = escape(say("w_try_rest", n=f"{found.last + 1:,}"))
    same = f'<p class="w-scale">{rest}</p>' if found.last < len(cuts.text) else ""
    return f'{_said("=" if found.same else "≠", escape(said))}<table class="w-tried"><tbody>{rows}</tbody></table>{same}'


def _counted(rows: Sequence[tuple[str, tuple[Part, ...]]]) -> list[tuple[tuple[str, tuple[Part, ...]], int, int]]:
    counts = [sum(len(part.ids) for part in parts) for _, parts in rows]
    return [(row, count, max(counts)) for row, count in zip(rows, counts, strict=True)]


def word(found: Word, say: Words) -> str:
    """The word, its pieces, and the entries that come nearest to it."""
    named = _plain(found.surface)
    if found.whole:
        return _said("✓", escape(say("w_word_whole", word=named)))
    top = _said("≠", f"{escape(say('w_word_cut', word=named))} {_parts(found.pieces, say)}")
    if not found.fits:
        top += notice(say("w_word_long", n=len(found.surface)))
    if not found.entries:
        return top + f'<p class="w-scale">{escape(say("w_word_none"))}</p>'
    heads = "".join(
        f'<th scope="col">{escape(say(key))}</th>' for key in ("w_col_entry", "w_col_id", "w_col_keeps", "w_col_reason")
    )
    rows = ""
    for entry in found.entries:
        keeps = say("w_keeps_whole") if entry.whole else say("w_keeps", n=entry.shared, m=len(found.surface))
        reason = say(
            f"w_reason_{entry.reason.replace(' ', '_')}",
            by=_plain(entry.by or ""),
            by_id=f"{entry.by_id or 0:,}",
        )
        sign = "✓" if entry.reason == "taken" else "×"
        rows += (
            f'<tr><th scope="row" lang="ja">{visible(entry.piece)}</th><td>{entry.id:,}</td>'
            f"<td>{escape(say(f'w_how_{entry.how}'))}{escape(keeps)}</td><td>{sign} {escape(reason)}</td></tr>"
        )
    return (
        f'{top}<div class="w-scroll"><table class="w-entries"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _parts(parts: Sequence[Part], say: Words) -> str:
    boxes = "".join(
        f'<span class="p">{visible(part.surface)}{f"<sup>{len(part.ids)}</sup>" if len(part.ids) > 1 else ""}</span>'
        for part in parts[:PARTS_SHOWN]
    )
    rest = len(parts) - PARTS_SHOWN
    more = f'<span class="more">{escape(say("n_more", n=f"{rest:,}"))}</span>' if rest > 0 else ""
    return f'<span class="pieces small" lang="ja">{boxes or escape(say("w_nothing"))}{more}</span>'


def _plain(text: str) -> str:
    """A text for a sentence: what cannot be seen by its sign or number, of what is long the beginning."""
    return "".join(shown for shown, _ in glyphs(text[:40])) + ("…" if len(text) > 40 else "")
