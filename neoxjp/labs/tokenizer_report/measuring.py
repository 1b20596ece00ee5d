"""Measure tokenizers on texts, on sentences with boundaries set by hand, and on translations, in constant memory.

`measure` is a generator: it yields its progress after each piece of text and the `Report` last, so that the caller can stop it at
any piece.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from neoxjp.documents import Pair, Sentence
from neoxjp.errors import ParameterError, quoted
from neoxjp.labs.tokenizer_report.records import UNITS, Domain, OpenedTokenizer, Progress, Report
from neoxjp.labs.tokenizer_report.row_meter import RowMeter
from neoxjp.labs.tokenizer_report.spelled import spelled_lines

PIECE = 1 << 15  # characters that are measured at once
MAX_DOMAINS = 40
SPELLED = 20_000  # characters of each domain whose spellings are measured


@dataclass(frozen=True)
class TextPart:
    """A text, or a piece of one."""

    domain: str  # where it is from
    text: str
    last: bool = True  # False: the next part continues this text


@dataclass
class _Domain:
    documents: int = 0
    characters: int = 0
    utf8_bytes: int = 0
    spelled: int = 0


@dataclass
class _Counted:
    """What was measured so far."""

    domains: dict[str, _Domain] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=lambda: dict.fromkeys(UNITS, 0))
    sentences: int = 0
    pairs: int = 0
    characters: int = 0


def measure(
    texts: Iterable[TextPart],
    tokenizers: Sequence[OpenedTokenizer],
    *,
    sentences: Iterable[Sentence] = (),
    pairs: Iterable[Pair] = (),
    spelled: int = SPELLED,
) -> Iterator[Progress | Report]:
    """Measure tokenizers: yields `Progress` for each piece of text and tokenizer, and the `Report` last.

    Args:
        texts: the parts of one text one after the other.
        sentences: with word boundaries set by hand.
        pairs: of a Japanese text and its English translation.
        spelled: characters at the beginning of each domain whose spellings are measured; 0: none.

    Raises:
        ParameterError: there are too many domains, or nothing to measure on.
    """
    meters = [RowMeter(opened) for opened in tokenizers]
    counted = _Counted()
    for pair in pairs:
        counted.pairs += 1
        for meter in meters:
            meter.add_pair(*pair)
        yield Progress("pairs", counted.pairs)
    for sentence in sentences:
        counted.sentences += 1
        counted.units["short"] += len(sentence.words)
        for unit, begins in sentence.begins.items():
            counted.units[unit] += len(begins)
        for meter in meters:
            meter.add_sentence(sentence)
        yield Progress("sentences", counted.sentences)
    yield from _measure_texts(texts, meters, counted, spelled)
    if not (counted.characters or counted.sentences or counted.pairs):
        raise ParameterError(
            "the texts are empty: give files with Japanese text", ja="テキストが空です。日本語のテキストを指定してください。"
        )
    domains = tuple(Domain(name, **vars(domain)) for name, domain in counted.domains.items())
    rows = tuple(meter.row(domains) for meter in meters)
    yield Report(domains, counted.sentences, counted.units, counted.pairs, rows)


def _measure_texts(texts: Iterable[TextPart], meters: Sequence[RowMeter], counted: _Counted, spelled: int) -> Iterator[Progress]:
    for part in texts:
        if part.domain not in counted.domains:
            if len(counted.domains) == MAX_DOMAINS:
                raise _too_many(part.domain, counted)
            counted.domains[part.domain] = _Domain()
        domain = counted.domains[part.domain]
        domain.documents += part.last
        for piece in pieces(part.text):
            domain.characters += len(piece)
            domain.utf8_bytes += len(piece.encode("utf-8", "surrogatepass"))
            counted.characters += len(piece)
            for meter in meters:
                meter.add_text(part.domain, piece)
                yield Progress("texts", counted.characters)
            sample = piece[: max(spelled - domain.spelled, 0)]
            domain.spelled += len(sample)
            if sample:
                lines = list(spelled_lines(sample))
                for meter in meters:
                    meter.add_spellings(lines)
                    yield Progress("texts", counted.characters)


def pieces(text: str, size: int = PIECE) -> Iterator[str]:
    """A text in pieces of at most `size` characters that end with a line where there is one."""
    start = 0
    while start < len(text):
        end = start + size
        if end < len(text):
            end = text.rfind("\n", start, end) + 1 or end
        yield text[start:end]
        start = end


def _too_many(domain: str, counted: _Counted) -> ParameterError:
    some = quoted([*counted.domains, domain], 5)
    return ParameterError(
        f'the texts are from more than {MAX_DOMAINS} sources ({some}): a file is one source, or the field "source" of its lines '
        "names it; join sources, or leave the field out",
        ja=f"テキストの出典が {MAX_DOMAINS} 種類を超えています（{some}）。"
        "1 つのファイル、または各行の source の値が 1 つの出典です。出典をまとめるか、source を省いてください。",
    )
