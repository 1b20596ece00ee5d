"""Branches → HTML: the tree as a list, two branches side by side, what an edit did to the ids, the price of forced words.

All texts are escaped here. Who wrote a branch has a sign and a word. `labs/branches/script.js` walks the list by keys.
"""

from collections.abc import Iterable, Sequence
from html import escape

from neoxjp.labs.branches.edits import Edited, Price
from neoxjp.labs.branches.files import Listed
from neoxjp.labs.branches.records import Author
from neoxjp.labs.common.html import Words, attributes, bar, notice, visible, whole

SIGNS: dict[Author, str] = {"user": "●", "model": "○", "edit": "✎", "forced": "▲"}
DEEPEST = 12  # levels that are indented further and further
AROUND, MOST = 40, 400  # pieces drawn beside an edit, and of one stretch


def tree(rows: Sequence[Listed], say: Words) -> str:
    """All branches, one a row, as a tree that keys can walk."""
    if not rows:
        return f'<p class="lab-hint">{escape(say("branches_empty"))}</p>'
    at = next((row.key for row in rows if row.current), rows[0].key)
    items = "".join(_row(row, row.key == at, say) for row in rows)
    name = say("branches_tree", n=f"{len(rows):,}")
    return f'<ul class="br-tree" role="tree"{attributes(aria_label=name)}>{items}</ul>'


def _row(row: Listed, reached: bool, say: Words) -> str:
    facts = attributes(
        aria_level=row.depth + 1,
        aria_selected=str(row.current).lower(),
        tabindex=0 if reached else -1,
        data_key=row.key,
        style=f"--depth:{min(row.depth, DEEPEST)}",
    )
    deeper = f" <small>+{row.depth - DEEPEST}</small>" if row.depth > DEEPEST else ""
    name = f'<b class="br-name"><bdi>{escape(whole(row.name))}</bdi></b> ' if row.name else ""
    text = visible(row.begins) if row.begins else f"<i>{escape(say('branches_nothing'))}</i>"
    length = escape(say("branches_own", n=f"{row.tokens:,}"))
    place = "" if row.parent is None else f" · {escape(say('branches_from', n=f'{row.place + 1:,}'))}"
    on = f'<span class="br-on">◀ {escape(say("branches_current"))}</span>' if row.current else ""
    return (
        f'<li role="treeitem"{facts}>{who(row.author, say)}{deeper}'
        f'<span class="br-text">{name}<bdi lang="ja">{text}</bdi></span>'
        f'<span class="br-facts">{label_number(row.key)} · {length}{place}</span>{on}</li>'
    )


def label_number(key: int) -> str:
    """What a branch is called where it has no name: 0 → "#1"."""
    return f"#{key + 1}"


def who(author: Author, say: Words) -> str:
    """The sign and the word for who wrote a branch."""
    return f'<span class="br-who {author}"><i aria-hidden="true">{SIGNS[author]}</i> {escape(say(f"branches_{author}"))}</span>'


def label(row: Listed, say: Words) -> str:
    """A branch in a list of choices: "#3 ○ model: まだ無い… (40 tokens)"; plain text."""
    begins = row.name or row.begins.replace("\n", " ")[:24] or say("branches_nothing")
    tokens = say("branches_own", n=f"{row.length:,}")
    return f"{label_number(row.key)} {SIGNS[row.author]} {begins}（{tokens}）"


def compared(same: Sequence[str], left: Sequence[str], right: Sequence[str], names: tuple[str, str], say: Words) -> str:
    """Two branches: the beginning that they share once, the rest of each with the first difference marked.

    same, left, right: the text of each id.
    """
    if not left and not right:
        return notice(say("branches_same", n=f"{len(same):,}"))
    shared = say("branches_shared", n=f"{len(same):,}") if same else say("branches_shared_none")
    beginning = f'<div class="pieces small" lang="ja">{_last(same, "", say)}</div>' if same else ""
    sides = "".join(
        f'<section><h4>{escape(name)}</h4><p class="br-note">{escape(say("branches_rest", n=f"{len(rest):,}"))}</p>'
        f'<div class="pieces small" lang="ja">{_parted(rest, say)}</div></section>'
        for name, rest in zip(names, (left, right), strict=True)
    )
    return f'<div class="br-compared"><p class="br-note">{escape(shared)}</p>{beginning}<div class="br-sides">{sides}</div></div>'


