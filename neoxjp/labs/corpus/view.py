"""A corpus in numbers → HTML: tables whose numbers have bars, and examples of what is lost. Records: lab/tokens/corpus.py."""

from collections.abc import Sequence
from html import escape

from neoxjp.labs.common.html import SCRIPTS, Words, attributes, bar, notice, visible
from neoxjp.labs.corpus.costs import Cost, TokenCount
from neoxjp.labs.corpus.losses import Loss
from neoxjp.labs.corpus.records import Character, Corpus, FileFacts

FREQUENT = 20  # tokens drawn of each list; the download has all that were kept
LOSSES = 25
EXAMPLES = 2  # places shown of each loss
BROKEN_SHOWN = 90  # characters of what is said of a broken line


def corpus(found: Corpus, say: Words) -> str:
    """The whole report."""
    first, *others = found.costs
    parts = [
        "".join(file(one, say) for one in found.files),
        numbers(found, say),
        by_tokenizer(found.costs, say) if others else "",
        '<div class="k-two">'
        + token_list("k_frequent", first.frequent, say)
        + token_list("k_longest", first.longest, say)
        + "</div>",
        *(other_lists(cost, say) for cost in others if cost.frequent),
        losses(found, say),
        scripts(found, say),
    ]
    return f'<section class="corpus card">{"".join(parts)}</section>'


def found_note(encoding: str, sure: str, columns: Sequence[str], begins: str, say: Words) -> str:
    """What a look at a file told, before it is counted."""
    facts = [escape(say("k_found", encoding=encoding, sure=say(f"k_sure_{sure}")))]
    if columns:
        facts.append(escape(say("k_found_column", columns=", ".join(column[:40] for column in columns[:12]))))
    begin = f'<p class="k-begins"><b>{escape(say("k_begins"))}</b><span lang="ja">{visible(begins)}</span></p>' if begins else ""
    return f'<div class="k-found" role="status"><p>{" · ".join(facts)}</p>{begin}</div>'


def progress(message: str, share: float | None = None) -> str:
    """A bar with its sentence; without a share one that only says that something goes on."""
    value = "" if share is None else f' value="{share:.3f}"'
    bar = f'<progress max="1"{value}{attributes(aria_label=message)}></progress>'
    return f'<div class="k-progress">{bar}<span>{escape(message)}</span></div>'


def file(facts: FileFacts, say: Words) -> str:
    """Name, encoding and kind of a file, and a sentence for each thing that could not be read."""
    sure = say("k_sure_chosen" if facts.method == "chosen" else f"k_sure_{facts.confidence}")
    kind = say(f"k_kind_{facts.kind}", column=facts.column)
    line = " · ".join([facts.name, size(facts.bytes), say("k_found", encoding=facts.encoding, sure=sure), kind])
    told = f'<p class="k-file">{visible(line).replace(_BLANK, " ")}</p>'
    if facts.invalid_bytes:
        where = ", ".join(f"{place:,} ({shown})" for place, shown in facts.invalid_at)
        told += notice(say("k_wrong_bytes", n=f"{facts.invalid_bytes:,}", where=where), "error")
    if facts.broken_lines:
        where = " ".join(say("k_line", n=f"{number:,}", why=why[:BROKEN_SHOWN]) for number, why in facts.broken)
        told += notice(say("k_broken", n=f"{facts.broken_lines:,}", where=where), "error")
    return told


_BLANK = '<i class="blank">␣</i>'


def numbers(found: Corpus, say: Words) -> str:
    """The figures at the top, of the loaded tokenizer."""
    cost = found.costs[0]
    shown = [
        (say("k_tokens"), f"{cost.tokens:,}"),
        (say("k_documents"), f"{found.documents:,}"),
        (say("characters"), f"{found.characters:,}"),
        (say("k_per_token"), f"{cost.characters_per_token:.3f}"),
        (say("k_byte_share"), percent(cost.byte_share or 0)),
        (say("k_lost"), percent(found.lost_characters / max(found.characters, 1))),
        (say("k_ids_used"), say("k_of", n=f"{cost.ids_used or 0:,}", all=f"{cost.vocabulary or 0:,}")),
        (say("utf8_bytes"), f"{found.utf8_bytes:,}"),
    ]
    cells = "".join(f"<div><dd>{escape(value)}</dd><dt>{escape(name)}</dt></div>" for name, value in shown)
    return f'<div class="counts k-numbers"><dl>{cells}</dl></div>'


def by_tokenizer(costs: Sequence[Cost], say: Words) -> str:
    """One row a tokenizer, its tokens and its characters per token as bars on a common scale."""
    most = max(cost.tokens for cost in costs)
    widest = max(cost.characters_per_token for cost in costs)
    rows = []
    for cost in costs:
        used = "–" if cost.ids_used is None else f"{cost.ids_used:,}"
        rows.append(
            [
                escape(cost.name),
                bar(cost.tokens, most, f"{cost.tokens:,}"),
                bar(cost.characters_per_token, widest, f"{cost.characters_per_token:.3f}", series=1),
                "–" if cost.byte_share is None else percent(cost.byte_share),
                escape(
                    say("k_of", n=used, all=f"{cost.vocabulary:,}") if cost.vocabulary and cost.ids_used is not None else used
                ),
            ]
        )
    heads = [say(key) for key in ("k_tokenizer", "k_tokens", "k_per_token", "k_byte_share", "k_ids_used")]
    return _titled(say("k_by_tokenizer"), _table(heads, rows, say("k_by_tokenizer")))


