"""The contract with the shell: rows, order, formats, exit codes."""

import csv
import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.program import SAMPLES, RunResnext

# Top-1 of the bundled model, as (label, synset); the photos that it knows for sure.
EXPECTED = {"coffee.png": ("espresso", "n07920052"), "camera.tif": ("tripod", "n04485082")}
CATS = {"n02123045", "n02123159", "n02124075"}


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_sample_images_get_their_real_labels(resnext: RunResnext) -> None:
    done = resnext("classify", "-m", "lite0", SAMPLES)
    rows = {Path(row["file"]).name: row for row in rows_of(done.stdout)}
    assert done.returncode == 0
    assert set(rows) == {path.name for path in SAMPLES.iterdir() if path.suffix != ".md"}
    for name, (label, synset) in EXPECTED.items():
        best = rows[name]["predictions"][0]
        assert (best["label"], best["synset"]) == (label, synset)
        assert best["score"] > 0.9
    assert rows["chelsea.webp"]["predictions"][0]["synset"] in CATS
    assert {row["model"] for row in rows.values()} == {"tf_efficientnet_lite0"}


def test_labels_equal_timms_own(resnext: RunResnext, timm: Any) -> None:
    """Every class and score of every sample, fp32, against timm's documented inference on the same real weights."""
    import importlib

    import torch
    from PIL import Image, ImageCms, ImageOps

    from resnext.compiling.timm_models import build
    from resnext.models import weights

    data = importlib.import_module("timm.data")
    model = build("tf_efficientnet_lite0.in1k", weights.bundled())
    transform = data.create_transform(**data.resolve_model_data_config(model.module), is_training=False)
    done = resnext("classify", "-m", "tf_efficientnet_lite0", "--exact", "-k", "10", SAMPLES)
    rows = rows_of(done.stdout)
    assert len(rows) >= 8
    for row in rows:
        with Image.open(row["file"]) as image:
            upright = ImageOps.exif_transpose(image)
        profile = upright.info.get("icc_profile")
        if profile and upright.mode == "RGB":
            own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            upright = ImageCms.profileToProfile(upright, own, srgb)
        pixels = transform(upright.convert("RGB"))
        with torch.inference_mode():
            scores, indices = model.module(pixels[None]).softmax(-1)[0].topk(10)
        assert [prediction["index"] for prediction in row["predictions"]] == indices.tolist()
        assert [prediction["score"] for prediction in row["predictions"]] == pytest.approx(scores.tolist(), abs=1e-5)


def test_a_broken_file_keeps_its_place_and_its_neighbours_keep_their_labels(
    resnext: RunResnext, tmp_path: Path
) -> None:
    good, other = tmp_path / "a.png", tmp_path / "d.tif"
    shutil.copy(SAMPLES / "coffee.png", good)
    shutil.copy(SAMPLES / "camera.tif", other)
    empty, text, cut = tmp_path / "b.jpg", tmp_path / "c.jpg", tmp_path / "e.jpg"
    empty.touch()
    text.write_text("not a photo")
    cut.write_bytes((SAMPLES / "china.jpg").read_bytes()[:20_000])
    missing = tmp_path / "missing.jpg"
    done = resnext("classify", "-m", "lite0", empty, good, text, missing, other, cut)
    rows = rows_of(done.stdout)
    assert done.returncode == 1
    assert [row["file"] for row in rows] == [str(path) for path in (empty, good, text, missing, other, cut)]
    outcome = [(row["status"], row["error_code"]) for row in rows]
    assert outcome == [
        ("error", "empty"),
        ("ok", ""),
        ("error", "not_an_image"),
        ("error", "not_found"),
        ("ok", ""),
        ("error", "truncated"),
    ]
    assert rows[1]["predictions"][0]["label"] == "espresso"
    assert rows[4]["predictions"][0]["label"] == "tripod"
    assert all(not row["predictions"] for row in rows if row["status"] == "error")
    assert "4 failed" in done.stderr and "Traceback" not in done.stderr


