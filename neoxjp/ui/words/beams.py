"""Words of the section beams (keys start with xb_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_beams": ("ビーム", "Beams"),
}
# fmt: on
