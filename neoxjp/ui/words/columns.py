"""Words of the section columns (keys start with xc_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_columns": ("並べて比べる", "Side by side"),
}
# fmt: on
