"""`resnext train --method semi`: what photos without labels teach, and what of it is kept in the model's folder."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.program import REPO, clean_environment

CLOTHING = REPO.parent / "shared" / "photos" / "clothing" / "train"
CLASSES = ("dress", "longsleeve", "shirt", "t-shirt")
pytestmark = pytest.mark.skipif(not CLOTHING.exists(), reason=f"{CLOTHING} is not there")


class Place(NamedTuple):
    """Five labels of each class in few/, other photos in more/, and the cache."""

    root: Path
    cache: Path

    def train(self, *arguments: Any) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "resnext", "train", "few", "-m", "lite0", *map(str, arguments)],
            env=clean_environment(self.root / "home", self.cache), cwd=self.root, capture_output=True, text=True,
            timeout=300, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def pseudo_labels(self, model: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.root / model / "pseudo_labels.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Place:
    root = tmp_path_factory.mktemp("semi")
    shutil.copytree(warm_cache, root / "cache")
    (root / "more").mkdir()
    for name in CLASSES:
        (root / "few" / name).mkdir(parents=True)
        photos = sorted((CLOTHING / name).iterdir())
        for photo in photos[:5]:
            shutil.copy(photo, root / "few" / name)
        for photo in photos[5:14]:
            shutil.copy(photo, root / "more" / f"{name} {photo.name}")
    shutil.copy(sorted((root / "few" / "dress").iterdir())[0], root / "more" / "a dress with a label.jpg")
    shutil.copy(sorted((root / "more").iterdir())[-1], root / "more" / "zz twice.jpg")
    (root / "more" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return Place(root, root / "cache")


@pytest.fixture(scope="module")
def taught(place: Place) -> dict[str, Any]:
    done = place.train("--method", "semi", "--unlabelled", "more", "--top-per-class", "4", "-o", "model", "--json")
    assert done.returncode == 1, done.stderr  # broken.jpg
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_each_class_takes_its_best_and_the_report_says_how_sure(place: Place, taught: dict[str, Any]) -> None:
    semi = taught["semi"]
    assert (semi["unlabelled"], semi["left_out"], semi["per_class"], semi["top_p"]) == (37, 1, 4, 1)
    rows = place.pseudo_labels("model")
    assert [row["label"] for row in rows] == [
        name for each in semi["classes"] for name in [each["name"]] * each["photos"]
    ]
    for each in semi["classes"]:
        scores = [row["score"] for row in rows if row["label"] == each["name"]]
        assert len(scores) <= 4 and scores == sorted(scores, reverse=True)
        assert scores[-1] == pytest.approx(each["lowest"], abs=1e-6)
    files = [Path(row["file"]).name for row in rows]
    assert "a dress with a label.jpg" not in files and len({row["digest"] for row in rows}) == len(rows)
    assert sum(name.startswith(row["label"]) for name, row in zip(files, rows, strict=True)) > len(rows) / 2


def test_it_is_never_worse_on_validation_than_the_labels_alone(place: Place, taught: dict[str, Any]) -> None:
    done = place.train("-o", "alone", "--json")
    alone = json.loads(done.stdout)["figures"]["grouped"]["accuracy"]["share"]
    found, judged = taught["figures"]["grouped"]["accuracy"]["share"], taught["semi"]["judged"]
    assert judged["photos"] == 20
    if taught["semi"]["kept"] == "student":
        assert found - alone == pytest.approx((judged["only_student"] - judged["only_alone"]) / 20, abs=1e-4)
        assert found > alone
    else:
        assert found == alone and judged["only_student"] <= judged["only_alone"]


def test_the_same_again_gives_the_same_bytes_and_computes_nothing(place: Place, taught: dict[str, Any]) -> None:
    done = place.train("--method", "semi", "--unlabelled", "more", "--top-per-class", "4", "-o", "again")
    assert "58 done before" in done.stderr
    for name in ("model.safetensors", "pseudo_labels.jsonl"):
        assert (place.root / "again" / name).read_bytes() == (place.root / "model" / name).read_bytes()
    assert "pseudo-labels, unsure first" in done.stdout


def test_a_teacher_is_a_model_that_has_the_classes(place: Place, taught: dict[str, Any]) -> None:
    done = place.train("--method", "semi", "--unlabelled", "more", "--teacher", "./model", "-o", "other", "--json")
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["semi"]["teacher"] == "./model"
    wanted = subprocess.run(
        [sys.executable, "-m", "resnext", "classify", "more", "-m", "./model", "-k", "1"],
        env=clean_environment(place.root / "home", place.cache), cwd=place.root, capture_output=True, text=True,
    )  # fmt: skip
    best = {Path(row["file"]).name: row["predictions"][0] for row in map(json.loads, wanted.stdout.splitlines())
            if row["predictions"]}  # fmt: skip
    for row in place.pseudo_labels("other"):
        answer = best[Path(row["file"]).name]
        assert row["label"] == answer["label"] and row["score"] == pytest.approx(answer["score"], abs=2e-3)
    done = place.train("--method", "semi", "--unlabelled", "more", "--teacher", "lite0", "-o", "none")
    assert done.returncode == 2 and "has no class 'dress'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--unlabelled", "more"], "belong to --method semi"),
        (["--student", "full"], "belong to --method semi"),
        (["--method", "semi"], "name them with --unlabelled"),
        (["--method", "semi", "--unlabelled", "empty"], "--unlabelled empty: no photo there"),
        (["--method", "semi", "--unlabelled", "nowhere.jpg"], "--unlabelled nowhere.jpg: no photo there"),
        (["--method", "semi", "--unlabelled", "more", "--unlabelled", "mroe"], "--unlabelled mroe: no photo there"),
    ],
)
def test_photos_without_labels_belong_to_semi(place: Place, arguments: list[str], words: str) -> None:
    (place.root / "empty").mkdir(exist_ok=True)
    done = place.train(*arguments, "-o", "refused")
    assert words in done.stderr and "Traceback" not in done.stderr
    assert done.returncode == 2
