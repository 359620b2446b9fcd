"""What a start imports, and the rules of who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import REPO, SAMPLES, RunResnext, clean_environment

PACKAGE = REPO / "cli" / "resnext"
HEAVY = {"torch", "timm", "torchvision", "openvino", "PIL", "numpy"}

_REPORT_IMPORTS = """
import sys
sys.argv[0] = "resnext"
from resnext.__main__ import run
try:
    run()
finally:
    print(" ".join(sorted(name for name in sys.modules if sys.modules[name])), file=sys.stderr)
"""


def imported_by(cache: Path, *arguments: str) -> set[str]:
    """The packages that a run imports."""
    return {name.split(".")[0] for name in modules_of(cache, *arguments)}


def modules_of(cache: Path, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _REPORT_IMPORTS, *arguments],
        env=clean_environment(cache.parent, cache),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("classify", "--help"), ("features", "--help"), ("info", "--help"), ("--version",)]
)
def test_help_imports_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert not imported_by(tmp_path, *arguments) & (HEAVY | {"rich", "huggingface_hub"})


def test_a_warm_run_imports_no_torch_and_no_telemetry(warm_cache: Path) -> None:
    imported = imported_by(warm_cache, "classify", "-m", "lite0", str(SAMPLES / "coffee.png"))
    assert "openvino" in imported
    assert not imported & {"torch", "timm", "torchvision", "huggingface_hub", "openvino_telemetry"}
    assert not imported & {"httpx2", "fsspec", "pyarrow", "asyncio", "zipfile", "tarfile"}


def test_a_run_imports_its_own_command_alone(warm_cache: Path) -> None:
    imported = modules_of(warm_cache, "classify", "-m", "lite0", str(SAMPLES / "coffee.png"))
    assert "resnext.commands.classify" in imported
    unused = ("commands.features", "commands.info", "provision", "models.weights", "writers.table", "output.files")
    assert not imported & {f"resnext.{room}" for room in unused}


def test_nothing_is_called_cli_and_the_version_is_printed(resnext: RunResnext) -> None:
    from resnext import __version__

    assert not (REPO / "cli" / "__init__.py").exists()
    assert resnext("--version").stdout == f"resnext {__version__}\n"


# -- the import table ------------------------------------------------------------------------------------------------

STANDARD = {"errors", "records", "terminal"}
MAY_IMPORT: dict[str, set[str]] = {
    "terminal": set(),
    "interrupts": set(),
    "errors": {"terminal"},
    "records": {"errors"},
    **{room: STANDARD for room in ("preprocess", "predictions", "writers", "labels")},
    "sources": {*STANDARD, "sources", "__version__"},
    "formats": STANDARD,
    "color": STANDARD,
    "footprint": set(),
    "budget": set(),
    "decode": {*STANDARD, "formats", "color", "footprint"},
    "frames": {*STANDARD, "color", "decode"},
    "models": {*STANDARD, "models"},
    "output": {*STANDARD, "writers", "__version__"},
    "progress": STANDARD,
    "pools": set(),
    "batches": {*STANDARD, "decode", "preprocess", "pools"},
    "engines": {*STANDARD, "models", "engines"},
    "pipeline": {*STANDARD, "batches", "predictions", "engines"},
    # Joins models, engines and preprocessing into "a model that is ready".
    "shelf": {*STANDARD, "models", "engines", "preprocess", "provision"},
    "provision": {*STANDARD, "models", "engines"},
    # Answers about all of them; its trial of a photo is a small run.
    "info": {
        *STANDARD,
        "__version__",
        "models",
        "engines",
        "shelf",
        "provision",
        "decode",
        "preprocess",
        "loading",
        "batches",
        "pipeline",
        "output",
    },
    # One run joins them all; only the command above it knows options.
    "loading": {*STANDARD, "budget", "decode", "preprocess", "engines"},
    "ahead": {"engines"},
    "run": {
        "ahead",
        "engines",
        *STANDARD,
        "sources",
        "decode",
        "frames",
        "loading",
        "batches",
        "shelf",
        "pipeline",
        "writers",
        "output",
        "progress",
    },
    # What is each command's own in a run.
    "labelling": {*STANDARD, "labels", "output", "pipeline", "predictions", "run", "shelf", "writers"},
    "extraction": {*STANDARD, "engines", "output", "pipeline", "run", "shelf"},
}
ONLY_IN = {
    "torch": {"engines/timm_models.py", "engines/timm_outputs.py", "engines/torch_engine.py", "engines/conversion.py"},
    "timm": {"engines/timm_models.py"},
    "torchvision": {"engines/timm_models.py"},
    "openvino": {"engines/openvino_import.py", "engines/openvino_engine.py", "engines/conversion.py"},
    "typer": {"app.py", "options.py", "commands/classify.py", "commands/features.py", "commands/info.py"},
    "PIL": {
        "color.py",
        "decode.py",
        "footprint.py",
        "formats.py",
        "frames.py",
        "preprocess.py",
        "engines/timm_models.py",
        "info/packages.py",  # which formats this Pillow was built with
    },
    "httpx2": {"sources/urls.py"},
    "fsspec": {"sources/stores.py"},
    "pyarrow": {"sources/lists.py", "writers/parquet.py", "writers/vectors.py"},
}
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


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
    ours = {name.split(".")[1] for name in names if name.startswith("resnext.")}
    if room in MAY_IMPORT:
        assert ours <= MAY_IMPORT[room] | {room}
    else:
        assert room in {"__init__", "__main__", "app", "options", "commands"}, f"{room} is not in the table"
    for library, rooms in ONLY_IN.items():
        if module not in rooms:
            assert not any(name.split(".")[0] == library for name in names), f"{module} imports {library}"


def test_no_attic() -> None:
    assert not {Path(module).stem for module in MODULES} & {"utils", "helpers", "common"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [("--version",), ("info", "--json")])
def test_what_a_full_disk_did_not_take_is_no_success(resnext: RunResnext, arguments: tuple[str, ...]) -> None:
    import subprocess

    with Path("/dev/full").open("w") as full:
        done = resnext(*arguments, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "No space left on device" in done.stderr


# -- openvino --------------------------------------------------------------------------------------------------------


def test_a_run_imports_no_more_of_openvino_than_it_needs(tmp_path: Path) -> None:
    """And what was left out can be had afterwards: to compile a model in the same process."""
    program = """
