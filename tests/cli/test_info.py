"""`resnext info` as people run it: the shelf, cards, labels, search, the store, downloads and the doctor.

What timm is asked is tested in one process, in tests/unit/test_info_timm.py: each that imports it takes seconds.
"""

import getpass
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from resnext.models.catalog import CATALOG, DEFAULT_MODEL
from support.checkpoints import save_safetensors, seeded_state_dict
from support.imports import imported_by
from support.loopback_hub import LoopbackHub
from support.program import RunResnext, clean_environment

HEAVY = {"torch", "timm", "torchvision", "openvino", "huggingface_hub", "PIL"}
SMALL = "test_resnet.r160_in1k"


def answer(done: "subprocess.CompletedProcess[str]") -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refused(done: "subprocess.CompletedProcess[str]", code: int) -> str:
    """One clear line, nothing on stdout."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1), done.stderr
    return done.stderr


def fill_hub_cache(home: Path, repo: str) -> None:
    folder = home / "hub" / "hub" / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123")
    snapshot = folder / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"weights")


# -- the shelf -------------------------------------------------------------------------------------------------------


def test_the_shelf_tells_each_models_state_and_what_auto_means(resnext: RunResnext, tmp_path: Path) -> None:
    found = answer(resnext("info", "--json"))
    states = {row["name"]: row["state"] for row in found["models"]}
    assert states == {entry.name: "compiled" if entry.origin == "bundled" else "download" for entry in CATALOG}
    assert found["auto"]["model"] == "tf_efficientnet_lite0" and "switched off" in found["auto"]["reason"]

    online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:1"}
    found = answer(resnext("info", "--json", env=online, cache=tmp_path / "empty"))
    assert found["auto"]["model"] == DEFAULT_MODEL and "downloads its 100 MB" in found["auto"]["reason"]
    assert found["models"][-1]["state"] == "bundled"
    assert answer(resnext("info", "--json", "--offline", env=online))["auto"]["model"] == "tf_efficientnet_lite0"
    assert not (tmp_path / "empty").exists(), "looking makes nothing"

    fill_hub_cache(tmp_path / "home", f"timm/{CATALOG[0].timm_name}")
    found = answer(resnext("info", "--json"))
    assert found["models"][0]["state"] == "cached" and found["auto"]["model"] == DEFAULT_MODEL
    assert [row["name"] for row in found["models"] if row["auto"]] == [DEFAULT_MODEL]


@pytest.mark.parametrize("width", [45, 80, 123, 200])
def test_the_table_fits_the_terminal_and_tells_all(resnext: RunResnext, width: int) -> None:
    shown = resnext("info", env={"COLUMNS": str(width)}).stdout
    assert max(map(len, shown.splitlines())) <= width
    together = " ".join(shown.split())
    for entry in CATALOG:
        assert entry.name in together
        for figure in (f"{entry.top1:.1f}", f"{entry.top5:.1f}", f"{entry.real:.1f}", f"{entry.gflops:.1f}"):
            assert figure in together
    for word in ("CC-BY-NC 4.0", "Apache-2.0", "777 MB", "194.0 M", "224x224", "compiled for this machine", "auto"):
        assert word in together


@pytest.mark.parametrize("question", [(), ("--json",), ("lite0",), ("--cache",), ("--labels", "crane"), ("--bibtex",)])
def test_a_warm_answer_imports_nothing_heavy(warm_cache: Path, question: tuple[str, ...]) -> None:
    assert not imported_by(warm_cache, "info", *question) & HEAVY


def test_a_wrong_name_waits_for_no_torch(warm_cache: Path) -> None:
    assert not imported_by(warm_cache, "info", "ssl_resnext5", status=2) & HEAVY


def test_a_closed_pipe_ends_quietly(warm_cache: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m resnext info --labels | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], env=clean_environment(tmp_path, warm_cache), capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines()[-1] == "0" and done.stderr == ""


def test_a_full_disk_is_one_line(resnext: RunResnext) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Path("/dev/full").open("w") as full:
        done = resnext("info", stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and "stdout" in done.stderr


# -- cards -----------------------------------------------------------------------------------------------------------


def test_the_card_of_an_ssl_resnext(resnext: RunResnext) -> None:
    shown = " ".join(resnext("info", "101-32x8d").stdout.split())
    for words in (
        "ResNeXt of depth 101", "3, 4, 23, 3 bottleneck blocks", "32 groups (the cardinality)",
        "8, 16, 32, 64 channels", "YFCC100M", "not for commercial use", "1000 of ImageNet-1k", "2048 numbers",
        "crop_pct 0.875", "@misc{yalniz2019billionscale", "ReaL top-1 86.8 %",
    ):  # fmt: skip
        assert words in shown
    row = answer(resnext("info", "101-32x8d", "--json"))
    assert row["architecture"]["layers"] == [3, 4, 23, 3] and row["architecture"]["cardinality"] == 32
    assert row["preprocessing"]["resize"] == 256 and row["compiled"] is None


def test_the_card_of_a_compiled_model_gives_its_provenance(resnext: RunResnext) -> None:
    row = answer(resnext("info", "lite0", "--json"))
    assert row["weights"]["sha256"].startswith("57934424") and row["compiled"]["weights_sha256"].startswith("57934424")
    assert row["compiled"]["timm"] and row["compiled"]["openvino"] and row["compiled"]["size_bytes"] > 1e7
    assert answer(resnext("info", "auto", "--json"))["name"] == "tf_efficientnet_lite0"


def test_bibtex_alone_is_bibtex_alone(resnext: RunResnext) -> None:
    for model in ((), ("50-32x4d",), ("lite0",)):
        shown = resnext("info", *model, "--bibtex").stdout
        assert shown.startswith("@") and shown.endswith("}\n")
        assert shown.count("{") == shown.count("}") and len(re.findall(r"^@\w+\{[\w]+,$", shown, re.MULTILINE)) >= 2


def test_a_checkpoints_card_tells_what_it_holds_without_torch(resnext: RunResnext, tmp_path: Path) -> None:
    hostile = "dog\x1b[31m\u202e"
    checkpoint = tmp_path / "own.safetensors"
    metadata = {"labels": json.dumps(["cat", hostile]), "arch": "resnext50_32x4d"}
    save_file({"fc.weight": np.zeros((2, 8), np.float32)}, checkpoint, metadata)
    row = answer(resnext("info", "--weights", checkpoint, "--json"))
    assert (row["num_classes"], row["labels"]) == (2, ["cat", hostile])
    assert row["stated_architecture"] == "resnext50_32x4d" and row["architecture"] is None
    shown = resnext("info", "--weights", checkpoint).stdout
    assert "\x1b" not in shown and "\u202e" not in shown and r"dog\x1b[31m" in shown
    labels = answer(resnext("info", "--weights", checkpoint, "--labels", "--json"))["labels"]
    assert [label["name"] for label in labels] == ["cat", hostile]
    assert not imported_by(tmp_path / "cache", "info", "--weights", str(checkpoint)) & HEAVY


# -- labels ----------------------------------------------------------------------------------------------------------


def test_labels_are_found_by_name_synset_and_index(resnext: RunResnext) -> None:
    everything = answer(resnext("info", "--labels", "--json"))
    assert len(everything["labels"]) == everything["num_classes"] == 1000
    espresso = {"index": 967, "name": "espresso", "description": "espresso", "synset": "n07920052"}
    for pattern in ("ESPRESSO", "n07920052", "967"):
        labels = answer(resnext("info", "--labels", pattern, "--json"))["labels"]
        label = next(each for each in labels if each["index"] == 967)
        assert {key: label[key] for key in espresso} == espresso and label["definition"]
        assert len(labels) == (2 if pattern == "ESPRESSO" else 1)  # the other one is the espresso maker
    cranes = resnext("info", "lite0", "--labels", "crane", env={"COLUMNS": "80"}).stdout
    assert "n02012849" in cranes and "n03126707" in cranes and max(map(len, cranes.splitlines())) <= 80
    assert "none of the 1000 classes" in refused(resnext("info", "--labels", "unicorn"), 2)


# -- the store -------------------------------------------------------------------------------------------------------


def test_cache_prune_and_clear(resnext: RunResnext, warm_cache: Path, own_cache: Path) -> None:
    cache = own_cache
    found = answer(resnext("info", "--cache", "--json", cache=cache))
    (entry,) = found["compiled"]
    assert entry["in_use"] and found["compiled_bytes"] == entry["size_bytes"] > 1e7 and found["weights"] == []
    assert answer(resnext("info", "--prune", "--json", cache=cache))["removed"] == []
    (cache / "compiled" / entry["name"] / "graph.bin").write_bytes(b"cut short")
    assert "damaged" in resnext("info", "--cache", cache=cache).stdout
    (removed,) = answer(resnext("info", "--prune", "--json", cache=cache))["removed"]
    assert removed["reason"] == "damaged"
    assert "none" in resnext("info", "--cache", cache=cache).stdout

    shutil.copytree(warm_cache, cache, dirs_exist_ok=True)
    assert "--yes" in refused(resnext("info", "--clear", cache=cache), 2)
    assert answer(resnext("info", "--cache", "--json", cache=cache))["compiled"]
    assert answer(resnext("info", "--clear", "--yes", "--json", cache=cache))["freed_bytes"] > 1e7
    assert answer(resnext("info", "--cache", "--json", cache=cache))["compiled"] == []


@pytest.mark.parametrize(("reply", "code"), [(b"y\n", 0), (b"\n", 2), (b"no\n", 2), (b"\x04", 2)])
def test_clear_asks_on_a_terminal(tmp_path: Path, reply: bytes, code: int) -> None:
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "resnext", "info", "--clear"],
        env=clean_environment(tmp_path / "home", tmp_path / "cache"),
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        asked = b""
        while b"[y/N]" not in asked:
            asked += os.read(controller, 1000)
        os.write(controller, reply)
        stdout, _ = process.communicate(timeout=60)
    os.close(controller)
    assert process.returncode == code
    assert stdout == (b"there was nothing to remove\n" if code == 0 else b"")


def test_download_makes_a_model_ready(resnext: RunResnext, tmp_path: Path, timm: Any) -> None:
    cache = tmp_path / "cache"
    weights = save_safetensors(seeded_state_dict(timm, SMALL), tmp_path / "small.safetensors")
    with LoopbackHub({(f"timm/{SMALL}", "model.safetensors"): weights}).running() as hub:
        online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.endpoint}
        done = resnext("info", "--download", SMALL, "--json", cache=cache, env=online)
    (row,) = answer(done)["ready"]
    assert row["name"] == SMALL and row["compiled"]["size_bytes"] > 1e6
    assert "downloading" in done.stderr and "compiled" in done.stderr
    found = answer(resnext("info", "--cache", "--json", cache=cache))
    assert [entry["timm_name"] for entry in found["compiled"]] == [SMALL]
    assert [each["repo"] for each in found["weights"]] == [f"timm/{SMALL}"]
    again = resnext("info", "--download", SMALL, cache=cache)
    assert again.returncode == 0 and again.stderr == "" and "is ready" in again.stdout


# -- the doctor ------------------------------------------------------------------------------------------------------


def test_the_doctor_finds_all_well_and_tells_nothing_private(
    resnext: RunResnext, tmp_path: Path, warm_cache: Path
) -> None:
    with LoopbackHub({}).running() as hub:
        done = resnext("info", "--check", "--json", env={"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.endpoint})
        private = (str(tmp_path), str(warm_cache), sys.prefix, hub.endpoint, f"/{getpass.getuser()}/")
    found = answer(done)
    checks = {check["name"]: check for check in found["checks"]}
    assert found["broken"] == 0
    assert checks["hub"]["facts"]["reachable"] is True
    assert checks["reference"]["facts"]["largest_difference"] < 1e-4
    assert checks["speed"]["facts"]["photos_per_second"] > 1
    assert checks["speed"]["facts"]["precision"] in ("bf16", "fp32")
    assert found["versions"]["timm"] and found["machine"]["cores"] >= 1
    for name in private:
        assert name not in done.stdout


def test_the_doctor_says_what_is_broken(resnext: RunResnext, tmp_path: Path) -> None:
    """A cache that can't be: nothing can be compiled, so nothing can be labelled."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = resnext("info", "--check", cache=blocked / "cache", env={"COLUMNS": "80"})
    assert done.returncode == 1
    shown = " ".join(done.stdout.split())
    assert "cache broken: <cache> can't be written" in shown and "set RESNEXT_CACHE" in shown
    assert str(tmp_path) not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["resnxt50_32x4d\x1b[31m"], 2, "did you mean"),
        (["--cache", "--check"], 2, "one at a time"),
        (["lite0", "--prune"], 2, "takes no MODEL"),
        (["--search", "x", "--weights", "y"], 2, "takes no --weights"),
        (["--yes"], 2, "--clear"),
        (["--color", "blue"], 2, "--color blue"),
        (["--weights", "/nowhere.pth"], 3, "/nowhere.pth"),
        (["--download", "nosuch\x1b[31m"], 2, r"nosuch\x1b[31m"),
    ],
)
def test_bad_input_is_one_clear_line(resnext: RunResnext, arguments: list[str], code: int, words: str) -> None:
    message = refused(resnext("info", *arguments), code)
    assert words in message and "\x1b" not in message
