"""Find a model by its name: a folder of this machine, or a Hugging Face Hub id whose files are downloaded.

huggingface_hub does the work, so its conventions apply: HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE, HF_TOKEN, refs and snapshots.
Loads no torch, so that a tokenizer can be loaded without it.
"""

import errno
import glob
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from neoxjp.errors import CheckpointError, quoted
from neoxjp.hub.local import BUNDLED, INDEXES, LAYOUTS, bundled_path, find_weights

ABEJA = "abeja/gpt-neox-japanese-2.7b"
# Hub ids whose main branch holds only a pickle → the revision with the Hub's own conversion to safetensors (refs/pr/3 there).
KNOWN_CONVERSIONS = {ABEJA: "c66b2f2a6852b9fa9887787950a5b66b39353c07"}

HUB_SECONDS = 10  # for an answer about a repository; huggingface_hub itself waits without an end
Progress = Callable[[int, int], None]  # (bytes done, bytes in total); may be called from another thread
log = logging.getLogger(__name__)


def resolve_folder(
    name_or_path: str | Path,
    *,
    files: Sequence[str],
    optional: Sequence[str] = (),
    revision: str | None = None,
    local_files_only: bool = False,
    progress: Progress | None = None,
) -> Path:
    """The folder that holds `files` and, where they exist, `optional`: a local one as it is, a Hub id after a download.

    Raises:
        CheckpointError: no such folder, id or revision; the Hub cannot be reached and a file is not cached; a file is missing.
    """
    local = local_folder(name_or_path)
    if local is not None:
        _check_present(local, files)
        return local
    repo = str(name_or_path)
    folder = _download(repo, [*files, *optional], revision, local_files_only, progress)
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        found, from_hub = _listing(repo, folder, local_files_only)
        if not from_hub:
            raise _not_cached(_named(repo, None), missing)
        raise CheckpointError(
            f"{repo!r} at revision {revision or 'main'!r} lacks {quoted(missing)}; it holds {quoted(found) or 'nothing'}",
            ja=f"{repo!r} に {quoted(missing)} がありません。",
        )
    return folder


def resolve_file(
    repo: str,
    names: Sequence[str],
    *,
    revision: str | None = None,
    max_bytes: int | None = None,
    local_files_only: bool = False,
) -> Path:
    """One file of a Hub repository: the first of `names` in the cache; if none is cached, the first in the repository.

    Nothing larger than `max_bytes` is downloaded.

    Raises:
        CheckpointError: no such id or revision; it is gated; the Hub cannot be reached; no such file; the file is too large.
    """
    from huggingface_hub import HfApi, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import OfflineModeIsEnabled

    at, at_ja = _named(repo, revision)
    with _hub_errors(repo, revision):
        for name in names:
            cached = try_to_load_from_cache(repo, name, revision=revision)
            if isinstance(cached, str):
                return Path(cached)
        if local_files_only:
            raise _not_cached((at, at_ja), names)
        try:
            # One request with a timeout: huggingface_hub's own functions retry for most of a minute.
            about = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=HUB_SECONDS)
            held = {file.rfilename: file.size for file in about.siblings or []}
            found = [name for name in names if name in held]
            if not found:
                raise CheckpointError(
                    f"{at} lacks {quoted(list(names))}; it holds {quoted(list(held)) or 'nothing'}",
                    ja=f"{at_ja} に {quoted(list(names))} がありません。",
                )
            name, size = found[0], held[found[0]]
            if max_bytes is not None and (size is None or size > max_bytes):
                count = "an unknown number of" if size is None else f"{size:,}"
                raise CheckpointError(
                    f"{name} of {at} has {count} bytes; at most {max_bytes:,} are downloaded",
                    ja=f"{at_ja} の {name} は大きすぎます（ダウンロードは {max_bytes:,} バイトまで）。",
                )
            return Path(hf_hub_download(repo, name, revision=revision))
        except OfflineModeIsEnabled as error:
            raise _not_cached((at, at_ja), names) from error
        except Exception as error:
            if not _is_network_error(error):
                raise
            raise CheckpointError(
                f"the Hub cannot be reached ({type(error).__name__}), and {quoted(list(names))} of {at} is not in the cache",
                ja=f"Hub に接続できず、{at_ja} はキャッシュにもありません。",
            ) from error


