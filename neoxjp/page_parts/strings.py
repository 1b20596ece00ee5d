"""Every word of the page, in Japanese and English (the lab's in words/), and how each place gets its language.

Labels of components: `label(key)`, which Gradio translates in the browser. HTML that a handler writes:
`words(language(request))`. HTML that stands on the page before any handler ran: `both(key)`, of which the style sheet shows one.
"""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Literal

import gradio as gr

from neoxjp.errors import NeoxjpError
from neoxjp.sampling import OPTIONS, Option, Text

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
    "bundled": ("付属モデル", "bundled model"),
    "ready": ("準備完了", "ready"),
    "loading": ("{name} を読み込み中", "loading {name}"),
    "loading_vocabulary": ("{name} の語彙を読み込み中", "loading the vocabulary of {name}"),
    "loading_weights": ("{name} の重みを読み込み中 {percent} %（トークン化はもう使えます）",
                        "loading the weights of {name} {percent} % (tokenizing works already)"),
    "loading_download": ("{name} をダウンロード中 {percent} %", "downloading {name} {percent} %"),
    "failed": ("読み込めませんでした", "could not be loaded"),
    "nothing_loaded": ("モデルはまだありません", "no model yet"),
    "tokenizer_only": ("語彙だけ", "vocabulary only"),
    "wait_vocabulary": ("語彙を読み込んでいます…", "The vocabulary is being loaded…"),
    "no_vocabulary": ("語彙を読み込めていません。「モデル」タブで別のフォルダーを選んでください。",
                      "No vocabulary is loaded. Choose another folder in the Model tab."),
    "wait_model": ("モデルを読み込んでいます。終わるまで少しお待ちください。",
                   "The model is still being loaded. Please wait a moment."),
    "unexpected": ("予期しない問題が起きました。もう一度お試しください。", "Something unexpected went wrong. Please try again."),
    "file_large": ("ファイルが大きすぎます（{size}。{most} MB まで）。", "The file is too large ({size}; up to {most} MB)."),
    "file_read": ("{name} を読み込みました。", "{name} was read."),
    "file_failed": ("{name} を読み込めませんでした。", "{name} could not be read."),
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
    # Generate tab
    "g_prompt": ("書き出し", "Opening"),
    "g_prompt_placeholder": ("ここに書いた文章の続きを、モデルが書きます（空のままなら、はじめから）",
                             "The model goes on from what you write here (empty: it begins by itself)"),
    "g_examples": ("例", "Examples"),
    "g_ex_story": ("物語", "Story"),
    "g_ex_explanation": ("説明", "Explanation"),
    "g_ex_dialogue": ("会話", "Dialogue"),
    "g_ex_evening": ("夕方の駅", "A station"),
    "g_go": ("▶ 生成　Ctrl+⏎", "▶ Generate  Ctrl+⏎"),
    "g_stop": ("■ 停止　Esc", "■ Stop  Esc"),
    "g_more": ("続ける", "Continue"),
    "g_step": ("＋1 トークン　Alt+⏎", "+1 token  Alt+⏎"),
    "g_again": ("同じシードで再生成", "Again, same seed"),
    "g_undo": ("元に戻す", "Undo"),
    "g_redo": ("やり直す", "Redo"),
    "g_count": ("{n} トークン／文脈 {context}", "{n} of {context} tokens"),
    "g_count_no_context": ("{n} トークン", "{n} tokens"),
    "g_count_over": ("{n} トークン：文脈 {context} を超えています。短くするか、「先頭を切る」を入れてください。",
                     "{n} tokens: more than the context of {context}. Shorten it, or switch on “Cut the "
                     "beginning”."),
    "g_count_bos": ("空：モデルがはじめから書きます", "empty: the model begins by itself"),
    "g_hint": ("「生成」を押すと、モデルが続きを書きます。", "Press Generate, and the model goes on."),
    "g_view": ("書いた文章と続き：{n} トークン", "Your text and its continuation: {n} tokens"),
    "g_view_label": ("文章。矢印キーで切れ目を移動します", "The text; arrow keys walk its pieces"),
    "g_panel_hint": ("続きはここに、切れ目ごとに色を付けて現れます。一切れに触れるか矢印キーで選ぶと、"
                     "そこに立てたほかの候補と確率が下に出ます。",
                     "The continuation appears here, each piece coloured by its probability. Point at one, or walk with the "
                     "arrow keys, to see below what else could have stood there."),
    "g_scale": ("確率", "probability"),
    "g_keys": ("キーボードで使う", "Keyboard shortcuts"),
    "g_keys_note": ("Mac では Ctrl の代わりに ⌘ も使えます。", "On a Mac, ⌘ works in place of Ctrl."),
    "g_key_go": ("生成する", "generate"),
    "g_key_step": ("次の 1 トークンだけ書く（押すたびに 1 つ）", "write only the next token, one each time"),
    "g_key_more": ("続ける", "continue"),
    "g_key_stop": ("停止する", "stop"),
    "g_key_undo": ("元に戻す（入力欄の外で）", "undo (outside a text field)"),
    "g_key_redo": ("元に戻した先へ進む（入力欄の外で）", "redo (outside a text field)"),
    "g_key_walk": ("切れ目を移動する（文章の上で）", "walk the pieces (in the text)"),
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
    "g_finish_error": ("途中で問題が起きました。書けた {n} トークンは残っています。",
                       "Something went wrong. The {n} tokens written are kept."),
    "g_loading": ("{name} を読み込んでいます（{percent} %）。終わったらもう一度「生成」を押してください。",
                  "{name} is still being loaded ({percent} %). Press Generate again when it is there."),
    "g_too_many_characters": ("{n} 文字は長すぎます。ここでは {most} 文字までです。",
                              "{n} characters are too many: up to {most} can be used here."),
    "g_too_long": ("{n} トークンあり、モデルの文脈 {context} に収まりません。短くするか、「先頭を切る」を入れてください。",
                   "{n} tokens do not fit the model's context of {context}. Shorten the text, or switch on "
                   "“Cut the beginning”."),
    "g_cut_note": ("〔先頭の {n} トークンはモデルに見えていません〕", "[the model did not see the first {n} tokens] "),
    "g_recall": ("前回の文章を戻す", "Bring back your last texts"),
    "g_recalled": ("前回の文章です。絞り込みのあとの確率は、もう分かりません。",
                   "Your last texts. What the filters left then is not known any more."),
    "g_memo_damaged": ("前回の文章を読み取れませんでした。", "The last texts could not be read."),
    "g_memo_other": ("前回の文章は、別の語彙のモデルで生成したものです。そのモデルを読み込むと戻せます。",
                     "Your last texts use the vocabulary of another model: load that model to restore them."),
    "g_no_bos": ("このモデルは空から始められません。書き出しを入れてください。",
                 "This model cannot begin from nothing: write an opening."),
    "g_nothing_yet": ("まだ続きがありません。先に「生成」を押してください。",
                      "There is nothing to go on from yet: press Generate first."),
    "g_no_text": ("まだ文章がありません。上で「生成」を押すか、プロンプトを入力してください。",
                  "There is no text yet: press Generate above, or enter a prompt."),
    "g_other_model": ("この文章は別のモデルが書いたものです。「生成」で新しく始めてください。",
                      "Another model wrote this text. Press Generate to start anew."),
    "g_sampling": ("選び方", "Sampling"),
    "g_more_filters": ("その他の絞り込み", "More filters"),
    "g_presets": ("おまかせ設定", "Presets"),
    "g_preset_normal": ("標準", "Standard"),
    "g_preset_careful": ("慎重", "Careful"),
    "g_preset_lively": ("のびのび", "Lively"),
    "g_preset_wild": ("奔放", "Wild"),
    "g_preset_greedy": ("最有力だけ", "Greedy"),
    "g_dice": ("⟳ 引き直す", "⟳ Draw one"),
    "g_one_per_line": ("1 行に 1 つ。\\n は改行です。", "One per line; \\n is a newline."),
    "g_cut": ("先頭を切る", "Cut the beginning"),
    "g_cut_help": ("長すぎるとき、断らずに先頭を落として書く。",
                   "A text that is too long loses its beginning instead of being refused."),
    "g_no_such_token": ("そのトークンは、表示中の文章にはもうありません。選び直してください。",
                        "That token is no longer in the text shown above: choose another."),
    "g_from_here": ("ここから続ける", "Continue from here"),
    "g_from_here_spoken": ("このトークンを「{text}」に替えて、ここから続ける",
                           "Replace this token with “{text}” and continue from here"),
    "g_from_here_drawn": ("「{text}」より後を生成し直す", "Regenerate everything after “{text}”"),
    "g_branch_shown": ("この分岐を表示しています。「続ける」で先を生成します。",
                       "This branch is shown above. Continue generates more text."),
    "g_n_tokens": ("続きの長さ", "continuation"),
    "g_n_tokens_value": ("{tokens} トークン・{characters} 文字", "{tokens} tokens, {characters} chars"),
    "g_n_first": ("最初のトークンまで", "first token after"),
    "g_n_speed": ("速さ", "speed"),
    "g_n_surprise": ("驚きの平均（1 トークン）", "mean surprise, a token"),
    "g_n_bpc": ("驚きの平均（1 文字）", "mean surprise, a character"),
    "g_n_seed": ("使ったシード", "seed used"),
    "g_n_beside": ("同じシードで同じ文章（ほかの人と同時に計算）", "same seed, same text (computed beside others)"),
    "g_n_beside_value": ("ほぼ毎回", "almost always"),
    "g_n_reused": ("読み直さずに済んだ書き出し", "of the opening, read before"),
    "g_n_drafts": ("先読みの当たり", "guessed ahead"),
    "g_n_drafts_value": ("{drafted} トークン中 {taken}", "{taken} of {drafted} tokens"),
    "g_seconds": (" 秒", " s"),
    "g_milliseconds": (" ミリ秒", " ms"),
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
    "g_bytes": ("{n} トークンで 1 つ。候補は最初のトークンのもの。",
                "{n} tokens stand here together; the alternatives are those of the first."),
    "g_given": ("あなたが書いた部分", "what you wrote"),
    "g_unscored": ("確率なし", "no probability"),
    # Model tab
    "m_public": ("公開中のページでは、モデルの入れ替えはできません。",
                 "This page is public: its model cannot be changed here."),
    "m_name": ("フォルダーまたは Hub の ID", "Folder or Hub id"),
    "m_name_help": ("この計算機のフォルダー、または Hugging Face Hub の名前。ここから読み込みます。",
                    "A folder on this machine, or a name on the Hugging Face Hub."),
    "m_revision": ("版 revision", "Revision"),
    "m_revision_help": ("枝、タグ、コミット。空なら main。", "Branch, tag or commit; empty: main."),
    "m_dtype": ("数の形 dtype", "Dtype"),
    "m_dtype_help": (
        "小さい形ほどメモリが減り、少し粗くなる。int8 が最小で、大きなモデルは CPU ではこれが最速。",
        "A smaller one takes less memory and is coarser. int8 is the smallest, and on a CPU the fastest for large models.",
    ),
    "m_load": ("読み込む", "Load"),
    "m_unload": ("今のモデルを下ろして読み込む", "Unload the present one, then load"),
    "m_keep": ("今のモデルのままにする", "Keep the present one"),
    "m_busy": ("すでに読み込み中です。終わるまでお待ちください。", "Something is being loaded already: wait until it is done."),
    "m_no_name": ("フォルダーか Hub の ID を入れてください。", "Name a folder or a Hub id."),
    "m_vocabulary": ("{name}：語彙を読み込んでいます", "{name}: reading the vocabulary"),
    "m_downloading": ("{name}：ダウンロードしています {amount}", "{name}: downloading {amount}"),
    "m_reading": ("{name}：重みを読み込んでいます {amount}", "{name}: reading the weights {amount}"),
    "m_loaded": ("{name} を読み込みました。", "{name} is loaded."),
    "m_stop": ("。", "."),
    "m_kept": ("今のモデル（{name}）はそのまま使えます。", " The present model ({name}) still works."),
    "m_all": ("全体", "all"),
    "m_bundled": ("このパッケージに付属", "comes with this package"),
    "m_loaded_now": ("読み込んであるモデル", "The model that is loaded"),
    "m_memory": ("メモリ", "Memory"),
    "m_f_name": ("名前", "name"),
    "m_f_source": ("出どころ", "source"),
    "m_f_revision": ("版", "revision"),
    "m_f_parameters": ("パラメーター数", "parameters"),
    "m_f_shape": ("形", "shape"),
    "m_f_shape_value": ("{num_hidden_layers} 層・幅 {hidden_size}・注意ヘッド {num_attention_heads}",
                        "{num_hidden_layers} layers, {hidden_size} wide, {num_attention_heads} heads"),
    "m_f_vocabulary": ("語彙の大きさ", "vocabulary"),
    "m_f_context": ("文脈の長さ", "context"),
    "m_f_tokens": ("{n} トークン", "{n} tokens"),
    "m_f_dtype": ("数の形", "dtype"),
    "m_f_dtype_value": ("{now}（ファイルでは {stored}）", "{now} (stored as {stored})"),
    "m_f_devices": ("置き場所", "device map"),
    "m_f_linears": ("行列の積の計算", "matrix products"),
    "m_f_attention": ("注意機構の計算", "attention kernel"),
    "m_f_refused": ("{kernel}（flash でない理由：{why}）", "{kernel} (not flash: {why})"),
    "m_f_output": ("出力層", "output layer"),
    "m_f_tied": ("埋め込みと共有", "shares the embedding"),
    "m_f_untied": ("別に持つ", "has its own weights"),
    "m_f_engine": ("同時の利用", "at the same time"),
    "m_f_engine_value": ("{max_batch} 人まで書き、{max_waiting} 人まで待てます", "{max_batch} may write, {max_waiting} wait"),
    "m_f_limits": ("1 回の上限", "limits of a request"),
    "m_f_limits_value": ("新しい {tokens} トークン、文章 {characters} 文字", "{tokens} new tokens, {characters} characters"),
    "m_curve": ("学習の曲線", "How it learned"),
    "m_curve_tokens": ("読んだトークン数", "tokens read"),
    "m_curve_bits": ("ビット／文字（低いほどよい）", "bits per character (lower is better)"),
    "m_curve_facts": ("学習用の文章で、{tokens} 百万トークン・{minutes} 分のあいだに {first} から {last} ビット／文字へ。",
                      "On its training text from {first} to {last} bits per character, "
                      "in {tokens} million tokens, {minutes} minutes."),
    "m_mem_weights": ("重み", "weights"),
    "m_mem_cache": ("1 人分の文脈（満杯のとき）", "one visitor’s full context"),
    "m_mem_free": ("空き", "free"),
    "m_mem_note": ("文脈は 1 トークンにつき {each} バイト使います。", "A context takes {each} bytes for each token."),
}
# fmt: on


