"""Files that stages write where the disk is read-only, or ends with them: whoever renders it is warned."""

from __future__ import annotations

import json
import re

import pytest
from typer.main import get_command

from featurectl.cli.all_commands import build_app
from featurectl.cli.main import main
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage
from featurectl.pipelines.render.order import render_pipelines
from featurectl.pipelines.render.outputs import WRITTEN
from featurectl.pipelines.render.request import Site
from tests.docs.test_reference import generate
from tests.pipelines.render.shop import files_of, order, write_repository

SITE = Site(project="shop", environment="prod", folder="/srv/shop", image="shop:1")
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
    pipeline = Pipeline(name="p", stages=(PipelineStage(name="s", run=f"score m --all-keys --out {out}"),))
    assert bool(files_of("kubernetes", pipeline, SITE)[0].warnings) is fails


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


def test_each_option_that_names_what_is_written_is_known():
    named = {
        flag
        for _, command in generate.commands(get_command(build_app()))
        for option in command.params
        if re.search(r"\b(write|save|add to)\b", getattr(option, "help", None) or "", re.IGNORECASE)
        for flag in option.opts
        if option.param_type_name == "option" and not option.is_flag
    }
    assert named - {"--with"} == {*WRITTEN}


def units_of(*runs):
    """Return the service of systemd for a pipeline with a stage for each command, and what is warned of."""
    stages = tuple(PipelineStage(name=f"s{number}", run=run) for number, run in enumerate(runs))
    (file,) = files_of("systemd", Pipeline(name="p", stages=stages), SITE)
    return file.text, file.warnings


@pytest.mark.parametrize(
    ("run", "folders"),
    [
        ("score m --all-keys --out rows/", ""),
        ("score m --all-keys --out topic:scores", ""),
        ("score m --all-keys --out 'postgresql://h/db?table=t'", ""),
        ("score m --all-keys --out /srv/shop/rows.parquet", ""),
        ("score m --all-keys --out /dev/null", ""),
        ("score m --all-keys --out /tmp/x/rows.parquet", ""),
        ("score m --all-keys --out /data/rows.parquet", "/data "),
        ("score m --all-keys --out /data/rows/", "/data/rows "),
        ("score m --all-keys --out /data/rows", "/data/rows "),
        ("score m --all-keys --out '/data/my rows/a%b.csv'", '"/data/my rows" '),
        ("score m --all-keys --out ../exports/rows.parquet", "/srv/exports "),
        ("score m --all-keys --out 'sqlite:////data/s.db?table=t'", "/data "),
        ("models export m --out /data/exported", "/data "),
        ("monitor rules --out /etc/prometheus/a.rules --grafana /var/lib/g/a.json", "/etc/prometheus /var/lib/g "),
        ("monitor export --textfile /var/lib/node_exporter/shop.prom", "/var/lib/node_exporter "),
    ],
)
def test_a_service_may_write_where_its_stages_do(run, folders):
    text, warnings = units_of(run)
    assert f"\nReadWritePaths=/srv/shop {folders}/tmp\n" in text  # noqa: S108 (of a host)
    assert warnings == ()
    said = "# Folders have to be there before it starts. What it writes is for its user alone to read, by UMask.\n"
    assert (said in text) == bool(folders)


def test_a_home_that_is_written_into_is_not_protected():
    text, _ = units_of("score m --all-keys --out /home/ana/rows.parquet", "monitor rules --out /data/a.rules")
    assert "ReadWritePaths=/srv/shop /data /home/ana /tmp\n" in text
    assert "ProtectHome" not in text
    assert "ProtectSystem=strict\n" in text


def test_the_root_of_a_host_is_given_to_no_service():
    text, warnings = units_of("score m --all-keys --out /rows.parquet")
    assert "ReadWritePaths=/srv/shop /tmp\n" in text
    (warning,) = warnings
    assert warning.startswith("a service may not write into the folder /, and stages do: s0 (--out /rows.parquet)")
    assert f" Beware: {warning}." in text.replace("\n# ", " ")


@pytest.mark.parametrize("target", ["kubernetes", "argo"])
def test_the_volumes_that_stages_write_into_are_said(target):
    runs = ("--out /data/rows.parquet", "--out /tmp/rows.parquet", "--out .featurectl/rows.parquet")
    stages = tuple(PipelineStage(name=f"s{n}", run=f"score m --all-keys {run}") for n, run in enumerate(runs))
    (file,) = files_of(target, Pipeline(name="p", stages=stages), SITE)
    assert file.warnings == ()
    said = "# Mount volumes of yours where stages write: s0 (--out /data/rows.parquet).\n"
    assert said in file.text