def token_list(key: str, tokens: Sequence[TokenCount], say: Words) -> str:
    """Tokens with their number as bars; the id where there is one."""
    shown = tokens[:FREQUENT]
    if not shown:
        return ""
    most = max(token.count for token in shown)
    rows = []
    for token in shown:
        id = "" if token.id is None else f'<span class="k-id">{token.id}</span>'
        count = bar(token.count, most, f"{token.count:,} ({percent(token.share)})")
        rows.append([f'<span class="p" lang="ja">{visible(token.text)}</span>{id}', count])
    return _titled(say(key), _table([say("k_token"), say("k_times")], rows, say(key)))


def other_lists(cost: Cost, say: Words) -> str:
    """The same of another tokenizer, folded."""
    both = token_list("k_frequent", cost.frequent, say) + token_list("k_longest", cost.longest, say)
    return f'<details><summary>{escape(say("k_lists", name=cost.name))}</summary><div class="k-two">{both}</div></details>'


def losses(found: Corpus, say: Words) -> str:
    """What does not come back: how much for which reason, then one by one with a place where it stands."""
    title = say("k_losses")
    if not found.losses:
        return _titled(title, notice(say("k_no_losses")))
    share = percent(found.lost_characters / max(found.characters, 1)).removesuffix(" %")
    numbers = say("k_losses_intro", n=f"{found.lost_characters:,}", all=f"{found.characters:,}", percent=share)
    most = max(found.lost_by_reason.values())
    reasons = [[escape(say(f"k_reason_{reason}")), bar(n, most, f"{n:,}")] for reason, n in found.lost_by_reason.items()]
    rows = [_loss(loss, say) for loss in found.losses[:LOSSES]]
    heads = [say(key) for key in ("k_loss", "k_times", "k_reason", "k_example")]
    more = ""
    if found.kinds_of_loss > LOSSES:
        more = notice(say("k_more_losses", all=f"{found.kinds_of_loss:,}", n=LOSSES))
    by_reason = _table([say("k_reason"), say("characters")], reasons, say("k_reason"))
    return _titled(title, f"<p>{escape(numbers)}</p>{by_reason}{_table(heads, rows, title)}{more}")


def _loss(loss: Loss, say: Words) -> list[str]:
    back = f'<span class="p">{visible(loss.back)}</span>' if loss.back else escape(say("k_nothing"))
    shown = f'<span lang="ja" class="k-loss"><span class="p">{visible(loss.text)}</span> → {back}</span>'
    places = [f"{visible(one.before)}<mark>{visible(one.text)}</mark>{visible(one.after)}" for one in loss.examples[:EXAMPLES]]
    examples = "<br>".join(f'<span lang="ja">{place}</span>' for place in places)
    return [shown, f"{loss.count:,}", escape(say(f"k_reason_{loss.reason}")), f'<span class="k-example">{examples}</span>']


def scripts(found: Corpus, say: Words) -> str:
    """Characters by script, the rarest script first, with its rarest characters; rare characters one by one, folded."""
    if not found.scripts:
        return ""
    most = max(script.characters for script in found.scripts)
    rows = []
    for script in found.scripts:
        known, _, block = script.script.partition(": ")
        name = escape(f"{SCRIPTS[known]} {say(known)}" + (f" ({block.title()})" if block else ""))  # type: ignore[index]
        some = "".join(
            f'<span class="k-rare"{attributes(title=f"{one.name} × {one.count:,}")}><span class="p" lang="ja">'
            f"{visible(one.character)}</span><small>{one.code}</small></span>"
            for one in script.rarest[:8]
        )
        count = bar(script.characters, most, f"{script.characters:,}")
        rows.append([name, count, f"{script.distinct:,}", f'<span class="k-some">{some}</span>'])
    heads = [say(key) for key in ("k_script", "characters", "k_distinct", "k_rarest")]
    table = _table(heads, rows, say("k_scripts"))
    rare = _folded(say("k_rare_section"), "", found.rarest, say)
    without = _folded(say("k_without"), say("k_without_intro"), found.without_entry, say)
    return _titled(say("k_scripts"), f"{table}{rare}{without}")


def _folded(title: str, intro: str, characters: Sequence[Character], say: Words) -> str:
    if not characters:
        return ""
    rows = [
        [f'<span class="p" lang="ja">{visible(one.character)}</span>', escape(f"{one.code} {one.name}"), f"{one.count:,}"]
        for one in characters
    ]
    inside = f"<p>{escape(intro)}</p>" if intro else ""
    inside += _table([say("k_character"), say("k_code"), say("k_times")], rows, title)
    return f"<details><summary>{escape(title)}</summary>{inside}</details>"


def percent(share: float) -> str:
    """0.01234 → "1.23 %"; what is there but rounds to nothing is "< 0.01 %"."""
    return "< 0.01 %" if 0 < share < 0.0001 else f"{100 * share:.2f} %"


def size(number: int) -> str:
    """12_345_678 → "12.3 MB"."""
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"


def _titled(title: str, inside: str) -> str:
    return f'<section class="k-part"><h3>{escape(title)}</h3>{inside}</section>'


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], name: str) -> str:
    """A table that scrolls sideways in its own place; cells are HTML, heads are text."""
    top = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    names = [attributes(data_name=head) for head in heads[1:]]  # where a phone stacks the cells, each says what it is
    lines = ""
    for first, *cells in rows:
        lines += f'<tr><th scope="row">{first}</th>'
        lines += "".join(f"<td{name}>{cell}</td>" for name, cell in zip(names, cells, strict=True)) + "</tr>"
    stacked = " k-stack" if len(heads) > 2 else ""
    table = f'<table class="facts k-table{stacked}"><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>'
    return f'<div class="k-scroll" role="region" tabindex="0"{attributes(aria_label=name)}>{table}</div>'
