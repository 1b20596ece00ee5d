"""Numbers in kanji and their readings with a counter: 三百人 → さんびゃくにん, 二本 → にほん, 四月 → しがつ. Pure tables.

A dictionary reads digits one by one and does not know the sound changes. Only the usual readings are included: not むそ for 六十.
"""

import re

KANJI_NUMBER = re.compile(r"[〇零一二三四五六七八九十百千万億兆]+")

_DIGITS = {c: n for n, row in enumerate(["〇零", "一", "二", "三", "四", "五", "六", "七", "八", "九"]) for c in row}
_TENS = {"十": 10, "百": 100, "千": 1_000}
_MYRIADS = {"万": 10**4, "億": 10**8, "兆": 10**12}
_SAID = ["ぜろ", "いち", "に", "さん", "よん", "ご", "ろく", "なな", "はち", "きゅう"]
_HUNDREDS = {1: "ひゃく", 3: "さんびゃく", 6: "ろっぴゃく", 8: "はっぴゃく"}
_THOUSANDS = {1: "せん", 3: "さんぜん", 8: "はっせん"}
# Two consecutive digits without a unit are an approximation: 二三日 is "two or three days", not 23.
ABOUT = {
    "一二": ("いち", "に"),
    "二三": ("に", "さん"),
    "三四": ("さん", "よ"),
    "四五": ("し", "ご"),
    "五六": ("ご", "ろく"),
    "六七": ("ろく", "しち"),
    "七八": ("しち", "はち"),
}

_SHORT = {"いち": "いっ", "ろく": "ろっ", "はち": "はっ", "じゅう": "じゅっ", "ゃく": "ゃっ"}  # ゃく: ひゃく, びゃく, ぴゃく
_K_ROW = tuple(_SHORT)  # before か き く け こ and は ひ ふ へ ほ these end in っ: いっかい, いっぽん, さんびゃっぽん
_S_ROW = ("いち", "はち", "じゅう")  # before さ… and た…: いっさい, いっとう
# Counter: its reading, after さん, after っ, the numbers that end in っ.
_SOUNDS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    counter: (reading, after_n, after_stop, short)
    for counters, reading, after_n, after_stop, short in [
        ("本", "ほん", "ぼん", "ぽん", _K_ROW),
        ("匹", "ひき", "びき", "ぴき", _K_ROW),
        ("杯", "はい", "ばい", "ぱい", _K_ROW),
        ("票", "ひょう", "びょう", "ぴょう", _K_ROW),
        ("分", "ふん", "ぷん", "ぷん", _K_ROW),
        ("泊", "はく", "ぱく", "ぱく", _K_ROW),
        ("発", "はつ", "ぱつ", "ぱつ", _K_ROW),
        ("編", "へん", "ぺん", "ぺん", _K_ROW),
        ("回", "かい", "かい", "かい", _K_ROW),
        ("階", "かい", "がい", "かい", _K_ROW),
        ("個箇", "こ", "こ", "こ", _K_ROW),
        ("ヶヵケ", "か", "か", "か", _K_ROW),  # ヶ月, ヶ所
        ("軒", "けん", "げん", "けん", _K_ROW),
        ("件", "けん", "けん", "けん", _K_ROW),
        ("巻", "かん", "かん", "かん", _K_ROW),
        ("曲", "きょく", "きょく", "きょく", _K_ROW),
        ("歳才", "さい", "さい", "さい", _S_ROW),
        ("冊", "さつ", "さつ", "さつ", _S_ROW),
        ("足", "そく", "ぞく", "そく", _S_ROW),
        ("世", "せい", "せい", "せい", _S_ROW),  # 世紀
        ("章", "しょう", "しょう", "しょう", _S_ROW),
        ("週", "しゅう", "しゅう", "しゅう", _S_ROW),
        ("頭", "とう", "とう", "とう", _S_ROW),
        ("着", "ちゃく", "ちゃく", "ちゃく", _S_ROW),
        ("丁", "ちょう", "ちょう", "ちょう", _S_ROW),
        ("通", "つう", "つう", "つう", _S_ROW),
        ("点", "てん", "てん", "てん", _S_ROW),
    ]
    for counter in counters
}
# Counter: its reading, and the readings of the last digit before it that are irregular.
_LAST: dict[str, tuple[str, dict[str, str]]] = {
    "月": ("がつ", {"よん": "し", "なな": "しち", "きゅう": "く"}),
    "時": ("じ", {"よん": "よ", "なな": "しち", "きゅう": "く"}),
    "年": ("ねん", {"よん": "よ"}),
    "人": ("にん", {"よん": "よ", "なな": "しち"}),
    "円": ("えん", {"よん": "よ"}),
    "日": ("にち", {"なな": "しち", "きゅう": "く"}),
}
_DAYS = {2: "ふつか", 3: "みっか", 4: "よっか", 5: "いつか", 6: "むいか", 7: "なのか", 8: "ようか", 9: "ここのか", 10: "とおか"}
_DAYS |= {14: "じゅうよっか", 20: "はつか", 24: "にじゅうよっか"}
_WHOLE: dict[str, dict[int, str]] = {"日": _DAYS, "人": {1: "ひとり", 2: "ふたり"}}
_OTHERWISE = {  # how a dictionary may read the same kanji
    "月": ("げつ", "つき"),
    "日": ("か", "ひ", "じつ"),
    "人": ("じん", "り", "ひと"),
    "年": ("とし",),
    "時": ("とき",),
    "分": ("ぶん",),
}
COUNTERS = frozenset({*_SOUNDS, *_LAST})
# The ends of numbers after which a counter has its reading "after さん": さんぜんぼん, よんぷん; but さんぜんかい.
_AFTER_N = dict.fromkeys("本匹杯票軒足", ("さん", "せん", "ぜん", "まん")) | {"分": ("さん", "よん", "せん", "ぜん", "まん")}


