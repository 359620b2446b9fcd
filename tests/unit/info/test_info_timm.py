"""What info asks of timm, in one process: cards of any classifier, search, pickled checkpoints, citations."""

from pathlib import Path
from typing import Any

import pytest
import torch

from resnext.errors import ModelError, UsageError
from resnext.info import card, checkpoint_card, citation, classes, search
from resnext.info.page import Page
from resnext.models.catalog import CATALOG
from resnext.shelf.choice import named
from resnext.store.store import Store
from support.checkpoints import seeded_state_dict

SMALL = "mobilenetv3_small_050.lamb_in1k"

pytestmark = pytest.mark.usefixtures("timm")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def shown(room: Any, found: dict[str, Any], width: int = 80) -> str:
    page = Page(width, color=False)
    room.show(found, page)
    return page.text


@pytest.mark.parametrize("name", [SMALL, "mobilenetv3_small_050"])
def test_any_timm_classifier_has_a_card(store: Store, name: str) -> None:
    row = card.report(named(name, store, offline=True), store)
    assert (row["num_classes"], row["num_features"]) == (1000, 1024)
    assert row["licence"] == "apache-2.0" and row["state"] == "download"
    assert "1.6 M parameters" in shown(card, row) and "@misc{rw2019timm" in row["bibtex"]


def test_a_model_without_a_classifier_is_said_to_be_unusable(store: Store) -> None:
    name = "vit_small_patch14_dinov2.lvd142m"
    row = card.report(named(name, store, offline=True), store)
    assert "can't be used here" in " ".join(shown(card, row).split())
    with pytest.raises(ModelError, match="no classes"):
        classes.report("*", name, None, store, offline=True)
    text = shown(search, search.report(name, store))
    assert "no classifier" in " ".join(text.split()) and text.splitlines()[1].startswith("-")


@pytest.mark.parametrize(
    ("pattern", "shelf_names"),
    [
        ("*LITE0*", {"tf_efficientnet_lite0"}),
        ("ssl_resnext", {entry.name for entry in CATALOG if entry.origin == "hub"}),
        ("resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k", {"ssl_resnext50_32x4d"}),
        ("101-32x16d", {"ssl_resnext101_32x16d"}),
    ],
)
def test_search_finds_models_under_either_name(store: Store, pattern: str, shelf_names: set[str]) -> None:
    found = search.report(pattern, store)
    assert {row["shelf_name"] for row in found["models"] if row["shelf_name"]} >= shelf_names
    assert all(row["usable"] for row in found["models"] if row["shelf_name"])
    assert max(map(len, shown(search, found).splitlines())) <= 80


def test_search_for_nothing_names_the_nearest(store: Store) -> None:
    with pytest.raises(UsageError, match=r"did you mean resnext50_32x4d"):
        search.report("resnxt50_32x4d", store)


def test_a_pickled_checkpoints_card(store: Store, tmp_path: Path, timm: Any) -> None:
    path = tmp_path / "own.pth.tar"
    state_dict = seeded_state_dict(timm, "resnext50_32x4d", num_classes=2)
    beside = {"arch": "resnext50_32x4d", "metric": float("nan"), "labels": ["cat", "dog"], "note": "x" * 10_000}
    torch.save({**beside, "state_dict": state_dict}, path)
    row = checkpoint_card.report(path, "resnext50_32x4d", store)
    assert (row["architecture"], row["shelf_name"], row["num_classes"]) == ("resnext50_32x4d", "ssl_resnext50_32x4d", 2)
    assert row["labels"] == ["cat", "dog"] and row["metadata"]["metric"] == "nan"
    assert len(row["metadata"]["note"]) < 1000 and row["fit"]["unlike"] == 0
    assert "that of ssl_resnext50_32x4d" in shown(checkpoint_card, row)
    assert checkpoint_card.report(path, "101-32x4d", store)["fit"]["unlike"] > 300
    found = classes.report("do?", None, path, store, offline=True)
    assert [label["name"] for label in found["labels"]] == ["dog"]


def test_only_models_that_there_are_can_be_cited(store: Store) -> None:
    assert citation.report(SMALL, store, offline=True)["bibtex"].startswith("@misc{rw2019timm")
    with pytest.raises(UsageError, match="no model is called"):
        citation.report("nosuch_model", store, offline=True)
