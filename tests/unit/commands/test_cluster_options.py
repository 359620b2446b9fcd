"""--cluster and what may stand behind it."""

import pytest

from resnext.commands.cluster import ClusterOptions, one_file, read_address, with_address
from resnext.commands.groups import WrongValue
from resnext.errors import UsageError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["photos/", "--cluster"], ["photos/", "--cluster", "auto"]),
        (["--cluster", "photos/", "-o", "x"], ["--cluster", "auto", "photos/", "-o", "x"]),
        (["--cluster", "-o", "x"], ["--cluster", "auto", "-o", "x"]),
        (["--cluster", "--", "local"], ["--cluster", "auto", "--", "local"]),
        (["--", "--cluster", "x"], ["--", "--cluster", "x"]),
        *((["--cluster", address], ["--cluster", address]) for address in ("auto", "local", "ray://h:1", "h-1.x:6379")),
        (["--cluster=local", "x"], ["--cluster=local", "x"]),
    ],
)
def test_the_address_may_be_left_out(words: list[str], expected: list[str]) -> None:
    assert with_address(words) == expected


@pytest.mark.parametrize("value", ["", "photos/", "host", "http://x:1", "local:", "h:port"])
def test_what_is_no_address(value: str) -> None:
    with pytest.raises(WrongValue, match="neither auto nor local"):
        read_address(value)


def test_what_is_for_many_machines_is_refused_without_them() -> None:
    assert not ClusterOptions().is_wanted and ClusterOptions(cluster="local", shard_size=5).is_wanted
    with pytest.raises(UsageError, match="--shard-size is for many machines: add --cluster"):
        _ = ClusterOptions(shard_size=5).is_wanted
    with pytest.raises(UsageError, match="a store takes the parts of --cluster"):
        one_file("s3://bucket/x.jsonl")
