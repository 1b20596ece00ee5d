"""Model folders on this machine: choose their weight files, read their JSON, replace them whole.

Loads no torch, so that a tokenizer can be loaded without it.
"""

import errno
import fnmatch
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from neoxjp.errors import CheckpointError, quoted

Format = Literal["safetensors", "pickle"]

# In order of preference: the format, its single file, its index.
LAYOUTS: tuple[tuple[Format, str, str], ...] = (
    ("safetensors", "model.safetensors", "model.safetensors.index.json"),
    ("pickle", "pytorch_model.bin", "pytorch_model.bin.index.json"),
)
INDEXES = tuple(index for _, _, index in LAYOUTS)
_STANDARD = [name for _, *layout in LAYOUTS for name in layout]
# All names of weight files in a model folder, also of old shards.
WEIGHT_PATTERNS = ("model.safetensors", "model-*-of-*.safetensors", "pytorch_model.bin", "pytorch_model-*-of-*.bin", *INDEXES)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WeightFiles:
    """Which files of a folder hold its weights."""

    folder: Path
    format: Format
    names: tuple[str, ...]  # sorted; relative to the folder
    index: str | None  # name of the index file; None for a single file
    weight_map: dict[str, str] | None  # tensor name → file name, as the index has it


BUNDLED = "bundled"  # the name of the model that comes with this package, wherever a model is named


def bundled_path() -> Path:
    """The folder of the model that comes with this package."""
    return Path(__file__).parent / "bundled"


