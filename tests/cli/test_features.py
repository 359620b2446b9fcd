"""`resnext features` as users run it: equal to timm, read by numpy, scikit-learn and pyarrow."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resnext.console.terminal import Notices
from resnext.engines import CLASSIFIER, EngineSpec, Graph, load_engine
from resnext.images.loading import Decoding, loader
from resnext.records import Source
from resnext.shelf.shelf import ModelRequest, Shelf
from resnext.store.store import Store
from support.checkpoints import normalized, save_safetensors, seeded_state_dict
from support.family import FAMILY, FAMILY_BY_SIZE
from support.program import SAMPLES, Once, RunResnext, clean_environment

PHOTOS = sorted(path for path in SAMPLES.iterdir() if path.suffix != ".md")
LITE0 = ("features", "-m", "lite0", "--exact")
MAPS = Graph("multiscale", (1, 2, 3, 4))


@pytest.fixture(scope="session")
def maps_cache(once: Once, warm_cache: Path) -> Path:
    """A cache in which the graphs of maps of the bundled model are compiled beside its own."""

    def make(cache: Path) -> None:
        shutil.copytree(warm_cache, cache)
        for graph in (Graph("unpooled"), MAPS):
            request = ModelRequest("lite0", precision="fp32", graph=graph, outputs=graph.outputs)
            Shelf(Notices(quiet=True), Store(cache)).open(request)

    return once("maps-cache", make)


@pytest.fixture(scope="session")
def pooled(warm_cache: Path, shared_root: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray[Any, Any]:
    """The pooled features of the sample images."""
    output = tmp_path_factory.mktemp("pooled") / "all.npy"
    command = [sys.executable, "-m", "resnext", *LITE0, "-o", output, *PHOTOS]
    subprocess.run(command, env=clean_environment(shared_root / "home", warm_cache), check=True, capture_output=True)
    found: np.ndarray[Any, Any] = np.load(output)
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


# -- equal to timm ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", FAMILY_BY_SIZE, ids=lambda entry: entry.name)
def test_maps_equal_timms(timm: Any, tmp_path: Path, entry: Any, amount: Callable[[int, int], int]) -> None:
    """Seeded random weights through the shelf, fp32: the last map and the pyramid within 1e-4 of timm's."""
    state_dict = seeded_state_dict(timm, entry.timm_name)
    checkpoint = save_safetensors(state_dict, tmp_path / "weights.safetensors")
    name = entry.timm_name.split(".")[0]
    module = timm.create_model(name, pretrained=False).eval()
    module.load_state_dict(state_dict)
    pyramid = timm.create_model(name, pretrained=False, features_only=True, out_indices=(1, 4)).eval()
    pyramid.load_state_dict({key: state_dict[key] for key in pyramid.state_dict()})
    crops = np.random.default_rng(1).integers(0, 256, (1, 224, 224, 3), np.uint8)
    pixels = normalized(crops)
    with torch.inference_mode():
        unpooled = module.forward_features(pixels)
        level1, level4 = pyramid(pixels)
    shelf = Shelf(Notices(quiet=True), Store(tmp_path / "cache"))
    graphs = (
        (Graph("multiscale", (1, 4)), {"level1": level1, "level4": level4}),
        (Graph("unpooled"), {"unpooled": unpooled}),
    )
    for graph, expected in graphs[: amount(2, 1 if entry is not FAMILY[0] else 2)]:
        request = ModelRequest(weights=checkpoint, precision="fp32", graph=graph, outputs=graph.outputs)
        got = shelf.open(request).load("throughput").submit(crops).result()
        assert got.keys() == expected.keys()
        for key, array in expected.items():
            assert array.std() > 0.01  # weights under which a wrong graph would show
            np.testing.assert_allclose(got[key], array.numpy(), rtol=0, atol=1e-4)


