"""The shelf: parity with timm at seeded random weights, checkpoints of every kind, names, --model auto."""

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from resnext.console.terminal import Notices
from resnext.engines import EngineSpec, load_engine
from resnext.models.checkpoints import ssl_resnext_of
from resnext.shelf.shelf import ModelRequest, Shelf
from resnext.store.store import Store
from support.checkpoints import normalized, save_safetensors, seeded_state_dict
from support.family import FAMILY, FAMILY_BY_SIZE
from support.loopback_hub import LoopbackHub
from support.program import SAMPLES, Heard, RunResnext, clean_environment
from support.tiny_model import answer_of, write_tiny_model

PHOTO = SAMPLES / "coffee.png"
SMALL = "test_resnet.r160_in1k"  # compiles in a moment


@pytest.fixture(scope="session")
def resnext50_checkpoint(timm: Any, shared_root: Path) -> Path:
    path = shared_root / "resnext50.safetensors"
    if not path.exists():
        save_safetensors(seeded_state_dict(timm, FAMILY[0].timm_name), path)
    return path


@pytest.fixture(scope="session")
def small_checkpoint(timm: Any, shared_root: Path) -> Path:
    return save_safetensors(seeded_state_dict(timm, SMALL), shared_root / "small.safetensors")


@pytest.mark.parametrize("entry", FAMILY_BY_SIZE, ids=lambda entry: entry.name)
def test_logits_and_pooled_features_equal_timms(
    timm: Any, tmp_path: Path, entry: Any, amount: Callable[[int, int], int]
) -> None:
    """From a checkpoint file through the shelf, fp32: all logits within 1e-4 of timm's, dynamic and static batches."""
    state_dict = seeded_state_dict(timm, entry.timm_name)
    checkpoint = save_safetensors(state_dict, tmp_path / "weights.safetensors")
    module = timm.create_model(entry.timm_name, pretrained=False).eval()
    module.load_state_dict(state_dict)
    crops = np.random.default_rng(1).integers(0, 256, (3, 224, 224, 3), np.uint8)
    pixels = normalized(crops)
    with torch.inference_mode():
        features = module.forward_features(pixels)
        expected = module.forward_head(features).numpy()
        pooled = module.forward_head(features, pre_logits=True).numpy()
    assert expected.std() > 0.05  # weights under which a wrong graph would show

    shelf = Shelf(Notices(quiet=True), Store(tmp_path / "cache"))
    request = ModelRequest(
        weights=checkpoint, precision="fp32", outputs=("logits", "pooled")
    )  # the architecture is told by the shapes
    opened = shelf.open(request)
    assert opened.name == "weights"
    for tuning in ("latency", "throughput")[: 2 if entry is FAMILY[0] else amount(2, 1)]:
        engine = opened.load(tuning)  # type: ignore[arg-type]
        for row in range(3):
            outputs = engine.submit(crops[row : row + 1]).result()
            np.testing.assert_allclose(outputs["logits"][0], expected[row], rtol=0, atol=1e-4)
            np.testing.assert_allclose(outputs["pooled"][0], pooled[row], rtol=0, atol=1e-4)


def test_an_engine_pads_what_does_not_fill_its_batch(bundled_graph: Path, timm: Any) -> None:
    pixels = np.random.default_rng(0).standard_normal((5, 3, 224, 224), dtype=np.float32)
    single = load_engine(EngineSpec(bundled_graph, precision="fp32"))
    expected = np.concatenate([single.submit(pixels[row : row + 1]).result()["logits"] for row in range(5)])
    batched = load_engine(EngineSpec(bundled_graph, precision="fp32", tuning="throughput", batch_size=4))
    tickets = [batched.submit(pixels[:4]), batched.submit(pixels[4:])] if batched.depth > 1 else []
    assert tickets, "two cores run at least two batches at once"
    got = np.concatenate([ticket.result()["logits"] for ticket in tickets])
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-4)


def test_all_names_of_a_model_are_one_entry(tmp_path: Path, resnext50_checkpoint: Path) -> None:
    store = Store(tmp_path / "cache")
    for name in ("50-32x4d", "ssl_resnext50_32x4d", "resnext50_32x4d.fb_ssl_yfcc100m_ft_in1k"):
        heard = Heard()
        opened = Shelf(heard, store).open(ModelRequest(model=name, weights=resnext50_checkpoint))
        assert opened.name == "resnext50"  # the file's own name
        assert any("compiling" in line for line in heard.lines) == (name == "50-32x4d")
    assert len(list(store.compiled.iterdir())) == 1


def test_pickled_checkpoints_of_every_age_are_read(tmp_path: Path, small_checkpoint: Path) -> None:
    """Facebook's original files are bare pickles of 2019; timm's train.py wraps and prefixes its state dict."""
    from safetensors.torch import load_file

    state_dict = load_file(small_checkpoint)
    legacy, wrapped = tmp_path / "facebook.pth", tmp_path / "train.pth.tar"
    torch.save(state_dict, legacy, _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state_dict.items()}}, wrapped)
    answers = [answer_of(SMALL, tmp_path / "cache", Heard(), path) for path in (small_checkpoint, legacy, wrapped)]
    for answer in answers[1:]:
        np.testing.assert_allclose(answer.logits, answers[0].logits, rtol=0, atol=1e-5)
        assert answer[2:] == answers[0][2:]


