"""Inputs that are too large, never end, or are no files: each is a row at once, and memory stays within its bound."""

import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from resnext.images.loading import DECODING_BYTES
from support.program import SAMPLES, RunResnext, clean_environment

PNG_HEAD = b"\x89PNG\r\n\x1a\n"
# What the program, the bundled model and its batches take beside the decoding.
PROGRAM_BYTES = 700 << 20
LEGAL_SIDE = 13_000  # 169 megapixels


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def one_bit_png(side: int) -> bytes:
    """A whole, valid PNG of side x side white pixels, packed row by row: its writer needs no memory for it."""
    packer, row = zlib.compressobj(9), b"\0" + b"\xff" * ((side + 7) // 8)
    packed = b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()])
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return PNG_HEAD + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def rows_of(done: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    assert done.returncode in (0, 1), done.stderr
    assert all(line.startswith("resnext: ") for line in done.stderr.splitlines()), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def outcome(row: dict[str, Any]) -> str:
    return row["error_code"] or "ok"


# A child's peak is also that of all that ran before in this process: so a shell of its own asks.
_MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "resnext", *sys.argv[1:]], stdin=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
"""


def measured(cache: Path, home: Path, *arguments: str) -> tuple[list[dict[str, Any]], int]:
    """The rows of one run and its peak of resident memory in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "classify", "-m", "lite0", "-q", "-f", "jsonl", *arguments],
        env=clean_environment(home, cache),
        capture_output=True,
        text=True,
        timeout=500,
    )
    *said, peak = done.stderr.splitlines()
    assert said == []
    unit = 1 if sys.platform == "darwin" else 1024
    return [json.loads(line) for line in done.stdout.splitlines()], int(peak) * unit


def test_what_never_ends_or_is_too_large_is_a_row_at_once(resnext: RunResnext, tmp_path: Path) -> None:
    claimed = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(PNG_HEAD + chunk(b"IHDR", claimed) + chunk(b"IDAT", zlib.compress(bytes(999))))
    with (tmp_path / "sparse.jpg").open("wb") as stream:
        stream.write((SAMPLES / "rocket.jpg").read_bytes())
        stream.truncate(20 << 30)
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        # Such an address holds a hundred bytes at most; a relative name is short.
        here = Path.cwd()
        os.chdir(tmp_path)
        try:
            server.bind("socket.jpg")
        finally:
            os.chdir(here)
        wide, high = Image.effect_noise((20_000, 1), 90), Image.effect_noise((1, 20_000), 90)
        wide.save(tmp_path / "wide.png")
        high.save(tmp_path / "high.png")
        wanted = {
            "bomb.png": "too_large",
            "sparse.jpg": "too_large",
            "fifo.jpg": "not_a_file",
            "zero.jpg": "not_a_file",
            "socket.jpg": "not_a_file",
            "wide.png": "ok",
            "high.png": "ok",
        }
        done = resnext("classify", "-m", "lite0", "-f", "jsonl", *wanted, cwd=tmp_path)
    assert {row["file"]: outcome(row) for row in rows_of(done)} == wanted


def test_a_folder_that_contains_itself_is_read_once(resnext: RunResnext, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "photo.png").write_bytes((SAMPLES / "coffee.png").read_bytes())
    (folder / "inner" / "again").symlink_to(folder)
    (folder / "self").symlink_to(".")
    rows = rows_of(resnext("classify", "-m", "lite0", "-f", "jsonl", "photos", cwd=tmp_path))
    assert [(row["file"], outcome(row)) for row in rows] == [("photos/inner/photo.png", "ok")]


def test_files_that_change_while_they_are_read(resnext: RunResnext, tmp_path: Path) -> None:
    """They grow, shrink, vanish, come back and turn into something else: a row each, and no label but the photo's."""
    with Image.open(SAMPLES / "coffee.png") as photo:
        small = photo.convert("RGB").resize((450, 300))
    files = [tmp_path / f"{number}.{ending}" for number in range(40) for ending in ("jpg", "bmp", "tif", "png", "webp")]
    whole = {}
    for path in files:
        small.save(path)
        whole[path] = path.read_bytes()
    over = threading.Event()

    def change(path: Path, rng: random.Random) -> None:
        way, content = rng.randrange(5), whole[path]
        if way == 0 and path.exists() and path.stat().st_size == len(content):
            with path.open("ab") as file:
                file.write(bytes(10_000))
        elif way == 1 and path.exists():
            os.truncate(path, rng.randrange(len(content)))
        elif way == 2:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(content)  # emptied first: half of it is there for a moment

    def keep_changing() -> None:
        rng = random.Random(3)
        while not over.is_set():
            change(rng.choice(files), rng)

    changing = threading.Thread(target=keep_changing)
    changing.start()
    try:
        done = resnext("classify", "-m", "lite0", "-k", "1", "-f", "jsonl", *files)
    finally:
        over.set()
        changing.join()
    rows = rows_of(done)
    assert [row["file"] for row in rows] == list(map(str, files))
    outcomes = {outcome(row) for row in rows}
    assert outcomes <= {"ok", "not_found", "empty", "truncated", "corrupt", "not_an_image"} and "not_found" in outcomes
    labels = {row["predictions"][0]["label"] for row in rows if outcome(row) == "ok"}
    assert labels == {"espresso"}


