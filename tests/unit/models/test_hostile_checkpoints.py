"""Model files that mean harm or are not what they are called: nothing runs, one line says what each is."""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from resnext.compiling import checkpoint_files, timm_models
from resnext.engines import CLASSIFIER
from resnext.errors import ModelError
from resnext.models import hub
from resnext.models.weights import WeightsFile, from_file
from resnext.shelf.choice import contents_of

SMALL = "test_resnet.r160_in1k"


class Canary:
    """Unpickled, it makes a folder: the proof that code ran."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def refusal(path: Path) -> str:
    """What every reader of a checkpoint says of it: `classify` and `info` read it in these two ways."""
    messages = []
    for read in (checkpoint_files.read_state_dict, contents_of):
        with pytest.raises(ModelError) as caught, warnings.catch_warnings():
            warnings.simplefilter("error")
            read(from_file(path))
        messages.append(str(caught.value))
    for message in messages:
        assert message.startswith(str(path)) and "\n" not in message and len(message) < len(str(path)) + 330
    return messages[0]


def zipped(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def torchscript(path: Path, _: Canary) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))


def torch_package(path: Path, canary: Canary) -> None:
    with torch.package.PackageExporter(str(path)) as exporter:
        exporter.extern(["posix", "os"])
        exporter.save_pickle("model", "model.pkl", canary)


def legacy_tar(path: Path, canary: Canary) -> None:
    """torch.save of 2016: a tar archive with pickles in it."""
    with tarfile.open(path, "w") as archive:
        for name in ("sys_info", "pickle", "storages"):
            content = pickle.dumps(canary)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def compressed_joblib(path: Path, canary: Canary) -> None:
    import zlib

    path.write_bytes(zlib.compress(pickle.dumps(canary)))


def object_array(path: Path, canary: Canary, save_array: Callable[..., None]) -> None:
    with path.open("wb") as file:
        save_array(file, np.array([canary], dtype=object))


def saved(path: Path, content: Any, **options: Any) -> None:
    torch.save(content, path, **options)


WEAPONS: dict[str, tuple[Callable[[Path, Canary], object], str]] = {
    **{
        f"pickle of protocol {protocol}": (
            lambda path, canary, protocol=protocol: path.write_bytes(pickle.dumps(canary, protocol)),
            "refused",
        )
        for protocol in (0, 1, *range(2, 6))
    },
    "pickle that calls os.system": (
        lambda path, canary: path.write_bytes(f"cos\nsystem\n(S'mkdir {canary.path}'\ntR.".encode()),
        "refused",
    ),
    "nested in a state dict": (lambda path, c: saved(path, {"state_dict": {"fc.weight": c}}), "would run code"),
    "nested in lists": (lambda path, c: saved(path, {"a": [[{"b": (c,)}]]}), "would run code"),
    "beside good tensors": (lambda path, c: saved(path, {"fc.weight": torch.ones(2), "z": c}), "would run code"),
    "of before 1.6": (lambda path, c: saved(path, {"a": c}, _use_new_zipfile_serialization=False), "would run code"),
    "zip, protocol 5": (lambda path, c: saved(path, {"a": c}, pickle_protocol=5), "would run code"),
    "TorchScript": (torchscript, "TorchScript"),
    "torch.package": (torch_package, "torch.package"),
    "tar of 2016": (legacy_tar, "tar archive"),
    "npy of objects": (lambda path, c: object_array(path, c, np.save), "NumPy array"),
    "npz of objects": (lambda path, c: object_array(path, c, np.savez), "NumPy arrays"),
    "joblib, compressed": (compressed_joblib, "neither"),
    "whole module": (lambda path, _: saved(path, torch.nn.Linear(2, 2)), "would run code"),
}


@pytest.mark.parametrize("name", WEAPONS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_code_in_a_checkpoint_is_never_run(tmp_path: Path, name: str, suffix: str) -> None:
    make, words = WEAPONS[name]
    trap, path = tmp_path / "executed", tmp_path / f"weights{suffix}"
    make(path, Canary(trap))
    assert words in refusal(path)
    assert not trap.exists()


def test_the_canary_sings(tmp_path: Path) -> None:
    """The weapons are loaded: plain unpickling sets them off."""
    pickle.loads(pickle.dumps(Canary(tmp_path / "executed")))
    assert (tmp_path / "executed").is_dir()


# -- not what it is called -------------------------------------------------------------------------------------------


def test_what_is_saved_in_place_of_weights_is_named(tmp_path: Path) -> None:
    array = io.BytesIO()
    np.save(array, np.ones(3))
    cases = {
        '{"error": "Repository not found"}': "JSON text",
        '{"errors":{"x":"y"}}': "JSON text",
        '[{"error": 1}]': "JSON text",
        "<!DOCTYPE html><html>": "web page",
        "<html><{>": "web page",
        gzip.compress(b"weights"): "gzip",
        array.getvalue(): "NumPy array",
        b"%PDF-1.7 ....": "PDF",
        b"\x89PNG\r\n\x1a\n": "image",
        b"PK\x05\x06" + bytes(18): "empty zip",
        b"\x89HDF\r\n\x1a\n": "HDF5",
    }
    for number, (content, words) in enumerate(cases.items()):
        path = tmp_path / f"{number}.pth"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert words in refusal(path), content
    zipped(tmp_path / "photos.pth", {"a.jpg": b"x", "b.jpg": b"y"})
    assert "zip archive of something else" in refusal(tmp_path / "photos.pth")


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_checkpoint_cut_anywhere_is_refused(tmp_path: Path, form: str) -> None:
    path = tmp_path / "weights"
    if form == "safetensors":
        path.write_bytes(save({"fc.weight": np.ones((20, 8), np.float32), "fc.bias": np.ones(20, np.float32)}))
    else:
        state = {"fc.weight": torch.ones(20, 8), "fc.bias": torch.ones(20)}
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    whole = path.read_bytes()
    assert set(checkpoint_files.read_state_dict(from_file(path))) == {"fc.weight", "fc.bias"}
    for cut in sorted({*range(0, 64, 7), *range(64, len(whole), max(1, len(whole) // 40)), len(whole) - 1}):
        path.write_bytes(whole[:cut])
        refusal(path)


@pytest.mark.parametrize("content", ["not a dict", {}, {"state_dict": {}}, {"a": 1}, [torch.ones(2)], torch.ones(2)])
def test_a_pickle_without_a_state_dict_says_so(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "weights.pth")
    assert "holds no state dict" in refusal(tmp_path / "weights.pth")


# -- safetensors -----------------------------------------------------------------------------------------------------


def header(tensors: Any, data: int = 16) -> bytes:
    text = tensors if isinstance(tensors, bytes) else json.dumps(tensors).encode()
    return struct.pack("<Q", len(text)) + text + bytes(data)


def tensor(shape: Any = (4,), begin: int = 0, end: int = 16, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


HEADERS: dict[str, bytes] = {
    "length of 2^63": struct.pack("<Q", 1 << 63) + b"{}" + bytes(60),
    "length of 2^64 - 1": b"\xff" * 8 + b"{}",
    "length beyond the end": struct.pack("<Q", 1000) + b"{}" + bytes(60),
    "length above the library's bound": struct.pack("<Q", 101_000_000) + b"{" + b" " * 101_000_000,
    "overlapping offsets": header({"a": tensor(), "b": tensor(begin=8, end=24)}, 24),
    "same offsets": header({"a": tensor(), "b": tensor()}),
    "offsets beyond the end": header({"a": tensor([4000], 0, 16000)}),
    "offsets backwards": header({"a": tensor(begin=16, end=0)}),
    "offsets of 2^64": header({"a": tensor(end=1 << 64)}),
    "a hole": header({"a": tensor(begin=4, end=20)}, 20),
    "bytes left over": header({"a": tensor()}, 20),
    "negative shape": header({"a": tensor([-4])}),
    "shape that overflows": header({"a": tensor([1 << 40, 1 << 40])}),
    "shape of text": header({"a": tensor("four")}),
    "shape and offsets disagree": header({"a": tensor([5])}),
    "unknown dtype": header({"a": tensor(dtype="F99")}),
    "duplicate names": header(
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}'
    ),
    "not UTF-8": header(b'{"\xff\xfe":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'),
    "not JSON": header(b"{nonsense}"),
    "nested without end": header(b'{"a":' * 50_000),
    "a list": header(b"[]"),
    "metadata of numbers": header({"__metadata__": {"a": 5}, "b": tensor()}),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "weights.safetensors").write_bytes(HEADERS[name])
    refusal(tmp_path / "weights.safetensors")


def test_a_header_full_of_metadata_is_read(tmp_path: Path) -> None:
    """60 MB of it, below the library's bound of 100 MB."""
    path = tmp_path / "weights.safetensors"
    path.write_bytes(header({"__metadata__": {"note": "x" * 60_000_000}, "fc.weight": tensor((2, 2))}))
    assert contents_of(from_file(path)).shapes == {"fc.weight": (2, 2)}