def test_many_inputs_take_the_throughput_path_with_the_same_answers(resnext: RunResnext, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    photos = [path for path in sorted(SAMPLES.iterdir()) if path.suffix != ".md"]
    for index in range(50):
        source = photos[index % len(photos)]
        if index % 7 == 3:
            (folder / f"{index}.jpg").write_bytes(b"\xff\xd8\xff broken")
        else:
            shutil.copy(source, folder / f"{index}{source.suffix}")
    alone = {
        Path(row["file"]).name: row for row in rows_of(resnext("classify", "-m", "lite0", "--exact", *photos).stdout)
    }
    done = resnext("classify", "-m", "lite0", "--exact", folder)
    rows = rows_of(done.stdout)
    assert done.returncode == 1
    assert [int(Path(row["file"]).stem) for row in rows] == list(range(50))  # natural order, nothing lost
    for index, row in enumerate(rows):
        if index % 7 == 3:
            assert row["status"] == "error"
            continue
        expected = alone[photos[index % len(photos)].name]["predictions"]
        assert [each["index"] for each in row["predictions"]] == [each["index"] for each in expected]
        assert [each["score"] for each in row["predictions"]] == pytest.approx(
            [each["score"] for each in expected], abs=2e-5
        )


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
def test_delimited_files_have_one_row_an_input(
    resnext: RunResnext, tmp_path: Path, suffix: str, delimiter: str
) -> None:
    odd = tmp_path / 'a,b\t"c"\nd.png'
    shutil.copy(SAMPLES / "coffee.png", odd)
    output = tmp_path / f"labels{suffix}"
    done = resnext("classify", "-m", "lite0", "-k", "2", "-o", output, odd, tmp_path / "missing.png")
    assert (done.returncode, done.stdout) == (1, "")
    quoting = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
    text = io.StringIO(output.read_text(), newline="")
    first, second = csv.DictReader(text, delimiter=delimiter, quoting=quoting)
    name = str(odd) if delimiter == "," else str(odd).replace("\t", r"\t").replace("\n", r"\n")
    assert (first["file"], first["status"], first["label_1"], first["synset_1"]) == (
        name,
        "ok",
        "espresso",
        "n07920052",
    )
    assert float(first["score_1"]) > float(first["score_2"])
    assert (second["status"], second["label_1"], second["error_code"]) == ("error", "", "not_found")


def test_output_is_not_overwritten_unasked(resnext: RunResnext, tmp_path: Path) -> None:
    output = tmp_path / "labels.jsonl"
    output.write_text("precious\n")
    done = resnext("classify", "-m", "lite0", "-o", output, SAMPLES / "coffee.png")
    assert done.returncode == 2
    assert output.read_text() == "precious\n"
    assert done.stderr.count("\n") == 1 and "--overwrite" in done.stderr
    assert resnext("classify", "-m", "lite0", "-o", output, "--overwrite", SAMPLES / "coffee.png").returncode == 0
    assert rows_of(output.read_text())[0]["predictions"][0]["label"] == "espresso"


def test_an_old_output_survives_a_run_that_can_not_begin(resnext: RunResnext, tmp_path: Path) -> None:
    output = tmp_path / "labels.jsonl"
    output.write_text("precious\n")
    done = resnext("classify", "-m", "50-32x4d", "-o", output, "--overwrite", SAMPLES / "coffee.png")
    assert done.returncode == 3
    assert output.read_text() == "precious\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--precision", "fp8"], 2, "--precision"),
        (["--format", "xml"], 2, "--format"),
        (["--label-type", "emoji"], 2, "--label-type"),
        (["--engine", "tpu"], 2, "--engine"),
        (["--device", "cuda"], 2, "--engine torch"),
        (["--json", "-f", "csv"], 2, "contradict"),
        (["--exact", "--precision", "bf16"], 2, "contradict"),
        (["-o", "labels.doc"], 2, ".jsonl"),
        (["-o", "/nowhere/labels.csv"], 3, "/nowhere/labels.csv"),
        (["--labels", "/nowhere/labels.txt"], 2, "/nowhere/labels.txt"),
        (["-k", "0"], 2, "--top-k"),
        (["--no-such-option"], 2, "--no-such-option"),
    ],
)
def test_wrong_usage_is_said_in_words(resnext: RunResnext, arguments: list[str], code: int, words: str) -> None:
    done = resnext("classify", "-m", "lite0", *arguments, SAMPLES / "coffee.png")
    assert done.returncode == code
    assert done.stdout == ""
    assert words in done.stderr and "Traceback" not in done.stderr


def test_no_argument_is_wrong_usage(resnext: RunResnext) -> None:
    assert resnext("classify").returncode == 2


