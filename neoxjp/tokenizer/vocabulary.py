"""vocab.txt and emoji.json, read and checked once: the spellings of each id, and its decoded text.

A line of vocab.txt is one id (counted from 0) with its spellings, separated by commas; decoding gives the first. The
line "," is the comma itself. `compat="transformers"` reads that line as two empty spellings, as transformers does,
which turns every comma into a byte and id 31596 of the original vocabulary into nothing.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Literal

from neoxjp.errors import VocabularyError, quoted

Kind = Literal["word", "byte", "emoji", "blank", "symbol", "tag", "special"]
Compat = Literal["transformers"]

BOS = "<|startoftext|>"
EOS = "<|endoftext|>"
SPECIALS = (BOS, "<|separator|>", "<|nottoken|>", EOS)
BLANK_TEXTS = {"<SP>": " ", "<BR>": "\n", "<TAB>": "\t"}
SYMBOL_TEXTS = {"<BLOCK>": "▀", "<KIGOU>": "ǀ", "<U2000U2BFF>": "‖"}
KIGOU_RANGES = ((0xA1, 0xBF), (0x1C0, 0x1C3), (0x2B9, 0x2FF), (0x300, 0x362))  # code points that <KIGOU> stands for
SYMBOL_RANGE = (0x2000, 0x2BFF)  # those that <U2000U2BFF> stands for
UTF8_BYTES = (*range(0xC0), *range(0xC2, 0xF5))  # the bytes that occur in UTF-8
REQUIRED = (EOS, *BLANK_TEXTS, "<KIGOU>", "<U2000U2BFF>", *(f"<|byte{byte}|>" for byte in UTF8_BYTES))
_BYTE = re.compile(r"<\|byte(\d{1,3})\|>")


@dataclass(frozen=True)
class Vocabulary:
    """The tables of a vocabulary. Lists have one entry for each id."""

    lines: list[str]  # of vocab.txt
    ids: dict[str, int]  # spelling → id; of two lines with one spelling the later has it
    kinds: list[Kind]
    texts: list[str]  # decoded text: "<SP>" → " ", "<|emoji1|>" → "😀"; "" for a byte that joins its neighbours
    byte_values: list[int]  # the byte that an id stands for, or -1; always -1 in compat, where each byte is decoded alone
    emoji: dict[str, str]  # emoji or emoticon → tag, in the file's order
    tag_lengths: tuple[int, ...]  # lengths, longest first, of the spellings that start with "<" and have more than two characters
    files: tuple[Path, Path]  # vocab.txt and emoji.json
    contents: tuple[bytes, bytes]  # of these files

    def __len__(self) -> int:
        return len(self.lines)

    @cached_property
    def spellings(self) -> list[tuple[str, ...]]:
        """The spellings of each id, in the file's order."""
        return [_comma(id, self.ids) if line == "," else tuple(line.split(",")) for id, line in enumerate(self.lines)]

    def fallback(self, character: str) -> tuple[int, ...]:
        """The ids of a character without a spelling: "×"-like symbols as one tag, anything else as its UTF-8 bytes.

        A lone surrogate has no UTF-8; it becomes U+FFFD.
        """
        code = ord(character)
        if any(first <= code <= last for first, last in KIGOU_RANGES):
            return (self.ids["<KIGOU>"],)
        if SYMBOL_RANGE[0] <= code <= SYMBOL_RANGE[1]:
            return (self.ids["<U2000U2BFF>"],)
        if 0xD800 <= code <= 0xDFFF:
            character = "\ufffd"
        return tuple(self.ids[f"<|byte{byte}|>"] for byte in character.encode())


