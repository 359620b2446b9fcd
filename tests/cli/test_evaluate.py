"""`resnext evaluate`: on folders, on a list; what is kept is what tags are chosen with from then on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.program import REPO, SAMPLES, RunResnext

EVALUATE = ("evaluate", "-m", "lite0")
CLOTHING = REPO.parent / "shared" / "photos" / "clothing" / "test"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name, photo in (
        ("coffee", "coffee.png"), ("n04485082", "camera.tif"), ("cat", "chelsea.webp"), ("none", "china.jpg"),
        ("pizza", "coffee.png"),
    ):  # fmt: skip
        (root / name / "deeper").mkdir(parents=True)
        shutil.copy(SAMPLES / photo, root / name / "deeper")
    return root


def test_folders_are_named_as_classes_or_tags(resnext: RunResnext, folders: Path) -> None:
    done = resnext(*EVALUATE, folders, "--tags", "--json")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert (report["photos"], report["top1"]["share"]) == (5, 0.75)
    assert {row["name"]: row["accuracy"] for row in report["classes"]} == {
        "cat": 1.0, "coffee": 1.0, "n04485082": 1.0, "none": None, "pizza": 0.0
    }  # fmt: skip
    assert {"truth": "pizza", "answer": "coffee", "photos": 1} in report["confusions"]
    default = next(row for row in report["tags"] if row["sure"] == report["sure"])
    assert default["right"]["low"] < default["right"]["share"] < default["right"]["high"]
    tagged = [row["tagged"]["share"] for row in report["tags"]]
    assert tagged == sorted(tagged, reverse=True)
    shown = resnext(*EVALUATE, folders, "--tags")
    assert shown.returncode == 0 and "best class right" in shown.stdout and "* what classify" in shown.stdout
    assert "pizza" in shown.stdout and "tags" not in json.loads(resnext(*EVALUATE, folders, "--json").stdout)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl"])
def test_a_list_says_what_is_right(resnext: RunResnext, tmp_path: Path, ending: str) -> None:
    rows = [(str(SAMPLES / "coffee.png"), "espresso"), (str(SAMPLES / "camera.tif"), "tripod"), ("missing.jpg", "dog")]
    truth = tmp_path / f"truth{ending}"
    if ending == ".jsonl":
        truth.write_text("".join(json.dumps({"photo": file, "is": name}) + "\n" for file, name in rows))
    else:
        mark = "," if ending == ".csv" else "\t"
        truth.write_text("".join(mark.join(row) + "\n" for row in [("photo", "is"), *rows]))
    done = resnext(*EVALUATE, "--truth", truth, "--column", "photo", "--truth-column", "is", "--json")
    assert done.returncode == 1, done.stderr  # one is missing
    report = json.loads(done.stdout)
    assert (report["photos"], report["top1"]["share"]) == (2, 1.0)


def test_what_was_measured_is_kept_for_the_model(resnext: RunResnext, own_cache: Path, tmp_path: Path) -> None:
    """On copies: enough for the command, if not for anyone's trust."""
    for name, photo in (("coffee", "coffee.png"), ("tripod", "camera.tif"), ("cat", "chelsea.webp")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(20):
            shutil.copy(SAMPLES / photo, tmp_path / "photos" / name / f"{number}{Path(photo).suffix}")
    command = (*EVALUATE, tmp_path / "photos", "--calibrate", "--json")
    done = resnext(*command, cache=own_cache)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["calibration"]
    kept = json.loads(Path(found["kept"]).read_text())
    assert kept["sure"] == found["sure"] and kept["temperature"] == pytest.approx(found["temperature"], abs=1e-3)
    assert found["reached"]["low"] < 1.0 == found["reached"]["share"]

    after = json.loads(resnext(*EVALUATE, tmp_path / "photos", "--tags", "--json", cache=own_cache).stdout)
    assert (after["sure"], after["temperature"]) == (kept["sure"], kept["temperature"])

    Path(found["kept"]).write_text("{")  # a damaged note is no note
    after = json.loads(resnext(*EVALUATE, tmp_path / "photos", "--tags", "--json", cache=own_cache).stdout)
    assert after["sure"] == 0.98


def test_too_few_photos_calibrate_nothing(resnext: RunResnext, folders: Path, own_cache: Path) -> None:
    done = resnext(*EVALUATE, folders, "--calibrate", cache=own_cache)
    assert done.returncode == 2 and "5 photos are too few to calibrate on" in done.stderr
    assert not list(own_cache.glob("calibrations/*"))


def test_own_labels_and_own_groups(resnext: RunResnext, folders: Path, tmp_path: Path) -> None:
    labels, mine = tmp_path / "labels.txt", tmp_path / "mine.txt"
    labels.write_text("".join(f"thing {index}\n" for index in range(1000)))
    mine.write_text("things\n thing 967\n thing 872\n")
    root = tmp_path / "own"
    for name, photo in (("thing 967", "coffee.png"), ("things", "camera.tif")):
        (root / name).mkdir(parents=True)
        shutil.copy(SAMPLES / photo, root / name)
    done = resnext(*EVALUATE, root, "--labels", labels, "--vocabulary", mine, "--sure", "0.5", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["top1"]["share"] == 1.0
    assert next(row for row in report["tags"] if row["sure"] == 0.5)["right"]["share"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name folders that hold one folder a class or tag"),
        ([SAMPLES / "coffee.png"], "is no folder"),
        (["--truth", "missing.csv"], "--truth missing.csv: No such file"),
        (["--truth", SAMPLES / "coffee.png"], "not CSV, TSV or JSON Lines"),
    ],
)
def test_what_can_not_be_evaluated(resnext: RunResnext, arguments: list[Any], message: str) -> None:
    done = resnext(*EVALUATE, *arguments)
    assert done.returncode == 2 and message in done.stderr, done.stderr


def test_a_folder_of_no_known_name(resnext: RunResnext, tmp_path: Path) -> None:
    (tmp_path / "photos" / "wolpertinger").mkdir(parents=True)
    shutil.copy(SAMPLES / "coffee.png", tmp_path / "photos" / "wolpertinger")
    done = resnext(*EVALUATE, tmp_path / "photos")
    assert done.returncode == 2
    assert "'wolpertinger' is neither a class of the model nor a tag" in done.stderr


@pytest.mark.skipif(not CLOTHING.exists(), reason=f"{CLOTHING} is not there")
def test_folders_of_real_photos_named_as_tags(resnext: RunResnext, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for folder, name in (("dress", "dress or robe"), ("hat", "hat"), ("shoes", "shoe"), ("outwear", "coat")):
        (root / name).mkdir(parents=True)
        for photo in sorted((CLOTHING / folder).iterdir())[:15]:
            shutil.copy(photo, root / name)
    report = json.loads(resnext(*EVALUATE, root, "--tags", "--json").stdout)
    assert report["photos"] == len(list(root.glob("*/*"))) > 40
    careless, careful = (next(row for row in report["tags"] if row["sure"] == sure) for sure in (0.5, 0.98))
    assert careless["tagged"]["share"] > careful["tagged"]["share"]
    assert careless["right"]["share"] <= careful["right"]["share"]


def test_parts_as_files_and_the_mistakes(resnext: RunResnext, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for name, photo in (("espresso", "coffee.png"), ("tripod", "camera.tif"), ("pizza", "chelsea.webp")):
        (root / "test" / name).mkdir(parents=True)
        (root / "train" / name).mkdir(parents=True)
        shutil.copy(SAMPLES / photo, root / "test" / name)
        shutil.copy(SAMPLES / "coffee.png", root / "train" / name)
    (root / "test" / "tripod" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "test" / "empty").mkdir()
    files = [tmp_path / name for name in ("confusion.csv", "reliability.json", "coverage.svg")]
    parts = ("--confusion", files[0], "--reliability", files[1], "--coverage", files[2])
    done = resnext(*EVALUATE, root, *parts, "--mistakes", "3", "--json")
    assert done.returncode == 1 and f"evaluating {root / 'test'}" in done.stderr, done.stderr
    report = json.loads(done.stdout)
    assert (report["photos"], report["failed"]) == (3, 1)
    assert report["failures"][0]["file"] == str(root / "test" / "tripod" / "broken.jpg")
    (mistake,) = report["mistakes"]
    assert (mistake["file"], mistake["truth"]) == (str(root / "test" / "pizza" / "chelsea.webp"), "pizza")
    assert {row["name"]: row["precision"]["share"] for row in report["classes"]} == {
        "espresso": 1.0, "pizza": 0.0, "tripod": 1.0
    }  # fmt: skip
    header, *rows = [line.split(",") for line in files[0].read_text().splitlines()]
    in_order = ["tripod", "pizza", "espresso"]  # by their index
    assert [row[0] for row in rows] == header[1:4] == in_order
    assert rows[0][1:] == ["1", "0", "0", "0"]
    assert json.loads(files[1].read_text())["ece"] == report["ece"] and files[2].read_bytes().startswith(b"<?xml")
    again = resnext(*EVALUATE, root, *parts)
    assert again.returncode == 2 and "confusion.csv: exists already" in again.stderr


def test_what_classify_wrote_is_evaluated_without_a_model(resnext: RunResnext, folders: Path, tmp_path: Path) -> None:
    shutil.rmtree(folders / "none")
    (folders / "pizza" / "broken.jpg").write_bytes(b"no")
    expected = json.loads(resnext(*EVALUATE, folders, "--json").stdout)
    rows = tmp_path / "rows.jsonl"
    assert resnext("classify", "-m", "lite0", folders, "-o", rows).returncode == 1
    nowhere = tmp_path / "no-cache"
    done = resnext("evaluate", folders, "--from", rows, "--json", cache=nowhere)
    assert done.returncode == 1 and not list(nowhere.glob("compiled/*")), done.stderr
    found = json.loads(done.stdout)
    same = ("model", "photos", "top1", "top5", "balanced_accuracy", "failed", "confusions", "coverage")
    assert {key: found[key] for key in same} == {key: expected[key] for key in same}
    assert found["ece"] == pytest.approx(expected["ece"], abs=1e-3)
    assert [each["file"] for each in found["mistakes"]] == [each["file"] for each in expected["mistakes"]]

    # As another program would cut them: one class a photo, and a name that no row answers.
    one, truth = tmp_path / "one.csv", tmp_path / "truth.csv"
    assert resnext("classify", "-m", "lite0", folders / "coffee", "-k", "1", "-o", one).returncode == 0
    photo = next((folders / "coffee").rglob("*.png"))
    truth.write_text(f"photo,is\n{photo},wolpertinger\n")
    command = ("evaluate", "--from", one, "--truth", truth, "--column", "photo", "--truth-column", "is")
    report = json.loads(resnext(*command, "--json").stdout)
    assert (report["photos"], report["top1"]["share"], report["top5"]) == (1, 0.0, None)
    assert len(report["notes"]) == 2 and "'wolpertinger'" in report["notes"][1]
    shown = resnext(*command)
    assert shown.returncode == 0 and "whether it is among five is not known" in shown.stdout

    # And the other way round: what one model answered is the truth of another.
    report = json.loads(resnext(*EVALUATE, "--truth", rows, "--json").stdout)
    assert report["top1"]["share"] == 1.0 and report["failed"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "rows.jsonl"], "name folders"),
        (["--from", "rows.jsonl", "photos", "--tags"], "need a run"),
        (["--from", "missing.jsonl", "photos"], "No such file"),
        (["--from", "rows.jsonl", "photos"], "rows.jsonl: row 1: no 'status' in it"),
        (["--real", "--truth", "rows.jsonl"], "--real and --truth contradict each other"),
        (["photos", "--confusion", "c.bmp"], "the ending names no format"),
    ],
)
def test_rows_that_can_not_be_evaluated(
    resnext: RunResnext, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "rows.jsonl").write_text('{"file": "a.jpg", "label": "dog"}\n')
    (tmp_path / "photos" / "dog").mkdir(parents=True)
    done = resnext("evaluate", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_validation_photos_of_imagenet_by_real(resnext: RunResnext, tmp_path: Path) -> None:
    """ReaL says that photo 25 shows nothing that its judges agreed on; the content here is our own."""
    names = [f"ILSVRC2012_val_{number:08}.JPEG" for number in range(1, 40)]
    for name in (*names, "other.JPEG"):
        shutil.copy(SAMPLES / "rocket.jpg", tmp_path / name)
    done = resnext(*EVALUATE, "--real", tmp_path, "--json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    assert report["photos"] + report["without_truth"] == 39 and 0 < report["without_truth"] < 10
    assert [each["error"] for each in report["failures"]] == ["not called as ImageNet's validation photos are"]
    assert any(" or " in row["name"] for row in report["classes"])
