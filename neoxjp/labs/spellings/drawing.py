"""What the section of spellings × tokenizers shows, as plain functions: no component, no event. Those stand in compare.py."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from neoxjp import compare as peers
from neoxjp import japanese
from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.labs.common import html as render
from neoxjp.labs.spellings import chart as render_chart
from neoxjp.labs.spellings import records as matrix
from neoxjp.labs.spellings import view as render_matrix
from neoxjp.page_parts.answers import check_length
from neoxjp.page_parts.session import Playground
from neoxjp.page_parts.strings import Words

COMPARED = 2_000  # characters of a text that the comparison takes; its rōmaji may be three times as long
MOST_COLUMNS = 10  # tokenizers drawn at a time
DEFAULT = ("neoxjp", "characters", "sudachi-c", "bytes")
TRANSLATED = ("bytes", "characters", "compat")  # whose titles are words of the page
ASKED_FOR = ("package", "hub", "local")  # groups of which nothing is opened before the visitor says so


@dataclass(frozen=True)
class Asked:
    """What one visitor chose. Everything in it comes from the browser or a link, and is checked where it is used."""

    text: str = ""
    columns: tuple[str, ...] = DEFAULT
    own: tuple[str, ...] = ()  # rows of the visitor's own, the empty ones included
    corrected: str = ""  # JSON of corrected readings, {"日本": "にっぽん"}
    row: str = "written"  # the key of the row whose pieces are shown
    same: bool = False  # show rows that changed nothing, too
    opened: Mapping[str, NeoxjpError | None] = field(default_factory=dict)  # asked-for tokenizers: None is open, else the reason


@dataclass(frozen=True)
class Drawn:
    """The HTML of the section's parts."""

    ruby: str = ""
    table: str = ""
    pieces: str = ""
    chart: str = ""
    pending: tuple[str, ...] = ()  # chosen, but not open: keys


def draw(playground: Playground, asked: Asked, lang_ja: bool, say: Words) -> Drawn:
    """The whole section."""
    check_length(playground, asked.text)
    found = matrix_of(playground, asked, say)
    overrides = corrections(asked.corrected)
    row = next((i for i, each in enumerate(found.spellings) if each.key == asked.row), 0)
    problems = [_reason(column.problem, lang_ja) for column in found.columns]
    notes = ""
    if len(asked.text) > COMPARED:
        notes += render.notice(say("c_cut", n=f"{COMPARED:,}"))
    if len(set(asked.columns)) > MOST_COLUMNS:
        notes += render.notice(say("c_many_columns", n=MOST_COLUMNS))
    pending = tuple(column.key for column in found.columns if column.peer is None)
    if not found.spellings:
        return Drawn(pending=pending)
    words = found.spellings[0].readings
    return Drawn(
        ruby=render_matrix.ruby_text(words, list(overrides), say),
        table=notes + render_matrix.table(found, say, selected=row, same=asked.same, problems=problems),
        pieces=pieces_of(found, row, say),
        chart=render_chart.chart(found, say, same=asked.same),
        pending=pending,
    )


def pieces_of(found: matrix.Matrix, row: int, say: Words) -> str:
    """The pieces of one row, and what its spelling cannot promise."""
    doubts = matrix.doubts(found.spellings[0].text, found.spellings[row])
    return render_matrix.aligned(found, row, say) + render_matrix.doubtful(doubts, say)


def row_of(playground: Playground, asked: Asked, say: Words) -> str:
    """Only the pieces of the chosen row, without the rest of the matrix."""
    check_length(playground, asked.text)
    spelled = spellings_of(asked)
    chosen = [each for each in spelled if each.key == asked.row] or spelled[:1]
    if not chosen:
        return ""
    lines = spelled[:1] if chosen == spelled[:1] else [spelled[0], *chosen]
    found = matrix.matrix(lines, columns_of(playground, asked, say))
    return pieces_of(found, len(lines) - 1, say)


def matrix_of(playground: Playground, asked: Asked, say: Words) -> matrix.Matrix:
    return matrix.matrix(spellings_of(asked), columns_of(playground, asked, say))


