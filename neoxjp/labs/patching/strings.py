"""Strings of the section patching."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "patching_tab": ("内部状態の入れ替え", "Swapping states"),
    "patching_title": ("表記の違いはモデルの内部でどこに現れるか（activation patching）",
                       "What a spelling changes inside the model (activation patching)"),
    "patching_intro": (
        "モデルが元の文章を読む途中で、1 つの語・1 つの層の内部状態だけを、「入れ替えに使う文章」のものに入れ替えます。"
        "次のトークンの予測がどれだけ変わるかで、違いがどの語のどの層にあるかが分かります（それぞれ {most} トークン、"
        "大きいモデルでは {large} トークンまで）。",
        "While the model reads the base text, the states of one word after one layer are replaced by those of the donor text. "
        "How far the prediction of the next token moves shows which word carries the difference, and at which layer (up to "
        "{most} tokens each, {large} with a large model).",
    ),
    "patching_base": ("元の文章", "Base text"),
    "patching_donor": ("入れ替えに使う文章", "Donor text"),
    "patching_target": ("調べるトークン", "Token to measure"),
    "patching_target_help": ("1 トークンの文字列。空欄なら、2 つの文章の予測から選びます。",
                             "Text of one token. Empty: chosen from the two predictions."),
    "patching_go": ("入れ替えて調べる", "Swap and measure"),
    "patching_above": ("本文を使う", "Use the main text"),
    "patching_hiragana": ("元の文章をひらがなで", "Base text in hiragana"),
    "patching_katakana": ("元の文章をカタカナで", "Base text in katakana"),
    "patching_swap": ("⇄ 2 つの文章を交換", "⇄ Swap the texts"),
    "patching_ex_spelling": ("例：漢字とかな", "Example: kanji and kana"),
    "patching_ex_particle": ("例：は／が", "Example: は and が"),
    "patching_ex_place": ("例：別の地名", "Example: another place"),
    "patching_press": ("「入れ替えて調べる」を押すと、結果がここに表示されます。",
                       "Press Swap and measure to see the result here."),
    "patching_no_text": ("文章が空です。2 つの文章を入力してください。", "A text is empty: write both texts."),
    "patching_one_token": (
        "「{text}」は {n} トークンです。1 トークンの文字列を指定するか、空欄にしてください。",
        "“{text}” has {n} tokens: give the text of one token, or leave the field empty.",
    ),
    "patching_predicts": (
        "次のトークンの予測：元の文章では「{base}」（{base_p}）、入れ替えに使う文章では「{donor}」（{donor_p}）。",
        "Predicted next token: “{base}” ({base_p}) after the base text, “{donor}” ({donor_p}) after the donor text.",
    ),
    "patching_measures": (
        "「{target}」と「{other}」の確率の比（log₂）は、元の文章で {base} ビット、入れ替えに使う文章で {donor} ビットです。"
        "この差を 100 % とします。",
        "The ratio of the probabilities of “{target}” and “{other}” (log₂) is {base} bits after the base text and {donor} bits "
        "after the donor text. This difference is 100 %.",
    ),
    "patching_measures_one": (
        "「{target}」の確率（log₂）は、元の文章で {base} ビット、入れ替えに使う文章で {donor} ビットです。"
        "この差を 100 % とします。",
        "The probability of “{target}” (log₂) is {base} bits after the base text and {donor} bits after the donor text. This "
        "difference is 100 %.",
    ),
    "patching_little": ("差が {bits} ビットしかないため、割合はあまり当てになりません。",
                        "The difference is only {bits} bits, so the shares say little."),
    "patching_no_difference": ("2 つの文章の予測に差がないので、調べるものがありません。",
                               "The two predictions do not differ, so there is nothing to measure."),
    "patching_view": (
        "層（行）と語（列）の表。色は、入れ替えで予測がどれだけ動いたか。矢印キーで移動します",
        "Layers (rows) by words (columns), coloured by how far the prediction moves; arrow keys move between cells",
    ),
    "patching_embedding": ("埋め込み", "embedding"),
    "patching_after": ("{n}/{all} 層の後", "after {n} of {all}"),
    "patching_all": ("すべて", "all"),
    "patching_cell": ("{after} · 差の {share}（入れ替え後の値：{bits} ビット）",
                      "{after} · {share} of the difference (value after the swap: {bits} bits)"),
    "patching_cell_all": ("すべての語", "all words"),
    "patching_hint": (
        "マスにカーソルを合わせるか、矢印キーで選ぶと、値がここに表示されます。",
        "Point at a cell, or use the arrow keys, to see its numbers here.",
    ),
    "patching_scale": ("差のうち再現された割合", "share of the difference carried over"),
    "patching_against": ("− = 逆の方向に動く", "− = moves the other way"),
    "patching_does": (
        "表示内容：その層の後で、その語の内部状態を入れ替えたとき、予測が元の文章のものから、もう 1 つの文章のものへ"
        "どれだけ近づくか。語のトークン数が違うときは、少ないほうの数だけ、末尾から入れ替えます。",
        "What it shows: how far the prediction moves from the base text’s to the donor text’s when the states of one word are "
        "replaced after one layer. Where a word has different numbers of tokens, the last ones are replaced, as many as the "
        "shorter has.",
    ),
    "patching_says": (
        "分かること：違いを伝えている語と層。浅い層では表記の違う語に、深い層では最後のトークンに現れるのが普通で、"
        "その間の層で情報が移っています。",
        "What it tells you: which words and layers carry the difference. In early layers it is usually at the changed word, in "
        "late ones at the last token; in between it was moved.",
    ),
    "patching_not": (
        "分からないこと：内部状態が何を表しているか、ほかの文章でも同じか。割合は足して 100 % になるとは限らず、"
        "負になることも、100 % を超えることもあります。",
        "What it does not show: what the states mean, or whether other texts behave alike. Shares need not add up to "
        "100 %, and can be negative or larger.",
    ),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
