"""Write the page as a Hugging Face Space: a folder that can be pushed as it is.

    python space/build.py OUT                                          # serves the bundled model
    python space/build.py OUT --model abeja/gpt-neox-japanese-2.7b     # serves another one, downloaded when the Space is built
    python space/build.py OUT --push USER/NAME                         # also creates or updates the Space

OUT is written completely or not at all; other files in it, such as `.git`, are kept. Nothing is installed. The network is used
only for --push and to list the files of another model.
"""

import argparse
import ast
import importlib.metadata
import json
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from neoxjp.errors import CheckpointError, NeoxjpError, ParameterError  # noqa: E402
from neoxjp.hub import ABEJA, KNOWN_CONVERSIONS, atomic_folder  # noqa: E402

COPIED = ("neoxjp", "app.py", "LICENSE")
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.py[cod]", ".*", "*.writing", "*.old")
LFS_FROM = 10_000_000  # bytes; larger files are refused by the Hub's git unless they are in LFS
REQUIRED = ("config.json", "vocab.txt", "emoji.json")
# Listed here, so that building for this model needs no network.
ABEJA_FILES = (*REQUIRED, "tokenizer_config.json", "model.safetensors")
SHORT_DESCRIPTION = "Watch GPT-NeoX-Japanese read and write, token by token"  # a Space takes at most 60 characters
HTTP_CLIENTS = ("httpx", "httpx2", "requests")
PREINSTALLED = ("gradio", "spaces")  # Spaces install these themselves, gradio in the version of sdk_version


@dataclass(frozen=True)
class ServedModel:
    """A model on the Hub that the Space serves instead of the bundled one."""

    name: str
    revision: str  # the commit: a branch could change under a running Space
    files: tuple[str, ...]  # downloaded when the Space is built
    dtype: str = "auto"
    quantization: str | None = None

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that name the model."""
        named = {"NEOXJP_MODEL": self.name, "NEOXJP_REVISION": self.revision, "NEOXJP_DTYPE": self.dtype}
        return named | ({"NEOXJP_QUANTIZATION": self.quantization} if self.quantization else {})

    @property
    def preload(self) -> str:
        """The entry of `preload_from_hub`: what to download when the Space is built."""
        return f"{self.name} {','.join(self.files)} {self.revision}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, and push with --push. Returns the exit code: 0, or 2 after one line about an expected error."""
    parser = argparse.ArgumentParser(description="Write the page as a Hugging Face Space.")
    parser.add_argument("out", type=Path, help="folder to write; a folder with other files that is not a Space is refused")
    parser.add_argument("--model", help="Hub id of the model to serve (default: the bundled one)")
    parser.add_argument("--revision", help="its commit, branch or tag (default: the known safetensors conversion, or main)")
    parser.add_argument(
        "--dtype", default="auto", choices=["auto", "float32", "bfloat16", "float16"], help="precision of its weights"
    )
    parser.add_argument(
        "--quantization",
        choices=["int8", "int4"],
        help="int8: one byte per weight; int4: 4.5 bits, on two CPU cores the fastest for long outputs",
    )
    parser.add_argument("--push", metavar="USER/NAME", help="create or update this Space; log in with `hf auth login` first")
    parser.add_argument("--private", action="store_true", help="with --push: a new Space is private")
    options = parser.parse_args(arguments)
    try:
        if not options.model and (options.revision or options.dtype != "auto" or options.quantization):
            raise ParameterError("--revision, --dtype and --quantization need --model: they do not apply to the bundled model")
        served = None
        if options.model:
            served = find_model(options.model, options.revision, options.dtype, options.quantization)
        folder = build(options.out, served)
        print(f"wrote {folder}")
        if options.push:
            print(f"pushed {push(folder, options.push, served, private=options.private)}")
    except NeoxjpError as error:
        print(f"space/build.py: {error}", file=sys.stderr)
        return 2
    return 0


