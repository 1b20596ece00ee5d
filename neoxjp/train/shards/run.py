"""All shards of a corpus: a folder that one run at a time writes, what is finished already, and the manifest at the end.

Whoever encodes is passed in, so this is tested without Ray.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from neoxjp.errors import NeoxjpError, ParameterError
from neoxjp.hub import read_json
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer
from neoxjp.train.corpus import fingerprint, ids_dtype
from neoxjp.train.folder_lock import only_run
from neoxjp.train.shards.plan import ShardSettings, Unit, plan
from neoxjp.train.shards.reader import MANIFEST
from neoxjp.train.shards.writer import Shard, write_json

VERSION = 1  # of the format; anything else is refused


@dataclass(frozen=True)
class Outcome:
    """What a run has done."""

    folder: Path
    shards: list[Shard] = field(repr=False)
    written: int = 0  # shards of this run; the others were finished before
    written_bytes: int = 0  # of text in these
    seconds: float = 0.0  # of encoding, from the first worker's start to the last one's end; 0: not measured

    @property
    def totals(self) -> dict[str, int]:
        """Documents, characters, tokens and bytes of all shards."""
        names = ("documents", "characters", "tokens", "bytes")
        return {name: sum(getattr(shard, name) for shard in self.shards) for name in names}


Execute = Callable[[Sequence[Unit], Path, ShardSettings], Iterable[Shard]]


def tokenize_files(
    files: Iterable[str | Path],
    folder: Path,
    tokenizer: GPTNeoXJapaneseTokenizer,
    settings: ShardSettings,
    execute: Execute,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Write the shards of the files that are not there yet, then the manifest.

    Args:
        execute: writes shards in any order and yields them.
        progress: gets the numbers of finished and of all shards.

    Raises:
        ParameterError: a file cannot be used, was changed, or the settings differ from those of the finished shards; another
            run writes there. Finished shards stay.
    """
    folder = folder.expanduser().absolute()
    units = plan(files, settings)
    with _only_run(folder):
        facts = _prepare(folder, tokenizer, settings)
        done = _finished(folder, units, ids_dtype(tokenizer).itemsize)
        before = set(done)
        try:
            for shard in execute([unit for unit in units if unit.number not in done], folder, settings):
                done[shard.unit.number] = shard
                if progress:
                    progress(len(done), len(units))
        except NeoxjpError as error:
            raise type(error)(
                f"{error}. {len(done)} of {len(units)} shards are finished, and the same command continues"
            ) from error
        shards = [done[unit.number] for unit in units]
        fresh = [shard.bytes for shard in shards if shard.unit.number not in before]
        outcome = Outcome(folder, shards, len(fresh), sum(fresh))
        if not outcome.totals["characters"]:
            raise ParameterError("there is no text to tokenize: every document is empty")
        write_json(folder / MANIFEST, facts | outcome.totals | {"complete": True, "shards": [s.as_dict() for s in shards]})
        for shard in shards:
            (folder / f"{shard.unit.name}.json").unlink(missing_ok=True)  # the manifest has it
    return outcome


@contextmanager
def _only_run(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; a new folder that stays empty is removed again."""
    fresh = not folder.exists()
    with only_run(folder):
        try:
            yield
        except BaseException:
            if fresh and not any(folder.glob("shard-*")):
                shutil.rmtree(folder, ignore_errors=True)
            raise


def _prepare(folder: Path, tokenizer: GPTNeoXJapaneseTokenizer, settings: ShardSettings) -> dict[str, Any]:
    """Write vocabulary and settings into a new folder; compare them with those of an old one. Returns what the manifest has."""
    dtype, vocabulary = ids_dtype(tokenizer).name, fingerprint(tokenizer)
    facts = {"version": VERSION, "dtype": dtype, "vocabulary": vocabulary, "settings": asdict(settings)}
    if not (folder / MANIFEST).is_file():
        found = [path.name for path in folder.iterdir() if path.name not in ("vocabulary", ".lock")]
        if found:
            raise ParameterError(f"{str(folder)!r} is not empty, and nothing in it is from this command: name another folder")
        tokenizer.save_pretrained(folder / "vocabulary")
        write_json(folder / MANIFEST, facts | {"complete": False})
        return facts
    was = _flat(read_json(folder / MANIFEST))
    changed = [f"{name}={was.get(name)!r} (now {value!r})" for name, value in _flat(facts).items() if was.get(name) != value]
    if changed:
        raise ParameterError(
            f"{str(folder)!r} was started with {', '.join(changed)}: continue with the same settings, or name another folder"
        )
    for path in folder.glob(".*.part"):  # of a run that was killed
        path.unlink(missing_ok=True)
    return facts


def _flat(facts: dict[str, Any]) -> dict[str, Any]:
    return facts | facts.get("settings", {}) | {"settings": None}


def _finished(folder: Path, units: Sequence[Unit], itemsize: int) -> dict[int, Shard]:
    """The shards that are there, by number. Raises ParameterError where one was made of other texts than are named now."""
    records = [*read_json(folder / MANIFEST).get("shards", ()), *map(read_json, sorted(folder.glob("shard-*.json")))]
    done = {}
    for shard in map(Shard.from_dict, records):
        file = folder / shard.file
        if not file.is_file() or file.stat().st_size != shard.tokens * itemsize:
            continue  # it is written again
        now = units[shard.unit.number].pieces if shard.unit.number < len(units) else ()
        if [piece.identity for piece in now] != [piece.identity for piece in shard.unit.pieces]:
            names = {Path(piece.path).name: piece for unit in units for piece in unit.pieces}
            changed = [
                piece.path
                for piece in shard.unit.pieces
                if (other := names.get(Path(piece.path).name)) and (other.size, other.mtime_ns) != (piece.size, piece.mtime_ns)
            ]
            what = f"{changed[0]!r} has changed since" if changed else "the list of files has changed since"
            raise ParameterError(f"{what} {str(file)!r} was made of it: name another folder, or delete this one and start again")
        done[shard.unit.number] = shard
    return done
