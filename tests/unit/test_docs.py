"""README and docs/ tell the truth: links lead somewhere, every error code and folder is named."""

import re
from pathlib import Path

import pytest

from support.program import REPO

README = (REPO / "README.md").read_text()
PAGES = sorted([REPO / "README.md", REPO / "SECURITY.md", REPO / "CHANGELOG.md", *(REPO / "docs").glob("*.md")])


def test_the_readme_is_short_and_begins_with_a_screen() -> None:
    lines = README.splitlines()
    assert len(lines) <= 200
    assert any(line.startswith("$ resnext classify") for line in lines[:30])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), f"{page.name} leads to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", each).lower().replace(" ", "-") for each in headings}


def test_every_page_of_docs_is_named_in_the_readme() -> None:
    for page in (REPO / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in README, page.name


def test_every_error_code_is_documented() -> None:
    from resnext.errors import FailureCode

    table = (REPO / "docs" / "output.md").read_text().split("## Error codes")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == {str(code) for code in FailureCode}


def test_the_architecture_page_names_every_folder() -> None:
    page = (REPO / "docs" / "architecture.md").read_text()
    package = REPO / "cli" / "resnext"
    for room in package.iterdir():
        if room.is_dir() and room.name != "__pycache__":
            assert f"| `{room.name}/`" in page, room.name


def test_the_architecture_page_names_rooms_that_exist() -> None:
    page = (REPO / "docs" / "architecture.md").read_text()
    rooms = set(re.findall(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`", page)) - {"openvino/", "health/", "torch_engine.py"}
    tests = {room for room in rooms if room.startswith("tests/")}
    assert len(rooms) > 40
    assert [room for room in rooms - tests if not (REPO / "cli" / "resnext" / room).exists()] == ["cli/resnext/"]
    assert all((REPO / room).exists() for room in tests)


def test_sample_images_are_all_licensed() -> None:
    folder = REPO / "sample_images"
    listed = set(re.findall(r"^\| `([^`]+)` \|", (folder / "LICENSES.md").read_text(), re.MULTILINE))
    assert listed == {Path(path).name for path in folder.iterdir()} - {"LICENSES.md"}
