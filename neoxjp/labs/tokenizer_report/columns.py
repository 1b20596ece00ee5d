"""The columns of the report: each measure's name, definition and weakness, in Japanese and English, and its values by row."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from neoxjp.labs.tokenizer_report.records import PAIRED, SPELLED, UNITS, Report, Row

Lang = Literal["ja", "en"]
Text = tuple[str, str]  # Japanese, English
Style = Literal["ratio", "share", "speed"]
Value = Callable[[Row], float | None]


@dataclass(frozen=True)
class Measure:
    """What a column shows."""

    name: Text
    definition: Text
    weakness: Text


# fmt: off
MEASURES: dict[str, Measure] = {
    "characters_per_token": Measure(
        ("文字／トークン", "characters per token"),
        ("テキストの文字数（Unicode のコードポイント）をトークン数で割った値です。大きいほど、少ないトークンで表せます。",
         "Characters of the texts (Unicode code points) divided by their tokens: the more, the shorter."),
        ("トークンが単位として良いかどうかは分かりません。学習に使ったものと似たテキストでは高くなります。",
         "It does not show whether the tokens are good units, and is higher on texts like those a vocabulary was made from."),
    ),
    "bytes_per_token": Measure(
        ("バイト／トークン", "bytes per token"),
        ("テキストの UTF-8 のバイト数をトークン数で割った値です。ほかの言語の数値と比べられます。",
         "UTF-8 bytes of the texts divided by their tokens, as figures for other languages are given."),
        ("漢字とかなは 1 文字が 3 バイトなので、日本語ではどのトークナイザーでも高くなります。",
         "A kanji or kana has three bytes, so the value of Japanese is high with any tokenizer."),
    ),
    "parity": Measure(
        ("英語との比", "parity with English"),
        ("日本語のトークン数を、その英訳のトークン数で割った値です。1 なら、日本語と英語のトークン数が同じです。",
         "Tokens of the Japanese texts divided by tokens of their English translations; at 1 both cost the same."),
        ("訳の詳しさで変わります。また、英語を細かく分割する日本語向けの語彙では低く（良く）見えます。",
         "It depends on how much the translation says, and a Japanese vocabulary that splits English into letters looks good."),
    ),
    "boundaries": Measure(
        ("境界の一致", "boundaries"),
        ("文の中の境界を、人が付けた境界と比べます。適合率はトークナイザーの境界のうち人の境界でもある割合、再現率は人の境界のうち"
         "トークナイザーにもある割合、F1 は両者の調和平均です。短単位はファイルの語、長単位と文節は最後の列の情報です。",
         "Boundaries inside sentences against those set by hand: precision is the share of the tokenizer's that are set by hand, "
         "recall the share of those set by hand that the tokenizer has, F1 their harmonic mean. Short units are the words of the "
         "file, long units and bunsetsu are marked in its last column."),
        ("言語モデルのトークンが語と一致する必要はありません。文字ごとの分割は再現率が 1 です。文字の内部の境界は数えません。",
         "Tokens of a language model need not be words; single characters have recall 1; borders inside them do not count."),
    ),
    "words_whole": Measure(
        ("分割されない語", "words kept whole"),
        ("2 文字以上の短単位のうち、途中にトークンの境界がない語の割合です。より長いトークンの一部でもかまいません。",
         "Share of the short units of two or more characters without a token border inside; they may be part of a longer token."),
        ("語をまたぐ長いトークンも数に入るので、境界の再現率と合わせて読んでください。",
         "Long tokens that join words count too: read it together with the recall of the boundaries."),
    ),
    "byte_fallback": Measure(
        ("バイトになる文字", "byte fallback"),
        ("1 つのトークンに収まらず、主に UTF-8 のバイトとして複数のトークンに分かれる文字の割合です。",
         "Share of the characters that no single token holds: several tokens share them, mostly as UTF-8 bytes."),
        ("文字の境界をまたぐトークンがある語彙では上限値です。正規化で 2 トークンになる文字（㍿ など）も入ります。",
         "An upper bound where tokens cross the borders of characters; one that normalization makes two tokens (㍿) counts too."),
    ),
    "lost": Measure(
        ("元に戻らない文字", "characters lost"),
        ("エンコードしてデコードすると、変わるか消える文字の割合です。",
         "Share of the characters that differ or are missing after encoding and decoding."),
        ("全角の空白が半角になっても、漢字が別の漢字になっても、同じ 1 文字と数えます。",
         "A full-width space that becomes a space counts as much as a kanji that becomes another one."),
    ),
    "ids_unused": Measure(
        ("使われない ID", "ids never used"),
        ("語彙の ID のうち、これらのテキストに一度も現れないものの割合です。",
         "Share of the vocabulary's ids that do not occur in these texts."),
        ("テキストの量と言語で変わるので、同じテキストでの値だけを比べてください。多言語の語彙では高くなります。",
         "It depends on the amount and language of the texts: compare it on the same texts only; multilingual ones are high."),
    ),
    "renyi": Measure(
        ("レニー効率", "Rényi efficiency"),
        ("トークンの出現頻度のレニー・エントロピー（α = 2.5）を、現れたトークンの種類数の対数で割った値です（arXiv 2306.16842）。"
         "1 ならすべて同じ頻度です。",
         "Rényi entropy (α = 2.5) of the tokens' frequencies divided by the logarithm of the number of different tokens that "
         "occur (arXiv 2306.16842); at 1 all are equally frequent."),
        ("ある翻訳の実験で品質と相関しましたが、値を上げて品質を下げる反例が知られています（arXiv 2402.14614）。",
         "It went along with quality in an experiment on translation, and there are counterexamples (arXiv 2402.14614)."),
    ),
    "spelling": Measure(
        ("別の表記のトークン数", "tokens of other spellings"),
        ("漢字をひらがなで書いた表記、全体を半角カナで書いた表記、旧字体の表記のトークン数を、元の表記の"
         "トークン数で割った値です。表記が変わる行だけを数えます。",
         "Tokens of the text with its kanji in hiragana, all in half-width katakana, or in old kanji, divided by those of the "
         "text as written; only lines that the spelling changes count."),
        ("読みは辞書によるもので、誤りもあります。かなは文字数が増えるので、文字ごとの分割でも 1 を超えます。",
         "Readings are a dictionary's and may be wrong; kana have more characters, so even single characters are above 1."),
    ),
    "cuts": Measure(
        ("表記間の境界の一致", "agreement of boundaries"),
        ("1 文字ずつ対応する表記の組（元の表記と旧字体、ひらがなとカタカナ）で、変わる文字に接する境界のうち"
         "両方にあるものの割合（F1）です。",
         "Of the boundaries beside characters that a spelling changes, the share that both spellings have (F1), for spellings "
         "that correspond character by character: as written and in old kanji, in hiragana and in katakana."),
        ("文字の内部の境界は比べません。文字ごとの分割は必ず 1 です。",
         "Boundaries inside a character are not compared; single characters always have 1."),
    ),
    "speed": Measure(
        ("速さ（MB/秒）", "speed (MB/s)"),
        ("1 秒あたりにエンコードした UTF-8 のメガバイト数です。"
         "このマシンで、この測定の中で、テキストを 1 つずつ順に処理して測りました。",
         "Megabytes of UTF-8 encoded per second, on this machine, in the same run, one text after the other."),
        ("マシンと実行ごとに変わるので、同じ表の中だけで比べてください。最初の準備の時間も入ります。",
         "It changes with the machine and from run to run: compare it within one table only; first preparations are included."),
    ),
}

PARTS: dict[str, Text] = {
    "this text": ("このテキスト", "this text"),  # the domain on the page
    "short": ("短単位", "short units"),
    "long": ("長単位", "long units"),
    "bunsetsu": ("文節", "bunsetsu"),
    "precision": ("適合率", "precision"),
    "recall": ("再現率", "recall"),
    "f1": ("F1", "F1"),
    "hiragana": ("ひらがな", "hiragana"),
    "halfwidth": ("半角カナ", "half-width"),
    "old_kanji": ("旧字体", "old kanji"),
    "kana": ("ひらがな・カタカナ", "hiragana/katakana"),
}
GROUPS: dict[str, tuple[Text, tuple[str, ...]]] = {
    "length": (("長さ：文字／トークン", "Length: characters per token"), ("characters_per_token", "parity")),
    "bytes": (("長さ：バイト／トークン", "Length: bytes per token"), ("bytes_per_token",)),
    "words": (("語の境界", "Word boundaries"), ("boundaries", "words_whole")),
    "spellings": (
        ("表記の違いに対する安定性：元の表記に対するトークン数の比",
         "Stability over spellings: tokens divided by those as written"),
        ("spelling", "cuts"),
    ),
    "vocabulary": (
        ("語彙とデコード結果", "Vocabulary and round trip"),
        ("byte_fallback", "lost", "ids_unused", "renyi", "speed"),
    ),
}
"""The tables: title, and the measures in each."""
# fmt: on
STYLES: dict[str, Style] = {
    "words_whole": "share",
    "byte_fallback": "share",
    "lost": "share",
    "ids_unused": "share",
    "speed": "speed",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column: a measure, or one of its parts."""

    measure: str  # key of MEASURES
    part: tuple[str, ...]  # of PARTS; for a domain its name; () for all of it
    values: tuple[float | None, ...]  # one for each row

    @property
    def key(self) -> str:
        """A name for files: "boundaries_short_f1", "characters_per_token: Aozora Bunko"."""
        if self.measure in ("characters_per_token", "bytes_per_token"):
            return f"{self.measure}: {self.part[0]}"
        return "_".join((self.measure, *self.part))

    @property
    def style(self) -> Style:
        return STYLES.get(self.measure, "ratio")

    def head(self, lang: Lang) -> str:
        """What the head of the column says."""
        parts = " ".join(pick(PARTS[part], lang) if part in PARTS else part for part in self.part)
        name = pick(MEASURES[self.measure].name, lang)
        return parts if parts and self.measure != "cuts" else f"{name}{'：' if lang == 'ja' else ': '}{parts}" if parts else name


