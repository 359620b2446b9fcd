"""What a shell can name, through whole processes: patterns, lists, pipes, stdin."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.program import SAMPLES, RunResnext, clean_environment

COFFEE, CAMERA = str(SAMPLES / "coffee.png"), str(SAMPLES / "camera.tif")


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def files_of(text: str) -> list[str]:
    return [row["file"] for row in rows_of(text)]


def labels_of(text: str) -> list[str | None]:
    return [row["predictions"][0]["label"] if row["predictions"] else None for row in rows_of(text)]


def test_everything_in_one_call_in_the_order_given(resnext: RunResnext, tmp_path: Path) -> None:
    odd = tmp_path / "[a]*.png"
    shutil.copy(COFFEE, odd)
    listed = tmp_path / "list.txt"
    listed.write_text(f"{CAMERA}\nmissing.jpg\n{tmp_path}/*.png\nfile://{COFFEE}\n")
    done = resnext(
        *("classify", "-m", "lite0", f"{SAMPLES}/c[ao]*.*", odd, "nothing/*.jpg", "--files-from", listed), cwd=tmp_path
    )
    assert done.returncode == 1
    assert files_of(done.stdout) == [
        *(CAMERA, COFFEE, str(odd), "nothing/*.jpg", CAMERA, "missing.jpg", str(odd), COFFEE),
    ]
    codes = [row["error_code"] for row in rows_of(done.stdout)]
    assert codes == ["", "", "", "no_images", "", "not_found", "", ""]


def test_image_bytes_on_stdin(resnext: RunResnext) -> None:
    with Path(COFFEE).open("rb") as photo:
        done = resnext("classify", "-m", "lite0", CAMERA, "-", stdin=photo)
    assert done.returncode == 0
    assert list(zip(files_of(done.stdout), labels_of(done.stdout), strict=True)) == [
        (CAMERA, "tripod"),
        ("-", "espresso"),
    ]
    with Path("/dev/zero").open("rb") as endless:
        done = resnext("classify", "-m", "lite0", "-", "--max-file-size", "1", stdin=endless)
    assert rows_of(done.stdout)[0]["error_code"] == "too_large"


def test_a_pipe_is_a_list(resnext: RunResnext, tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_text(f"{COFFEE}\n\n{CAMERA}")
    for arguments in ((), ("--files-from", "-")):
        with listed.open("rb") as stream:
            done = resnext("classify", "-m", "lite0", *arguments, stdin=stream)
        assert (done.returncode, labels_of(done.stdout)) == (0, ["espresso", "tripod"])


def test_names_with_anything_in_them_through_nul(resnext: RunResnext, tmp_path: Path) -> None:
    import base64

    names = [b"-rf", b"new\nline.png", b" blank ", b"caf\xe9.png", b"http:x", b"- -", b"*"]
    for name in names:
        shutil.copy(COFFEE, os.fsencode(tmp_path) + b"/" + name)
    (tmp_path / "list").write_bytes(b"\0".join(names) + b"\0")
    with (tmp_path / "list").open("rb") as stream:
        done = resnext("classify", "-m", "lite0", "-0", stdin=stream, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = [
        base64.b64decode(row["file_b64"]) if row["file_b64"] else row["file"].encode() for row in rows_of(done.stdout)
    ]
    assert found == names


def test_the_failures_of_a_run_are_the_list_of_the_next(resnext: RunResnext, tmp_path: Path) -> None:
    late = tmp_path / "late\udcff.png"
    output = tmp_path / "labels.jsonl"
    assert resnext("classify", "-m", "lite0", COFFEE, late, "-o", output).returncode == 1
    failed = tmp_path / "failed.jsonl"
    failed.write_text(
        "".join(line for line in output.read_text().splitlines(True) if '"error"' in line.split("model")[0])
    )
    shutil.copy(COFFEE, late)
    done = resnext("classify", "-m", "lite0", "--files-from", failed)
    assert (done.returncode, labels_of(done.stdout)) == (0, ["espresso"])


def test_a_listing_says_what_is_not_there(resnext: RunResnext, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    shutil.copy(COFFEE, tmp_path / "dir" / "a.png")
    (tmp_path / "dir" / "gone.png").symlink_to("nowhere")
    done = resnext("classify", "--dry-run", "--json", "nope", "dir", cwd=tmp_path)
    rows = rows_of(done.stdout)
    assert [(row["file"], row["error_code"]) for row in rows] == [
        ("nope", "not_found"), ("dir/a.png", ""), ("dir/gone.png", "not_found"),
    ]  # fmt: skip
    assert done.returncode == 1 and "nope: no such file" in done.stderr


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv"])
def test_rows_of_an_earlier_run_are_a_list_from_a_pipe(resnext: RunResnext, tmp_path: Path, form: str) -> None:
    output = tmp_path / f"labels.{form}"
    assert resnext("classify", "-m", "lite0", "-k", "1", COFFEE, CAMERA, "gone.png", "-o", output).returncode == 1
    for arguments in ((), ("--files-from", "-"), ("--column", "file")):
        with output.open("rb") as stream:
            done = resnext("classify", "-m", "lite0", *arguments, stdin=stream)
        assert files_of(done.stdout) == [COFFEE, CAMERA, "gone.png"]


def test_tables_have_columns(resnext: RunResnext, tmp_path: Path) -> None:
    table = tmp_path / "photos.csv"
    table.write_text(f"id,photo\n1,{COFFEE}\n2,{CAMERA}\n")
    done = resnext("classify", "-m", "lite0", "--files-from", table, "--column", "photo")
    assert labels_of(done.stdout) == ["espresso", "tripod"]
    with table.open("rb") as stream:
        done = resnext("classify", "-m", "lite0", "--column", "photo", stdin=stream)
    assert labels_of(done.stdout) == ["espresso", "tripod"]
    done = resnext("classify", "-m", "lite0", "--files-from", table)
    assert done.returncode == 2 and "id, photo" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "nothing to do"),
        (("--files-from", "-"), "stdin"),
        (("--files-from", "/nowhere/list"), "/nowhere/list"),
        (("-0", COFFEE), "there is no list"),
        (("-0", "--column", "x", "--files-from", "x.csv"), "contradict"),
        (("-", "-"), "only once"),
        (("-", "--files-from", "-"), "only once"),
    ],
)
def test_nothing_to_read_is_wrong_usage(resnext: RunResnext, arguments: tuple[str, ...], words: str) -> None:
    done = resnext("classify", "-m", "lite0", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"\n\n", Path(COFFEE).read_bytes()])
def test_a_list_without_entries_is_nothing_to_do(resnext: RunResnext, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "list").write_bytes(content)
    with (tmp_path / "list").open("rb") as stream:
        done = resnext("classify", "-m", "lite0", stdin=stream)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_row_comes_while_the_pipe_is_still_open(tmp_path: Path, warm_cache: Path) -> None:
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0"]
    with subprocess.Popen(
        command,
        env=clean_environment(tmp_path, warm_cache),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        for photo, label in ((COFFEE, "espresso"), (CAMERA, "tripod")):
            process.stdin.write(f"{photo}\n".encode())
            process.stdin.flush()
            assert labels_of(process.stdout.readline().decode()) == [label]
        # A reader that leaves ends the run although the list goes on; the next row finds out.
        process.stdout.close()
        process.stdin.write(f"{COFFEE}\n".encode())
        process.stdin.flush()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_a_long_list_is_not_read_before_it_is_needed(tmp_path: Path, warm_cache: Path) -> None:
    """Memory with 60,000 listed files is that with 100; the figures for a million are measured apart."""
    import resource

    def peak(count: int) -> int:
        listed = tmp_path / "list"
        listed.write_text(COFFEE + "\n" + "".join(f"/nowhere/{number:040}.jpg\n" for number in range(count)))
        code = (
            "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL,"
            " stderr=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
        )
        command = [sys.executable, "-c", code, sys.executable, "-m", "resnext", "classify", "-m", "lite0"]
        done = subprocess.run(
            [*command, "--files-from", str(listed)],
            env=clean_environment(tmp_path, warm_cache), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return int(done.stdout)

    assert resource.RUSAGE_CHILDREN
    assert peak(60_000) - peak(100) < 50_000  # kB