def test_all_kinds_of_the_bundled_model_equal_the_reference_engines(
    resnext: RunResnext, maps_cache: Path, tmp_path: Path, pooled: np.ndarray[Any, Any]
) -> None:
    """With its real weights, photos to files: what timm itself computes, which --engine torch runs."""

    def saved(kind: str, *options: str) -> dict[str, np.ndarray[Any, Any]]:
        output = tmp_path / f"{kind}{len(options)}.{'npz' if kind == 'multiscale' else 'npy'}"
        done = resnext(*LITE0, "--kind", kind, "-o", output, *options, *PHOTOS[:3], cache=maps_cache)
        assert done.returncode == 0 and "compiled" not in done.stderr, done.stderr
        loaded = np.load(output)
        return dict(loaded) if kind == "multiscale" else {kind: loaded}

    def computed(kind: str, graph: Graph) -> dict[str, np.ndarray[Any, Any]]:
        outputs = (kind,) if graph == CLASSIFIER else graph.outputs
        request = ModelRequest("lite0", engine="torch", precision="fp32", graph=graph, outputs=outputs)
        opened = Shelf(Notices(quiet=True), Store(maps_cache)).open(request)
        load = loader(Decoding(opened.preprocessing, exact=True))
        crops = np.stack([load(Source(str(path))) for path in PHOTOS[:3]])
        return opened.load("latency").submit(crops).result()

    graphs = {"pooled": CLASSIFIER, "logits": CLASSIFIER, "unpooled": Graph("unpooled"), "multiscale": MAPS}
    found = {kind: (saved(kind), computed(kind, graph)) for kind, graph in graphs.items()}
    by_torch = saved("multiscale", "--engine", "torch")
    assert by_torch.keys() == found["multiscale"][1].keys()
    for key, array in by_torch.items():
        np.testing.assert_allclose(array, found["multiscale"][1][key], rtol=0, atol=1e-4)
    for kind, (ours, timms) in found.items():
        assert ours.keys() == timms.keys()
        for key, array in ours.items():
            assert len(array) == 3 and array.dtype == np.float32
            # Early maps hold numbers beyond 20, where float32 itself rounds by 2e-6: there 1e-4 of their spread.
            spread = max(1.0, float(timms[key].std())) if kind == "multiscale" else 1.0
            np.testing.assert_allclose(array, timms[key], rtol=0, atol=1e-4 * spread, err_msg=f"{kind} {key}")
    assert found["unpooled"][0]["unpooled"].shape == (3, 1280, 7, 7)
    assert [array.shape[1:] for array in found["multiscale"][0].values()] == [
        (24, 56, 56),
        (40, 28, 28),
        (112, 14, 14),
        (320, 7, 7),
    ]
    np.testing.assert_array_equal(found["pooled"][0]["pooled"], pooled[:3])
    np.testing.assert_allclose(found["unpooled"][0]["unpooled"].mean((2, 3)), pooled[:3], rtol=0, atol=1e-4)


def test_a_row_does_not_depend_on_its_neighbours(bundled_graph: Path) -> None:
    """Bit by bit, at any place in a batch: or a run that goes on would give other numbers than an undisturbed one."""
    pixels = np.random.default_rng(0).standard_normal((5, 3, 224, 224), dtype=np.float32)
    for precision in ("fp32", "auto"):
        engine = load_engine(EngineSpec(bundled_graph, ("pooled",), precision, "throughput", 4))  # type: ignore[arg-type]
        alone = np.concatenate([engine.submit(pixels[row : row + 1]).result()["pooled"] for row in range(5)])
        for rows in ([0, 1, 2, 3], [4, 2, 0], [3, 4], [1, 1, 4, 3]):
            np.testing.assert_array_equal(engine.submit(pixels[rows]).result()["pooled"], alone[rows])


# -- consumers -------------------------------------------------------------------------------------------------------


def test_rows_and_files_belong_together(resnext: RunResnext, tmp_path: Path, pooled: np.ndarray[Any, Any]) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    output = tmp_path / "out.npy"
    done = resnext(*LITE0, "-o", output, PHOTOS[2], broken, PHOTOS[0], "--summary-file", tmp_path / "summary.json")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    lines = lines_of(tmp_path / "out.npy.jsonl")
    assert [(line["file"], line["row"]) for line in lines] == [
        (str(PHOTOS[2]), 0),
        (str(broken), None),
        (str(PHOTOS[0]), 1),
    ]
    assert lines[1]["error_code"] in ("corrupt", "truncated")
    np.testing.assert_array_equal(np.load(output, mmap_mode="r"), pooled[[2, 0]])
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["saved"], summary["failed"]) == (2, 1)
    note = json.loads((tmp_path / "out.npy.run.json").read_text())
    assert note["settings"]["--kind"] == "pooled" and note["settings"]["weights"].startswith("sha256:")


