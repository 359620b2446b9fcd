"""Who may import whom: the table of docs/architecture.md, held."""

import ast
from pathlib import Path

import pytest

from support.program import REPO

PACKAGE = REPO / "cli" / "resnext"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

# The folders' order is the way of the data. Each may import itself, the shared words, and what stands here.
SHARED = {"errors", "records", "threads", "console", "disk", "__version__"}
MAY_IMPORT: dict[str, set[str]] = {
    "console": set(),
    "disk": set(),
    "errors": {"console"},
    "records": {"errors"},
    "threads": set(),
    "sources": SHARED,
    "images": SHARED,
    "engines": {*SHARED, "store"},
    "answers": SHARED,
    "outputs": SHARED,
    "models": SHARED,
    "store": {*SHARED, "models"},
    "compiling": {*SHARED, "engines", "models", "store"},
    "shelf": {*SHARED, "models", "store", "engines", "compiling", "images"},
    "training": {
        *SHARED,
        "sources",
        "images",
        "engines",
        "answers",
        "store",
        "shelf",
        "models",
        "compiling",
    },
    "pipeline": {*SHARED, "sources", "images", "engines", "answers", "outputs", "shelf", "store", "models", "training"},
    # Answers about all of them; its trial of a photo is a small run.
    "info": {*SHARED, "models", "store", "engines", "compiling", "shelf", "images", "pipeline", "outputs", "training"},
    "commands": {
        *SHARED,
        "models",
        "sources",
        "images",
        "engines",
        "answers",
        "outputs",
        "shelf",
        "store",
        "pipeline",
        "training",
        "info",
    },
    "app": {"commands", "console", "errors", "__version__"},
    "__main__": {"app", "commands", "console", "errors", "__version__"},
    "__init__": set(),
}
# Which libraries are known where, by the beginning of the room's path.
ONLY_IN: dict[str, tuple[str, ...]] = {
    "torch": ("compiling/", "training/", "engines/torch_engine.py"),
    "timm": ("compiling/", "training/", "engines/torch_engine.py"),
    "torchvision": ("compiling/", "training/", "engines/torch_engine.py"),
    "openvino": ("engines/openvino/", "compiling/"),
    "nncf": ("compiling/quantize.py",),
    "typer": ("app.py", "commands/parser.py"),
    "PIL": (
        "images/",
        "compiling/timm_models.py",
        "training/full/prepared.py",  # small copies of photos, and what timm's augmentation takes
        "training/full/augment.py",
        "info/health/",  # which formats this Pillow was built with; a photo to try
    ),
    "httpx2": ("sources/urls.py", "sources/web_client.py"),
    "fsspec": ("sources/stores.py", "outputs/parts/store.py"),
    "ray": ("pipeline/cluster/machines.py",),
    "matplotlib": ("outputs/pictures.py",),
    "pyarrow": ("sources/tables.py", "outputs/writers/parquet.py", "outputs/vectors/parquet.py"),
}


def _imports(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "importlib.import_module":
            names |= {argument.value for argument in node.args if isinstance(argument, ast.Constant)}
    return names


@pytest.mark.parametrize("module", MODULES)
def test_rooms_import_only_what_the_table_allows(module: str) -> None:
    names = _imports(ast.parse((PACKAGE / module).read_text()))
    room = Path(module).parts[0].removesuffix(".py")
    assert room in MAY_IMPORT, f"{room} is not in the table"
    ours = {name.split(".")[1] for name in names if name.startswith("resnext.")}
    assert ours <= MAY_IMPORT[room] | {room}
    for library, rooms in ONLY_IN.items():
        if not module.startswith(rooms):
            assert not any(name.split(".")[0] == library for name in names), f"{module} imports {library}"


def test_the_root_of_the_package_is_the_door_and_the_shared_words() -> None:
    assert {module for module in MODULES if "/" not in module} == {
        "__init__.py", "__main__.py", "app.py", "errors.py", "records.py", "threads.py"
    }  # fmt: skip


def test_no_attic() -> None:
    assert not {Path(module).stem for module in MODULES} & {"utils", "helpers", "common"}
