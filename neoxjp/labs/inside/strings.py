"""Strings of the section inside: logit lens and attention."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "inside_tab": ("モデルの内部", "Model internals"),
    "inside_title": ("モデルの内部：logit lens とアテンション", "Model internals: logit lens and attention"),
    "inside_intro": (
        "上の文章をモデルに入力し、選んだトークンについて、層ごとの予測とアテンションの重みを表示します（{most} "
        "トークンまで）。",
        "Runs the model on the text above (up to {most} tokens). For the selected token: the prediction after each layer, and "
        "the attention weights of one head.",
    ),
    "inside_at": ("トークンの番号", "Token number"),
    "inside_at_help": ("1 から数えます。0 は最後のトークンです。下の文章のトークンを押しても選べます。",
                       "Counted from 1; 0 is the last. You can also press a token in the text below."),
    "inside_layer": ("層", "Layer"),
    "inside_layer_help": ("0 から数えます。", "Counted from 0."),
    "inside_head": ("ヘッド", "Head"),
    "inside_head_help": ("0 から数えます。", "Counted from 0."),
    "inside_go": ("内部を表示", "Show internals"),
    "inside_press": ("「内部を表示」を押すと、結果がここに表示されます。", "Press Show internals to see them here."),
    "inside_changed": ("上の文章が変更されました。表示中の内容は変更前の文章のものです。「内部を表示」を押すと更新されます。",
                       "The text above has changed; this is for the previous text. Press Show internals to update it."),
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
        "What it does not tell you: what a layer computes. Early layers often use another representation than the output, and "
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
        "What it does not tell you: what information was collected, and whether it mattered. A large weight is not an "
        "explanation.",
    ),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
