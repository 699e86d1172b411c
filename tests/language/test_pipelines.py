"""Pipelines and deployments in files: what they become, and what is wrong with them."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime

import pytest
from cronsim import CronSim

from featurectl.identity.fingerprint import fingerprints
from featurectl.language.commands.read import read_command
from featurectl.language.definitions.json_form import dump_definition, load_deployment, load_pipeline
from featurectl.language.definitions.pipelines import Deployment, PipelineStage, Replicas, Resources
from featurectl.language.definitions.schedule import next_times, wrong_schedule
from tests.language.repository import BASE, load

NIGHTLY = """
pipelines:
  - name: nightly
    schedule: "0  */6 * * *"
    stages:
      - {name: features, run: materialize --no-online, resources: {cpu: 4, memory: 16Gi}}
      - {name: sync, run: push  delays, needs: [features], timeout: 30m, retries: 2, on_failure: [ops, ops]}
      - {name: score, run: "score m --out s.parquet", needs: [sync], resources: {cpu: 500m, gpu: 1, replicas: 3}}
    owner: ana
notifiers: [{name: ops, command: "true"}]
"""
SERVING = """
deployments:
  - {name: inference, run: serve, replicas: {min: 2, max: 20, cpu: 0.7}, resources: {cpu: 2, memory: 2Gi}}
  - {name: workers, run: stream run, replicas: 3}
  - {name: watch, run: monitor run, tags: [ops]}
"""
MODEL = """
models:
  - name: m
    spine: {source: flights, time: at}
    features: [{delays: "*"}]