def parse_number(number: str) -> int | None:
    """The number written in kanji, with units or digit by digit; None if it is not a number (十〇, 二百三百).

    "千九百四十五" → 1945, "二〇二四" → 2024, "五億三千万" → 530000000
    """
    if len(number) > 32 or not KANJI_NUMBER.fullmatch(number):
        return None
    if not any(c in _TENS or c in _MYRIADS for c in number):
        return int("".join(str(_DIGITS[c]) for c in number))
    total, group, digits = 0, 0, ""
    last_unit, last_myriad = 10**4, 10**16
    for c in number:
        if c in _DIGITS:
            digits += str(_DIGITS[c])
        elif c in _TENS:
            if len(digits) > 1 or _TENS[c] >= last_unit:
                return None
            group, digits, last_unit = group + int(digits or 1) * _TENS[c], "", _TENS[c]
        else:
            group += int(digits or 0)
            if not 0 < group < 10**4 or _MYRIADS[c] >= last_myriad:
                return None
            total, group, digits, last_unit, last_myriad = total + group * _MYRIADS[c], 0, "", 10**4, _MYRIADS[c]
    if len(digits) > 1 and last_unit < 10**4:
        return None
    return total + group + int(digits or 0)


def read_number(number: str) -> str | None:
    """The reading of a number in kanji. "三百六十" → "さんびゃくろくじゅう", "二三" → "にさん", None if it is not a number."""
    found = parse_number(number)
    if found is None:
        return None
    if number in ABOUT:
        return "".join(ABOUT[number])
    if found >= 10**16 or (number[0] in "〇零" and len(number) > 1):
        return "".join(_SAID[_DIGITS[c]] for c in number) if all(c in _DIGITS for c in number) else None
    return "いっ" + _said(found) if number.startswith("一千") and found < 10**4 else _said(found)


