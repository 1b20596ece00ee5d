"""Words of the section replay (keys start with xr_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_replay": ("記録と再現", "Replay"),
}
# fmt: on
