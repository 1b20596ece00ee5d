"""The texts of a report from files and folders: each is one domain; a field `source` in the lines of a file names others."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from neoxjp.documents import SUFFIXES, parse_kind, read_documents
from neoxjp.errors import ParameterError
from neoxjp.labs.tokenizer_report.measuring import TextPart

PACKED = (".xz", ".gz")


def find_files(paths: Sequence[Path]) -> dict[Path, str]:
    """Each file of the paths with its domain: the name of the file or folder, with its place where two names are the same.

    Raises:
        ParameterError: a path does not exist, is of no kind that can be read, or is a folder without such files.
    """
    names = [path.resolve().name for path in paths]
    found: dict[Path, str] = {}
    for path, name in zip(paths, names, strict=True):
        domain = name if names.count(name) == 1 else str(path)
        if not path.is_dir():
            if not path.is_file():
                raise ParameterError(f"no file or folder {str(path)!r}", ja=f"ファイル {str(path)!r} がありません。")
            parse_kind(path)
            found[path] = domain
            continue
        files = [file for file in sorted(path.rglob("*")) if file.is_file() and _readable(file)]
        if not files:
            raise ParameterError(
                f"the folder {str(path)!r} has no texts: they end in {', '.join(SUFFIXES)} (.xz and .gz too)",
                ja=f"フォルダー {str(path)!r} にテキスト（{', '.join(SUFFIXES)}）がありません。",
            )
        found |= dict.fromkeys(files, domain)
    return found


def _readable(file: Path) -> bool:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    return bool(suffixes) and (
        suffixes[-1] in SUFFIXES or (suffixes[-1] in PACKED and suffixes[-2:-1] in [[s] for s in SUFFIXES])
    )


def read_texts(
    files: dict[Path, str], column: str, encoding: str, on_read: Callable[[int], object] | None = None
) -> Iterator[TextPart]:
    """The texts of files in order.

    Args:
        files: each with its domain, see `find_files`.
        column: field or column with the text, of a file that has fields.
        encoding: "": detected.
        on_read: is called with the bytes read so far of all files, before each text.

    Raises:
        ParameterError: naming file and line, where a file cannot be read.
    """
    before = 0
    for path, domain in files.items():
        has_fields = parse_kind(path)[0] != ".txt"
        read = (lambda position, start=before: on_read(start + position)) if on_read else None
        for document in read_documents(path, column=column, encoding=encoding, on_read=read):
            source = document.source if has_fields else ""
            yield TextPart(source or domain, document.text, not document.continues)
        before += path.stat().st_size