def with_counter(number: int | None, counter: str) -> tuple[str, str] | None:
    """The readings of a number and a counter of `COUNTERS` together: (number, counter), or ("…", "") if they cannot be separated.

    (3, "本") → ("さん", "ぼん"), (4, "月") → ("し", "がつ"), (20, "日") → ("はつか", "").
    (None, "本"), "how many" → ("なん", "ぼん"). None for another counter or a number that is too large.
    """
    if counter not in COUNTERS or (number or 0) >= 10**16:
        return None
    if number is None:
        return "なん", _SOUNDS[counter][1] if counter in _SOUNDS else _LAST[counter][0]
    if whole := _WHOLE.get(counter, {}).get(number):
        return whole, ""
    spoken = _said(number)
    if counter in _LAST:
        reading, changes = _LAST[counter]
        for ending, changed in changes.items():
            if spoken.endswith(ending):
                return spoken.removesuffix(ending) + changed, reading
        return spoken, reading
    reading, after_n, after_stop, short = _SOUNDS[counter]
    for ending in short:
        if spoken.endswith(ending):
            return spoken.removesuffix(ending) + _SHORT[ending], after_stop
    return spoken, after_n if spoken.endswith(_AFTER_N.get(counter, ("さん",))) else reading


def read_counted(number: str, counter: str) -> str | None:
    """The reading of a number in kanji, or of 何, with a counter of `COUNTERS`; None where there is none.

    "三本" → "さんぼん", "五六本" → "ごろっぽん", "四五人" → "しごにん", "一千円" → "いっせんえん".
    """
    value = None if number == "何" else parse_number(number)
    if (value is None and number != "何") or (spoken := with_counter(value, counter)) is None:
        return None
    if number in ABOUT:
        first, last = ABOUT[number]
        sounds = with_counter(_DIGITS[number[1]], counter) if counter in _SOUNDS else (last, counter_reading(counter))
        return first + "".join(sounds or ())
    return ("いっ" if number.startswith("一千") and (value or 0) < 10**4 else "") + "".join(spoken)


def counter_after(number: int, counter: str) -> str | None:
    """The counter's reading after a number in digits, which are not changed. (3, "本") → "ぼん", (20, "日") → "か"."""
    spoken = with_counter(number, counter)
    if spoken is None:
        return None
    return spoken[1] or {"日": "か", "人": "り"}[counter]


def counter_reading(counter: str) -> str:
    """The counter's reading without a sound change. "本" → "ほん"."""
    return _SOUNDS[counter][0] if counter in _SOUNDS else _LAST[counter][0]


def readings_of(counter: str) -> tuple[str, ...]:
    """All readings that a dictionary may give for the counter, longest first."""
    own = _SOUNDS[counter][:3] if counter in _SOUNDS else _LAST[counter][:1]
    return tuple(sorted({*own, *_OTHERWISE.get(counter, ())}, key=len, reverse=True))


def _said(number: int) -> str:
    if number == 0:
        return "れい"
    parts = []
    for unit, name in ((10**12, "ちょう"), (10**8, "おく"), (10**4, "まん"), (1, "")):
        group, number = divmod(number, unit)
        if group:
            spoken = _below_myriad(group)
            # いっちょう, はっちょう, じゅっちょう; and 千万 is いっせんまん.
            if unit == 10**12:
                spoken = next((spoken.removesuffix(e) + _SHORT[e] for e in _S_ROW if spoken.endswith(e)), spoken)
            elif unit > 1 and spoken.startswith("せん"):
                spoken = "いっ" + spoken
            parts.append(spoken + name)
    return "".join(parts)


def _below_myriad(number: int) -> str:
    thousands, hundreds, tens, ones = (number // unit % 10 for unit in (1_000, 100, 10, 1))
    return "".join(
        [
            _THOUSANDS.get(thousands, _SAID[thousands] + "せん") if thousands else "",
            _HUNDREDS.get(hundreds, _SAID[hundreds] + "ひゃく") if hundreds else "",
            ("" if tens == 1 else _SAID[tens]) + "じゅう" if tens else "",
            _SAID[ones] if ones else "",
        ]
    )