def test_a_fine_tuned_checkpoint_keeps_its_own_classes(resnext: RunResnext, tmp_path: Path, timm: Any) -> None:
    checkpoint, labels = tmp_path / "own.safetensors", tmp_path / "labels.json"
    save_file(seeded_state_dict(timm, SMALL, num_classes=3), checkpoint)
    labels.write_text('["cat", "dog", "bird"]')
    command = ("classify", "-m", SMALL, "--weights", checkpoint, PHOTO)
    plain = json.loads(resnext(*command, cache=tmp_path / "cache").stdout)["predictions"]
    named = json.loads(resnext(*command, "--labels", labels, cache=tmp_path / "cache").stdout)["predictions"]
    assert sorted(each["label"] for each in plain) == ["class 0", "class 1", "class 2"]
    assert sorted(each["label"] for each in named) == ["bird", "cat", "dog"]
    assert sum(each["score"] for each in named) == pytest.approx(1, abs=1e-5)
    labels.write_text("only one\n")
    wrong = resnext(*command, "--labels", labels, cache=tmp_path / "cache")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1) and "3 classes" in wrong.stderr


class _Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_checkpoint_that_would_run_code_is_refused(resnext: RunResnext, tmp_path: Path, new_format: bool) -> None:
    trap, checkpoint = tmp_path / "executed", tmp_path / "evil.pth"
    torch.save({"state_dict": _Malicious(trap)}, checkpoint, _use_new_zipfile_serialization=new_format)
    done = resnext("classify", "-m", "50-32x4d", "--weights", checkpoint, PHOTO, cache=tmp_path / "cache")
    assert not trap.exists()
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[-1].startswith("resnext: error: ") and "refused" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words", "status"),
    [
        (["-m", "resnxt50_32x4d"], "did you mean resnext50_32x4d", 2),
        (["-m", "nope"], "'resnext info' lists the models", 2),
        (["-m", "resnet50.bogus"], "did you mean", 2),
        (["-m", "qwen3_vit_306m_enc.bogus"], "did you mean", 2),  # whose weights timm names by code
        (["-m", "resnet50.bogus", "--engine", "torch"], "did you mean", 2),
        (["-m", "hf-hub:nonsense"], "hf-hub:OWNER/NAME", 2),
        (["-m", "./nowhere"], "hf-hub:OWNER/NAME", 3),
        (["-m", "ssl_resnext101_32x8d"], "--weights FILE", 3),
        (["-m", "lite0", "--weights", "/nowhere.pth"], "/nowhere.pth", 3),
        (["-m", "50-32x4d", "--weights", str(PHOTO)], "an image, not weights", 3),
    ],
)
def test_a_model_that_can_not_be_had_is_never_replaced(
    resnext: RunResnext, tmp_path: Path, arguments: list[str], words: str, status: int
) -> None:
    done = resnext("classify", *arguments, PHOTO)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.count("\n") == 1 and words in done.stderr


def test_a_checkpoint_of_another_model_is_refused(
    resnext: RunResnext, tmp_path: Path, resnext50_checkpoint: Path
) -> None:
    done = resnext("classify", "-m", "101-32x4d", "--weights", resnext50_checkpoint, PHOTO, cache=tmp_path / "cache")
    assert done.returncode == 3
    assert "do not fit" in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "cache" / "compiled").glob("*"))


def test_the_torch_engine_agrees_with_the_compiled_path(resnext: RunResnext) -> None:
    def scores(*options: str) -> list[tuple[int, float]]:
        done = resnext("classify", "-m", "lite0", "--exact", *options, PHOTO)
        return [(each["index"], each["score"]) for each in json.loads(done.stdout)["predictions"]]

    reference, compiled = scores("--engine", "torch"), scores()
    assert [index for index, _ in reference] == [index for index, _ in compiled]
    assert [score for _, score in reference] == pytest.approx([score for _, score in compiled], abs=1e-5)


