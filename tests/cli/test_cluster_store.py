"""A store on loopback that speaks S3: photos out of it, parts into it, by the workers of a cluster of this machine."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.program import SAMPLES
from support.ray_cluster import cluster_environment, free_port, is_listening, processes_of

for package in ("ray", "moto", "flask", "s3fs"):
    pytest.importorskip(package, reason=f"the store of the test needs {package}")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A store with an empty bucket; gives what finds it."""
    port = free_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with (tmp_path / "store.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", str(port)], stdout=log, stderr=log)
    deadline = time.monotonic() + 120
    while not is_listening(port):
        assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "store.log").read_text()
        time.sleep(0.1)
    yield environment
    server.kill()
    server.wait()


def in_store(environment: dict[str, str], script: str) -> Any:
    """Do something in the store, from outside; gives what is printed as JSON."""
    code = f"import json, s3fs\nfiles = s3fs.S3FileSystem()\n{script}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout or "null")


def test_photos_from_a_store_and_parts_into_it(tmp_path: Path, warm_cache: Path, store: dict[str, str]) -> None:
    others = set(processes_of(tmp_path))  # the store
    environment = cluster_environment(tmp_path / "home", warm_cache, **store)
    coffee, rocket = str(SAMPLES / "coffee.png"), str(SAMPLES / "rocket.jpg")
    put = [f"files.put_file({(coffee, rocket)[number % 2]!r}, 's3://photos/{number}.jpg')" for number in range(6)]
    in_store(environment, "\n".join(["files.mkdir('photos')", "files.mkdir('labels')", *put]))
    in_store(environment, "files.pipe_file('s3://photos/7.jpg', b'\\xff\\xd8\\xff\\xe0')")

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "resnext", "classify", "-m", "lite0", "s3://photos/", *arguments], env=environment,
            cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    cluster = ("-o", "s3://labels/run/", "--cluster", "local", "--shard-size", "4")
    done = run(*cluster)
    assert done.returncode == 1 and "6 labelled, 1 failed (corrupt 1)" in done.stderr, done.stderr
    plain = run()
    reading = "print(json.dumps({name: files.cat_file(name).decode() for name in files.find('labels')}))"
    found = in_store(environment, reading)
    assert [*found] == [
        "labels/run/_manifest.json",
        *(f"labels/run/_parts/part-0000{number}.json" for number in (0, 1)),
        *(f"labels/run/part-0000{number}.jsonl" for number in (0, 1)),
    ]
    assert "".join(found[name] for name in found if name.endswith(".jsonl")) == plain.stdout
    in_store(environment, f"files.put_file({coffee!r}, 's3://photos/7.jpg')")
    done = run(*cluster, "--resume")
    assert done.returncode == 0 and "1 labelled, 6 done before" in done.stderr, done.stderr
    assert json.loads(in_store(environment, reading)["labels/run/_manifest.json"])["complete"] is True
    refused = run("-o", "s3://nowhere/run/", "--cluster", "local")
    assert refused.returncode == 3 and refused.stderr.startswith("resnext: error: s3://nowhere/run/: can't")
    assert refused.stderr.count("\n") == 1, refused.stderr
    deadline = time.monotonic() + 120  # Ray's own processes end a little later than the command
    while left := set(processes_of(tmp_path)) - others:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)
