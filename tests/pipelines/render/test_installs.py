"""What a job of GitHub installs: the requirements of the repository, as its image does, else what its files need."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from featurectl.core.version import __version__
from featurectl.operations.init import init_repository
from featurectl.pipelines.render.order import render_pipelines
from tests.pipelines.render.shop import of_release, order, pipelines_for, write_repository
from tests.pipelines.render.test_validators import actionlint_says, schema_says

OWN = f"'featurectl[cloud,postgres,redis]=={__version__}'"
REQUIRED = "pip install --requirement requirements.txt"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository."""
    return write_repository(tmp_path / "repo")


def installs(root: Path) -> str:
    workflow = yaml.safe_load(pipelines_for(root, "github-actions", "nightly")["nightly.yaml"])
    (line,) = {job["steps"][2]["run"] for name, job in workflow["jobs"].items() if name != "start"}
    return line


def state(root: Path) -> str:
    (file,) = render_pipelines(order(root, "github-actions", "nightly", is_check=True)).files
    return file.state


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("featurectl[postgres]==1.2\n", REQUIRED),
        ("# of the team\npandas\n Featurectl >= 1 # pinned elsewhere\n", REQUIRED),
        ("featurectl @ https://example.com/featurectl-1.2-py3-none-any.whl\n", REQUIRED),
        ("git+https://example.com/featurectl.git@main\n", REQUIRED),
        ("-r more/all.txt\n", REQUIRED),
        ("--requirement=more/all.txt\n", REQUIRED),
        ("pandas\n", f"{REQUIRED} {OWN}"),
        ("# featurectl\nmy-featurectl\nfeaturectl-more\n", f"{REQUIRED} {OWN}"),
        ("-r missing.txt\n-r requirements.txt\n-c more/all.txt\n", f"{REQUIRED} {OWN}"),
        ("", f"{REQUIRED} {OWN}"),
    ],
)
def test_the_requirements_of_a_repository_are_installed(root, text, line):
    (root / "more").mkdir()
    (root / "more/all.txt").write_text("-r ../requirements.txt\n-r own.txt\n")
    (root / "more/own.txt").write_text("featurectl\n")
    (root / "requirements.txt").write_text(text)
    assert installs(root) == line


def test_without_requirements_the_extras_are_those_that_the_files_need(root):
    assert installs(root) == f"pip install {OWN}"


@pytest.mark.long
def test_a_workflow_with_requirements_is_what_github_takes(root):
    (root / "requirements.txt").write_text("pandas\n")
    pipelines_for(root, "github-actions", "nightly")
    path = root / "deploy/prod/github-actions/nightly.yaml"
    assert (schema_says("github-workflows", path), actionlint_says(path)) == (0, "")


def test_a_file_is_stale_when_requirements_come_and_not_when_they_change(root):
    render_pipelines(order(root, "github-actions", "nightly"))
    (root / "requirements.txt").write_text("featurectl[postgres]==1.2\n")
    assert state(root) == "stale"
    render_pipelines(order(root, "github-actions", "nightly"))
    (root / "requirements.txt").write_text("featurectl[postgres]==1.3\n")
    assert state(root) == "current"


def test_a_file_names_no_release_where_the_requirements_do(root, monkeypatch):
    (root / "requirements.txt").write_text("featurectl[postgres]==1.2\n")
    render_pipelines(order(root, "github-actions", "nightly"))
    of_release(monkeypatch, "999.0")
    assert state(root) == "current"


def test_what_init_writes_for_an_image_is_what_jobs_install(tmp_path):
    pipeline = 'pipelines: [{name: nightly, schedule: "0 5 * * *", stages: [{name: all, run: materialize}]}]\n'
    for with_docker, line in ((True, REQUIRED), (False, f"pip install featurectl=={__version__}")):
        root = tmp_path / f"{with_docker}" / "shop"
        init_repository(root, "minimal", ["docker"] if with_docker else [])
        (root / "run.yaml").write_text(pipeline)
        render_pipelines(order(root, "github-actions", "nightly", env="dev"))
        workflow = yaml.safe_load((root / "deploy/dev/github-actions/nightly.yaml").read_text())
        assert workflow["jobs"]["all"]["steps"][2]["run"] == line
