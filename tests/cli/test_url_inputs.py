"""Addresses through whole processes, against a hostile server on loopback."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hostile_server import HostileServer
from support.program import SAMPLES, RunResnext, clean_environment


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    with HostileServer().running() as running:
        yield running


def test_good_and_bad_addresses_keep_their_places(resnext: RunResnext, server: HostileServer) -> None:
    paths = ["/good", "/missing", "/wrong-type", "/stall-in-body", "/page", "/twice-busy", "/to-file", "/good"]
    camera = str(SAMPLES / "camera.tif")
    done = resnext(
        *("classify", "-m", "lite0", "--timeout", "5", camera, *[server.endpoint + path for path in paths], camera)
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [row["file"] for row in rows] == [camera, *[server.endpoint + path for path in paths], camera]
    assert [row["error_code"] for row in rows] == [
        *("", "", "http", "", "timeout", "not_an_image", "", "http", "", ""),
    ]
    labels = {row["predictions"][0]["label"] for row in rows[1:-1] if row["predictions"]}
    assert labels == {"espresso"}
    assert "Traceback" not in done.stderr and done.stderr.count("\n") == 1


def test_many_addresses_share_the_wait(resnext: RunResnext, server: HostileServer, tmp_path: Path) -> None:
    listed = tmp_path / "addresses.txt"
    listed.write_text("".join(f"{server.endpoint}/slow?{number}\n" for number in range(80)))
    done = resnext("classify", "-m", "lite0", "-k", "1", "--files-from", listed)
    files = [json.loads(line)["file"] for line in done.stdout.splitlines()]
    assert (done.returncode, files) == (0, listed.read_text().splitlines())


def test_whatever_is_damaged_costs_its_own_row(resnext: RunResnext, server: HostileServer, tmp_path: Path) -> None:
    photo = str(SAMPLES / "coffee.png")
    paths = [f"/damaged?{seed}" for seed in range(40)] + [
        "/no-gzip",
        "/damaged-gzip",
        "/raw-deflate",
        "/brotli",
        "/zip",
    ]
    inputs = [photo, *(server.endpoint + path for path in paths), photo]
    done = resnext("classify", "-m", "lite0", "-k", "1", "--timeout", "20", "--retries", "0", *inputs)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["file"] for row in rows] == inputs
    assert [row["status"] for row in rows[-6:]] == ["error", "error", "ok", "error", "error", "ok"]
    assert done.returncode == 1 and "internal" not in done.stderr


def test_what_is_wrong_with_the_environment_costs_the_rows_of_its_addresses(
    resnext: RunResnext, server: HostileServer
) -> None:
    photo, secure = str(SAMPLES / "coffee.png"), server.endpoint.replace("http:", "https:") + "/good"
    stale = {"SSL_CERT_FILE": "/nonexistent/c.pem"}
    for environment, expected in (
        ({}, ["ok", "error", "ok", "ok"]),
        (stale, ["ok", "error", "ok", "ok"]),
        ({"http_proxy": "http://proxy:31a28"}, ["ok", "error", "error", "ok"]),
    ):
        done = resnext(
            *("classify", "-m", "lite0", "--timeout", "60", photo, secure, server.endpoint + "/good", photo),
            env=environment,
        )
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert ([row["status"] for row in rows], done.returncode) == (expected, 1)
        assert environment is not stale or "SSL_CERT_FILE" in done.stdout


@pytest.mark.parametrize("seconds", ["nan", "-1", "0", "inf", "1e300", ""])
def test_a_timeout_that_is_none_is_wrong_usage(resnext: RunResnext, server: HostileServer, seconds: str) -> None:
    done = resnext("classify", "-m", "lite0", "--timeout", seconds, server.endpoint + "/good")
    assert (done.returncode, done.stdout) == (2, "") and "--timeout" in done.stderr


def test_secrets_are_neither_in_rows_nor_in_messages(resnext: RunResnext, server: HostileServer) -> None:
    own = server.endpoint.replace("http://", "http://user:hunter2@")
    done = resnext("classify", "-m", "lite0", own + "/good", own + "/missing")
    assert "hunter2" not in done.stdout + done.stderr
    assert [json.loads(line)["status"] for line in done.stdout.splitlines()] == ["ok", "error"]


def test_offline_leaves_addresses_alone(resnext: RunResnext, server: HostileServer) -> None:
    done = resnext("classify", "-m", "lite0", "--offline", server.endpoint + "/offline")
    assert json.loads(done.stdout)["error_code"] == "network"
    assert not server.asked["/offline"]


def test_finished_rows_are_not_held_back_and_a_leaving_reader_is_not_kept(
    server: HostileServer, tmp_path: Path, warm_cache: Path
) -> None:
    photos = [str(SAMPLES / "coffee.png")] * 2
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", "--timeout", "600", *photos]
    command += [server.endpoint + "/later", *[server.endpoint + "/stall-in-body"] * 3]
    with subprocess.Popen(
        command, env=clean_environment(tmp_path, warm_cache), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["status"] == "ok"
        assert json.loads(process.stdout.readline())["status"] == "ok"
        process.stdout.close()
        assert process.wait(120) == 0  # the stalled ones would take ten minutes
        assert process.stderr.read() == b""
