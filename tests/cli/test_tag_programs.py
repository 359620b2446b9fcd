"""What programs that nobody here wrote read of our sidecars, and what they leave of ours and of the user's."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from resnext.outputs.sidecars.edit import with_tags, without_tags
from resnext.outputs.sidecars.keywords import Wish
from resnext.outputs.sidecars.packet import HIERARCHICAL, SUBJECT
from support.program import SAMPLES
from support.sidecars import SOUND

CORGI = Wish((("animal", "dog", "corgi"),))
OURS = {"Subject": "corgi", "HierarchicalSubject": "auto|animal|dog|corgi", "TagsList": "auto/animal/dog/corgi"}
# digiKam's and ours are unknown to exiv2 and exiftool in other ways than dc and lr.
LISTS = ("Subject", "HierarchicalSubject", "TagsList")


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def exiftool(*arguments: str | Path) -> str:
    return subprocess.run(["exiftool", *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def dump(path: Path) -> dict[str, Any]:
    """All that exiftool finds in a sidecar's XMP."""
    (found,) = json.loads(exiftool("-j", "-G1", "-a", "-struct", "-XMP:all", path))
    return {name: value for name, value in found.items() if name != "SourceFile"}


def lists_in(found: dict[str, Any]) -> dict[str, list[str]]:
    lists = {name.partition(":")[2]: value for name, value in found.items() if name.partition(":")[2] in LISTS}
    return {
        name: [str(each) for each in (value if isinstance(value, list) else [value])] for name, value in lists.items()
    }


def without_lists(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name.partition(":")[2] not in (*LISTS, "Record")}


# Forms that these programs do not read themselves: XMP under other prefixes, or without its outer element.
FOREIGN = {"other prefixes", "no lines", "byte order mark"}


