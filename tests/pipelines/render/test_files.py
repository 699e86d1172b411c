"""Rendered files: where they lie, what their header says, and what `--check` says of them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from featurectl.cli.main import main
from featurectl.core.errors import ProblemsError, UsageError
from featurectl.pipelines.render.order import render_deployments, render_pipelines
from featurectl.pipelines.render.site import SitePlaces
from featurectl.pipelines.render.targets import PIPELINE_TARGETS
from tests.pipelines.render.shop import content, of_release, order, write_repository


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository, which is this folder."""
    monkeypatch.chdir(write_repository(tmp_path / "repo"))
    return tmp_path / "repo"


MODEL = """models:
  - {name: late, trainer: {estimator: sklearn.linear_model.LogisticRegression},
     features: [{view: carriers, features: [count_1d]}],
     spine: {source: orders, time: at, label: {name: is_ua, expr: "carrier = 'UA'"}}}
"""


def content_of(root: Path) -> dict[Path, bytes]:
    """Return the files of all targets of the pipeline nightly, rendered anew."""
    for target in PIPELINE_TARGETS:
        render_pipelines(order(root, target, "nightly"))
    return content(root / "deploy")


def states(root: Path, *names: str) -> list[tuple[str, str]]:
    rendering = render_pipelines(order(root, "cron", *names, is_check=True))
    return [(file.path.name, file.state) for file in rendering.files]


def test_files_lie_below_deploy_by_environment_and_target(root):
    rendering = render_pipelines(order(root, "cron", "nightly"))
    assert [file.path for file in rendering.files] == [root / "deploy/prod/cron/flights-prod-nightly"]


def test_what_was_just_written_is_current_and_check_writes_nothing(root):
    render_pipelines(order(root, "cron"))
    before = content(root)
    assert states(root) == [("flights-prod-nightly", "current"), ("flights-prod-unlucky", "current")]
    assert content(root) == before


def test_check_names_what_is_missing_stale_and_edited(root):
    render_pipelines(order(root, "cron", "unlucky"))
    assert states(root) == [("flights-prod-nightly", "missing"), ("flights-prod-unlucky", "current")]
    (root / "objects.yaml").write_text((root / "objects.yaml").read_text().replace("30 4 13", "31 4 13"))
    assert states(root, "unlucky") == [("flights-prod-unlucky", "stale")]
    render_pipelines(order(root, "cron", "unlucky"))
    file = root / "deploy/prod/cron/flights-prod-unlucky"
    file.write_text(file.read_text().replace("flock -n", "flock -w 5"))
    assert states(root, "unlucky") == [("flights-prod-unlucky", "edited")]


def test_a_file_of_another_release_is_current_where_that_makes_the_same(root, monkeypatch):
    of_release(monkeypatch, "0.9.0rc1+local")
    render_pipelines(order(root, "cron", "nightly"))
    text = (root / "deploy/prod/cron/flights-prod-nightly").read_text()
    assert re.search(r"^# input [0-9a-f]{16}, featurectl 0\.9\.0rc1\+local$", text, re.MULTILINE)
    of_release(monkeypatch, "1.0.0")
    assert states(root, "nightly") == [("flights-prod-nightly", "current")]


def test_a_file_that_another_release_makes_otherwise_is_outdated(root, monkeypatch, capsys):
    of_release(monkeypatch, "0.9.0")
    render_pipelines(order(root, "cron", "nightly", "unlucky"))
    file = root / "deploy/prod/cron/flights-prod-nightly"
    file.write_text(file.read_text().replace("flock -n", "flock -w 5"))
    older = root / "deploy/prod/cron/flights-prod-unlucky"
    older.write_text(older.read_text().replace(", featurectl 0.9.0", "").replace("flock -n", "flock -w 5"))
    of_release(monkeypatch, "1.0.0")
    assert states(root) == [("flights-prod-nightly", "outdated"), ("flights-prod-unlucky", "outdated")]
    assert main(["pipeline", "render", "--to", "cron", "--env", "prod", "--check"]) == 1
    again = "and 1.0.0 makes another one: render it again, and look at the difference"
    assert capsys.readouterr().out.splitlines() == [
        "left out by_hand: it has no schedule",
        f"outdated: deploy/prod/cron/flights-prod-nightly: featurectl 0.9.0 made it, {again}",
        f"outdated: deploy/prod/cron/flights-prod-unlucky: another featurectl made it, {again}",
    ]
    assert main(["pipeline", "render", "--to", "cron", "--env", "prod"]) == 0
    assert states(root) == [("flights-prod-nightly", "current"), ("flights-prod-unlucky", "current")]