def read_vocabulary(vocab_file: str | Path, emoji_file: str | Path, *, compat: Compat | None = None) -> Vocabulary:
    """Read both files.

    Raises:
        VocabularyError: a file is missing, is not UTF-8, has an empty line or spelling, lacks a token that encoding
            needs, or is not a valid emoji.json; the message names the file, the line and what to do.
    """
    files = (Path(vocab_file), Path(emoji_file))
    contents = (_read(files[0], "vocab.txt"), _read(files[1], "emoji.json"))
    lines, texts, ids = _spellings(files[0], _decode(files[0], contents[0]), compat)
    emoji, emoji_texts = _emoji(files[1], _decode(files[1], contents[1]), ids)
    if missing := [name for name in REQUIRED if name not in ids]:
        raise VocabularyError(
            f"{files[0]} lacks {len(missing)} tokens that every text may need: {quoted(missing)}. "
            "Add each on a line of its own, or use the vocab.txt that belongs to the model.",
            ja=f"{files[0]} に必要なトークンが {len(missing)} 個ありません：{quoted(missing)}。モデルの vocab.txt が必要です。",
        )
    kinds: list[Kind] = ["word"] * len(lines)
    byte_values = [-1] * len(lines)
    lengths: set[int] = set()
    for id in [id for id, line in enumerate(lines) if line == ","]:
        texts[id] = _comma(id, ids)[0]
    for id, line in [(id, line) for id, line in enumerate(lines) if "<" in line]:  # all other lines are words
        first = texts[id]
        lengths |= {len(spelling) for spelling in line.split(",") if spelling[:1] == "<" and len(spelling) > 2}
        byte = _byte(files[0], id, first)
        kind = kinds[id] = "byte" if byte >= 0 else _kind(first)
        if kind == "emoji" and first not in emoji_texts:
            raise VocabularyError(
                f'{files[1]}: "emoji_inv" has no entry for {first!r}, which is line {id + 1} of {files[0].name}. '
                "Add the emoji that decoding should give for it.",
                ja=f'{files[1]} の "emoji_inv" に {first!r} がありません。このトークンを表す絵文字を加えてください。',
            )
        if kind == "byte":
            texts[id] = bytes([byte]).decode("utf-8", "replace") if compat else ""
            byte_values[id] = -1 if compat else byte
        else:
            texts[id] = emoji_texts[first] if kind == "emoji" else (BLANK_TEXTS | SYMBOL_TEXTS).get(first, first)
    return Vocabulary(lines, ids, kinds, texts, byte_values, emoji, tuple(sorted(lengths, reverse=True)), files, contents)


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VocabularyError(
            f"cannot read {path}: {error.strerror or error}. Give the {what} that belongs to the model "
            "(GPTNeoXJapaneseTokenizer.from_pretrained finds both files in a model's folder or on the Hub).",
            ja=f"{path} を読めません（{error.strerror or error}）。モデルに付属する {what} を指定してください。",
        ) from error


