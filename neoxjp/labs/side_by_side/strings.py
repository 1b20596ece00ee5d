"""Strings of texts side by side and of the grid of samples."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "side_by_side_tab": ("並べて比較", "Side by side"),
    "side_by_side_title": ("並べて比較", "Side by side"),
    "side_by_side_intro": (
        "同じプロンプトから 2〜4 つの文章を同時に生成します。列 1 は上のサンプリング設定のまま、"
        "ほかの列は 1 つの設定だけを変えます。",
        "Generates two to four texts from the prompt at the same time. Column 1 uses the sampling settings of this tab; "
        "the others change one setting.",
    ),
    "side_by_side_count": ("列の数", "Columns"),
    "side_by_side_differs": ("変える設定", "What differs"),
    "side_by_side_differs_model": ("モデル", "Model"),
    "side_by_side_differs_custom": ("自分で指定", "Custom"),
    "side_by_side_fields": ("各列の設定", "Settings of each column"),
    "side_by_side_column": ("列 {n}", "Column {n}"),
    "side_by_side_seed_new": ("空欄：毎回新しいシード", "empty: a new seed each time"),
    "side_by_side_model": ("モデル", "Model"),
    "side_by_side_loaded": ("読み込み済みのモデル", "the loaded model"),
    "side_by_side_second": ("2 つ目のモデル", "the second model"),
    "side_by_side_go": ("▶ 並べて生成", "▶ Generate side by side"),
    "side_by_side_stop": ("■ 停止", "■ Stop"),
    "side_by_side_empty": ("「並べて生成」を押すと、ここに文章が並びます。",
                           "Press Generate side by side to see the texts here."),
    "side_by_side_common": ("全列に共通：", "In all columns:"),
    "side_by_side_differs_from": ("ここから列 {n} と異なる", "differs from column {n} from here on"),
    "side_by_side_same": ("列 1 と同じ文章", "the same text as column 1"),
    "side_by_side_done": ("{n} 列、合計 {total} トークンを生成しました。≠ は最初に異なる位置です。",
                          "Generated {n} columns, {total} tokens in total. ≠ marks where they first differ."),
    "side_by_side_stopped": ("停止しました。生成した部分は残っています。", "Stopped. The generated text is kept."),
    "side_by_side_finish_length": ("最大トークン数に達した", "reached the maximum length"),
    "side_by_side_finish_eos": ("モデルが文章を終えた", "the model ended the text"),
    "side_by_side_finish_stop": ("停止文字列が現れた", "reached a stop string"),
    "side_by_side_finish_cancelled": ("停止した", "stopped"),
    "side_by_side_finish_deadline": ("制限時間に達した", "reached the deadline"),
    "side_by_side_finish_error": ("エラーで中断した", "failed"),
    "side_by_side_prefill": ("プロンプトを処理しています：{n} / {total}", "processing the prompt: {n} of {total}"),
    "side_by_side_running": ("生成しています：{n} トークン", "generating: {n} tokens"),
    "side_by_side_measure_tokens": ("トークン", "tokens"),
    "side_by_side_measure_distinct": ("distinct-2", "distinct-2"),
    "side_by_side_measure_repeats": ("繰り返し", "repeats"),
    "side_by_side_measure_logprob": ("平均対数確率", "mean log prob."),
    "side_by_side_measure_bits": ("ビット／文字", "bits/character"),
    "side_by_side_loop": ("ループ", "loop"),
    "side_by_side_legend_title": ("指標の説明", "About these measures"),
    "side_by_side_legend": (
        "distinct-2：異なる 2 トークンの組の割合（1 に近いほど多様）。"
        "繰り返し：連続する 10 トークンの並びのうち、後半で最も多く現れるものの出現回数。"
        "平均対数確率：1 トークンあたり、自然対数。ビット／文字：1 文字あたりの情報量。確率はいずれも、"
        "サンプリング設定を適用する前のモデルの分布によるものです。",
        "distinct-2: share of distinct pairs of tokens (near 1: varied). Repeats: how often the most frequent sequence of ten "
        "tokens occurs in the second half. Mean log probability: per token, natural logarithm. Bits per character: surprisal "
        "per character. All probabilities are those of the model, before any sampling setting.",
    ),
    "side_by_side_table": ("トークンの表", "Token table"),
    "side_by_side_table_note": ("= は列 1 の同じ位置と同じ ID、≠ は異なる ID。% はモデルの確率です。",
                                "=: the same id as column 1 at this position; ≠: another id. %: the model’s probability."),
    "side_by_side_table_vocabularies": ("語彙が異なるため、ID は比較できません。% はモデルの確率です。",
                                        "The vocabularies differ, so ids cannot be compared. %: the model’s probability."),
    "side_by_side_more_rows": ("最初の {n} 行を表示しています。残りは {rest} 行です。",
                               "The first {n} rows are shown; {rest} more are not."),
    "side_by_side_ended": ("終了", "ended"),
    "side_by_side_no_second": ("2 つ目のモデルがありません。「2 つ目のモデル」で読み込むか、"
                               "「変える設定」で別の項目を選んでください。",
                               "There is no second model: load one under “Second model”, or choose something else under "
                               "“What differs”."),
    # the second model
    "side_by_side_second_title": ("2 つ目のモデル", "Second model"),
    "side_by_side_second_info": ("列の一部に使うモデルです。両方のモデルがメモリに収まる場合だけ読み込みます。",
                                 "For some of the columns. It is loaded only if both models fit into memory."),
    "side_by_side_second_name": ("フォルダー（またはダウンロード済みの Hub の ID）",
                                 "Folder, or the id of a model downloaded from the Hub"),
    "side_by_side_second_load": ("読み込む", "Load"),
    "side_by_side_second_unload": ("解放する", "Unload"),
    "side_by_side_second_none": ("読み込まれていません。", "Not loaded."),
    "side_by_side_second_loading": ("{name} を読み込んでいます：{percent} %", "loading {name}: {percent} %"),
    "side_by_side_second_ready": ("{name} を使えます（パラメーター数 {weights}）。", "{name} is ready ({weights} parameters)."),
    "side_by_side_second_unnamed": ("フォルダーを入力してください。", "Enter a folder."),
    # the grid
    "side_by_side_sweep": ("温度 × top-p のグリッド", "Grid of temperature × top-p"),
    "side_by_side_sweep_info": (
        "同じシードで短い文章を生成し、設定の違いだけを比較します。温度と top-p の値は、それぞれ 5 つまで指定できます。",
        "Generates short samples with the same seed, so that only the settings differ. Up to five values each.",
    ),
    "side_by_side_sweep_temperatures": ("温度（行）", "Temperatures (rows)"),
    "side_by_side_sweep_top_ps": ("top-p（列）", "Top-p (columns)"),
    "side_by_side_sweep_length": ("各サンプルの最大トークン数", "Max tokens per sample"),
    "side_by_side_sweep_go": ("▶ グリッドを生成", "▶ Generate the grid"),
    "side_by_side_sweep_stop": ("■ 停止", "■ Stop"),
    "side_by_side_sweep_csv": ("CSV で保存", "Save as CSV"),
    "side_by_side_sweep_empty": ("「グリッドを生成」を押すと、ここにサンプルが並びます。",
                                 "Press Generate the grid to see the samples here."),
    "side_by_side_sweep_progress": ("{n} / {total} サンプル（シード {seed}）", "{n} of {total} samples (seed {seed})"),
    "side_by_side_sweep_done": ("{n} サンプルを生成しました（シード {seed}）。", "Generated {n} samples (seed {seed})."),
    "side_by_side_sweep_stopped": ("停止しました。生成した {n} サンプルは残っています。",
                                   "Stopped. The {n} samples generated are kept."),
    "side_by_side_sweep_axes": ("温度 ↓　top-p →", "temperature ↓  top-p →"),
    "side_by_side_sweep_row": ("温度 {value}", "temperature {value}"),
    "side_by_side_sweep_measures": ("distinct-2 {distinct}・{bits} ビット／文字",
                                    "distinct-2 {distinct}, {bits} bits/character"),
    "side_by_side_not_a_number": ("「{value}」は数値ではありません。", "“{value}” is not a number."),
    "side_by_side_how_many": ("{name}：数値を 1〜{most} 個、カンマで区切って入力してください。",
                              "{name}: enter 1 to {most} numbers, separated by commas."),
    "side_by_side_no_text": ("文章なし", "no text"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
