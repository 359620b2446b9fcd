"""Nothing that was computed is lost or mixed, and nothing that a run did not make is touched."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from support.program import PROGRAM, SAMPLES, RunResnext, clean_environment
from support.results import files_in, rows_of, snapshot

COFFEE, CAMERA, CHINA = SAMPLES / "coffee.png", SAMPLES / "camera.tif", SAMPLES / "china.jpg"
posix = pytest.mark.skipif(sys.platform == "win32", reason="locks and links as POSIX has them")


# -- two runs, one file ----------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("command", "ending", "old"),
    [
        *(("classify", ending, old) for ending in ("jsonl", "json") for old in (False, True)),
        *(("features", ending, old) for ending in ("npy", "npz") for old in (False, True)),
        *(("classify", "csv", False), ("classify", "parquet", True), ("features", "parquet", True)),
    ],
)
def test_overwrite_keeps_off_a_file_that_another_run_is_writing(
    resnext: RunResnext, tmp_path: Path, warm_cache: Path, command: str, ending: str, old: bool
) -> None:
    """The first run waits for its list meanwhile; both runs end as they should."""
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    folder = tmp_path / "results"
    folder.mkdir()
    output = folder / f"out.{ending}"
    options = (command, "-m", "lite0", "-o", output)
    if old:
        assert resnext(*options, CHINA).returncode == 0
    command_line = [sys.executable, "-m", "resnext", *options, "--overwrite", "--files-from", "-"]
    with subprocess.Popen(
        command_line,
        env=clean_environment(tmp_path / "home", warm_cache),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as first:
        assert first.stdin is not None
        first.stdin.write(f"{COFFEE}\n".encode())
        first.stdin.flush()
        end = time.monotonic() + 60
        while not any(str(COFFEE).encode() in each for each in contents(folder)):
            assert time.monotonic() < end and first.poll() is None
            time.sleep(0.02)
        before = snapshot(folder)
        for how in ("--overwrite", "--resume") if old else ("--overwrite",):
            second = resnext(*options, how, CAMERA)
            assert second.returncode == 3 and second.stderr.count("\n") == 1, second.stderr
            assert "another run is writing it" in second.stderr
        assert snapshot(folder) == before
        first.communicate(f"{CAMERA}\n".encode(), timeout=60)
    assert first.returncode == 0
    assert files_in(output) == [str(COFFEE), str(CAMERA)]


@posix
@pytest.mark.parametrize(
    ("command", "output", "words"),
    [
        ("classify", "out.jsonl", "another run is writing it"),
        ("features", "out.npy", "another run is writing it"),
        ("tag", "out.jsonl", "another run is writing it"),
        ("train", "model", "another run is training it"),
    ],
)
def test_of_two_runs_that_start_at_once_one_is_refused_before_its_model_is_loaded(
    resnext: RunResnext, tmp_path: Path, command: str, output: str, words: str
) -> None:
    """The first waits for a hub that does not answer; the second does not even ask it."""
    for name, photo in (("a", COFFEE), ("b", CAMERA)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        shutil.copy(photo, tmp_path / "photos" / name)
    options = (command, "-m", "50-32x4d", "-o", output, "photos")
    with socket.create_server(("127.0.0.1", 0)) as hub:
        hub.settimeout(60)
        online = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}", "HF_HUB_OFFLINE": "0"}
        with subprocess.Popen(
            [*PROGRAM, *options],
            cwd=tmp_path,
            env=clean_environment(tmp_path / "home", tmp_path / "cache") | online,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as first:
            try:
                with hub.accept()[0]:
                    before = sorted(path.name for path in tmp_path.iterdir())
                    second = resnext(*options, cwd=tmp_path, cache=tmp_path / "cache", env=online, timeout=60)
                    hub.setblocking(False)
                    with pytest.raises(BlockingIOError):
                        hub.accept()
            finally:
                first.kill()
    assert (second.returncode, second.stderr) == (3, f"resnext: error: {output}: {words}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def contents(folder: Path) -> list[bytes]:
    """Of all files that are there long enough to be read."""
    found = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            found.append(path.read_bytes())
    return found


# -- no path twice ---------------------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize(
    ("output", "other", "how"),
    [
        *(("out.jsonl", "out.jsonl", how) for how in ("same", "dotted", "symbolic", "hard")),
        *(("out.json", f"out.json{each}", "same") for each in (".run.json", ".part", ".part.run.json")),
        *(("out.npy", "out.npy.jsonl", how) for how in ("same", "symbolic", "hard")),
        *(("out.npy", f"out.npy{each}", "same") for each in ("", ".run.json", ".part.pooled.npy", ".part.jsonl")),
    ],
)
def test_a_summary_never_takes_the_place_of_results(
    resnext: RunResnext, tmp_path: Path, result_of: Callable[[str, str], Path], output: str, other: str, how: str
) -> None:
    folder = tmp_path / "results"
    kind = "features" if ".npy" in output else "classify"
    shutil.copytree(result_of(kind, output.removeprefix("out.")), folder)
    command = (kind, "-m", "lite0", "-o", folder / output)
    target = folder / other
    summary = {
        "same": target,
        "dotted": folder / "." / ".." / "results" / other,
        "symbolic": tmp_path / "link.json",
        "hard": tmp_path / "link.json",
    }[how]
    if how == "symbolic":
        summary.symlink_to(target)
    elif how == "hard":
        os.link(target, summary)
    before = snapshot(folder)
    done = resnext(*command, "--overwrite", "--summary-file", summary, CAMERA)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "--summary-file" in done.stderr
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("output", "own"),
    [
        *(("out.json", each) for each in ("out.json.part", "out.json.new", "out.json.part.run.json")),
        *(("out.jsonl", each) for each in ("out.jsonl.part", "out.jsonl.new", "out.jsonl.run.json.new")),
        *(("out.npz", each) for each in ("out.npz.new", "out.npz.part.jsonl", "out.npz.jsonl")),
    ],
)
def test_files_that_no_run_has_made_are_left_alone(resnext: RunResnext, tmp_path: Path, output: str, own: str) -> None:
    """Whatever the run does: it ends well beside them, or says what is in its way."""
    command = ("features" if output.endswith(".npz") else "classify", "-m", "lite0", "-o", tmp_path / output)
    (tmp_path / own).write_text("precious\n")
    for options in ((), ("--overwrite",), ("--resume", "missing.jpg")):
        done = resnext(*command, *options, COFFEE)
        assert (tmp_path / own).read_text() == "precious\n", options
        assert done.returncode in (0, 1) or own in done.stderr or "exists already" in done.stderr


# -- features and their index ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize("missing", ["index", "array"])
def test_resume_refuses_where_half_of_a_result_is_gone(
    resnext: RunResnext, tmp_path: Path, ending: str, missing: str
) -> None:
    output = tmp_path / f"out.{ending}"
    index = tmp_path / f"out.{ending}.jsonl"
    command = ("features", "-m", "lite0", "-o", output, "--resume")
    assert resnext(*command, COFFEE).returncode == 0
    (index if missing == "index" else output).unlink()
    before = snapshot(tmp_path)
    done = resnext(*command, COFFEE, CAMERA)
    assert done.returncode == 2 and "is gone" in done.stderr and done.stderr.count("\n") == 1
    assert snapshot(tmp_path) == before


def test_features_and_labels_of_one_name_live_side_by_side(resnext: RunResnext, tmp_path: Path) -> None:
    for _ in range(2):
        assert resnext("features", "-m", "lite0", "-o", tmp_path / "p.npy", "--resume", COFFEE).returncode == 0
        assert resnext("classify", "-m", "lite0", "-o", tmp_path / "p.jsonl", "--resume", COFFEE).returncode == 0
    assert files_in(tmp_path / "p.npy") == files_in(tmp_path / "p.jsonl") == [str(COFFEE)]


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_a_run_of_the_first_version_is_gone_on_with(resnext: RunResnext, tmp_path: Path, ending: str) -> None:
    """Its index stood at NAME.jsonl, and said of an error `null` or code and message."""
    output = tmp_path / f"out.{ending}"
    command = ("features", "-m", "lite0", "--exact", "-o", output, "--resume")
    assert resnext(*command, COFFEE, "missing.jpg", CAMERA).returncode == 1
    vectors = np.load(output) if ending == "npy" else np.load(output)["pooled"]
    index, note = tmp_path / f"out.{ending}.jsonl", tmp_path / f"out.{ending}.run.json"
    expected = [row for row in rows_of(index) if row["status"] == "ok"]
    old_lines = []
    for row in rows_of(index):
        error = {"code": row["error_code"], "message": row["error"]} if row["error"] else None
        old = {"file": row["file"], "status": row["status"], "row": row["row"], "error": error}
        old_lines.append(json.dumps(old) + "\n")
    (tmp_path / "out.jsonl").write_text("".join(old_lines))
    index.unlink()
    content = json.loads(note.read_bytes())
    settings = content["settings"] | {"--precision": "fp32", "--frames": 1}
    note.write_text(json.dumps({"version": 1, "command": "features", "settings": settings, "ended": True}))
    done = resnext(*command, COFFEE, "missing.jpg", CAMERA, CHINA)
    assert done.returncode == 1 and "2 done before" in done.stderr, done.stderr
    assert not (tmp_path / "out.jsonl").exists()
    rows = rows_of(index)
    assert rows[:2] == expected and [row["row"] for row in rows] == [0, 1, None, 2]
    found = np.load(output) if ending == "npy" else np.load(output)["pooled"]
    np.testing.assert_array_equal(found[:2], vectors)
    assert len(found) == 3


# -- outputs that can't be -------------------------------------------------------------------------------------------


@posix
def test_a_place_that_is_none_is_one_line(tmp_path: Path, warm_cache: Path) -> None:
    gone = tmp_path / "gone"
    names = {"in a folder that is gone": "out.jsonl", "too long": str(tmp_path / ("n" * 250 + ".jsonl"))}
    for command, ending in (("classify", "jsonl"), ("features", "npy")):
        for what, name in names.items():
            gone.mkdir()
            line = f'cd "{gone}" && rmdir "{gone}" && exec "{sys.executable}" -m resnext {command} -m lite0 "$@"'
            output = name.replace("jsonl", ending)
            done = subprocess.run(
                ["sh", "-c", line, "sh", "-o", output, COFFEE],
                env=clean_environment(tmp_path / "home", warm_cache),
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode in (2, 3) and done.stderr.count("\n") == 1, (what, done.stderr)
            assert "can't write the results" in done.stderr or "longer than" in done.stderr


def test_features_where_nothing_worked(resnext: RunResnext, tmp_path: Path) -> None:
    """A table without vectors; nothing at all on stdout, so that its reader fails too."""
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "out.parquet"
    done = resnext("features", "-m", "lite0", "-o", output, "--resume", "missing.jpg")
    assert done.returncode == 1, done.stderr
    table = parquet.read_table(output)
    assert table.column("error_code").to_pylist() == ["not_found"] and table.column("vector").null_count == 1
    again = resnext("features", "-m", "lite0", "-o", output, "--resume", "missing.jpg", COFFEE)
    assert again.returncode == 1 and parquet.read_table(output).column("status").to_pylist() == ["error", "ok"]
    piped = resnext("features", "-m", "lite0", "missing.jpg")
    assert (piped.returncode, piped.stdout) == (1, "") and "nothing is written to stdout" in piped.stderr


def test_an_index_on_stdout_is_refused(resnext: RunResnext, tmp_path: Path) -> None:
    done = resnext("features", "-m", "lite0", "-o", "-", "--index", "-", COFFEE, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "") and "--index" in done.stderr
    assert not (tmp_path / "-").exists()
