"""Words of links and copies, under the token view (keys start with l_)."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "l_link": ("リンクをコピー", "Copy link"),
    "l_link_copied": ("リンクをコピーしました（{n} 文字）。開くと、文章・タブ・選択が今のとおりになります。",
                      "The link is copied ({n} characters). It brings back this text, tab and choices."),
    "l_link_shown": ("ブラウザーがコピーを許していません。ここから選んでコピーしてください：",
                     "The browser does not allow copying. Select the link here:"),
    "l_too_long_text": ("リンクは {n} 文字になりますが、無事に届くのは {most} 文字までです。"
                        "文章（いま {text} 文字）を短くしてください。",
                        "The link would have {n} characters, and up to {most} travel safely. Please shorten the text, "
                        "which has {text} characters."),
    "l_too_long_choices": ("リンクは {n} 文字になりますが、無事に届くのは {most} 文字までです。足したり直したりした行か、"
                           "文章（いま {text} 文字）を短くしてください。",
                           "The link would have {n} characters, and up to {most} travel safely. Please shorten the rows that you "
                           "added or edited, or the text, which has {text} characters."),
    "l_g_help": ("書き出し・選び方・下の欄の選択を戻します。書かれた文章は「記録と再現」のリンクで。",
                 "Brings back opening, settings and the choices below. Not the written text: Replay has a link for that."),
    "l_g_link_copied": ("リンクをコピーしました（{n} 文字）。開くと、書き出し・選び方・下の欄の選択が今のとおりになります。",
                        "The link is copied ({n} characters). It brings back this opening, these settings and choices."),
    "l_g_too_long_text": ("リンクは {n} 文字になりますが、無事に届くのは {most} 文字までです。"
                          "書き出し（いま {text} 文字）を短くしてください。",
                          "The link would have {n} characters, and up to {most} travel safely. Please shorten the opening, "
                          "which has {text} characters."),
    "l_g_too_long_choices": ("リンクは {n} 文字になりますが、無事に届くのは {most} 文字までです。止める文字列か下の欄の文章、"
                             "または書き出し（いま {text} 文字）を短くしてください。",
                             "The link would have {n} characters, and up to {most} travel safely. Please shorten the stop "
                             "strings, the texts in the fields below, or the opening, which has {text} characters."),
    "l_damaged": ("このリンクは途中で欠けたか書きかわっていて、読み取れません。もう一度コピーしてもらってください。",
                  "This link cannot be read: a part of it was lost or changed on the way. Ask for it to be copied again."),
    "l_menu": ("別の形でコピー", "Copy as …"),
    "l_menu_info": ("上に見えているとおりに（印も、「id も見せる」なら id も）写します。",
                    "What you see above, its marks included, and the ids while “Show ids” is on."),
    "l_html": ("HTML", "HTML"),
    "l_markdown": ("Markdown", "Markdown"),
    "l_text": ("区切り文字つきの文章", "Separated text"),
    "l_png": ("画像", "Picture"),
    "l_save": ("画像を保存", "Save picture"),
    "l_separator": ("文章の区切り文字", "Separator of the text"),
    "l_copied": ("コピーしました：{kind}、{n} トークン", "Copied: {kind}, {n} tokens"),
    "l_copied_part": ("コピーしました：{kind}、全 {all} トークンのうち、はじめの {n}",
                      "Copied: {kind}, the first {n} of {all} tokens"),
    "l_saved": ("ファイルに保存しました：{kind}、全 {all} トークンのうち {n}", "Saved as a file: {kind}, {n} of {all} tokens"),
    "l_part": ("全 {all} トークンのうち、はじめの {n}", "the first {n} of {all} tokens"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
both, label, words = strings.both, strings.label, strings.words
