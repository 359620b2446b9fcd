"""Real processes that die of kill -9 at every single step that changes a disk; the store's steps, one after another."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.checkpoints import save_safetensors, seeded_state_dict
from support.loopback_hub import LoopbackHub
from support.program import SAMPLES, clean_environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kill -9 as POSIX has it")

# Runs what follows it with the main thread's nth step of these deadly; the step itself does not happen any more.
_DEADLY = """
import os, signal, sys, threading
left = int(sys.argv.pop(1))
def deadly(step):
    def counted(*arguments, **options):
        global left
        if threading.current_thread() is threading.main_thread():
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return step(*arguments, **options)
    return counted
for name in ("replace", "rename", "fsync", "ftruncate", "unlink", "rmdir", "mkdir", "write"):
    setattr(os, name, deadly(getattr(os, name)))
"""
_RUN = _DEADLY + "from resnext.__main__ import main\nmain()\n"
_STORE = (
    _DEADLY
    + """
from pathlib import Path
from resnext.store.store import Store
from resnext.store.entries import CompiledModel, Provenance
from resnext.errors import DamagedEntry
from resnext.records import Label, PreprocessingConfig
root, content = Path(sys.argv[1]), sys.argv[2].encode()
provenance = Provenance("model", "0" * 64, "1", "1")
config = PreprocessingConfig((3, 8, 8), "bicubic", 1.0, "center", (0.0,) * 3, (1.0,) * 3)
store = Store(root)
def entry():
    try:
        return store.load(provenance)
    except DamagedEntry:
        assert sys.argv[3] == "damaged"
        return None
with store.building(provenance):
    found = entry()
    if found is None:
        with store.new_folder() as folder:
            (folder / "graph.xml").write_bytes(content)
            (folder / "graph.bin").write_bytes(content)
            draft = CompiledModel(folder, provenance, "x", "x", config, {}, 1, 1)
            found = store.put(folder, draft, (Label(0, "a", "a"),))