def find_model(name: str, revision: str | None = None, dtype: str = "auto", quantization: str | None = None) -> ServedModel:
    """Find the commit of a model on the Hub and the files that are needed to serve it.

    Raises:
        CheckpointError: no such model; it has no safetensors weights, or a file of the tokenizer is missing; no network.
    """
    if revision in (None, KNOWN_CONVERSIONS[ABEJA]) and name == ABEJA:
        return ServedModel(name, KNOWN_CONVERSIONS[ABEJA], ABEJA_FILES, dtype, quantization)
    if Path(name).exists():
        raise CheckpointError(f"{name!r} is a local folder, which a Space cannot read: name a Hub id, or leave --model out")
    from huggingface_hub import HfApi

    with _hub_errors(name):
        info = HfApi().model_info(name, revision=revision)
    present = [sibling.rfilename for sibling in info.siblings or []]
    weights = [file for file in present if re.fullmatch(r"model(-\d+-of-\d+)?\.safetensors(\.index\.json)?", file)]
    missing = [file for file in REQUIRED if file not in present] + ([] if weights else ["model.safetensors"])
    if missing or not info.sha:
        raise CheckpointError(f"{name!r} at revision {revision or 'main'!r} has no {', '.join(missing)}: a Space cannot serve it")
    optional = [file for file in ("tokenizer_config.json",) if file in present]
    return ServedModel(name, info.sha, (*REQUIRED, *optional, *sorted(weights)), dtype, quantization)


def build(out: Path, served: ServedModel | None = None, *, root: Path = ROOT) -> Path:
    """Write the files of the Space to the folder `out` and return it. root: the repository that they come from.

    Raises:
        CheckpointError: `out` has files and is not a Space, or cannot be written; the repository has no bundled model.
    """
    _check_out(out)
    if not (root / "neoxjp/hub/bundled/config.json").is_file() and served is None:
        raise CheckpointError(f"{str(root / 'neoxjp/hub/bundled')!r} has no model to serve: name one with --model")
    with atomic_folder(out) as fresh:
        for name in COPIED:
            source = root / name
            if source.is_dir():
                shutil.copytree(source, fresh / name, ignore=NOT_COPIED)
            else:
                shutil.copyfile(source, fresh / name)
        if served is not None:
            _write(fresh / "app.py", with_variables((root / "app.py").read_text(encoding="utf-8"), served.variables))
        _write(fresh / "requirements.txt", requirements((root / "requirements.txt").read_text(encoding="utf-8")))
        shutil.copyfile(root / "space/packages.txt", fresh / "packages.txt")
        _write(fresh / "README.md", readme((root / "space/README.md").read_text(encoding="utf-8"), served))
        _write(fresh / ".gitattributes", git_attributes(fresh))
    return out


def readme(body: str, served: ServedModel | None = None) -> str:
    """The README of the Space: its settings as YAML, then `body` with {{MODEL}} and {{PRELOAD}} replaced."""
    from huggingface_hub.utils import yaml_dump

    settings: dict[str, object] = {
        "title": "neoxjp",
        "emoji": "🐈",
        "colorFrom": "indigo",
        "colorTo": "gray",
        "sdk": "gradio",
        "sdk_version": importlib.metadata.version("gradio"),
        "python_version": "3.12",
        "app_file": "app.py",
        "license": "mit",
        "short_description": SHORT_DESCRIPTION,
        "tags": ["japanese", "gpt-neox", "tokenizer", "text-generation"],
        "startup_duration_timeout": "1h",
    }
    model = "the small model in `neoxjp/hub/bundled`, which knows no facts"
    if served is not None:
        settings |= {"models": [served.name], "preload_from_hub": [served.preload]}
        model = f"[{served.name}](https://huggingface.co/{served.name}/tree/{served.revision})"
    preload = (served or find_model(ABEJA)).preload
    body = body.replace("{{MODEL}}", model).replace("{{PRELOAD}}", preload)
    return f"---\n{yaml_dump(settings, sort_keys=False, width=1_000)}---\n\n{body}"


