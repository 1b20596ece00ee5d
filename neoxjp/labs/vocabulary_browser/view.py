"""The vocabulary explorer as HTML: the list of entries, one entry, the numbers, and two vocabularies side by side.

What can be opened carries `data-entry` with its id, what can be put into the text `data-add`; `script.js` listens.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from neoxjp.labs.common.html import SCRIPTS, Words, attributes, bar, notice, visible, whole
from neoxjp.labs.vocabulary_browser.records import typed

if TYPE_CHECKING:
    from neoxjp.labs.vocabulary_browser.difference import Difference, Summary
    from neoxjp.labs.vocabulary_browser.records import Entry, Row, Spelling
    from neoxjp.labs.vocabulary_browser.statistics import Group, Statistics, Usage
    from neoxjp.tokenizer import Kind

SPELLINGS_SHOWN = 200  # of an opened entry; the rest is folded
SIGNS: dict[str, str] = {**{str(script): sign for script, sign in SCRIPTS.items()}, "mixed": "漢あ"}


def entries(rows: Sequence["Row"], first: int, total: int, of: int, say: Words) -> str:
    """A page of the list, with a line that says which part of how many it is. `first` counts from 0."""
    if not rows:
        return notice(say("v_none", of=f"{of:,}"))
    shown = say("v_shown", first=f"{first + 1:,}", last=f"{first + len(rows):,}", total=f"{total:,}", of=f"{of:,}")
    heads = "".join(
        f'<th scope="col"{attributes(class_=name)}>{escape(say(f"v_col_{name}"))}</th>'
        for name in ("id", "piece", "script", "length", "spellings")
    )
    lines = "".join(_line(row, 0 if row is rows[0] else -1, say) for row in rows)
    table = f'<table class="entries"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'
    return f'<p class="shown" role="status">{escape(shown)}</p><div class="wide">{table}</div>'


def _line(row: "Row", tab: int, say: Words) -> str:
    opens = attributes(data_entry=row.id, tabindex=tab, aria_label=say("v_open", piece=row.piece, id=row.id))
    found = "".join(f"<small>≈ {visible(text)}</small>" for text in row.found)
    piece = f'<button type="button" class="open" lang="ja"{opens}>{visible(row.piece)}</button>{found}'
    return (
        f'<tr data-entry="{row.id}"><td class="id">{row.id}</td><td class="piece" lang="ja">{piece}</td>'
        f'<td class="script">{_sort_of(row.kind, row.script, say)}</td>'
        f'<td class="length">{row.length}</td><td class="spellings">{row.spellings}</td></tr>'
    )


def _sort_of(kind: "Kind", script: str, say: Words) -> str:
    """ "漢 kanji" for a word, "byte" for a byte: for what is no word the kind says more than the script."""
    if kind != "word":
        return escape(say(f"kind_{kind}"))
    return f'<span class="key {script}">{SIGNS[script]} {escape(script_name(script, say))}</span>'


def script_name(script: str, say: Words) -> str:
    return say("v_mixed" if script == "mixed" else script)


def entry(found: "Entry", say: Words) -> str:
    """All about one id: facts, spellings, neighbours."""
    facts = [
        (say("d_id"), f"<code>{found.id}</code>"),
        (say("d_kind"), escape(say(f"kind_{found.kind}"))),
        (say("d_script"), f"{SIGNS[found.script]} {escape(script_name(found.script, say))}"),
        (say("v_length"), str(found.length)),
        (say("d_bytes"), f"<code>{escape(found.bytes)}</code>"),
        (say("v_writes"), f"<code>{visible(found.writes)}</code>" if found.writes else escape(say("v_writes_byte"))),
    ]
    listed = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in facts)
    head = f'<h3 lang="ja">{visible(found.piece)}</h3><dl>{listed}</dl>'
    never = "" if found.reached else notice(say("v_never_here"))
    shown = "".join(_spelling(spelling, found, say) for spelling in found.spellings[:SPELLINGS_SHOWN])
    more = ""
    if rest := found.spellings[SPELLINGS_SHOWN:]:
        folded = "".join(_spelling(spelling, found, say) for spelling in rest)
        more = (
            f"<details><summary>{escape(say('d_more', n=len(rest)))}</summary><p class='spell' lang='ja'>{folded}</p></details>"
        )
    name = escape(say("v_spellings", n=f"{len(found.spellings):,}"))
    hint = escape(say("v_spellings_hint"))
    spellings = f'<h4>{name}</h4><p class="hint">{hint}</p><p class="spell" lang="ja">{shown}</p>{more}'
    near = "".join(_near(id, piece, say) for id, piece in found.neighbours if id < found.id)
    here = f'<span class="here" lang="ja"><i>{found.id}</i> {visible(found.piece)}</span>'
    after = "".join(_near(id, piece, say) for id, piece in found.neighbours if id > found.id)
    return (
        f'<article class="entry"{attributes(data_id=found.id, data_use=typed(found))}>{head}{never}{spellings}'
        f"<h4>{escape(say('v_neighbours'))}</h4><p class='near'>{near}{here}{after}</p></article>"
    )


def _spelling(spelling: "Spelling", found: "Entry", say: Words) -> str:
    mine = spelling.ids == (found.id,)
    why = None if mine else say("v_other_ids", ids=" ".join(map(str, spelling.ids[:8])))
    points = " ".join(f"U+{ord(character):04X}" for character in spelling.text[:24])
    facts = attributes(data_add=spelling.text, title=f"{points} — {why}" if why else points, class_=None if mine else "elsewhere")
    note = f'<span class="sr">{escape(why)}</span>' if why else ""
    return f'<button type="button"{facts}>{visible(spelling.text)}{note}</button>'


def _near(id: int, piece: str, say: Words) -> str:
    facts = attributes(data_entry=id, aria_label=say("v_open", piece=piece, id=id))
    return f'<button type="button" lang="ja"{facts}><i>{id}</i> {visible(piece)}</button>'


def statistics(counted: "Statistics", say: Words) -> str:
    """The vocabulary in numbers and bars."""
    facts = (
        ("v_n_ids", counted.ids), ("v_n_spellings", counted.spellings), ("v_n_shared", counted.shared),
        ("v_n_twice", counted.twice), ("v_n_never", counted.never),
    )  # fmt: skip
    charts = (
        chart(say("v_by_kind"), ((say(f"kind_{group.name}"), group) for group in counted.by_kind), say),
        chart(say("v_by_script"), ((_script(group.name, say), group) for group in counted.by_script), say),
        chart(say("v_by_length"), ((say("v_characters", n=group.name), group) for group in counted.by_length), say),
        chart(say("v_by_spellings"), ((say("v_ways", n=group.name), group) for group in counted.by_spellings), say),
    )
    largest = _named(say("v_largest"), counted.largest, say)
    return f'<div class="numbers">{_numbers(facts, say)}<div class="charts">{"".join(charts)}{largest}</div></div>'


def usage(used: "Usage", say: Words) -> str:
    """What a text takes of the vocabulary: bars of the used share, on a scale that ends at all of its entries."""
    if not used.tokens:
        return notice(say("v_no_text"))
    share = percent(used.ids / used.of)
    line = say("v_used", tokens=f"{used.tokens:,}", ids=f"{used.ids:,}", of=f"{used.of:,}", share=share)
    covered = " ".join(say("v_covering", share=f"{100 * part:.0f}", n=f"{ids:,}") for part, ids in used.covering)
    kinds = chart(say("v_used_by_kind"), ((say(f"kind_{group.name}"), group) for group in used.by_kind), say)
    scripts = chart(say("v_used_by_script"), ((_script(group.name, say), group) for group in used.by_script), say)
    frequent = _named(say("v_frequent"), used.frequent, say)
    words = f'<p class="used">{escape(line)}</p><p class="hint">{escape(covered)} {escape(say("v_once", n=f"{used.once:,}"))}</p>'
    return f'<div class="numbers">{words}<div class="charts">{kinds}{scripts}{frequent}</div></div>'


def chart(title: str, groups: Iterable[tuple[str, "Group"]], say: Words) -> str:
    """Bars of numbers of entries on one scale; of a text's use, bars of the share of each group."""
    named = list(groups)
    largest = max((group.ids for _, group in named), default=0)
    lines = []
    for name, group in named:
        if group.used is None:
            drawn = bar(group.ids, largest, f"{group.ids:,}")
        else:
            part = group.used / group.ids
            label = f"{group.used:,} / {group.ids:,}"
            drawn = (
                _no_bar(label)
                if not part
                else bar(part, 1, label, spoken=say("v_used_of", used=group.used, of=group.ids, share=percent(part)))
            )
        lines.append(f'<tr><th scope="row">{escape(name)}</th><td>{drawn}</td></tr>')
    return f'<section><h4>{escape(title)}</h4><table class="chart"><tbody>{"".join(lines)}</tbody></table></section>'