def pick(text: Text, lang: Lang) -> str:
    """The sentence in a language."""
    return text[0] if lang == "ja" else text[1]


def columns(report: Report) -> list[Column]:
    """All columns that have a value in some row, in the order of MEASURES."""
    made = [Column(measure, part, tuple(map(value, report.rows))) for measure, part, value in _columns(report)]
    return [column for column in made if any(value is not None for value in column.values)]


def tables(report: Report) -> Iterator[tuple[str, list[Column]]]:
    """The columns as tables: the key of a group and its columns."""
    found = columns(report)
    for key, (_, measures) in GROUPS.items():
        if table := [column for measure in measures for column in found if column.measure == measure]:
            yield key, table


def _columns(report: Report) -> Iterator[tuple[str, tuple[str, ...], Value]]:
    for measure in ("characters_per_token", "bytes_per_token"):
        for domain in report.domains:
            yield measure, (domain.name,), _of(measure, domain.name)
    yield "parity", (), lambda row: row.parity
    for unit in UNITS:
        for name in ("precision", "recall", "f1"):
            yield "boundaries", (unit, name), _agreement(unit, name)
    yield "words_whole", (), lambda row: row.words_whole
    yield "byte_fallback", (), lambda row: row.byte_fallback
    yield "lost", (), lambda row: row.lost
    yield "ids_unused", (), lambda row: row.ids_unused
    yield "renyi", (), lambda row: row.renyi
    for spelling in SPELLED:
        yield "spelling", (spelling,), _of("spelling", spelling)
    for pair in PAIRED:
        yield "cuts", (pair,), _of("cuts", pair)
    yield "speed", (), lambda row: row.megabytes_per_second


def _of(field: str, key: str) -> Value:
    def value(row: Row) -> float | None:
        found: Mapping[str, float | None] | None = getattr(row, field)
        return None if found is None else found.get(key)

    return value


def _agreement(unit: str, name: str) -> Value:
    def value(row: Row) -> float | None:
        found = (row.boundaries or {}).get(unit)
        return None if found is None else getattr(found, name)

    return value
