"""The Gradio theme: one accent (deep indigo), cool greys, local fonts only. The rest of the looks is in `ui/page.css`.

Plain strings as fonts: Gradio's own font classes would link a stylesheet, and a page load must make no request outside.
"""

from gradio.themes import Base, Color

FONTS = ("Hiragino Sans", "Noto Sans JP", "Noto Sans CJK JP", "Yu Gothic UI", "Meiryo", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "Consolas", "DejaVu Sans Mono", "Noto Sans Mono CJK JP", "monospace")

INDIGO = Color(  # c50 … c950
    "#eef0fb", "#dfe3f7", "#c3caef", "#a0aae4", "#7f8bd8", "#5a66c4",
    "#4350ae", "#354092", "#2b3475", "#232a5c", "#171c3f",
    name="indigo",
)  # fmt: skip
GREY = Color(  # c50 … c950
    "#f8f9fb", "#f0f2f6", "#e2e5ec", "#ccd1dc", "#9aa2b3", "#667085",
    "#4d566a", "#373f50", "#252b39", "#1a1f2b", "#12161f",
    name="grey",
)  # fmt: skip
LIGHT_AND_DARK = {
    "body_background_fill": ("*neutral_50", "*neutral_950"),
    "body_text_color": ("*neutral_900", "*neutral_100"),
    "body_text_color_subdued": ("*neutral_600", "#a9b1c1"),
    "background_fill_primary": ("white", "*neutral_900"),
    "block_background_fill": ("white", "*neutral_900"),
    "block_border_color": ("*neutral_200", "*neutral_800"),
    "block_label_text_color": ("*neutral_600", "#a9b1c1"),
    "block_title_text_color": ("*neutral_700", "*neutral_200"),
    "block_info_text_color": ("*neutral_600", "#a9b1c1"),
    "input_background_fill": ("white", "*neutral_950"),
    "input_border_color": ("*neutral_300", "*neutral_700"),
    "input_border_color_focus": ("*primary_500", "*primary_400"),
    "input_placeholder_color": ("*neutral_500", "#8a93a5"),
    "button_primary_background_fill": ("*primary_700", "*primary_600"),
    "button_primary_background_fill_hover": ("*primary_800", "*primary_500"),
    "button_primary_text_color": ("white", "white"),
    "button_secondary_background_fill": ("*neutral_100", "*neutral_800"),
    "button_secondary_background_fill_hover": ("*neutral_200", "*neutral_700"),
    "button_secondary_text_color": ("*neutral_800", "*neutral_100"),
    "slider_color": ("*primary_600", "*primary_400"),
    "link_text_color": ("*primary_700", "*primary_300"),
}


def theme() -> Base:
    """The theme in both its light and dark form."""
    base = Base(primary_hue=INDIGO, secondary_hue=INDIGO, neutral_hue=GREY, font=FONTS, font_mono=MONO, radius_size="md")
    both = {name: light for name, (light, _) in LIGHT_AND_DARK.items()}
    both |= {f"{name}_dark": dark for name, (_, dark) in LIGHT_AND_DARK.items()}
    return base.set(block_shadow="none", block_title_text_weight="600", **both)