def test_a_transform_that_is_no_centre_crop_is_timms_own(resnext: RunResnext, tmp_path: Path, timm: Any) -> None:
    """A model whose pretrained_cfg squashes the photo: preprocessing by timm itself, nothing approximated."""
    data = importlib.import_module("timm.data")
    folder = tmp_path / "squashing"
    write_tiny_model(folder, timm, crop_mode="squash")
    module = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    assert module.pretrained_cfg["crop_mode"] == "squash"
    from PIL import Image

    transform = data.create_transform(**data.resolve_model_data_config(module), is_training=False)
    with Image.open(SAMPLES / "china.jpg") as image, torch.inference_mode():
        expected = module(transform(image.convert("RGB"))[None]).softmax(-1)[0]
    done = resnext("classify", "-m", folder, "--exact", "-k", "3", SAMPLES / "china.jpg", cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    for each in json.loads(done.stdout)["predictions"]:
        assert each["score"] == pytest.approx(float(expected[each["index"]]), abs=1e-5)


def test_ssl_resnexts_are_told_by_their_shapes(timm: Any) -> None:
    for entry in FAMILY:
        with torch.device("meta"):
            shapes = {
                name: tuple(tensor.shape)
                for name, tensor in timm.create_model(entry.timm_name, pretrained=False).state_dict().items()
            }
        assert ssl_resnext_of(shapes) == entry.name
    assert ssl_resnext_of({"fc.weight": (1000, 2048)}) is None


# -- the hub ---------------------------------------------------------------------------------------------------------

_TIMM_PRETRAINED = """
import json, sys
from resnext.compiling.timm_models import import_timm
timm = import_timm()
import timm.data, torch
from PIL import Image
model = timm.create_model(sys.argv[1], pretrained=True).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
with torch.inference_mode():
    scores, indices = model(transform(Image.open(sys.argv[2]).convert("RGB"))[None]).softmax(-1)[0].topk(5)
print(json.dumps([indices.tolist(), scores.tolist()]))
"""


def test_the_hub_path_equals_timms_pretrained(
    resnext: RunResnext, tmp_path: Path, resnext50_checkpoint: Path, timm: Any
) -> None:
    """The same loopback hub answers timm's own pretrained=True and us; afterwards neither hub nor torch is needed."""
    files = {(f"timm/{FAMILY[0].timm_name}", "model.safetensors"): resnext50_checkpoint}
    with LoopbackHub(files).running() as hub:
        online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.endpoint}
        reference = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _TIMM_PRETRAINED, FAMILY[0].timm_name, PHOTO],
            env=clean_environment(tmp_path / "timm", tmp_path / "cache") | online,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert reference.returncode == 0, reference.stderr
        asked_by_timm = len(hub.requests)
        assert asked_by_timm
        first = resnext("classify", "--exact", PHOTO, cache=tmp_path / "cache", env=online)  # --model auto
        assert len(hub.requests) > asked_by_timm
        assert "downloading ssl_resnext50_32x4d" in first.stderr and "CC-BY-NC 4.0" in first.stderr
        asked = len(hub.requests)
        again = resnext("classify", "--exact", PHOTO, cache=tmp_path / "cache", env=online)
        assert len(hub.requests) == asked, "a warm start asks no hub"
    row = json.loads(first.stdout)
    indices, scores = json.loads(reference.stdout)
    assert row["model"] == "ssl_resnext50_32x4d"
    assert [each["index"] for each in row["predictions"]] == indices
    assert [each["score"] for each in row["predictions"]] == pytest.approx(scores, abs=1e-5)
    assert again.stdout == first.stdout and again.stderr == ""


@pytest.mark.parametrize("dead", ["closed", "silent"])
def test_without_a_network_auto_answers_with_the_bundled_model(resnext: RunResnext, own_cache: Path, dead: str) -> None:
    import socket

    cache = own_cache
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if dead == "silent":
            listener.listen()
        online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}"}
        begin = time.monotonic()
        first = resnext("classify", PHOTO, cache=cache, env=online)
        took = time.monotonic() - begin
        second = resnext("classify", PHOTO, cache=cache, env=online)
        named = resnext("classify", "-m", "50-32x4d", PHOTO, cache=cache, env=online)
    for done in (first, second):
        row = json.loads(done.stdout)
        assert (done.returncode, row["model"]) == (0, "tf_efficientnet_lite0")
        assert row["predictions"][0]["label"] == "espresso"
        assert done.stderr.startswith("resnext: warning: using the small bundled model")
    assert took < 20  # timm takes 53 s; the figure itself is the benchmark's
    assert "a short time ago" in second.stderr
    assert (named.returncode, named.stdout) == (3, "") and "ssl_resnext50_32x4d" in named.stderr
    assert named.stderr.count("\n") == 1


@pytest.mark.parametrize("model", ["auto", "Auto"])
def test_offline_auto_is_said_once_and_not_to_who_asked_for_it(resnext: RunResnext, model: str) -> None:
    online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:1"}
    told = [
        resnext("classify", "-m", model, PHOTO, SAMPLES / "china.jpg"),  # HF_HUB_OFFLINE=1
        resnext("classify", "-m", model, "--offline", PHOTO, env=online),
        resnext("classify", "-m", model, "-q", PHOTO),
    ]
    for done in told:
        assert done.returncode == 0
        assert {json.loads(line)["model"] for line in done.stdout.splitlines()} == {"tf_efficientnet_lite0"}
    first, offline, quiet = (done.stderr for done in told)
    warning, _ = first.splitlines()  # the other says how the run went
    assert "bundled model" in warning and "switched off" in warning and len(warning) < 120
    assert offline == quiet == ""
