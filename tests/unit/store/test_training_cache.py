"""What training keeps in the cache: counted, and removed where nothing uses it; nothing of others is touched."""

import os
import time
from pathlib import Path

from resnext.info import storage
from resnext.store.store import Store
from resnext.store.training_cache import features_folder, kept_files, remove, weights_file

DIGEST = "ab" * 32


def _fill(root: Path) -> dict[str, Path]:
    files = {
        "fresh": features_folder(root, "0" * 20) / "a.features",
        "old": features_folder(root, "1" * 20) / "b.features",
        "weights": weights_file(root, DIGEST),
        "foreign": features_folder(root, "mine") / "c.features",
        "foreign weights": root / "weights" / "model.safetensors",
    }
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100))
    month = time.time() - 31 * 86_400
    os.utime(files["old"], (month, month))
    return files


def test_files_say_whether_they_are_used(tmp_path: Path) -> None:
    files = _fill(tmp_path)
    found = {each.path: each.unused for each in kept_files(tmp_path, [DIGEST])}
    assert set(found) == {files["fresh"], files["old"], files["weights"]}
    assert (
        found[files["fresh"]] is None and found[files["weights"]] is None and "30 days" in (found[files["old"]] or "")
    )
    assert {each.path for each in kept_files(tmp_path, ()) if each.unused} == {files["old"], files["weights"]}


def test_what_is_removed_leaves_no_folder_and_nothing_of_others(tmp_path: Path) -> None:
    files = _fill(tmp_path)
    remove(tmp_path, kept_files(tmp_path, ()))
    assert [name for name, path in files.items() if path.exists()] == ["foreign", "foreign weights"]
    assert not files["fresh"].parent.exists() and not files["old"].parent.exists()


def test_info_counts_them_prunes_what_is_unused_and_clears_all(tmp_path: Path) -> None:
    files, store = _fill(tmp_path), Store(tmp_path)
    found = storage.report(store)
    assert found["training_bytes"] == 300 and len(found["training"]) == 3 and found["compiled"] == []
    pruned = storage.prune(store)
    assert sorted(row["name"] for row in pruned["removed"]) == [
        files["old"].relative_to(tmp_path).as_posix(), files["weights"].relative_to(tmp_path).as_posix()
    ]  # fmt: skip
    assert pruned["freed_bytes"] == 200 and files["fresh"].exists()
    assert [row["reason"] for row in storage.clear(store)["removed"]] == ["cleared"] and not files["fresh"].exists()