# -- digests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["semi_supervised_resnext50_32x4-ddb3e555.pth", "resnet34-43635321.pth"])
def test_a_name_of_timms_with_other_bytes_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(save({"a": np.ones(3, np.float32)}))
    with pytest.raises(ModelError, match="SHA-256 should begin with"):
        from_file(path)


def test_a_damaged_file_of_the_hubs_cache_is_refused(tmp_path: Path) -> None:
    """The cache names a file by the digest that the hub told; its client compares sizes alone."""
    content = save({"a": np.ones(300, np.float32)})
    import hashlib

    repo = Path(os.environ["HF_HOME"]) / "hub" / "models--timm--x"
    snapshot, blobs = repo / "snapshots" / ("0" * 40), repo / "blobs"
    for folder in (snapshot, blobs, repo / "refs"):
        folder.mkdir(parents=True)
    (repo / "refs" / "main").write_text("0" * 40)
    blob = blobs / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    (snapshot / "model.safetensors").symlink_to(blob)
    cached = hub.find_cached("timm/x")
    assert cached is not None and cached.checked().digest == blob.name
    blob.write_bytes(content[:-1] + b"\x7f")
    with pytest.raises(ModelError, match="delete it"):
        cached.checked()


# -- numbers and shapes ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(timm: Any) -> dict[str, torch.Tensor]:
    from support.checkpoints import seeded_state_dict

    return seeded_state_dict(timm, SMALL)


