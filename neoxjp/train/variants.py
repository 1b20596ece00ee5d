"""Which spellings are one entry: old and new kanji, widths, circled and squared forms; and the emoji in their twelve groups.

Everything comes from public tables, nothing from another vocabulary: the Unicode Character Database (Debian's package
`unicode-data`, NFKC of `unicodedata`) and the old/new kanji tables of `joyokanji` and of `japanese/kanji_forms.tsv`. They are
needed to build a vocabulary, never to use one.
"""

import bz2
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from neoxjp.errors import VocabularyError
from neoxjp.japanese import kanji_pairs

UNICODE_FOLDER = Path("/usr/share/unicode")
EMOJI_GROUPS = 12
# NFKC also unites styled letters of mathematics and contextual forms of other scripts: those are not spellings of Japanese text.
_ENCLOSED = re.compile(r"\((\w)\)|(\d)\.")  # ⑴ and ⒈ are spellings of 1
_WIDTHS = ("<wide>", "<narrow>", "<circle>", "<super>", "<sub>", "<square>", "<compat>")
_FACES_DOWN = {"face-neutral-skeptical", "face-sleepy", "face-unwell", "face-concerned", "face-negative"}
_HANDS = {
    "hand-fingers-open",
    "hand-fingers-partial",
    "hand-single-finger",
    "hand-fingers-closed",
    "hands",
    "hand-prop",
    "body-parts",
}
_GROUPS = {"Animals & Nature": 6, "Food & Drink": 7, "Travel & Places": 8, "Activities": 9, "Objects": 10, "Flags": 12}
_EMOTICONS = {
    1: ["(^^)", "(^_^)", "(^^♪", "(*^^*)", "(^o^)", "(^O^)", "(・∀・)", ":-)", ":-D"],
    2: ["(T_T)", "(;_;)", "(>_<)", "(-_-)", "(--;)", ":-("],
}


def unihan(file: str, *properties: str, folder: Path = UNICODE_FOLDER) -> Iterator[tuple[str, str, str]]:
    """(character, property, value) of `Unihan_<file>.txt.bz2`, in the file's order.

    Raises VocabularyError when the Unicode tables are not installed.
    """
    path = folder / f"Unihan_{file}.txt.bz2"
    if not path.is_file():
        raise VocabularyError(
            f"building a vocabulary reads {str(path)!r}, which is not there: install Debian's package unicode-data"
        )
    with bz2.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("U+"):
                code, name, value = line.rstrip("\n").split("\t")
                if name in properties:
                    yield _character(code), name, value


def jouyou(folder: Path = UNICODE_FOLDER) -> set[str]:
    """The kanji for general use (常用漢字) in the form that fonts and keyboards have: 叱 rather than 𠮟."""
    return {character for character, _, value in unihan("OtherMappings", "kJoyoKanji", folder=folder) if value == "2010"} | set(
        "剥叱填頬"
    )


def kanji_variants(counts: Mapping[str, int], folder: Path = UNICODE_FOLDER) -> dict[str, str]:
    """Variant → head for single kanji: {"應": "応", "时": "時", "髙": "高"}; no head is itself a variant.

    Old forms always fold into the kanji for general use; of other old/new pairs the form more frequent in `counts` is the head.
    Other Unihan variants (Chinese forms, rare forms) fold only if JIS X 0208 lacks them, so two kanji of Japanese text stay two:
    机 is not 機.
    """
    general = jouyou(folder)
    japanese = {character for character, _, _ in unihan("OtherMappings", "kJis0", folder=folder)}
    heads: dict[str, str] = {}
    for old, new in _old_and_new():
        if len(old) != 1 or len(new) != 1 or old == new or old in heads:
            continue
        if (new in general and old not in general) or (old not in general and counts.get(new, 0) >= counts.get(old, 0)):
            heads[old] = new
        elif new not in general and new not in heads:
            heads[new] = old
    links: dict[str, dict[str, None]] = defaultdict(dict)
    for order in (("kZVariant",), ("kTraditionalVariant", "kSimplifiedVariant"), ("kSemanticVariant",)):
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for character, _, value in unihan("Variants", *order, folder=folder):
            for other in (_character(code.split("<")[0]) for code in value.split()):
                found[character][other] = None
                found[other][character] = None
        for character, others in found.items():
            links[character] = links[character] or others
    for variant, others in sorted(links.items()):
        candidates = {heads.get(other, other) for other in others if other in japanese} - {variant}
        if variant not in japanese and variant not in heads and len(candidates) == 1 and counts.get(variant, 0) < 100:
            heads[variant] = candidates.pop()
    for code in range(0x2E80, 0x2FE0):  # radicals look like the kanji, and come out of some PDF files in their place
        heads.setdefault(chr(code), unicodedata.normalize("NFKC", chr(code)))
    for code in [*range(0xF900, 0xFB00), *range(0x2F800, 0x2FA20)]:
        heads.setdefault(chr(code), unicodedata.normalize("NFKC", chr(code)))
    return {variant: head for variant in heads if (head := _follow(heads, variant)) != variant}


