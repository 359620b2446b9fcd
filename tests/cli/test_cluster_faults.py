"""A cluster whose workers, machines and driver are killed, and photos that kill: nothing is lost, nothing twice."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.program import REPO, SAMPLES

pytest.importorskip("ray", reason="--cluster needs Ray, which is not installed")
if sys.platform != "linux":
    pytest.skip("a cluster on one machine is Linux's", allow_module_level=True)

from support.ray_cluster import RayCluster, cluster_environment, processes_of

# Read at the start of each Python of a node: no decoder crashes reliably, but a process that opens this name dies.
_DEADLY = """
import os, sys
def end(event, arguments):
    if event == "open" and "deadly" in str(arguments[0]):
        os._exit(13)
sys.addaudithook(end)
"""
_PATIENCE = 240.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(_DEADLY)
    return folder


@pytest.fixture(scope="module")
def environment(folder: Path, warm_cache: Path) -> dict[str, str]:
    return cluster_environment(folder / "home", warm_cache)


@pytest.fixture(scope="module")
def cluster(folder: Path, environment: dict[str, str]) -> Iterator[RayCluster]:
    with RayCluster(folder, environment) as running:
        for _ in range(2):
            running.add(PYTHONPATH=str(folder / "hook"))
        yield running
    assert not processes_of(folder), "a process was left behind"


def links(folder: Path, count: int, *, broken: int = 0) -> Path:
    """A folder of hard links to photos, some of them to broken ones."""
    folder.mkdir()
    kinds = [folder.parent / name for name in ("photo.png", "photo.jpg", "broken.jpg")]
    shutil.copy(SAMPLES / "coffee.png", kinds[0])
    shutil.copy(SAMPLES / "rocket.jpg", kinds[1])
    kinds[2].write_bytes((SAMPLES / "rocket.jpg").read_bytes()[:5000])
    for number in range(count):
        os.link(kinds[2] if broken and number % (count // broken) == 7 else kinds[number % 2], folder / f"{number}.jpg")
    return folder


def started(
    environment: dict[str, str], photos: Path, output: Path, address: str, *more: str
) -> "subprocess.Popen[str]":
    arguments = ["classify", "-m", "lite0", photos, "-o", output, "--cluster", address, "--shard-size", "10", *more]
    return subprocess.Popen(
        [sys.executable, "-m", "resnext", *arguments], env=environment, cwd=output.parent, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


def parts(output: Path) -> list[Path]:
    return sorted(output.glob("part-*.jsonl"))


def rows(output: Path) -> str:
    return "".join(part.read_text() for part in parts(output))


def plain_rows(environment: dict[str, str], photos: Path) -> str:
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", photos]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600).stdout


def workers(cluster: RayCluster) -> list[int]:
    return [pid for node in cluster.nodes if node.process.poll() is None for pid in node.workers()]


def test_killed_workers_machines_and_drivers_lose_nothing_and_do_nothing_twice(
    cluster: RayCluster, folder: Path, environment: dict[str, str]
) -> None:
    photos, output = links(folder / "photos", 150, broken=2), folder / "labels"
    driver = started(environment, photos, output, cluster.address)
    until(lambda: len(parts(output)) >= 2)
    os.kill(random.choice(workers(cluster)), signal.SIGKILL)
    until(lambda: len(parts(output)) >= 5)
    cluster.nodes[0].kill()
    cluster.add(PYTHONPATH=str(folder / "hook"))
    until(lambda: len(parts(output)) >= 9)
    driver.kill()
    driver.communicate()
    until(lambda: not workers(cluster))
    before = {part.name: part.read_bytes() for part in parts(output)}
    resumed = started(environment, photos, output, cluster.address, "--resume", "-v")
    _, said = resumed.communicate(timeout=_PATIENCE)
    assert resumed.returncode == 1, said
    # What failed is done again by --resume, and then stands at the end of its part.
    assert sorted(rows(output).splitlines()) == sorted(plain_rows(environment, photos).splitlines())
    assert all(f"{name.split('.')[0]}: " in said for name in before)
    assert "done before" in said and not list(output.glob(".*"))


def test_a_photo_that_kills_its_worker_costs_one_row(
    cluster: RayCluster, folder: Path, environment: dict[str, str]
) -> None:
    photos, output = links(folder / "mixed", 12), folder / "but-one"
    os.link(photos / "5.jpg", photos / "5-deadly.jpg")
    driver = started(environment, photos, output, cluster.address, "--shard-retries", "0")
    _, said = driver.communicate(timeout=_PATIENCE)
    assert driver.returncode == 1 and "1 failed (worker_died 1)" in said, said
    found = [json.loads(line) for line in rows(output).splitlines()]
    assert len(found) == 13
    assert [row["file"] for row in found if row["error_code"] == "worker_died"] == [str(photos / "5-deadly.jpg")]
    assert {row["status"] for row in found if "deadly" not in row["file"]} == {"ok"}


def test_a_machine_with_another_version_is_refused_in_one_line(
    cluster: RayCluster, folder: Path, environment: dict[str, str]
) -> None:
    other = folder / "other"
    shutil.copytree(REPO / "cli" / "resnext", other / "resnext", ignore=shutil.ignore_patterns("__pycache__"))
    init = other / "resnext" / "__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "99.'))
    cluster.add(cpus=3, PYTHONPATH=str(other))
    driver = started(environment, folder / "mixed", folder / "refused", cluster.address, "--cpus-per-worker", "1")
    _, said = driver.communicate(timeout=_PATIENCE)
    assert driver.returncode == 1, said
    warning, *_ = said.splitlines()
    assert "warning: no worker on" in warning and "it has resnext 99." in warning and "as here" in warning
    assert said.count("warning") == 1


def test_ctrl_c_ends_all_and_says_how_to_go_on(cluster: RayCluster, folder: Path, environment: dict[str, str]) -> None:
    photos, output = links(folder / "many", 1000), folder / "interrupted"
    driver = started(environment, photos, output, cluster.address)
    until(lambda: len(parts(output)) >= 3)  # of two workers: the driver knows of one at least
    driver.send_signal(signal.SIGINT)
    out, said = driver.communicate(timeout=_PATIENCE)
    assert driver.returncode == -signal.SIGINT and out == ""
    assert "--resume goes on" in said.splitlines()[-1] and "Traceback" not in said
    until(lambda: not workers(cluster))