import sys
from resnext.engines.openvino_import import import_openvino
openvino = import_openvino()
left_out = {name for name in sys.modules if "openvino.opset" in name or "openvino.tools" in name}
assert not left_out, left_out
assert not any("opset" in name for name in vars(openvino))
assert import_openvino() is openvino
from openvino import opset13
from openvino.tools.ovc import convert_model
assert callable(opset13.convolution) and callable(convert_model)
"""
    _check(program, tmp_path)


def test_an_openvino_that_needs_its_operator_sets_gets_them(tmp_path: Path) -> None:
    """A later release may be put together in another way: it is then imported whole."""
    package = tmp_path / "openvino"
    (package / "opset1").mkdir(parents=True)
    (package / "opset1" / "__init__.py").write_text("first = 1\n")
    (package / "__init__.py").write_text("from openvino.opset1 import first\n__version__ = '2099'\n")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from resnext.engines.openvino_import import import_openvino
openvino = import_openvino()
assert openvino.__version__ == "2099" and openvino.opset1.first == 1
"""
    _check(program, tmp_path)


def test_a_broken_openvino_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text("raise ImportError('libopenvino.so: no such file')\n")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from resnext.engines.openvino_import import import_openvino
from resnext.errors import ModelError
try:
    import_openvino()
except ModelError as error:
    assert str(error) == "openvino can't be imported here (libopenvino.so: no such file); use --engine torch"
else:
    raise AssertionError
"""
    _check(program, tmp_path)


def _check(program: str, home: Path) -> None:
    command = [sys.executable, "-c", program]
    environment = clean_environment(home, home / "cache")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