def test_scikit_learn_takes_them(resnext: RunResnext, tmp_path: Path) -> None:
    """Its nearest neighbours and its linear classifier, of a mapped file: each photo's next is its own mirror image."""
    from PIL import Image, ImageOps
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import NearestNeighbors

    mirrored = tmp_path / "mirrored"
    mirrored.mkdir()
    for path in PHOTOS:
        with Image.open(path) as photo:
            ImageOps.mirror(photo.convert("RGB")).save(mirrored / f"{path.stem}.png")
    inputs = [*PHOTOS, *(mirrored / f"{path.stem}.png" for path in PHOTOS)]
    output = tmp_path / "out.npy"
    assert resnext(*LITE0, "--normalize", "-o", output, *inputs).returncode == 0
    features = np.load(output, mmap_mode="r")
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=0, atol=1e-6)
    _, nearest = NearestNeighbors(n_neighbors=2, metric="cosine").fit(features).kneighbors(features)
    count = len(PHOTOS)
    assert nearest[:, 1].tolist() == [*range(count, 2 * count), *range(count)]
    labels = np.arange(count)
    classifier = LogisticRegression(max_iter=1000).fit(features[:count], labels)
    assert classifier.score(features[count:], labels) == 1


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_parquet_holds_files_and_vectors(
    resnext: RunResnext, tmp_path: Path, pooled: np.ndarray[Any, Any], dtype: str
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "out.parquet"
    command = (*LITE0, "--dtype", dtype, "-o", output, "--resume", PHOTOS[0], "missing.jpg", PHOTOS[1])
    assert resnext(*command).returncode == 1
    table = parquet.read_table(output)
    assert table.column("status").to_pylist() == ["ok", "error", "ok"]
    assert table.column("error_code").to_pylist() == ["", "not_found", ""]
    vectors = table.column("vector").drop_null().combine_chunks().flatten().to_numpy().reshape(2, -1)
    np.testing.assert_array_equal(vectors, pooled[:2].astype(dtype))
    assert table.column("vector").null_count == 1
    assert resnext(*command).returncode == 1  # the failure is done again, and fails again
    again = parquet.read_table(output)  # and stands behind the others, as in every result that was gone on with
    assert again.column("status").to_pylist() == ["ok", "ok", "error"]
    assert again.take([0, 2, 1]).equals(table)


def test_stdout_takes_one_array(resnext: RunResnext, tmp_path: Path, pooled: np.ndarray[Any, Any]) -> None:
    index = tmp_path / "index.jsonl"
    with (tmp_path / "piped").open("wb") as stdout:
        done = resnext(*LITE0, "-o", "-", "--index", index, *PHOTOS[:2], "missing.jpg", stdout=stdout)
    assert done.returncode == 1
    np.testing.assert_array_equal(np.load(io.BytesIO((tmp_path / "piped").read_bytes())), pooled[:2])
    assert [line["row"] for line in lines_of(index)] == [0, 1, None]


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-o", "out.txt"), "the ending names no format; use one of .npy, .npz, .parquet"),
        (("--kind", "multiscale", "-o", "out.npy"), "give --output NAME.npz"),
        (("--kind", "multiscale", "--out-indices", "3,1", "-o", "out.npz"), "rising"),
        (("--kind", "unpooled", "--normalize", "-o", "out.npy"), "--kind pooled or logits"),
        (("--kind", "unpooled", "-o", "out.parquet"), "give --output NAME.npy"),
        (("--out-indices", "1", "-o", "out.npy"), "--out-indices are levels of --kind multiscale"),
        (("--dtype", "float64", "-o", "out.npy"), "not one of float32, float16"),
        (("--kind", "embedding", "-o", "out.npy"), "not one of pooled"),
        (("--resume",), "--resume goes on with a file"),
        (("--index", "i.jsonl", "-o", "out.npy"), "--index is for features on stdout"),
    ],
)
def test_what_makes_no_sense_is_refused(
    resnext: RunResnext, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = resnext("features", "-m", "lite0", *arguments, PHOTOS[0], cwd=tmp_path)
    assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_levels_that_are_not_there_are_refused_in_one_line(resnext: RunResnext, tmp_path: Path) -> None:
    options = ("--kind", "multiscale", "--out-indices", "1,9", "-o", tmp_path / "out.npz")
    done = resnext("features", "-m", "lite0", *options, PHOTOS[0])
    assert done.returncode == 3 and "--out-indices 1,9" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr and not (tmp_path / "out.npz").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals")
def test_a_terminal_is_told_what_to_do(warm_cache: Path, tmp_path: Path) -> None:
    import pty

    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "resnext", *LITE0, PHOTOS[0]],
        env=clean_environment(tmp_path / "home", warm_cache),
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(leader)
    os.close(follower)
    assert done.returncode == 2 and "--output NAME.npy" in done.stderr


def test_other_settings_are_refused_by_name(resnext: RunResnext, tmp_path: Path) -> None:
    output = tmp_path / "out.npy"
    assert resnext("features", "-m", "lite0", "-o", output, PHOTOS[0]).returncode == 0
    before = output.read_bytes()
    for option, words in (
        (("--kind", "logits"), "--kind pooled, not logits"),
        (("--dtype", "float16", "--normalize"), "--dtype float32, not float16; --normalize was not given then"),
        (("--precision", "fp32"), "--precision auto, not fp32"),
    ):
        done = resnext("features", "-m", "lite0", "-o", output, "--resume", *option, PHOTOS[0])
        assert done.returncode == 2 and words in done.stderr and output.read_bytes() == before
    done = resnext("classify", "-m", "lite0", "-o", tmp_path / "out.jsonl", "--resume", PHOTOS[0])
    assert done.returncode == 0 and output.read_bytes() == before  # labels of that name are another file
