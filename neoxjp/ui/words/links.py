"""Words of the section links (keys start with l_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
}
# fmt: on
