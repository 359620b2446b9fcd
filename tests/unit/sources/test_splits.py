"""train/, val/ and test/ below a folder."""

from pathlib import Path

import pytest

from resnext.sources.splits import splits


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (["train/cat", "val/cat", "test/cat"], {"train": "train", "val": "val", "test": "test"}),
        (["Training/cat", "validation/cat", ".hidden/x"], {"train": "Training", "val": "validation"}),
        (["test/cat"], {"test": "test"}),
        (["train/cat", "ship/x"], {}),  # a class that is called so
        (["train/cat", "test/cat", "raw/x"], {"train": "train", "test": "test"}),
        (["val/cat", "test/cat", "raw/x"], {}),
        (["train"], {}),
        (["train/cat", "val"], {}),
        (["val/cat", "valid/cat"], {}),
        (["cat/deeper", "dog"], {}),
        ([], {}),
    ],
)
def test_a_folder_is_divided_by_train_beside_the_others(
    tmp_path: Path, folders: list[str], expected: dict[str, str]
) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "README.md").touch()
    assert splits(str(tmp_path)) == {split: str(tmp_path / name) for split, name in expected.items()}


def test_what_is_no_folder_is_not_divided(tmp_path: Path) -> None:
    assert splits(str(tmp_path / "missing")) == {}
