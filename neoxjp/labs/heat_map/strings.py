"""Strings of the heat map and of the comparison of two texts."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "heat_map_tab": ("ヒートマップ", "Heat map"),
    "heat_map_title": ("モデルにとってどこが意外か", "Where the text surprises the model"),
    "heat_map_intro": (
        "文章をモデルに読み込ませ、各トークンをモデルがどれだけ予測できていたかで色分けします。",
        "The model reads a text, and each token is coloured by how well the model predicted it.",
    ),
    "heat_map_text_placeholder": ("空欄なら、本文を使います",
                                  "Leave empty to use the main text"),
    "heat_map_go": ("色分けする", "Colour"),
    "heat_map_measure": ("色の基準", "Colour by"),
    "heat_map_measure_logprob": ("対数確率", "log probability"),
    "heat_map_measure_rank": ("順位", "rank"),
    "heat_map_measure_entropy": ("エントロピー", "entropy"),
    "heat_map_press": ("「色分けする」を押すと、結果がここに表示されます。", "Press Colour to see the result here."),
    "heat_map_changed": ("本文が変わりました。表示中の結果は変更前のものです。「色分けする」で更新できます。",
                         "The main text has changed. This result is for the earlier text; press Colour to update it."),
    "heat_map_too_many": ("{n} トークンあります。一度に計算できるのは {most} トークンまでです。文章を短くしてください。",
                          "The text has {n} tokens; up to {most} can be scored at once. Shorten the text."),
    "heat_map_view": ("調べる文章、{n} トークン。Alt+↓ でカーソル位置のトークンを表示します。",
                      "Text to examine, {n} tokens. Alt+↓ shows the token at the caret."),
    "heat_map_changed_here": ("文章が変わりました。「色分けする」で色と数値を更新できます。",
                              "The text has changed. Press Colour to update colours and numbers."),
    "heat_map_not_coloured": ("「色分けする」を押すと、確率を計算します。", "Press Colour to compute its probability."),
    "heat_map_unscored_first": ("前に何もないため、確率は計算できません。", "Not scored: nothing comes before it."),
    "heat_map_unscored": ("計算対象外", "not scored"),
    "heat_map_scale_logprob": ("確率（情報量、ビット）", "probability (surprisal in bits)"),
    "heat_map_scale_rank": ("順位（1 は最も確率が高いトークン）", "rank (1 is the most probable token)"),
    "heat_map_scale_entropy": ("エントロピー（ビット。大きいほど予測が定まっていない）",
                               "entropy in bits (higher: the model was less certain)"),
    "heat_map_bits_value": ("{bits} ビット", "{bits} bits"),
    "heat_map_curve_logprob": ("情報量（−log₂ p、ビット）", "surprisal (−log₂ p, in bits)"),
    "heat_map_curve_rank": ("順位（対数目盛り）", "rank (logarithmic scale)"),
    "heat_map_curve_entropy": ("エントロピー（ビット）", "entropy in bits"),
    "heat_map_curve_x": ("トークン 1〜{n}", "tokens 1 to {n}"),
    "heat_map_curve_mean": ("棒 1 本は {k} トークンの平均", "each bar is the mean of {k} tokens"),
    "heat_map_curve_spoken": ("{name}：{n} トークン、最大 {most}", "{name}: {n} tokens, maximum {most}"),
    "heat_map_n_bits": ("合計", "total"),
    "heat_map_n_bpc": ("ビット／文字", "bits per character"),
    "heat_map_n_ppt": ("パープレキシティ／トークン", "perplexity per token"),
    "heat_map_n_ppc": ("パープレキシティ／文字", "perplexity per character"),
    "heat_map_n_size": ("計算した範囲", "scored"),
    "heat_map_n_size_value": ("{tokens} トークン・{characters} 文字", "{tokens} tokens, {characters} characters"),
    "heat_map_top": ("最も意外だった {n} トークン", "The {n} most surprising tokens"),
    "heat_map_definitions": ("数値の定義", "Definitions"),
    "heat_map_def_bits": (
        "ビット＝−log₂ p（トークン | それより前のすべてのトークン）。合計は、このモデルで文章を符号化するのに必要な量です。"
        "コンテキスト長を超える文章は、半分ずつ重なる区間に分けて計算します。",
        "Bits: −log₂ p(token | everything before it). Their sum is the number of bits needed to encode the text with this model. "
        "A text longer than the context is scored in windows that overlap by half.",
    ),
    "heat_map_def_bpc": (
        "ビット／文字＝合計 ÷ 文字数。語彙が異なるモデルどうしでも比較できます。",
        "Bits per character: the sum divided by the number of characters. Comparable between models with different vocabularies.",
    ),
    "heat_map_def_ppt": (
        "パープレキシティ／トークン＝2 ^ (合計 ÷ トークン数)。同じトークナイザーのモデルどうしでのみ比較できます。",
        "Perplexity per token: 2 ^ (sum ÷ tokens). Comparable only between models with the same tokenizer.",
    ),
    "heat_map_def_ppc": (
        "パープレキシティ／文字＝2 ^ (ビット／文字)。1 文字ごとに、"
        "確率の等しい何個の候補から 1 つを選んだことに相当するかを表します。",
        "Perplexity per character: 2 ^ (bits per character). As if the model had chosen each character among this many "
        "equally likely ones.",
    ),
    "heat_map_def_entropy": (
        "エントロピー＝その位置での情報量の期待値（ビット）。実際に現れたトークンには依存しません。",
        "Entropy: the surprisal that the model expected at this position, in bits. It does not depend on the actual token.",
    ),
    "heat_map_def_first": (
        "生成した本文は、生成時と同じ入力（文頭トークンなし）で計算します。そのため先頭のトークンには数値がありません。"
        "入力欄の文章は、文頭トークンの後に続けて計算します。",
        "A generated main text is scored with the same input as during generation, without a beginning-of-text token, so its "
        "first token has no numbers. A text from the field is scored after a beginning-of-text token.",
    ),
    # two texts
    "heat_map_pair_title": ("2 つの文を比較する", "Compare two texts"),
    "heat_map_pair_intro": (
        "1 か所だけ異なる 2 つの文（最小対）を比べ、モデルにとってどちらの確率が高いか、その差がどこで生じるかを示します。",
        "Two texts that differ in one place (a minimal pair): which one is more probable for the model, and where does the "
        "difference come from?",
    ),
    "heat_map_first": ("文 1", "Text 1"),
    "heat_map_second": ("文 2", "Text 2"),
    "heat_map_compare": ("比較する", "Compare"),
    "heat_map_ex_particle": ("は／が", "“は” or “が”"),
    "heat_map_ex_object": ("が／を", "“が” or “を”"),
    "heat_map_ex_kana": ("漢字／かな", "kanji or kana"),
    "heat_map_ex_order": ("主語と目的語", "subject and object"),
    "heat_map_ex_form": ("字体", "character forms"),
    "heat_map_pair_press": ("「比較する」を押すと、結果がここに表示されます。", "Press Compare to see the result here."),
    "heat_map_pair_empty": ("2 つの欄に文を入力してください。", "Enter a text in both fields."),
    "heat_map_pair_same_ids": (
        "2 つの文は同じ ID の列になります。表記が違っても、モデルには区別できません。",
        "Both texts have the same ids: the model cannot distinguish their spellings.",
    ),
    "heat_map_pair_identical": ("2 つの文は同一です。", "The two texts are identical."),
    "heat_map_pair_equal": ("モデルにとって、2 つの文の確率は同じです。", "Both texts are equally probable for the model."),
    "heat_map_pair_likelier": ("文 {which} のほうが確率が高く、差は {bits} ビットです{times}。",
                               "Text {which} is more probable, by {bits} bits{times}."),
    "heat_map_pair_times": ("（確率は約 {n} 倍）", " (about {n} times as probable)"),
    "heat_map_pair_disagree": (
        "ただし 1 文字あたりでは文 {which} のほうが確率が高く、結果が食い違います。長さが異なるため、"
        "どちらの確率が高いとも言えません。",
        "Per character, however, text {which} is more probable. The texts differ in length, so neither result is conclusive.",
    ),
    "heat_map_col_text": ("文", "text"),
    "heat_map_col_tokens": ("トークン", "tokens"),
    "heat_map_col_bits": ("ビット", "bits"),
    "heat_map_col_first_bits": ("文 1（ビット）", "text 1, bits"),
    "heat_map_col_second_bits": ("文 2（ビット）", "text 2, bits"),
    "heat_map_col_difference": ("確率が高い文と差（ビット）", "more probable text, by bits"),
    "heat_map_kind_same": ("同じトークン", "same tokens"),
    "heat_map_kind_different": ("異なるトークン", "different tokens"),
    "heat_map_difference": ("文 {which}：{bits}", "text {which}: {bits}"),
    "heat_map_even": ("差なし", "no difference"),
    "heat_map_pair_where": ("差が生じた箇所", "Where the difference comes from"),
    "heat_map_pair_note": (
        "塗りつぶしの棒は文 1、しま模様の棒は文 2 の確率が高い箇所です。同じトークンでも、前の文脈が違えば情報量は変わります。",
        "Solid bars: text 1 is more probable there; striped bars: text 2. The same token may have a different surprisal after "
        "a different context.",
    ),
    "heat_map_nothing_there": ("なし", "nothing"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
