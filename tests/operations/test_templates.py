"""The repositories that `init` writes are valid as they stand, and their feature tests pass."""

import subprocess
import sys

import pytest

from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.load import load_repo
from featurectl.operations.feature_tests.run import run_feature_tests
from featurectl.operations.init import NEXT, template_folder, write_repository
from featurectl.operations.validate import validate_repository
from featurectl.sources.open import read_schema


@pytest.fixture(params=sorted(set(NEXT) - {"empty"}), scope="module")
def repo(request, tmp_path_factory):
    root = tmp_path_factory.mktemp("template") / "repo"
    write_repository(template_folder() / request.param, root, request.param)
    if request.param == "swipes":  # whose data are made by the first of the next commands
        subprocess.run([sys.executable, "swipes.py", "history"], cwd=root, check=True)
    return load_repo(root, lambda source: read_schema(source, root))


def test_a_template_has_no_errors_or_warnings_but_notes_on_static_sources(repo):
    assert {(problem.severity, problem.code) for problem in repo.problems} <= {("note", "FC351")}
    assert repo.views


def test_the_empty_template_declares_nothing_and_validate_warns_of_it(tmp_path):
    write_repository(template_folder() / "empty", tmp_path / "repo", "p")
    assert [(p.severity, p.code) for p in load_repo(tmp_path / "repo", None).problems] == [("error", "FC203")]
    validation = validate_repository(tmp_path / "repo", None, data=True, warnings=True)
    assert [(p.severity, p.code) for p in validation.problems] == [("warning", "FC203")]


def test_every_feature_of_a_template_is_typed(repo):
    features = [item for view in repo.views.values() for item in (*view.features, *view.derived)]
    assert [item.name for item in features if item.dtype is None] == []


def test_a_templates_feature_tests_pass(repo):
    results = run_feature_tests(PolarsEngine(), repo.tests.values())
    assert [result for result in results if not result.passed] == []
    assert len(results) == {"flights": 6, "swipes": 2}.get(repo.project, 0)


def test_every_file_of_a_template_names_the_schema_for_editors():
    for path in template_folder().rglob("*.y*ml*"):
        if not {".github", "deploy"} & {*path.parts} and path.name != ".allow.yaml":
            depth = len(path.relative_to(template_folder()).parts) - 2
            first = path.read_text().splitlines()[0]
            name = "project.schema.json" if path.name == "featurectl.yaml.jinja" else "schema.json"
            assert first == f"# yaml-language-server: $schema={'../' * depth}.featurectl/{name}", path


def test_lines_of_a_template_fit_the_screen():
    for path in template_folder().rglob("*"):
        if path.is_file() and path.suffix not in {".parquet", ".csv"}:
            assert [line for line in path.read_text().splitlines() if len(line) > 120] == [], path
