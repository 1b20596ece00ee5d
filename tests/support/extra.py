"""A table of options, a list of features and a list of filters with one more row each, and what the page is with them.

Run as a program, it prints what the page has: Gradio leaves an event loop open, which the tests' process would report.
"""

import dataclasses
import json
from typing import Any, Literal, get_args

from neoxjp.labs.features import FEATURES, Feature
from neoxjp.sampling import OPTIONS, Option, SamplingParams, options

options.Stage = Literal[(*get_args(options.Stage), "extra")]  # a filter of its own for the extra option, after all others

OPTION = Option(
    "extra",
    "number",
    ("追加のオプション", "Extra option"),
    ("追加のオプションの説明", "What the extra option does."),
    neutral=0.0,
    recommended=0.5,
    range=("0 以上の数", "a number from 0 upwards"),
    low=0,
    slider=(0, 1, 0.1),
    stage="extra",
    off=0.0,
)
FEATURE = Feature("extra", "generate", package="tests.support.features")
MORE_OPTIONS = (*OPTIONS, OPTION)
MORE_FEATURES = (*FEATURES, FEATURE)


@dataclasses.dataclass(frozen=True)
class MoreParams(SamplingParams):
    """With a field for the extra row."""

    extra: float = 0.0


def facts() -> dict[str, Any]:
    """Of a page with the longer tables: element ids, endpoints with parameters and defaults, what a link restores."""
    import gradio as gr

    from neoxjp.page_parts.session.playground import Playground
    from neoxjp.ui import generate, page

    playground = Playground(options=MORE_OPTIONS)
    blocks = page.build(playground, MORE_FEATURES)
    with gr.Blocks(), gr.Tabs() as tabs:
        parts = [(section, name) for section, name, _ in generate.build(playground, MORE_FEATURES).linked(tabs).parts()]
    named = blocks.get_api_info()["named_endpoints"]
    return {
        "ids": [block["props"].get("elem_id") for block in blocks.get_config_file()["components"]],
        "endpoints": {
            name.removeprefix("/"): {each["parameter_name"]: each["parameter_default"] for each in found["parameters"]}
            for name, found in named.items()
        },
        "linked": parts,
    }


if __name__ == "__main__":
    print(json.dumps(facts()))
