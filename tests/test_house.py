"""The plan of the package as a test: a module imports only from the rows below its own, and never transformers."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "neoxjp"

# Row of each room; a room may import from lower rows, and within its row only what BESIDE lists.
ROWS = {
    "errors": -1,
    "text": 0,
    "glyphs": 0,
    "numerals": 0,
    "romaji": 0,
    "kanji_forms": 0,
    "vocabulary": 0,
    "cutting": 0,
    "scanning": 0,
    "feeding": 0,
    "decoding": 0,
    "encoding": 0,
    "folders": 0,
    "hub": 0,
    "stored": 0,
    "placement": 0,
    "checkpoint": 0,
    "parameters": 0,
    "filters": 0,
    "sampling": 0,
    "steps": 0,
    "prefixes": 0,
    "speculation": 0,
    "attention": 0,
    "rotary": 0,
    "linear": 0,
    "native": 0,
    "openmp": 0,
    "packing": 0,
    "config": 1,
    "tokenizer": 1,
    "readings": 1,
    "beam": 1,
    "request": 1,
    "line": 1,
    "batch": 1,
    "engine": 1,
    "outputs": 1,
    "measures": 1,
    "layers": 2,
    "packed": 2,
    "generation": 2,
    "model": 2,
    "peers": 2,
    "memory": 3,
    "terminal": 3,
    "analysis": 3,
    "lab": 3,
    "train": 3,
    "bench": 3,
    "export": 3,
    "render": 4,
    "doctor": 4,
    "cli": 5,
    "__main__": 6,
    "ui": 5,
}
# checkpoint is the front of four rooms: folders ← hub, stored ← placement.
BESIDE: set[tuple[str, str]] = {
    ("cutting", "text"),
    ("glyphs", "text"),
    ("cutting", "vocabulary"),
    ("scanning", "text"),
    ("scanning", "vocabulary"),
    ("feeding", "scanning"),
    ("feeding", "text"),
    ("hub", "folders"),
    ("filters", "parameters"),
    ("sampling", "filters"),
    ("sampling", "parameters"),
    ("steps", "filters"),
    ("steps", "parameters"),
    # engine is the front of the rooms of a request's way.
    ("line", "request"),
    ("batch", "request"),
    ("engine", "request"),
    ("engine", "line"),
    ("engine", "batch"),
    ("stored", "folders"),
    ("placement", "folders"),
    ("placement", "hub"),
    ("placement", "stored"),
    ("linear", "native"),
    ("packing", "linear"),
    ("placement", "linear"),
    ("placement", "packing"),
    ("checkpoint", "folders"),
    ("checkpoint", "hub"),
    ("checkpoint", "stored"),
    ("checkpoint", "packing"),
    ("terminal", "memory"),
    ("lab", "terminal"),
    ("lab", "analysis"),
    ("lab", "train"),  # texts are read as training reads them
    ("bench", "train"),  # texts are read as training reads them
    ("bench", "export"),  # llama.cpp is measured on what is exported for it
    ("checkpoint", "placement"),
    # model is the front of the network's rooms.
    ("model", "layers"),
    ("model", "packed"),
    ("packed", "layers"),  # whose parts it computes with
    ("model", "generation"),
}
# The benchmarks measure transformers where the user asks for it: this one file may import it by name, inside a function.
PEERS = PACKAGE / "bench" / "peers.py"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Every module that a file imports anywhere in it, relative imports resolved."""
    package = ["neoxjp", *path.relative_to(PACKAGE).parts[:-1]]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rows_below(path):
    room = room_of(path)
    assert room in ROWS, f"{path.name} has no row in the plan of the house: give it one here"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] != "neoxjp" or len(parts) < 2 or parts[1] not in ROWS or parts[1] == room:
            continue
        assert ROWS[parts[1]] < ROWS[room] or (room, parts[1]) in BESIDE, (
            f"{room} (row {ROWS[room]}) imports {name} (row {ROWS[parts[1]]})"
        )


def test_the_two_labs_know_nothing_of_each_other():
    for lab, other in (("tokens", "generation"), ("generation", "tokens")):
        for path in (PACKAGE / "lab" / lab).glob("*.py"):
            assert not [name for name in imported(path) if name.startswith(f"neoxjp.lab.{other}")], path


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