def requirements(text: str) -> str:
    """The requirements of the Space: without the packages that Spaces install themselves.

    Raises:
        CheckpointError: a line is an option, a path or a URL, which a Space cannot install.
    """
    lines = []
    for line in text.splitlines():
        requirement = line.split("#")[0].strip()
        name = re.match(r"[A-Za-z0-9][\w.-]*", requirement)
        if requirement and (name is None or re.search(r"[/\\@]|://", requirement)):
            raise CheckpointError(f"requirements.txt says {requirement!r}: a Space can install only packages by name")
        if name is None or name[0].lower() not in PREINSTALLED:
            lines.append(line)
    return "\n".join(lines) + "\n"


def with_variables(source: str, variables: dict[str, str]) -> str:
    """app.py with defaults for environment variables before its first import; the settings of the Space override them."""
    first = ast.parse(source).body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    at = (first.end_lineno or 0) if is_docstring else 0
    lines = source.splitlines()
    defaults = [f"os.environ.setdefault({json.dumps(name)}, {json.dumps(value)})" for name, value in variables.items()]
    block = ["", "import os", "", "# Defaults: the variables in the settings of the Space override them.", *defaults]
    return "\n".join([*lines[:at], *block, *lines[at:]]) + "\n"


def git_attributes(folder: Path) -> str:
    """The .gitattributes of the Space: a line for each file that git must store in LFS."""
    large = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.stat().st_size >= LFS_FROM
    )
    return "".join(f"{name.replace(' ', '[[:space:]]')} filter=lfs diff=lfs merge=lfs -text\n" for name in large)


def push(folder: Path, repo: str, served: ServedModel | None = None, *, private: bool = False) -> str:
    """Create the Space or update it in one commit; returns its URL.

    Variables are set only on a new Space: its owner may have changed those of an existing one.

    Raises:
        CheckpointError: the name is wrong, you are not logged in, or the Hub cannot be reached.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    variables = [{"key": key, "value": value} for key, value in served.variables.items()] if served else None
    with _hub_errors(repo):
        url = api.create_repo(
            repo, repo_type="space", space_sdk="gradio", private=private or None, exist_ok=True, space_variables=variables
        )
        api.upload_folder(
            repo_id=repo,
            repo_type="space",
            folder_path=folder,
            commit_message="Update the playground",
            ignore_patterns=[".git/**"],
            delete_patterns=[f"{name}/*" for name in COPIED],  # files of an older version
        )
    return str(url)


def _check_out(out: Path) -> None:
    if not out.is_dir() or not any(path.name != ".git" for path in out.iterdir()):
        return
    card = out / "README.md"
    if not card.is_file() or "\nsdk: gradio\n" not in card.read_text(encoding="utf-8", errors="replace")[:2_000]:
        raise CheckpointError(f"{str(out)!r} has files and is not a Space (no README.md with `sdk: gradio`): name a new folder")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def _hub_errors(name: str) -> Iterator[None]:
    """Raise the errors of the Hub's client as a CheckpointError of one line."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError, OfflineModeIsEnabled

    try:
        yield
    except (HFValidationError, LocalTokenNotFoundError) as error:
        raise CheckpointError(f"{name!r}: {error}") from error
    except OfflineModeIsEnabled as error:
        raise CheckpointError(f"{name!r}: HF_HUB_OFFLINE is set: unset it") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no"
        hint = "; log in with `hf auth login` or set HF_TOKEN to a token with write access" if status in (401, 403) else ""
        raise CheckpointError(f"{name!r}: the Hub answered {status}: {error.server_message or error}{hint}") from error
    except Exception as error:
        # The HTTP package of the client differs between its versions: known by name.
        if not isinstance(error, ConnectionError | TimeoutError) and type(error).__module__.split(".")[0] not in HTTP_CLIENTS:
            raise
        raise CheckpointError(f"{name!r}: the Hub cannot be reached ({type(error).__name__}: {error})") from error


if __name__ == "__main__":
    sys.exit(main())
