"""Results for other programs: formats, templates, summaries, limits, hostile names, failing outputs."""

import base64
import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from support.hostile_names import fill
from support.program import SAMPLES, RunResnext, all_printed, clean_environment
from support.tables import read_tsv

COFFEE, CAMERA, CHINA = SAMPLES / "coffee.png", SAMPLES / "camera.tif", SAMPLES / "china.jpg"


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def paths_in(folder: bytes) -> list[bytes]:
    return sorted(os.path.join(each, name) for each, _, names in os.walk(folder) for name in names)  # noqa: PTH118


@pytest.fixture
def hostile_folder(tmp_path: Path) -> bytes:
    """A photo under each hostile name; those that this file system takes."""
    folder = os.fsencode(tmp_path / "hostile")
    fill(folder, COFFEE.read_bytes())
    return folder


# -- formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz"])
def test_every_row_leads_back_to_its_file(
    resnext: RunResnext, tmp_path: Path, hostile_folder: bytes, ending: str
) -> None:
    """Also through --resume, which finds by those rows what is done."""
    output = tmp_path / f"out.{ending}"
    command = ("classify", "-m", "lite0", "-k", "1", "-o", output, "--resume")
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    first = resnext(*command, hostile_folder)
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    if ending == "parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(output).to_pylist()
    elif ending == "tsv":
        rows = read_tsv(output.read_bytes().decode())
    elif ending == "csv":
        rows = list(csv.DictReader(io.StringIO(output.read_bytes().decode(), newline=""), strict=True))
    elif ending.endswith(".gz"):
        rows = rows_of(gzip.decompress(output.read_bytes()).decode())
    else:
        rows = json.loads(output.read_bytes()) if ending == "json" else rows_of(output.read_text())
    names = [base64.b64decode(row["file_b64"]) if row.get("file_b64") else os.fsencode(row["file"]) for row in rows]
    assert sorted(names) == paths_in(hostile_folder)
    for name in names:
        assert Path(os.fsdecode(name)).read_bytes()[:4] == b"\x89PNG"
    labels = {row["label_1"] if "label_1" in row else row["predictions"][0]["label"] for row in rows}
    assert labels == {"espresso"}
    before = output.read_bytes()
    second = resnext(*command, hostile_folder)
    assert second.returncode == 0 and f"{len(rows)} done before" in second.stderr
    assert second.stderr.startswith("resnext: 0 labelled")
    if ending != "parquet":
        assert output.read_bytes() == before


def test_the_long_form_has_a_row_a_class(resnext: RunResnext, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    options = ("classify", "-m", "lite0", "--exact", "--long", "-k", "3", "--threshold", "0.02", "-o", output)
    assert resnext(*options, COFFEE, "missing.jpg", CHINA).returncode == 1
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert list(rows[0]) == [
        *("file", "status", "model", "rank", "classes", "label", "score", "index", "synset"),
        *("error_code", "error", "file_b64"),
    ]
    assert [(row["rank"], row["classes"], row["error_code"]) for row in rows] == [
        *(("1", "1", ""), ("", "0", "not_found"), ("1", "3", ""), ("2", "3", ""), ("3", "3", "")),
    ]
    assert [row["label"] for row in rows[:2]] == ["espresso", ""]
    # Cut between the classes of a photo, as a power cut may leave it: that photo is done again.
    lines = output.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join(lines[:-1]))
    again = resnext(*options, "--resume", COFFEE, "missing.jpg", CHINA)
    assert "1 labelled, 1 failed (not_found 1), 1 done before" in again.stderr
    assert sorted(output.read_bytes().splitlines(keepends=True)) == sorted(lines)
    refused = resnext("classify", "-m", "lite0", "--long", "--json", COFFEE)
    assert refused.returncode == 2 and "--long" in refused.stderr


def test_tabs_and_line_breaks_are_escaped_in_tsv(resnext: RunResnext, tmp_path: Path) -> None:
    name = tmp_path / "a\tb\nc\\d.png"
    done = resnext("classify", "-m", "lite0", "-k", "1", "-f", "tsv", name)
    header, row, *rest = done.stdout.split("\n")
    assert rest == [""] and row.count("\t") == header.count("\t")
    assert row.split("\t")[0] == str(tmp_path / r"a\tb\nc\\d.png")