@pytest.mark.parametrize("megabytes", [1, 64, 80])
def test_a_large_text_chunk_is_no_reason_to_take_much_memory(warm_cache: Path, tmp_path: Path, megabytes: int) -> None:
    stream = io.BytesIO()
    Image.open(SAMPLES / "coffee.png").resize((100, 100)).save(stream, "PNG")
    plain = stream.getvalue()
    header = len(PNG_HEAD) + 25
    text = b"Comment\0" + b"x" * (megabytes << 20)
    packed = b"Comment\0\0" + zlib.compress(b"x" * (megabytes << 20))
    files = [tmp_path / "text.png", tmp_path / "packed.png", tmp_path / "plain.png"]
    files[0].write_bytes(plain[:header] + chunk(b"tEXt", text) + plain[header:])
    files[1].write_bytes(plain[:header] + chunk(b"zTXt", packed) + plain[header:])
    files[2].write_bytes(plain)
    rows, peak = measured(warm_cache, tmp_path, *map(str, files))
    assert len(rows) == 3
    assert outcome(rows[2]) == "ok"
    assert {outcome(row) for row in rows} <= {"ok", "corrupt", "too_large"}
    assert peak < PROGRAM_BYTES


def animation(path: Path, frames: int) -> None:
    pictures = [Image.new("L", (64, 48), number % 251) for number in range(frames)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=20)


def test_of_a_long_animation_only_what_is_asked_for_is_read(warm_cache: Path, tmp_path: Path) -> None:
    animation(tmp_path / "long.gif", 5000)
    for options, count in (((), 1), (("--frames", "30"), 30)):
        rows, peak = measured(warm_cache, tmp_path, *options, str(tmp_path / "long.gif"))
        assert [outcome(row) for row in rows] == ["ok"] * count
        assert peak < PROGRAM_BYTES


@pytest.mark.slow
def test_all_frames_of_a_long_animation_take_no_more_memory_than_some(
    warm_cache: Path, tmp_path: Path, amount: Callable[[int, int], int]
) -> None:
    frames = amount(5000, 600)
    animation(tmp_path / "long.gif", frames)
    few, short_peak = measured(warm_cache, tmp_path, "--frames", "200", str(tmp_path / "long.gif"))
    every, long_peak = measured(warm_cache, tmp_path, "--frames", "all", str(tmp_path / "long.gif"))
    print(f"200 frames: {short_peak / 1e6:.0f} MB; {frames}: {long_peak / 1e6:.0f} MB")
    assert (len(few), len(every)) == (200, frames)
    assert {outcome(row) for row in (*few, *every)} == {"ok"}
    assert long_peak - short_peak < 60 << 20


@pytest.mark.slow
def test_all_workers_together_stay_within_the_bound(
    warm_cache: Path, tmp_path: Path, amount: Callable[[int, int], int]
) -> None:
    """A photo of 169 megapixels takes up to 1 GB: eight workers would take eight, but share DECODING_BYTES."""
    count = amount(16, 8)
    (tmp_path / "0.png").write_bytes(one_bit_png(LEGAL_SIDE))
    for number in range(1, count):
        os.link(tmp_path / "0.png", tmp_path / f"{number}.png")
    # By its header: Pillow warns of the size of such a picture.
    assert (tmp_path / "0.png").read_bytes()[16:24] == struct.pack(">2I", LEGAL_SIDE, LEGAL_SIDE)
    rows, peak = measured(warm_cache, tmp_path, "-j", "8", str(tmp_path))
    print(f"{count} photos of {LEGAL_SIDE**2 / 1e6:.0f} megapixels with -j 8: peak {peak / 1e6:.0f} MB")
    assert [outcome(row) for row in rows] == ["ok"] * count
    assert peak < DECODING_BYTES + PROGRAM_BYTES
