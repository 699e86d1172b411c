"""Files that stages write where the disk is read-only, or ends with them: whoever renders it is warned."""

from __future__ import annotations

import json

import pytest

from featurectl.cli.main import main
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage
from featurectl.pipelines.render.base import Site
from featurectl.pipelines.render.order import render_pipelines
from featurectl.pipelines.render.outputs import unwritable_outputs
from tests.pipelines.render.shop import order, write_repository

IN_A_POD = "the file system of a pod is read-only, and stages write there: export (--out set.parquet); name"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("kubernetes", IN_A_POD),
        ("argo", IN_A_POD),
        ("github-actions", "ends with their jobs: export (--out set.parquet), plain (--out /data/set.parquet); keep"),
        ("systemd", ""),
    ],
)
def test_what_a_stage_writes_where_nothing_can_be_kept_is_said(tmp_path, capsys, target, said):
    root = write_repository(tmp_path / "repo")
    text = (root / "objects.yaml").read_text()
    made = "run: training-set --features carriers:count_1d --spine s.csv --out"
    stages = f"{{name: export, {made} set.parquet}}, {{name: plain, {made} /data/set.parquet}}, "
    (root / "objects.yaml").write_text(text.replace("stages: [{name: all,", f"stages: [{stages}{{name: all,"))
    words = ["pipeline", "render", "by_hand", "--to", target, "-C", str(root), "--env", "prod", "-o", "json"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    warnings = json.loads(out)["result"]["warnings"]
    (file, *_) = (root / "deploy/prod" / target).iterdir()
    assert [warning.startswith(f"{target}, pipeline by_hand: ") for warning in warnings] == [True] * bool(said)
    assert [f"warning: {warning}" in err for warning in warnings] == [True] * bool(said)
    assert said in "".join(warnings)
    comments = file.read_text().replace("\n# ", " ")
    assert ("Beware: " in comments, said in comments) == (bool(said), True)


@pytest.mark.parametrize(
    ("out", "fails"),
    [
        ("rows/", True), ("/srv/shop/rows/", True), ("'sqlite:///s.db?table=t'", True), ("/data/rows/", False),
        ("/scores/rows.csv", False), (".featurectl/rows/", False), ("'sqlite:////data/s.db?table=t'", False),
        ("topic:scores", False), ("'postgresql://h/db?table=t'", False),
    ],
)  # fmt: skip
def test_what_is_on_a_volume_or_in_a_store_can_be_written(out, fails):
    site = Site(project="shop", environment="prod", folder="/srv/shop")
    pipeline = Pipeline(name="p", stages=(PipelineStage(name="s", run=f"score m --all-keys --out {out}"),))
    assert bool(unwritable_outputs(site, pipeline)) is fails


@pytest.mark.parametrize(("timeout", "retries", "is_long"), [("5h", 0, False), ("6h", 0, True), ("2h", 2, True)])
def test_a_job_that_may_take_longer_than_github_lets_it_is_said(tmp_path, timeout, retries, is_long):
    root = write_repository(tmp_path / "repo")
    objects = root / "objects.yaml"
    stage = f"{{name: all, run: materialize, timeout: {timeout}, retries: {retries}}}"
    objects.write_text(objects.read_text().replace("{name: all, run: materialize}", stage))
    warning = (
        "github-actions, pipeline by_hand: GitHub ends a job on a machine of its own after 6 hours, and with their "
        "timeouts and retries these may take longer: all; runs-on names a machine of yours"
    )
    assert list(render_pipelines(order(root, "github-actions", "by_hand")).warnings) == [warning] * is_long
