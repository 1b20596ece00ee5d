"""Words of the section inside (keys start with xi_)."""

# fmt: off
WORDS: dict[str, tuple[str, str]] = {
    "lab_inside": ("モデルの中", "Inside"),
}
# fmt: on
