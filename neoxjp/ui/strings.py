"""Every word of the page, in Japanese and English, and how each place gets its language.

Labels of components: `label(key)`, which Gradio translates in the browser. HTML that a handler writes:
`words(language(request))`. HTML that stands on the page before any handler ran: `both(key)`, of which the style sheet shows one.
"""

from collections.abc import Callable
from html import escape
from typing import Literal

import gradio as gr

Lang = Literal["ja", "en"]
Words = Callable[..., str]
"""`say("tokens", n=34)` → "34 トークン"."""

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    # the frame
    "tab_generate": ("文章生成", "Generate"),
    "tab_tokenize": ("トークン", "Tokens"),
    "tab_model": ("モデル", "Model"),
    "tagline": ("日本語の GPT-NeoX を、ひと切れずつ見る", "GPT-NeoX for Japanese, piece by piece"),
    "ready": ("準備完了", "ready"),
    "loading": ("{name} を読み込み中", "loading {name}"),
    "loading_vocabulary": ("{name} の語彙を読み込み中", "loading the vocabulary of {name}"),
    "loading_weights": ("{name} の重みを読み込み中 {percent} %（トークン化はもう使えます）",
                        "loading the weights of {name} {percent} % (tokenizing works already)"),
    "failed": ("読み込めませんでした", "could not be loaded"),
    "nothing_loaded": ("モデルはまだありません", "no model yet"),
    "tokenizer_only": ("語彙だけ", "vocabulary only"),
    "wait_vocabulary": ("語彙を読み込んでいます…", "The vocabulary is being loaded…"),
    "no_vocabulary": ("語彙を読み込めていません。「モデル」タブで別のフォルダーを選んでください。",
                      "No vocabulary is loaded. Choose another folder in the Model tab."),
    "wait_model": ("モデルを読み込んでいます。終わるまで少しお待ちください。",
                   "The model is still being loaded. Please wait a moment."),
    "unexpected": ("予期しない問題が起きました。もう一度お試しください。", "Something unexpected went wrong. Please try again."),
    "attention": ("注意機構", "attention"),
    # Tokenize tab
    "t_text": ("文章", "Text"),
    "t_text_info": ("打つとすぐ下に、トークンの切れ目が出ます。", "As you type, the cuts into tokens appear right below."),
    "t_placeholder": ("ここに日本語を打ってください", "Type some Japanese here"),
    "t_example_kana": ("表記ゆれ", "Variants"),
    "t_example_bytes": ("絵文字と珍しい字", "Emoji and rare letters"),
    "t_example_prose": ("小説", "Novel"),
    "t_example_mixed": ("まざり文", "Mixed text"),
    "t_show_ids": ("id も見せる", "Show ids"),
    "t_ids_section": ("id をコピー・id から文章へ", "Copy the ids · from ids to text"),
    "t_ids": ("この文章の id", "Ids of this text"),
    "t_paste_ids": ("id を貼ると文章になります", "Paste ids to get text"),
    "t_paste_placeholder": ("例: 7000, 1234 15", "for example: 7000, 1234 15"),
    "t_decoded": ("文章", "Text"),
    "t_too_long": ("{n} 文字あります。ここで切れるのは {limit} 文字までです。短くしてください。",
                   "This text has {n} characters; up to {limit} can be cut here. Please shorten it."),
    "t_ids_cut": ("（はじめの {drawn} 個。全部は API の /tokenize で）",
                  "(the first {drawn}; all of them by the API, /tokenize)"),
    "t_bad_id": ("{found} は id ではありません。数字をコンマか空白で区切ってください。",
                 "{found} is not an id. Write numbers, separated by commas or blanks."),
    "t_id_range": ("id {found} はこの語彙にありません（0 から {last} まで）。",
                   "Id {found} is not in this vocabulary (0 to {last})."),
    "tokens": ("トークン", "tokens"),
    "characters": ("文字", "characters"),
    "utf8_bytes": ("バイト (UTF-8)", "bytes (UTF-8)"),
    "characters_per_token": ("文字／トークン", "characters per token"),
    "n_tokens": ("{n} トークン", "{n} tokens"),
    "n_more": ("ほか {n} 個", "{n} more"),
    "not_drawn": ("はじめの {drawn} トークンを描きました。残り {rest} トークンは描かずに、数だけに入れています。",
                  "The first {drawn} tokens are drawn. The other {rest} are counted, but not drawn."),
    "hiragana": ("ひらがな", "hiragana"),
    "katakana": ("カタカナ", "katakana"),
    "kanji": ("漢字", "kanji"),
    "latin": ("英字", "Latin"),
    "digit": ("数字", "digits"),
    "symbol": ("記号", "symbols"),
    "emoji": ("絵文字", "emoji"),
    "space": ("空白", "blanks"),
    "other": ("その他", "other"),
    "legend_folded": ("別の表記にまとめられる", "folded into another spelling"),
    "legend_lossy": ("戻すと元の字と違う", "comes back different"),
    "legend_bytes": ("右肩の数＝バイトに分かれた字のトークン数", "small number = tokens of a character split into bytes"),
    "detail_hint": ("トークンを指すか、押すか、矢印キーで選ぶと、ここに詳しく出ます。",
                    "Point at a token, tap it, or walk with the arrow keys: its details appear here."),
    "d_id": ("id", "id"),
    "d_piece": ("語彙の表記", "piece"),
    "d_bytes": ("UTF-8", "UTF-8"),
    "d_script": ("文字種", "script"),
    "d_kind": ("種類", "kind"),
    "d_at": ("位置", "place"),
    "d_spellings": ("この id のすべての表記", "all spellings of this id"),
    "d_more": ("ほか {n} 通り", "{n} more"),
    "d_folded": ("「{a}」は「{b}」と同じ id です。id から戻すと「{b}」になります。",
                 "“{a}” shares its id with “{b}”: decoding writes “{b}”."),
    "d_lossy": ("id から戻すと「{b}」になり、元の「{a}」とは違います。", "Decoding writes “{b}”, which is not “{a}”."),
    "d_nothing": ("何も書かれない", "nothing"),
    "kind_word": ("語", "word"),
    "kind_byte": ("バイト", "byte"),
    "kind_emoji": ("絵文字", "emoji"),
    "kind_blank": ("空白", "blank"),
    "kind_symbol": ("記号類のまとめ", "class of symbols"),
    "kind_tag": ("タグ", "tag"),
    "kind_special": ("特別なトークン", "special token"),
    # ... its comparison
    "c_title": ("表記をくらべる", "Compare spellings"),
    "c_intro": ("同じ文章を、漢字かな・ひらがな・カタカナ・半角で書いたら、トークンはいくつになるか。",
                "The same text with kanji, in hiragana, in katakana and half-width: what does each cost in tokens?"),
    "c_second": ("もう一つのトークナイザー", "A second tokenizer"),
    "c_none": ("なし", "none"),
    "c_bytes": ("UTF-8 バイト", "UTF-8 bytes"),
    "c_characters": ("1 文字ずつ", "characters"),
    "c_compat": ("transformers の実装", "as transformers has it"),
    "c_folder": ("別の語彙フォルダー", "another vocabulary folder"),
    "c_folder_path": ("vocab.txt と emoji.json のあるフォルダー", "Folder with vocab.txt and emoji.json"),
    "c_edit": ("表記を直す・足す", "Correct or add a spelling"),
    "c_edit_info": ("読みは辞書による推測です。違っていたらここで直すと、表も変わります。",
                    "The readings are a dictionary's guess. Correct one here and its row follows."),
    "c_custom_info": ("自由な行。ローマ字や別の言い方をどうぞ。", "A row of your own: rōmaji, another wording, …"),
    "c_reset": ("辞書の読みに戻す", "Back to the dictionary's readings"),
    "c_table": ("表と CSV", "Table and CSV"),
    "c_download": ("CSV をダウンロード", "Download CSV"),
    "c_cut": ("比べるのは、はじめの {n} 文字です。", "The first {n} characters are compared."),
    "spelling_written": ("書いたまま", "as written"),
    "spelling_hiragana": ("ひらがな", "hiragana"),
    "spelling_katakana": ("カタカナ", "katakana"),
    "spelling_halfwidth": ("半角カナ", "half-width"),
    "spelling_custom": ("自由な行", "your own"),
    "one_scale": ("同じ目盛り（右端 = {n} トークン）", "one scale (right end = {n} tokens)"),
    "col_spelling": ("表記", "spelling"),
    "col_tokenizer": ("トークナイザー", "tokenizer"),
    "col_ratio": ("書いたままとの比", "ratio to as written"),
    "col_text": ("文章", "text"),
    "col_pieces": ("切れ目", "pieces"),
    # Generate tab
    # Model tab
}
# fmt: on


