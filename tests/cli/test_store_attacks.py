"""The store of compiled models by the hundred: random damage, and eight processes at once on a cold one."""

import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnext.errors import ResnextError
from resnext.shelf.shelf import ModelRequest, Shelf
from resnext.store.store import Store
from support.checkpoints import save_safetensors, seeded_state_dict
from support.program import SAMPLES, Heard, RunResnext, clean_environment

SMALL = "test_resnet.r160_in1k"
LITE0 = ModelRequest(model="lite0", precision="fp32")
PHOTO = str(SAMPLES / "coffee.png")
PROCESSES = 8

# -- damage ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_models(warm_cache: Path, shared_root: Path, timm: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the bundled model and a small one of random weights, whose files may get into its place."""
    cache = tmp_path_factory.mktemp("two") / "cache"
    shutil.copytree(warm_cache, cache)
    weights = save_safetensors(seeded_state_dict(timm, SMALL), shared_root / "small.safetensors")
    for path in cache.glob("compiled/*/*.blob"):
        path.unlink()
    for request in (LITE0, ModelRequest(model=SMALL, weights=weights, precision="fp32")):
        Shelf(Heard(), Store(cache)).open(request).load("latency")  # what it was compiled to is kept
    assert len(list(cache.glob("compiled/*/*.blob"))) == 2
    return cache


def answer(cache: Path, heard: Heard) -> dict[str, Any]:
    """All that labels come from: logits of a seeded crop, the classes, the preprocessing."""
    model = Shelf(heard, Store(cache)).open(LITE0)
    _, height, width = model.preprocessing.input_size
    crops = np.random.default_rng(7).integers(0, 256, (1, height, width, 3), np.uint8)
    logits = model.load("latency").submit(crops).result()["logits"]
    return {"logits": logits, "labels": model.labels(), "preprocessing": model.preprocessing}


def own_files(cache: Path) -> tuple[list[Path], list[Path]]:
    """The files of the bundled model's entry, and those of the other one, in the same order."""
    entries = {path.name.startswith("tf_efficientnet_lite0"): path for path in (cache / "compiled").iterdir()}
    mine, others = (
        sorted(entries[which].iterdir(), key=lambda path: (path.suffix, path.name)) for which in (True, False)
    )
    return mine, others


def damage(cache: Path, rng: random.Random) -> str:
    """Do one random thing to the store, and say what."""
    files, others = own_files(cache)
    number = rng.randrange(len(files))
    path = rng.choice([files[number]] * 4 + [rng.choice(sorted((cache / "refs").iterdir()))])
    size = path.stat().st_size
    kind = rng.choice(
        ["flip", "flip", "flip", "zeros", "cut", "longer", "swap", "swap all", "missing", "folder", "moved"]
    )
    if kind in ("flip", "zeros"):
        length = 1 if kind == "flip" else min(size, rng.choice((2, 64, 4096)))
        place = rng.randrange(max(1, min(size, rng.choice((200, size))) - length + 1))
        with path.open("r+b") as file:
            file.seek(place)
            old = file.read(length)
            file.seek(place)
            file.write(bytes(byte ^ 1 << rng.randrange(8) for byte in old) if kind == "flip" else bytes(length))
    elif kind == "cut":
        with path.open("r+b") as file:
            file.truncate(rng.randrange(size))
    elif kind == "longer":
        with path.open("ab") as file:
            file.write(rng.randbytes(rng.choice((1, 100, 5000))))
    elif kind == "swap":
        shutil.copyfile(others[number], files[number])
    elif kind == "swap all":  # all that the entry says of itself is then right, but for whose it is
        for mine, foreign in zip(files, others, strict=True):
            shutil.copyfile(foreign, mine)
    elif kind == "missing":
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    else:
        path.parent.rename(path.parent.with_name("elsewhere"))
        if rng.random() < 0.5:
            path.parent.write_bytes(b"a file where a folder was")
    return kind


@pytest.mark.slow
def test_random_damage_is_never_a_wrong_prediction(
    two_models: Path, tmp_path: Path, amount: Callable[[int, int], int]
) -> None:
    expected = answer(two_models, Heard())
    count, outcomes = amount(200, 8), Counter[str]()
    for number in range(count):
        rng = random.Random(number)
        cache = tmp_path / str(number)
        shutil.copytree(two_models, cache)
        kind, heard = damage(cache, rng), Heard()
        try:
            found = answer(cache, heard)
        except ResnextError:
            outcomes["refused"] += 1
            continue
        finally:
            shutil.rmtree(cache)
        outcomes["built again" if any("compiled" in line for line in heard.lines) else "unharmed"] += 1
        assert np.abs(found["logits"] - expected["logits"]).max() < 1e-5, (number, kind)
        assert {**found, "logits": 0} == {**expected, "logits": 0}, (number, kind)
    print(f"{count} mutations: {dict(outcomes)}, 0 wrong")
    assert outcomes["built again"] > count // 4 and outcomes.total() == count


# -- races -----------------------------------------------------------------------------------------------------------

_WITHOUT_LOCKS = """
import filelock

class Nothing:
    def __init__(self, *arguments, **options): pass
    def acquire(self): pass
    def release(self): pass

filelock.FileLock = Nothing
from resnext.__main__ import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("locks", ["work", "are held by one that dies", "do nothing"])
def test_eight_processes_on_a_cold_store(
    resnext: RunResnext, tmp_path: Path, locks: str, amount: Callable[[int, int], int]
) -> None:
    """All answer rightly, whoever builds; whose lock is taken from it by a kill leaves the building to another."""
    options = ("classify", "-m", "lite0", "-k", "1", "-f", "jsonl", PHOTO)
    expected = resnext(*options).stdout
    assert "espresso" in expected
    program = ["-c", _WITHOUT_LOCKS] if locks == "do nothing" else ["-m", "resnext"]
    rounds, builds, kills = amount(20, 1), 0, 0
    for number in range(rounds):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = clean_environment(folder / "home", folder / "cache")
        said = [folder / f"{each}.err" for each in range(PROCESSES)]
        got = [folder / f"{each}.out" for each in range(PROCESSES)]
        processes = []
        for out, err in zip(got, said, strict=True):
            with out.open("wb") as stdout, err.open("wb") as stderr:
                command = [sys.executable, *program, *options]
                processes.append(subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr))
        killed = None
        if locks == "are held by one that dies":
            killed = first_builder(said)
            time.sleep(random.Random(number).uniform(0, 2))
            processes[killed].kill()
        codes = [process.wait(300) for process in processes]
        if killed is not None and codes[killed] == 0:
            killed = None  # it was done before
        kills += killed is not None
        for each, code in enumerate(codes):
            if each != killed:
                assert (code, got[each].read_text()) == (0, expected), said[each].read_text()
        builds += sum("compiled tf_efficientnet_lite0 in" in path.read_text() for path in said)
        entries = [path for path in (folder / "cache" / "compiled").iterdir() if not path.name.startswith(".")]
        assert len(entries) == 1
        shutil.rmtree(folder)
    print(f"{rounds} rounds of {PROCESSES} processes, locks {locks}: {kills} kills, {builds} builds, 0 wrong")
    if locks == "work":
        assert builds == rounds
    if locks == "are held by one that dies":
        assert kills >= rounds // 2  # some are so fast that they were done


def first_builder(said: list[Path]) -> int:
    """Whoever says first that it builds, as soon as it does."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        for number, path in enumerate(said):
            if "compiling" in path.read_text():
                return number
        time.sleep(0.01)
    raise AssertionError("nobody builds")
