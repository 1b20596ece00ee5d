"""The style sheets: a class, an id or a custom property is defined in one file, and a feature's names carry its prefix."""

from collections import defaultdict
from collections.abc import Iterator
from importlib.resources import files
from itertools import pairwise
from typing import Any

import pytest
import tinycss2

from neoxjp.labs.features import FEATURES, Feature

SHARED = {
    f"ui/{file.name}": file.read_text(encoding="utf-8") for file in files("neoxjp.ui").iterdir() if file.name.endswith(".css")
}
GRADIO = {"--neutral-200"}  # custom properties of Gradio that a style sheet sets
STYLES = SHARED | {feature.name: text for feature in FEATURES if (text := feature.text("style.css"))}


def rules(nodes: list[Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    """Selector and declarations of every rule, those inside @media included."""
    for node in nodes:
        if node.type == "qualified-rule":
            yield node.prelude, node.content
        elif node.type == "at-rule" and node.content is not None:
            yield from rules(tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True))


def selectors(prelude: list[Any]) -> Iterator[list[Any]]:
    """The selectors of a list, divided at its commas."""
    selector: list[Any] = []
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            yield selector
            selector = []
        else:
            selector.append(token)
    yield selector


def names(tokens: list[Any]) -> list[str]:
    """The classes and ids in a selector, also within :is(), :not() and [id^=…]."""
    found = [f"#{token.value}" for token in tokens if token.type == "hash"]
    found += [
        f".{name.value}" for dot, name in pairwise(tokens) if (dot.type, name.type) == ("literal", "ident") and dot.value == "."
    ]
    for token in tokens:
        if token.type == "function":
            found += names(token.arguments)
        elif token.type == "[] block":  # [id^="heat-map-"]
            found += [f"#{value.value}" for value in token.content if value.type == "string" and token.content[0].value == "id"]
    return found


def parsed(text: str) -> Iterator[tuple[list[Any], list[Any]]]:
    for prelude, content in rules(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True)):
        for selector in selectors(prelude):
            yield selector, content


def prefix(feature: str) -> str:
    return feature.replace("_", "-")


def is_of(name: str, feature: str) -> bool:
    bare = name.lstrip(".#-")
    return bare == prefix(feature) or bare.startswith(f"{prefix(feature)}-")


def defined_twice(styles: dict[str, str]) -> dict[str, list[str]]:
    """Names that more than one file defines, each with the files."""
    defined: dict[str, set[str]] = defaultdict(set)
    for file, text in styles.items():
        for selector, content in parsed(text):
            found = names(selector)
            for name in found:
                # Beside a name of its own, a feature may refine a shared one: `#heat-map-view .bar`.
                if is_of(name, file) or len(found) == 1 or (file not in SHARED and not any(is_of(one, file) for one in found)):
                    defined[name].add(file)
            for declaration in tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True):
                if declaration.type == "declaration" and declaration.name.startswith("--") and declaration.name not in GRADIO:
                    defined[declaration.name].add(file)
    return {name: sorted(where) for name, where in defined.items() if len(where) > 1}


def test_no_class_id_or_custom_property_is_defined_in_two_files() -> None:
    assert defined_twice(STYLES) == {}


@pytest.mark.parametrize("feature", [feature for feature in FEATURES if feature.name in STYLES], ids=lambda feature: feature.name)
def test_every_rule_of_a_feature_names_the_feature(feature: Feature) -> None:
    strange = [
        tinycss2.serialize(selector).strip()
        for selector, _ in parsed(STYLES[feature.name])
        if not any(is_of(name, feature.name) for name in names(selector))
    ]
    assert strange == []


def test_a_name_in_two_files_is_noticed() -> None:
    ours = ".round-trip-pair b, #round-trip-x .bar { --round-trip-y: 1px; --neutral-200: red }"
    other = "@media (width > 1px) { b:is(.round-trip-pair) { --round-trip-y: 2px } } .replay-x .bar { --neutral-200: red }"
    both = ["replay", "round_trip"]
    assert defined_twice({"round_trip": ours, "replay": other}) == {".round-trip-pair": both, "--round-trip-y": both}
