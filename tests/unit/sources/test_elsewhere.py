"""Inputs that are read on other machines: each can be pickled, and then reads the same."""

import io
import pickle
import tarfile
import zipfile
from pathlib import Path

import pytest

from resnext.errors import InputError
from resnext.records import Failure, Source
from resnext.sources import find
from resnext.sources.config import SourceConfig
from resnext.sources.tars import unpacked
from support.program import SAMPLES

NAMES = ("a.png", "b/c.png", "b/d.png")


@pytest.fixture(params=["zip", "tar", "tar.gz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"photos.{request.param}"
    contents = {name: name.encode() * 1000 for name in NAMES}
    if request.param == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for name, content in contents.items():
                packed.writestr(name, content)
            with pytest.warns(UserWarning, match="Duplicate"):
                packed.writestr("a.png", b"another of this name")
    else:
        with tarfile.open(path, f"w:{request.param[4:]}") as packed:
            for name, content in [*contents.items(), ("a.png", b"another of this name")]:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                packed.addfile(info, io.BytesIO(content))
    return path


def travelled(*arguments: str) -> list[Source | Failure]:
    found = list(find(arguments, SourceConfig(elsewhere=True)))
    there: list[Source | Failure] = pickle.loads(pickle.dumps(found))
    assert there == found
    return there


def content(item: Source | Failure) -> bytes:
    assert isinstance(item, Source) and item.read is not None
    return item.read()


def test_members_of_archives(archive: Path) -> None:
    here = [content(item) for item in find((str(archive),), SourceConfig())]
    assert here[3] == b"another of this name"
    there = travelled(str(archive))
    assert [content(item) for item in unpacked(there)] == here
    assert [content(item) for item in unpacked(there[1:3])] == here[1:3]
    assert content(there[3]) == here[3], "one alone, out of order"
    assert len(pickle.dumps(there)) < 2000


def test_an_archive_that_is_not_there_fails_each_member(archive: Path) -> None:
    there = travelled(str(archive))
    archive.unlink()
    for item in unpacked(there):
        if isinstance(item, Failure):
            assert item.code == "not_found"
        else:
            with pytest.raises((InputError, FileNotFoundError), match=r"[Nn]o such file"):
                content(item)


def test_a_member_by_its_name_a_file_and_addresses(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr("m.png", b"m")
    member, photo, missing, web, store = travelled(
        *(f"{tmp_path}/x.zip!/m.png", str(SAMPLES / "coffee.png"), "gone.jpg"),
        *("http://user:secret@127.0.0.1:1/a.jpg", f"memory://{tmp_path}/gone.jpg"),
    )
    assert content(member) == b"m"
    assert isinstance(photo, Source) and photo.read is None and photo.stamp() is not None
    assert isinstance(missing, Source) and missing.stamp() is None
    assert isinstance(web, Source) and "secret" not in web.file and web.remote
    with pytest.raises(InputError, match="no such file"):
        content(store)
