"""The store of compiled models under fire: races, kills, damage."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.program import SAMPLES, RunResnext, clean_environment

PHOTO = SAMPLES / "coffee.png"


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


@pytest.mark.parametrize("name", ["graph.bin", "graph.xml", "labels.json", "entry.json"])
def test_a_flipped_bit_is_found_and_the_model_is_built_again(resnext: RunResnext, own_cache: Path, name: str) -> None:
    damaged = entry_of(own_cache) / name
    flip(damaged, damaged.stat().st_size // 2)
    first = resnext("classify", "-m", "lite0", PHOTO, cache=own_cache)
    assert_right(first)
    assert "damaged" in first.stderr
    second = resnext("classify", "-m", "lite0", PHOTO, cache=own_cache)
    assert_right(second)
    assert second.stderr == ""


def test_a_truncated_graph_is_built_again(resnext: RunResnext, own_cache: Path) -> None:
    graph = entry_of(own_cache) / "graph.bin"
    os.truncate(graph, graph.stat().st_size // 2)
    assert_right(resnext("classify", "-m", "lite0", PHOTO, cache=own_cache))


def test_a_file_where_the_entry_should_be_is_replaced(resnext: RunResnext, own_cache: Path) -> None:
    entry = entry_of(own_cache)
    shutil.rmtree(entry)
    entry.write_text("not a folder")
    assert_right(resnext("classify", "-m", "lite0", PHOTO, cache=own_cache))
    assert entry.is_dir()


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


def test_two_processes_on_a_cold_store_build_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", str(PHOTO)]
    environment = clean_environment(tmp_path / "home", cache)
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0][0] == outputs[1][0] and "espresso" in outputs[0][0]
    assert sum("compiled tf_efficientnet_lite0 in" in stderr for _, stderr in outputs) == 1
    assert len(list((cache / "compiled").iterdir())) == 1
    assert all(path.stat().st_mode & 0o077 == 0 for path in (cache, cache / "compiled", entry_of(cache)))


def test_a_killed_build_leaves_nothing_that_is_believed(resnext: RunResnext, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", str(PHOTO)]
    with subprocess.Popen(
        command,
        env=clean_environment(tmp_path / "home", cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        end = time.monotonic() + 120
        while not list(cache.glob("compiled/.building-*/graph.xml")) and time.monotonic() < end:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL, "it was killed while it built"
    assert_right(resnext("classify", "-m", "lite0", PHOTO, cache=cache))
    assert [path for path in (cache / "compiled").iterdir() if not path.name.startswith(".")] == [entry_of(cache)]
