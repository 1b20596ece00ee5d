"""The list of features: one row is one folder of `labs/`.

The page, the endpoints and the command line find a feature here. A folder may have `section.py` (components and
events), `endpoints.py`, `command.py`, `strings.py`, `style.css`, `script.js` (run by its section) and `page.js` (run when the
page opens).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Literal

Tab = Literal["tokenize", "generate"]


@dataclass(frozen=True)
class Feature:
    """One folder: `Feature("heat_map", "generate")` is `neoxjp/labs/heat_map/`."""

    name: str  # of the folder; also the key of its section on the page and in links
    tab: Tab | None  # whose lab shows its section; None: it has no section of its own
    package: str = "neoxjp.labs"

    def module(self, file: str) -> ModuleType | None:
        """`module("section")` → the module `section.py`, imported now; None where the folder has none."""
        name = f"{self.package}.{self.name}.{file}"
        return import_module(name) if find_spec(name) else None

    def text(self, file: str) -> str:
        """`text("style.css")` → the file's text; "" where the folder has none."""
        found = files(f"{self.package}.{self.name}") / file
        return found.read_text(encoding="utf-8") if found.is_file() else ""


FEATURES = (
    Feature("spellings", "tokenize"),
    Feature("why_this_cut", "tokenize"),
    Feature("round_trip", "tokenize"),
    Feature("vocabulary_browser", "tokenize"),
    Feature("corpus", "tokenize"),
    Feature("tokenizer_report", "tokenize"),
    Feature("sampling_trace", "generate"),
    Feature("branches", "generate"),
    Feature("heat_map", "generate"),
    Feature("minimal_pairs", "generate"),
    Feature("side_by_side", "generate"),
    Feature("beams", "generate"),
    Feature("inside", "generate"),
    Feature("patching", "generate"),
    Feature("replay", "generate"),
    Feature("share_link", None),
)
"""In the order of the page."""


def sections_of(features: Iterable[Feature], tab: Tab) -> Mapping[str, ModuleType]:
    """The section modules of one tab by feature name, in order."""
    return _modules((feature for feature in features if feature.tab == tab), "section")


def strings_of(features: Iterable[Feature]) -> list[Mapping[str, tuple[str, str]]]:
    """The tables of strings of all features: key → (Japanese, English)."""
    return [module.STRINGS for module in _modules(features, "strings").values()]


def endpoints_of(features: Iterable[Feature], playground: Any) -> list[Any]:
    """The endpoints of all features, as `page_parts.endpoints` declares them."""
    return [each for module in _modules(features, "endpoints").values() for each in module.endpoints(playground)]


def _modules(features: Iterable[Feature], file: str) -> dict[str, ModuleType]:
    """The modules of this name, by the names of the features that have one."""
    return {feature.name: module for feature in features if (module := feature.module(file)) is not None}