def resolve_model(
    name_or_path: str | Path,
    *,
    revision: str | None = None,
    local_files_only: bool = False,
    allow_pickle: bool = False,
    optional: Sequence[str] = (),
    progress: Progress | None = None,
) -> Path:
    """The folder with config.json and the weights (one file or shards). Only the format that will be read is downloaded.

    Where they exist, also the files `optional`. A Hub id without a revision, whose main branch holds only a pickle, is taken
    from its known conversion to safetensors.

    Raises:
        CheckpointError: as `resolve_folder`; no weights; an index with missing files; only a pickle, without `allow_pickle`.
    """
    local = local_folder(name_or_path)
    if local is not None:
        _check_present(local, ["config.json"])
        find_weights(local, allow_pickle=allow_pickle)
        return local

    repo = str(name_or_path)
    conversion = KNOWN_CONVERSIONS.get(repo) if revision is None else None
    folder = resolve_folder(repo, files=["config.json"], optional=INDEXES, revision=revision, local_files_only=local_files_only)
    names, from_hub = _listing(repo, folder, local_files_only)
    if conversion and not set(LAYOUTS[0][1:]) & set(names):
        log.info("%s: main holds no safetensors; taking their conversion at revision %s", repo, conversion)
        return resolve_model(repo, revision=conversion, local_files_only=local_files_only, optional=optional, progress=progress)
    if not from_hub and not {name for _, *layout in LAYOUTS for name in layout} & set(names):
        raise _not_cached(_named(repo, revision), [LAYOUTS[0][1]])
    weights = find_weights(folder, allow_pickle=allow_pickle, names=names, asked=repo)
    # By the snapshot's own revision: the branch may have moved meanwhile, and config and weights must be of one commit.
    return resolve_folder(
        repo,
        files=weights.names,
        optional=optional,
        revision=folder.name,
        local_files_only=not from_hub,
        progress=progress,
    )


def revision_of(folder: Path) -> str | None:
    """The commit of a snapshot folder in the Hub's cache; None for any other folder."""
    return folder.name if folder.parent.name == "snapshots" and re.fullmatch(r"[0-9a-f]{40}", folder.name) else None


def local_folder(name_or_path: str | Path) -> Path | None:
    """The local folder meant, or None where the name can only be a Hub id. "bundled" is the model of this package."""
    if str(name_or_path) == BUNDLED:
        return bundled_path()
    try:
        path = Path(name_or_path).expanduser()
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, RuntimeError) as error:  # a name that is too long, a folder without permission, "~nobody"
        why = getattr(error, "strerror", None) or error
        raise CheckpointError(
            f"{str(name_or_path)!r:.80} cannot be opened ({why}): name a folder of this machine or a Hub id",
            ja=f"{str(name_or_path)!r:.80} は開けません（{why}）。このマシンのフォルダーか Hub の ID を指定してください。",
        ) from None
    if is_folder:
        return path
    if exists:
        raise CheckpointError(
            f"{str(name_or_path)!r} is a file; name the folder that holds it",
            ja=f"{str(name_or_path)!r} はファイルです。フォルダーを指定してください。",
        )
    is_id = isinstance(name_or_path, str) and re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", name_or_path, re.ASCII)
    if not is_id:
        raise CheckpointError(
            f"no folder {str(name_or_path)!r}, and it is not a Hub id (those read 'owner/name')",
            ja=f"フォルダー {str(name_or_path)!r} がありません。Hub の ID は「所有者/名前」の形式で指定してください。",
        )
    return None


def _check_present(folder: Path, files: Sequence[str]) -> None:
    try:
        missing = [name for name in files if not (folder / name).is_file()]
        found = [path.name for path in folder.iterdir()] if missing else []
    except OSError as error:
        raise CheckpointError(
            f"the folder {str(folder)!r} cannot be read: {error.strerror}",
            ja=f"フォルダー {str(folder)!r} を読み込めません（{error.strerror}）。",
        ) from None
    if missing:
        raise CheckpointError(
            f"the folder {str(folder)!r} lacks {quoted(missing)}; it holds {quoted(found) or 'nothing'}",
            ja=f"フォルダー {str(folder)!r} に {quoted(missing)} がありません。",
        )


def _download(repo: str, files: Sequence[str], revision: str | None, local_files_only: bool, progress: Progress | None) -> Path:
    """Fetch those of `files` that exist at the revision; the snapshot folder of huggingface_hub's cache."""
    from huggingface_hub import errors, snapshot_download

    with _hub_errors(repo, revision):
        try:
            folder = snapshot_download(
                repo,
                revision=revision,
                allow_patterns=[glob.escape(name) for name in files],
                local_files_only=local_files_only or not _answers(repo, revision),
                tqdm_class=_progress_class(progress) if progress else None,
            )
        except errors.LocalEntryNotFoundError as error:
            if not hasattr(error, "snapshot_path"):
                raise
            folder = str(error.snapshot_path)  # partly cached: the caller checks for its files
    return Path(folder)


