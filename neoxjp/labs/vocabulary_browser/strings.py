"""Strings of the vocabulary browser."""

from neoxjp.page_parts.strings import COMMON, Strings

# fmt: off
STRINGS: dict[str, tuple[str, str]] = {
    "vocabulary_browser_tab": ("語彙", "Vocabulary"),
    "vocabulary_browser_title": ("語彙を調べる", "Browse the vocabulary"),
    "vocabulary_browser_intro": (
        "同じものとして扱われる表記は、1 つの ID にまとめられています。行を選ぶと、その ID のすべての表記を表示します。",
        "Each id has one or more spellings that are encoded as the same token. Select a row to see all spellings of its id."),
    # what to list
    "vocabulary_browser_query": ("表記で絞り込む", "Filter by spelling"),
    "vocabulary_browser_query_help": (
        "表記に含まれる文字列です。ひらがなとカタカナ、全角と半角は区別します。",
        "Part of a spelling. Kana and character width must match exactly."),
    "vocabulary_browser_query_placeholder": ("例：慶、ﾄｳ、<|byte", "for example 慶, ﾄｳ or <|byte"),
    "vocabulary_browser_match": ("一致条件", "Match"),
    "vocabulary_browser_contains": ("を含む", "contains"),
    "vocabulary_browser_starts": ("で始まる", "starts with"),
    "vocabulary_browser_ends": ("で終わる", "ends with"),
    "vocabulary_browser_whole": ("と完全に一致", "is exactly"),
    "vocabulary_browser_more": ("詳細な条件と並べ替え", "More filters and sorting"),
    "vocabulary_browser_all": ("すべて", "all"),
    "vocabulary_browser_script": ("文字種", "Script"),
    "vocabulary_browser_mixed": ("複数の文字種", "mixed"),
    "vocabulary_browser_kind": ("種類", "Kind"),
    "vocabulary_browser_length": ("文字数", "Characters"),
    "vocabulary_browser_length_placeholder": ("例：3、2-3", "for example 3 or 2-3"),
    "vocabulary_browser_count": ("表記の数", "Spellings"),
    "vocabulary_browser_count_placeholder": ("例：1、10-", "for example 1 or 10-"),
    "vocabulary_browser_ids": ("ID の範囲", "Range of ids"),
    "vocabulary_browser_ids_placeholder": ("例：100-199", "for example 100-199"),
    "vocabulary_browser_reach": ("エンコードで使われるか", "Produced by encoding"),
    "vocabulary_browser_reached": ("使われる", "yes"),
    "vocabulary_browser_never": ("使われない", "never"),
    "vocabulary_browser_sort": ("並べ替え", "Sort by"),
    "vocabulary_browser_sort_id": ("ID", "id"),
    "vocabulary_browser_sort_length": ("文字数", "characters"),
    "vocabulary_browser_sort_spellings": ("表記の数", "number of spellings"),
    "vocabulary_browser_descending": ("降順", "Descending"),
    # the list
    "vocabulary_browser_shown": (
        "{total} 件中 {first}–{last} 件目（語彙は {vocab_size} 件）",
        "{first}–{last} of {total} entries ({vocab_size} in the vocabulary)"),
    "vocabulary_browser_none": (
        "{vocab_size} 件のうち、条件に合うものはありません。条件を減らしてください。",
        "None of the {vocab_size} entries matches. Try fewer filters."),
    "vocabulary_browser_col_id": ("ID", "id"),
    "vocabulary_browser_col_piece": ("表記", "spelling"),
    "vocabulary_browser_col_script": ("文字種・種類", "script or kind"),
    "vocabulary_browser_col_length": ("文字数", "characters"),
    "vocabulary_browser_col_spellings": ("表記数", "spellings"),
    "vocabulary_browser_open": ("{piece}（ID {id}）の詳細を表示", "show details of {piece}, id {id}"),
    "vocabulary_browser_previous": ("← 前へ", "← Previous"),
    "vocabulary_browser_next": ("次へ →", "Next →"),
    "vocabulary_browser_download": ("CSV をダウンロード", "Download CSV"),
    # one entry
    "vocabulary_browser_id": ("ID で検索", "Look up an id"),
    "vocabulary_browser_random": ("ランダムに表示", "Random entry"),
    "vocabulary_browser_use": ("上の文章に追加", "Add to the text"),
    "vocabulary_browser_entry_hint": ("行を選ぶか、ID を入力してください。", "Select a row, or enter an id."),
    "vocabulary_browser_no_id": (
        "{found} は ID ではありません。0 以上の整数を入力してください。",
        "{found} is not an id: enter an integer, 0 or more."),
    "vocabulary_browser_writes": ("デコード結果", "decodes to"),
    "vocabulary_browser_writes_byte": (
        "（前後のバイトと合わせて 1 文字）",
        "(part of a character; decoded with the bytes next to it)"),
    "vocabulary_browser_spellings_of_id": ("この ID の表記：{n} 通り", "Spellings of this id: {n}"),
    "vocabulary_browser_spellings_hint": (
        "表記を押すと、上の文章の末尾に追加します。波線は、単独では別の ID になる表記です。",
        "Press a spelling to add it to the text above. A wavy underline: alone, it is encoded to other ids."),
    "vocabulary_browser_other_ids": ("単独では ID {ids} になる", "alone, it is encoded to {ids}"),
    "vocabulary_browser_unreachable": (
        "この ID になる文章はありません。どの表記も別の ID になります（多くは、より短い表記の ID のほうが小さいため）。",
        "No text is encoded to this id: all its spellings become other ids, usually because a "
        "shorter spelling has a smaller id."),
    "vocabulary_browser_neighbours": ("前後の ID", "Ids before and after"),
    # statistics
    "vocabulary_browser_stats": ("統計", "Statistics"),
    "vocabulary_browser_n_ids": ("ID", "ids"),
    "vocabulary_browser_n_spellings": ("表記", "spellings"),
    "vocabulary_browser_n_shared": ("複数の表記がある ID", "ids with several spellings"),
    "vocabulary_browser_n_twice": (
        "2 行以上にある表記（最後の行の ID を使う）",
        "spellings on more than one line (the last one is used)"),
    "vocabulary_browser_n_never": ("エンコードで使われない ID", "ids that encoding never produces"),
    "vocabulary_browser_by_kind": ("種類ごとの ID の数", "Ids by kind"),
    "vocabulary_browser_by_script": ("文字種ごとの単語数", "Words by script"),
    "vocabulary_browser_by_length": ("文字数ごとの単語数", "Words by number of characters"),
    "vocabulary_browser_by_spellings": ("表記の数ごとの ID の数", "Ids by number of spellings"),
    "vocabulary_browser_characters": ("{n} 文字", "{n}"),
    "vocabulary_browser_ways": ("{n} 通り", "{n}"),
    "vocabulary_browser_largest": ("表記が最も多い ID", "Ids with the most spellings"),
    "vocabulary_browser_usage": ("上の文章が使う ID", "Ids that the text above uses"),
    "vocabulary_browser_no_text": (
        "上に文章を入力すると、使われている ID を集計します。",
        "Enter a text above to count the ids it uses."),
    "vocabulary_browser_used": (
        "{tokens} トークンで {ids} 種類の ID を使っています（語彙 {vocab_size} 件の {share}）。",
        "{tokens} tokens with {ids} different ids: {share} of the {vocab_size} in the vocabulary."),
    "vocabulary_browser_covering": ("上位 {n} 種類で全体の {share} % を占めます。", "The {n} most frequent ids cover {share} %."),
    "vocabulary_browser_once": ("1 回だけ現れた ID は {n} 種類です。", "Ids that occur once: {n}."),
    "vocabulary_browser_used_by_kind": ("使われた ID（種類ごと）", "Used ids by kind"),
    "vocabulary_browser_used_by_script": ("使われた単語（文字種ごと）", "Used words by script"),
    "vocabulary_browser_used_of": ("{of} 件中 {used} 件（{share}）", "{used} of {of} ({share})"),
    "vocabulary_browser_frequent": ("出現回数の多い ID", "Most frequent ids (occurrences)"),
    # two vocabularies
    "vocabulary_browser_diff": ("2 つの語彙を比較", "Compare two vocabularies"),
    "vocabulary_browser_against": ("比較対象", "Compare with"),
    "vocabulary_browser_bundled": ("付属モデルの語彙", "the bundled model’s vocabulary"),
    "vocabulary_browser_folder": ("別の語彙フォルダー", "another vocabulary folder"),
    "vocabulary_browser_folder_path": ("vocab.txt と emoji.json があるフォルダー", "Folder with vocab.txt and emoji.json"),
    "vocabulary_browser_itself": (
        "現在の語彙と同じです。別の語彙を選ぶか、別のモデルを読み込むと比較できます。",
        "This is the loaded vocabulary itself. Choose another one, or load another model, to compare."),
    "vocabulary_browser_side": ("一覧に表示する表記", "List spellings"),
    "vocabulary_browser_side_only_here": ("現在の語彙だけにある", "only in the loaded vocabulary"),
    "vocabulary_browser_side_only_there": ("比較対象だけにある", "only in the other vocabulary"),
    "vocabulary_browser_side_moved": ("両方にあり ID が異なる", "in both, with different ids"),
    "vocabulary_browser_diff_query": ("表記で絞り込む", "Filter by spelling"),
    "vocabulary_browser_size": ("{name}：ID {ids} 件、表記 {spellings} 件", "{name}: {ids} ids, {spellings} spellings"),
    "vocabulary_browser_only_here": ("「{here}」だけにある", "only in {here}"),
    "vocabulary_browser_only_there": ("「{there}」だけにある", "only in {there}"),
    "vocabulary_browser_moved": ("両方にあり ID が異なる", "in both, different id"),
    "vocabulary_browser_same": ("両方にあり ID も同じ", "in both, same id"),
    "vocabulary_browser_spellings_shown": ("{total} 件中 {first}–{last} 件目の表記", "{first}–{last} of {total} spellings"),
    "vocabulary_browser_no_differences": ("条件に合う表記はありません。", "No spelling matches."),
}
# fmt: on

strings = Strings(COMMON.table, STRINGS)