@pytest.fixture(params=[name for name in SOUND if name not in FOREIGN])
def sidecar(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg.xmp"
    path.write_bytes(SOUND[request.param].encode())
    return path


def tagged(path: Path) -> bytes:
    data = with_tags(path.read_bytes(), CORGI, {}).data
    assert data is not None
    path.write_bytes(data)
    return data


@needs("exiftool")
def test_exiftool_reads_our_tags_and_all_else_as_before(sidecar: Path) -> None:
    before = dump(sidecar)
    tagged(sidecar)
    after = dump(sidecar)
    assert without_lists(after) == without_lists(before)
    for name, values in lists_in(after).items():
        assert values[-1] == OURS[name]
        assert values[: len(lists_in(before).get(name, []))] == lists_in(before).get(name, [])
    assert lists_in(after).keys() == OURS.keys()


def exiv2_lines(path: Path) -> list[str]:
    found = subprocess.run(["exiv2", "-PXkt", path], capture_output=True, text=True, timeout=60)
    assert "rror" not in found.stderr, found.stderr
    return [line for line in found.stdout.splitlines() if "resnext.record" not in line]


@needs("exiv2")
def test_exiv2_reads_our_tags_and_all_else_as_before(sidecar: Path) -> None:
    pattern = re.compile(r"subject|hierarchicalSubject|TagsList", re.IGNORECASE)
    before = exiv2_lines(sidecar)
    tagged(sidecar)
    after = exiv2_lines(sidecar)
    assert [line for line in after if not pattern.search(line)] == [line for line in before if not pattern.search(line)]
    for value in OURS.values():
        assert any(line.endswith((f" {value}", f", {value}")) for line in after), value


EDITS: dict[str, Callable[[Path], object]] = {
    "exiftool": lambda path: exiftool("-q", "-overwrite_original", "-XMP-xmp:Rating=1", "-XMP-dc:Subject+=Sea", path),
    "exiv2": lambda path: subprocess.run(
        ["exiv2", "-Mset Xmp.xmp.Rating 1", "-Mset Xmp.dc.subject Sea", path], check=True, timeout=60
    ),
}


@pytest.mark.parametrize("program", [pytest.param(name, marks=needs(name)) for name in EDITS])
def test_after_another_program_wrote_only_ours_is_taken_back(sidecar: Path, program: str) -> None:
    """The same edit with and without us leaves the same properties, once we are gone."""
    without_us = sidecar.with_name("b.jpg.xmp")
    without_us.write_bytes(sidecar.read_bytes())
    tagged(sidecar)
    for path in (sidecar, without_us):
        EDITS[program](path)
    assert "Sea" in lists_in(dump(sidecar))["Subject"]
    undone = without_tags(sidecar.read_bytes())
    assert undone.removed == ("auto|animal|dog|corgi",) and undone.data is not None
    sidecar.write_bytes(undone.data)
    left = dump(sidecar) if shutil.which("exiftool") else {}
    wanted = dump(without_us) if shutil.which("exiftool") else {}
    assert left == wanted


@needs("exiftool")
def test_sidecars_that_exiftool_makes_of_photos(tmp_path: Path) -> None:
    photo, path = tmp_path / "a.jpg", tmp_path / "a.jpg.xmp"
    shutil.copy(SAMPLES / "china.jpg", photo)
    exiftool("-q", "-overwrite_original", "-XMP-dc:Subject=Köln", "-XMP-dc:Title-de=Haus", "-IPTC:Keywords=Oma",
             "-XMP-lr:HierarchicalSubject=people|Oma", "-XMP-xmp:Rating=3", photo)  # fmt: skip
    for options in (["-all:all"], ["-XMP:all"], ["-XMP-xmp:all"], ["-IPTC:Keywords>XMP-dc:Subject"]):
        exiftool("-q", "-tagsfromfile", photo, *options, path)
        data, before = path.read_bytes(), dump(path)
        result = tagged(path)
        assert without_lists(dump(path)) == without_lists(before)
        assert without_tags(result).data == data
        path.unlink()


@needs("exiv2")
def test_sidecars_that_exiv2_makes_of_photos(tmp_path: Path) -> None:
    photo, path = tmp_path / "a.jpg", tmp_path / "a.xmp"
    shutil.copy(SAMPLES / "china.jpg", photo)
    for change in ("set Xmp.xmp.Rating 3", "set Xmp.dc.subject XmpBag Köln", "set Xmp.dc.title lang=de Haus",
                   "set Xmp.lr.hierarchicalSubject XmpBag people|Oma"):  # fmt: skip
        subprocess.run(["exiv2", f"-M{change}", photo], check=True, timeout=60)
        subprocess.run(["exiv2", "-eX", "-f", photo], check=True, timeout=60)
        data = path.read_bytes()
        assert without_tags(tagged(path)).data == data
        assert any("auto|animal|dog|corgi" in line for line in exiv2_lines(path))


def node_modules() -> str | None:
    """Where exiftool-vendored lies, what Immich reads with; NODE_PATH, or npm's own place."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None
    own = subprocess.run(["npm", "root", "-g"], capture_output=True, text=True, timeout=60).stdout.strip()
    places = [*os.environ.get("NODE_PATH", "").split(os.pathsep), own]
    return next((place for place in places if place and Path(place, "exiftool-vendored").is_dir()), None)


_READ = """const {exiftool} = require('exiftool-vendored');
Promise.all(process.argv.slice(1).map((path) => exiftool.read(path)))
  .then((found) => console.log(JSON.stringify(found))).finally(() => exiftool.end());"""


@needs("exiftool")
def test_immichs_reader_shows_our_tags_and_the_photos_own(tmp_path: Path) -> None:
    """Immich lays the sidecar's keys over the photo's, and then takes TagsList."""
    modules = node_modules()
    if modules is None:
        pytest.skip("exiftool-vendored (npm) is not installed")
    photo, path = tmp_path / "a.jpg", tmp_path / "a.jpg.xmp"
    shutil.copy(SAMPLES / "china.jpg", photo)
    exiftool("-q", "-overwrite_original", "-XMP-dc:Subject=Holiday", "-XMP-dc:Subject=Oma", photo)
    data = with_tags(None, CORGI, {SUBJECT: ("Holiday", "Oma")}).data
    assert data is not None
    path.write_bytes(data)
    done = subprocess.run(["node", "-e", _READ, photo, path], capture_output=True, text=True, check=True, timeout=120,
                          env={**os.environ, "NODE_PATH": modules})  # fmt: skip
    inside, beside = json.loads(done.stdout)
    merged = {**inside, **beside}
    assert merged["TagsList"] == ["Holiday", "Oma", "auto/animal/dog/corgi"]
    assert merged["HierarchicalSubject"] == ["Holiday", "Oma", "auto|animal|dog|corgi"]
    assert merged["Subject"] == ["Holiday", "Oma", "corgi"]


@needs("darktable-cli")
def test_darktable_shows_our_tags_and_the_photos_own(tmp_path: Path) -> None:
    photo, path = tmp_path / "a.jpg", tmp_path / "a.jpg.xmp"
    shutil.copy(SAMPLES / "china.jpg", photo)
    data = with_tags(None, CORGI, {SUBJECT: ("Holiday",), HIERARCHICAL: ("people|Oma",)}).data
    assert data is not None
    path.write_bytes(data)
    settings = tmp_path / "settings"
    done = subprocess.run(
        ["darktable-cli", photo, tmp_path / "out.png", "--width", "32", "--height", "32", "--core",
         "--configdir", settings, "--cachedir", tmp_path / "cache", "--library", settings / "library.db"],
        capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with sqlite3.connect(settings / "data.db") as library:
        names = {name for (name,) in library.execute("SELECT name FROM tags")}
    library.close()
    assert {"auto|animal|dog|corgi", "Holiday", "people|Oma"} <= names
