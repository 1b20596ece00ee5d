"""Words of the section ledger (keys start with xl_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_ledger": ("このトークン", "This token"),
}
# fmt: on
