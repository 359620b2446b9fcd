"""`classify --tags`: a tag, a broader one or none, in every format, in the user's own words."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from support.program import SAMPLES, Heard, RunResnext

COFFEE, CHINA = SAMPLES / "coffee.png", SAMPLES / "china.jpg"
COMMAND = ("classify", "-m", "lite0", "-k", "2")


def rows_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"\xff\xd8\xff\xe0")
    return path


def test_every_row_has_tags_and_its_predictions_as_before(resnext: RunResnext, broken: Path) -> None:
    plain = rows_of(resnext(*COMMAND, COFFEE, CHINA, broken).stdout)
    done = resnext(*COMMAND, "--tags", COFFEE, CHINA, broken)
    assert done.returncode == 1, done.stderr
    rows = rows_of(done.stdout)
    assert [row.pop("tags") for row in rows[1:]] == [[], []]  # unsure of a scene; broken
    (tag,) = rows[0].pop("tags")
    assert (tag["label"], tag["path"], tag["classes"]) == ("coffee", ["food", "drink", "coffee"], [967])
    assert tag["synset"] == "n07920052" and 0.98 <= tag["score"] <= 1
    assert rows == plain
    assert "tags" not in plain[0]


def test_raising_sure_withholds(resnext: RunResnext) -> None:
    sure = {
        each: rows_of(resnext(*COMMAND, "--tags", "--sure", each, COFFEE, CHINA).stdout) for each in ("0.1", "0.9999")
    }
    assert [tag["label"] for row in sure["0.1"] for tag in row["tags"]] != []
    assert [len(row["tags"]) for row in sure["0.9999"]] == [0, 0]


def test_cells_of_csv_and_tsv(resnext: RunResnext, broken: Path) -> None:
    for format, delimiter in (("csv", ","), ("tsv", "\t")):
        done = resnext(*COMMAND, "--tags", "-f", format, COFFEE, broken)
        coffee, failed = csv.DictReader(io.StringIO(done.stdout, newline=""), delimiter=delimiter, strict=True)
        assert (coffee["tag"], coffee["tag_path"]) == ("coffee", "food|drink|coffee")
        assert 0.98 <= float(coffee["tag_score"]) <= 1
        assert (failed["tag"], failed["tag_path"], failed["tag_score"]) == ("", "", "")
        assert (failed["status"], failed["error_code"]) == ("error", "corrupt")


def test_parquet_has_lists_of_tags(resnext: RunResnext, tmp_path: Path, broken: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "out.parquet"
    assert resnext(*COMMAND, "--tags", "-o", output, broken, COFFEE).returncode == 1
    failed, coffee = parquet.read_table(output).to_pylist()
    assert failed["tags"] == [] and coffee["tags"][0]["path"] == ["food", "drink", "coffee"]


def test_template_and_table(resnext: RunResnext, broken: Path) -> None:
    done = resnext(*COMMAND, "--tags", "--template", "{tag}|{tag_path}|{tag_score:.1f}", COFFEE, broken)
    assert done.stdout.splitlines() == ["coffee|food|drink|coffee|1.0", "||"]
    table = resnext(*COMMAND, "--tags", "-f", "table", COFFEE, broken).stdout.splitlines()
    assert table[0].split() == ["file", "label", "score", "tag"]
    assert table[1].split()[-1] == "coffee"


def test_a_run_goes_on_only_with_the_same_tags(resnext: RunResnext, tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    assert resnext(*COMMAND, "--tags", "-o", output, COFFEE).returncode == 0
    again = resnext(*COMMAND, "--tags", "-o", output, "--resume", COFFEE, CHINA)
    assert again.returncode == 0 and len(rows_of(output.read_text())) == 2
    for other in ([], ["--tags", "--sure", "0.5"]):
        refused = resnext(*COMMAND, *other, "-o", output, "--resume", COFFEE)
        assert refused.returncode == 2 and "can't resume" in refused.stderr


def test_own_words(resnext: RunResnext, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    printed = resnext("info", "--vocabulary")
    assert printed.returncode == 0 and printed.stderr == ""
    mine.write_text(
        printed.stdout.replace(" coffee + cup or glass", " Kaffee + cup or glass").replace("drink", "Getränk")
    )
    (row,) = rows_of(resnext(*COMMAND, "--tags", "--vocabulary", mine, COFFEE).stdout)
    assert row["tags"][0]["path"] == ["food", "Getränk", "Kaffee"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("food\n n07920052 coffee\n n99999999 tea\n", "3: the model has no class n99999999"),
        ("a + b\n n07920052 coffee\nb + a\n", "1: these groups go round in a circle"),
        ("food\n n07920052 coffee\n n07930864 Coffee\n", "3: the name 'Coffee' is used twice"),
        ("food\n n07920052 coffee\nempty\n", "3: 'empty' is no class of the model, and a group without classes"),
    ],
)
def test_a_fault_in_own_words_is_one_line_with_its_number(
    resnext: RunResnext, tmp_path: Path, text: str, message: str
) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text(text)
    done = resnext(*COMMAND, "--tags", "--vocabulary", mine, COFFEE)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{mine}:{message}" in done.stderr and len(done.stderr.splitlines()) == 1


def test_own_labels_are_tags_of_their_own_and_go_into_own_groups(resnext: RunResnext, tmp_path: Path) -> None:
    labels, mine = tmp_path / "labels.txt", tmp_path / "mine.txt"
    labels.write_text("".join(f"thing {index}\n" for index in range(1000)))
    options = ("--tags", "--sure", "0.5", "--labels", labels)
    (row,) = rows_of(resnext(*COMMAND, *options, COFFEE).stdout)
    assert [tag["path"] for tag in row["tags"]] == [["thing 967"]]
    mine.write_text("hot\n thing 967 = a cup\n thing 968\n")
    (row,) = rows_of(resnext(*COMMAND, *options, "--vocabulary", mine, COFFEE).stdout)
    assert [tag["path"] for tag in row["tags"]] == [["hot", "a cup"]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sure", "0.5"], "--sure is for tags: add --tags"),
        (["--vocabulary", "mine.txt"], "--vocabulary is for tags: add --tags"),
        (["--template", "{tag}"], "{tag} needs --tags"),
        (["--tags", "--sure", "1.5"], "--sure"),
        (["--tags", "--vocabulary", "missing.txt"], "missing.txt: can't read the vocabulary"),
    ],
)
def test_options_that_make_no_sense(resnext: RunResnext, options: list[str], message: str) -> None:
    done = resnext(*COMMAND, *options, COFFEE)
    assert done.returncode == 2 and message in done.stderr


def test_a_model_that_was_never_measured_is_treated_with_more_care(
    resnext: RunResnext, tmp_path: Path, timm: Any
) -> None:
    """The same network with other weights: a digest that nobody measured."""
    from safetensors.torch import save_file

    from resnext.shelf.shelf import ModelRequest, Shelf
    from resnext.store.store import Store

    model = timm.create_model("tf_efficientnet_lite0")
    weights, cache = tmp_path / "mine.safetensors", tmp_path / "cache"
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, weights)
    Shelf(Heard(), Store(cache)).open(ModelRequest("lite0", weights=weights))  # here, where torch is imported
    done = resnext(*COMMAND, "--tags", "--weights", weights, COFFEE, cache=cache)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("was never measured") == 1
