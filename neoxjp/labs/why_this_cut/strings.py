"""Strings of the section on why a text is split where it is."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "why_this_cut_tab": ("分割の理由", "Why this cut"),
    "why_this_cut_title": ("分割の理由", "Why this cut"),
    "why_this_cut_intro": (
        "上の文章でトークンをクリックするか、カーソルを移動すると、その位置の候補と選択の理由を表示します。",
        "Click a token in the text above, or move the caret there, to see the candidates at that position and why one of them "
        "was chosen."),
    "why_this_cut_before": ("← 前のトークン", "← Previous token"),
    "why_this_cut_after": ("次のトークン →", "Next token →"),
    "why_this_cut_position": ("文字の位置", "Position"),
    "why_this_cut_number": ("{n} 個中 {i} 個目", "{i} of {n}"),
    "why_this_cut_empty": ("文章を入力すると、分割の理由がここに表示されます。",
                           "Enter a text to see why it is split where it is."),
    "why_this_cut_col_candidate": ("候補", "candidate"),
    "why_this_cut_col_id": ("ID", "id"),
    "why_this_cut_col_verdict": ("結果", "result"),
    "why_this_cut_col_entry": ("語彙の項目", "entry"),
    "why_this_cut_col_keeps": ("語との関係", "match"),
    "why_this_cut_col_reason": ("採用・不採用の理由", "why it was chosen or not"),
    "why_this_cut_scale": ("棒の長さは ID（0〜{last}）です。ID が小さい候補が優先されます。",
                           "Bars show ids from 0 to {last}. The smallest id has priority."),
    "why_this_cut_absent": ("語彙にない", "not in the vocabulary"),
    "why_this_cut_chosen": ("採用", "chosen"),
    "why_this_cut_larger": ("ID が {n} 大きい", "id larger by {n}"),
    "why_this_cut_same_id": ("同じ ID（長い候補を優先）", "same id: the longer candidate has priority"),
    "why_this_cut_tag_first": ("タグを優先", "the tag has priority"),
    "why_this_cut_partial": ("（タグの途中で終わる）", " (ends inside a tag)"),
    "why_this_cut_fallback": ("代わりに使用", "used instead"),
    "why_this_cut_because_smallest": (
        "語彙にある候補は {n} 個です。そのうち ID が最小の「{piece}」（{id}）が選ばれます。",
        "{n} candidates are in the vocabulary. The one with the smallest id is chosen: “{piece}” ({id})."),
    "why_this_cut_because_shorter": (
        "語彙にある候補は {n} 個です。より長い候補もありますが、優先されるのは長さではなく ID の小ささなので、"
        "「{piece}」（{id}）が選ばれます。",
        "{n} candidates are in the vocabulary, including a longer one. The smallest id has priority, not the longest match: "
        "“{piece}” ({id}) is chosen."),
    "why_this_cut_because_only": ("この位置から始まる候補のうち、語彙にあるのは「{piece}」（{id}）だけです。",
                                  "“{piece}” ({id}) is the only candidate at this position that is in the vocabulary."),
    "why_this_cut_because_tag": (
        "「{tag}」は語彙のタグです。< から始まる位置では、ID に関係なく、最も長いタグが優先されます。",
        "“{tag}” is a tag in the vocabulary. At a <, the longest tag has priority, whatever its id."),
    "why_this_cut_because_special": ("「{tag}」は特殊トークンです。文章に書かれていても、特殊トークンとして扱われます。",
                                     "“{tag}” is a special token, also where it is written in the text."),
    "why_this_cut_because_emoji": (
        "絵文字「{piece}」は、語彙を検索する前にタグ {tag} に置き換えられます。タグは常に優先されます。",
        "The emoji “{piece}” is replaced by the tag {tag} before the vocabulary is searched. Tags always have priority."),
    "why_this_cut_because_blank": (
        "空白「{piece}」は、語彙を検索する前にタグ {tag} に置き換えられます。タグは常に優先されます。",
        "The space “{piece}” is replaced by the tag {tag} before the vocabulary is searched. Tags always have priority."),
    "why_this_cut_because_cleaned": ("「{piece}」は、前処理（do_clean_text）でタグ {tag} に置き換えられます。",
                                     "“{piece}” is replaced by the tag {tag} (do_clean_text) before the vocabulary is searched."),
    "why_this_cut_because_kigou": (
        "「{piece}」（{code}）は語彙にありません。この種類の記号のうち、"
        "語彙にないものはすべて 1 つのトークン <KIGOU> になります。",
        "“{piece}” ({code}) is not in the vocabulary. All such symbols of its class become the single token <KIGOU>."),
    "why_this_cut_because_symbol": (
        "「{piece}」（{code}）は語彙にありません。U+2000〜U+2BFF の記号のうち、"
        "語彙にないものはすべて 1 つのトークン <U2000U2BFF> になります。",
        "“{piece}” ({code}) is not in the vocabulary. All such symbols from U+2000 to U+2BFF become the token <U2000U2BFF>."),
    "why_this_cut_because_byte": (
        "この位置の候補はどれも語彙にありません。「{piece}」の UTF-8 の {n} バイト（{bytes}）が、それぞれ 1 トークンになります。",
        "No candidate at this place is in the vocabulary. Each of the {n} UTF-8 bytes ({bytes}) of “{piece}” becomes one token."),
    "why_this_cut_because_surrogate": (
        "{piece} は孤立サロゲートで、UTF-8 では表せません。U+FFFD の {n} バイト（{bytes}）になります。",
        "{piece} is a lone surrogate, which UTF-8 cannot encode. It becomes the {n} bytes of U+FFFD ({bytes})."),
    # another character in one place
    "why_this_cut_try_title": ("文字を置き換えた場合", "Replace a character"),
    "why_this_cut_try": ("置き換え後の文字", "Replacement"),
    "why_this_cut_try_placeholder": ("例：府", "for example 府"),
    "why_this_cut_which": ("置き換える位置", "Where"),
    "why_this_cut_which_next": ("トークンの次の文字", "character after the token"),
    "why_this_cut_which_second": ("検索範囲（3 文字）の 2 文字目", "second of the three-character window"),
    "why_this_cut_which_third": ("検索範囲（3 文字）の 3 文字目", "third of the three-character window"),
    "why_this_cut_try_same_text": ("「{now}」にしても、分割は変わりません。", "With “{now}”, the tokens do not change."),
    "why_this_cut_try_stays": ("「{was}」を「{now}」に置き換えても、このトークンは変わりません。変わるのは次の部分です。",
                               "With “{now}” in place of “{was}”, this token does not change. What changes:"),
    "why_this_cut_try_changes": ("「{was}」を「{now}」に置き換えると、このトークンは「{piece}」（ID {id}）になります。",
                                 "With “{now}” in place of “{was}”, this token becomes “{piece}” (id {id})."),
    "why_this_cut_try_stays_end": ("末尾に「{now}」を加えても、このトークンは変わりません。変わるのは次の部分です。",
                                   "With “{now}” at the end of the text, this token does not change. What changes:"),
    "why_this_cut_try_changes_end": ("末尾に「{now}」を加えると、このトークンは「{piece}」（ID {id}）になります。",
                                     "With “{now}” at the end of the text, this token becomes “{piece}” (id {id})."),
    "why_this_cut_try_before": ("現在", "now"),
    "why_this_cut_try_after": ("置き換え後", "replaced"),
    "why_this_cut_try_rest": ("{n} 文字目以降の分割は同じです。", "From character {n} on, the tokens are the same."),
    "why_this_cut_nothing": ("なし", "none"),
    # the word and the entries that resemble it
    "why_this_cut_word_title": ("語に近い語彙の項目", "Vocabulary entries close to a word"),
    "why_this_cut_word": ("調べる語", "Word"),
    "why_this_cut_word_help": ("空欄の場合は、この位置にある辞書（Sudachi）の語を調べます。",
                               "If empty: the dictionary’s word (Sudachi) at this position."),
    "why_this_cut_word_whole": ("語「{word}」は 1 トークンです。", "The word “{word}” is a single token."),
    "why_this_cut_word_cut": ("語「{word}」は次のように分割されます：", "The word “{word}” is split into these tokens:"),
    "why_this_cut_word_long": ("この語は {n} 文字です。語彙の項目は最長 3 文字なので、1 トークンにはなりません。",
                               "This word has {n} characters. Entries have at most three, so it cannot be a single token."),
    "why_this_cut_word_none": ("語彙には、この語に近い項目がありません。", "The vocabulary has no entry close to this word."),
    "why_this_cut_how_equal": ("語と一致：", "the word itself: "),
    "why_this_cut_how_contains": ("語を含む：", "contains the word: "),
    "why_this_cut_how_reading": ("読みのかな：", "kana reading: "),
    "why_this_cut_how_width": ("全角・半角の違い：", "other width: "),
    "why_this_cut_how_prefix": ("先頭が一致：", "same beginning: "),
    "why_this_cut_how_suffix": ("末尾が一致：", "same ending: "),
    "why_this_cut_keeps_whole": ("全体を 1 トークンにできる", "would make it a single token"),
    "why_this_cut_keeps": ("{m} 文字中 {n} 文字", "{n} of {m} characters"),
    "why_this_cut_reason_taken": ("採用された", "chosen"),
    "why_this_cut_reason_smaller_id": ("同じ位置の「{by}」の ID（{by_id}）のほうが小さい",
                                      "“{by}” has a smaller id ({by_id}) at this position"),
    "why_this_cut_reason_begun_before": ("手前から始まる「{by}」（{by_id}）が先に選ばれた",
                                         "“{by}” ({by_id}), which starts earlier, was chosen first"),
    "why_this_cut_reason_other_characters": ("文章の文字と異なる", "the text has other characters"),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
