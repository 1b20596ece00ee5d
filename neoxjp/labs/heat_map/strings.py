"""Words of the section heat (keys start with heat_)."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "heat_map_tab": ("ヒートマップ", "Heat map"),
    "heat_title": ("モデルはどこで驚くか", "Where the model is surprised"),
    "heat_intro": (
        "文章をモデルに読ませ、一切れごとに「そこに来ると思っていたか」を色で見せます。",
        "The model reads a text, and each piece is coloured by how much the model expected it there.",
    ),
    "heat_text": ("しらべる文章", "Text to look at"),
    "heat_text_placeholder": ("空なら、上で書いた文章（まだなければ書き出し）",
                              "Empty: what was written above (or the opening, where nothing is yet)"),
    "heat_go": ("色を付ける", "Colour it"),
    "heat_measure": ("色の意味", "Colour by"),
    "heat_measure_logprob": ("対数確率", "log probability"),
    "heat_measure_rank": ("順位", "rank"),
    "heat_measure_entropy": ("エントロピー", "entropy"),
    "heat_press": ("「色を付ける」を押すと、ここに出ます。", "Press Colour it, and the text appears here."),
    "heat_changed": ("上の文章が変わりました。ここにあるのは前の文章です。「色を付ける」で新しくなります。",
                     "The text above has changed: this is the earlier one. Press Colour it for the new one."),
    "heat_too_many": ("{n} トークンあります。一度に読めるのは {most} トークンまでです。一部分を選んでください。",
                      "The text has {n} tokens; up to {most} can be read at once: take a part of it."),
    "heat_view": ("文章、{n} 切れ。矢印キーで移動します", "The text in {n} pieces; arrow keys walk them"),
    "heat_hint": ("一切れを指すか矢印キーで選ぶと、数がここに出ます。",
                  "Point at a piece or walk with the arrow keys: its numbers appear here."),
    "heat_told": ("確率 {p} · {bits} ビット · 順位 {rank} · エントロピー {entropy} ビット · id {ids}",
                  "probability {p} · {bits} bits · rank {rank} · entropy {entropy} bits · id {ids}"),
    "heat_told_first": ("前に何もないので、確率はない · id {ids}", "nothing stands before it: not scored · id {ids}"),
    "heat_unscored": ("計算なし", "not scored"),
    "heat_scale_logprob": ("確率（驚き、ビット）", "probability (surprise in bits)"),
    "heat_scale_rank": ("順位：1 が最有力", "rank: 1 is the likeliest"),
    "heat_scale_entropy": ("エントロピー、ビット：多いほど迷っている", "entropy in bits: the more, the less sure"),
    "heat_bits_value": ("{bits} ビット", "{bits} bits"),
    "heat_curve_logprob": ("驚き、ビット（－log2 確率）", "surprise in bits (−log2 of the probability)"),
    "heat_curve_rank": ("順位（対数目盛）", "rank (logarithmic)"),
    "heat_curve_entropy": ("エントロピー、ビット", "entropy in bits"),
    "heat_curve_x": ("切れ目 1〜{n}", "pieces 1 to {n}"),
    "heat_curve_mean": ("棒 1 本は {k} 切れの平均", "a bar is the mean of {k} pieces"),
    "heat_curve_spoken": ("{name}：{n} 切れ、いちばん高いところで {most}", "{name}: {n} pieces, at most {most}"),
    "heat_n_bits": ("合計", "in all"),
    "heat_n_bpc": ("ビット／文字", "bits per character"),
    "heat_n_ppt": ("パープレキシティ／トークン", "perplexity per token"),
    "heat_n_ppc": ("パープレキシティ／文字", "perplexity per character"),
    "heat_n_size": ("読んだ量", "read"),
    "heat_n_size_value": ("{tokens} トークン・{characters} 文字", "{tokens} tokens, {characters} characters"),
    "heat_top": ("いちばん意外だった {n} 切れ", "The {n} most surprising pieces"),
    "heat_definitions": ("数の定義", "What the numbers mean"),
    "heat_def_bits": (
        "ビット＝－log2 p(トークン | それより前のすべて)。合計は、このモデルで文章を書き表すのに要る量です。",
        "Bits are −log2 p(token | everything before it). Their sum is what the text costs under this model.",
    ),
    "heat_def_bpc": (
        "ビット／文字＝合計 ÷ 文字数。語彙がちがうモデルどうしでも比べられます。",
        "Bits per character are the sum ÷ characters: comparable between models with different vocabularies.",
    ),
    "heat_def_ppt": (
        "パープレキシティ／トークン＝2 ^ (合計 ÷ トークン数)。同じトークナイザーのモデルどうしでだけ比べられます。",
        "Perplexity per token is 2 ^ (sum ÷ tokens): only comparable between models with the same tokenizer.",
    ),
    "heat_def_ppc": (
        "パープレキシティ／文字＝2 ^ (ビット／文字)。一文字ごとに、同じくらいありそうな何文字から選んだか、という数です。",
        "Perplexity per character is 2 ^ (bits per character): among so many equally likely characters the model chose.",
    ),
    "heat_def_entropy": (
        "エントロピーは、その場でモデルが平均何ビット驚くつもりでいたか。実際に来たトークンには関係しません。",
        "Entropy is how many bits the model expected to be surprised by here, whatever then came.",
    ),
    "heat_def_first": (
        "上で書いた文章は、モデルが読んだとおり（文頭の印なし）に計算します。だから最初の一切れには数がありません。"
        "欄に入れた文章は、文頭の印のあとに読ませます。",
        "A text written above is read as the model read it, with nothing before it, so that its first piece has no number. "
        "A text from the field is read behind the beginning-of-text token.",
    ),
    # two texts
    "heat_pair_title": ("二つの文をくらべる", "Compare two texts"),
    "heat_pair_intro": (
        "一か所だけちがう二つの文（最小対）。モデルはどちらがありそうだと見るか、差はどこから来るか。",
        "Two texts that differ in one place (a minimal pair): which does the model find likelier, and where does that come from?",
    ),
    "heat_first": ("文 1", "Text 1"),
    "heat_second": ("文 2", "Text 2"),
    "heat_compare": ("くらべる", "Compare"),
    "heat_ex_particle": ("は／が", "“は” or “が”"),
    "heat_ex_object": ("が／を", "“が” or “を”"),
    "heat_ex_kana": ("漢字／かな", "kanji or kana"),
    "heat_ex_order": ("語順", "word order"),
    "heat_ex_form": ("字体", "letter forms"),
    "heat_pair_press": ("「くらべる」を押すと、ここに出ます。", "Press Compare, and the result appears here."),
    "heat_pair_empty": ("二つの欄に文を入れてください。", "Write a text into both fields."),
    "heat_pair_same_ids": (
        "二つは同じ id の列になります。綴りはちがっても、モデルには見分けられません。",
        "Both give the same ids: however they are spelt, the model cannot tell them apart.",
    ),
    "heat_pair_identical": ("二つは同じ文です。", "The two texts are the same."),
    "heat_pair_equal": ("モデルには、どちらも同じくらいありそうです。", "The model finds both equally likely."),
    "heat_pair_likelier": ("モデルには文 {which} のほうがありそうです：{bits} ビットの差{times}。",
                           "The model finds text {which} likelier, by {bits} bits{times}."),
    "heat_pair_times": ("（確率で約 {n} 倍）", " (about {n} times the probability)"),
    "heat_pair_disagree": (
        "ただし一文字あたりでは文 {which} のほうが安く、答えが割れます。長さのちがう文では、どちらの数も決め手になりません。",
        "But by the character text {which} is cheaper. Where texts differ in length and the two answers disagree, trust neither.",
    ),
    "heat_col_text": ("文", "text"),
    "heat_col_tokens": ("トークン", "tokens"),
    "heat_col_bits": ("ビット", "bits"),
    "heat_col_first": ("文 1", "text 1"),
    "heat_col_second": ("文 2", "text 2"),
    "heat_col_first_bits": ("文 1、ビット", "bits of 1"),
    "heat_col_second_bits": ("文 2、ビット", "bits of 2"),
    "heat_col_difference": ("どちらが安いか、ビット", "which is cheaper, in bits"),
    "heat_kind_same": ("同じトークン", "same tokens"),
    "heat_kind_different": ("ちがうトークン", "different tokens"),
    "heat_cheaper": ("文 {which} が {bits}", "text {which} by {bits}"),
    "heat_even": ("差なし", "even"),
    "heat_pair_where": ("差が出るところ", "Where the difference comes from"),
    "heat_pair_note": (
        "塗りの棒は文 1、しまの棒は文 2 がありそうなところ。同じトークンでも、前がちがえば値段は変わります。",
        "Solid bars: text 1 is likelier there; striped: text 2. Behind a difference the same tokens may cost other bits.",
    ),
    "heat_nothing_there": ("なし", "nothing"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
