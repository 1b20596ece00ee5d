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
    "c_no_folders": ("公開中のページではフォルダーを指定できません。", "Folders cannot be named on a public page."),
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
    "g_prompt": ("書き出し", "Opening"),
    "g_prompt_placeholder": ("ここに書いた文章の続きを、モデルが書きます（空のままなら、はじめから）",
                             "The model goes on from what you write here (empty: it begins by itself)"),
    "g_examples": ("例", "Examples"),
    "g_ex_story": ("物語", "Story"),
    "g_ex_explanation": ("説明", "Explanation"),
    "g_ex_dialogue": ("会話", "Dialogue"),
    "g_ex_cooking": ("料理", "Cooking"),
    "g_go": ("▶ 生成　Ctrl+⏎", "▶ Generate  Ctrl+⏎"),
    "g_stop": ("■ 停止　Esc", "■ Stop  Esc"),
    "g_more": ("続ける", "Continue"),
    "g_again": ("やり直す（同じシード）", "Again, same seed"),
    "g_undo": ("元に戻す", "Undo"),
    "g_count": ("{n} トークン／文脈 {context}", "{n} of {context} tokens"),
    "g_count_no_context": ("{n} トークン", "{n} tokens"),
    "g_count_over": ("{n} トークン：文脈 {context} を超えています。短くするか、「その他の絞り込み」の「先頭を切る」を入れてください。",
                     "{n} tokens: more than the context of {context}. Shorten it, or switch on “Cut the beginning” under More filters."),
    "g_count_bos": ("空：モデルがはじめから書きます", "empty: the model begins by itself"),
    "g_hint": ("「生成」を押すと、ここに続きが現れます。", "Press Generate: the continuation appears here."),
    "g_view": ("書いた文章と続き：{n} トークン", "Your text and its continuation: {n} tokens"),
    "g_view_label": ("文章。矢印キーで切れ目を移動します", "The text; arrow keys walk its pieces"),
    "g_panel_hint": ("続きの一切れに触れると（または矢印キーで選ぶと）、ほかの候補とその確率が出ます。",
                     "Point at a piece of the continuation (or walk with the arrow keys) to see what else could have stood there."),
    "g_scale": ("確率", "probability"),
    "g_starting": ("書きはじめます", "starting"),
    "g_waiting": ("順番を待っています：{n} 番目", "waiting in line: place {n}"),
    "g_reading": ("書き出しを読んでいます：{n} / {total} トークン", "reading your text: {n} of {total} tokens"),
    "g_writing": ("書いています：{n} / {total} トークン", "writing: {n} of {total} tokens"),
    "g_finish_length": ("{n} トークン書きました。「続ける」で先へ進みます。", "Wrote {n} tokens. Continue goes on from here."),
    "g_finish_full": ("{n} トークン書いて、文脈がいっぱいになりました。「先頭を切る」を入れると続けられます。",
                      "Wrote {n} tokens, and the context is full. Switch on “Cut the beginning” to go on."),
    "g_finish_eos": ("{n} トークンで、モデルが文章を終えました。", "The model ended the text after {n} tokens."),
    "g_finish_stop": ("{n} トークンで、止める文字列に出会いました。", "Met a stop string after {n} tokens."),
    "g_finish_cancelled": ("停止しました。書けた {n} トークンは残っています。", "Stopped. The {n} tokens written are kept."),
    "g_finish_deadline": ("時間切れです。書けた {n} トークンは残っています。", "Time is up. The {n} tokens written are kept."),
    "g_finish_error": ("途中で問題が起きました。書けた {n} トークンは残っています。", "Something went wrong. The {n} tokens written are kept."),
    "g_loading": ("{name} を読み込んでいます（{percent} %）。終わったらもう一度「生成」を押してください。",
                  "{name} is still being loaded ({percent} %). Press Generate again when it is there."),
    "g_too_many_characters": ("{n} 文字は長すぎます。ここでは {most} 文字までです。", "{n} characters are too many: up to {most} can be used here."),
    "g_too_long": ("{n} トークンあり、モデルの文脈 {context} に収まりません。短くするか、「その他の絞り込み」の「先頭を切る」を入れてください。",
                   "{n} tokens do not fit the model's context of {context}. Shorten the text, or switch on “Cut the beginning” under More filters."),
    "g_cut_note": ("〔先頭の {n} トークンはモデルに見えていません〕", "[the model did not see the first {n} tokens] "),
    "g_nothing_yet": ("まだ続きがありません。先に「生成」を押してください。", "There is nothing to go on from yet: press Generate first."),
    "g_other_model": ("この文章は別のモデルが書いたものです。「生成」で新しく始めてください。",
                      "Another model wrote this text. Press Generate to start anew."),
    "g_sampling": ("選び方", "Sampling"),
    "g_more_filters": ("その他の絞り込み", "More filters"),
    "g_presets": ("おまかせ設定", "Presets"),
    "g_preset_normal": ("標準", "Standard"),
    "g_preset_careful": ("慎重", "Careful"),
    "g_preset_lively": ("奔放", "Lively"),
    "g_preset_greedy": ("最有力だけ", "Greedy"),
    "g_temperature": ("温度 temperature", "Temperature"),
    "g_temperature_help": ("低い：無難で単調。高い：意外、やがて支離滅裂。0 は最有力だけ。",
                           "Low: safe and repetitive. High: surprising, then nonsense. 0: always the likeliest."),
    "g_top_p": ("top-p", "Top-p"),
    "g_top_p_help": ("確率の合計がここに届くまでの候補だけを残す。下げると突飛な語が消える。",
                     "Keeps the likeliest pieces up to this total. Lower: odd words vanish."),
    "g_length": ("長さ（新しいトークン）", "Length (new tokens)"),
    "g_length_help": ("ここまで書いたら止まる。「続ける」で先へ。", "Writing stops after this many; Continue goes on."),
    "g_seed": ("シード seed", "Seed"),
    "g_seed_help": ("同じ数なら同じ文章。空なら毎回ちがう。", "Same number, same text. Empty: new each time."),
    "g_dice": ("⟳ 引き直す", "⟳ Draw one"),
    "g_top_k": ("top-k", "Top-k"),
    "g_top_k_help": ("有力な k 個だけを残す。小さいほど言葉が限られる。0 は使わない。", "Keeps the k likeliest pieces. Smaller: fewer words. 0: off."),
    "g_min_p": ("min-p", "Min-p"),
    "g_min_p_help": ("最有力のこの割合に届かない候補を捨てる。上げると脱線が減る。0 は使わない。",
                     "Drops pieces below this share of the likeliest. Higher: fewer slips. 0: off."),
    "g_typical_p": ("typical-p", "Typical-p"),
    "g_typical_p_help": ("「ほどよく意外」な候補を残す。下げると月並みな語も消える。1 は使わない。",
                         "Keeps pieces of average surprise. Lower: the obvious goes too. 1: off."),
    "g_repetition_penalty": ("繰り返しの抑制", "Repetition penalty"),
    "g_repetition_penalty_help": ("上げると同じ語が出にくい。上げすぎると助詞まで避ける。1 は使わない。",
                                  "Higher: words return less; too high: even particles do. 1: off."),
    "g_no_repeat_ngram_size": ("n 連の禁止", "No-repeat n-gram"),
    "g_no_repeat_ngram_size_help": ("n 個続きの同じ並びを二度と書かない。0 は使わない。", "The same run of n pieces never comes twice. 0: off."),
    "g_min_new_tokens": ("最低の長さ", "Minimum length"),
    "g_min_new_tokens_help": ("これより前に文章を終えない。", "The text does not end before."),
    "g_stop_strings": ("止める文字列", "Stop strings"),
    "g_stop_strings_help": ("1 行に 1 つ。出会うとその手前で止まる。\\n は改行。", "One a line; the text ends before the first one met. \\n is a newline."),
    "g_cut": ("先頭を切る", "Cut the beginning"),
    "g_cut_help": ("長すぎるとき、断らずに先頭を落として書く。", "A text that is too long loses its beginning instead of being refused."),
    "g_n_tokens": ("続きの長さ", "continuation"),
    "g_n_tokens_value": ("{tokens} トークン・{characters} 文字", "{tokens} tokens, {characters} chars"),
    "g_n_first": ("最初のトークンまで", "first token after"),
    "g_n_speed": ("速さ", "speed"),
    "g_n_surprise": ("驚きの平均（1 トークン）", "mean surprise, a token"),
    "g_n_bpc": ("驚きの平均（1 文字）", "mean surprise, a character"),
    "g_n_seed": ("使ったシード", "seed used"),
    "g_seconds": (" 秒", " s"),
    "g_per_second": (" トークン/秒", " tokens/s"),
    "g_bits": (" ビット", " bits"),
    "g_spark": ("トークンごとの驚き（0〜{top} ビット、点線は平均）", "surprise of each token (0–{top} bits, dotted: mean)"),
    "g_id": ("ID", "id"),
    "g_rank": ("順位", "rank"),
    "g_probability": ("確率", "probability"),
    "g_surprise": ("驚き", "surprise"),
    "g_entropy": ("迷い（エントロピー）", "entropy"),
    "g_model": ("モデルの確率", "the model's"),
    "g_filtered": ("絞り込みのあと", "after the filters"),
    "g_removed": ("除外", "removed"),
    "g_drawn": ("これが選ばれた", "this one was drawn"),
    "g_bytes": ("{n} バイトで 1 文字。候補は最初のバイトのもの。", "{n} bytes make this character; the alternatives are those of the first."),
    "g_given": ("あなたが書いた部分", "what you wrote"),
    "g_unscored": ("確率なし", "no probability"),
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