def translations() -> gr.I18n:
    """For `launch(i18n=...)`: the whole table, by the browser's locale."""
    return gr.I18n(ja={key: ja for key, (ja, _) in STRINGS.items()}, en={key: en for key, (_, en) in STRINGS.items()})


def label(key: str) -> str:
    """A component's label, info, placeholder or choice, which the browser translates. Typed as the string it stands for."""
    if key not in STRINGS:
        raise KeyError(key)
    return gr.I18n()(key)  # type: ignore[return-value]


def words(lang: Lang) -> Words:
    """A function from key and values to the sentence in `lang`. Not escaped: that is render's work."""

    def say(key: str, **values: object) -> str:
        ja, en = STRINGS[key]
        return (ja if lang == "ja" else en).format(**values)

    return say


def both(key: str, **values: object) -> str:
    """HTML with both sentences, of which the style sheet shows the visitor's."""
    ja, en = (escape(words(lang)(key, **values)) for lang in ("ja", "en"))
    return f'<span class="only-ja" lang="ja">{ja}</span><span class="only-en" lang="en">{en}</span>'


def language(request: gr.Request | None) -> Lang:
    """The visitor's language from the first of the Accept-Language header: what the browser shows labels in, too."""
    header = str(request.headers.get("accept-language", "")) if request is not None else ""
    return "ja" if header.strip().lower().startswith("ja") else "en"
