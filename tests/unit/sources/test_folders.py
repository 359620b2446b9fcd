"""Arguments and folders -> inputs: their order, what is taken and left, and what is said where nothing is."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnext.records import Failure, Source
from resnext.sources import find
from resnext.sources.config import DEFAULT_EXCLUDED_DIRS, FolderConfig, SourceConfig
from resnext.sources.folders import natural_key

NOT_ROOT = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may list everything; permissions need another user"
)
NAMES = st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=20)
QUIET = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def plant(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not looked at")
    return root


def found(*arguments: Path | str, config: FolderConfig | None = None) -> list[str]:
    """The files found, relative to the first argument; failures as "code name"."""
    items = find([str(argument) for argument in arguments], SourceConfig(config or FolderConfig()))
    return [_short(item, str(arguments[0])) for item in items]


def _short(item: Source | Failure, root: str) -> str:
    if isinstance(item, Failure):
        return f"{item.code} {os.path.relpath(item.source.file, root)}"
    return os.path.relpath(item.file, root)


# -- order -----------------------------------------------------------------------------------------------------------


def test_folders_are_walked_in_natural_order(tmp_path: Path) -> None:
    ordered = [
        "1.jpg",
        "2.jpg",
        "10.jpg",
        "day 2/a.jpg",
        "day 10/a.jpg",
        "IMG_2.jpg",
        "img_10.JPG",
        "img_010b.jpg",
        "IMG_11.jpg",
        "z.png",
    ]
    shuffled = random.Random(0).sample(ordered, len(ordered))
    assert found(plant(tmp_path, *shuffled)) == ordered


@QUIET
@given(before=NAMES, low=st.integers(0, 10**12), high=st.integers(0, 10**12), after=NAMES)
def test_numbers_in_names_are_compared_as_numbers(before: str, low: int, high: int, after: str) -> None:
    if before[-1].isdigit() or after[0].isdigit():
        before, after = f"{before}-", f"-{after}"
    keys = [natural_key(f"{before}{number}{after}") for number in (low, high)]
    assert (keys[0] < keys[1]) == (low < high)


@QUIET
@given(names=st.lists(st.text(alphabet="0123aAß²٣.-_ \udce9", max_size=6), unique=True), seed=st.integers(0, 99))
def test_any_names_have_one_order(names: list[str], seed: int) -> None:
    shuffled = random.Random(seed).sample(names, len(names))
    assert sorted(names, key=natural_key) == sorted(shuffled, key=natural_key)


def test_arguments_keep_their_order_and_repeats(tmp_path: Path) -> None:
    plant(tmp_path, "b/2.jpg", "b/1.jpg", "a.jpg")
    paths = [str(tmp_path / name) for name in ("b", "a.jpg", "b", "a.jpg")]
    assert [Path(item.file).name for item in find(paths, SourceConfig()) if isinstance(item, Source)] == [
        *("1.jpg", "2.jpg", "a.jpg"),
        *("1.jpg", "2.jpg", "a.jpg"),
    ]


# -- what is taken ---------------------------------------------------------------------------------------------------


def test_a_folder_gives_its_pictures_and_those_below(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "a.jpg",
        "B.JPEG",
        "c.HEIC",
        "notes.txt",
        "film.mp4",
        "jpg",
        "d.jpg.part",
        "sub/deep/e.webp",
        "x.jpg/f.png",
    )
    assert found(tmp_path) == ["a.jpg", "B.JPEG", "c.HEIC", "sub/deep/e.webp", "x.jpg/f.png"]


@pytest.mark.parametrize("name", ["notes.txt", "photo", ".hidden", "missing.jpg", "film.mp4"])
def test_a_file_that_was_named_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    if name != "missing.jpg":
        plant(tmp_path, name)
    assert list(find([str(tmp_path / name)], SourceConfig())) == [Source(str(tmp_path / name))]


def test_hidden_files_and_folders_are_taken_on_request(tmp_path: Path) -> None:
    plant(tmp_path, ".a.jpg", ".trash/b.jpg", "c.jpg")
    assert found(tmp_path) == ["c.jpg"]
    assert found(tmp_path, config=FolderConfig(include_hidden=True)) == [".a.jpg", ".trash/b.jpg", "c.jpg"]


def test_folders_of_other_programs_are_left_out(tmp_path: Path) -> None:
    plant(tmp_path, *(f"sub/{name}/a.jpg" for name in DEFAULT_EXCLUDED_DIRS), "sub/mine/a.jpg", "keep/a.jpg")
    everything = FolderConfig(frozenset(), include_hidden=True)
    assert found(tmp_path) == ["keep/a.jpg", "sub/mine/a.jpg"]
    assert len(found(tmp_path, config=everything)) == len(DEFAULT_EXCLUDED_DIRS) + 2
    assert found(tmp_path, config=FolderConfig(frozenset({"mine"}), True))[-1] != "sub/mine/a.jpg"


def test_an_excluded_or_hidden_folder_that_was_named_is_walked(tmp_path: Path) -> None:
    plant(tmp_path, ".git/a.jpg", "node_modules/b.jpg")
    for name in (".git", "node_modules"):
        assert len(found(tmp_path / name)) == 1


def test_a_file_with_an_excluded_name_is_no_folder(tmp_path: Path) -> None:
    assert found(plant(tmp_path, "old.jpg"), config=FolderConfig(frozenset({"old.jpg"}))) == ["old.jpg"]


# -- odd file systems ------------------------------------------------------------------------------------------------


def test_links_are_followed_and_a_loop_ends(tmp_path: Path) -> None:
    plant(tmp_path, "root/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "root" / "again").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "photo.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    assert found(tmp_path / "root") == ["a.jpg", "linked/b.jpg", "photo.jpg"]


def test_a_dangling_link_is_left_for_decoding_to_report(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere")
    assert found(tmp_path) == ["gone.jpg"]


@pytest.mark.parametrize("contents", [(), ("notes.txt",), (".git/a.jpg",), ("sub/deep/notes.txt",)], ids=str)
def test_a_folder_without_pictures_gives_a_failure(tmp_path: Path, contents: tuple[str, ...]) -> None:
    plant(tmp_path, "b.jpg")
    empty = tmp_path / "empty"
    empty.mkdir()
    plant(empty, *contents)
    assert found(empty, tmp_path / "b.jpg") == ["no_images .", "../b.jpg"]


@NOT_ROOT
def test_a_folder_closed_to_us_is_a_failure_in_its_place(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    (tmp_path / "b").chmod(0)
    try:
        assert found(tmp_path) == ["a/1.jpg", "permission b", "c/3.jpg"]
    finally:
        (tmp_path / "b").chmod(0o700)


@pytest.mark.parametrize(
    ("error", "code"), [(PermissionError(13, "no"), "permission"), (OSError(5, "I/O"), "read_error")]
)
def test_a_folder_that_cannot_be_listed_is_a_failure_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, code: str
) -> None:
    plant(tmp_path, "a/1.jpg", "b/2.jpg", "c/3.jpg")
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if Path(path).name == "b":
            raise error
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert found(tmp_path) == ["a/1.jpg", f"{code} b", "c/3.jpg"]
    assert found(tmp_path / "b") == [f"{code} ."]


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="file names are Unicode here")
def test_names_that_are_not_utf_8_keep_their_bytes(tmp_path: Path) -> None:
    names = [b"caf\xe9.jpg", b"\xff\xfe.png", "ü\n.jpg".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"")
    (tmp_path / os.fsdecode(b"d\xe9")).mkdir()
    (tmp_path / os.fsdecode(b"d\xe9") / "a.jpg").write_bytes(b"")
    items = list(find([str(tmp_path)], SourceConfig()))
    assert {os.fsencode(item.file) for item in items if isinstance(item, Source)} == {
        os.fsencode(tmp_path) + b"/" + name for name in (*names, b"d\xe9/a.jpg")
    }


def test_a_very_deep_tree_is_walked_to_its_end(tmp_path: Path) -> None:
    deep = [str(tmp_path)]
    for _ in range(1200):  # still shorter than the longest path that Linux opens
        deep.append(f"{deep[-1]}/d")
        Path(deep[-1]).mkdir()
    photo = Path(deep[-1]) / "a.jpg"
    try:
        photo.write_bytes(b"")
        assert list(find([str(tmp_path)], SourceConfig())) == [Source(str(photo))]
    finally:  # pytest's own clean-up recurses
        photo.unlink()
        for folder in reversed(deep[1:]):
            Path(folder).rmdir()


# -- laziness --------------------------------------------------------------------------------------------------------


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The folders listed so far."""
    names: list[str] = []
    scandir = os.scandir

    def counting(path: str) -> Any:
        names.append(path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counting)
    yield names


