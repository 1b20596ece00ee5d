"""Tokenizers of the Hugging Face Hub: the names offered, and one file of a repository, downloaded once.

Downloads are limited to `MAX_BYTES` and stored in huggingface_hub's cache; cached files are used without a request.
"""

from dataclasses import dataclass

from neoxjp.compare import files
from neoxjp.compare.pieces import Peer
from neoxjp.errors import CheckpointError, PeerUnavailable
from neoxjp.hub import resolve_file

MAX_BYTES = 64 * 2**20  # of one file; the largest offered, Gemma's, has about 33 MB
# The files to look for in a repository; the first that exists is used.
NAMES = (
    "tokenizer.json", "tekken.json", "spiece.model", "tokenizer.model", "spm.model", "sentencepiece.bpe.model",
    "original/tokenizer.model", "qwen.tiktoken", "tiktoken.model", "o200k_base.tiktoken", "cl100k_base.tiktoken",
)  # fmt: skip


@dataclass(frozen=True)
class HubTokenizer:
    """A tokenizer offered by name."""

    title: str
    repo: str
    file: str


OFFERED = {
    "rinna": HubTokenizer("rinna", "rinna/japanese-gpt-neox-3.6b", "spiece.model"),
    "llm-jp": HubTokenizer("LLM-jp 3", "llm-jp/llm-jp-3-1.8b", "tokenizer.json"),
    "swallow": HubTokenizer("Swallow (Llama 3.1)", "tokyotech-llm/Llama-3.1-Swallow-8B-v0.3", "tokenizer.json"),
    "qwen": HubTokenizer("Qwen3", "Qwen/Qwen3-8B", "tokenizer.json"),
    "gemma": HubTokenizer("Gemma 3", "google/gemma-3-1b-it", "tokenizer.json"),
}


def open_offered(key: str, *, local_files_only: bool = False) -> Peer:
    """A tokenizer of the list. Raises PeerUnavailable: gated, missing, too large, unreachable; a package is missing."""
    chosen = OFFERED[key]
    return _opened(chosen.repo, [chosen.file], chosen.title, local_files_only)


def open_repo(repo: str, *, local_files_only: bool = False) -> Peer:
    """The tokenizer of any repository: the first of `NAMES` that exists. "Qwen/Qwen3-8B" → its tokenizer.json."""
    return _opened(repo, NAMES, repo.split("/")[-1], local_files_only)


def _opened(repo: str, names: tuple[str, ...] | list[str], title: str, local_files_only: bool) -> Peer:
    try:
        path = resolve_file(repo, names, max_bytes=MAX_BYTES, local_files_only=local_files_only)
    except CheckpointError as error:
        raise PeerUnavailable(str(error), ja=error.ja) from error
    return files.open_file(path, title)
