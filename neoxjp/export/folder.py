"""One export from a model folder to another folder, completely or not at all, with a README beside the weights."""

import shutil
from pathlib import Path
from typing import Literal, get_args

from neoxjp.errors import CheckpointError, ParameterError
from neoxjp.export.gguf_file import check_gguf, write_gguf
from neoxjp.export.gpt_neox import write_gpt_neox
from neoxjp.export.parts import stored_parts
from neoxjp.hub import WEIGHT_PATTERNS, atomic_folder
from neoxjp.model import GPTNeoXJapaneseConfig
from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer

Target = Literal["gpt-neox", "gguf"]


def export(folder: Path, out: Path, to: Target = "gpt-neox", kind: str = "f16") -> list[Path]:
    """Write a model folder for other programs, completely or not at all. Returns the files written.

    Args:
        folder: a model folder of ours (safetensors).
        out: a folder to write.
        kind: of a GGUF file's matrices, one of gguf_file.GGUF_TYPES, or "stored" for a quantized folder's numbers; a GPT-NeoX
            folder keeps the stored dtype.
    Raises:
        ParameterError: an unknown target or type, a missing package, a network that llama.cpp cannot compute, or `out` holds
            something other than an earlier export.
        CheckpointError: no such folder or nothing in it, a full disk (what was in `out` is unchanged).
    """
    folder, out = Path(folder).expanduser(), Path(out).expanduser()
    if to not in get_args(Target):
        raise ParameterError(f"to={to!r} must be one of {', '.join(map(repr, get_args(Target)))}")
    if not folder.is_dir():
        raise CheckpointError(f"no folder {str(folder)!r} to export: name a folder with config.json and model.safetensors")
    if not _is_free(out):
        raise ParameterError(
            f"{str(out)!r} is not empty and holds no earlier export: files in it would be overwritten. Name another folder"
        )
    config = GPTNeoXJapaneseConfig.from_folder(folder)
    parts = stored_parts(folder, config)
    tokenizer = None
    if (folder / "vocab.txt").is_file() and (folder / "emoji.json").is_file():
        tokenizer = GPTNeoXJapaneseTokenizer.from_pretrained(folder)
    if to == "gguf":
        check_gguf(config, kind)
    with atomic_folder(out, drop=WEIGHT_PATTERNS if to == "gpt-neox" else ()) as fresh:
        if to == "gpt-neox":
            write_gpt_neox(config, parts, fresh)
        else:
            write_gguf(config, parts, fresh / f"model-{kind}.gguf", kind, tokenizer)
        for name in ("vocab.txt", "emoji.json"):  # not tokenizer_config.json, which other loaders would follow
            if tokenizer is not None and (folder / name).is_file():
                shutil.copyfile(folder / name, fresh / name)
        (fresh / "README.md").write_text(_readme(to, kind, config), encoding="utf-8")
        names = sorted(path.name for path in fresh.iterdir())
    return [out / name for name in names]


def _is_free(out: Path) -> bool:
    """Whether a folder is missing, empty, or an export, whose README has the title of one of ours."""
    if not out.is_dir() or not any(out.iterdir()):
        return True
    readme = out / "README.md"
    first = readme.read_text(encoding="utf-8", errors="replace").partition("\n")[0] if readme.is_file() else ""
    return first in {_template(target).partition("\n")[0] for target in get_args(Target)}


def _template(to: Target) -> str:
    return (Path(__file__).parent / f"{to}.md").read_text(encoding="utf-8")


def _readme(to: Target, kind: str, config: GPTNeoXJapaneseConfig) -> str:
    """How to send ids to programs that read these files, and decode the result."""
    facts = {"KIND": kind, "CONTEXT": str(config.max_position_embeddings), "EOS": str(list(config.eos_ids))}
    text = _template(to)
    for name, value in facts.items():
        text = text.replace(f"@{name}@", value)
    return text