PREFIX = "neoxjp:"
"""Before each key that Gradio sees. Its browser part also translates a plain value that equals a key: a choice whose value is
"bundled" would come back as 付属モデル, which the server refuses."""


class Strings:
    """A table of strings and the ways to show them. A feature's own table stands on top of the common one.

    >>> strings = Strings(STRINGS, {"heat_map_tab": ("ヒートマップ", "Heat map")})
    >>> strings.words("en")("heat_map_tab")
    'Heat map'
    """

    def __init__(self, *tables: Mapping[str, tuple[str, str]]):
        self.table: dict[str, tuple[str, str]] = {}
        for table in tables:
            if twice := self.table.keys() & table.keys():
                raise ValueError(f"these keys stand in two tables of strings: {sorted(twice)}")
            self.table |= table

    def label(self, key: str) -> str:
        """A component's label, info, placeholder or choice, which the browser translates. Typed as the string it stands for."""
        if key not in self.table:
            raise KeyError(key)
        return gr.I18n()(PREFIX + key)  # type: ignore[return-value]

    def words(self, lang: Lang) -> Words:
        """A function from key and values to the sentence in `lang`. Not escaped: the template does that."""

        def t(key: str, **values: object) -> str:
            ja, en = self.table[key]
            return (ja if lang == "ja" else en).format(**values)

        return t

    def both(self, key: str, **values: object) -> str:
        """HTML with both sentences, of which the style sheet shows the visitor's."""
        ja, en = (escape(self.words(lang)(key, **values)) for lang in ("ja", "en"))
        return f'<span class="only-ja" lang="ja">{ja}</span><span class="only-en" lang="en">{en}</span>'

    def error(self, kind: type[NeoxjpError], key: str, **values: object) -> NeoxjpError:
        """An expected error with its sentence in both languages."""
        return kind(self.words("en")(key, **values), ja=self.words("ja")(key, **values))


def option_strings(options: Iterable[Option] = OPTIONS) -> dict[str, Text]:
    """The page's strings of the options: "option_top_k" (label) and "option_top_k_help" → (Japanese, English)."""
    return {
        key: text
        for option in options
        for key, text in ((f"option_{option.name}", option.label), (f"option_{option.name}_help", option.help))
    }


COMMON = Strings(STRINGS, option_strings())
label, words, both = COMMON.label, COMMON.words, COMMON.both


def translations(features: Iterable[Mapping[str, tuple[str, str]]], options: Iterable[Option] = OPTIONS) -> gr.I18n:
    """For `launch(i18n=...)`: the common table, the sampling options and the tables of the features, by the browser's locale."""
    table = {PREFIX + key: pair for key, pair in Strings(STRINGS, option_strings(options), *features).table.items()}
    return gr.I18n(ja={key: ja for key, (ja, _) in table.items()}, en={key: en for key, (_, en) in table.items()})


def language(request: gr.Request | None) -> Lang:
    """The visitor's language from the first of the Accept-Language header: what the browser shows labels in, too."""
    header = str(request.headers.get("accept-language", "")) if request is not None else ""
    return "ja" if header.strip().lower().startswith("ja") else "en"
