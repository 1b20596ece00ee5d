"""Words of the section corpus (keys start with k_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_corpus": ("自分のコーパス", "Your corpus"),
}
# fmt: on
