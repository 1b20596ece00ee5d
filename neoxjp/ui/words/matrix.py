"""Words of the section matrix (keys start with c_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_matrix": ("表記×トークナイザー", "Spellings × tokenizers"),
}
# fmt: on