def test_json_says_which_release_made_a_file_that_is_outdated(root, monkeypatch, capsys):
    of_release(monkeypatch, "0.9.0")
    render_pipelines(order(root, "github-actions", "nightly"))
    of_release(monkeypatch, "1.0.0")
    words = ["pipeline", "render", "nightly", "--to", "github-actions", "--env", "prod", "--check", "-o", "json"]
    assert main(words) == 1
    (file,) = json.loads(capsys.readouterr().out)["result"]["files"]
    assert file == {"path": "deploy/prod/github-actions/nightly.yaml", "state": "outdated", "release": "0.9.0"}


def test_a_change_elsewhere_leaves_a_file_current(root):
    render_pipelines(order(root, "cron", "nightly"))
    objects = root / "objects.yaml"
    objects.write_text(objects.read_text().replace("30 4 13", "31 4 13").replace("windows: [1d]", "windows: [2d]"))
    assert states(root, "nightly") == [("flights-prod-nightly", "current")]


def test_what_nothing_is_rendered_into_any_more_is_obsolete_and_stays(root):
    render_pipelines(order(root, "cron"))
    (root / "deploy/prod/cron/README").write_text("mine")
    objects = root / "objects.yaml"
    objects.write_text(objects.read_text().replace("name: unlucky", "name: lucky"))
    found = [
        ("flights-prod-nightly", "current"),
        ("flights-prod-lucky", "missing"),
        ("flights-prod-unlucky", "obsolete"),
    ]
    assert states(root) == found
    assert [file.state for file in render_pipelines(order(root, "cron")).files] == ["written", "written", "obsolete"]
    assert states(root, "nightly") == [("flights-prod-nightly", "current")]


def test_files_of_deployments_are_not_obsolete_among_those_of_pipelines(root):
    render_deployments(order(root, "kubernetes"))
    render_pipelines(order(root, "kubernetes"))
    for render in (render_deployments, render_pipelines):
        assert {file.state for file in render(order(root, "kubernetes", is_check=True)).files} == {"current"}


def test_a_pipeline_and_a_deployment_of_one_name_do_not_share_a_file(root):
    objects = root / "objects.yaml"
    objects.write_text(objects.read_text().replace("name: watch", "name: nightly"))
    render_pipelines(order(root, "systemd", "nightly"))
    with pytest.raises(UsageError, match=r"is the pipeline's of that name, by `featurectl pipeline render nightly"):
        render_deployments(order(root, "systemd", "nightly"))


def test_a_file_that_a_person_wrote_is_not_written_over(root):
    mine = root / "deploy/prod/cron/flights-prod-nightly"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine\n")
    with pytest.raises(UsageError, match="is there and was not rendered"):
        render_pipelines(order(root, "cron", "nightly"))
    assert mine.read_text() == "mine\n"


def test_only_what_works_in_a_checkout_changes_with_it(root):
    before = content_of(root)
    (root.parent / ".git").mkdir()
    (root / "models.yaml").write_text(MODEL)
    after = content_of(root)
    changed = {path.parent.name for path in after if after[path] != before[path]}
    assert changed == {"github-actions"}


@pytest.mark.usefixtures("root")
def test_check_exits_1_and_names_the_file(capsys):
    assert main(["pipeline", "render", "nightly", "--to", "cron", "--check"]) == 1
    assert capsys.readouterr().out == "missing: deploy/dev/cron/flights-dev-nightly\n"
    assert main(["pipeline", "render", "nightly", "--to", "cron"]) == 0
    assert main(["pipeline", "render", "nightly", "--to", "cron", "--check"]) == 0
    assert "1 file as it would be made now" in capsys.readouterr().out


