"""`resnext quantize`, and what `--precision int8` then does."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support.imports import imported_by
from support.program import SAMPLES, Once, RunResnext, clean_environment

pytest.importorskip("nncf", reason="the extra int8 is not installed")

LITE0 = ("-m", "tf_efficientnet_lite0")
COFFEE = str(SAMPLES / "coffee.png")
FEW = ("--calibrate", "20", "--validate", "20", "--agreement", "0")


@pytest.fixture(scope="session")
def photos(once: Once) -> Path:
    """44 parts of the sample photos, and a file that is no photo."""

    def make(folder: Path) -> None:
        folder.mkdir()
        rng = np.random.default_rng(0)
        samples = [path for path in sorted(SAMPLES.iterdir()) if path.suffix in (".jpg", ".png")]
        for number in range(44):
            with Image.open(samples[number % len(samples)]) as image:
                photo = image.convert("RGB").resize((400, 400))
            left, top = rng.integers(0, 100, 2)
            photo.crop((left, top, left + 300, top + 300)).save(folder / f"{number}.jpg")
        (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")

    return once("photos-to-quantize", make)


@pytest.fixture(scope="session")
def int8_cache(warm_cache: Path, photos: Path, once: Once) -> tuple[Path, dict[str, Any]]:
    """A cache with the bundled model in int8, and the report that `quantize` printed. Tests do not change it."""

    def make(folder: Path) -> None:
        shutil.copytree(warm_cache, folder / "cache")
        command = [sys.executable, "-m", "resnext", "quantize", str(photos), *LITE0, *FEW, "--json"]
        environment = clean_environment(folder, folder / "cache")
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        assert "warning: 1 of 45 inputs can't be used" in done.stderr
        (folder / "report.json").write_text(done.stdout)

    folder = once("int8", make)
    return folder / "cache", json.loads((folder / "report.json").read_text())


def int8_entry(cache: Path, report: dict[str, Any]) -> Path:
    return cache / "compiled" / Path(report["folder"]).name


def test_the_report_says_how_it_was_measured(int8_cache: tuple[Path, dict[str, Any]]) -> None:
    _, report = int8_cache
    assert report["model"] == "tf_efficientnet_lite0"
    assert (report["photos"], report["calibration_photos"]) == (20, 20)
    assert 0.5 < report["top1"] <= 1 and 0 < report["largest_change"] < 1
    assert 0.9 < report["cosine_worst"] <= report["cosine_median"] <= 1.0001
    assert report["photos_per_second"]["fp32"] > 0 and report["photos_per_second"]["int8"] > 0
    assert report["size_bytes"]["int8"] < 0.4 * report["size_bytes"]["fp32"]
    assert report["left_out"] == [] and report["processor"] and report["nncf"]


def test_rows_come_from_it_and_say_so(resnext: RunResnext, int8_cache: tuple[Path, dict[str, Any]]) -> None:
    cache, _ = int8_cache
    done = resnext("classify", COFFEE, *LITE0, "--precision", "int8", cache=cache)
    assert done.returncode == 0, done.stderr
    (row,) = map(json.loads, done.stdout.splitlines())
    assert row["model"] == "tf_efficientnet_lite0:int8"
    assert "espresso" in [each["label"] for each in row["predictions"]]
    exact = resnext("classify", COFFEE, *LITE0, cache=cache)
    plain = json.loads(exact.stdout)
    assert plain["model"] == "tf_efficientnet_lite0"  # auto never takes it
    assert plain["predictions"][0]["score"] != row["predictions"][0]["score"]


def test_a_second_start_gives_the_same_and_imports_neither_torch_nor_nncf(
    resnext: RunResnext, int8_cache: tuple[Path, dict[str, Any]]
) -> None:
    cache, report = int8_cache
    arguments = ("classify", COFFEE, *LITE0, "--precision", "int8")
    first, second = (resnext(*arguments, cache=cache).stdout for _ in range(2))
    assert first and first == second
    assert list(int8_entry(cache, report).glob("*.blob"))
    assert not {"torch", "timm", "nncf"} & imported_by(cache, *arguments)


def test_what_was_made_in_one_precision_is_not_resumed_in_another(
    resnext: RunResnext, int8_cache: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    cache, _ = int8_cache
    for first, then, command, name in (
        ("int8", "auto", "classify", "rows.jsonl"),
        ("auto", "int8", "features", "vectors.npy"),
    ):
        arguments = (command, COFFEE, *LITE0, "-o", str(tmp_path / name))
        assert resnext(*arguments, "--precision", first, cache=cache).returncode == 0
        done = resnext(*arguments, "--precision", then, "--resume", cache=cache)
        assert done.returncode == 2 and "can't resume" in done.stderr and "--precision" in done.stderr
        assert resnext(*arguments, "--precision", first, "--resume", cache=cache).returncode == 0


def test_features_are_there_in_int8(
    resnext: RunResnext, int8_cache: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    cache, _ = int8_cache
    vectors = {}
    for precision in ("int8", "fp32"):
        path = tmp_path / f"{precision}.npy"
        done = resnext("features", COFFEE, *LITE0, "--precision", precision, "-o", str(path), cache=cache)
        assert done.returncode == 0, done.stderr
        vectors[precision] = np.load(path)[0]
    lengths = np.linalg.norm(vectors["int8"]) * np.linalg.norm(vectors["fp32"])
    assert 0.9 < vectors["int8"] @ vectors["fp32"] / lengths < 1
    done = resnext("features", COFFEE, *LITE0, "--precision", "int8", "--kind", "unpooled", cache=cache)
    assert done.returncode == 2 and "--precision int8 is for vectors" in done.stderr


def test_what_is_not_there_is_told_with_the_line_that_makes_it(resnext: RunResnext) -> None:
    for command in ("classify", "features"):
        done = resnext(command, COFFEE, *LITE0, "--precision", "int8")
        assert done.returncode == 2 and done.stdout == ""
        assert "resnext quantize PHOTOS... -m tf_efficientnet_lite0" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("contradiction", [("--exact",), ("--engine", "torch")])
def test_contradictions_are_refused(resnext: RunResnext, contradiction: tuple[str, ...]) -> None:
    done = resnext("classify", COFFEE, *LITE0, "--precision", "int8", *contradiction)
    assert done.returncode == 2 and "int8" in done.stderr


def test_the_same_photos_are_not_measured_again(
    resnext: RunResnext, int8_cache: tuple[Path, dict[str, Any]], photos: Path
) -> None:
    cache, report = int8_cache
    before = (int8_entry(cache, report) / "entry.json").stat().st_mtime_ns
    done = resnext("quantize", str(photos), *LITE0, *FEW, "--json", cache=cache)
    assert json.loads(done.stdout) | {"seconds": 0} == report | {"seconds": 0}
    assert (int8_entry(cache, report) / "entry.json").stat().st_mtime_ns == before


def test_it_is_shown_by_info_and_not_taken_for_unused(
    resnext: RunResnext, int8_cache: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    cache, report = int8_cache
    card = json.loads(resnext("info", LITE0[1], "--json", cache=cache).stdout)
    assert card["int8"]["top1"] == report["top1"] and card["int8"]["left_out"] == []
    assert "in int8, with --precision int8" in resnext("info", LITE0[1], cache=cache).stdout
    own = tmp_path / "own"
    shutil.copytree(cache, own)
    assert json.loads(resnext("info", "--prune", "--json", cache=own).stdout)["removed"] == []
    assert int8_entry(own, report).is_dir()


@pytest.mark.parametrize("name", ["graph.xml", "graph.bin", "entry.json", "labels.json"])
def test_a_damaged_one_is_not_believed(
    resnext: RunResnext, int8_cache: tuple[Path, dict[str, Any]], tmp_path: Path, name: str
) -> None:
    cache, report = int8_cache
    own = tmp_path / "own"
    shutil.copytree(cache, own)
    path = int8_entry(own, report) / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + b"\0" + content[len(content) // 2 + 1 :])
    done = resnext("classify", COFFEE, *LITE0, "--precision", "int8", cache=own)
    assert done.returncode == 2 and done.stdout == ""
    assert "damaged" in done.stderr and "resnext quantize" in done.stderr
    assert "Traceback" not in done.stderr


def test_too_few_photos_are_told(resnext: RunResnext, photos: Path, own_cache: Path) -> None:
    done = resnext("quantize", str(photos / "1.jpg"), str(photos / "2.jpg"), *LITE0, cache=own_cache)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("resnext: error: 2 different photos are too few")


def test_without_nncf_it_says_what_to_install(
    resnext: RunResnext, photos: Path, own_cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "nncf.py").write_text("raise ImportError('not here')\n")
    done = resnext("quantize", str(photos), *LITE0, *FEW, cache=own_cache, env={"PYTHONPATH": str(tmp_path)})
    assert done.returncode == 2 and "pip install 'resnext[int8]'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("moment", ["reading photos", "calibrating"])
def test_a_killed_one_leaves_nothing_that_is_believed(
    resnext: RunResnext, photos: Path, own_cache: Path, moment: str
) -> None:
    before = sorted(path.name for path in (own_cache / "compiled").iterdir())
    command = [sys.executable, "-m", "resnext", "quantize", str(photos), *LITE0, *FEW]
    environment = clean_environment(own_cache.parent, own_cache)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(moment in line for line in process.stderr)
        time.sleep(0.5)
        process.kill()
    kept = [path.name for path in (own_cache / "compiled").iterdir() if not path.name.startswith(".building-")]
    assert sorted(kept) == before
    assert resnext("classify", COFFEE, *LITE0, "--precision", "int8", cache=own_cache).returncode == 2
    assert resnext("classify", COFFEE, *LITE0, cache=own_cache).returncode == 0


@pytest.mark.slow
def test_eight_at_once_make_one(warm_cache: Path, photos: Path, tmp_path: Path, amount: Any) -> None:
    cache = tmp_path / "cache"
    shutil.copytree(warm_cache, cache)
    command = [sys.executable, "-m", "resnext", "quantize", str(photos), *LITE0, *FEW, "--json"]
    environment = clean_environment(tmp_path, cache)
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(amount(8, 2))
    ]
    reports = [json.loads(process.communicate(timeout=1200)[0]) | {"seconds": 0} for process in running]
    assert all(report == reports[0] for report in reports)
    assert len([path for path in (cache / "compiled").iterdir() if not path.name.startswith(".")]) == 2
