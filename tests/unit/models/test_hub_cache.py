"""The hub's cache is found where its own client finds it."""

import subprocess
import sys
from pathlib import Path

import pytest

from resnext.models.hub import find_cached, hub_cache_folder, timm_weights

REPO = "timm/resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k"
DIGEST = "ab" * 32


def _fill(cache: Path, filename: str = "model.safetensors") -> Path:
    folder = cache / f"models--{REPO.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123")
    (folder / "blobs").mkdir()
    (folder / "blobs" / DIGEST).write_bytes(b"weights")
    snapshot = folder / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / filename).symlink_to(folder / "blobs" / DIGEST)
    return snapshot / filename


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"HF_HOME": "{tmp}/home"},
        {"HF_HUB_CACHE": "{tmp}/hub"},
        {"HUGGINGFACE_HUB_CACHE": "{tmp}/old", "HF_HOME": "{tmp}/home"},
        {"HF_HUB_CACHE": "$HOME/expanded"},
        {"HF_HOME": "~/tilde"},
        {"XDG_CACHE_HOME": "{tmp}/xdg"},
    ],
)
def test_the_folder_is_the_clients(variables: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp=tmp_path))
    command = "from huggingface_hub.constants import HF_HUB_CACHE; print(HF_HUB_CACHE)"
    theirs = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert str(hub_cache_folder()) == theirs.stdout.strip()


@pytest.mark.parametrize("filename", ["model.safetensors", "pytorch_model.bin"])
def test_weights_are_found_as_the_client_finds_them(
    filename: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import try_to_load_from_cache

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert find_cached(REPO) is None and list(timm_weights()) == []
    path = _fill(tmp_path, filename)
    found = find_cached(REPO)
    assert found is not None and (found.path, found.digest, found.size_bytes) == (path, DIGEST, 7)
    assert try_to_load_from_cache(REPO, filename, cache_dir=tmp_path) == str(path)
    assert list(timm_weights()) == [found]


def test_a_broken_link_is_no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    _fill(tmp_path).resolve().unlink()
    assert find_cached(REPO) is None