def test_a_dash_is_stdout(resnext: RunResnext, tmp_path: Path) -> None:
    done = resnext("classify", "-m", "lite0", "-o", "-", "-f", "csv", COFFEE, cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("file,status,model,label_1")
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("ending", ["jsonl.gz", "csv.gz"])
def test_packed_rows_go_on(resnext: RunResnext, tmp_path: Path, ending: str) -> None:
    """Their unpacked rows gather beside them; the packed file is whole whenever it is there."""
    output = tmp_path / f"out.{ending}"
    options = ("classify", "-m", "lite0", "--exact", "-k", "1", "-o", output, "--resume")
    assert resnext(*options, COFFEE, "missing.jpg").returncode == 1
    first = gzip.decompress(output.read_bytes())
    done = resnext(*options, COFFEE, "missing.jpg", CAMERA)
    assert done.returncode == 1 and "1 done before" in done.stderr
    lines = gzip.decompress(output.read_bytes()).splitlines()
    assert len(lines) == 3 + ending.startswith("csv") and set(first.splitlines()) < set(lines)
    assert subprocess.run(["gzip", "-t", output]).returncode == 0
    output.write_bytes(output.read_bytes()[:-5])
    before = output.read_bytes()
    damaged = resnext(*options, COFFEE)
    assert damaged.returncode == 2 and "not written by resnext" in damaged.stderr and output.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_json_on_a_terminal_is_readable_and_harmless(tmp_path: Path, warm_cache: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    name = "猫 \u202e\x1b[31m.jpg"
    done = subprocess.run(
        [sys.executable, "-m", "resnext", "classify", "-m", "lite0", "--json", name],
        env=clean_environment(tmp_path / "home", warm_cache),
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(follower)
    printed = all_printed(leader).decode()
    os.close(leader)
    assert done.returncode == 1 and "猫" in printed
    assert "\x1b" not in printed and "\u202e" not in printed
    assert json.loads(printed)["file"] == name


def test_a_template_makes_lines_of_ones_own(resnext: RunResnext) -> None:
    done = resnext(
        "classify", "-m", "lite0", "--template", r"{label}\t{score:.2f}\t{error_code}", COFFEE, "missing.jpg"
    )
    assert (done.returncode, done.stdout) == (1, "espresso\t0.95\t\n\t\tnot_found\n")
    refused = resnext("classify", "-m", "lite0", "--template", "{file.__class__}", COFFEE)
    assert (refused.returncode, refused.stdout) == (2, "") and refused.stderr.count("\n") == 1


def test_logits_and_thresholds(resnext: RunResnext) -> None:
    def predictions(*options: str) -> list[dict[str, Any]]:
        row: dict[str, Any] = rows_of(resnext("classify", "-m", "lite0", "--exact", *options, CHINA).stdout)[0]
        return row["predictions"]  # type: ignore[no-any-return]

    prob, logit = predictions("-k", "3"), predictions("-k", "3", "--output-type", "logit")
    assert [each["index"] for each in prob] == [each["index"] for each in logit]
    assert logit[0]["score"] > 1 > prob[0]["score"]
    import math

    ratio = math.log(prob[0]["score"] / prob[1]["score"])
    assert logit[0]["score"] - logit[1]["score"] == pytest.approx(ratio, abs=1e-4)
    assert predictions("--output-type", "logit", "--threshold", "0.9") == []


def test_a_json_array_on_stdout_is_whole_also_when_the_run_is_stopped(resnext: RunResnext) -> None:
    done = resnext("classify", "-m", "lite0", "-f", "json", COFFEE, "missing.jpg", CAMERA)
    assert [row["status"] for row in json.loads(done.stdout)] == ["ok", "error", "ok"]
    stopped = resnext("classify", "-m", "lite0", "-f", "json", "--strict", COFFEE, "missing.jpg", CAMERA)
    assert stopped.returncode == 3
    assert [row["status"] for row in json.loads(stopped.stdout)] == ["ok", "error"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_an_interrupt_leaves_a_whole_file(tmp_path: Path, warm_cache: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    output, part = tmp_path / f"out.{ending}", tmp_path / f"out.{ending}.part"
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", "-o", str(output), *[str(CHINA)] * 5000]
    with subprocess.Popen(command, env=clean_environment(tmp_path, warm_cache), stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 60
        while time.monotonic() < end and not (part.exists() and part.stat().st_size > 2000):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    if ending == "json":
        rows = json.loads(output.read_bytes())
    else:
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(output).to_pylist()
    assert 0 < len(rows) < 5000 and {row["status"] for row in rows} == {"ok"}
    assert not part.exists()


# -- limits, summaries, listings -------------------------------------------------------------------------------------


def test_strict_and_max_errors_stop_and_keep_the_rows(resnext: RunResnext, tmp_path: Path) -> None:
    output, summary = tmp_path / "out.jsonl", tmp_path / "summary.json"
    inputs = [COFFEE, "missing-1.jpg", CAMERA, "missing-2.jpg", CHINA]
    strict = resnext("classify", "-m", "lite0", "--strict", "-o", output, "--summary-file", summary, *inputs)
    assert strict.returncode == 3
    assert strict.stderr.splitlines()[-1].startswith("resnext: error: stopped at the first failure: missing-1.jpg")
    assert [row["status"] for row in rows_of(output.read_text())] == ["ok", "error"]
    assert json.loads(summary.read_text())["complete"] is False
    second = resnext("classify", "-m", "lite0", "--max-errors", "2", *inputs)
    assert second.returncode == 3 and len(rows_of(second.stdout)) == 4
    enough = resnext("classify", "-m", "lite0", "--max-errors", "3", *inputs)
    assert enough.returncode == 1 and len(rows_of(enough.stdout)) == 5


def test_a_summary_says_what_the_run_did(resnext: RunResnext, tmp_path: Path) -> None:
    output, summary = tmp_path / "out.csv", tmp_path / "summary.json"
    options = ("-m", "lite0", "-o", output, "--resume", "--summary-file", summary, "--threshold", "0.6")
    first = resnext("classify", *options, COFFEE, CHINA, "missing.jpg")
    assert first.returncode == 1
    assert first.stderr.startswith("resnext: 2 labelled (1 below the threshold), 1 failed (not_found 1) in ")
    again = resnext("classify", *options, COFFEE, CHINA, "missing.jpg", CAMERA)
    assert "1 labelled, 1 failed (not_found 1), 2 done before" in again.stderr
    figures = json.loads(summary.read_text())
    assert figures["seconds"] > 0 and figures["photos_per_second"] > 0
    expected = {
        "labelled": 1,
        "abstained": 0,
        "failed": 1,
        "failures": {"not_found": 1},
        "skipped": 2,
        "complete": True,
    }
    assert {key: figures[key] for key in expected} == expected
    assert figures["model"] == "tf_efficientnet_lite0"


def test_a_summary_replaces_nothing_but_a_summary(resnext: RunResnext, tmp_path: Path) -> None:
    precious = tmp_path / "precious.json"
    precious.write_text("[1]")
    done = resnext("classify", "-m", "lite0", "--summary-file", precious, COFFEE)
    assert (done.returncode, done.stdout, precious.read_text()) == (2, "", "[1]")


def test_a_dry_run_lists_and_needs_no_model(resnext: RunResnext, tmp_path: Path, hostile_folder: bytes) -> None:
    cold = tmp_path / "no-cache"
    listed = resnext("classify", "-m", "no-such-model", "--dry-run", SAMPLES, "missing.jpg", cache=cold)
    photos = [str(path) for path in sorted(SAMPLES.iterdir()) if path.suffix != ".md"]
    assert (listed.returncode, listed.stdout.splitlines()) == (1, [*photos, "missing.jpg"])
    assert not cold.exists()
    rows = rows_of(resnext("classify", "--dry-run", "-f", "jsonl", hostile_folder, cache=cold).stdout)
    names = [base64.b64decode(row["file_b64"]) if row["file_b64"] else os.fsencode(row["file"]) for row in rows]
    assert sorted(names) == paths_in(hostile_folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    nothing = resnext("classify", "--dry-run", empty, cache=cold)
    assert nothing.returncode == 1 and "no images" in nothing.stderr


def test_a_dry_run_of_a_resumed_run_lists_what_is_left(resnext: RunResnext, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    resnext("classify", "-m", "lite0", "-o", output, COFFEE, "missing.jpg")
    before = output.read_bytes()
    done = resnext("classify", "--dry-run", "-o", output, "--resume", COFFEE, "missing.jpg", CAMERA)
    assert done.stdout.splitlines() == ["missing.jpg", str(CAMERA)]
    assert output.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--resume",), 2, "--output"),
        (("--resume", "--overwrite", "-o", "x.jsonl"), 2, "contradict"),
        (("--resume", "-o", "x.txt"), 2, "table"),
        (("-f", "parquet"), 2, "--output"),
        (("--template", "{file}", "--json"), 2, "contradict"),
        (("--template", "{nothing}"), 2, "no field"),
        (("--output-type", "percent"), 2, "--output-type"),
        (("--max-errors", "0"), 2, "--max-errors"),
        (("--summary-file", "/nowhere/s.json"), 3, "/nowhere/s.json"),
    ],
)
def test_wrong_usage_is_said_before_a_model_is_loaded(
    resnext: RunResnext, tmp_path: Path, options: tuple[str, ...], code: int, words: str
) -> None:
    done = resnext("classify", "-m", "no-such-model", *options, COFFEE, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr and "no-such-model" not in done.stderr and "Traceback" not in done.stderr


# -- outputs that fail -----------------------------------------------------------------------------------------------


def test_a_closed_stdout_is_one_line(resnext: RunResnext, tmp_path: Path, warm_cache: Path) -> None:
    def shell(line: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", f'"{sys.executable}" -m resnext classify -m lite0 "{COFFEE}" {line}'],
            env=clean_environment(tmp_path / "home", warm_cache),
            capture_output=True,
            text=True,
            timeout=60,
        )

    closed = shell(">&-")
    assert (closed.returncode, closed.stderr.count("\n")) == (3, 1) and "--output" in closed.stderr
    output = tmp_path / "out.jsonl"
    assert shell(f'-o "{output}" >&- 2>&- <&-').returncode == 0
    assert rows_of(output.read_text())[0]["predictions"][0]["label"] == "espresso"
    deaf = shell("missing.jpg 2>/dev/full")
    assert deaf.returncode == 1 and len(rows_of(deaf.stdout)) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_as_output(resnext: RunResnext) -> None:
    done = resnext("classify", "-m", "lite0", "-f", "csv", "-o", "/dev/full", COFFEE)
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and "No space left" in done.stderr
    assert resnext("classify", "-m", "lite0", "-f", "csv", "-o", "/dev/null", COFFEE).returncode == 0
    into_pipe = resnext("classify", "-m", "lite0", "-f", "jsonl", "-o", "/dev/stdout", COFFEE)
    assert into_pipe.returncode == 0 and len(rows_of(into_pipe.stdout)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="limits as POSIX has them")
@pytest.mark.parametrize(("ending", "old"), [("jsonl", False), ("csv", True), ("json", True)])
def test_a_disk_that_fills_up_costs_no_whole_row_and_no_old_file(
    resnext: RunResnext, tmp_path: Path, ending: str, old: bool
) -> None:
    """RLIMIT_FSIZE stands for the full disk: the write that crosses it fails half done."""
    import resource

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

    output = tmp_path / f"out.{ending}"
    options = ("-m", "lite0", "-o", output)
    if old:
        output.write_bytes(b"precious\n")
    done = resnext(
        "classify", *options, "--overwrite", *[COFFEE] * 30,
        preexec_fn=limit,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "can't write the results: File too large" in done.stderr
    if old:
        assert output.read_bytes() == b"precious\n"
    resumed = resnext("classify", *options, "--resume", *[COFFEE] * 30)
    assert resumed.returncode == 0 and " done before" in resumed.stderr
    content = output.read_text()
    rows = {"jsonl": rows_of, "json": json.loads, "csv": lambda text: list(csv.DictReader(io.StringIO(text)))}[ending](
        content
    )
    assert len(rows) == 30 and {row["status"] for row in rows} == {"ok"}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_one_line(resnext: RunResnext, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    old = folder / "old.jsonl"
    old.write_text("precious\n")
    folder.chmod(0o500)
    for options in (("-o", folder / "new.jsonl"), ("-o", old, "--overwrite")):
        done = resnext("classify", "-m", "lite0", *options, COFFEE)
        assert done.returncode == 3 and done.stderr.count("\n") == 1 and "no permission" in done.stderr
    assert old.read_text() == "precious\n"
