"""`--cluster` for real: Ray's own processes on loopback, each node with a store and a hub of its own, both empty."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.program import SAMPLES

pytest.importorskip("ray", reason="--cluster needs Ray, which is not installed")
if sys.platform != "linux":
    pytest.skip("a cluster on one machine is Linux's", allow_module_level=True)

from support.ray_cluster import RayCluster, cluster_environment, processes_of

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def environment(folder: Path, warm_cache: Path) -> dict[str, str]:
    return cluster_environment(folder / "home", warm_cache)


@pytest.fixture(scope="module")
def cluster(folder: Path, environment: dict[str, str]) -> Iterator[RayCluster]:
    with RayCluster(folder, environment) as running:
        running.add()
        running.add()
        yield running
    assert not processes_of(folder), "a worker was left behind"


@pytest.fixture(scope="module")
def photos(folder: Path) -> Path:
    """30 photos in two folders, one of them broken, one of a name that is no UTF-8."""
    for number in range(28):
        path = folder / "photos" / f"day{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number < 2:
            shutil.copy(SAMPLES / ("coffee.png", "rocket.jpg")[number], path)
        else:
            os.link(folder / "photos" / f"day{number % 2}" / f"{number % 2}.png", path)
    (folder / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    shutil.copy(SAMPLES / "coffee.png", os.fsencode(folder / "photos") + b"/caf\xe9.png")
    return folder / "photos"


@pytest.fixture(scope="module")
def run(folder: Path, environment: dict[str, str]) -> Run:
    def started(*arguments: str | Path, env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "resnext", *arguments], cwd=folder, env=environment | (env or {}),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    return started


@pytest.fixture(scope="module")
def classified(folder: Path, photos: Path, run: Run, cluster: RayCluster) -> "subprocess.CompletedProcess[str]":
    """One run on two workers, whose parts several tests look at."""
    return run("classify", "-m", "lite0", "photos", "-o", "labels/", "--cluster", cluster.address, "--shard-size", "8")


def parts_of(output: Path, ending: str = "jsonl") -> list[Path]:
    return sorted(output.glob(f"part-?????.{ending}"))


def test_the_rows_are_those_of_the_plain_command(
    classified: "subprocess.CompletedProcess[str]", folder: Path, photos: Path, run: Run, cluster: RayCluster
) -> None:
    assert classified.returncode == 1 and classified.stdout == ""
    assert "29 labelled, 1 failed" in classified.stderr and classified.stderr.count("\n") == 1, classified.stderr
    assert run("classify", "-m", "lite0", "photos", "-o", "plain.jsonl").returncode == 1
    parts = parts_of(folder / "labels")
    assert [part.name for part in parts] == [f"part-0000{number}.jsonl" for number in range(4)]
    assert b"".join(part.read_bytes() for part in parts) == (folder / "plain.jsonl").read_bytes()
    manifest = json.loads((folder / "labels" / "_manifest.json").read_text())
    assert (manifest["complete"], manifest["parts"], manifest["rows"], manifest["failed"]) == (True, 4, 30, 1)
    assert manifest["settings"]["--model"] == "tf_efficientnet_lite0" and manifest["settings"]["weights"]
    assert any(list(node.cache.glob("compiled/*/graph.xml")) for node in cluster.nodes), "came through Ray"


def test_resume_does_what_failed_what_is_missing_and_what_changed_and_refuses_the_rest(
    classified: "subprocess.CompletedProcess[str]", folder: Path, photos: Path, run: Run, cluster: RayCluster
) -> None:
    output = folder / "labels-again"
    shutil.copytree(folder / "labels", output)
    command = ("classify", "-m", "lite0", "photos", "-o", output, "--cluster", cluster.address)
    refused = run(*command)
    assert refused.returncode == 2 and "exists already; give --resume" in refused.stderr
    for more, reason in ((("-k", "3"), "--top-k 5, not 3"), (("--shard-size", "9"), "--shard-size 8, not 9")):
        refused = run(*command, "--resume", *more)
        assert refused.returncode == 2 and reason in refused.stderr and refused.stderr.count("\n") == 1
    before = {part.name: part.stat().st_mtime_ns for part in parts_of(output)}
    (output / "part-00001.jsonl").unlink()
    (output / "_parts" / "part-00001.json").unlink()
    shutil.copy(SAMPLES / "coffee.png", photos / "broken.jpg")
    try:
        done = run(*command, "--resume")
        assert done.returncode == 0 and "9 labelled, 21 done before" in done.stderr
        rows = [json.loads(line) for part in parts_of(output) for line in part.read_text().splitlines()]
        assert len(rows) == len({row["file"] for row in rows}) == 30 and {row["status"] for row in rows} == {"ok"}
        same = [part.name for part in parts_of(output) if part.stat().st_mtime_ns == before[part.name]]
        assert len(same) == 2, "what was whole is as it was"
        assert run(*command, "--resume", "-m", "auto").returncode == 0
    finally:
        (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")


@pytest.mark.parametrize("format", [pytest.param("csv", marks=pytest.mark.slow), "parquet"])
def test_parts_are_read_as_one_data_set(format: str, folder: Path, photos: Path, run: Run, cluster: RayCluster) -> None:
    duckdb, polars, dataset = (pytest.importorskip(each) for each in ("duckdb", "polars", "pyarrow.dataset"))
    output = folder / format
    listed = folder / "list.txt"
    listed.write_text("photos/day0\nphotos/day1\nmissing.jpg\n")
    done = run(
        *("classify", "-m", "lite0", "--files-from", listed, "-o", output, "--format", format, "-k", "1"),
        *("--cluster", cluster.address, "--shard-size", "12"),
    )
    assert done.returncode == 1, done.stderr
    assert len(parts_of(output, format)) == 3
    query = f"select count(*), count(distinct file), sum((status = 'error')::int) from '{output}/*.{format}'"
    assert duckdb.sql(query).fetchall() == [(29, 29, 1)]
    table = (polars.read_csv if format == "csv" else polars.read_parquet)(f"{output}/*.{format}")
    assert table["file"].to_list()[-1] == "missing.jpg" and len(table) == 29
    assert dataset.dataset(output, format=format).count_rows() == 29, "a folder, as Spark reads it"


@pytest.mark.parametrize("format", ["npy", pytest.param("parquet", marks=pytest.mark.slow)])
def test_features_come_in_parts(format: str, folder: Path, photos: Path, run: Run, cluster: RayCluster) -> None:
    import numpy as np

    output = folder / f"vectors-{format}"
    command = ("features", "-m", "lite0", "photos")
    done = run(*command, "-o", output, "--format", format, "--cluster", cluster.address, "--shard-size", "16")
    assert done.returncode == 1, done.stderr
    plain = folder / f"plain.{format}"
    assert run(*command, "-o", plain).returncode == 1
    parts = parts_of(output, format)
    assert len(parts) == 2
    if format == "npy":
        assert np.array_equal(np.concatenate([np.load(part) for part in parts]), np.load(plain))
        index = [json.loads(line) for part in parts_of(output, "npy.jsonl") for line in part.read_text().splitlines()]
        expected = [json.loads(line) for line in plain.with_name("plain.npy.jsonl").read_text().splitlines()]
        assert [(row["file"], row["status"]) for row in index] == [(row["file"], row["status"]) for row in expected]
    else:
        read = pytest.importorskip("pyarrow.parquet").read_table
        assert read(output).equals(read(plain))


def test_archives_stdin_and_frames_travel(folder: Path, photos: Path, run: Run, cluster: RayCluster) -> None:
    from PIL import Image

    shutil.copytree(photos / "day0", folder / "archived")  # tar would keep hard links as links
    for kind in ("zip", "tar", "gztar"):
        shutil.make_archive(str(folder / "archive"), kind, folder, "archived")
    frames = [Image.new("RGB", (300, 300), color) for color in ("red", "green", "blue", "white")]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    command = ("classify", "-m", "lite0", "archive.zip", "archive.tar", "archive.tar.gz", "moving.gif", "-k", "1")
    plain = run(*command, "--frames", "3")
    done = run(
        *(*command, "--frames", "3", "-o", "travelled", "--cluster", cluster.address, "--shard-size", "9"),
    )
    assert done.returncode == plain.returncode == 0, done.stderr
    rows = "".join(part.read_text() for part in parts_of(folder / "travelled"))
    assert rows == plain.stdout and rows.count("\n") > 40


def test_a_cluster_that_is_not_there_is_one_line(run: Run, folder: Path, photos: Path) -> None:
    done = run("classify", "-m", "lite0", photos, "-o", "nowhere", "--cluster", "127.0.0.1:1")
    assert done.returncode == 3 and "can't be reached" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert not (folder / "nowhere").exists()