def test_an_empty_folder_is_named(resnext: RunResnext, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    done = resnext("classify", "-m", "lite0", folder)
    assert done.returncode == 1
    assert [(row["file"], row["error_code"]) for row in rows_of(done.stdout)] == [(str(folder), "no_images")]


def test_label_types_threshold_and_own_labels(resnext: RunResnext, tmp_path: Path) -> None:
    def best(*options: str | Path) -> dict[str, Any]:
        done = resnext("classify", "-m", "lite0", "-k", "1", *options, SAMPLES / "chelsea.webp")
        assert done.returncode == 0, done.stderr
        row: dict[str, Any] = rows_of(done.stdout)[0]
        return row

    names = {kind: best("--label-type", kind)["predictions"][0] for kind in ("name", "description", "detailed")}
    assert names["description"]["label"].startswith(names["name"]["label"])
    assert names["detailed"]["label"].startswith(f"{names['description']['label']}: ")
    assert best("--threshold", "0.99")["predictions"] == []
    own = tmp_path / "labels.txt"
    own.write_text("".join(f"thing {index}\n" for index in range(1000)))
    index = names["name"]["index"]
    assert best("--labels", own)["predictions"][0] == names["name"] | {"label": f"thing {index}", "synset": ""}


def test_rows_of_names_that_are_not_utf8_can_be_found_again(resnext: RunResnext, tmp_path: Path) -> None:
    import base64

    name = os.fsencode(tmp_path) + b"/caf\xe9 [red]\x1b[31m.png"
    try:
        shutil.copy(os.fsencode(SAMPLES / "coffee.png"), name)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    by_argument, by_folder = resnext("classify", "-m", "lite0", name), resnext("classify", "-m", "lite0", tmp_path)
    for done in (by_argument, by_folder):
        assert "\x1b" not in done.stdout
        row = rows_of(done.stdout)[0]
        assert base64.b64decode(row["file_b64"]) == name
        assert row["predictions"][0]["label"] == "espresso"


def test_a_reader_that_leaves_ends_the_run_quietly(resnext: RunResnext, tmp_path: Path, warm_cache: Path) -> None:
    import sys

    from support.program import clean_environment

    command = [sys.executable, "-m", "resnext", "classify", "-m", "lite0", *[str(SAMPLES / "coffee.png")] * 300]
    with subprocess.Popen(
        command, env=clean_environment(tmp_path, warm_cache), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["status"] == "ok"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_said_and_counts_as_could_not_finish(resnext: RunResnext) -> None:
    with Path("/dev/full").open("w") as full:
        done = resnext("classify", "-m", "lite0", SAMPLES, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "No space left" in done.stderr


def test_c_libraries_do_not_write_to_the_users_stderr(resnext: RunResnext, tmp_path: Path) -> None:
    """libtiff complains on file descriptor 2, past Python; a strip that lies outside the file makes it."""
    from PIL import Image

    broken = tmp_path / "broken.tif"
    Image.new("RGB", (64, 64), "red").save(broken, compression="tiff_lzw")
    broken.write_bytes(broken.read_bytes()[:-40])
    plain = tmp_path / "cut.tif"
    Image.new("L", (64, 64)).save(plain, compression="tiff_deflate")
    plain.write_bytes(plain.read_bytes().replace(b"\x78\x9c", b"\x00\x00"))
    done = resnext("classify", "-m", "lite0", broken, plain)
    assert done.returncode == 1
    assert all(line.startswith("resnext: ") for line in done.stderr.splitlines()), done.stderr


def test_a_closed_stderr_changes_nothing(resnext: RunResnext, warm_cache: Path, tmp_path: Path) -> None:
    import sys

    from support.program import clean_environment

    command = f'exec "{sys.executable}" -m resnext classify -m lite0 "{SAMPLES / "coffee.png"}" 2>&-'
    done = subprocess.run(
        ["sh", "-c", command],
        env=clean_environment(tmp_path, warm_cache),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert rows_of(done.stdout)[0]["predictions"][0]["label"] == "espresso"


def test_frames_are_rows_of_their_own_when_asked_for(resnext: RunResnext, tmp_path: Path) -> None:
    from PIL import Image

    moving = tmp_path / "moving.gif"
    with Image.open(SAMPLES / "coffee.png") as coffee, Image.open(SAMPLES / "camera.tif") as camera:
        coffee.convert("RGB").save(moving, save_all=True, append_images=[camera.convert("RGB").resize(coffee.size)])
    still = SAMPLES / "coffee.png"

    def labels(*options: str) -> list[tuple[str, str]]:
        rows = rows_of(resnext("classify", "-m", "lite0", *options, moving, still).stdout)
        return [(Path(row["file"]).name, row["predictions"][0]["label"]) for row in rows]

    assert labels() == [("moving.gif", "espresso"), ("coffee.png", "espresso")]
    assert labels("--frames", "all") == [
        ("moving.gif#frame=0", "espresso"),
        ("moving.gif#frame=1", "tripod"),
        ("coffee.png", "espresso"),
    ]
