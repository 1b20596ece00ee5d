"""Japanese and English."""

from neoxjp.page_parts.strings import COMMON, Strings

STRINGS = {"extra_tab": ("追加", "Extra"), "extra_field": ("追加の欄", "Extra field")}
strings = Strings(COMMON.table, STRINGS)
