"""What a start imports, and the rules of who may import whom."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.imports import imported_by, modules_of
from support.program import REPO, SAMPLES, RunResnext, clean_environment

PACKAGE = REPO / "cli" / "resnext"
HEAVY = {"torch", "timm", "torchvision", "openvino", "PIL", "numpy"}


@pytest.mark.parametrize(
    "arguments", [("--help",), ("classify", "--help"), ("features", "--help"), ("info", "--help"), ("--version",)]
)
def test_help_imports_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert not imported_by(tmp_path, *arguments) & (
        HEAVY | {"typer", "dataclasses", "inspect", "rich", "huggingface_hub"}
    )


def test_a_warm_run_imports_no_torch_and_no_telemetry(warm_cache: Path) -> None:
    imported = imported_by(warm_cache, "classify", "-m", "lite0", str(SAMPLES / "coffee.png"))
    assert "openvino" in imported
    assert not imported & {"torch", "timm", "torchvision", "huggingface_hub", "openvino_telemetry"}
    assert not imported & {"httpx2", "fsspec", "pyarrow", "asyncio", "zipfile", "tarfile"}


def test_a_run_imports_its_own_command_alone(warm_cache: Path) -> None:
    imported = modules_of(warm_cache, "classify", "-m", "lite0", str(SAMPLES / "coffee.png"))
    assert "resnext.commands.classify" in imported
    unused = (
        "commands.features",
        "commands.info",
        "shelf.build",
        "models.weights",
        "models.model_config",
        "models.timm_names",
        "outputs.writers.table",
        "outputs.results.result_file",
    )
    assert not imported & {f"resnext.{room}" for room in unused}


def test_nothing_is_called_cli_and_the_version_is_printed(resnext: RunResnext) -> None:
    from resnext import __version__

    assert not (REPO / "cli" / "__init__.py").exists()
    assert resnext("--version").stdout == f"resnext {__version__}\n"


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
from resnext.engines.openvino.importing import import_openvino
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
from resnext.engines.openvino.importing import import_openvino
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
from resnext.engines.openvino.importing import import_openvino
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
