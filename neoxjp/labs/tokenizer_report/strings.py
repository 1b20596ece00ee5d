"""Strings of the tokenizer report's section; names and meanings of the columns are in columns.py."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "tokenizer_report_tab": ("トークナイザー比較表", "Tokenizer report"),
    "tokenizer_report_title": ("トークナイザーを数値で比べる", "Tokenizers in numbers"),
    "tokenizer_report_intro": (
        "上の文章（{most} 文字まで）のトークン数などを、トークナイザーごとに測ります。自分の文章を貼り付けて使えます。"
        "ファイルの測定と、語の境界との比較には、コマンド neoxjp tokenizer-report を使ってください。",
        "Measures the text above (up to {most} characters) with each tokenizer: paste a text of your own. "
        "For files and word boundaries there is the command neoxjp tokenizer-report."),
    "tokenizer_report_tokenizers": ("比べるトークナイザー", "Tokenizers to compare"),
    "tokenizer_report_tokenizers_help": (
        "初めて使うものは、読み込みに数秒かかります",
        "one that is used for the first time takes a few seconds to load"),
    "tokenizer_report_go": ("▶ 測定", "▶ Measure"),
    "tokenizer_report_stop": ("■ 停止", "■ Stop"),
    "tokenizer_report_markdown": ("Markdown をダウンロード", "Download Markdown"),
    "tokenizer_report_csv": ("CSV をダウンロード", "Download CSV"),
    "tokenizer_report_json": ("JSON をダウンロード", "Download JSON"),
    "tokenizer_report_no_text": ("先に上の欄に文章を入力してください。", "Type or paste a text above first."),
    "tokenizer_report_no_tokenizer": ("トークナイザーを 1 つ以上選んでください。", "Choose at least one tokenizer."),
    "tokenizer_report_too_many": (
        "トークナイザーは一度に {most} 個までです（{n} 個選ばれています）。",
        "{n} tokenizers are chosen: measure at most {most} at a time."),
    "tokenizer_report_opening": ("{name} を読み込んでいます", "opening {name}"),
    "tokenizer_report_measuring": ("測定しています：{percent} %", "measuring: {percent} %"),
    "tokenizer_report_stopped": ("停止しました。", "Stopped."),
    "tokenizer_report_done": (
        "{characters} 文字を測定しました（{seconds} 秒）。",
        "Measured {characters} characters in {seconds} s."),
    "tokenizer_report_tokenizer": ("トークナイザー", "tokenizer"),
    "tokenizer_report_columns": ("列の意味と弱点", "What the columns mean, and their weaknesses"),
    "tokenizer_report_weakness": ("弱点：{weakness}", "Weakness: {weakness}"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