"""


def problems(tmp_path, text):
    repo = load(tmp_path, {"base.yaml": BASE, "more.yaml": text})
    return [(p.code, p.message, p.suggestion) for p in repo.problems if p.severity == "error"]


def stage(keys):
    return f"pipelines: [{{name: p, stages: [{{name: a, {keys}}}]}}]\n"


def test_a_pipeline_is_what_its_file_says(tmp_path):
    repo = load(tmp_path, {"base.yaml": BASE, "more.yaml": NIGHTLY, "model.yaml": MODEL})
    assert repo.errors == ()
    nightly = repo.pipelines["nightly"]
    assert (nightly.schedule, nightly.about.owner) == ("0 */6 * * *", "ana")
    assert nightly.stages == (
        PipelineStage(
            name="features", run="materialize --no-online", resources=Resources(cpu=4.0, memory_bytes=16 << 30)
        ),
        PipelineStage(
            name="sync", run="push delays", needs=("features",), timeout_us=1_800_000_000, retries=2,
            on_failure=("ops",),
        ),
        PipelineStage(
            name="score", run="score m --out s.parquet", needs=("sync",),
            resources=Resources(cpu=0.5, gpu=1, replicas=3),
        ),
    )  # fmt: skip
    assert load_pipeline(dump_definition(nightly)) == nightly


@pytest.mark.parametrize(
    ("run", "kept"),
    [
        (r"get  delays   carrier='a  b'", "get delays carrier='a  b'"),
        ('get delays  carrier="a \'  b"', 'get delays carrier="a \'  b"'),
        (r"get delays carrier=a\ \   -o json", r"get delays carrier=a\ \  -o json"),
        ("get delays\n  carrier='a\n b'\n", "get delays carrier='a\n b'"),
    ],
)
def test_spaces_in_quotes_of_a_command_are_kept(tmp_path, run, kept):
    text = f"pipelines: [{{name: p, stages: [{{name: a, run: {json.dumps(run)}}}]}}]\n"
    repo = load(tmp_path, {"base.yaml": BASE, "more.yaml": text})
    (stage,) = repo.pipelines["p"].stages
    assert stage.run == kept
    assert read_command(stage.run).words == tuple(shlex.split(run))


def test_a_deployment_is_what_its_file_says(tmp_path):
    repo = load(tmp_path, {"base.yaml": BASE, "more.yaml": SERVING})
    assert repo.errors == ()
    inference = repo.deployments["inference"]
    assert inference == Deployment(
        name="inference",
        run="serve",
        replicas=Replicas(least=2, most=20, cpu=0.7),
        resources=Resources(cpu=2.0, memory_bytes=2 << 30),
    )
    assert [repo.deployments[name].replicas for name in ("workers", "watch")] == [Replicas(least=3, most=3), Replicas()]
    assert all(load_deployment(dump_definition(item)) == item for item in repo.deployments.values())


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (NIGHTLY.replace("0  */6", "0 */6").replace("push  delays", "push delays"), False),
        (NIGHTLY.replace("16Gi", "16384Mi"), False),
        (NIGHTLY.replace("cpu: 500m", "cpu: 0.5"), False),
        (NIGHTLY.replace("*/6", "*/4"), True),
        (NIGHTLY.replace("timeout: 30m", "timeout: 31m"), True),
        (NIGHTLY.replace("needs: [sync]", "needs: [features]"), True),
        (NIGHTLY.replace("replicas: 3", "replicas: 2"), True),
        (NIGHTLY.replace("push  delays", "push"), True),
        (NIGHTLY.replace("ana", "bea"), True),
    ],
)
def test_a_fingerprint_moves_with_what_is_said_and_no_value_does(tmp_path, text, changed):
    files = {"base.yaml": BASE, "model.yaml": MODEL}
    repos = [load(tmp_path / name, files | {"more.yaml": t}) for name, t in (("a", NIGHTLY), ("b", text))]
    made = [fingerprints(repo.pipelines["nightly"]) for repo in repos]
    assert (made[0].metadata != made[1].metadata) == changed
    assert made[0].data == made[1].data


@pytest.mark.parametrize(
    ("keys", "code", "message"),
    [
        ("run: push, resources: {cpu: 0}", "FC104", '"0" is no number of processors'),
        ("run: push, resources: {cpu: 10000}", "FC104", '"10000" is no number of processors: at most 9999'),
        ("run: push, resources: {cpu: 0.0001}", "FC104", '"0.0001" is no number of processors: at least 0.001'),
        ("run: push, resources: {memory: 1000000Ti}", "FC104", '"1000000Ti" is no size of memory: at most 999999'),
        ("run: push, resources: {cpu: four}", "FC104", '"four" is no number of processors'),
        ("run: push, resources: {memory: 16}", "FC104", '"16" is no size of memory'),
        ("run: push, resources: {memory: 16GB}", "FC104", '"16GB" is no size of memory'),
        ("run: push, resources: {gpu: 0}", "FC104", "expected at least 1, found 0"),
        ("run: push, retries: -1", "FC104", "expected 0 or more, found -1"),
        ("run: push, timeout: 90", "FC106", '"90" is no duration'),
        ("run: push nothing", "FC201", 'no feature view "nothing"'),
        ("run: train nobody@3", "FC201", 'no model "nobody"'),
        ("run: push, on_failure: [nobody]", "FC201", 'no notifier "nobody"'),
        ("run: 'push ${VIEW}'", "FC108", "an environment variable can't stand here"),
        ("run: init x", "FC320", "a stage can't run init: it makes a repository"),
        ("run: status --watch", "FC320", "a stage can't run status: it ends never where it watches"),
        ("run: monitor export", "FC320", "a stage can't run monitor export: it ends never: a deployment runs it"),
        ("run: stream run", "FC320", "a stage can't run stream run: it ends never: a deployment runs it, and a"),
        ("run: push -C elsewhere", "FC320", "--repo can't stand here"),
    ],
)
def test_a_wrong_stage_is_said_to_be_wrong(tmp_path, keys, code, message):
    ((found, said, _),) = problems(tmp_path, stage(keys))
    assert found == code
    assert said.startswith(message)


def test_metrics_are_written_into_a_file_by_a_stage(tmp_path):
    assert problems(tmp_path, stage("run: monitor export --textfile /var/lib/node_exporter/shop.prom")) == []


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("run: serve, replicas: 0", "expected at least 1, found 0"),
        ("run: serve, replicas: {min: 3, max: 2}", "max 2 is less than min 3"),
        ("run: serve, replicas: {min: 1, max: 2}", "from 1 to 2: by what?"),
        ("run: serve, replicas: {min: 2, max: 2, cpu: 0.5}", '"cpu" does nothing where min is max'),
        ("run: serve, replicas: {min: 1, max: 2, cpu: 70}", "cpu is a share of the processors"),
        ("run: serve, resources: {replicas: 2}", "how many of a deployment run is said by its own"),
        ("run: stream run --once", "a deployment runs what ends never: serve, stream run, monitor run, monitor export"),
        ("run: monitor export --textfile a.prom", "a deployment runs what ends never: serve, stream run, monitor run,"),
    ],
)
def test_a_wrong_deployment_is_said_to_be_wrong(tmp_path, keys, message):
    found = problems(tmp_path, f"deployments: [{{name: d, {keys}}}]\n")
    assert any(said.startswith(message) for _, said, _ in found), found


@pytest.mark.parametrize(
    "schedule", ["0 */6 * * *", "0 0 13 * 5", "*/5 8-18 * * mon-fri", "15,45 0 1 1,JUL *", "0 0 29 2 *", "0 12 * * 7"]
)
def test_a_schedule_is_due_when_cron_says(schedule):
    assert wrong_schedule(schedule) == ""
    start = datetime(2026, 3, 1, tzinfo=UTC)
    times = CronSim(schedule, start)
    assert next_times(schedule, start, 50) == [next(times) for _ in range(50)]


@pytest.mark.parametrize(
    ("schedule", "wrong"),
    [
        ("0 6 * *", "4 fields, where a schedule has 5"),
        ("0 0 6 * * *", "6 fields, where a schedule has 5"),
        ("@daily", '"@daily" is a short form'),
        ("60 * * * *", "bad minute: 0 to 59"),
        ("0 0 * * 5L", '"5L" is no day of the week that every cron has'),
        ("0 0 L * *", '"L" is no day of the month that every cron has'),
        ("0 0 * * 5#2", '"5#2" is no day of the week that every cron has'),
        ("0 0 31 2 *", "bad day of the month: 1 to 31, and in that month"),
        ("0 0 * * ?", '"?" is no day of the week that every cron has'),
        ("", "0 fields"),
    ],
)
def test_what_is_no_schedule_of_every_cron_is_refused(tmp_path, schedule, wrong):
    assert wrong_schedule(schedule).startswith(wrong)
    ((code, said, _),) = problems(tmp_path, stage("run: push").replace("name: p,", f'name: p, schedule: "{schedule}",'))
    assert (code, said) == ("FC104", wrong_schedule(schedule))
