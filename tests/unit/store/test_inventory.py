"""The store's inventory: what is used, what is removed, and what is never touched."""

import os
import time
from pathlib import Path

import pytest

from resnext.models.catalog import resolve
from resnext.records import Label, PreprocessingConfig
from resnext.store import inventory, request_keys
from resnext.store.entries import CompiledModel, Provenance, installed_version
from resnext.store.leftovers import NEW_FILE
from resnext.store.store import Store

REQUEST = request_keys.published(resolve("lite0"))
CURRENT = Provenance("tf_efficientnet_lite0.in1k", "0" * 64, installed_version("timm"), installed_version("openvino"))
CONFIG = PreprocessingConfig((3, 8, 8), "bicubic", 0.9, "center", (0.5,) * 3, (0.5,) * 3)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def put(store: Store, provenance: Provenance = CURRENT, request: str | None = REQUEST) -> Path:
    with store.new_folder() as folder:
        (folder / "graph.xml").write_text("<net/>")
        (folder / "graph.bin").write_bytes(b"1234")
        draft = CompiledModel(folder, provenance, "test", "test", CONFIG, {}, 1, 8)
        model = store.put(folder, draft, (Label(0, "cat", "cat"),))
    if request is not None:
        store.remember(request, provenance)
    return model.folder


def test_an_entry_is_found_by_its_request(store: Store) -> None:
    assert inventory.find(store, REQUEST) is None
    folder = put(store)
    found = inventory.find(store, REQUEST)
    assert found is not None and found.folder == folder and found.unused is None
    assert found.size_bytes == sum(path.stat().st_size for path in folder.iterdir())
    assert time.time() - found.built < 60


def test_prune_keeps_what_is_used_and_removes_the_rest(store: Store, tmp_path: Path) -> None:
    kept = put(store)
    checkpoint = tmp_path / "own.safetensors"
    checkpoint.write_bytes(b"weights")
    of_file = CURRENT._replace(weights_digest="1" * 64)
    put(store, of_file, request_keys.checkpoint(resolve("lite0"), checkpoint))
    put(store, CURRENT._replace(openvino_version="1.0"), "published older")
    put(store, CURRENT._replace(weights_digest="2" * 64), None)
    damaged = put(store, CURRENT._replace(weights_digest="3" * 64))
    (damaged / "graph.bin").write_bytes(b"12")
    put(store)  # the note that the damaged entry took over
    reasons = {entry.unused for entry in inventory.entries(store)}
    assert reasons == {None, "made by other versions", "its checkpoint was changed or removed", "damaged"}
    assert len(inventory.prune(store)) == 3
    assert len(inventory.entries(store)) == 2 and len(list(store.refs.iterdir())) == 2
    checkpoint.unlink()
    (removed,) = inventory.prune(store)
    assert removed.name == store.folder_of(of_file).name and removed.size_bytes > 0
    assert [path.name for path in store.compiled.iterdir()] == [kept.name]
    assert inventory.prune(store) == [] and inventory.find(store, REQUEST) is not None


def test_what_a_killed_process_left_in_an_entry_is_pruned(store: Store) -> None:
    folder = put(store)
    left, young = folder / f"{NEW_FILE}left", folder / f"{NEW_FILE}young"
    for each in (left, young):
        each.write_bytes(b"half a blob")
    os.utime(left, times=(time.time() - 3600,) * 2)
    inventory.prune(store)
    assert not left.exists() and young.exists() and (folder / "graph.bin").exists()


def test_an_entry_is_as_old_as_its_build(store: Store) -> None:
    """Not as what an engine keeps beside it later."""
    folder = put(store)
    for path in folder.iterdir():
        os.utime(path, times=(1_000_000_000,) * 2)
    (folder / "later.blob").write_bytes(b"kept")
    (entry,) = inventory.entries(store)
    assert entry.built == 1_000_000_000
    assert entry.size_bytes == sum(path.stat().st_size for path in folder.iterdir())


def test_clear_leaves_what_is_not_the_stores(store: Store) -> None:
    put(store)
    for name in ("holiday", "thesis-final"):
        (store.compiled / name).mkdir()
    (store.root / "notes.txt").write_text("mine")
    assert len(inventory.clear(store)) == 1
    assert {path.name for path in store.compiled.iterdir()} == {"holiday", "thesis-final"}
    assert not list(store.refs.iterdir()) and (store.root / "notes.txt").exists()
    assert inventory.clear(store) == []


def test_a_build_under_way_is_left_alone(store: Store) -> None:
    with store.new_folder() as building:
        (building / "graph.xml").write_text("half")
        assert inventory.clear(store) == [] and building.exists()
        old = time.time() - 3600
        for path in (building / "graph.xml", building):
            os.utime(path, (old, old))
        (removed,) = inventory.prune(store)
        assert "broke off" in removed.reason and not building.exists()


def test_an_empty_or_impossible_store_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for root in (tmp_path / "none", file):
        assert inventory.entries(Store(root)) == [] == inventory.prune(Store(root)) == inventory.clear(Store(root))


@pytest.mark.parametrize(
    ("request_", "again"), [("published x", True), ("file any (1, 2, 3, 4) /nowhere", False), ("", False), ("?", False)]
)
def test_only_what_can_be_asked_again_counts(request_: str, again: bool) -> None:
    assert request_keys.can_come_again(request_) is again
