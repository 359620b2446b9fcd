"""`--shard I/N`: N runs do each input once, and agree on whose it is without a word to each other."""

import zipfile
from collections import Counter
from pathlib import Path

import pytest

from resnext.records import Failure, Shard
from resnext.sources import find
from resnext.sources.config import SourceConfig
from support.program import SAMPLES


def inputs(arguments: tuple[str, ...], shard: Shard | None = None, files_from: tuple[str, ...] = ()) -> list[str]:
    config = SourceConfig(files_from=files_from, shard=shard)
    return [item.source.file if isinstance(item, Failure) else item.file for item in find(arguments, config)]


def in_shards(of: int, *arguments: str, files_from: tuple[str, ...] = ()) -> list[list[str]]:
    return [inputs(arguments, Shard(number, of), files_from) for number in range(1, of + 1)]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in (*(f"{day}/{number}.jpg" for day in ("mon", "tue") for number in range(40)), "b\udcff.jpg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize("of", [1, 2, 3, 7, 200])
def test_all_shards_together_are_the_inputs_each_once_and_in_order(photos: Path, tmp_path: Path, of: int) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text(f"{photos}/mon\nmissing.jpg\n{photos}/tue/1.jpg\n{photos}/tue/1.jpg\n")
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as written:
        for number in range(20):
            written.write(SAMPLES / "coffee.png", f"{number}.png")
    (tmp_path / "empty").mkdir()
    named = (
        f"{photos}",
        f"{photos}/*/*1.jpg",
        "gone.jpg",
        f"{archive}",
        f"{tmp_path}/empty",
        "https://127.0.0.1/a.jpg",
    )
    whole = inputs(named, files_from=(str(listed),))
    shards = in_shards(of, *named, files_from=(str(listed),))
    assert Counter(file for shard in shards for file in shard) == Counter(whole)
    for shard in shards:
        rest = iter(whole)
        assert all(file in rest for file in shard), "another order"


def test_a_list_is_cut_by_number_and_so_evenly(tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{number}.jpg\n" for number in range(10)))
    assert in_shards(3, files_from=(str(listed),)) == [
        ["0.jpg", "3.jpg", "6.jpg", "9.jpg"],
        ["1.jpg", "4.jpg", "7.jpg"],
        ["2.jpg", "5.jpg", "8.jpg"],
    ]


def test_a_folder_is_cut_by_names_below_it_wherever_it_is_and_whatever_comes(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def names(*arguments: str) -> list[set[str]]:
        return [{file.rpartition("photos/")[2] for file in shard} for shard in in_shards(4, *arguments)]

    before = names(str(photos))
    assert all(10 <= len(shard) <= 30 for shard in before)
    monkeypatch.chdir(tmp_path)
    assert names("photos") == names("./photos/") == names(f"{photos}/**/*.jpg") == before
    (tmp_path / "mount").mkdir()
    elsewhere = photos.rename(tmp_path / "mount" / "photos")
    (elsewhere / "a.jpg").touch()
    after = names(str(elsewhere))
    assert [shard - {"a.jpg"} for shard in after] == before
