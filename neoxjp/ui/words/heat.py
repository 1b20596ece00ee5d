"""Words of the section heat (keys start with xh_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_heat": ("ヒートマップ", "Heat map"),
}
# fmt: on
