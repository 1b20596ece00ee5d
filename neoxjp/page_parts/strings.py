"""The page's strings in Japanese and English. Those of a feature are in `labs/<feature>/strings.py`.

Labels of components use `label(key)`, which Gradio translates in the browser. Handlers use `t = words(language(request))`. HTML
that is on the page before any handler runs uses `both(key)`, of which CSS shows one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import gradio as gr
from markupsafe import Markup

from neoxjp.errors import NeoxjpError, language_of
from neoxjp.sampling import OPTIONS, Option, Text

Lang = Literal["ja", "en"]


@dataclass(frozen=True)
class Words:
    """From key and values to the sentence in a visitor's language: `t("n_tokens", n=34)` → "34 トークン".

    It does not escape: templates do.
    """

    table: Mapping[str, tuple[str, str]]
    lang: Lang

    def __call__(self, key: str, **values: object) -> str:
        ja, en = self.table[key]
        return (ja if self.lang == "ja" else en).format(**values)

    def message(self, error: NeoxjpError) -> str:
        """The sentence of an expected error."""
        return error.ja or str(error) if self.lang == "ja" else str(error)


# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    # the frame
    "tab_generate": ("文章生成", "Generate"),
    "tab_tokenize": ("トークン", "Tokens"),
    "tab_model": ("モデル", "Model"),
    "tagline": ("日本語 GPT-NeoX をトークン単位で見る", "Japanese GPT-NeoX, token by token"),
    "switch_language": ("表示言語", "Language"),
    "switch_theme": ("ダークテーマ", "Dark theme"),
    "lab": ("ラボ", "Lab"),
    "scroll_table": ("表（横にスクロールできます）", "Table, scrolls sideways"),
    "lab_close": ("閉じる", "Close"),
    "bundled": ("付属モデル", "bundled model"),
    "ready": ("準備完了", "ready"),
    "loading_vocabulary": ("{name} の語彙を読み込み中", "loading the vocabulary of {name}"),
    "loading_weights": ("{name} の重みを読み込み中 {percent} %（トークン化はすでに使えます）",
                        "loading the weights of {name}: {percent} % (tokenizing already works)"),
    "loading_download": ("{name} をダウンロード中 {percent} %", "downloading {name}: {percent} %"),
    "engine_away": ("エンジンから応答がありません", "the engine does not answer"),
    "failed": ("読み込みに失敗しました", "loading failed"),
    "nothing_loaded": ("モデルが読み込まれていません", "no model loaded"),
    "tokenizer_only": ("トークナイザーのみ", "tokenizer only"),
    "wait_vocabulary": ("語彙を読み込んでいます…", "Loading the vocabulary…"),
    "wait_model": ("モデルを読み込んでいます。しばらくお待ちください。", "The model is loading. Please wait."),
    "unexpected": ("予期しないエラーが発生しました。もう一度お試しください。",
                   "An unexpected error occurred. Please try again."),
    "file_large": ("ファイルが大きすぎます（{size}）。上限は {most} MB です。",
                   "The file is too large ({size}); the limit is {most} MB."),
    "file_read": ("{name} を読み込みました。", "Loaded {name}."),
    "file_failed": ("{name} を読み込めませんでした。", "{name} could not be read."),
    # Tokenize tab
    "tokenize_text_placeholder": ("ここに日本語の文章を入力してください", "Type Japanese text here"),
    "tokenize_example_kana": ("表記ゆれ", "Variants"),
    "tokenize_example_bytes": ("絵文字とまれな文字", "Emoji and rare characters"),
    "tokenize_example_prose": ("小説", "Novel"),
    "tokenize_example_mixed": ("文字種の混在", "Mixed scripts"),
    "tokenize_why": ("ここで分割された理由", "Why it is split here"),
    "tokenize_show_ids": ("ID を表示", "Show ids"),
    "tokenize_ids_section": ("ID のコピー・ID のデコード", "Copy ids · decode ids"),
    "tokenize_ids": ("この文章のトークン ID", "Token ids of this text"),
    "tokenize_paste": ("ID を貼り付けるとデコードします", "Paste ids to decode them"),
    "tokenize_paste_placeholder": ("例：7000, 1234 15", "for example: 7000, 1234 15"),
    "tokenize_decoded": ("デコード結果", "Decoded text"),
    "tokenize_too_long": ("{n} 文字あります。上限は {limit} 文字です。文章を短くしてください。",
                   "This text has {n} characters; the limit is {limit}. Please shorten it."),
    "tokenize_truncated": ("先頭の {n} 文字だけを調べています。", "Only the first {n} characters are checked."),
    "tokenize_ids_cut": ("（先頭の {drawn} 個のみ。すべては API の /tokenize で取得できます）",
                  "(only the first {drawn}; the API endpoint /tokenize returns all)"),
    "tokenize_bad_id": ("{found} はトークン ID ではありません。数字をカンマか空白で区切って入力してください。",
                 "{found} is not a token id. Enter numbers separated by commas or spaces."),
    "tokenize_id_range": ("ID {found} はこの語彙にありません（0〜{last} の範囲で指定してください）。",
                   "Id {found} is not in this vocabulary (0 to {last})."),
    "tokens": ("トークン", "tokens"),
    "characters": ("文字", "characters"),
    "utf8_bytes": ("バイト（UTF-8）", "bytes (UTF-8)"),
    "characters_per_token": ("1 トークンあたりの文字数", "characters per token"),
    "tokenizer_bytes": ("UTF-8 バイト", "UTF-8 bytes"),
    "tokenizer_characters": ("1 文字ずつ", "characters"),
    "tokenizer_compat": ("transformers の実装", "as in transformers"),
    "n_tokens": ("{n} トークン", "{n} tokens"),
    "n_more": ("ほか {n} 個", "{n} more"),
    "not_drawn": ("先頭の {drawn} トークンだけを表示しています。残りの {rest} トークンは集計にだけ含まれます。",
                  "Only the first {drawn} tokens are shown. The other {rest} are counted but not shown."),
    "hiragana": ("ひらがな", "hiragana"),
    "katakana": ("カタカナ", "katakana"),
    "kanji": ("漢字", "kanji"),
    "latin": ("英字", "Latin"),
    "digit": ("数字", "digits"),
    "symbol": ("記号", "symbols"),
    "emoji": ("絵文字", "emoji"),
    "space": ("空白", "whitespace"),
    "other": ("その他", "other"),
    "legend_folded": ("別の表記と同じ ID になる", "shares its id with another spelling"),
    "legend_lossy": ("デコードしても元の文字に戻らない", "decodes to a different text"),
    "legend_bytes": ("右肩の数字＝1 文字を表すバイトトークンの数", "superscript = number of byte tokens of one character"),
    "d_id": ("ID", "id"),
    "d_piece": ("語彙の表記", "piece"),
    "d_bytes": ("UTF-8", "UTF-8"),
    "d_script": ("文字種", "script"),
    "d_kind": ("種類", "kind"),
    "d_at": ("位置", "position"),
    "d_spellings": ("この ID のすべての表記", "all spellings of this id"),
    "d_more": ("ほか {n} 種類", "{n} more"),
    "d_folded": ("「{a}」は「{b}」と同じ ID です。デコードすると「{b}」になります。",
                 "“{a}” has the same id as “{b}”: decoding gives “{b}”."),
    "d_lossy": ("デコードすると「{b}」になり、元の「{a}」とは異なります。", "Decoding gives “{b}” instead of “{a}”."),
    "d_nothing": ("空文字列", "an empty string"),
    "kind_word": ("単語", "word"),
    "kind_byte": ("バイト", "byte"),
    "kind_emoji": ("絵文字", "emoji"),
    "kind_blank": ("空白", "whitespace"),
    "kind_symbol": ("記号グループ", "symbol class"),
    "kind_tag": ("タグ", "tag"),
    "kind_special": ("特殊トークン", "special token"),
    # Generate tab
    "generate_examples": ("例", "Examples"),
    "generate_ex_story": ("物語", "Story"),
    "generate_ex_explanation": ("説明", "Explanation"),
    "generate_ex_dialogue": ("会話", "Dialogue"),
    "generate_ex_evening": ("夕方の駅", "A station"),
    "generate_go": ("▶ 生成 Ctrl+⏎", "▶ Generate Ctrl+⏎"),
    "generate_stop": ("■ 停止 Esc", "■ Stop Esc"),
    "generate_more": ("続ける", "Continue"),
    "generate_step": ("＋1 トークン Alt+⏎", "+1 token Alt+⏎"),
    "generate_again": ("同じシードで再生成", "Same seed"),
    "generate_undo": ("元に戻す", "Undo"),
    "generate_redo": ("やり直す", "Redo"),
    "generate_count": ("{n} / {context} トークン", "{n} of {context} tokens"),
    "generate_count_no_context": ("{n} トークン", "{n} tokens"),
    "generate_count_over": ("{n} トークンは、モデルのコンテキスト長 {context} を超えています。短くするか、"
                     "「長すぎる入力は先頭を切り捨てる」をオンにしてください。",
                     "{n} tokens: more than the model's context length of {context}. Shorten the prompt, or turn on “Truncate "
                     "long prompts from the left”."),
    "generate_count_bos": ("空欄：モデルが文頭から生成します", "empty: the model starts from scratch"),
    "generate_hint": ("「生成」を押すと、モデルが続きを生成します。", "Press Generate to continue the text."),
    "generate_scale": ("確率", "probability"),
    "generate_keys": ("キーボードショートカット", "Keyboard shortcuts"),
    "generate_keys_note": ("Mac では、Alt は option（⌥）キーです。Ctrl の代わりに ⌘ も使えます。",
                           "On a Mac, Alt is the option key (⌥), and ⌘ also works instead of Ctrl."),
    "generate_key_go": ("生成する", "generate"),
    "generate_key_step": ("次の 1 トークンだけ生成する（押すたびに 1 トークン）", "generate one token (each time you press it)"),
    "generate_key_more": ("続ける", "continue"),
    "generate_key_stop": ("停止する", "stop"),
    "generate_key_undo": ("元に戻す（先に入力した文字、その後に生成した文章）", "undo: first what you typed, then generations"),
    "generate_key_redo": ("やり直す", "redo"),
    "generate_key_walk": ("カーソル位置のトークンを表示する", "show the token at the caret"),
    "generate_starting": ("生成を開始しています", "starting"),
    "generate_model_failed": ("モデルの計算中にエラーが起きたため、生成を終了しました（{error}）。もう一度お試しください。",
                       "The model failed while generating, so this text ends here ({error}). Try again."),
    "q_full": ("混み合っています。約 {seconds} 秒後にもう一度お試しください。",
               "The page is busy. Try again in about {seconds} s."),
    "generate_waiting": ("順番を待っています：{n} 番目", "waiting in the queue: position {n}"),
    "generate_reading": ("プロンプトを処理しています：{n} / {total} トークン", "processing the prompt: {n} of {total} tokens"),
    "generate_writing": ("生成しています：{n} / {total} トークン", "generating: {n} of {total} tokens"),
    "generate_finish_length": ("{n} トークン生成しました。「続ける」でさらに生成できます。",
                        "Generated {n} tokens. Press Continue for more."),
    "generate_finish_full": ("{n} トークン生成し、コンテキスト長に達しました。"
                      "「長すぎる入力は先頭を切り捨てる」をオンにすると続けられます。",
                      "Generated {n} tokens, and the context is full. Turn on “Truncate long prompts from the left” to "
                      "continue."),
    "generate_finish_eos": ("{n} トークン生成し、モデルが終了トークンを出力しました。",
                            "The model ended the text after {n} tokens."),
    "generate_finish_stop": ("{n} トークン生成したところで、停止文字列が現れました。",
                             "A stop string was generated after {n} tokens."),
    "generate_finish_cancelled": ("停止しました。生成した {n} トークンは残っています。",
                           "Stopped. The {n} tokens that were generated are kept."),
    "generate_finish_deadline": ("制限時間に達しました。生成した {n} トークンは残っています。",
                          "The time limit was reached. The {n} tokens that were generated are kept."),
    "generate_finish_error": ("途中でエラーが発生しました。生成した {n} トークンは残っています。",
                       "An error occurred. The {n} tokens that were generated are kept."),
    "generate_finish_total": ("これまでの分を含め、モデルは {n} トークンを生成しました。",
                              " With what it generated before, the model wrote {n} tokens of this text."),
    "generate_loading": ("{name} を読み込んでいます（{percent} %）。完了したら、もう一度「生成」を押してください。",
                  "{name} is loading ({percent} %). Press Generate again when it is ready."),
    "generate_too_many_characters": ("{n} 文字あります。上限は {most} 文字です。プロンプトを短くしてください。",
                              "The prompt has {n} characters; the limit is {most}. Shorten it."),
    "generate_too_long": ("{n} トークンあり、モデルのコンテキスト長 {context} に収まりません。短くするか、"
                   "「長すぎる入力は先頭を切り捨てる」をオンにしてください。",
                   "{n} tokens do not fit the model's context length of {context}. Shorten the text, or turn on “Truncate long "
                   "prompts from the left”."),
    "generate_truncated_note": ("〔先頭の {n} トークンは切り捨てられました〕", "[the first {n} tokens were truncated] "),
    "generate_recall": ("前回の文章を復元", "Restore your last texts"),
    "generate_recalled": ("前回の文章を復元しました。フィルター適用後の確率は保存されていません。",
                   "Restored your last texts. The probabilities after the filters were not saved."),
    "generate_memo_damaged": ("前回の文章を読み取れませんでした。", "Your last texts could not be read."),
    "generate_memo_other": ("前回の文章は、別の語彙のモデルで生成したものです。そのモデルを読み込むと復元できます。",
                     "Your last texts use another vocabulary: load the model that generated them to restore them."),
    "generate_no_bos": ("このモデルは空のプロンプトから生成できません。プロンプトを入力してください。",
                 "This model cannot start from an empty prompt: enter a prompt."),
    "generate_nothing_yet": ("まだ何も生成されていません。先に「生成」を押してください。",
                      "There is nothing to continue yet: press Generate first."),
    "generate_no_text": ("まだ文章がありません。プロンプトを入力するか、「生成」を押してください。",
                  "There is no text yet: press Generate, or enter a prompt."),
    "earlier_model": ("これは前に読み込んでいたモデルの結果です。もう一度実行すると、現在のモデルの結果になります。",
                      "This is the result of the model that was loaded before. Run it again for the present one."),
    "generate_other_model": ("この文章は別のモデルで生成されたものです。「生成」を押して新しく始めてください。",
                      "Another model generated this text. Press Generate to start a new one."),
    "generate_wrong_settings": ("送られた設定（{found}）が、このページの {n} 個の設定と合いません。"
                                "ページを再読み込みしてください。",
                                "expected the {n} settings of this page, found {found}: reload the page"),
    "generate_sampling": ("サンプリング設定", "Sampling"),
    "generate_more_filters": ("詳細設定", "Advanced settings"),
    "generate_preset_normal": ("標準", "Standard"),
    "generate_preset_careful": ("慎重", "Careful"),
    "generate_preset_lively": ("多様", "Diverse"),
    "generate_preset_wild": ("ランダム強め", "Very random"),
    "generate_preset_greedy": ("貪欲法（greedy）", "Greedy"),
    "generate_dice": ("⟳ 新しいシード", "⟳ New seed"),
    "generate_one_per_line": ("1 行に 1 つ。\\n は改行を表します。", "One per line; \\n stands for a newline."),
    "generate_truncate": ("長すぎる入力は先頭を切り捨てる", "Truncate long prompts from the left"),
    "generate_truncate_help": ("オフのとき、コンテキスト長を超える入力はエラーになります。",
                   "When off, a prompt that exceeds the context length is an error."),
    "generate_no_such_token": ("そのトークンは表示中の文章にありません。選び直してください。",
                        "That token is no longer in the main text: select another."),
    "generate_link_vocabulary": (
        "このリンクのトークンは別の語彙のものです。文章だけを再現し、現在の語彙でトークンに分割しました。",
        "The tokens of this link belong to another vocabulary: its text was restored, and tokenized with the current one."),
    "generate_link_ids": ("リンクのトークンがその文章と一致しません。文章だけを再現し、トークンに分割し直しました。",
                          "The tokens of this link are not those of its text: the text was restored, and tokenized again."),
    "generate_branch_shown": ("この分岐を表示しています。「続ける」で続きを生成します。",
                       "Showing this branch. Press Continue to generate more."),
    "generate_linked_shown": ("リンクの文章を表示しています。「続ける」で続きを生成します。",
                              "Showing the text of the link. Press Continue to generate more."),
    "generate_n_tokens": ("プロンプトの後の長さ", "after the prompt"),
    "generate_n_tokens_value": ("{tokens} トークン・{characters} 文字", "{tokens} tokens, {characters} characters"),
    "generate_n_first": ("最初のトークンまでの時間", "time to first token"),
    "generate_n_speed": ("速度", "speed"),
    "generate_n_surprise": ("情報量の平均（1 トークンあたり）", "mean surprisal per token"),
    "generate_n_bpc": ("情報量の平均（1 文字あたり）", "mean surprisal per character"),
    "generate_n_seed": ("使用したシード", "seed used"),
    "generate_n_beside": ("同じシードでの再現性（ほかのリクエストと同時に計算した場合）",
                   "same text with the same seed (when batched with other requests)"),
    "generate_n_beside_value": ("ほぼ毎回同じ文章", "almost always"),
    "generate_n_reused": ("キャッシュから再利用したプロンプト", "prompt tokens reused from the cache"),
    "generate_n_drafts": ("採用された先読み（投機的デコード）", "speculative tokens accepted"),
    "generate_n_drafts_value": ("{drafted} トークン中 {taken}", "{taken} of {drafted}"),
    "generate_seconds": (" 秒", " s"),
    "generate_per_second": (" トークン／秒", " tokens/s"),
    "generate_bits": (" ビット", " bits"),
    "generate_spark": ("トークンごとの情報量（0〜{top} ビット、破線は平均）",
                       "surprisal of each token (0–{top} bits, dashed: mean)"),
    "generate_unscored": ("確率なし", "no probability"),
    # Model tab
    "model_elsewhere": ("モデルは別のプロセスのエンジン（neoxjp serve）で動いています。切り替えはそちらで行います。",
                        "The model runs in another process (neoxjp serve): it is changed there."),
    "model_public": ("公開ページでは、モデルを切り替えられません。", "This page is public: its model cannot be changed here."),
    "model_name": ("フォルダーまたは Hub の ID", "Folder or Hub id"),
    "model_name_help": ("このマシンのフォルダー、または Hugging Face Hub のモデル名です。",
                    "A folder on this machine, or a model name on the Hugging Face Hub."),
    "model_revision": ("リビジョン（revision）", "Revision"),
    "model_revision_help": ("ブランチ、タグ、コミットのいずれかです。空欄なら main を使います。",
                        "Branch, tag or commit. Empty: main."),
    "model_dtype": ("データ型（dtype）", "Data type (dtype)"),
    "model_dtype_help": ("小さい型ほどメモリ使用量が減り、精度は下がります。int4 が最小で、"
                     "CPU で大きなモデルを動かす場合は最速です。int8 なら、精度の低下はごくわずかです。",
                     "Smaller types use less memory and are less precise. int4 is the smallest, and the fastest on a CPU for "
                     "large models; int8 loses next to nothing."),
    "model_load": ("読み込む", "Load"),
    "model_unload": ("現在のモデルを解放して読み込む", "Unload the current model, then load"),
    "model_keep": ("現在のモデルを使い続ける", "Keep the current model"),
    "model_use_bundled": ("付属モデルを使う", "Use the bundled model"),
    "model_about": ("このモデルについて（モデルカード）", "About this model (model card)"),
    "model_busy": ("別のモデルを読み込み中です。完了するまでお待ちください。",
               "Another model is being loaded: wait until it is ready."),
    "model_no_name": ("フォルダーまたは Hub の ID を入力してください。", "Enter a folder or a Hub id."),
    "model_vocabulary": ("{name}：語彙を読み込んでいます", "{name}: loading the vocabulary"),
    "model_downloading": ("{name}：ダウンロードしています {amount}", "{name}: downloading {amount}"),
    "model_reading": ("{name}：重みを読み込んでいます {amount}", "{name}: loading the weights {amount}"),
    "model_loaded": ("{name} を読み込みました。", "{name} is loaded."),
    "model_stop": ("。", "."),
    "model_kept": ("現在のモデル（{name}）は引き続き使えます。", " The current model ({name}) is still available."),
    "model_all": ("全体", "all"),
    "model_bundled": ("パッケージに付属", "included in this package"),
    "model_loaded_now": ("読み込み済みのモデル", "Loaded model"),
    "model_memory": ("メモリ", "Memory"),
    "model_f_name": ("名前", "name"),
    "model_f_source": ("読み込み元", "source"),
    "model_f_revision": ("リビジョン", "revision"),
    "model_f_parameters": ("パラメーター数", "parameters"),
    "model_f_shape": ("構成", "architecture"),
    "model_f_shape_value": ("{num_hidden_layers} 層・隠れ次元 {hidden_size}・ヘッド数 {num_attention_heads}",
                        "{num_hidden_layers} layers, hidden size {hidden_size}, {num_attention_heads} heads"),
    "model_f_vocabulary": ("語彙サイズ", "vocabulary size"),
    "model_f_context": ("コンテキスト長", "context length"),
    "model_f_tokens": ("{n} トークン", "{n} tokens"),
    "model_f_dtype": ("データ型（dtype）", "dtype"),
    "model_f_dtype_value": ("{now}（ファイルでは {stored}）", "{now} (stored as {stored})"),
    "model_f_devices": ("デバイス配置", "device map"),
    "model_f_linears": ("行列積の実装", "matrix multiplication"),
    "model_f_cache": ("KV キャッシュのデータ型", "KV cache dtype"),
    "model_f_attention": ("アテンションの実装", "attention kernel"),
    "model_f_refused": ("{kernel}（flash を使えない理由：{why}）", "{kernel} (not flash: {why})"),
    "model_f_output": ("出力層", "output layer"),
    "model_f_tied": ("埋め込みと重みを共有", "tied to the embedding"),
    "model_f_untied": ("独立した重み", "separate weights"),
    "model_f_threads": ("スレッド数", "threads"),
    "model_f_independent": ("ほかのリクエストによる計算結果の変化", "numbers independent of other requests"),
    "model_f_yes": ("なし（ビット単位で同じ）", "yes (bit for bit)"),
    "model_f_no": ("あり（末尾の桁が変わることがあります）", "no (last digits may differ)"),
    "model_f_process": ("実行場所", "runs in"),
    "model_f_elsewhere": ("別のプロセスのエンジン {url}", "an engine in another process {url}"),
    "model_f_engine": ("同時に処理できるリクエスト", "concurrent requests"),
    "model_f_engine_value": ("{max_batch} 件まで（待機は {max_waiting} 件まで）",
                             "up to {max_batch}; up to {max_waiting} waiting"),
    "model_f_limits": ("1 リクエストの上限", "limits per request"),
    "model_f_limits_value": ("生成 {tokens} トークン、文章 {characters} 文字",
                             "{tokens} new tokens, {characters} characters"),
    "model_curve": ("学習曲線", "Training curve"),
    "model_curve_tokens": ("学習したトークン数", "training tokens"),
    "model_curve_bits": ("ビット／文字（低いほどよい）", "bits per character (lower is better)"),
    "model_curve_facts": ("学習データで {first} から {last} ビット／文字まで下がりました（{tokens}M トークン、{minutes} 分）。",
                      "From {first} to {last} bits per character on the training data, in {tokens} million tokens and "
                      "{minutes} minutes."),
    "model_mem_weights": ("重み", "weights"),
    "model_mem_cache": ("KV キャッシュ（コンテキスト長いっぱいの 1 件分）", "KV cache of one full context"),
    "model_mem_free": ("空きメモリ", "free"),
    "model_mem_note": ("KV キャッシュは 1 トークンにつき {each} バイトを使います。",
                       "The KV cache takes {each} bytes per token."),
}
# fmt: on


PREFIX = "neoxjp:"
"""Before each key that Gradio sees. Its browser part translates every value that equals a key: a choice with the value "bundled"
would come back as 付属モデル, which the server refuses."""


class Strings:
    """A table of strings and the ways to show them. A feature adds its own table to the common one.

    >>> strings = Strings(STRINGS, {"heat_map_tab": ("ヒートマップ", "Heat map")})
    >>> strings.words("en")("heat_map_tab")
    'Heat map'
    """

    def __init__(self, *tables: Mapping[str, tuple[str, str]]):
        self.table: dict[str, tuple[str, str]] = {}
        for table in tables:
            if twice := self.table.keys() & table.keys():
                raise ValueError(f"these keys are in two tables of strings: {sorted(twice)}")
            self.table |= table

    def label(self, key: str) -> str:
        """A component's label, info, placeholder or choice; the browser translates it. Raises KeyError: there is no such key."""
        if key not in self.table:
            raise KeyError(key)
        return gr.I18n()(PREFIX + key)  # type: ignore[return-value]

    def words(self, lang: Lang) -> Words:
        """The function from key and values to the sentence in `lang`."""
        return Words(self.table, lang)

    def both(self, key: str, **values: object) -> Markup:
        """HTML with both sentences, of which CSS shows the visitor's."""
        ja, en = (self.words(lang)(key, **values) for lang in ("ja", "en"))
        return Markup('<span class="only-ja" lang="ja">{}</span><span class="only-en" lang="en">{}</span>').format(ja, en)

    def error(self, kind: type[NeoxjpError], key: str, **values: object) -> NeoxjpError:
        """An expected error with its message in both languages."""
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
    """The first language in the Accept-Language header: the browser's, or the choice that `ui/first.js` sends in it."""
    return language_of(str(request.headers.get("accept-language", "")) if request is not None else "")
