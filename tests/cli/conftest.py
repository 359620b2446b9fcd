"""What tests of the program share."""

import io
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from support.hostile_names import fill
from support.program import PROGRAM, SAMPLES, Once, clean_environment


@pytest.fixture
def hostile_folder(tmp_path: Path) -> bytes:
    """A small photo under each hostile name; those that this file system takes."""
    folder, small = os.fsencode(tmp_path / "hostile"), io.BytesIO()
    with Image.open(SAMPLES / "coffee.png") as photo:
        photo.resize((150, 100)).save(small, "PNG")
    fill(folder, small.getvalue())
    return folder


@pytest.fixture(scope="session")
def result_of(once: Once, warm_cache: Path) -> Callable[[str, str], Path]:
    """Give a folder in which a command has written of one photo `out.ENDING`. Tests copy it."""

    def finished(command: str, ending: str) -> Path:
        def make(folder: Path) -> None:
            folder.mkdir()
            options = [command, "-m", "lite0", "-o", str(folder / f"out.{ending}"), str(SAMPLES / "coffee.png")]
            environment = clean_environment(folder.parent / "home", warm_cache)
            subprocess.run([*PROGRAM, *options], env=environment, check=True, capture_output=True, timeout=120)

        return once(f"{command}-{ending}", make)

    return finished
