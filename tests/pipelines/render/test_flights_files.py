"""The pipelines of the flights template, rendered for each target: validators have nothing to say of them."""

from __future__ import annotations

import pytest
import yaml

from featurectl.operations.init import template_folder, write_repository
from tests.pipelines.render.shop import pipelines_for
from tests.pipelines.render.test_validators import actionlint_says, lost_by_argo, schema_says


@pytest.fixture(scope="module")
def flights(tmp_path_factory):
    root = tmp_path_factory.mktemp("rendered") / "flights"
    write_repository(template_folder() / "flights", root, "flights")
    return root


@pytest.fixture
def rendered(flights):
    """Render the release for a target; gives the path and the text of its file."""

    def render(target):
        ((name, text),) = pipelines_for(flights, target, "release").items()
        (path,) = (flights / "deploy/prod" / target).glob(name)
        return path, text

    return render


def test_the_release_is_a_workflow_that_github_takes(rendered):
    path, _ = rendered("github-actions")
    assert schema_says("github-workflows", path) == 0
    assert actionlint_says(path) == ""
    jobs = yaml.safe_load(path.read_text())["jobs"]
    assert jobs["canary"]["timeout-minutes"] <= 360  # what a runner of GitHub's has at most
    assert jobs["score"]["strategy"]["matrix"]["part"] == [1, 2, 3]


@pytest.mark.long
def test_the_release_passes_through_the_models_of_argo(rendered):
    _, text = rendered("argo")
    assert not lost_by_argo(yaml.safe_load(text))


@pytest.mark.parametrize("target", ["airflow", "dagster"])
def test_the_release_is_python_with_the_needs_of_its_stages(rendered, target):
    path, text = rendered(target)
    compile(text, str(path), "exec")
    assert "[push, train] >> canary" in text or "(after=[push, train])" in text


def test_the_release_has_no_line_for_cron_and_a_unit_without_a_timer(flights):
    assert [name for name in pipelines_for(flights, "cron") if "release" in name] == []
    assert list(pipelines_for(flights, "systemd", "release")) == ["flights-prod-release.service"]
