"""Strings of the corpus section."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "corpus_tab": ("自分のコーパス", "Your corpus"),
    "corpus_title": ("自分のファイルを集計", "Count a file of your own"),
    "corpus_intro": (
        "テキスト・CSV・JSONL ファイル（{most} MB まで）のトークン数と、デコードしても元に戻らない文字を調べます。"
        "ファイルは集計後に削除され、何も保存されません。",
        "Shows how many tokens a text, CSV or JSONL file (up to {most} MB) has, and which characters decoding changes. "
        "The file is deleted after it is counted; nothing is stored."),
    "corpus_choose": ("ファイルを選ぶか、ここにドロップ", "Choose a file, or drop one here"),
    "corpus_kinds": (
        ".txt .csv .tsv .jsonl など。Shift_JIS や EUC-JP も読めます。",
        ".txt, .csv, .tsv, .jsonl, … also in Shift_JIS or EUC-JP."),
    "corpus_sending": ("アップロード中 {percent} %", "uploading {percent} %"),
    "corpus_sent": ("{name}（{size}）", "{name} ({size})"),
    "corpus_aborted": ("アップロードを中止しました。", "The upload was stopped."),
    "corpus_failed": (
        "アップロードできませんでした。もう一度お試しください。",
        "The file could not be uploaded. Please try again."),
    "corpus_too_large": ("ファイルが {most} MB を超えています。", "The file is larger than {most} MB."),
    "corpus_column": ("テキストの列", "Column with the text"),
    "corpus_column_help": ("CSV と JSONL の場合", "for CSV and JSONL files"),
    "corpus_encoding": ("文字コード", "Encoding"),
    "corpus_encoding_help": ("文字化けするときは選び直してください", "choose another one if the text looks wrong"),
    "corpus_auto": ("自動判定", "detect"),
    "corpus_tokenizers": ("ほかのトークナイザーでも集計", "Also count with other tokenizers"),
    "corpus_tokenizers_help": (
        "語彙が異なるものは、数倍から数十倍の時間がかかります",
        "those with another vocabulary take many times as long"),
    "corpus_go": ("▶ 集計", "▶ Count"),
    "corpus_stop": ("■ 停止", "■ Stop"),
    "corpus_no_file": ("先にファイルを選んでください。", "Choose a file first."),
    "corpus_encoding_found": ("{encoding}（{confidence}）", "{encoding} ({confidence})"),
    "corpus_columns": ("列：{columns}", "columns: {columns}"),
    "corpus_start": ("冒頭：", "It starts with: "),
    "corpus_confidence_certain": ("確実", "certain"),
    "corpus_confidence_likely": ("ほぼ確実", "likely"),
    "corpus_confidence_guess": ("推測。下で選び直せます", "a guess: choose another one below if it is wrong"),
    "corpus_confidence_chosen": ("選択", "chosen"),
    "corpus_opening": ("{name} を読み込んでいます", "opening {name}"),
    "corpus_waiting": ("順番を待っています：前に {n} 件", "waiting: {n} ahead of you"),
    "corpus_counting": (
        "{percent} %：文書 {documents} 件、{tokens} トークン",
        "{percent} %: {documents} documents, {tokens} tokens"),
    "corpus_stopped": ("停止し、ファイルを削除しました。", "Stopped. The file is deleted."),
    "corpus_done": ("集計が終わり（{seconds} 秒）、ファイルを削除しました。", "Counted in {seconds} s. The file is deleted."),
    "corpus_too_long": (
        "公開ページでの集計は {n} 秒までです。トークナイザーを減らすか、ファイルを小さくしてください。",
        "On a public page a count may take {n} s: choose fewer tokenizers, or a smaller file."),
    "corpus_busy": ("混み合っています。しばらくしてからもう一度お試しください。", "The server is busy: try again in a minute."),
    "corpus_csv": ("CSV をダウンロード", "Download CSV"),
    "corpus_json": ("JSON をダウンロード", "Download JSON"),
    "corpus_kind_text": ("テキスト", "plain text"),
    "corpus_kind_csv": ("CSV、列「{column}」", "CSV, column “{column}”"),
    "corpus_kind_jsonl": ("JSONL、フィールド「{column}」", "JSONL, field “{column}”"),
    "corpus_invalid_bytes": (
        "不正なバイトが {n} 個ありました（� として集計）。位置：{where}",
        "Invalid bytes: {n}, counted as �. At: {where}"),
    "corpus_broken": ("テキストのない行が {n} 行ありました。{where}", "Lines without a text: {n}. {where}"),
    "corpus_line": ("{n} 行目：{fault}", "Line {n}: {fault}"),
    "corpus_documents": ("文書", "documents"),
    "corpus_per_token": ("文字／トークン", "characters per token"),
    "corpus_byte_share": ("バイトトークン", "byte tokens"),
    "corpus_lost": ("元に戻らない文字", "characters lost"),
    "corpus_ids_used": ("使われた ID", "ids used"),
    "corpus_of": ("{n} / {all}", "{n} / {all}"),
    "corpus_by_tokenizer": ("トークナイザー別", "By tokenizer"),
    "corpus_tokenizer": ("トークナイザー", "tokenizer"),
    "corpus_frequent": ("出現回数の多いトークン", "Most frequent tokens"),
    "corpus_longest": ("長いトークン", "Longest tokens"),
    "corpus_lists": ("{name}：出現回数の多いトークンと長いトークン", "{name}: most frequent and longest tokens"),
    "corpus_token": ("トークン", "token"),
    "corpus_times": ("回数", "occurrences"),
    "corpus_losses": ("元に戻らない文字", "What decoding does not restore"),
    "corpus_losses_intro": (
        "エンコードしてデコードすると変わる文字です。全 {all} 文字のうち {n} 文字（{share}）。",
        "Characters that encoding and decoding change: {n} of {all} ({share})."),
    "corpus_no_losses": ("すべての文字が元に戻ります。", "Every character is restored."),
    "corpus_more_losses": (
        "{all} 通りのうち、多いものから {n} 通りを表示しています。",
        "The {n} most frequent of {all} are shown."),
    "corpus_loss": ("元の文字 → デコード結果", "text → decoded"),
    "corpus_reason": ("理由", "reason"),
    "corpus_example": ("例", "example"),
    "corpus_nothing": ("（なし）", "(nothing)"),
    "corpus_reason_folded": ("異表記の統合", "spelling variant"),
    "corpus_reason_blank": ("空白の統一", "spaces"),
    "corpus_reason_newline": ("改行の統一", "line endings"),
    "corpus_reason_dash": ("ダッシュの置換", "dash becomes ー"),
    "corpus_reason_symbol": ("記号の統合", "symbol class"),
    "corpus_reason_emoji": ("絵文字の統合", "shared emoji id"),
    "corpus_reason_other": ("その他", "other"),
    "corpus_scripts": ("文字種", "Scripts"),
    "corpus_distinct": ("種類数", "distinct"),
    "corpus_rarest": ("まれな文字", "rarest characters"),
    "corpus_rare_section": ("まれな文字の一覧", "List of rare characters"),
    "corpus_without": ("単独では語彙にない文字", "Characters without an entry of their own"),
    "corpus_without_intro": (
        "より長い表記の一部でない限り、<KIGOU> などの記号グループかバイトトークンになります。",
        "Unless they are part of a longer spelling, they become a symbol class such as <KIGOU>, or byte tokens."),
    "corpus_character": ("文字", "character"),
    "corpus_code": ("コードポイントと名前", "code point and name"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
