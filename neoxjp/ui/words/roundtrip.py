"""Words of the section roundtrip (keys start with r_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_roundtrip": ("往復", "Round trip"),
}
# fmt: on
