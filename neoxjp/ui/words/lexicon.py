"""Words of the section lexicon (keys start with v_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_lexicon": ("語彙", "Vocabulary"),
}
# fmt: on
