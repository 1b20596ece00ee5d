"""Words of the section why (keys start with w_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_why": ("なぜここで切れる", "Why this cut"),
}
# fmt: on