def percent(share: float) -> str:
    """0.612 → "61.2 %", 0.0 → "0.0 %"; what is there but rounds to nothing is "< 0.1 %"."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def _no_bar(label: str) -> str:
    """Nothing, as a number without a bar: even the thinnest would look like a little."""
    return f'<div class="bar"><b>{escape(label)}</b></div>'


def _script(name: str, say: Words) -> str:
    return f"{SIGNS[name]} {script_name(name, say)}"


def _named(title: str, listed: Sequence[tuple[int, str, int]], say: Words) -> str:
    """Entries with a number each, as bars; each can be opened."""
    largest = max((number for _, _, number in listed), default=0)
    lines = "".join(
        f'<tr><th scope="row">{_near(id, piece, say)}</th><td>{bar(number, largest, f"{number:,}")}</td></tr>'
        for id, piece, number in listed
    )
    table = f'<table class="chart named"><tbody>{lines}</tbody></table>'
    return f"<section><h4>{escape(title)}</h4>{table}</section>" if lines else ""


def _numbers(facts: Iterable[tuple[str, int]], say: Words) -> str:
    cells = "".join(f"<div><dd>{number:,}</dd><dt>{escape(say(key))}</dt></div>" for key, number in facts)
    return f'<dl class="totals">{cells}</dl>'


def summary(counted: "Summary", here: str, there: str, say: Words) -> str:
    """How two vocabularies differ, as counts with bars on one scale."""
    heads = "".join(
        f"<li>{escape(say('v_size', name=whole(name), ids=f'{ids:,}', spellings=f'{spellings:,}'))}</li>"
        for name, ids, spellings in (
            (here, counted.ids_here, counted.spellings_here),
            (there, counted.ids_there, counted.spellings_there),
        )
    )
    sides: tuple[tuple[str, int], ...] = (
        ("only_here", counted.only_here), ("only_there", counted.only_there), ("moved", counted.moved), ("same", counted.same),
    )  # fmt: skip
    largest = max(number for _, number in sides)
    lines = "".join(
        f'<tr><th scope="row">{escape(whole(say(f"v_{side}", here=here, there=there)))}</th>'
        f"<td>{bar(number, largest, f'{number:,}')}</td></tr>"
        for side, number in sides
    )
    return f'<ul class="sizes">{heads}</ul><table class="chart sides"><tbody>{lines}</tbody></table>'


def differences(rows: Sequence["Difference"], first: int, total: int, names: tuple[str, str], say: Words) -> str:
    """A page of the spellings that the two do not have in common. Those of the loaded vocabulary can be opened."""
    if not rows:
        return notice(say("v_no_differences"))
    shown = say("v_spellings_shown", first=f"{first + 1:,}", last=f"{first + len(rows):,}", total=f"{total:,}")
    named = (say("v_col_piece"), *(f"id: {name}" for name in names))
    heads = "".join(f'<th scope="col">{escape(whole(head))}</th>' for head in named)
    lines = []
    for row in rows:
        opens = attributes(data_entry=row.here, aria_label=say("v_open", piece=row.spelling, id=row.here))
        shown_piece = visible(row.spelling)
        piece = shown_piece if row.here is None else f'<button type="button" class="open"{opens}>{shown_piece}</button>'
        ids = "".join(f'<td class="id">{"–" if id is None else id}</td>' for id in (row.here, row.there))
        lines.append(f'<tr><td class="piece" lang="ja">{piece}</td>{ids}</tr>')
    table = f'<table class="entries"><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
    return f'<p class="shown" role="status">{escape(shown)}</p><div class="wide">{table}</div>'