def stored(path: Path, state_dict: dict[str, torch.Tensor]) -> WeightsFile:
    from safetensors.torch import save_file

    save_file(state_dict, path)
    return from_file(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weights_that_are_no_numbers_are_refused(
    tmp_path: Path, good: dict[str, torch.Tensor], value: float, dtype: torch.dtype
) -> None:
    broken = {name: each.to(dtype, copy=True) if each.is_floating_point() else each for name, each in good.items()}
    name = next(name for name in broken if name.endswith("conv2.weight"))
    broken[name].view(-1)[5] = value
    with pytest.raises(ModelError, match=f"NaN or infinite weights in 1 of {len(good)} tensors, first in {name}"):
        timm_models.build(SMALL, stored(tmp_path / "w.safetensors", broken))


def misfits(good: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    first = next(iter(good))
    return {
        "a tensor missing": {name: each for name, each in good.items() if name != first},
        "a tensor more": {**good, "extra.weight": torch.ones(3)},
        "a tensor of another shape": {**good, first: torch.ones(2, 3, 1, 1)},
        "a scalar for a tensor": {**good, first: torch.tensor(1.0)},
        "another network": {"blocks.0.attn.qkv.weight": torch.ones(6, 2), "head.weight": torch.ones(1000, 2)},
    }


@pytest.mark.parametrize("name", misfits({"x": torch.ones(1)}))
def test_tensors_that_do_not_fit_are_one_line(tmp_path: Path, good: dict[str, torch.Tensor], name: str) -> None:
    with pytest.raises(ModelError, match="do not fit") as caught:
        timm_models.build(SMALL, stored(tmp_path / "w.safetensors", misfits(good)[name]))
    assert "\n" not in str(caught.value) and "resnext info --weights" in str(caught.value)


def test_weights_whose_answers_are_no_numbers_are_not_compiled(tmp_path: Path, good: dict[str, torch.Tensor]) -> None:
    """Every weight is finite, and the root of a negative variance is not."""
    from resnext.compiling.convert import convert

    name = next(name for name in good if name.endswith("running_var"))
    broken = {**good, name: -torch.ones_like(good[name])}
    model = timm_models.build(SMALL, stored(tmp_path / "w.safetensors", broken))
    with pytest.raises(ModelError, match="not finite"):
        convert(model, CLASSIFIER, tmp_path)