def _answers(repo: str, revision: str | None) -> bool:
    """Whether the Hub answers, if only with an error: snapshot_download waits for it without an end."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        HfApi().model_info(repo, revision=revision, timeout=HUB_SECONDS)
    except (HfHubHTTPError, OfflineModeIsEnabled):
        return True
    except Exception as error:
        if not _is_network_error(error):
            raise
        log.info("%s: the Hub cannot be reached (%s); using the cache", repo, type(error).__name__)
        return False
    return True


def _listing(repo: str, folder: Path, local_files_only: bool) -> tuple[list[str], bool]:
    """The file names at a snapshot's revision and True, from the Hub; if it cannot be reached, those in the cache and False."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    cached = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    if local_files_only:
        return cached, False
    try:
        # Not list_repo_files, which retries for most of a minute.
        about = HfApi().model_info(repo, revision=folder.name, timeout=HUB_SECONDS)
        return sorted(file.rfilename for file in about.siblings or []), True
    except (HfHubHTTPError, OfflineModeIsEnabled) as error:
        log.info("%s: the Hub does not answer (%s); using the cache", repo, type(error).__name__)
    except Exception as error:
        if not _is_network_error(error):
            raise
        log.info("%s: the Hub cannot be reached (%s); using the cache", repo, type(error).__name__)
    return cached, False


@contextmanager
def _hub_errors(repo: str, revision: str | None) -> Iterator[None]:
    """Turn huggingface_hub's errors into one sentence with what to do."""
    from huggingface_hub import errors

    at, at_ja = _named(repo, revision)
    try:
        yield
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"{at} is gated: accept its conditions on its Hub page, then log in with `hf auth login`",
            ja=f"{at_ja} を使うには、Hub のページで利用条件に同意し、ログインする必要があります。",
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"no folder {repo!r} here and no model of that name on the Hub; a private one needs `hf auth login` or HF_TOKEN",
            ja=f"{repo!r} というフォルダーも Hub のモデルもありません。"
            "非公開のモデルには `hf auth login` か HF_TOKEN が必要です。",
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(
            f"{repo!r} has no revision {revision!r}: give a branch, a tag or a commit",
            ja=f"{repo!r} にリビジョン {revision!r} はありません。",
        ) from error
    except errors.LocalEntryNotFoundError as error:
        raise _not_cached((at, at_ja)) from error
    except errors.HFValidationError as error:
        raise CheckpointError(
            f"no folder {repo!r}, and it is not a Hub id: {error}",
            ja=f"{repo!r} というフォルダーはなく、Hub の ID としても正しくありません。",
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise CheckpointError(
                f"the disk is full: {at} does not fit under HF_HOME; free some space or point HF_HOME elsewhere",
                ja=f"ディスクの空きが足りず {at_ja} をダウンロードできません。",
            ) from error
        if isinstance(error, errors.HfHubHTTPError) or _is_network_error(error):
            raise CheckpointError(
                f"downloading {at} failed: {type(error).__name__}: {error}. Downloaded parts are kept: try again",
                ja=f"{at_ja} のダウンロードに失敗しました。もう一度お試しください。",
            ) from error
        raise


def _named(repo: str, revision: str | None) -> tuple[str, str]:
    """The repository and its revision in a message: English, Japanese."""
    if not revision:
        return f"{repo!r}", f"{repo!r}"
    return f"{repo!r} at revision {revision!r}", f"{repo!r}（リビジョン {revision!r}）"


def _not_cached(named: tuple[str, str], names: Sequence[str] = ()) -> CheckpointError:
    at, at_ja = named
    files = quoted(list(names))
    what = f"{files} of {at}" if files else at
    return CheckpointError(
        f"{what} is not in the cache, and the Hub cannot be reached (or offline mode is on). Load it once while online",
        ja=f"{at_ja} {f'の {files} ' if files else ''}はキャッシュになく、Hub にも接続できません（またはオフラインモードです）。"
        "オンラインのときに一度読み込んでください。",
    )


def _is_network_error(error: Exception) -> bool:
    """Whether the HTTP client failed. By package name, because huggingface_hub has changed its client between versions."""
    package = type(error).__module__.split(".")[0]
    return isinstance(error, ConnectionError | TimeoutError) or package in ("httpx", "httpx2", "requests")


def _progress_class(report: Progress) -> type:
    """A tqdm class that draws nothing and reports the largest of huggingface_hub's byte counts."""
    from tqdm.std import tqdm  # type: ignore[import-untyped]

    class Nowhere:
        def write(self, text: str) -> int:
            return len(text)

        def flush(self) -> None:
            return None

    reached = 0

    class Bar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any):
            self.counts_bytes = kwargs.get("unit") == "B"
            super().__init__(*args, **{**kwargs, "file": Nowhere(), "disable": False})

        def update(self, n: float | None = 1) -> bool | None:
            nonlocal reached
            shown = super().update(n)
            if self.counts_bytes and self.total and self.n > reached:
                reached = int(self.n)
                report(reached, int(self.total))
            return shown

    return Bar
