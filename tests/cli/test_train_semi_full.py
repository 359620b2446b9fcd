"""`resnext train --method semi --student full`: the network learns from pseudo-labels, then from the labels alone."""

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.program import PROGRAM, REPO, clean_environment

CLOTHING = REPO.parent / "shared" / "photos" / "clothing" / "train"
CLASSES = ("dress", "longsleeve", "shirt")
OPTIONS = ("--method", "semi", "--student", "full", "--unlabelled", "more", "--top-per-class", "4")
# Seconds of a processor decide what is here.
RECIPE = "epochs: 1\nbatch_size: 4\nlow_size: 96\nlow_share: 1.0\n"
pytestmark = pytest.mark.skipif(not CLOTHING.exists(), reason=f"{CLOTHING} is not there")


class Place(NamedTuple):
    """Four labels of each class in few/train/, others that validate in few/val/, others without in more/."""

    root: Path
    cache: Path

    def start(self, output: str, *options: str, **variables: str) -> "subprocess.Popen[str]":
        command = ["train", "few", "-m", "lite0", *OPTIONS, "--recipe", "recipe.yaml", "-o", output, *options]
        return subprocess.Popen(
            [*PROGRAM, *command],
            env=clean_environment(self.root / "home", self.cache) | variables, cwd=self.root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def train(self, output: str, *options: str) -> tuple[dict[str, Any], str]:
        """The report, and what was said."""
        process = self.start(output, "--json", *options)
        report, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
        return json.loads(report), said


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Place:
    root = tmp_path_factory.mktemp("semi-full")
    shutil.copytree(warm_cache, root / "cache")
    (root / "more").mkdir()
    for name in CLASSES:
        photos = sorted((CLOTHING / name).iterdir())
        for split, some in (("train", photos[:4]), ("val", photos[4:8])):
            (root / "few" / split / name).mkdir(parents=True)
            for photo in some:
                shutil.copy(photo, root / "few" / split / name)
        for photo in photos[8:13]:
            shutil.copy(photo, root / "more" / f"{name} {photo.name}")
    shutil.copy(sorted((root / "few" / "val" / "dress").iterdir())[0], root / "more" / "one that validates.jpg")
    (root / "recipe.yaml").write_text(RECIPE)
    return Place(root, root / "cache")


@pytest.fixture(scope="module")
def undisturbed(place: Place) -> tuple[dict[str, Any], str]:
    return place.train("undisturbed")


def test_it_learns_in_stages_and_says_which_of_them_is_kept_and_why(
    place: Place, undisturbed: tuple[dict[str, Any], str]
) -> None:
    report, said = undisturbed
    semi, judged = report["semi"], report["semi"]["judged"]
    assert (semi["student"], semi["unlabelled"], semi["left_out"]) == ("full", 16, 1)
    rows = (place.root / "undisturbed" / "pseudo_labels.jsonl").read_text().splitlines()
    chosen = [json.loads(line) for line in rows]
    assert "one that validates.jpg" not in {Path(row["file"]).name for row in chosen}
    stages = semi["stages"]
    assert [stage["photos"] for stage in stages] == [12, len(chosen), 12]
    # The head is a candidate, the pseudo-labels are gone through to the end, and their network is a candidate.
    assert [[row["epoch"] for row in stage["history"]] for stage in stages] == [[0, 1]] * 3
    assert [[row["epoch"] for row in stage["history"] if row["kept"]] for stage in stages][1] == [1]
    assert {row["validation"] for row in stages[1]["history"]} == {None}
    by_labels, student = (max(row["validation"] for row in stages[at]["history"]) for at in (0, 2))
    assert judged["photos"] == 12
    assert 12 * (student - by_labels) == pytest.approx(judged["only_student"] - judged["only_alone"])
    assert semi["kept"] == ("student" if student > by_labels else "labels alone")
    found = max(student, by_labels)
    assert report["figures"]["validation"]["accuracy"]["share"] == pytest.approx(found, abs=1e-4)
    assert semi["why"] in said and "stage 3 of 3" in said
    assert json.loads((place.root / "undisturbed" / "training.json").read_text())["semi"] == semi
    assert not (place.root / ".undisturbed.training").exists()


def test_one_process_trains_it(place: Place) -> None:
    process = place.start("refused", RANK="1", WORLD_SIZE="2")
    assert "torchrun is for --method full" in process.communicate(timeout=60)[1] and process.returncode == 2


@pytest.mark.slow
def test_killed_between_the_stages_it_ends_in_the_same_bytes(
    place: Place, undisturbed: tuple[dict[str, Any], str], amount: Callable[[int, int], int]
) -> None:
    for stage in ("stage 1 of 3", "stage 2 of 3", "stage 3 of 3")[-amount(3, 1) :]:
        resume = ["--resume"] if (place.root / ".killed.training").exists() else []
        with place.start("killed", *resume) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if stage in line:
                    process.kill()
                    break
            process.stderr.read()
        assert process.returncode == -signal.SIGKILL and not (place.root / "killed").exists()
    report, said = place.train("killed", "--resume")
    # What was done is not done again: an epoch of the third stage, if it did not come to its end before the kill.
    assert said.count("stage ") == 3 and said.count("epoch 1 of 1") <= 1
    assert report["semi"] == undisturbed[0]["semi"]
    for name in ("model.safetensors", "pseudo_labels.jsonl", "photos.jsonl"):
        assert (place.root / "killed" / name).read_bytes() == (place.root / "undisturbed" / name).read_bytes(), name
