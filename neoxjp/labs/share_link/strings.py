"""Strings of the links to a tab and of the copies of the token view."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "share_link_link": ("リンクをコピー", "Copy link"),
    "share_link_link_copied": ("リンクをコピーしました（{n} 文字）。開くと、現在の文章・タブ・設定が再現されます。",
                               "Link copied ({n} characters). It restores this text, tab and settings."),
    "share_link_link_shown": ("ブラウザーがコピーを許可していません。次のリンクを選択してコピーしてください：",
                              "The browser does not allow copying. Select the link here and copy it:"),
    "share_link_too_long_text": (
        "リンクは {n} 文字になり、上限の {most} 文字を超えます。文章（現在 {text} 文字）を短くしてください。",
        "The link would have {n} characters; the limit is {most}. Please shorten the text, which has {text} characters."),
    "share_link_too_long_choices": (
        "リンクは {n} 文字になり、上限の {most} 文字を超えます。追加・編集した行か、文章（現在 {text} 文字）を短くしてください。",
        "The link would have {n} characters; the limit is {most}. Please shorten the rows that you added or edited, or the text, "
        "which has {text} characters."),
    "share_link_generate_help": ("リンクを開くと、文章（トークンの区切りも同じ）、選択中のトークン、"
                                 "サンプリング設定、ラボの状態が再現されます。",
                                 "Restores the text token by token, the selected token, the sampling settings and the lab."),
    "share_link_generate_link_copied": (
        "リンクをコピーしました（{n} 文字）。開くと、文章・選択中のトークン・サンプリング設定・ラボの状態が再現されます。",
        "Link copied ({n} characters). It restores this text, the selected token, the sampling settings and the lab."),
    "share_link_generate_too_long_text": (
        "リンクは {n} 文字になり、上限の {most} 文字を超えます。文章（現在 {text} 文字）を短くするか、"
        "ファイルに保存してください。ファイルは「分岐」の「保存・読み込み」で開けます。",
        "The link would have {n} characters; the limit is {most}. Please shorten the text, which has {text} characters, "
        "or save it as a file, which opens in Branches under “Save and load”."),
    "share_link_file": ("文章をファイルに保存（JSON）", "Save the text as a file (JSON)"),
    "share_link_generate_too_long_choices": (
        "リンクは {n} 文字になり、上限の {most} 文字を超えます。停止文字列、ラボの欄の文章、または文章（現在 {text} 文字）を"
        "短くしてください。",
        "The link would have {n} characters; the limit is {most}. Please shorten the stop strings, the texts in the fields "
        "of the lab, or the text, which has {text} characters."),
    "share_link_damaged": (
        "このリンクは一部が欠けているか書き換えられているため、読み取れません。元のリンクをもう一度コピーしてください。",
        "This link cannot be read: a part of it is missing or was changed. Please copy the original link again."),
    "share_link_menu": ("別の形式でコピー", "Copy as …"),
    "share_link_menu_info": ("上の表示をそのままコピーします。「ID を表示」がオンの場合は ID も含まれます。",
                             "Copies what is shown above; with “Show ids”, also the ids."),
    "share_link_html": ("HTML", "HTML"),
    "share_link_markdown": ("Markdown", "Markdown"),
    "share_link_text": ("区切り文字付きテキスト", "Separated text"),
    "share_link_png": ("画像", "Picture"),
    "share_link_save": ("画像を保存", "Save picture"),
    "share_link_separator": ("区切り文字", "Separator"),
    "share_link_copied": ("コピーしました：{kind}、{n} トークン", "Copied: {kind}, {n} tokens"),
    "share_link_copied_part": ("コピーしました：{kind}、全 {all} トークンのうち先頭の {n} トークン",
                               "Copied: {kind}, the first {n} of {all} tokens"),
    "share_link_saved": ("ファイルに保存しました：{kind}、全 {all} トークンのうち {n} トークン",
                         "Saved as a file: {kind}, {n} of {all} tokens"),
    "share_link_part": ("全 {all} トークンのうち先頭の {n} トークン", "the first {n} of {all} tokens"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