def _decode(path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise VocabularyError(
            f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8 ({error.reason}). "
            "Save the file as UTF-8, for example with: iconv -f CP932 -t UTF-8",
            ja=f"{path} の {line} 行目：UTF-8 ではありません。UTF-8 で保存し直してください。",
        ) from error
    if text.startswith("\ufeff"):
        raise VocabularyError(
            f"{path}, line 1: the file starts with a byte order mark. Save it as UTF-8 without one.",
            ja=f"{path} の 1 行目：BOM があります。BOM なしの UTF-8 で保存し直してください。",
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _spellings(path: Path, text: str, compat: Compat | None) -> tuple[list[str], list[str], dict[str, int]]:
    """The lines of vocab.txt, the first spelling of each, and spelling → id."""
    ended = text.endswith("\n")
    lines = (text[:-1] if ended else text).split("\n")
    if "" in lines:
        empty = [number for number, line in enumerate(lines, 1) if not line]
        shown = ", ".join(map(str, empty[:10])) + (f" and {len(empty) - 10} more" if len(empty) > 10 else "")
        raise VocabularyError(
            f"{path}, line {shown}: empty line. Each line is one id, so an empty one cannot be skipped: "
            "use the file that belongs to the model, or add a spelling.",
            ja=f"{path} の {shown} 行目が空です。各行が 1 つの ID に対応するため、空行は使えません。",
        )
    firsts, ids = [], {}
    for id, line in enumerate(lines):
        if "," in line:
            every = line.split(",")
            firsts.append(every[0])
            for spelling in every:
                ids[spelling] = id
        else:
            firsts.append(line)
            ids[line] = id
    if "" in ids:
        for number, line in enumerate(lines, 1):
            if line != "," and (line[0] == "," or line[-1] == "," or ",," in line):
                raise VocabularyError(
                    f"{path}, line {number}: {line!r} has an empty spelling. Commas separate the spellings of one id; "
                    "the comma itself must be alone on its line.",
                    ja=f"{path} の {number} 行目：{line!r} に空の表記があります。カンマ自体を表記にするには、"
                    "カンマだけの行にしてください。",
                )
        # transformers compares the line with "," before it takes the line's end off, so only a last line without one is safe.
        if compat != "transformers" or (lines[-1] == "," and not ended):
            ids[","] = ids.pop("")
            if compat and "," in lines[:-1]:
                ids[""] = len(lines) - 2 - lines[-2::-1].index(",")
    return lines, firsts, ids


def _comma(id: int, ids: dict[str, int]) -> tuple[str, ...]:
    """The spellings of a line that is a comma."""
    return ("", "") if "" in ids and ids.get(",") != id else (",",)


def _emoji(path: Path, text: str, ids: dict[str, int]) -> tuple[dict[str, str], dict[str, str]]:
    """Both tables of emoji.json, checked."""
    remedy = 'It must look like {"emoji": {"😀": "<|emoji1|>", …}, "emoji_inv": {"<|emoji1|>": "😀", …}}.'
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise VocabularyError(
            f"{path}{where}: not JSON ({error}). {remedy}", ja=f"{path} は JSON として読めません（{error}）。"
        ) from error
    for name in ("emoji", "emoji_inv"):
        if not isinstance(raw, dict) or name not in raw:
            raise VocabularyError(f"{path}, line 1: no {name!r} at the top. {remedy}", ja=f"{path} に {name!r} がありません。")
        table = raw[name]
        if not isinstance(table, dict):
            raise VocabularyError(
                f"{path}{_line_of(text, name)}: {name!r} is {type(table).__name__}, not an object. {remedy}",
                ja=f"{path} の {name!r} は JSON オブジェクトではありません。",
            )
        sound = all(table.values()) and "" not in table and {*map(type, table.values())} <= {str}
        sound = sound and _encodable("".join(chain(table, table.values())))
        for key, value in () if sound else table.items():
            if not key or not value or not isinstance(value, str) or not _encodable(key + value):
                raise VocabularyError(
                    f"{path}{_line_of(text, key)}: {name!r} maps {key!r} to {value!r}: both must be text, not empty. {remedy}",
                    ja=f"{path} の {name!r}：{key!r} と {value!r} は、どちらも空でない文字列にしてください。",
                )
    for key, tag in raw["emoji"].items():
        if tag not in ids:
            raise VocabularyError(
                f"{path}{_line_of(text, key)}: {key!r} stands for {tag!r}, which is not in vocab.txt. "
                "Add the tag to vocab.txt or use the emoji.json that belongs to it.",
                ja=f"{path}：{key!r} のタグ {tag!r} が vocab.txt にありません。組になっている emoji.json を使ってください。",
            )
    return raw["emoji"], raw["emoji_inv"]


def _line_of(text: str, key: str) -> str:
    """The line of a key in emoji.json, for a message: ", line 3"; "" if the file escapes it differently."""
    for spelled in (json.dumps(key, ensure_ascii=False), json.dumps(key)):
        if (place := text.find(spelled)) >= 0:
            return f", line {text.count(chr(10), 0, place) + 1}"
    return ""


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _byte(path: Path, id: int, spelling: str) -> int:
    """The byte that a spelling such as "<|byte240|>" stands for, or -1."""
    if not (match := _BYTE.fullmatch(spelling)):
        return -1
    if int(match[1]) > 255:
        raise VocabularyError(
            f"{path}, line {id + 1}: {spelling!r} is not a byte. Bytes run from <|byte0|> to <|byte255|>.",
            ja=f"{path} の {id + 1} 行目：{spelling!r} はバイトではありません（0〜255）。",
        )
    return int(match[1])


def _kind(spelling: str) -> Kind:
    if spelling in BLANK_TEXTS:
        return "blank"
    if spelling in SYMBOL_TEXTS:
        return "symbol"
    if spelling in SPECIALS:
        return "special"
    if spelling.startswith("<|emoji") and spelling.endswith("|>"):
        return "emoji"
    return "tag" if len(spelling) > 2 and spelling[0] == "<" and spelling[-1] == ">" else "word"