def spellings_of(asked: Asked) -> list[japanese.Spelling]:
    """The text in all its spellings, and the visitor's own rows; nothing where there is no text."""
    text = render.whole(asked.text[:COMPARED])
    if not text:
        return []
    spelled = japanese.spellings(text, corrections(asked.corrected), japanese.ALL_KEYS)
    own = zip(japanese.CUSTOM_KEYS, asked.own, strict=False)
    return spelled + [japanese.Spelling(key, render.whole(value[: 3 * COMPARED])) for key, value in own if value]


def columns_of(playground: Playground, asked: Asked, say: Words) -> list[matrix.Column]:
    """The chosen tokenizers in the order of the offers; those that wait for the visitor's word stay closed."""
    order = [offer.key for offer in peers.list_offers(playground.tokenizer)]
    keys = sorted(dict.fromkeys(asked.columns), key=lambda key: order.index(key) if key in order else len(order))
    found = []
    for key in keys[:MOST_COLUMNS]:
        offer = peers.find_offer(key)
        title = title_of(playground, offer, say)
        if offer.group not in ASKED_FOR or asked.opened.get(key, False) is None:
            (column,) = opened(playground, [key])
            found.append(replace(column, title=title))
        else:
            found.append(matrix.Column(key, title, problem=asked.opened.get(key)))
    return found


def opened(playground: Playground, keys: Sequence[str]) -> list[matrix.Column]:
    offline = playground.loaded is not None and playground.loaded.choice.offline
    return matrix.open_columns(keys, playground.tokenizer, public=playground.public, local_files_only=offline)


def title_of(playground: Playground, offer: peers.Offer, say: Words) -> str:
    if offer.key == "neoxjp" and playground.loaded:
        return playground.loaded.title(say("bundled"))
    return say(f"c_{offer.key}") if offer.key in TRANSLATED else offer.title


def corrections(written: str | None) -> dict[str, str]:
    """Corrected readings from the browser or a link: whatever is none of them is left out."""
    try:
        found = json.loads(written or "{}")
    except ValueError:
        return {}
    pairs = list(found.items())[:200] if isinstance(found, dict) else []
    return {word: kana for word, kana in pairs if word and isinstance(kana, str) and 0 < len(kana) <= 60 and len(word) <= 40}


def corrected(written: str | None, word: str, kana: str | None) -> str:
    """The corrections with one more; without that word where the reading is empty, which means the dictionary's."""
    found = corrections(written)
    found.pop(word, None)
    if kana and kana.strip():
        found[word] = kana.strip()
    return json.dumps(found, ensure_ascii=False) if found else ""


def csv_of(playground: Playground, asked: Asked, say: Words) -> str:
    """The matrix as CSV text in the visitor's language, a byte order mark in front so that spreadsheets read it as UTF-8."""
    made = matrix.records(matrix_of(playground, asked, say), by="title")
    heads = {name: f"col_{name}" for name in ("spelling", "tokenizer", "ratio", "text", "pieces")} | {"tokens": "tokens"}
    for record in made:
        record["spelling"] = say(f"spelling_{record['spelling']}")
    if all(record["error"] is None for record in made):
        made = [{name: value for name, value in record.items() if name != "error"} for record in made]
    table = peers.to_frame(made).rename(columns={name: say(key) for name, key in heads.items()})
    return peers.to_csv(table).decode("utf-8")


def _reason(problem: NeoxjpError | None, lang_ja: bool) -> str | None:
    return None if problem is None else (problem.ja if lang_ja else str(problem))


# ---------------------------------------------------------------- the API


def keys_of(names: Any) -> list[japanese.SpellingKey]:
    """The spellings that a caller asks for, the text as written first. Raises ParameterError."""
    if names is None:
        return list(japanese.KEYS)
    if not isinstance(names, list) or not all(name in japanese.ALL_KEYS for name in names):
        raise ParameterError(f"spellings={str(names)[:60]!r}: choose from {', '.join(japanese.ALL_KEYS)}")
    return list(dict.fromkeys(["written", *names]))


def readings_of(given: Any) -> dict[str, str]:
    """A caller's corrected readings. Raises ParameterError."""
    if given is None:
        return {}
    if not isinstance(given, dict) or not all(isinstance(kana, str) for kana in given.values()) or len(given) > 200:
        raise ParameterError(
            f"readings={str(given)[:60]!r}: expected an object such as {{'日本': 'にっぽん'}}, at most 200 words"
        )
    return {render.whole(word)[:40]: render.whole(kana)[:60] for word, kana in given.items() if word and kana}
