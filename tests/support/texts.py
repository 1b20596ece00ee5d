"""Texts that are hard on a Japanese tokenizer, for hypothesis, and the slow oracle that says what their ids are."""

import json
from functools import cache
from pathlib import Path

from hypothesis import strategies as st


def words(text: str) -> list[str]:
    return text.split()


SPECIAL_PIECES = words("<|startoftext|> <|endoftext|> <|separator|> <|nottoken|>")
TYPED_TAGS = words("<SP> <BR> <KIGOU> <BLOCK> <|byte195|> <|byte169|> <|byte240|> <|emoji1|> <URL> <BR SP> <| |>")
EMOJI = [*words("😀 👋 👋🏻 🐯 👨‍👩‍👧 🇯🇵 1️⃣ ❤️ ©️ (^_^) (^_^;) o(^o^)o"), "(^ _ ^)", "m(_ _)m"]
WORDS = words("吾輩は猫である 慶応 慶應 日本 日夲 東京都 している ｶﾞｷﾞ ｱｲｳ が か\u3099 ゔ ①② １２３ ー 〇 ヶ ゐ")
BLANKS_AND_DASHES = [" ", "\u3000", "\t", "\r\n", "\n", "\r", "—", "−", "\u00a0", "\u200b"]
RARE = words("é 𩸽 ǀ ‖ ¡ \u0301 \u0300\u0362 † ♪ ─ ▀▁ × ß 한 \ufffd")
CONTROLS = ["\x00", "\x1c", "\x7f", "\x85", "\u2028", "\ufeff", "\U0010ffff"]
DATA = words("https://a.jp/x?y=1 ab.c@d.co.jp 03-1234-5678 2020年12月31日(木) 2012/ 令和2年1月1日 1,234円 億 千万円(税込)")

# Any character that UTF-8 can write, the Japanese ones more often.
CHARACTERS = st.one_of(
    st.characters(codec="utf-8"),
    st.sampled_from("<>|,、。・「」()"),
    st.characters(min_codepoint=0x3040, max_codepoint=0x30FF),
    st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
    st.characters(min_codepoint=0xFF00, max_codepoint=0xFFEF),
    st.characters(min_codepoint=0x0, max_codepoint=0x362),
    st.characters(min_codepoint=0x2000, max_codepoint=0x2C10),
)
PIECES = st.sampled_from(SPECIAL_PIECES + TYPED_TAGS + EMOJI + WORDS + BLANKS_AND_DASHES + RARE + CONTROLS + DATA)


# What the tables of the fast encoder might stumble over: lone surrogates, beginnings of tags, emoticons and CR LF.
ODD = st.text(st.one_of(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), st.sampled_from("猫<\r\n😀—^_()")), max_size=6)


def texts(folder: Path | None = None) -> st.SearchStrategy[str]:
    """Texts without lone surrogates; with a vocabulary's folder, its own spellings and emoji come up in them too."""
    parts = [PIECES, CHARACTERS]
    if folder:
        spellings, emoji = _vocabulary(folder)
        parts += [st.sampled_from(spellings), st.sampled_from(list(emoji))]
    return st.lists(st.one_of(parts), max_size=12).map("".join)


@cache
def _vocabulary(folder: Path) -> tuple[list[str], dict[str, str]]:
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    emoji = json.loads((folder / "emoji.json").read_text(encoding="utf-8"))["emoji"]
    return [spelling for line in lines for spelling in line.split(",") if spelling], emoji


@cache
def _ids(folder: Path) -> dict[str, int]:
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return {spelling: id for id, line in enumerate(lines) for spelling in ([","] if line == "," else line.split(","))}


def oracle(text: str, folder: Path) -> list[int]:
    """The ids of the original encoder, as obviously and slowly as it can be said."""
    ids, (_, emoji) = _ids(folder), _vocabulary(folder)
    blanks = [(" ", "<SP>"), ("\u3000", "<SP>"), ("\r\n", "<BR>"), ("\n", "<BR>"), ("\r", "<BR>"), ("\t", "<TAB>")]
    for old, new in [*blanks, ("—", "ー"), ("−", "ー"), *emoji.items()]:
        text = text.replace(old, new)
    result = []
    while text:
        fitting = [text[:length] for length in range(1, min(len(text), 20) + 1) if text[:length] in ids]
        tags = [piece for piece in fitting if piece.startswith("<") and len(piece) > 2]
        words = [piece for piece in fitting if len(piece) <= 3]
        if tags:
            piece = max(tags, key=len)
            result.append(ids[piece])
        elif words:
            piece = min(words, key=lambda word: (ids[word], -len(word)))
            result.append(ids[piece])
        else:
            piece = text[0]
            result += _without_spelling(piece, ids)
        text = text[len(piece) :]
    return result


def _without_spelling(character: str, ids: dict[str, int]) -> list[int]:
    utf8 = character.encode()
    number = int.from_bytes(utf8, "big")
    ranges = [(0xC2A1, 0xC2BF), (0xC780, 0xC783), (0xCAB9, 0xCBBF), (0xCC80, 0xCDA2)]
    if len(utf8) == 2 and any(first <= number <= last for first, last in ranges):
        return [ids["<KIGOU>"]]
    if len(utf8) == 3 and 0xE28080 <= number <= 0xE2B07F:
        return [ids["<U2000U2BFF>"]]
    return [ids[f"<|byte{byte}|>"] for byte in utf8]
