"""Archives through whole processes."""

import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from support.program import SAMPLES, RunResnext


def _rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_members_get_the_labels_of_their_files(resnext: RunResnext, tmp_path: Path) -> None:
    photos = sorted(path for path in SAMPLES.iterdir() if path.suffix != ".md")
    names = [path.name for path in photos]
    expected = [row["predictions"] for row in _rows(resnext("classify", "-m", "lite0", "--exact", *photos).stdout)]
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as zipped:
        for photo in photos:
            zipped.write(photo, photo.name)
    for name, mode in (("p.tar", "w"), ("p.tar.gz", "w:gz")):
        with tarfile.open(tmp_path / name, mode) as packed:  # type: ignore[call-overload]
            for photo in photos:
                packed.add(photo, photo.name)
    before = sorted(tmp_path.rglob("*"))
    archives = [tmp_path / name for name in ("p.zip", "p.tar", "p.tar.gz")]
    single = f"{archives[0]}!/coffee.png"
    done = resnext("classify", "-m", "lite0", "--exact", *archives, single)
    rows = _rows(done.stdout)
    assert done.returncode == 0
    assert [row["file"] for row in rows] == [f"{path}!/{name}" for path in archives for name in names] + [single]
    for row, predictions in zip(rows, expected * 3 + [expected[names.index("coffee.png")]], strict=True):
        assert [each["index"] for each in row["predictions"]] == [each["index"] for each in predictions]
    assert sorted(path for path in tmp_path.rglob("*") if "home" not in path.parts) == before


def test_a_broken_archive_costs_one_row(resnext: RunResnext, tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 and no more")
    done = resnext("classify", "-m", "lite0", broken, SAMPLES / "coffee.png", f"{broken}!/a.jpg")
    rows = _rows(done.stdout)
    assert [row["error_code"] for row in rows] == ["archive", "", "archive"]
    assert done.stderr.count("\n") == 1
