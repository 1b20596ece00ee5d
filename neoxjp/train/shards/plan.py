"""Which part of which file goes into which shard. Only files and settings decide, never the workers.

Large files are divided where that is safe: Parquet between row groups, UTF-8 .jsonl and .txt (by lines or paragraphs) between
lines. Small files share a shard. Other files (compressed, CSV, other encodings, a .txt that is one document) are not divided.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from neoxjp.documents import (
    SUFFIXES,
    Document,
    Split,
    detect_encoding,
    line_start,
    parse_encoding,
    parse_kind,
    read_documents,
    row_group_sizes,
)
from neoxjp.errors import ParameterError, quoted

DETECT_BYTES = 1 << 24  # as in read_documents
DIVISIBLE = ("utf-8", "utf-8-sig", "ascii")  # in other encodings a byte \n may be half of a character
EXPANSION = {"": 1, ".gz": 3, ".xz": 5}  # bytes of text in a byte of a compressed file, roughly


@dataclass(frozen=True)
class ShardSettings:
    """How texts become shards. All of it changes the shards."""

    column: str = "text"  # field or column with the text
    split: Split = "file"  # what a document of a .txt is
    encoding: str = ""  # "": detected
    clean: bool = False  # replace URLs, addresses, prices and dates by tags (do_clean_text)
    shard_bytes: int = 100_000_000  # of text in a shard, roughly

    def __post_init__(self) -> None:
        if self.shard_bytes < 1:
            raise ParameterError(f"shard_bytes={self.shard_bytes!r} must be at least 1")
        if self.encoding:
            parse_encoding(self.encoding)


@dataclass(frozen=True)
class Piece:
    """A file or a part of it."""

    path: str  # absolute
    size: int  # of the file, bytes
    mtime_ns: int  # of the file
    start: int | None = None  # the part [start, stop): bytes, or row groups of a .parquet; None: the whole file
    stop: int | None = None

    @property
    def identity(self) -> tuple[object, ...]:
        """What must be unchanged; the folder may have moved."""
        return (Path(self.path).name, self.size, self.mtime_ns, self.start, self.stop)

    def documents(self, settings: ShardSettings) -> Iterator[Document]:
        """Raises ParameterError as `read_documents` does, and where the file has changed since it was planned."""
        self._check()
        part = None if self.start is None or self.stop is None else (self.start, self.stop)
        encoding = settings.encoding or ("utf-8" if part and self.start else "")  # only the beginning can have a BOM
        yield from read_documents(self.path, column=settings.column, split=settings.split, encoding=encoding or "", part=part)
        self._check()

    def _check(self) -> None:
        stat = Path(self.path).stat() if Path(self.path).is_file() else None
        if stat is not None and (stat.st_size, stat.st_mtime_ns) != (self.size, self.mtime_ns):
            raise ParameterError(f"{self.path!r} has changed while it was read: leave it as it is until all is tokenized")


@dataclass(frozen=True)
class Unit:
    """What goes into one shard."""

    number: int
    pieces: tuple[Piece, ...]

    @property
    def name(self) -> str:
        """ "shard-00012"."""
        return f"shard-{self.number:05d}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Unit":
        return cls(values["number"], tuple(Piece(**piece) for piece in values["pieces"]))


def plan(files: Iterable[str | Path], settings: ShardSettings) -> list[Unit]:
    """The shards of the files, in their order; a folder stands for the files with texts below it, sorted by name.

    Raises:
        ParameterError: there is no file; some are missing, named twice, of another kind, empty, or lack the column.
    """
    paths = list(_expand(files))
    if not paths:
        raise ParameterError("there is no file to tokenize: name files or a folder with --file")
    _check_files(paths)
    units: list[Unit] = []
    pieces: list[Piece] = []
    size = 0
    for path in paths:
        for piece, bytes_ in _pieces(path, settings):
            if pieces and size + bytes_ > settings.shard_bytes:
                units.append(Unit(len(units), tuple(pieces)))
                pieces, size = [], 0
            pieces.append(piece)
            size += bytes_
    return [*units, Unit(len(units), tuple(pieces))]


def _expand(files: Iterable[str | Path]) -> Iterator[Path]:
    for name in files:
        path = Path(name).expanduser().absolute()
        if not path.is_dir():
            yield path
            continue
        found = sorted(below for below in path.rglob("*") if below.is_file() and _is_text(below))
        if not found:
            raise ParameterError(f"the folder {str(path)!r} has no file that ends in {', '.join(SUFFIXES)} (.xz and .gz too)")
        yield from found


def _is_text(path: Path) -> bool:
    try:
        parse_kind(path)
    except ParameterError:
        return False
    return not path.name.startswith(".")


def _check_files(paths: Sequence[Path]) -> None:
    """Every fault that can be found without reading, in one message."""
    for path in paths:
        parse_kind(path)
    missing = [str(path) for path in paths if not path.is_file()]
    empty = [str(path) for path in paths if path.is_file() and not path.stat().st_size]
    twice = [str(path) for path in set(paths) if paths.count(path) > 1] if len(set(paths)) < len(paths) else []
    faults = [
        f"{len(names)} {'file' if len(names) == 1 else 'files'} {what}: {quoted(names)}"
        for names, what in ((missing, "cannot be found"), (empty, "without a single byte"), (twice, "named twice"))
        if names
    ]
    if faults:
        raise ParameterError(f"{'; '.join(faults)}. Nothing was written: correct the list of files")


def _pieces(path: Path, settings: ShardSettings) -> Iterator[tuple[Piece, int]]:
    """The pieces of a file, none of which is divided any more, and roughly how many bytes of text they have."""
    kind, packing = parse_kind(path)
    stat = path.stat()
    whole = Piece(str(path), stat.st_size, stat.st_mtime_ns)
    if kind == ".parquet":
        groups = row_group_sizes(path, settings.column)
        if not any(groups):
            raise ParameterError(f"{str(path)!r} has no rows. Nothing was written: leave it out")
        yield from ((Piece(whole.path, whole.size, whole.mtime_ns, n, n + 1), size) for n, size in enumerate(groups))
        return
    by_line = kind == ".jsonl" or (kind == ".txt" and settings.split != "file")
    if packing or not by_line or whole.size <= settings.shard_bytes or not _is_utf8(path, settings):
        yield whole, whole.size * EXPANSION[packing]
        return
    count = -(-whole.size // settings.shard_bytes)
    with path.open("rb") as file:
        blank = kind == ".txt" and settings.split == "blank"
        borders = [line_start(file, whole.size * n // count, blank=blank) for n in range(1, count)]
    borders = [0, *borders, whole.size]
    for start, stop in pairwise(borders):
        if stop > start:  # a line may be longer than a shard
            yield Piece(whole.path, whole.size, whole.mtime_ns, start, stop), stop - start


def _is_utf8(path: Path, settings: ShardSettings) -> bool:
    if settings.encoding:
        return parse_encoding(settings.encoding).codec in DIVISIBLE
    try:
        with path.open("rb") as file:
            found = detect_encoding(file, DETECT_BYTES)
    except ParameterError as error:
        raise ParameterError(f"{str(path)!r}: {error}") from error
    return found.codec in DIVISIBLE and found.confidence == "certain"
