"""Japanese and English."""

from neoxjp.page_parts.strings import COMMON, Strings

STRINGS = {
    "extra_tab": ("追加", "Extra"),
    "extra_title": ("追加のセクション", "An extra section"),
    "extra_intro": ("リンクで復元される欄。", "A field that a link restores."),
    "extra_field": ("追加の欄", "Extra field"),
}
strings = Strings(COMMON.table, STRINGS)
