"""Claims to files that are not there yet. That they keep other runs off, the tests of the program show."""

import os
from pathlib import Path

import pytest

from resnext.outputs.claims import claimed
from support.results import snapshot


def test_what_is_no_file_is_not_claimed(tmp_path: Path) -> None:
    """A terminal and /dev/null take the rows of many runs."""
    with claimed("x", [("the output", Path(os.devnull))], tmp_path / "claims"):
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("claims", ["folder", "link", "gone/claims"])
def test_where_nothing_can_be_claimed_runs_go_on(tmp_path: Path, claims: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "link").symlink_to("precious")
    before = snapshot(tmp_path)
    with claimed("x", [("the output", tmp_path / "out.jsonl")], tmp_path / claims):
        assert snapshot(tmp_path) == before


def test_claims_take_no_room(tmp_path: Path) -> None:
    claims = tmp_path / "claims"
    for number in range(3):
        with claimed("x", [("the output", tmp_path / f"{number}.jsonl")], claims):
            assert claims.stat().st_size == 0
