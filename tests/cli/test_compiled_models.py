"""The store of compiled models under fire: races, kills, damage."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.program import SAMPLES, Heard, RunResnext, clean_environment
from support.tiny_model import answer_of

PHOTO = SAMPLES / "coffee.png"
FILES = ("graph.bin", "graph.xml", "labels.json", "entry.json")


def entry_of(cache: Path) -> Path:
    (entry,) = (path for path in (cache / "compiled").iterdir() if not path.name.startswith("."))
    return entry


def assert_right(done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 0, done.stderr
    best = json.loads(done.stdout)["predictions"][0]
    assert best["label"] == "espresso"
    assert abs(best["score"] - 0.95) < 0.02  # 0.949 in bf16, 0.951 in fp32


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 0x10]))


DAMAGE = {
    **{name: lambda entry, name=name: flip(entry / name, (entry / name).stat().st_size // 2) for name in FILES},
    "cut": lambda entry: os.truncate(entry / "graph.bin", (entry / "graph.bin").stat().st_size // 2),
    "a file in its place": lambda entry: (shutil.rmtree(entry), entry.write_text("not a folder")),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_the_model_is_built_again(
    tiny_model: Path, tiny_cache: Path, tmp_path: Path, name: str
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(tiny_cache, cache)
    _, logits, *others = answer_of(tiny_model, cache, Heard())
    DAMAGE[name](entry_of(cache))
    first, second = Heard(), Heard()
    for heard in (first, second):
        _, found, *beside = answer_of(tiny_model, cache, heard)
        np.testing.assert_allclose(found, logits, rtol=0, atol=1e-5)
        assert beside == others
    assert any("damaged" in line for line in first.lines) == (name != "a file in its place")
    assert first.lines[-1].startswith("compiled tiny-model") and second.lines == []
    assert entry_of(cache).is_dir()


def test_a_run_tells_of_damage_and_builds_again(
    resnext: RunResnext, tiny_model: Path, tiny_cache: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(tiny_cache, cache)
    command = ("classify", "-m", tiny_model, PHOTO)
    before = resnext(*command, cache=cache)
    flip(entry_of(cache) / "graph.bin", 1000)
    first, second = (resnext(*command, cache=cache) for _ in range(2))
    assert before.stdout == first.stdout == second.stdout
    assert "damaged" in first.stderr and "compiled tiny-model" in first.stderr
    assert before.stderr == second.stderr == ""


def test_a_read_only_cache_serves(resnext: RunResnext, own_cache: Path) -> None:
    for folder in (own_cache, *own_cache.rglob("*")):
        folder.chmod(0o500 if folder.is_dir() else 0o400)
    try:
        assert_right(resnext("classify", "-m", "lite0", PHOTO, cache=own_cache))
    finally:
        for folder in (own_cache, *(path for path in own_cache.rglob("*") if path.is_dir())):
            folder.chmod(0o700)


def test_a_cache_that_can_not_be_made_is_one_line(resnext: RunResnext, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = resnext("classify", "-m", "lite0", PHOTO, cache=blocked / "cache")
    assert (done.returncode, done.stdout) == (3, "")
    assert "RESNEXT_CACHE" in done.stderr.splitlines()[-1]


def test_two_processes_on_a_cold_store_build_once(tiny_model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "resnext", "classify", "-m", str(tiny_model), str(PHOTO)]
    environment = clean_environment(tmp_path / "home", cache)
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0][0] == outputs[1][0] and "sparrow" in outputs[0][0]
    assert sum("compiled tiny-model, a test_resnet in" in stderr for _, stderr in outputs) == 1
    assert len(list((cache / "compiled").iterdir())) == 1
    assert all(path.stat().st_mode & 0o077 == 0 for path in (cache, cache / "compiled", entry_of(cache)))


_DIES_WITH_THE_GRAPH = """
import os, signal
from resnext.store import store
store.complete_entry = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from resnext.__main__ import main
main()
"""


def test_a_killed_build_leaves_nothing_that_is_believed(tiny_model: Path, tmp_path: Path) -> None:
    """Killed when the graph is written; the next process builds."""
    cache = tmp_path / "cache"
    with subprocess.Popen(
        [sys.executable, "-c", _DIES_WITH_THE_GRAPH, "classify", "-m", str(tiny_model), str(PHOTO)],
        env=clean_environment(tmp_path / "home", cache),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _, stderr = process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, stderr
    (left,) = (cache / "compiled").iterdir()
    assert left.name.startswith(".building-") and (left / "graph.xml").exists()
    heard = Heard()
    answer_of(tiny_model, cache, heard)
    assert heard.lines[-1].startswith("compiled tiny-model")
    assert [path for path in (cache / "compiled").iterdir() if not path.name.startswith(".")] == [entry_of(cache)]
