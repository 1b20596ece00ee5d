"""Gradio's controls in a real browser: focus, sliders, scrollbars in both themes, and names in the page's language."""

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.quiet import press_open

Visit = Callable[..., Any]
BORDER = 6  # pixels around a control in a picture of it


def picture(page: Any, control: Any) -> "np.ndarray[Any, Any]":
    """Relative luminance (height, width) of a control and its surroundings."""
    box = control.bounding_box()
    clip = {
        "x": box["x"] - BORDER,
        "y": box["y"] - BORDER,
        "width": box["width"] + 2 * BORDER,
        "height": box["height"] + 2 * BORDER,
    }
    taken = Image.open(io.BytesIO(page.screenshot(clip=clip, animations="disabled"))).convert("RGB")
    rgb = np.asarray(taken, float) / 255
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: "np.ndarray[Any, Any]", other: "np.ndarray[Any, Any] | float") -> "np.ndarray[Any, Any]":
    """WCAG's contrast ratio of two luminances."""
    return np.asarray((np.maximum(one, other) + 0.05) / (np.minimum(one, other) + 0.05))


def open_all(page: Any) -> None:
    """Open every folded part that is in sight."""
    folded = page.locator(".gr-accordion > button:not(.open):visible")
    while folded.count():
        folded.first.click()


CONTROLS = {
    "slider": "#option-temperature input[type=range]",
    "reset": "#option-temperature .reset-button",
    "button": "#generate-go",
    "tab": "#lab-branches-button",
    "heading": ".gr-accordion > .label-wrap:visible",
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_focused_control_looks_different(kept: Visit, theme: str) -> None:
    """As WCAG 2.4.13 has it: pixels that change with 3:1, as many as a line of two pixels around the control."""
    page = kept("g", theme=theme)
    for name, selector in CONTROLS.items():
        control = page.locator(selector).first
        control.scroll_into_view_if_needed()
        page.mouse.move(1, 1)
        page.evaluate("document.activeElement?.blur()")
        before = picture(page, control)
        control.focus()
        page.keyboard.press("Shift")  # the visitor uses the keyboard
        after = picture(page, control)
        height, width = before.shape[0] - 2 * BORDER, before.shape[1] - 2 * BORDER
        changed = int((contrast(before, after) >= 3).sum())
        assert changed >= 1.6 * (height + width) * 2, (name, changed, height, width)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_thumb_of_a_slider_stands_out_from_the_card(kept: Visit, theme: str) -> None:
    """At the left end, where no coloured track is behind it."""
    page = kept("g", theme=theme)
    slider = page.locator("#option-temperature input[type=range]")
    slider.focus()
    page.keyboard.press("Home")
    page.evaluate("document.activeElement.blur()")
    seen = picture(page, slider)
    card = float(seen[0, -1])
    thumb = seen[BORDER:-BORDER, BORDER : BORDER + 16]
    assert (contrast(thumb, card) >= 3).sum() >= 50  # of 16 × 16 pixels: the rim


@pytest.mark.parametrize("tab", ["g", "t", "m"])
def test_scrollbars_have_the_theme_of_the_page(kept: Visit, tab: str) -> None:
    for theme in ("dark", "light"):
        page = kept(tab, theme=theme)
        elements = "[...document.querySelectorAll('html, .gradio-container *')]"
        found = set(page.evaluate(f"{elements}.map(element => getComputedStyle(element).colorScheme)"))
        assert (found == {"dark"}) if theme == "dark" else ("dark" not in found)


@pytest.mark.parametrize("tab", ["sampling_trace", "branches"])
def test_opening_a_folded_part_brings_no_scrollbar(visit: Visit, tab: str) -> None:
    """The arrow of a heading turns: its corners stuck out of a box that scrolled."""
    page = visit("g", lang="ja", width=1366)
    press_open(page.locator(f"#lab-{tab}-button"))
    page.evaluate("""() => {
      window.scrolled = [];
      const look = () => {
        for (const box of document.querySelectorAll(".gr-accordion")) {
          const scrolls = ["auto", "scroll"].includes(getComputedStyle(box).overflowX);
          if (scrolls && box.scrollWidth > box.clientWidth) window.scrolled.push(box.id);
        }
        requestAnimationFrame(look);
      };
      look();
    }""")
    open_all(page)
    page.wait_for_timeout(500)
    assert page.evaluate("[...new Set(window.scrolled)]") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366


# The text itself is left out: its name is in the template of the generated text.
NAMES = r"""() => [...document.querySelectorAll(":not(.written)")].flatMap(element => ["aria-label", "title", "alt"]
  .flatMap(name => {
  const value = element.getAttribute(name);
  return value ? [`${value} (${element.tagName} in ${element.closest("[id]")?.id})`] : [];
}))"""
SECTIONS = {
    "g": ("sampling_trace", "branches", "heat_map", "minimal_pairs", "side_by_side", "beams", "inside", "patching", "replay"),
    "t": ("spellings", "why_this_cut", "round_trip", "vocabulary_browser", "corpus", "tokenizer_report"),
    "m": (),
}


@pytest.mark.parametrize("tab", ["g", "t", "m"])
def test_on_a_japanese_page_no_control_has_an_english_name(kept: Visit, tab: str) -> None:
    page = kept(tab, lang="ja")
    english = set()
    for section in SECTIONS[tab] or ("",):
        if section:
            press_open(page.locator(f"#lab-{section}-button"))
        open_all(page)
        page.wait_for_timeout(300)
        for name in page.evaluate(NAMES):
            own, _, _ = name.rpartition(" (")
            international = r"top-[pk]|min-p|typical-p|Sudachi [ABC]|neoxjp|Ctrl|Alt|Shift|Enter|Esc"
            words = re.findall(r"[A-Za-z]{2,}", re.sub(international, "", own))
            japanese = re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", own)
            if words and (not japanese or re.search(r"\b(for|to|of|the)\b", own)):
                english.add(name)
    assert english == set()


def test_names_on_an_english_page_stay_as_they_are(visit: Visit) -> None:
    page = visit("g", lang="en")
    names = page.evaluate(NAMES)
    assert any(name.startswith("range slider for Temperature (INPUT") for name in names)
    assert not [name for name in names if re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", name) and "INPUT" in name]
