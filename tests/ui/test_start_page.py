"""What the page starts with, in a real browser: the parts that a visitor uses, not those that are for programs only."""

import json
from collections.abc import Callable
from typing import Any

Visit = Callable[..., Any]


def types(config: dict[str, Any]) -> set[str]:
    return {part["type"] for part in config["components"]}


def test_the_page_leaves_out_the_parts_of_the_endpoints_and_programs_get_them(visit: Visit) -> None:
    page = visit("g", lang="en")
    read = "({components, dependencies, layout, page}) => JSON.stringify({components, dependencies, layout, page})"
    shown = json.loads(page.evaluate(f"({read})(window.gradio_config)"))
    full = page.evaluate("fetch('/config').then((answer) => answer.json())")
    assert "api" in types(full)
    assert types(shown) == types(full) - {"api"}

    kept = {part["id"] for part in shown["components"]}
    calls = [call for call in full["dependencies"] if {*call["inputs"], *call["outputs"]} <= kept]
    assert [call["id"] for call in shown["dependencies"]] == [call["id"] for call in calls]
    assert {call["api_name"] for call in full["dependencies"]} >= {"generate", "tokenize"}
    assert not {call["api_name"] for call in shown["dependencies"]} & {"generate", "tokenize"}

    def ids(node: dict[str, Any]) -> set[int]:
        return {node["id"]}.union(*map(ids, node.get("children", [])))

    assert ids(shown["layout"]) - {shown["layout"]["id"]} == kept
    assert [set(one["components"]) for one in shown["page"].values()] == [kept]
