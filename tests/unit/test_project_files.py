"""What lies beside the code says what is so: the reference, the script that checks a change, the package's metadata."""

import re
import runpy
import tomllib

import yaml

from support.program import REPO


def test_the_reference_is_what_the_app_says() -> None:
    written = runpy.run_path(str(REPO / "docs" / "write_reference.py"))
    page = (REPO / "docs" / "reference.md").read_text(encoding="utf-8")
    assert page == written["reference"](), "run: .venv/bin/python docs/write_reference.py"


def test_the_readme_and_the_script_of_ci_say_the_same_test_command() -> None:
    script = (REPO / ".ci" / "run").read_text()
    steps = re.findall(r"^(?:python3 -m venv|\.ci-venv/\$bin/(?:pip|pytest)) .*", script, re.MULTILINE)
    command = " && ".join(steps[:3]).replace(".ci-venv", ".venv").replace("$bin", "bin")
    assert "&& .venv/bin/pytest" in command
    assert f"```sh\n{command}\n```" in (REPO / "README.md").read_text()


def test_the_hosted_ci_runs_the_same_script_on_every_python_that_the_package_names() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    named = [each.rsplit(" ", 1)[1] for each in project["classifiers"] if re.search(r":: 3\.\d+$", each)]
    workflow = yaml.safe_load((REPO / ".github" / "workflows" / "ci.yml").read_text())
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == named and f">={named[0]}" == project["requires-python"]
    assert workflow["jobs"]["test"]["steps"][-1] == {"run": "bash .ci/run"}
    assert "urls" not in project, "there is no address yet"