def _parted(rest: Sequence[str], say: Words) -> str:
    if not rest:
        return f'<span class="br-end">▼ {escape(say("branches_ends"))}</span>'
    return f'<span class="sr">{escape(say("branches_differs"))}</span>{_first(rest, "", say, mark=True)}'


def edited(found: Edited, kept: Sequence[str], new: Sequence[str], again: Sequence[str], say: Words) -> str:
    """What an edit did: a sentence, and the text around it with its three stretches.

    kept, new, again: the text of each id before the edit, of the edit, and from where the old ids are the same again.
    """
    old = f"{found.replaced[1] - found.replaced[0]:,}"
    told = [say("branches_edited", kept=f"{found.kept:,}", old=old, new=f"{found.cut_anew[1] - found.cut_anew[0]:,}")]
    told.append(say("branches_agree_none") if found.agree_from is None else say("branches_agree", n=f"{found.agree_from + 1:,}"))
    lossy = notice("≠ " + say("branches_lossy")) if found.lossy else ""
    cut = _first(new, "new", say) or '<span class="p new">✂</span>'
    words = {name: escape(say(f"branches_key_{name}")) for name in ("kept", "new", "again")}
    keys = "".join(f'<span class="br-key {name}">{word}</span>' for name, word in words.items())
    text = _last(kept, "kept", say) + cut + _first(again, "again", say, AROUND)
    return (
        f'<p class="br-told">{escape(" ".join(told))}</p>{lossy}<div class="pieces small br-edited" lang="ja">{text}</div>'
        f'<p class="br-keys">{keys}</p>'
    )


def priced(price: Price, say: Words) -> str:
    """Each forced token with its bits and what the model would have said."""
    most = max((token.bits for token in price.tokens), default=0.0)
    heads = ("token", "bits", "rank", "likeliest", "own_bits")
    top = "".join(f'<th scope="col">{escape(say(f"branches_force_{head}"))}</th>' for head in heads)
    rows = "".join(
        f'<tr><th scope="row" lang="ja">{visible(token.text)}</th><td>{bar(token.bits, most, f"{token.bits:.2f}")}</td>'
        f'<td>{token.rank:,}</td><td lang="ja">{visible(token.likeliest)}</td><td>{token.likeliest_bits:.2f}</td></tr>'
        for token in price.tokens
    )
    own = sum(token.likeliest_bits for token in price.tokens)
    told = say("branches_force_sum", bits=f"{price.bits:.2f}", n=f"{len(price.tokens):,}", own=f"{own:.2f}")
    return (
        f'<p class="br-told">{escape(told)}</p><div class="br-scroll"><table class="facts br-price">'
        f"<thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _first(pieces: Sequence[str], name: str, say: Words, most: int = MOST, mark: bool = False) -> str:
    """The first pieces of a stretch, and how many there are behind them."""
    boxes = _boxes(pieces[:most], name, mark)
    return boxes + (_left_out(len(pieces) - most, say) if len(pieces) > most else "")


def _last(pieces: Sequence[str], name: str, say: Words) -> str:
    """The last pieces of a stretch, and how many there are before them."""
    left = max(0, len(pieces) - AROUND)
    return (_left_out(left, say) if left else "") + _boxes(pieces[left:], name)


def _left_out(count: int, say: Words) -> str:
    return f'<span class="br-left-out">{escape(say("branches_left_out", n=f"{count:,}"))}</span>'


def _boxes(pieces: Iterable[str], name: str, mark: bool = False) -> str:
    """The bytes of one character, whose text stands at the last, share a box; ids without text that follow none are left out."""
    boxes: list[str] = []
    count = 0
    for text in pieces:
        count += 1
        if not text:
            continue
        names = " ".join(filter(None, ["p", name, "differs" if mark and not boxes else ""]))
        number = f"<sup>{count}</sup>" if count > 1 else ""
        line = "<br>" if "\n" in text else ""
        boxes.append(f'<span class="{names}">{visible(text)}{number}</span>{line}')
        count = 0
    return "".join(boxes)