def test_the_first_picture_comes_before_the_rest_of_the_tree_is_listed(tmp_path: Path, listed: list[str]) -> None:
    plant(tmp_path, *(f"{number}/{deeper}/a.jpg" for number in range(30) for deeper in range(3)))
    items = find([str(tmp_path)], SourceConfig())
    assert listed == []
    next(items)
    assert len(listed) <= 3
    assert len(list(items)) == 89
    assert len(listed) == 1 + 30 + 90


def test_an_argument_is_looked_at_when_its_turn_comes(tmp_path: Path) -> None:
    plant(tmp_path, "first/a.jpg")
    items = find([str(tmp_path / "first"), str(tmp_path / "second")], SourceConfig())
    next(items)
    plant(tmp_path, "second/b.jpg")
    assert [item.file for item in items if isinstance(item, Source)] == [str(tmp_path / "second" / "b.jpg")]


# -- each folder once ------------------------------------------------------------------------------------------------


def _circles(root: Path, count: int) -> Path:
    """So many folders, each with a link to every other: a walk that only ends circles would take count! ways."""
    for number in range(count):
        plant(root, f"d{number}/{number}.jpg")
    for number in range(count):
        for other in range(count):
            (root / f"d{number}" / f"to{other}").symlink_to(root / f"d{other}")
    return root


