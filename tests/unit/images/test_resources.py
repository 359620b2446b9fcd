"""The limits that cgroups set, read from folders as Linux lays them out: version 2, version 1, and both."""

from pathlib import Path

import pytest

from resnext.images.resources import memory_bytes, processors

FREE = (memory_bytes(Path("/nowhere"), Path("/nowhere")), processors(Path("/nowhere"), Path("/nowhere")))
needs_two = pytest.mark.skipif(FREE[1] < 2, reason="this machine has one processor, so no quota can be seen")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The mount of the cgroups."""
    return tmp_path / "cgroup"


def set_limit(folder: Path, **files: object) -> None:
    """Write files of a cgroup; a dot in a file's name is written as __."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


def membership(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "self"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_version_2_limits_memory(root: Path, tmp_path: Path) -> None:
    set_limit(root / "user" / "job", memory__max=64 << 20)
    assert memory_bytes(root, membership(tmp_path, "0::/user/job")) == 64 << 20


def test_the_least_of_nested_folders_counts(root: Path, tmp_path: Path) -> None:
    set_limit(root / "user", memory__max=32 << 20)
    set_limit(root / "user" / "job", memory__max=64 << 20)
    set_limit(root / "user" / "job" / "step", memory__max="max")
    assert memory_bytes(root, membership(tmp_path, "0::/user/job/step")) == 32 << 20


def test_a_folder_beside_ours_sets_no_limit(root: Path, tmp_path: Path) -> None:
    set_limit(root / "user" / "job", memory__max="max")
    set_limit(root / "user" / "other", memory__max=1 << 20, cpu__max="1000 100000")
    found = membership(tmp_path, "0::/user/job")
    assert (memory_bytes(root, found), processors(root, found)) == FREE


def test_a_container_sees_its_own_limit_at_the_mount(root: Path, tmp_path: Path) -> None:
    # What it is called outside is in its membership, and not to be seen below the mount.
    set_limit(root, memory__max=48 << 20)
    assert memory_bytes(root, membership(tmp_path, "0::/docker/0123abcd")) == 48 << 20


def test_version_1_limits_memory(root: Path, tmp_path: Path) -> None:
    set_limit(root / "memory" / "docker" / "a", memory__limit_in_bytes=96 << 20)
    found = membership(tmp_path, "9:memory:/docker/a", "4:cpu,cpuacct:/docker/a", "1:name=systemd:/docker/a")
    assert memory_bytes(root, found) == 96 << 20


def test_version_1_without_a_limit_says_a_number_beyond_all_memory(root: Path, tmp_path: Path) -> None:
    set_limit(root / "memory" / "a", memory__limit_in_bytes=9223372036854771712)
    assert memory_bytes(root, membership(tmp_path, "9:memory:/a")) == FREE[0]


@needs_two
@pytest.mark.parametrize(
    ("quota", "expected"),
    [("100000 100000", 1), ("50000 100000", 1), ("110000 100000", 2), ("1000 100000", 1), ("max 100000", FREE[1])],
)
def test_version_2_limits_processors(root: Path, tmp_path: Path, quota: str, expected: int) -> None:
    set_limit(root / "job", cpu__max=quota)
    assert processors(root, membership(tmp_path, "0::/job")) == expected


@needs_two
@pytest.mark.parametrize("folder", ["cpu,cpuacct", "cpu"])
@pytest.mark.parametrize(("quota", "expected"), [(100000, 1), (110000, 2), (-1, FREE[1])])
def test_version_1_limits_processors(root: Path, tmp_path: Path, folder: str, quota: int, expected: int) -> None:
    # Mounted under both names of the controllers together, or under one of them.
    set_limit(root / folder / "a", cpu__cfs_quota_us=quota, cpu__cfs_period_us=100000)
    assert processors(root, membership(tmp_path, "4:cpu,cpuacct:/a")) == expected


def test_more_than_the_machine_has_is_no_limit(root: Path, tmp_path: Path) -> None:
    set_limit(root / "job", cpu__max="99900000 100000", memory__max=1 << 62)
    found = membership(tmp_path, "0::/job")
    assert (memory_bytes(root, found), processors(root, found)) == FREE


@pytest.mark.parametrize("quota", ["", "100000", "a b", "100000 0", "-1 100000"])
def test_a_quota_that_is_none_sets_no_limit(root: Path, tmp_path: Path, quota: str) -> None:
    set_limit(root / "job", cpu__max=quota, memory__max="")
    found = membership(tmp_path, "0::/job")
    assert (memory_bytes(root, found), processors(root, found)) == FREE