def find_weights(
    folder: Path, *, allow_pickle: bool = False, names: Collection[str] | None = None, asked: str | None = None
) -> WeightFiles:
    """Choose the weight files of `folder`: safetensors before pickle, the single file before an index.

    Args:
        names: the files that exist, if they are not all downloaded yet (a Hub listing); only the indexes must be in the folder.
        asked: the Hub id of the folder, for an error.
    Raises:
        CheckpointError: there are none; only a pickle, without `allow_pickle`; an index that is damaged or names missing files.
    """
    repo, asked = asked, repr(asked or str(folder))
    try:
        present = {path.name for path in folder.iterdir() if path.is_file()} if names is None else set(names)
    except OSError as error:
        raise CheckpointError(
            f"the folder {asked} cannot be read: {error.strerror}",
            ja=f"フォルダー {asked} を読み込めません（{error.strerror}）。",
        ) from None
    for kind, single, index in LAYOUTS:
        found = [name for name in (single, index) if name in present]
        if not found:
            continue
        if kind == "pickle" and not allow_pickle:
            raise CheckpointError(
                f"{asked} has its weights only as a pickle ({found[0]}), and a pickle from others can run code. "
                + (f"Download it (`hf download {repo} --local-dir FOLDER`) and convert" if repo else "Convert")
                + " its folder once with `neoxjp convert FOLDER`",
                python=", or pass allow_pickle=True (read with weights_only=True)",
                ja=f"{asked} の重みは pickle（{found[0]}）だけです。pickle はコードを実行できるため読み込みません。"
                + (f"`hf download {repo} --local-dir フォルダー` でダウンロードし、" if repo else "")
                + "`neoxjp convert フォルダー` で safetensors に変換してください。",
            )
        ignored = present & set(_STANDARD) - {found[0]}
        if ignored:
            log.warning("%s holds more than one set of weights: reading %s, ignoring %s", asked, found[0], quoted(list(ignored)))
        if found[0] == single:
            return WeightFiles(folder, kind, (single,), None, None)
        weight_map = _read_weight_map(folder / index)
        shards = tuple(sorted(set(weight_map.values())))
        missing = [name for name in shards if name not in present]
        if missing:
            raise CheckpointError(
                f"{index} of {asked} names files that do not exist: {quoted(missing)}. Fetch them again",
                ja=f"{asked} の {index} にあるファイル {quoted(missing)} がありません。取得し直してください。",
            )
        return WeightFiles(folder, kind, shards, index, weight_map)
    raise CheckpointError(
        f"{asked} holds no weights: looked for {quoted(_STANDARD)}, found {quoted(list(present)) or 'nothing'}",
        ja=f"{asked} に重みのファイルがありません（model.safetensors など）。",
    )


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Raises:
        CheckpointError: the file is missing, is not UTF-8, is not JSON (names the line), or is not an object.
    """
    try:
        value = json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{str(path)!r} does not exist", ja=f"{str(path)!r} がありません。") from None
    except OSError as error:
        raise CheckpointError.unreadable(path, error) from None
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{str(path)!r} is not UTF-8 at byte {error.start}: save it as UTF-8, or fetch it again",
            ja=f"{str(path)!r} は UTF-8 ではありません（{error.start} バイト目）。UTF-8 で保存し直すか、取得し直してください。",
        ) from None
    except json.JSONDecodeError as error:
        raise CheckpointError(
            f"{str(path)!r} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}. Correct it, or fetch it again",
            ja=f"{str(path)!r} は JSON ではありません（{error.lineno} 行 {error.colno} 文字目）。修正するか、"
            "取得し直してください。",
        ) from None
    except ValueError:  # Python reads no number of more than 4,300 digits
        raise CheckpointError(
            f"{str(path)!r} holds a number of thousands of digits: fetch it again",
            ja=f"{str(path)!r} に何千桁もの数があります。取得し直してください。",
        ) from None
    except RecursionError:
        raise CheckpointError(
            f"{str(path)!r} is nested too deeply for such a file: fetch it again",
            ja=f"{str(path)!r} の入れ子が深すぎます。取得し直してください。",
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(
            f"{str(path)!r} is a JSON {type(value).__name__}, not an object {{...}}: fetch it again",
            ja=f"{str(path)!r} の内容が JSON オブジェクト {{…}} ではありません。取得し直してください。",
        )
    return value


@contextmanager
def atomic_folder(folder: Path, *, drop: Sequence[str] = ()) -> Iterator[Path]:
    """Write a folder atomically: yields a new folder beside it, which replaces it when the block ends without an error.

    Files of an existing folder that the block does not write are kept, except those that match a pattern of `drop`. If the block
    raises, the new folder is removed and the old one is unchanged. In a folder that cannot be renamed (a mount point, the working
    directory, one whose parent is read-only) the files are replaced one by one at the end.

    Raises:
        CheckpointError: the folder cannot be written, or the disk is full.
    """
    folder = folder.expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{str(folder)!r} is a file; name a folder to write")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        fixed = folder.exists() and _is_fixed(folder)
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".writing", dir=folder if fixed else folder.parent))
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        yield fresh
        if fixed:
            _move_files(fresh, folder, drop)
        else:
            _swap(fresh, folder, drop)
    except OSError as error:
        if isinstance(error, CheckpointError):
            raise
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _read_weight_map(path: Path) -> dict[str, str]:
    """The "weight_map" of an index file: tensor name → file name beside it."""
    weight_map = read_json(path).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(name, str) for name in weight_map.values()):
        raise CheckpointError(f'{str(path)!r} is not an index: it has no "weight_map" from tensor names to file names')
    outside = [name for name in weight_map.values() if not name or Path(name).name != name]
    if outside:
        raise CheckpointError(f"{str(path)!r} names files outside its folder: {quoted(sorted(set(outside)))}")
    return weight_map


def _is_fixed(folder: Path) -> bool:
    """Whether a folder cannot be renamed, or should not be because it is the working directory of a shell."""
    here = Path.cwd()
    return os.path.ismount(folder) or folder in (here, *here.parents) or not os.access(folder.parent, os.W_OK)


def _swap(fresh: Path, folder: Path, drop: Sequence[str]) -> None:
    """Replace `folder` by `fresh`, after linking the files to keep into it."""
    if not folder.exists():
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(fresh, 0o777 & ~mask)  # mkdtemp made it private
        os.rename(fresh, folder)
        _sync_folder(folder.parent)
        return
    for old in folder.iterdir():
        if not (fresh / old.name).exists() and not any(fnmatch.fnmatch(old.name, pattern) for pattern in drop):
            _keep(old, fresh / old.name)
    shutil.copymode(folder, fresh)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent))
    try:
        os.rename(folder, aside)
        os.rename(fresh, folder)
        _sync_folder(folder.parent)
    except BaseException:  # Ctrl-C may come right after either of them
        if not folder.exists():
            os.rename(aside, folder)
        raise
    finally:
        if folder.exists():
            shutil.rmtree(aside, ignore_errors=True)


def sync(file: IO[Any]) -> None:
    """Wait until what was written to a file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """The same for the names in a folder, where the system has that."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _keep(old: Path, new: Path) -> None:
    """Link a file or folder to `new`, or copy it where the file system has no links. Symbolic links stay symbolic links."""
    if old.is_dir() and not old.is_symlink():
        shutil.copytree(old, new, symlinks=True, copy_function=_link)
    else:
        _link(old, new)


def _link(old: str | Path, new: str | Path) -> None:
    try:
        os.link(old, new, follow_symlinks=False)
    except OSError:
        shutil.copy2(old, new, follow_symlinks=False)


def _move_files(fresh: Path, folder: Path, drop: Sequence[str]) -> None:
    """Move the files of `fresh` over those of `folder`, then remove what is to be dropped."""
    written = {path.name for path in fresh.iterdir()}
    for name in sorted(written):
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            shutil.rmtree(folder / name)
        os.replace(fresh / name, folder / name)
    for old in folder.iterdir():
        if old != fresh and old.name not in written and any(fnmatch.fnmatch(old.name, pattern) for pattern in drop):
            old.unlink()


def write_error(folder: Path, error: OSError) -> CheckpointError:
    """The error to raise when a folder cannot be written."""
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(_existing(folder)).free
        return CheckpointError(
            f"the disk is full: {str(folder)!r} was not written ({free:,} bytes free there); what was there before is unchanged",
            ja=f"ディスクの空きが足りず {str(folder)!r} を書き込めませんでした（以前の内容はそのままです）。",
        )
    return CheckpointError(f"{str(folder)!r} cannot be written: {error.strerror or error}; what was there before is unchanged")


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