def width_variants() -> dict[str, list[str]]:
    """Spelling → its forms of one character by NFKC, of at most three: {"A": ["Ａ", "Ⓐ", …], "キロ": ["㌔"], "(株)": ["㈱"]}."""
    forms: dict[str, list[str]] = defaultdict(list)
    for code in range(0x80, 0x20000):
        character = chr(code)
        if not unicodedata.decomposition(character).startswith(_WIDTHS):
            continue
        text = unicodedata.normalize("NFKC", character)
        # Full-width punctuation is a choice of the writer in Japanese text ("！" beside "!"), so it keeps entries of its own.
        if match := _ENCLOSED.fullmatch(text):
            forms[match[1] or match[2]].append(character)
        if 1 <= len(text) <= 3 and not ("！" <= character <= "～" and not text.isalnum()) and not set(text) & set(" ,<"):
            forms[text].append(character)
    return dict(forms)


def narrow_spellings(text: str) -> list[str]:
    """Half-width kana and decomposed spellings of at most three characters: "ガ" → ["ｶﾞ", "カ\u3099"]."""
    import jaconv

    narrow, decomposed = jaconv.z2h(text, kana=True, ascii=False, digit=False), unicodedata.normalize("NFD", text)
    return [spelling for spelling in dict.fromkeys((narrow, decomposed)) if spelling != text and len(spelling) <= 3]


def emoji_tables(folder: Path = UNICODE_FOLDER) -> dict[str, dict[str, str]]:
    """What emoji.json holds: each emoji → its group's tag, and each tag → the emoji it decodes to.

    Longer sequences stand first, because the encoder replaces in this order: 👋🏻 before 👋.
    """
    path = folder / "emoji" / "emoji-test.txt"
    if not path.is_file():
        raise VocabularyError(
            f"building a vocabulary reads {str(path)!r}, which is not there: install Debian's package unicode-data"
        )
    tags: dict[str, str] = {}
    group = subgroup = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# group: "):
            group = line.removeprefix("# group: ")
        elif line.startswith("# subgroup: "):
            subgroup = line.removeprefix("# subgroup: ")
        elif line and not line.startswith("#"):
            codes, status = line.split("#")[0].split(";")
            emoji = "".join(chr(int(code, 16)) for code in codes.split())
            # An unqualified single character such as ♀ or © is a symbol of plain text and keeps an entry of its own.
            if not (status.strip() == "unqualified" and len(emoji) == 1):
                tags[emoji] = f"<|emoji{_group_number(group, subgroup)}|>"
    inverse: dict[str, str] = {}
    for emoji, tag in tags.items():
        inverse.setdefault(tag, emoji)
    for number, emoticons in _EMOTICONS.items():
        tags.update(dict.fromkeys(emoticons, f"<|emoji{number}|>"))
    numbers = {f"<|emoji{number}|>": number for number in range(1, EMOJI_GROUPS + 1)}
    return {
        "emoji": dict(sorted(tags.items(), key=lambda item: -len(item[0]))),
        "emoji_inv": dict(sorted(inverse.items(), key=lambda item: numbers[item[0]])),
    }


def _group_number(group: str, subgroup: str) -> int:
    if group == "Smileys & Emotion":
        return 2 if subgroup in _FACES_DOWN else 3 if subgroup in ("heart", "emotion") else 1
    if group == "People & Body":
        return 4 if subgroup in _HANDS else 5
    return _GROUPS.get(group, 11)


def _old_and_new() -> Iterator[tuple[str, str]]:
    """(old, new) pairs, the general-use table of joyokanji first."""
    try:
        import joyokanji
    except ModuleNotFoundError as error:
        raise VocabularyError(f"building a vocabulary needs the package {error.name!r}: pip install joyokanji") from error
    jis = [character for character, _, _ in unihan("OtherMappings", "kJis0", "kJIS0213", "kIBMJapan")]
    for character in dict.fromkeys([*jis, "髙", "𠮷", "﨑"]):
        yield character, joyokanji.convert(character, variants=True)
    yield from ((old, new) for old, new, _ in kanji_pairs())
    yield from (("剝", "剥"), ("𠮟", "叱"), ("塡", "填"), ("頰", "頬"))


def _follow(heads: Mapping[str, str], character: str) -> str:
    seen = {character}
    while (head := heads.get(character, character)) not in seen:
        seen.add(head)
        character = head
    return character


def _character(code: str) -> str:
    """ "U+61C9" → "應"."""
    return chr(int(code.removeprefix("U+"), 16))