store.remember("request", provenance)
assert store.recall("request") == provenance
assert found.graph.read_bytes() == content and found.labels()[0].name == "a"
"""
)


def die_at(step: int, program: str, arguments: list[str], environment: dict[str, str]) -> int:
    """Run the program until its nth step; gives its exit status."""
    command = [sys.executable, "-c", program, str(step), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120).returncode


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize("old", [False, True])
def test_a_run_killed_at_every_step(
    tmp_path: Path, warm_cache: Path, ending: str, old: bool, request: pytest.FixtureRequest
) -> None:
    """After each: --resume ends with one row an input, and an old file is as it was until the new one is whole."""
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    from resnext.outputs.results.stored import stored_rows
    from resnext.outputs.results.whole import WHOLE_FORMATS

    environment = clean_environment(tmp_path / "home", warm_cache)
    inputs = [str(SAMPLES / "coffee.png"), str(SAMPLES / "camera.tif"), "missing.jpg"]
    deaths = 0
    for step in range(0, 200, 4 if request.config.getoption("--short") else 1):
        folder = tmp_path / str(step)
        folder.mkdir()
        output = folder / f"out.{ending}"
        if old:
            output.write_bytes(b"precious\n")
        arguments = ["classify", "-m", "lite0", "--exact", "-k", "1", "-o", str(output), *inputs]
        status = die_at(step, _RUN, [*arguments, "--overwrite"], environment)
        assert status in (1, -signal.SIGKILL)
        began = not old or output.read_bytes() != b"precious\n" or (folder / f"{output.name}.part.run.json").exists()
        again = subprocess.run(
            [sys.executable, "-m", "resnext", *arguments, "--resume" if began else "--overwrite"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert again.returncode == 1, (step, again.stderr)
        if ending == "jsonl":
            with output.open("rb") as stream:
                names = [row.name for row in stored_rows(stream, output, ending)]
        else:
            names = [name for name, _, _ in WHOLE_FORMATS[ending].rows(output)]
        assert sorted(map(str, names)) == sorted(str(os.fsencode(each)) for each in inputs), step
        assert {path.name for path in folder.iterdir()} == {output.name, f"{output.name}.run.json"}, step
        if status == 1:
            print(f"{ending}, {'old file' if old else 'new'}: {deaths} deaths, 0 lost, 0 twice")
            assert deaths
            return
        deaths += 1
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("before", ["nothing", "damaged"])
def test_a_store_killed_at_every_step(tmp_path: Path, before: str) -> None:
    """After each the next process has a whole entry, and no lock holds it up."""
    environment = clean_environment(tmp_path / "home", tmp_path)
    for step in range(100):
        root = tmp_path / str(step)
        arguments = [str(root), "graph", before]
        if before == "damaged":
            assert die_at(1000, _STORE, arguments, environment) == 0
            for graph in root.glob("compiled/*/graph.bin"):
                graph.write_bytes(b"damaged")
        status = die_at(step, _STORE, arguments, environment)
        assert status in (0, -signal.SIGKILL)
        assert die_at(1000, _STORE, arguments, environment) == 0, step
        entries = [path for path in (root / "compiled").iterdir() if not path.name.startswith(".")]
        assert len(entries) == 1 and json.loads((entries[0] / "entry.json").read_bytes())
        if status == 0:
            assert step > 5
            return
    raise AssertionError("it never came to its end")


@pytest.mark.slow
def test_a_compile_killed_at_any_moment(tmp_path: Path, amount: Callable[[int, int], int]) -> None:
    """The next run is right, and nothing of the dead ones is taken for a model."""
    environment = clean_environment(tmp_path / "home", tmp_path / "cache")
    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", "-k", "1", str(SAMPLES / "coffee.png")]

    def built() -> list[Path]:
        return [path for path in (tmp_path / "cache" / "compiled").glob("*") if not path.name.startswith(".")]

    def run() -> None:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and json.loads(done.stdout)["predictions"][0]["label"] == "espresso"
        assert len(built()) == 1

    begin = time.monotonic()
    run()
    seconds = time.monotonic() - begin
    generator, wanted, deaths, tries = random.Random(4), amount(20, 2), 0, 0
    while deaths < wanted and tries < 3 * wanted:
        tries += 1
        for whole in built():
            shutil.rmtree(whole)  # the notes that lead to it stay, and what killed builds left
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                process.wait(generator.uniform(0.05, 1) * seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                deaths += 1
    assert deaths == wanted
    run()
    left = len(list((tmp_path / "cache" / "compiled").iterdir())) - 1
    print(f"{deaths} kills while compiling, {left} folders left over, the next run right")


@pytest.mark.slow
def test_a_download_killed_at_any_moment(tmp_path: Path, timm: Any, amount: Callable[[int, int], int]) -> None:
    """The next run has the hub's very file, and the label that an undisturbed one has."""
    name = "test_resnet.r160_in1k"
    weights = save_safetensors(seeded_state_dict(timm, name), tmp_path / "weights.safetensors")
    command = [sys.executable, "-m", "resnext", "classify", "-m", name, "-f", "jsonl", str(SAMPLES / "coffee.png")]
    generator, rounds, deaths = random.Random(5), amount(20, 2), 0
    with LoopbackHub({(f"timm/{name}", "model.safetensors"): weights}).running() as hub:

        def environment(home: str) -> dict[str, str]:
            online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.endpoint}
            return clean_environment(tmp_path / home, tmp_path / home / "cache") | online

        def run(home: str) -> str:
            done = subprocess.run(command, env=environment(home), capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            return done.stdout

        expected = run("undisturbed")
        hub.seconds = 1.0
        for _ in range(rounds):
            hub.requests.clear()
            with subprocess.Popen(
                command, env=environment("killed"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                end = time.monotonic() + 60
                while not any(each.startswith("GET") for each in hub.requests) and time.monotonic() < end:
                    time.sleep(0.002)
                time.sleep(generator.uniform(0, 0.9))
                process.kill()
                deaths += process.wait() < 0
        hub.seconds = 0
        assert run("killed") == expected
        offline = environment("killed") | {"HF_HUB_OFFLINE": "1"}
        again = subprocess.run(command, env=offline, capture_output=True, text=True, timeout=60)
        assert (again.stdout, again.stderr) == (expected, "")
    (stored,) = (tmp_path / "killed").rglob("model.safetensors")
    assert stored.read_bytes() == weights.read_bytes()
    print(f"{deaths} kills while downloading, the next run right")
    assert deaths == rounds
