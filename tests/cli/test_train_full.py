"""`train --method full` as people type it: interrupted, gone on with, and a model in the end."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.program import REPO, RunResnext, clean_environment

CLOTHING = REPO.parent / "shared" / "photos" / "clothing" / "train"
OPTIONS = ("-m", "lite0", "--method", "full", "--epochs", "1", "-b", "8", "--offline")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    if not CLOTHING.exists():
        pytest.skip(f"{CLOTHING} is not there")
    for name in ("hat", "shoes"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for file in sorted((CLOTHING / name).iterdir())[:10]:
            shutil.copy(file, tmp_path / "photos" / name)
    return tmp_path / "photos"


def test_interrupted_and_gone_on_with(resnext: RunResnext, photos: Path, tmp_path: Path, own_cache: Path) -> None:
    target, state = tmp_path / "model", tmp_path / ".model.training"
    command = ["train", str(photos), "-o", str(target), *OPTIONS]
    process = subprocess.Popen(
        [sys.executable, "-m", "resnext", *command],
        env=clean_environment(tmp_path / "home", own_cache),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    said = []
    with process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if "the head alone" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == -signal.SIGINT, said
    assert "go on with --resume" in said[-1]
    assert (state / "state.safetensors").is_file() and not target.exists()

    refused = resnext(*command, cache=own_cache)
    assert refused.returncode == 2 and "--resume goes on with it" in refused.stderr

    done = resnext(*command, "--resume", "--json", cache=own_cache, timeout=300)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["whole_network"]
    assert [row["epoch"] for row in told["history"]] == [0, 1]
    assert told["training_photos"] + told["validation_photos"] == 20
    assert told["kept"] in ("head", "whole network") and f"kept: the {told['kept']}" in done.stderr
    assert json.loads((target / "training.json").read_text())["whole_network"] == told
    assert not state.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epochs", "3"), "--epochs is of the whole network: give --method full too"),
        (("--method", "full", "--recipe", "recipe.yaml"), "can't honour kd_model_name: 'resnet50'"),
    ],
)
def test_what_can_not_be_asked_is_one_line(
    resnext: RunResnext, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.jpg").write_bytes(b"")
    (tmp_path / "recipe.yaml").write_text("epochs: 3\nkd_model_name: resnet50\n")
    run = resnext("train", "photos", "-o", "model", *options, cwd=tmp_path)
    assert run.returncode == 2
    assert said in run.stderr and run.stderr.count("\n") == 1
