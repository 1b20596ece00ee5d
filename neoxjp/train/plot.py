"""The curve of a run as a PNG: bits per character over tokens, drawn with Pillow, which gradio brings along."""

import math
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from neoxjp.train.runs import read_log

_SIZE = (1200, 720)
_BOX = (110, 70, 1170, 630)  # left, top, right, bottom of the axes
_INK, _FAINT, _RAW, _MEAN = "#1f2937", "#e5e7eb", "#c7d2fe", "#4338ca"


def plot(log: Path, out: Path, title: str) -> None:
    """Draw log.csv: each step in pale, the running mean of a fiftieth of the run in dark. Nothing where there are no steps."""
    rows = read_log(log)
    if not rows:
        return
    tokens = [float(row["tokens"]) for row in rows]
    bits = [float(row["bits_per_character"]) for row in rows]
    mean = _running_mean(bits, max(1, len(bits) // 50))
    low, high = min(min(mean), _quantile(bits, 0.01)), max(_quantile(bits, 0.98), mean[-1] + 0.1)
    image = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = _BOX

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            left + (right - left) * x / tokens[-1],
            bottom - (bottom - top) * (min(max(y, low), high) - low) / ((high - low) or 1),
        )

    for value in ticks(low, high):
        _, y = at(0, value)
        draw.line([(left, y), (right, y)], fill=_FAINT)
        draw.text((left - 12, y), f"{value:g}", fill=_INK, font=_font(20), anchor="rm")
    for value in ticks(0, tokens[-1]):
        x, _ = at(value, low)
        draw.line([(x, top), (x, bottom)], fill=_FAINT)
        draw.text((x, bottom + 12), _short(value), fill=_INK, font=_font(20), anchor="ma")
    if len(rows) > 1:
        draw.line([at(x, y) for x, y in zip(tokens, bits, strict=True)], fill=_RAW)
        draw.line([at(x, y) for x, y in zip(tokens, mean, strict=True)], fill=_MEAN, width=3)
    else:
        x, y = at(tokens[0], bits[0])
        draw.ellipse([x - 4, y - 4, x + 4, y + 4], fill=_MEAN)
    draw.rectangle(_BOX, outline=_INK)
    minutes = float(rows[-1]["seconds"]) / 60
    draw.text((left, 12), title, fill=_INK, font=_font(26))
    draw.text((right, 18), f"{mean[-1]:.2f} after {minutes:.1f} min", fill=_MEAN, font=_font(20), anchor="ra")
    draw.text((left, top - 22), "bits per character", fill=_INK, font=_font(16))
    draw.text(((left + right) / 2, bottom + 46), "tokens", fill=_INK, font=_font(20), anchor="ma")
    fresh = out.with_name(f".{out.name}.writing")
    image.save(fresh, format="PNG")
    fresh.replace(out)


def ticks(low: float, high: float, wanted: int = 6) -> list[float]:
    """About `wanted` round numbers from low to high: (0, 7.3) → [0, 2, 4, 6]."""
    span = (high - low) or 1.0
    rough = span / wanted
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _running_mean(values: Sequence[float], width: int) -> list[float]:
    """The mean of each value and the up to `width` - 1 before it."""
    sums = [0.0, *accumulate(values)]
    return [(sums[end] - sums[max(0, end - width)]) / min(end, width) for end in range(1, len(sums))]


def _quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]


def _short(value: float) -> str:
    """2500000 → "2.5M"."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
