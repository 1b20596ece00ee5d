"""What a corpus costs: its tokens, what decoding would lose of it, its scripts, for one tokenizer or several.

`analyse` is a generator: it tells its progress after each piece of text and gives the `Corpus` last, so that whoever asks can
stop it at any piece. Memory does not grow with the corpus: ids and characters are counted in arrays, losses by what is lost.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from neoxjp.compare import Peer
from neoxjp.documents import Faults, FileInfo, inspect_file, read_texts
from neoxjp.labs.corpus.costs import Cost, Measured, measured
from neoxjp.labs.corpus.losses import Loss, Losses
from neoxjp.tokenizer import BLANKS, DASHES, GPTNeoXJapaneseTokenizer, script_of

if TYPE_CHECKING:
    import numpy as np

PIECE = 1 << 15  # characters that are counted at once
RAREST = 12  # characters listed for each script
LISTED = 40  # characters listed in all
CODES = 0x110000


@dataclass(frozen=True)
class Source:
    """A file to count."""

    name: str  # its ending tells the kind: .csv, .tsv, .jsonl, .ndjson, anything else is plain text
    file: BinaryIO
    column: str = ""  # of a CSV or JSONL file; left out, the one that looks like the text
    encoding: str = ""  # left out, it is found


@dataclass(frozen=True)
class FileFacts:
    """One file of a corpus, and what could not be read of it."""

    name: str
    bytes: int
    kind: str  # "text", "csv", "jsonl"
    encoding: str  # what to call it: "Shift_JIS (CP932)"
    codec: str  # Python's name: "cp932"
    method: str  # how it was determined: "chosen", "bom", "escapes", "utf-8", "score", "charset-normalizer"
    confidence: str  # "certain", "likely", "guess"
    column: str  # the one that was read; "" for plain text
    columns: tuple[str, ...]
    documents: int
    invalid_bytes: int  # bytes that the encoding does not allow; each run is counted as one U+FFFD in what follows
    invalid_at: tuple[tuple[int, str], ...]  # the first of them: offset and bytes
    broken_lines: int  # lines or rows without a text
    broken: tuple[tuple[int, str], ...]  # the first of them: number of the line and what is wrong there


@dataclass(frozen=True)
class Character:
    """A character and how often it occurs."""

    character: str
    code: str  # "U+9BF1"
    name: str  # of Unicode; "" for a control
    count: int


@dataclass(frozen=True)
class ScriptCount:
    """The characters of one script."""

    script: str  # one of text.SCRIPTS; for "other" with the first word of Unicode's names: "other: CYRILLIC"
    characters: int
    distinct: int
    rarest: tuple[Character, ...]


@dataclass(frozen=True)
class Corpus:
    """A corpus in numbers."""

    files: tuple[FileFacts, ...]
    documents: int  # a plain text is one, a CSV has one a row
    characters: int  # Unicode code points
    utf8_bytes: int
    distinct_characters: int
    costs: tuple[Cost, ...]  # for each tokenizer, the loaded one first
    lost_characters: int  # characters that decoding the loaded tokenizer's ids would not give back
    lost_by_reason: dict[str, int]
    losses: tuple[Loss, ...]  # the most frequent ones, with examples
    kinds_of_loss: int  # how many there are, listed or not
    scripts: tuple[ScriptCount, ...]  # the rarest first
    rarest: tuple[Character, ...]
    without_entry: tuple[Character, ...]  # that are in no spelling alone: bytes, unless a longer spelling holds them


@dataclass(frozen=True)
class Progress:
    """How far a count has come."""

    read: int  # bytes
    total: int
    documents: int
    tokens: int  # of the loaded tokenizer


def analyse(
    sources: Sequence[Source], tokenizer: GPTNeoXJapaneseTokenizer, others: Sequence[tuple[str, Peer]] = (), name: str = "neoxjp"
) -> Iterator[Progress | Corpus]:
    """Count files, piece by piece: `Progress` for each piece and tokenizer, last the `Corpus`.

    Args:
        tokenizer: the loaded one; what it loses is told.
        others: keys and tokenizers to compare with.
        name: what to call the loaded one.

    Raises:
        ParameterError: a file is no text, lacks the column, or is in an unknown encoding.
    """
    import numpy as np

    plans = [inspect_file(source.file, source.name, source.encoding) for source in sources]
    total, before, documents = sum(plan.size for plan in plans), 0, 0
    codes = np.zeros(CODES, np.int64)
    own = measured("neoxjp", name, tokenizer)
    rest = [measured(key, peer.name, peer) for key, peer in others]
    losses = Losses(tokenizer)
    files = []
    for source, plan in zip(sources, plans, strict=True):
        faults, started = Faults(), documents
        for texts, ended, done in _batches(source, plan, faults):
            documents += ended
            _count_codes(codes, texts)
            losses.add(texts, own.add(texts))
            yield Progress(before + done, total, documents, own.tokens)
            for other in rest:
                other.add(texts)
                yield Progress(before + done, total, documents, own.tokens)
        before += plan.size
        files.append(_facts(source, plan, faults, documents - started))
    yield _corpus(files, documents, codes, [own, *rest], losses, tokenizer)


def run(sources: Sequence[Source], tokenizer: GPTNeoXJapaneseTokenizer, others: Sequence[tuple[str, Peer]] = ()) -> Corpus:
    """`analyse` to its end."""
    *_, last = analyse(sources, tokenizer, others)
    assert isinstance(last, Corpus)
    return last


def _batches(source: Source, plan: FileInfo, faults: Faults) -> Iterator[tuple[list[str], int, int]]:
    """Texts of some `PIECE` characters together, how many documents ended in them, and the bytes read so far."""
    texts: list[str] = []
    held = ended = done = 0
    filled = plan.kind != "text"  # a plain text without a character is no document
    for part in read_texts(source.file, source.name, plan, faults, source.column):
        filled = filled or bool(part.text)
        ended += part.last and filled
        done = part.bytes_read
        if part.text:
            texts.append(part.text)
            held += len(part.text)
        if held >= PIECE or len(texts) >= PIECE // 8:
            yield texts, ended, done
            texts, held, ended = [], 0, 0
    yield texts, ended, done


def _count_codes(codes: "np.ndarray", texts: list[str]) -> None:
    import numpy as np

    some = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    if len(some):
        counted = np.bincount(some)
        codes[: len(counted)] += counted


def _facts(source: Source, plan: FileInfo, faults: Faults, documents: int) -> FileFacts:
    return FileFacts(
        name=Path(source.name).name,
        bytes=plan.size,
        kind=plan.kind,
        encoding=plan.encoding.name,
        codec=plan.encoding.codec,
        method=plan.encoding.method,
        confidence=plan.encoding.confidence,
        column="" if plan.kind == "text" else source.column or plan.column,
        columns=plan.columns,
        documents=documents,
        invalid_bytes=faults.invalid_bytes,
        invalid_at=tuple(faults.invalid_at),
        broken_lines=faults.broken_lines,
        broken=tuple(faults.broken),
    )


def _corpus(
    files: list[FileFacts],
    documents: int,
    codes: "np.ndarray",
    counted: list[Measured],
    losses: Losses,
    tokenizer: GPTNeoXJapaneseTokenizer,
) -> Corpus:
    import numpy as np

    there = np.flatnonzero(codes)
    characters = [(chr(code), int(codes[code])) for code in there.tolist()]
    total = int(codes.sum())
    size = int((codes[there] * (1 + (there >= 0x80).astype(np.int64) + (there >= 0x800) + (there >= 0x10000))).sum())
    rising = sorted(characters, key=lambda pair: (pair[1], pair[0]))
    known = tokenizer.vocabulary.ids.keys() | {old for old, _ in (*BLANKS, *DASHES)} | tokenizer.vocabulary.emoji.keys()
    return Corpus(
        files=tuple(files),
        documents=documents,
        characters=total,
        utf8_bytes=size,
        distinct_characters=len(characters),
        costs=tuple(one.cost(total) for one in counted),
        lost_characters=losses.characters,
        lost_by_reason=losses.by_reason,
        losses=losses.listed(),
        kinds_of_loss=losses.kinds,
        scripts=_scripts(rising),
        rarest=tuple(_described(*pair) for pair in rising[:LISTED]),
        without_entry=tuple(_described(*pair) for pair in reversed(rising) if pair[0] not in known)[:LISTED],
    )


def _scripts(rising: list[tuple[str, int]]) -> tuple[ScriptCount, ...]:
    """Characters by script; `rising` are they and their counts, the rarest first."""
    characters, distinct, rarest = Counter[str](), Counter[str](), dict[str, list[Character]]()
    for character, count in rising:
        script: str = script_of(character)
        if script == "other":
            script = f"other: {unicodedata.name(character, 'CONTROL').split()[0]}"
        characters[script] += count
        distinct[script] += 1
        some = rarest.setdefault(script, [])
        if len(some) < RAREST:
            some.append(_described(character, count))
    return tuple(
        ScriptCount(script, number, distinct[script], tuple(rarest[script]))
        for script, number in sorted(characters.items(), key=lambda item: (item[1], item[0]))
    )


def _described(character: str, count: int) -> Character:
    return Character(character, f"U+{ord(character):04X}", unicodedata.name(character, ""), count)
