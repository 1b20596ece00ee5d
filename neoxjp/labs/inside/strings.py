"""Strings of the section inside: heads, attention, salience, logit lens."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "inside_tab": ("モデルの内部", "Model internals"),
    "inside_title": ("モデルの内部：アテンションヘッド、予測の根拠、logit lens",
                     "Model internals: attention heads, what a prediction rests on, logit lens"),
    "inside_intro": (
        "本文をモデルに入力し（{most} トークンまで）、選んだトークンについて、各ヘッドのアテンション、予測の根拠、"
        "層ごとの予測を表示します。",
        "Runs the model on the main text (up to {most} tokens). For the selected token: what each head attends to, what its "
        "prediction rests on, and the prediction after each layer.",
    ),
    "inside_at": ("トークンの番号", "Token number"),
    "inside_at_help": ("1 から数えます。0 は最後です。文章で選んだトークンに合わせて変わります。",
                       "Counted from 1; 0 is the last. Follows the token selected in the text."),
    "inside_layer": ("層", "Layer"),
    "inside_layer_help": ("0 から数えます。", "Counted from 0."),
    "inside_head": ("ヘッド", "Head"),
    "inside_head_help": ("0 から数えます。", "Counted from 0."),
    "inside_go": ("内部を表示", "Show internals"),
    "inside_heads": ("すべてのヘッド（{n}）", "All {n} heads"),
    "inside_sort": ("並べ替え", "Sort by"),
    "inside_short_layer": ("層の順", "layer"),
    "inside_short_itself": ("自分自身", "itself"),
    "inside_short_previous": ("直前", "previous"),
    "inside_short_first": ("先頭", "first"),
    "inside_short_induction": ("induction", "induction"),
    "inside_short_entropy": ("エントロピー", "entropy"),
    "inside_means_layer": (
        "層、ヘッドの順。図の下は、自分自身・直前・先頭・induction のうち最も大きい値です。",
        "By layer and head. Under each picture: the largest of the scores itself, previous, first and induction.",
    ),
    "inside_means_itself": (
        "クエリのトークン自身への重み（先頭を除く {n} トークンの平均）。",
        "Weight on the query token itself (mean over the {n} tokens after the first).",
    ),
    "inside_means_previous": (
        "クエリの 1 つ前のトークンへの重み（{n} トークンの平均）。これが大きいヘッドは previous token head と呼ばれます。",
        "Weight on the token before the query token (mean over {n} tokens). A head with much of it is a previous token head.",
    ),
    "inside_means_first": (
        "文章の最初のトークンへの重み（{n} トークンの平均）。大きい値は、多くの場合 attention sink です。",
        "Weight on the first token of the text (mean over {n} tokens). Much of it is often an attention sink.",
    ),
    "inside_means_induction": (
        "クエリと同じトークンが前にあるとき、その次に来たトークンへの重み（該当する {repeated} トークンの平均）。"
        "繰り返しの続きを予測する induction head で大きくなります。",
        "Weight on what followed earlier occurrences of the query token (mean over the {repeated} tokens that have some). "
        "High for induction heads, which continue a repetition.",
    ),
    "inside_means_entropy": (
        "重みの散らばり（ビット、{n} トークンの平均）。0 は 1 トークンに集中、log₂ n は n トークンに均等。",
        "How widely the weight is spread (bits, mean over {n} tokens). 0: all on one token; log₂ n: evenly over n tokens.",
    ),
    "inside_heads_view": ("アテンションヘッド（{n}）。矢印キーで移動し、Enter で表示します",
                          "Attention heads ({n}); arrow keys move, Enter shows the weights of one"),
    "inside_heads_hint": (
        "ヘッドにカーソルを合わせるか、矢印キーで選ぶと、値がここに表示されます。押すと、選んだトークンの重みが下に表示されます。",
        "Point at a head, or use the arrow keys, to see its scores here. Press one to see its weights for the selected token.",
    ),
    "inside_heads_more": ("図と値の意味", "What the pictures and scores mean"),
    "inside_heads_picture": (
        "図：1 行が 1 つのクエリ、1 列が参照先のトークンで、左上が文頭です。長い文章では、隣り合うトークンを 1 マスに"
        "まとめます。",
        "Picture: one row per query token, one column per token attended to, from the start of the text at the top left. In a "
        "long text, neighbouring tokens share a cell.",
    ),
    "inside_head_name": ("層 {layer}、ヘッド {head}", "Layer {layer}, head {head}"),
    "inside_head_facts": (
        "自分自身 {itself} · 直前 {previous} · 先頭 {first} · induction {induction} · エントロピー {entropy} ビット",
        "itself {itself} · previous {previous} · first {first} · induction {induction} · entropy {entropy} bits",
    ),
    "inside_head_range": ("{start}–{end} / {all}", "{start}–{end} of {all}"),
    "inside_page_before": ("前のヘッド", "Previous heads"),
    "inside_page_after": ("次のヘッド", "Next heads"),
    "inside_leave_out": ("トークンを除いて調べる", "Leave tokens out"),
    "inside_salience": ("予測の根拠：トークンを 1 つずつ除いた影響",
                        "What the prediction rests on: leaving tokens out, one at a time"),
    "inside_salience_press": (
        "「トークンを除いて調べる」を押すと、選んだトークンの予測がどのトークンに支えられているかが表示されます。",
        "Press Leave tokens out to see which tokens the prediction of the selected token rests on.",
    ),
    "inside_salience_at": ("{at} 番目のトークン「{piece}」の情報量（−log₂ p）は {bits} ビットです。",
                           "Token {at}, “{piece}”, has a surprisal (−log₂ p) of {bits} bits."),
    "inside_salience_largest": ("「{piece}」を除くと {bits} ビットになります。", "Without “{piece}” it would have {bits} bits."),
    "inside_salience_view": ("前のトークン（{n}）。色は除いたときの影響。矢印キーで移動します",
                             "The {n} tokens before, coloured by the effect of leaving them out; arrow keys move between tokens"),
    "inside_salience_facts": ("{at} 番目 · 除くと {bits} ビット（{difference}）",
                              "token {at} · without it {bits} bits ({difference})"),
    "inside_effect_scale": ("除いたときの情報量の増加（ビット）", "surprisal added by leaving it out (bits)"),
    "inside_against": ("− = 除くと確率が上がる", "− = more probable without it"),
    "inside_predicted": ("▸ = 予測されるトークン", "▸ = predicted token"),
    "inside_salience_hint": ("トークンにカーソルを合わせるか、矢印キーで選ぶと、影響がここに表示されます。",
                             "Point at a token, or use the arrow keys, to see its effect here."),
    "inside_salience_top": ("影響の大きい {n} トークン", "The {n} largest effects"),
    "inside_salience_does": (
        "表示内容：前のトークン（直前の {most} 個まで）を 1 つずつ除いてモデルを実行し直すと、"
        "予測されるトークンの情報量が何ビット変わるか。",
        "What it shows: by how many bits the surprisal of the predicted token changes when the model runs again without one of "
        "the tokens before it (the last {most} at most).",
    ),
    "inside_salience_not": (
        "分からないこと：複数のトークンを合わせた効果。同じ内容の語が 2 つあると、片方を除いてもほとんど変わりません。"
        "途中が欠けて文章が不自然になった影響も含まれます。",
        "What it does not show: the effect of several tokens together. If two tokens carry the same information, removing one "
        "changes little. A text with a gap may also be unusual in itself.",
    ),
    "inside_press": ("「内部を表示」を押すと、結果がここに表示されます。", "Press Show internals to see them here."),
    "inside_changed": ("本文が変更されました。表示中の内容は変更前の文章のものです。「内部を表示」を押すと更新されます。",
                       "The main text has changed; this is for the previous text. Press Show internals to update it."),
    "inside_bad_place": ("文章は {n} トークンです。番号は 1 から {n} までの整数で指定してください。",
                         "The text has {n} tokens: the token number must be an integer from 1 to {n}."),
    "inside_cut": ("{n} トークンのうち、先頭の {most} トークンだけを使っています。",
                   "Only the first {most} of {n} tokens are used."),
    "inside_lens": ("層ごとの予測（logit lens）", "Prediction after each layer (logit lens)"),
    "inside_lens_at": ("{at} 番目のトークン「{piece}」に続くトークンとして、モデルは「{answer}」（{p}）を出力します。",
                       "After token {at}, “{piece}”, the model’s output is “{answer}” ({p})."),
    "inside_lens_next": ("文章で実際に続くのは「{next}」（確率 {p}、順位 {rank}）です。",
                         "The text continues with “{next}”: probability {p}, rank {rank}."),
    "inside_col_layer": ("層", "layers"),
    "inside_col_guess": ("予測 {n}", "prediction {n}"),
    "inside_col_rank": ("出力の順位", "rank of the output"),
    "inside_col_divergence": ("出力との KL（ビット、対数目盛り）", "KL from the output (bits, log scale)"),
    "inside_col_entropy": ("エントロピー（ビット）", "entropy (bits)"),
    "inside_embedding": ("埋め込み", "embedding"),
    "inside_after": ("{n}/{all} 層の後", "after {n} of {all}"),
    "inside_settled": ("「{name}」から最後まで、出力のトークンが 1 位です。",
                       "From “{name}” on, the output token ranks first."),
    "inside_curve_x": ("通過した層の数", "layers passed"),
    "inside_curve_y": ("出力との KL（ビット、対数目盛り）", "KL from the output, bits, log scale"),
    "inside_curve_spoken": ("出力との KL ダイバージェンス（ビット）、埋め込みから最後の層まで {n} 点：{values}",
                            "KL divergence from the output (bits), {n} points from the embedding to the last layer: {values}"),
    "inside_is_answer": ("モデルの出力", "the model’s output"),
    "inside_is_next": ("文章で次に来るトークン", "the next token of the text"),
    "inside_lens_does": (
        "表示内容：途中の層の隠れ状態を、そのまま最後の正規化層と出力層に通したときの予測です。",
        "What it shows: the hidden state after a layer, passed directly through the final norm and the output layer.",
    ),
    "inside_lens_says": (
        "分かること：どの層のあたりで予測が定まるか。最後の行はモデルの出力そのものなので、KL は 0 です。",
        "What it tells you: around which layer the prediction forms. The last row is the model’s own output, so its KL is 0.",
    ),
    "inside_lens_not": (
        "分からないこと：層が何を計算しているか。浅い層の隠れ状態は、出力とは異なる表現であることが多く、"
        "予測がでたらめに見えます。",
        "What it does not show: what a layer computes. Early layers often use another representation than the output, and "
        "their predictions look random.",
    ),
    "inside_attention": ("アテンション：層 {layer}、ヘッド {head}", "Attention: layer {layer}, head {head}"),
    "inside_attention_view": ("文章（{n} トークン）。色はアテンションの重み。矢印キーで移動します",
                              "The text, {n} tokens, coloured by attention weight; arrow keys move between tokens"),
    "inside_weight_scale": ("重み（合計 100 %）", "weight (sum 100 %)"),
    "inside_facts_token": ("{at} 番目 · 重み {weight}", "token {at} · weight {weight}"),
    "inside_facts_query": ("{at} 番目 · 重み {weight} · クエリのトークン", "token {at} · weight {weight} · query token"),
    "inside_facts_later": ("{at} 番目 · クエリより後ろなので参照されない",
                           "token {at} · after the query token: not visible to it"),
    "inside_hint": (
        "トークンにカーソルを合わせるか、矢印キーで選ぶと、重みがここに表示されます。押すと、そのトークンがクエリになります。",
        "Point at a token, or use the arrow keys, to see its weight here. Press one to make it the query token.",
    ),
    "inside_query": ("▸ = クエリのトークン", "▸ = query token"),
    "inside_top": ("重みの大きい {n} トークン", "The {n} largest weights"),
    "inside_attention_does": (
        "表示内容：クエリのトークンを処理するとき、このヘッドが前のどのトークンから、どれだけの割合で情報を集めるか。",
        "What it shows: how much this head attends to each earlier token while processing the query token.",
    ),
    "inside_attention_says": (
        "分かること：ヘッドの傾向（直前のトークン、文頭、同じ語など）。最初のトークンに集まる重みは、多くの場合 attention "
        "sink です。",
        "What it tells you: the head’s pattern (previous token, start of the text, same word). Much weight on the first token "
        "is often an attention sink.",
    ),
    "inside_attention_not": (
        "分からないこと：どんな情報を集めたか、それが出力に影響したか。重みが大きくても、予測の理由とは限りません。",
        "What it does not show: what information was collected, and whether it mattered. A large weight is not an "
        "explanation.",
    ),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
