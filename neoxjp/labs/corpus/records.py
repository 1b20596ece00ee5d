"""Statistics of a corpus: its tokens with one or more tokenizers, what decoding would lose, and its scripts.

`analyse` is a generator: it yields its progress after each piece of text and the `Corpus` last, so that the caller can stop it at
any piece. Memory does not grow with the corpus, only with the number of different tokens, characters and losses.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from neoxjp.compare import Peer
from neoxjp.documents import Faults, FileInfo, inspect_file, read_texts
from neoxjp.labs.corpus.costs import Cost, TokenCounter, token_counter
from neoxjp.labs.corpus.losses import Loss, Losses
from neoxjp.tokenizer import BLANKS, DASHES, GPTNeoXJapaneseTokenizer, script_of

PIECE = 1 << 15  # characters that are counted at once
RAREST = 12  # characters listed for each script
LISTED = 40  # characters listed in all


@dataclass(frozen=True)
class Source:
    """A file to count."""

    name: str  # its ending determines the kind: .csv, .tsv, .jsonl, .ndjson; anything else is plain text
    file: BinaryIO
    column: str = ""  # of a CSV or JSONL file; "": the one that most likely has the text
    encoding: str = ""  # "": detected


@dataclass(frozen=True)
class FileFacts:
    """A file of a corpus, and what could not be read of it."""

    name: str
    bytes: int
    kind: str  # "text", "csv", "jsonl"
    encoding: str  # the name to show: "Shift_JIS (CP932)"
    codec: str  # Python's name: "cp932"
    method: str  # how it was determined: "chosen", "bom", "escapes", "utf-8", "score", "charset-normalizer"
    confidence: str  # "certain", "likely", "guess"
    column: str  # the one that was read; "" for plain text
    columns: tuple[str, ...]
    documents: int
    invalid_bytes: int  # bytes that the encoding does not allow; counted as U+FFFD below
    invalid_at: list[tuple[int, str]]  # the first of them: offset and bytes
    broken_lines: int  # lines or rows without a text
    broken: list[tuple[int, str, str]]  # the first of them: number of the line, its fault, and that in Japanese


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

    script: str  # a Script; "other" with the first word of the Unicode name: "other: CYRILLIC"
    characters: int
    distinct: int
    rarest: tuple[Character, ...]


@dataclass(frozen=True)
class Corpus:
    """A corpus in numbers."""

    files: tuple[FileFacts, ...]
    documents: int  # a plain text is one; a CSV has one per row
    characters: int  # Unicode code points
    utf8_bytes: int
    distinct_characters: int
    costs: tuple[Cost, ...]  # for each tokenizer, the loaded one first
    lost_characters: int  # characters that decoding the loaded tokenizer's ids does not restore
    lost_by_reason: dict[str, int]
    losses: tuple[Loss, ...]  # the most frequent ones, with examples
    kinds_of_loss: int  # number of different losses, listed or not
    scripts: tuple[ScriptCount, ...]  # the rarest first
    rarest: tuple[Character, ...]
    without_entry: tuple[Character, ...]  # without a spelling of their own: bytes, unless part of a longer spelling


@dataclass(frozen=True)
class Progress:
    """Progress of a count."""

    read: int  # bytes
    total: int
    documents: int
    tokens: int  # of the loaded tokenizer


def analyse(
    sources: Sequence[Source], tokenizer: GPTNeoXJapaneseTokenizer, others: Sequence[tuple[str, Peer]] = (), name: str = "neoxjp"
) -> Iterator[Progress | Corpus]:
    """Count files: yields `Progress` for each piece and tokenizer, and the `Corpus` last.

    Args:
        tokenizer: the loaded one, whose losses are counted.
        others: keys and tokenizers to compare with.
        name: the name to show for the loaded one.

    Raises:
        ParameterError: a file is not a text, lacks the column, or the encoding is unknown.
    """
    infos = [inspect_file(source.file, source.name, source.encoding) for source in sources]
    total, before, documents = sum(info.size for info in infos), 0, 0
    characters = Counter[str]()
    own = token_counter("neoxjp", name, tokenizer)
    rest = [token_counter(key, peer.name, peer) for key, peer in others]
    losses = Losses(tokenizer)
    files = []
    for source, info in zip(sources, infos, strict=True):
        faults, started = Faults(), documents
        for texts, ended, done in _batches(source, info, faults):
            documents += ended
            characters.update("".join(texts))
            losses.add(texts, own.add(texts))
            yield Progress(before + done, total, documents, own.tokens)
            for other in rest:
                other.add(texts)
                yield Progress(before + done, total, documents, own.tokens)
        before += info.size
        files.append(_facts(source, info, faults, documents - started))
    yield _corpus(files, documents, characters, [own, *rest], losses, tokenizer)


def _batches(source: Source, info: FileInfo, faults: Faults) -> Iterator[tuple[list[str], int, int]]:
    """Texts with about `PIECE` characters together, the number of documents that end in them, and the bytes read so far."""
    texts: list[str] = []
    size = ended = done = 0
    counts = info.kind != "text"  # an empty plain text is not a document
    for part in read_texts(source.file, source.name, info, faults, source.column):
        counts = counts or bool(part.text)
        ended += part.last and counts
        done = part.bytes_read
        if part.text:
            texts.append(part.text)
            size += len(part.text)
        if size >= PIECE or len(texts) >= PIECE // 8:
            yield texts, ended, done
            texts, size, ended = [], 0, 0
    yield texts, ended, done


def _facts(source: Source, info: FileInfo, faults: Faults, documents: int) -> FileFacts:
    return FileFacts(
        name=Path(source.name).name,
        bytes=info.size,
        kind=info.kind,
        encoding=info.encoding.name,
        codec=info.encoding.codec,
        method=info.encoding.method,
        confidence=info.encoding.confidence,
        column="" if info.kind == "text" else source.column or info.column,
        columns=info.columns,
        documents=documents,
        **vars(faults),
    )


def _corpus(
    files: list[FileFacts],
    documents: int,
    characters: Counter[str],
    counters: list[TokenCounter],
    losses: Losses,
    tokenizer: GPTNeoXJapaneseTokenizer,
) -> Corpus:
    total = characters.total()
    rising = sorted(characters.items(), key=lambda pair: (pair[1], pair[0]))
    known = tokenizer.vocabulary.ids.keys() | {old for old, _ in (*BLANKS, *DASHES)} | tokenizer.vocabulary.emoji.keys()
    return Corpus(
        files=tuple(files),
        documents=documents,
        characters=total,
        utf8_bytes=sum(len(character.encode("utf-8", "surrogatepass")) * count for character, count in rising),
        distinct_characters=len(characters),
        costs=tuple(counter.cost(total) for counter in counters),
        lost_characters=losses.characters,
        lost_by_reason=losses.by_reason,
        losses=losses.listed(),
        kinds_of_loss=losses.kinds,
        scripts=_scripts(rising),
        rarest=tuple(_character(*pair) for pair in rising[:LISTED]),
        without_entry=tuple(_character(*pair) for pair in reversed(rising) if pair[0] not in known)[:LISTED],
    )


def _scripts(rising: list[tuple[str, int]]) -> tuple[ScriptCount, ...]:
    """Characters by script; `rising` has the characters and their counts, the rarest first."""
    groups: dict[str, list[tuple[str, int]]] = {}
    for character, count in rising:
        script: str = script_of(character)
        if script == "other":
            script = f"other: {unicodedata.name(character, 'CONTROL').split()[0]}"
        groups.setdefault(script, []).append((character, count))
    counted = (
        ScriptCount(script, sum(count for _, count in found), len(found), tuple(_character(*pair) for pair in found[:RAREST]))
        for script, found in groups.items()
    )
    return tuple(sorted(counted, key=lambda each: (each.characters, each.script)))


def _character(character: str, count: int) -> Character:
    return Character(character, f"U+{ord(character):04X}", unicodedata.name(character, ""), count)
