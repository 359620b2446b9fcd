"""Every shell block of README and docs/ runs as it stands, in a folder with photos, after the blocks before it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.checkpoints import seeded_state_dict
from support.program import REPO, SAMPLES, clean_environment

PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
# What needs a network, another machine, a fresh environment or the work of minutes is not run here.
NOT_HERE = re.compile(
    r"https?://|s3://|gs://|hf-hub:|pip install|\.venv/|--download|--check|--search|sbatch|kubectl|apt-get|(?m:^\$ )"
)


def _blocks(page: Path) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def _programs(block: str) -> set[str]:
    """The programs of others that a block needs."""
    return {word for word in re.findall(r"[\w-]+", block) if word in {"jq", "exiftool", "parallel", "curl", "duckdb"}}


@pytest.mark.skipif(sys.platform == "win32", reason="the blocks are for a POSIX shell")
@pytest.mark.parametrize("page", [page for page in PAGES if _blocks(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_run(page: Path, tmp_path: Path, own_cache: Path, timm: Any) -> None:
    work = tmp_path / "work"
    shutil.copytree(SAMPLES, work / "sample_images")
    shutil.copytree(SAMPLES, work / "photos")
    if page.name == "train.md":  # folders that are called as they are, and others to try it on
        (work / "photos").rename(work / "garden")
        for number, photo in enumerate(sorted(SAMPLES.glob("*.*g*"))):
            kind = work / "photos" / ("robin", "wren")[number % 2]
            kind.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, kind)
    os.utime(work / "sample_images" / "coffee.png", (0, 0))
    (work / "last-run").touch()
    os.utime(work / "last-run", (1_000_000, 1_000_000))
    if "model_best.pth.tar" in page.read_text():
        import torch

        state_dict = seeded_state_dict(timm, "resnet18", num_classes=3)
        torch.save({"arch": "resnet18", "state_dict": state_dict}, work / "model_best.pth.tar")
        (work / "classes.txt").write_text("robin\nwren\nstork\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "resnext").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m resnext "$@"\n')
    (programs / "resnext").chmod(0o755)
    environment = clean_environment(tmp_path / "home", own_cache)
    environment["PATH"] = f"{programs}{os.pathsep}{environment['PATH']}"
    ran, left_out = 0, []
    for block in _blocks(page):
        missing = {each for each in _programs(block) if shutil.which(each) is None}
        if missing or NOT_HERE.search(block):
            left_out.append((block.splitlines()[0], sorted(missing)))
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{page.name}:\n{block}\n{done.stdout[-800:]}\n{done.stderr[-800:]}"
        assert "Traceback" not in done.stderr
        ran += 1
    if not ran:
        pytest.skip(f"none of the blocks can run here: {left_out}")
