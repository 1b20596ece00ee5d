"""A vocabulary small enough to reason about, in the format of the real one: variants on one line, tags, bytes, specials."""

import json
from pathlib import Path

WORDS = ["している", "である", "です", "ます", "した", "から", "東京都", "東京", "日本,日夲", "慶応,慶應", "大学", "吾輩", "名前"]
WORDS += ["とう", "きょう", "トウ", "キョウ"]
SINGLES = [*"猫犬人私国東京都大学生名前日本住", "応,應", ",", *"。、「」ー・!?.:/<>()^_-*"]
KANA = [chr(c) for c in range(0x3041, 0x3094)] + [f"{chr(c)}" for c in range(0x30A1, 0x30F5) if chr(c) != "ア"] + ["ア,ｱ"]
LATIN = [chr(c) for c in range(ord("A"), ord("Z") + 1)] + [chr(c) for c in range(ord("a"), ord("z") + 1)]
DIGITS = ["0,０", "1,１,①", "2,２,②", *"3456789"]
TAGS = ["<BR>", "<SP>", "<TAB>", "<URL>", "<EMAIL>", "<TEL>", "<DATE>", "<PRICE>", "<BLOCK>", "<KIGOU>", "<U2000U2BFF>"]
EMOJI = [f"<|emoji{n}|>" for n in range(1, 4)]
BYTES = [f"<|byte{n}|>" for n in range(255)]
SPECIALS = ["<|startoftext|>", "<|separator|>", "<|nottoken|>", "<|endoftext|>"]
LINES = WORDS + SINGLES + KANA + LATIN + DIGITS + TAGS + EMOJI + BYTES + SPECIALS
EMOJI_JSON = {
    "emoji": {
        "😀": "<|emoji1|>",
        "👋": "<|emoji2|>",
        "👋🏻": "<|emoji2|>",
        "🐯": "<|emoji3|>",
        "(^_^)": "<|emoji1|>",
        "(^ _ ^)": "<|emoji1|>",
    },
    "emoji_inv": {"<|emoji1|>": "😀", "<|emoji2|>": "👋", "<|emoji3|>": "🐯"},
}


def write_tiny_vocabulary(folder: Path) -> Path:
    """Write vocab.txt and emoji.json into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(LINES) + "\n", encoding="utf-8")
    (folder / "emoji.json").write_text(json.dumps(EMOJI_JSON, ensure_ascii=False), encoding="utf-8")
    return folder
