"""`neoxjp bench tokenize FILE`: megabytes of UTF-8 a second from text to ids and back, on one core, beside other tokenizers.

Every program gets the same text as one str. Peers have other vocabularies, so bytes are counted, not
tokens. The peers are installed by the user: transformers (its class for this model), tokenizers (the Unigram or BPE of a
tokenizer.json), tiktoken (with the ranks of Qwen that the package dashscope holds, or those of a file).
"""

import base64
import importlib
import importlib.metadata
import importlib.util
import time
import warnings
from codecs import getincrementaldecoder
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neoxjp.bench.common import Report, rounds, timed
from neoxjp.bench.common import rows as as_rows
from neoxjp.bench.options import TokenizeOptions
from neoxjp.errors import ParameterError

SHORT = "人とAIが協調するためには、"  # 14 characters
TIMES = 200  # so often a short text is encoded in a round
QWEN = r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
Encode = Callable[[str], Any]


def command(options: TokenizeOptions) -> None:
    """Encode, decode, a short text, loading: ours in each of its ways, and the peers that were asked for."""
    table(options).show(options.json)


def table(options: TokenizeOptions) -> Report:
    """The table. Raises ParameterError for a file that cannot be read and for a peer that is not there."""
    from neoxjp.tokenizer import GPTNeoXJapaneseTokenizer, normalize_text, segment_text

    text = _text(options.file, options.megabytes)
    size = len(text.encode()) / 1e6
    folder = options.model
    ours = GPTNeoXJapaneseTokenizer.from_pretrained(folder)
    peers = {name: _peer(name, ours.vocabulary.files, options) for name in options.against or ()}
    began = time.perf_counter()
    scanner = ours._built_scanner()
    built = time.perf_counter() - began
    ids = ours.encode_batch([text])[0]
    rest = list(range(0, len(text), max(len(text) // 20, 1)))
    part = "".join(text[at : at + 5000] for at in rest)  # the slow ones encode only this part

    def dictionary(text: str) -> list[int]:
        return segment_text(normalize_text(text, ours._emoji), ours.vocabulary)[0]

    def rate(encode: Encode, text: str) -> Callable[[], float]:
        return lambda: len(text.encode()) / 1e6 / timed(lambda: encode(text))

    def micros(encode: Encode) -> Callable[[], float]:
        return lambda: timed(lambda: [encode(SHORT) for _ in range(TIMES)]) / TIMES * 1e6

    encoders: dict[str, Encode] = {"ours": ours.encode, "ours, as array": lambda text: ours.encode_batch([text])}
    loads: dict[str, Callable[[], object]] = {"ours": lambda: GPTNeoXJapaneseTokenizer.from_pretrained(folder)}
    slow: dict[str, Encode] = {"ours, dictionary": dictionary}
    for name, (encode, load) in peers.items():
        (slow if name == "transformers" else encoders)[name] = encode
        loads[name] = load
    runs = {name: rate(encode, text) for name, encode in encoders.items()}
    runs |= {name: rate(encode, part) for name, encode in slow.items()}
    rows = as_rows(rounds(runs, options.rounds), "encode", "MB/s")
    decoders = {"ours": lambda: size / timed(lambda: ours.decode(ids)), "ours, list": _list_decoder(ours, ids.tolist(), size)}
    rows += as_rows(rounds(decoders, options.rounds), "decode", "MB/s")
    short = {"ours": ours.encode} | {name: encode for name, (encode, _) in peers.items()}
    rows += as_rows(rounds({name: micros(encode) for name, encode in short.items()}, options.rounds), "14 characters", "µs")
    times = {name: _milliseconds(load) for name, load in loads.items()}
    rows += as_rows(rounds(times, options.rounds), "load", "ms")
    packages = [_PACKAGES[name.partition(":")[0]] for name in options.against or ()]
    facts: dict[str, Any] = {"file": str(options.file), "MB": round(size, 2), "tokens": len(ids), "vocabulary": folder}
    facts |= {package: importlib.metadata.version(package) for package in packages}
    notes = [f"one thread; {', '.join(slow)}: {len(part.encode()) / 1e6:.2f} MB of the text, taken at {len(rest)} places"]
    notes.append(f"the tables, built with the first long text: {built * 1e3:.0f} ms" if scanner else "no tables: dictionary only")
    return Report("encode and decode", facts=facts, rows=rows, notes=notes)


def _list_decoder(ours: Any, ids: list[int], size: float) -> Callable[[], float]:
    return lambda: size / timed(lambda: ours.decode(ids))


def _milliseconds(load: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        began = time.perf_counter()
        loaded = load()
        seconds = time.perf_counter() - began
        del loaded  # freeing it is not loading
        return seconds * 1e3

    return run


def _text(path: Path, megabytes: float) -> str:
    if not 0 < megabytes < 1e6:
        raise ParameterError(f"megabytes={megabytes!r} must be above 0 and below a million")
    try:
        with path.open("rb") as file:
            text = getincrementaldecoder("utf-8")().decode(file.read(int(megabytes * 1e6)))  # the last character may be cut
    except UnicodeDecodeError as error:
        raise ParameterError(f"{path} is not UTF-8: {error}") from error
    except OSError as error:
        raise ParameterError(f"cannot read {path}: {error.strerror}") from error
    if not text:
        raise ParameterError(f"{path} is empty: give a text to encode")
    return text


# --- peers

_PACKAGES = {"transformers": "transformers", "tiktoken": "tiktoken", "tokenizers": "tokenizers"}


def _peer(asked: str, files: tuple[Path, Path], options: TokenizeOptions) -> tuple[Encode, Callable[[], object]]:
    """How a peer encodes a text, and how it is loaded."""
    if asked not in _PACKAGES:
        raise ParameterError(f"against={asked!r} is not a peer of this table: choose {', '.join(_PACKAGES)}")
    try:
        module = importlib.import_module(asked)
    except ImportError as error:
        raise ParameterError(f"against={asked!r}: {asked} is not installed here (pip install {asked})") from error
    if asked == "transformers":
        warnings.filterwarnings("ignore", message=".*sequence length.*")
        return _loader(lambda: module.GPTNeoXJapaneseTokenizer(*map(str, files)), "encode")
    if asked == "tokenizers":
        if not options.tokenizer_json:
            raise ParameterError("against='tokenizers' needs --tokenizer-json FILE, a tokenizer of that package to run")
        return _loader(lambda: module.Tokenizer.from_file(str(options.tokenizer_json)), "encode")
    ranks = options.ranks or _qwen_ranks()

    def load() -> object:
        try:
            lines = ranks.read_bytes().splitlines()
            table = {base64.b64decode(token): int(rank) for token, rank in map(bytes.split, lines)}
        except (OSError, ValueError) as error:
            raise ParameterError(f"ranks={str(ranks)!r}: not a file of tiktoken ranks ({error})") from error
        return module.Encoding("ranks", pat_str=QWEN, mergeable_ranks=table, special_tokens={})

    return _loader(load, "encode_ordinary")


def _loader(load: Callable[[], object], encode: str) -> tuple[Encode, Callable[[], object]]:
    return getattr(load(), encode), load


def _qwen_ranks() -> Path:
    spec = importlib.util.find_spec("dashscope")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (ranks := Path(folder) / "resources" / "qwen.tiktoken").exists():
            return ranks
    raise ParameterError(
        "against='tiktoken' needs ranks: pip install dashscope, which holds those of Qwen, or --ranks FILE (.tiktoken)"
    )
