"""The Gradio theme: one accent (deep indigo), cool greys, local fonts only. The rest of the looks is in `ui/page.css`.

Plain strings as fonts: Gradio's own font classes would link a stylesheet, and a page load must make no request outside.
"""

from gradio.themes import Base, Color

FONTS = ("Hiragino Sans", "Noto Sans JP", "Noto Sans CJK JP", "Yu Gothic UI", "Meiryo", "sans-serif")
MONO = ("ui-monospace", "SF Mono", "Cascadia Mono", "Consolas", "DejaVu Sans Mono", "Noto Sans Mono CJK JP", "monospace")

INDIGO = Color(
    name="indigo",
    c50="#eef0fb",
    c100="#dfe3f7",
    c200="#c3caef",
    c300="#a0aae4",
    c400="#7f8bd8",
    c500="#5a66c4",
    c600="#4350ae",
    c700="#354092",
    c800="#2b3475",
    c900="#232a5c",
    c950="#171c3f",
)
GREY = Color(
    name="grey",
    c50="#f8f9fb",
    c100="#f0f2f6",
    c200="#e2e5ec",
    c300="#ccd1dc",
    c400="#9aa2b3",
    c500="#667085",
    c600="#4d566a",
    c700="#373f50",
    c800="#252b39",
    c900="#1a1f2b",
    c950="#12161f",
)


def theme() -> Base:
    """The theme in both its light and dark form."""
    base = Base(primary_hue=INDIGO, secondary_hue=INDIGO, neutral_hue=GREY, font=FONTS, font_mono=MONO, radius_size="md")
    return base.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        body_text_color="*neutral_900",
        body_text_color_dark="*neutral_100",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="#a9b1c1",
        background_fill_primary="white",
        background_fill_primary_dark="*neutral_900",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_color="*neutral_200",
        block_border_color_dark="*neutral_800",
        block_shadow="none",
        block_label_text_color="*neutral_600",
        block_label_text_color_dark="#a9b1c1",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_title_text_weight="600",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="#a9b1c1",
        input_background_fill="white",
        input_background_fill_dark="*neutral_950",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_400",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="#8a93a5",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        button_secondary_background_fill="*neutral_100",
        button_secondary_background_fill_hover="*neutral_200",
        button_secondary_background_fill_dark="*neutral_800",
        button_secondary_background_fill_hover_dark="*neutral_700",
        button_secondary_text_color="*neutral_800",
        button_secondary_text_color_dark="*neutral_100",
        slider_color="*primary_600",
        slider_color_dark="*primary_400",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
    )
