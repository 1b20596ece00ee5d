"""Strings of beam search."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "beams_tab": ("ビームサーチ", "Beam search"),
    "beams_title": ("ビームサーチの探索木", "Beam search as a tree"),
    "beams_intro": (
        "各ステップで確率の高い候補だけを残しながら、プロンプトの続きを生成します。脱落した候補も表示します。",
        "Extends the prompt, keeping only the most probable candidates at each step. Pruned candidates are shown too.",
    ),
    "beams_number": ("ビーム数（num_beams）", "Beams (num_beams)"),
    "beams_number_help": ("各ステップで残す候補の数です。多いほど、良い候補を見落としにくくなります。",
                          "Candidates kept at each step. With more beams, fewer good texts are missed."),
    "beams_new": ("最大トークン数（max_new_tokens）", "Max new tokens"),
    "beams_new_help": ("続きとして生成する最大のトークン数です。", "Maximum length of a continuation, in tokens."),
    "beams_penalty": ("長さペナルティ（length_penalty）", "Length penalty"),
    "beams_penalty_help": ("スコア = 対数確率の合計 ÷ 長さ ^ この値。大きいほど長い文が有利になります。",
                           "Score = total log probability ÷ length ^ this. Higher favours long texts."),
    "beams_go": ("探索する", "Search"),
    "beams_press": ("「探索する」を押すと、プロンプトの続きを探索した木が表示されます。",
                    "Press Search to see the tree of continuations of the prompt."),
    "beams_changed": ("プロンプトが変更されました。表示中の木は変更前のものです。「探索する」を押すと更新されます。",
                      "The prompt has changed; this tree is for the previous one. Press Search to update it."),
    "beams_range": ("{name} は {low} から {high} の範囲で指定してください。", "{name} must be {low} to {high}."),
    "beams_best": (
        "「{prompt}」の続きとして最良の候補は「{text}」です。対数確率の合計 {total}、長さペナルティ適用後のスコア "
        "{score}（nat）。",
        "The best continuation of “{prompt}” is “{text}”: total log probability {total}, score with the length penalty "
        "{score} (nats).",
    ),
    "beams_best_eos": ("モデルが終了トークンを出力しました。", "The model ended the text."),
    "beams_best_length": ("最大トークン数に達しました。", "It has the maximum length."),
    "beams_no_better": ("終了した候補を上回る見込みのある候補がなくなったため、{n} ステップで探索を終えました。",
                        "The search stopped after {n} steps: no running candidate was expected to beat the finished ones."),
    "beams_bos": ("（文頭）", "(start of text)"),
    "beams_tree": ("探索木：{steps} ステップ、{n} 候補。← → で親と子、↑ ↓ で同じステップの候補へ移動します",
                   "Search tree: {steps} steps, {n} candidates; ← → move to parent and child, ↑ ↓ within the step"),
    "beams_hint": ("候補にカーソルを合わせるか、矢印キーで選ぶと、ここにスコアが表示されます。",
                   "Point at a candidate, or use the arrow keys, to see its scores here."),
    "beams_node": ("ステップ {step} · このトークン {logprob}（{p}）· 合計 {total} · ペナルティ適用後 {score} · {outcome}",
                   "step {step} · this token {logprob} ({p}) · total {total} · with the penalty {score} · {outcome}"),
    "beams_step": ("ステップ {n}", "step {n}"),
    "beams_legend_best": ("最良の候補", "best"),
    "beams_legend_active": ("残っている", "still running"),
    "beams_legend_finished": ("✓ 終了", "✓ finished"),
    "beams_legend_dead_end": ("✕n　続きがステップ n で脱落", "✕n  continuations pruned at step n"),
    "beams_legend_pruned": ("× すぐに脱落", "× pruned at once"),
    "beams_legend_outscored": ("△ 終了したが上位に入らず", "△ finished, but outscored"),
    "beams_legend_order": ("上ほど確率が高い", "higher up: more probable"),
    "beams_outcome_continued": ("続きが残っている", "a continuation is still running or finished"),
    "beams_outcome_pruned_later": ("続きがステップ {n} までにすべて脱落", "its last continuation was pruned at step {n}"),
    "beams_outcome_dead_end": ("残ったが、続きがステップ {n} で脱落", "kept, but its continuations were pruned at step {n}"),
    "beams_outcome_unfinished": ("探索の終わりまで残った", "still running at the end"),
    "beams_outcome_finished": ("終了し、上位に入った", "finished, one of the best"),
    "beams_outcome_outscored": ("終了したが、ほかの候補のほうがスコアが高い", "finished, but others score higher"),
    "beams_outcome_pruned": ("より確率の高い候補があり、すぐに脱落", "pruned at once: others were more probable"),
    "beams_found": ("終了した候補", "Finished texts"),
    "beams_table": ("すべての候補の表（{n} 件）", "Table of all {n} candidates"),
    "beams_col_rank": ("順位", "rank"),
    "beams_col_text": ("文", "text"),
    "beams_col_step": ("ステップ", "step"),
    "beams_col_token": ("トークン", "token"),
    "beams_col_logprob": ("このトークン", "this token"),
    "beams_col_total": ("合計", "total"),
    "beams_col_score": ("ペナルティ適用後", "with penalty"),
    "beams_col_outcome": ("結果", "outcome"),
    "beams_unit": (
        "数値は対数確率（nat）です。0 に近いほど確率が高くなります。探索中の候補どうしは合計で、"
        "終了した候補どうしは長さペナルティ適用後のスコアで比較します。",
        "Numbers are log probabilities in nats; closer to 0 is more probable. Running candidates are compared by their total, "
        "finished ones by the score with the length penalty.",
    ),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
