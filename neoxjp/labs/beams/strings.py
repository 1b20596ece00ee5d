"""Words of the section beams (keys start with beams_)."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "beams_tab": ("ビーム", "Beams"),
    "beams_title": ("ビームサーチを木で見る", "Beam search as a tree"),
    "beams_intro": (
        "書き出しの続きを、いちばんありそうな数本だけ残しながら伸ばします。消えた枝も見えます。",
        "The opening above is gone on with, a few of the likeliest continuations kept in sight. The lost ones are shown too.",
    ),
    "beams_number": ("ビームの数", "Beams"),
    "beams_number_help": ("一歩ごとに残す本数。多いほど見落としが減る。",
                          "So many texts are kept at each step. More: less is overlooked."),
    "beams_new": ("新しいトークン", "New tokens"),
    "beams_new_help": ("枝の長さ。", "How long the branches grow."),
    "beams_penalty": ("長さの罰則 length penalty", "Length penalty"),
    "beams_penalty_help": ("点＝合計 ÷ 長さ ^ この数。大きいほど長い文が有利。",
                           "Score = sum ÷ length ^ this. Higher favours long texts."),
    "beams_go": ("探す", "Search"),
    "beams_press": ("「探す」を押すと、上の書き出しから木が伸びます。", "Press Search, and a tree grows from the opening above."),
    "beams_changed": ("上の書き出しが変わりました。この木は前の書き出しのものです。「探す」で新しくなります。",
                      "The opening above has changed: this tree is of the earlier one. Press Search for a new one."),
    "beams_range": ("{name} は {low} から {high} までです。", "{name} must be {low} to {high}."),
    "beams_winner": ("「{prompt}」のあと、勝ったのは「{text}」：対数確率の合計 {score}、罰則を入れた点 {penalised}（nat）。",
                     "After “{prompt}” the winner is “{text}”: log probability {score} in all, {penalised} with the length "
                     "penalty (nats)."),
    "beams_winner_eos": ("モデルが自分で文章を終えました。", "The model ended the text itself."),
    "beams_winner_length": ("長さの上限まで書きました。", "It is as long as was asked for."),
    "beams_settled": ("どの枝も追い抜けそうになくなったので、{n} 歩で終わりました。",
                      "No running text was expected to beat the finished ones: over after {n} steps."),
    "beams_bos": ("（文頭）", "(the beginning)"),
    "beams_tree": ("木：{steps} 歩、{n} 本の枝。← → で親と子、↑ ↓ で同じ歩のほかの枝",
                   "The tree: {steps} steps, {n} texts; ← → lead to parent and child, ↑ ↓ to others of the step"),
    "beams_hint": ("枝を指すか矢印キーで選ぶと、点がここに出ます。",
                   "Point at a box or walk with the arrow keys: its scores appear here."),
    "beams_told": ("{step} 歩目 · この一歩 {logprob}（{p}）· 合計 {score} · 罰則を入れて {penalised} · {fate}",
                   "step {step} · this token {logprob} ({p}) · sum {score} · with the penalty {penalised} · {fate}"),
    "beams_step": ("{n} 歩目", "step {n}"),
    "beams_legend_best": ("勝った枝", "the winner"),
    "beams_legend_alive": ("生きている", "alive"),
    "beams_legend_finished": ("✓ 書き終えた", "✓ finished"),
    "beams_legend_dead": ("✕n　n 歩目で死んだ", "✕n  died in step n"),
    "beams_legend_dropped": ("× すぐ落ちた", "× dropped at once"),
    "beams_legend_outdone": ("△ 終えたが負けた", "△ finished, but outdone"),
    "beams_legend_order": ("上ほどありそう", "the likelier, the higher"),
    "beams_fate_followed": ("続きが生きている", "a continuation of it is alive"),
    "beams_fate_line": ("続きはみな {n} 歩目までに死んだ", "its last continuation died in step {n}"),
    "beams_fate_died": ("伸びたが、{n} 歩目で死んだ", "ran on, and died in step {n}"),
    "beams_fate_stopped": ("最後まで生きていた", "still ran at the end"),
    "beams_fate_finished": ("書き終えた（上位に残った）", "finished, among the best"),
    "beams_fate_outdone": ("終えたが、もっと良い文に負けた", "ended, but better ones did too"),
    "beams_fate_dropped": ("もっとありそうな枝があり、すぐ落ちた", "dropped at once: others were likelier"),
    "beams_found": ("書き終えた文", "Finished texts"),
    "beams_table": ("表で見る（{n} 本の枝）", "As a table ({n} texts)"),
    "beams_col_place": ("順位", "place"),
    "beams_col_text": ("文", "text"),
    "beams_col_step": ("歩", "step"),
    "beams_col_token": ("トークン", "token"),
    "beams_col_logprob": ("この一歩", "this token"),
    "beams_col_score": ("合計", "sum"),
    "beams_col_penalised": ("罰則を入れて", "with penalty"),
    "beams_col_fate": ("どうなったか", "what became of it"),
    "beams_unit": (
        "数は対数確率（nat）。0 に近いほどありそうです。"
        "生きている枝どうしは合計で、終えた文どうしは罰則を入れた点で比べます。",
        "Numbers are log probabilities in nats: the nearer to 0, the likelier. Running texts are compared by their sum, "
        "finished ones by the score with the penalty.",
    ),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