def test_the_command_in_the_header_makes_the_same_file_again(root, tmp_path):
    places = SitePlaces(folder="/opt/flights", image="registry.example.com/flights:3")
    render_pipelines(order(root, "cron", "nightly", out=tmp_path / "etc/nightly", places=places))
    text = (tmp_path / "etc/nightly").read_text()
    command = text.splitlines()[1].removeprefix("#   ")
    assert command == (
        "featurectl pipeline render nightly --to cron --env prod --out ../etc/nightly "
        "--image registry.example.com/flights:3 --folder /opt/flights"
    )
    (tmp_path / "etc/nightly").unlink()
    assert main(command.split()[1:]) == 0
    assert (tmp_path / "etc/nightly").read_text() == text


@pytest.mark.usefixtures("root")
def test_out_is_a_folder_with_a_slash_or_where_one_is_there(tmp_path):
    assert main(["pipeline", "render", "--to", "cron", "--out", f"{tmp_path}/a/"]) == 0
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["flights-dev-nightly", "flights-dev-unlucky"]
    (tmp_path / "b").mkdir()
    assert main(["pipeline", "render", "nightly", "--to", "cron", "--out", f"{tmp_path}/b"]) == 0
    assert (tmp_path / "b/flights-dev-nightly").is_file()


def test_several_files_do_not_go_into_one(root, tmp_path):
    with pytest.raises(UsageError, match="is one file, and there are 2: flights-prod-nightly, flights-prod-unlucky"):
        render_pipelines(order(root, "cron", out=tmp_path / "one"))


def test_nothing_is_written_that_would_be_read_as_a_file_of_the_repository(root):
    with pytest.raises(UsageError, match="would be read as a file of the repository"):
        render_pipelines(order(root, "cron", "nightly", out=root / "nightly.yaml"))


def test_a_repository_with_manifests_in_deploy_is_valid(root):
    (root / "deploy/prod").mkdir(parents=True)
    (root / "deploy/prod/x.yaml").write_text("models: of another tool\n")
    assert main(["validate", "--no-data"]) == 0
    (root / "deploy").rename(root / "elsewhere")
    assert main(["validate", "--no-data"]) == 1


def test_only_valid_files_are_rendered(root):
    (root / "broken.yaml").write_text("entities: [{name: 7}]\n")
    with pytest.raises(ProblemsError):
        render_pipelines(order(root, "cron"))


@pytest.mark.parametrize(
    ("names", "target", "said"),
    [
        (["nightl"], "cron", "no pipeline 'nightl' in the files, did you mean \"nightly\"?"),
        ([], "cronn", "no target 'cronn' of pipelines, did you mean \"cron\"?"),
    ],
)
@pytest.mark.usefixtures("root")
def test_an_unknown_name_is_refused_with_those_there_are(names, target, said, capsys):
    assert main(["pipeline", "render", *names, "--to", target]) == 64
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "places", [SitePlaces(folder="/srv/my shop"), SitePlaces(folder="srv"), SitePlaces(image="a b")]
)
def test_places_that_no_target_can_take_are_refused(root, places):
    with pytest.raises(UsageError, match=r"--(folder|image) '"):
        render_pipelines(order(root, "cron", places=places))


def test_no_value_of_a_variable_is_in_a_file(root, monkeypatch):
    for name in ("REGISTRY_URL", "REDIS_URL", "SLACK_URL", "WAREHOUSE_URL"):
        monkeypatch.setenv(name, "canary-7193")
    render_pipelines(order(root, "cron"))
    assert not any(b"canary" in text for text in content(root / "deploy").values())


def test_the_same_files_give_the_same_text_in_any_checkout(root, tmp_path):
    render_pipelines(order(root, "cron"))
    other = write_repository(tmp_path / "elsewhere")
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    render_pipelines(order(other, "cron"))
    one, two = content(root / "deploy"), content(other / "deploy")
    assert {path.name: text for path, text in one.items()} == {path.name: text for path, text in two.items()}


@pytest.mark.usefixtures("root")
def test_json_says_the_state_of_each_file(capsys):
    assert main(["pipeline", "render", "--to", "cron", "--check", "-o", "json"]) == 1
    result = json.loads(capsys.readouterr().out)["result"]
    assert result["files"][0] == {"path": "deploy/dev/cron/flights-dev-nightly", "state": "missing"}
    assert result["left_out"] == [{"name": "by_hand", "why": "it has no schedule"}]
