"""The plan of the package as a test: a folder imports only from earlier rows, without circles, and never transformers."""

import ast
import importlib
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "neoxjp"

# One row is one line: folders of a row do not import each other. `labs:records` are the files of a feature without Gradio.
ROWS = [
    ["errors"],
    ["hub", "documents"],
    ["tokenizer", "quantization", "sampling"],
    ["japanese", "weights"],
    ["compare", "engine"],
    ["model"],
    ["train", "export"],
    ["labs.common"],
    ["labs:records"],
    ["bench"],
    ["page_parts"],
    ["labs"],
    ["gateway"],
    ["serve"],
    ["ui"],
    ["cli"],
    ["__main__"],
]
ROW = {folder: number for number, row in enumerate(ROWS) for folder in row}
# Folders whose `__init__.py` is their public interface: other folders import from it, never from its files.
PUBLIC = [
    "hub", "documents", "tokenizer", "quantization", "sampling", "japanese", "weights", "compare", "engine", "model", "train",
    "export", "bench", "gateway", "serve",
]  # fmt: skip
PUBLIC_FILES = {
    "neoxjp.sampling.options",  # a table with functions of its own, imported as a module
    "neoxjp.train.ray",  # named like the package that it needs
}
PAGE_FILES = {"actions", "section", "endpoints", "command", "view", "strings"}
"""The files of a feature that belong to the page or the command line; all others, records.py above all, are below."""
# The benchmarks measure transformers where the user asks for it: this one file may import it by name, inside a function.
PEERS = PACKAGE / "bench" / "peers.py"
FILES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def folder_of(module: str) -> str:
    """Where a module stands in the plan: "neoxjp.labs.heat_map.records" → "labs:records"."""
    parts = module.split(".")[1:]
    if parts[0] != "labs":
        return parts[0]
    if parts[1:2] == ["common"]:
        return "labs.common"
    return "labs:records" if len(parts) > 2 and parts[2] not in PAGE_FILES else "labs"


@cache
def imported(module: str) -> frozenset[str]:
    """Every module of the package that a file imports, also inside functions and under TYPE_CHECKING."""
    path = FILES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *(node.module.split(".") if node.module else [])])
            found |= {name if (name := f"{source}.{alias.name}") in FILES else source for alias in node.names}
    return frozenset(name for name in found if name in FILES and name != "neoxjp")


@pytest.mark.parametrize("module", [name for name in FILES if name != "neoxjp"])
def test_a_folder_imports_only_from_earlier_rows(module):
    here = folder_of(module)
    assert here in ROW, f"{module} has no row in the plan: give its folder one here"
    for name in imported(module):
        there = folder_of(name)
        if there == here:
            mine, other = (".".join(each.split(".")[:3]) for each in (module, name))
            feature = here in ("labs", "labs:records") and name != "neoxjp.labs" and module.count(".") > 2
            assert not feature or mine == other, f"{module} imports {name}: what two features need belongs into labs/common"
        else:
            assert ROW[there] < ROW[here], f"{module} (row {ROW[here]}) imports {name} (row {ROW[there]})"


@pytest.mark.parametrize("module", [name for name in FILES if name != "neoxjp"])
def test_an_import_of_another_folder_goes_through_its_package(module):
    here = module.split(".")[1]
    for name in imported(module):
        folder, *files = name.split(".")[1:]
        assert folder == here or folder not in PUBLIC or not files or name in PUBLIC_FILES, (
            f"{module} imports {name}: import it from neoxjp.{folder}"
        )


@pytest.mark.parametrize("folder", ["", *(f".{folder}" for folder in PUBLIC)])
def test_every_name_of_a_public_interface_can_be_imported(folder):
    package = importlib.import_module(f"neoxjp{folder}")
    assert package.__doc__
    for name in package.__all__:
        assert getattr(package, name) is not None


def test_an_unknown_name_of_a_lazy_package_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = importlib.import_module("neoxjp.sampling").nothing


def test_no_modules_import_each_other_in_a_circle():
    try:
        TopologicalSorter({name: imported(name) - {name.rpartition(".")[0]} for name in FILES}).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_the_package_has_at_most_twenty_entries():
    names = {path.name for path in PACKAGE.iterdir() if not path.name.startswith("__")}
    assert len(names) <= 20, sorted(names)


@pytest.mark.parametrize("folder", ["neoxjp", "examples", "space", "app.py"])
def test_transformers_is_never_imported(folder):
    root = PACKAGE.parent / folder
    for path in [root] if root.is_file() else root.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not any(name.split(".")[0] == "transformers" for name in names), f"{path} imports transformers"
            if isinstance(node, ast.Call) and path != PEERS and node.args and isinstance(node.args[0], ast.Constant):
                assert node.args[0].value != "transformers", f"{path}, line {node.lineno}: asks for transformers by name"


def test_importing_the_package_loads_no_heavy_library():
    code = "import neoxjp, sys; print(sorted({'torch', 'gradio', 'pandas', 'transformers', 'accelerate'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_importing_the_model_loads_neither_gradio_nor_pandas_nor_transformers():
    code = (
        "from neoxjp import GPTNeoXJapaneseForCausalLM, GPTNeoXJapaneseTokenizer; import sys;"
        "print(sorted({'gradio', 'pandas', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_server_for_other_programs_loads_no_gradio():
    code = "import neoxjp.serve, neoxjp.cli.serve, sys; print(sorted({'gradio', 'pandas', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