def test_folders_that_lead_to_one_another_are_entered_once(tmp_path: Path, listed: list[str]) -> None:
    root = _circles(tmp_path / "root", 9)
    assert found(root) == [f"d{number}/{number}.jpg" for number in range(9)]
    assert len(listed) == 10
    listed.clear()
    assert [item.file for item in find([f"{root}/**/*.jpg"], SourceConfig()) if isinstance(item, Source)] == [
        f"{root}/d{number}/{number}.jpg" for number in range(9)
    ]
    assert len(listed) == 10


def test_what_links_lead_to_outside_comes_once(tmp_path: Path) -> None:
    plant(tmp_path, "root/z.jpg", "root/.hidden/h.jpg", "far/inner/b.jpg", "far/c.jpg")
    for name, target in (("a", "far/inner"), ("b", "far"), ("c", "far"), ("d", "root/.hidden"), ("e", "root/.hidden")):
        (tmp_path / "root" / name).symlink_to(tmp_path / target)
    (tmp_path / "far" / "back").symlink_to(tmp_path)
    assert found(tmp_path / "root") == ["a/b.jpg", "b/c.jpg", "d/h.jpg", "z.jpg"]


def test_a_walk_remembers_the_folders_of_links_only(tmp_path: Path) -> None:
    from resnext.sources.folders import Tree, device

    plant(tmp_path, *(f"root/{number}/a.jpg" for number in range(50)), "far/b.jpg")
    (tmp_path / "root" / "link").symlink_to(tmp_path / "far")
    tree = Tree(FolderConfig())
    assert tree.begin(str(tmp_path / "root")) and not tree.begin(str(tmp_path / "root" / "7"))
    with os.scandir(tmp_path / "root") as entries:
        assert all([tree.enters(entry, device(str(tmp_path))) for entry in entries])
    assert len(tree._beginnings) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_file_systems_of_the_kernel_are_left_out_unless_named(tmp_path: Path, listed: list[str]) -> None:
    plant(tmp_path, "a.jpg")
    (tmp_path / "into").symlink_to("/proc/self")
    (tmp_path / "system").symlink_to("/sys/class")
    assert found(tmp_path) == ["a.jpg"]
    assert listed == [str(tmp_path)]
    everything = FolderConfig(_ROOT_BUT_KERNEL)
    assert [item.code for item in find(["/"], SourceConfig(everything)) if isinstance(item, Failure)] == ["no_images"]
    assert "/" in listed and not {"/proc", "/sys", "/dev"} & {*listed}
    listed.clear()
    assert [type(item) for item in find(["/proc/self/"], SourceConfig())] == [Failure]
    assert listed[0] == "/proc/self/" and all(name.startswith("/proc/self/") for name in listed)


with os.scandir("/") as _root:
    _ROOT_BUT_KERNEL = frozenset(entry.name for entry in _root) - {"proc", "sys", "dev"}


# -- what is passed over ---------------------------------------------------------------------------------------------


def test_files_that_are_no_pictures_are_counted_by_kind(tmp_path: Path) -> None:
    from resnext.sources.skipped import SkippedFiles

    plant(tmp_path, "a.jpg", "b.CR2", "c.dng", "sub/d.mp4", "e.jpg.xmp", "f", "g.txt", ".hidden", ".git/h.txt")
    skipped = SkippedFiles()
    assert str(skipped) == ""
    assert len(list(find([str(tmp_path), str(tmp_path / "g.txt")], SourceConfig(), skipped))) == 2
    assert str(skipped) == "6 files skipped (raw 2, film 1, sidecar 1, other 2)"
    skipped = SkippedFiles()
    assert len(list(find([str(tmp_path / "**" / "*")], SourceConfig(), skipped))) == 2  # one the failure of sub
    assert skipped.counts.total() == 6


def test_a_source_tells_the_size_and_time_of_its_file(tmp_path: Path) -> None:
    photo = plant(tmp_path, "a.jpg") / "a.jpg"
    assert Source(str(photo)).stamp() == (len(b"not looked at"), photo.stat().st_mtime_ns)
    assert Source(f"{photo}!/member", read=bytes, path=str(photo)).stamp() == Source(str(photo)).stamp()
    assert [Source(name).stamp() for name in ("/nowhere", "\0")] == [None, None]
    assert Source("http://a/b.jpg", read=bytes, remote=True).stamp() is None
