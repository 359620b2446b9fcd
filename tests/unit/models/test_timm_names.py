"""The names of timm's models, as its sources tell them without being imported."""

from typing import Any

import pytest

from resnext.errors import UsageError
from resnext.models.timm_names import check_name, near_names, timm_names


def test_every_name_that_timm_takes_is_known(timm: Any) -> None:
    known = timm_names()
    registry = timm.models._registry
    names = {*timm.list_models(), *timm.list_pretrained(), *registry._deprecated_models}
    assert len(names) > 3000
    assert [name for name in names if known.lack(name)] == []
    assert set(timm.list_models()) <= known.architectures


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnxt50_32x4d", "resnext50_32x4d"),
        ("ssl_resnext50_32x4", "ssl_resnext50_32x4d"),
        ("resnet50.bogus", "resnet50"),
        ("efficientnet_lite1x", "efficientnet_lite1"),
    ],
)
def test_a_typo_is_told_with_what_may_be_meant(name: str, near: str) -> None:
    assert any(each.startswith(near) for each in near_names(name))
    with pytest.raises(UsageError, match="did you mean"):
        check_name(name)


@pytest.mark.parametrize("name", ["", "../x", "x" * 100_000, "\x1b[31m", "*", "resnet50.", "."])
def test_what_is_no_name_is_one_short_line(name: str) -> None:
    if name == "resnet50.":  # timm takes it for resnet50
        return check_name(name)
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert len(str(caught.value)) < 250


def test_published_checkpoints_are_known_by_their_files() -> None:
    assert {"semi_supervised_resnext50_32x4-ddb3e555.pth", "resnet34-43635321.pth"} <= timm_names().files


def test_no_name_is_proposed_twice() -> None:
    near = near_names("ssl_resnext50_32x4")
    assert len(near) == len(set(near)) > 1


def test_what_is_proposed_is_a_model() -> None:
    assert "crop_mode" not in near_names("nosuch_model")
