"""Strings of the section that shows how a token was chosen."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "sampling_trace_tab": ("このトークン", "This token"),
    "sampling_trace_title": ("このトークンが選ばれた過程", "How this token was chosen"),
    "sampling_trace_intro": (
        "本文でトークンを選ぶと、各フィルターが候補をどう絞り込み、乱数がどの候補を選んだかを示します。",
        "Select a token in the main text to see how filters reduced the candidates and which one the random number selected.",
    ),
    "sampling_trace_before": ("← 前のトークン", "← Previous token"),
    "sampling_trace_after": ("次のトークン →", "Next token →"),
    "sampling_trace_position": ("トークンの番号", "Token number"),
    "sampling_trace_empty": ("まだ生成していません。「生成」を押してから、文章のトークンを選んでください。",
                             "Nothing has been generated yet: press Generate, then select a token in the text."),
    "sampling_trace_of_prompt": (
        "選択中のトークンはプロンプトのものなので、サンプリングの過程はありません。下は、その前に表示していたトークンです。",
        "The selected token belongs to the prompt, so it was not sampled. Shown below: the token that was shown before.",
    ),
    "sampling_trace_other_model": ("この文章は別のモデルで生成したものです。「生成」で新しく始めると、候補が表示されます。",
                                   "Another model generated this text. Press Generate to start a new one."),
    "sampling_trace_not_stored": (
        "このトークンのロジットはもう残っていません。「再計算」を押すと、これより前の {n} トークンをモデルに入力し直します。",
        "The logits of this token are no longer stored. Press Recompute to run the model on the {n} tokens before it again.",
    ),
    "sampling_trace_recompute": ("再計算", "Recompute"),
    "sampling_trace_recomputed": ("再計算した値です。生成時の値とは、最後の桁がわずかに異なることがあります。",
                                  "Recomputed: the last digits may differ from those of the generation."),
    "sampling_trace_number": ("{n} トークン中 {i} 番目", "{i} of {n}"),
    "sampling_trace_entropies": ("エントロピー {before} → {after} ビット", "entropy {before} → {after} bits"),
    "sampling_trace_uniform": ("乱数 {u}", "random number {u}"),
    "sampling_trace_line": ("0 から 1 までの数直線。残った候補は {n} 個。",
                            "A number line from 0 to 1 with {n} remaining candidates. "),
    "sampling_trace_line_drawn": ("乱数 {u} は「{name}」の区間 {a}〜{b} に入りました。",
                                  "The random number {u} is in the interval {a}–{b} of “{name}”."),
    "sampling_trace_rest": ("表にない候補 {p}", "candidates that are not in the table, {p}"),
    "sampling_trace_drawn": ("乱数 {u} が「{name}」の区間 {a}〜{b}（{p}）に入ったため、これが選ばれました。",
                             "The random number {u} is in the interval {a}–{b} ({p}) of “{name}”, so this token was drawn."),
    "sampling_trace_greedy": ("乱数は使わず、フィルター後に最も確率が高い「{name}」を選びました（貪欲法）。",
                              "No random number was used: “{name}” has the highest probability after the filters (greedy)."),
    "sampling_trace_recomputed_other": (
        "再計算した値では、乱数 {u} は「{name}」（{p}）の区間に入りますが、文章にあるのは「{was}」です{removed}。",
        "With the recomputed values, {u} is in the interval of “{name}” ({p}); the text has “{was}”{removed}.",
    ),
    "sampling_trace_same_drawn": ("この設定でも、同じ乱数 {u} は「{name}」の区間 {a}〜{b}（{p}）に入り、同じトークンになります。",
                                  "With these settings, the same random number {u} is in the interval {a}–{b} ({p}) of “{name}”: "
                                  "the same token."),
    "sampling_trace_same_greedy": ("この設定では乱数を使わず、最も確率が高い「{name}」を選びます。同じトークンになります。",
                                   "With these settings no random number is used: “{name}” has the highest probability, which is "
                                   "the same token."),
    "sampling_trace_tried_other": ("この設定では、「{was}」{removed}ではなく「{name}」（{p}）が選ばれます。",
                                   "With these settings, “{name}” ({p}) would have been drawn instead of “{was}”{removed}."),
    "sampling_trace_removed_by": ("（{filter} で除外）", " (removed by {filter})"),
    "sampling_trace_unknown": (
        "手動で選んだトークンか、復元した文章のため、設定と乱数は分かりません。表示はモデル本来の確率です。"
        "スライダーでフィルターを試せます。",
        "You chose this token, or the text was restored: its settings and random number are unknown. The table has the model's "
        "own probabilities; use the sliders to try filters.",
    ),
    "sampling_trace_no_seed": ("乱数が分からないため、どのトークンが選ばれるかは分かりません。",
                               "The random number is unknown, so the drawn token is unknown too."),
    "sampling_trace_candidates": ("候補", "Candidates"),
    "sampling_trace_table": ("候補と、各フィルター適用後の確率", "candidates and their probability after each filter"),
    "sampling_trace_result": ("結果", "result"),
    "sampling_trace_removed": ("除外", "removed"),
    "sampling_trace_is_drawn": ("選択", "drawn"),
    "sampling_trace_and_written": ("（文章にあるトークン）", "(in the text)"),
    "sampling_trace_written": ("文章にあるトークン", "in the text"),
    "sampling_trace_possible": ("候補に残った", "possible"),
    "sampling_trace_others": ("その他 {n} 個の合計", "the other {n}, total"),
    "sampling_trace_others_left": ("うち {n} 個が残った", "{n} of them possible"),
    "sampling_trace_scale": ("棒の目盛りは 0〜{most}。どの列も、全行の合計は 100 % です。",
                             "Scale of the bars: 0 to {most}. Each column adds up to 100 %."),
    "sampling_trace_end": ("文章の終わり", "end of text"),
    "sampling_trace_filters": ("各フィルターの効果", "Effect of each filter"),
    "sampling_trace_filter": ("フィルター", "filter"),
    "sampling_trace_left": ("残った候補", "candidates left"),
    "sampling_trace_cut": ("除外された確率（モデル本来の確率で）", "removed probability (of the model's own)"),
    "sampling_trace_sum": ("合計", "total"),
    "sampling_trace_entropy_before": ("エントロピー（適用前）", "entropy before"),
    "sampling_trace_entropy_after": ("エントロピー（適用後）", "entropy after"),
    "sampling_trace_f_model": ("モデル", "model"),
    "sampling_trace_f_greedy": ("貪欲法（greedy）", "greedy"),
    "sampling_trace_try": ("同じステップを別の設定で試す", "The same step with other settings"),
    "sampling_trace_try_help": ("文章は変わりません。このステップだけを計算し直します。フィルターは適用順に並んでいます。",
                                "The text does not change; only this step is recalculated. The filters are in the order in which "
                                "they are applied."),
    "sampling_trace_reset": ("⟲ 生成時の設定に戻す", "⟲ Reset to the settings of the generation"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
