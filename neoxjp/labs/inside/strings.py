"""Words of the section inside (keys start with inside_)."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "inside_tab": ("モデルの中", "Inside"),
    "inside_title": ("モデルの中をのぞく", "A look inside the model"),
    "inside_intro": (
        "上の文章を読ませ、選んだ位置で、層ごとの予想と、注意機構が見ている先を出します（{most} トークンまで）。",
        "The model reads the text above; for the chosen place: each layer’s guess, and what a head of attention looks at "
        "(up to {most} tokens).",
    ),
    "inside_at": ("何番目のトークン", "Token number"),
    "inside_at_help": ("0 なら最後。下の文章を押しても選べる。", "0: the last. Or press one in the text below."),
    "inside_layer": ("層", "Layer"),
    "inside_layer_help": ("0 から。", "From 0."),
    "inside_head": ("ヘッド", "Head"),
    "inside_head_help": ("0 から。", "From 0."),
    "inside_go": ("中を見る", "Look inside"),
    "inside_press": ("「中を見る」を押すと、ここに出ます。", "Press Look inside, and the layers appear here."),
    "inside_changed": ("上の文章が変わりました。ここにあるのは前の文章のものです。「中を見る」で新しくなります。",
                       "The text above has changed: this is of the earlier one. Press Look inside for the new one."),
    "inside_nothing": ("先に上で「生成」を押すか、書き出しを入れてください。", "Press Generate above, or write an opening."),
    "inside_bad_place": ("{n} トークンの文章です。位置は 1 から {n} までの整数にしてください。",
                         "The text has {n} tokens: the place must be a whole number from 1 to {n}."),
    "inside_cut": ("{n} トークンのうち、はじめの {most} トークンだけを読みました。",
                   "Of {n} tokens only the first {most} were read."),
    "inside_lens": ("層ごとの予想（logit lens）", "The guess after each layer (logit lens)"),
    "inside_lens_at": ("{at} 番目のトークン「{piece}」の次に何が来るか。モデルの答えは「{answer}」（{p}）。",
                       "What follows token {at}, “{piece}”: the model’s answer is “{answer}” ({p})."),
    "inside_lens_next": ("文章で実際に続くのは「{next}」：モデルの確率 {p}、順位 {rank}。",
                         "In the text “{next}” follows: probability {p}, rank {rank}."),
    "inside_col_layer": ("層", "layers"),
    "inside_col_guess": ("{n} 番目の予想", "guess {n}"),
    "inside_col_rank": ("答えの順位", "rank of the answer"),
    "inside_col_divergence": ("答えとの隔たり（KL、ビット）", "distance from the answer (KL, bits)"),
    "inside_col_entropy": ("エントロピー（ビット）", "entropy (bits)"),
    "inside_embedding": ("埋め込み", "embedding"),
    "inside_after": ("{n} 層のあと", "after {n}"),
    "inside_settled": ("答えは「{name}」から、ずっと 1 位です。", "The answer keeps first place from “{name}” on."),
    "inside_beyond": ("≫ 埋め込みは目盛の外", "≫ the embedding is beyond the scale"),
    "inside_curve_x": ("通った層の数", "layers that have run"),
    "inside_curve_y": ("答えとの隔たり KL、ビット", "KL from the answer, bits"),
    "inside_curve_spoken": ("答えとの隔たり（KL、ビット）、埋め込みから最後の層まで {n} 点：{values}",
                            "distance from the answer (KL, bits), {n} points from the embedding to the last layer: {values}"),
    "inside_is_answer": ("モデルの答え", "the model’s answer"),
    "inside_is_next": ("文章の続き", "what follows in the text"),
    "inside_lens_does": (
        "見えるもの：途中の層の状態を、そのまま最後の層の出口（正規化と出力行列）に通したときの予想。",
        "It shows: the state after a layer, put through the last norm and the output matrix as if no layer followed.",
    ),
    "inside_lens_says": (
        "言えること：予想がどの層のあたりで形になるか。最後の行は答えそのものなので、KL は 0 です。",
        "It says: around which layer a guess takes shape. The last row is the answer itself, so its KL is 0.",
    ),
    "inside_lens_not": (
        "言えないこと：層が何を計算しているか。浅い層は出力の言葉で書いていないことが多く、予想がでたらめに見えます。",
        "It does not say what a layer computes. Early layers often do not write in the output’s terms, and seem to guess wildly.",
    ),
    "inside_attention": ("注意：{layer} 層、ヘッド {head}", "Attention: layer {layer}, head {head}"),
    "inside_attention_view": ("文章、{n} トークン。色は重み。矢印キーで移動します",
                              "The text in {n} tokens, coloured by weight; arrow keys walk them"),
    "inside_weight_scale": ("重み：合計は 100 %", "weight: 100 % in sum"),
    "inside_told": ("{at} 番目 · 重み {weight}", "token {at} · weight {weight}"),
    "inside_told_query": ("{at} 番目 · 重み {weight} · ここから見ている", "token {at} · weight {weight} · the one that looks"),
    "inside_told_later": ("{at} 番目 · まだ見えない（あとに来る）", "token {at} · not seen yet (it comes later)"),
    "inside_hint": ("トークンを指すか矢印キーで選ぶと、重みがここに出ます。押すと、そこが選ばれます。",
                    "Point at a token or walk with the arrow keys: its weight appears here. Press one to look from there."),
    "inside_query": ("▸＝ここから見ている", "▸ = the one that looks"),
    "inside_top": ("重みの大きい {n} か所", "The {n} largest weights"),
    "inside_attention_does": (
        "見えるもの：選んだトークンを処理するとき、このヘッドが前のどこから、どれだけの割合で情報を取るか。",
        "It shows: from where, and in what shares, this head takes when the chosen token is processed.",
    ),
    "inside_attention_says": (
        "言えること：ヘッドの癖（一つ前、文頭、同じ語など）。最初のトークンに重みが集まるのは、よくある「休み」です。",
        "It says: a head’s habit (the token before, the beginning, the same word). Much weight on the first token often is rest.",
    ),
    "inside_attention_not": (
        "言えないこと：何を取ったか、それが答えに効いたか。重みが大きくても、理由とは限りません。",
        "It does not say what was taken, nor whether it mattered: a large weight is no reason.",
    ),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
