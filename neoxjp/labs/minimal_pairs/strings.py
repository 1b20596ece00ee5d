"""Strings of the section on minimal pairs."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "minimal_pairs_tab": ("最小対", "Minimal pairs"),
    "minimal_pairs_title": ("最小対で文法を調べる", "Test grammar with minimal pairs"),
    "minimal_pairs_intro": (
        "1 か所だけ異なる良い文と悪い文の組（最小対）を読み込み、モデルが良い文のほうに高い確率を与えた割合と、"
        "最も大きく間違えた組を示します。",
        "Reads pairs of a good and a bad text that differ in one place, counts how often the model finds the good one more "
        "probable, and shows the pairs that it gets most wrong.",
    ),
    "minimal_pairs_text": ("最小対（CSV、TSV、JSONL）", "Pairs (CSV, TSV, JSONL)"),
    "minimal_pairs_text_help": (
        "列または項目：good（良い文）、bad（悪い文）、phenomenon（現象の名前、省略可）",
        "columns or fields: good, bad, and phenomenon (may be left out)",
    ),
    "minimal_pairs_choose": ("ファイルを選ぶ", "Choose a file"),
    "minimal_pairs_kinds": (
        ".csv、.tsv、.jsonl。ファイルの中身が上の欄に入ります。",
        ".csv, .tsv, .jsonl: its content is put into the field above.",
    ),
    "minimal_pairs_not_text": (
        "文字コードを判定できません。UTF-8 で保存してください。",
        "The encoding cannot be determined: save the file as UTF-8.",
    ),
    "minimal_pairs_too_large": ("ファイルが {most} MB を超えています。", "The file is larger than {most} MB."),
    "minimal_pairs_go": ("▶ 調べる", "▶ Test"),
    "minimal_pairs_stop": ("■ 停止", "■ Stop"),
    "minimal_pairs_json": ("JSON をダウンロード", "Download JSON"),
    "minimal_pairs_too_long": (
        "{line} 行目の文は長すぎます。上限は {most} 文字です。",
        "A text on line {line} is too long: the limit is {most} characters."),
    "minimal_pairs_too_many": (
        "{n} 組あります。一度に調べられるのは {most} 組までです。"
        "neoxjp evaluate --minimal-pairs なら制限なく調べられます。",
        "There are {n} pairs; up to {most} can be tested at once. The command neoxjp evaluate --minimal-pairs takes any number.",
    ),
    "minimal_pairs_line": ("{line} 行目：{message}", "line {line}: {message}"),
    "minimal_pairs_waiting": ("順番を待っています：前に {n} 件", "waiting: {n} ahead"),
    "minimal_pairs_busy": ("ほかの計算が続いています。しばらくしてからもう一度お試しください。",
                           "The server is busy. Try again later."),
    "minimal_pairs_counting": ("調べています：{done} / {total} 組", "testing: {done} of {total} pairs"),
    "minimal_pairs_done": ("{pairs} 組を調べました（{seconds} 秒）。", "Tested {pairs} pairs in {seconds} s."),
    "minimal_pairs_partly": (
        "{total} 組のうち {pairs} 組を調べたところで終了しました（{seconds} 秒）。",
        "Ended after {pairs} of {total} pairs ({seconds} s).",
    ),
    "minimal_pairs_accuracy": ("正解率", "Accuracy"),
    "minimal_pairs_phenomenon": ("現象", "phenomenon"),
    "minimal_pairs_pairs": ("組", "pairs"),
    "minimal_pairs_in_sum": ("文全体の確率", "by the whole text"),
    "minimal_pairs_per_token": ("1 トークンあたり", "per token"),
    "minimal_pairs_ties": ("同確率", "ties"),
    "minimal_pairs_all": ("全体", "all"),
    "minimal_pairs_no_name": ("（名前なし）", "(no name)"),
    "minimal_pairs_interval": ("［{low}–{high}］", "[{low}–{high}]"),
    "minimal_pairs_note": (
        "良い文のほうが確率が高い組の割合と、95 % 信頼区間（Wilson）です。文全体の確率は短い文に有利なので、長さが異なる組では "
        "1 トークンあたりの値も見てください。",
        "The share of pairs whose good text is more probable, with Wilson's 95 % interval. The whole text's probability favours "
        "short texts: where lengths differ, look at the value per token too.",
    ),
    "minimal_pairs_equal_length": ("トークン数が等しい組：{pairs} 組中 {right} 組が正解{interval}",
                                   "Pairs with the same number of tokens: {right} of {pairs} right {interval}"),
    "minimal_pairs_unequal_length": ("トークン数が異なる組：{pairs} 組中 {right} 組が正解{interval}",
                                     "Pairs with different numbers of tokens: {right} of {pairs} right {interval}"),
    "minimal_pairs_worst": ("最も大きく間違えた組", "The pairs that it gets most wrong"),
    "minimal_pairs_none_wrong": ("悪い文のほうが確率が高い組はありませんでした。", "In no pair is the bad text more probable."),
    "minimal_pairs_scale": ("各トークンの確率", "probability of each token"),
    "minimal_pairs_scale_note": ("枠で囲んだトークンは、2 つの文で異なるトークンです。",
                                 "Framed tokens differ between the two texts."),
    "minimal_pairs_by": ("{line} 行目：悪い文のほうが確率が高く、差は {bits} ビットです",
                         "line {line}: the bad text is more probable by {bits} bits"),
    "minimal_pairs_good": ("良い文", "good"),
    "minimal_pairs_bad": ("悪い文", "bad"),
    "minimal_pairs_bits": ("{bits} ビット", "{bits} bits"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
