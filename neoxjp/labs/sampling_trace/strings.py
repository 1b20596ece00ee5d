"""Words of the section ledger (keys start with ledger_)."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "sampling_trace_tab": ("このトークン", "This token"),
    "ledger_title": ("このトークンはどう選ばれたか", "How this token was chosen"),
    "ledger_intro": (
        "上の文章の一切れを選ぶと、候補がどう絞り込まれ、乱数がどこに落ちたかが出ます。",
        "Choose a piece of the text above: how the filters thinned out its candidates, and where the random number fell.",
    ),
    "ledger_before": ("← 前のトークン", "← Previous token"),
    "ledger_behind": ("次のトークン →", "Next token →"),
    "ledger_place": ("何個目のトークン", "Token number"),
    "ledger_empty": ("まだ続きがありません。「生成」を押してから、文章の一切れを選んでください。",
                     "Nothing is written yet: press Generate, then choose a piece of the text."),
    "ledger_other_model": ("この文章は別のモデルが書いたものです。「生成」で新しく始めると、ここに候補が出ます。",
                           "Another model wrote this text: press Generate to start anew, and its candidates appear here."),
    "ledger_not_kept": (
        "このトークンの計算結果は残っていません。「読み直す」を押すと、文章（ここまで {n} トークン）をもう一度モデルに通します。",
        "What the model computed here is not kept (any more). Press Read again: the model reads the text once more "
        "({n} tokens up to here).",
    ),
    "ledger_read": ("読み直す", "Read again"),
    "ledger_read_again": ("読み直した値です。書いたときの値とは、最後の桁がわずかに違うことがあります。",
                          "Read again: the numbers may differ from those of the generation in their last digits."),
    "ledger_number": ("{n} 個のうち {i} 個目", "{i} of {n}"),
    "ledger_entropy_line": ("迷い（エントロピー）{before} → {after} ビット", "entropy {before} → {after} bits"),
    "ledger_uniform": ("乱数 {u}", "random number {u}"),
    "ledger_line": ("0 から 1 までの数直線。残った候補 {n} 個。", "A number line from 0 to 1 with {n} candidates left. "),
    "ledger_line_drawn": ("乱数 {u} は「{name}」の区間 {a}〜{b} に落ちました。",
                          "The random number {u} fell into the interval {a}–{b} of “{name}”."),
    "ledger_gap": ("表にない候補 {p}", "candidates without a row, {p}"),
    "ledger_said_drawn": ("乱数 {u} が「{name}」の区間 {a}〜{b}（{p}）に落ちたので、これが選ばれました。",
                          "The random number {u} fell into the interval {a}–{b} ({p}) of “{name}”: it was drawn."),
    "ledger_said_greedy": ("乱数は使わず、絞り込みのあとで最有力の「{name}」を取りました。",
                           "No random number: “{name}”, the likeliest after the filters, was taken."),
    "ledger_said_other": ("読み直した値では、乱数 {u} は「{name}」（{p}）の区間に落ちます。書かれたのは「{was}」です{lost}。",
                          "By the numbers read again, {u} falls into the interval of “{name}” ({p}); “{was}” was written{lost}."),
    "ledger_tried_same_drawn": ("この設定でも、同じ乱数 {u} は「{name}」の区間 {a}〜{b}（{p}）に落ちます。同じトークンです。",
                                "With these settings the same random number {u} falls into the interval {a}–{b} ({p}) of “{name}”"
                                ": the same token."),
    "ledger_tried_same_greedy": ("この設定では乱数を使わず、最有力の「{name}」を取ります。同じトークンです。",
                                 "With these settings no random number is used: “{name}”, the likeliest, is taken: the same "
                                 "token."),
    "ledger_tried_other": ("この設定なら、「{was}」{lost}ではなく「{name}」（{p}）が選ばれていました。",
                           "With these settings “{name}” ({p}) would have been drawn instead of “{was}”{lost}."),
    "ledger_removed_by": ("（{filter} が除外）", " (removed by {filter})"),
    "ledger_unknown": (
        "自分で置いたトークンか、前からの文章なので、選ばれたときの設定と乱数は分かりません。モデルそのものの確率です。"
        "つまみで絞り込みを試せます。",
        "You put this token there, or the text is from before: settings and random numbers are not known any more. These are the "
        "model's own probabilities; try filters with the sliders.",
    ),
    "ledger_no_seed": ("乱数が分からないので、何が選ばれるかは言えません。",
                       "The random number is not known, so nobody can say what would be drawn."),
    "ledger_candidates": ("候補", "Candidates"),
    "ledger_table": ("候補と、絞り込みごとの確率", "candidates, and their probability after each filter"),
    "ledger_result": ("結果", "result"),
    "ledger_gone": ("除外", "out"),
    "ledger_drawn": ("選ばれる", "drawn"),
    "ledger_and_written": ("（文章にある）", "(in the text)"),
    "ledger_written": ("文章にある", "in the text"),
    "ledger_could": ("残った", "left"),
    "ledger_others": ("ほか {n} 個の合計", "the other {n}, summed"),
    "ledger_others_left": ("うち {n} 個が残った", "{n} of them left"),
    "ledger_scale": ("棒は 0〜{most}。どの列も、表の全部の行を足すと 100 % です。",
                     "Bars from 0 to {most}. The rows of each column add up to 100 %."),
    "ledger_end": ("文章の終わり", "end of text"),
    "ledger_filters": ("絞り込みが切り捨てたもの", "What the filters cut away"),
    "ledger_filter": ("絞り込み", "filter"),
    "ledger_left": ("残った候補", "tokens left"),
    "ledger_cut": ("切り捨てた確率（モデルの）", "the model's probability cut away"),
    "ledger_sum": ("合計", "in sum"),
    "ledger_entropy_before": ("迷い：前", "entropy before"),
    "ledger_entropy_after": ("迷い：後", "entropy after"),
    "ledger_f_model": ("モデル", "model"),
    "ledger_f_repetition_penalty": ("繰り返しの抑制", "penalty"),
    "ledger_f_no_repeat_ngram": ("n 連の禁止", "n-gram ban"),
    "ledger_f_min_new_tokens": ("最低の長さ", "minimum length"),
    "ledger_f_greedy": ("最有力だけ", "greedy"),
    "ledger_f_temperature": ("温度", "temperature"),
    "ledger_f_top_k": ("top-k", "top-k"),
    "ledger_f_top_p": ("top-p", "top-p"),
    "ledger_f_min_p": ("min-p", "min-p"),
    "ledger_f_typical_p": ("typical-p", "typical-p"),
    "ledger_try": ("同じ一歩を別の設定で", "The same step with other settings"),
    "ledger_try_help": ("文章は変わりません。この一歩だけが、すぐに計算し直されます。並びは、絞り込みがかかる順です。",
                        "The text stays as it is: only this step is worked out again, at once. Filters in their order."),
    "ledger_reset": ("⟲ 生成したときの設定に戻す", "⟲ Back to the settings of the generation"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
