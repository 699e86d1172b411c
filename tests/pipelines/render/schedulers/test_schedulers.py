"""Airflow and Dagster run what is rendered for them: the commands, their clock, what is tried again, and when."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from featurectl.core.errors import UsageError
from featurectl.core.units import parse_instant
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage, Resources
from featurectl.language.definitions.schedule import next_times
from featurectl.pipelines.render.request import Site
from featurectl.pipelines.render.schedules import portable_schedule
from featurectl.pipelines.render.site import SitePlaces
from tests.pipelines.render.naive_calendar import BEGIN, SCHEDULES
from tests.pipelines.render.schedulers.guests import Order, RunOrder, Scheduler, airflow, dagster, stub
from tests.pipelines.render.shop import files_of, pipelines_for, write_repository

pytestmark = pytest.mark.guests

# Summer time begins in Berlin at 01:00 UTC on the 29th: 02:30 is no time there. It ends at 01:00 UTC on 25 October.
SUMMER, WINTER = "2026-03-29T00:30:00+00:00", "2026-10-25T01:30:00+00:00"
FEATURES = "materialize --env prod --clock {} --memory 16384MiB --no-online"
SYNC = "push --env prod --clock {}"
EXPORTS = "get --env prod --clock {} carriers carrier=a b$1 -o json"
CHECK = "monitor check --env prod"  # which looks when it runs
ALL = (FEATURES, SYNC, EXPORTS, CHECK)


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Scheduler:
    return airflow(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(scope="module")
def dagster_home(tmp_path_factory) -> Scheduler:
    return dagster(tmp_path_factory.mktemp("dagster"))


def rendered(root: Path, target: str, *replaced: tuple[str, str]) -> Path:
    """Return the file of the pipeline nightly for a target, with shorter waits."""
    write_repository(stub(root))
    ((name, text),) = pipelines_for(root, target, "nightly", places=SitePlaces(folder=str(root))).items()
    waits = (("timedelta(seconds=10)", "timedelta(seconds=1)"), ("delay=10", "delay=0.1"), ("wait(30)", "wait(2)"))
    for old, new in (*waits, *replaced):
        text = text.replace(old, new)
    (root / name).write_text(text)
    return root / name


IN_PARTS = Pipeline(
    name="nightly",
    stages=(
        PipelineStage(name="features", run="materialize"),
        PipelineStage(
            name="score",
            run="score late --out rows/",
            needs=("features",),
            resources=Resources(cpu=2, replicas=3),
        ),
        PipelineStage(name="check", run="monitor check", needs=("features", "score")),
    ),
)


def rendered_in_parts(root: Path, target: str) -> Path:
    """Return the file of a pipeline whose scores are in three parts, and which has no schedule."""
    site = Site(project="parts", environment="prod", folder=str(stub(root)))
    (file,) = files_of(target, IN_PARTS, site)
    (root / file.name).write_text(file.text)
    return root / file.name


@pytest.mark.parametrize("target", ["airflow", "dagster"])
def test_parts_of_a_stage_run_before_what_needs_it(target, running, dagster_home, tmp_path):
    file = rendered_in_parts(tmp_path, target)
    scheduler = running if target == "airflow" else dagster_home
    answer = scheduler.answer(Order(file=file, repository=tmp_path, runs=(RunOrder(SUMMER),)))
    assert answer["runs"][0].get("state", "success") == "success"
    first, *parts, last = said(tmp_path)
    assert (first, last) == (f"materialize --env prod --clock {SUMMER}", CHECK.format(SUMMER))
    words = f"score --env prod --clock {SUMMER} --part {{}}/3 late --out rows/"
    assert sorted(parts) == [words.format(part) for part in (1, 2, 3)]


def said(root: Path) -> list[str]:
    return (root / "said").read_text().splitlines()


def runs_said(root: Path) -> list[str]:
    return (root / "runs").read_text().splitlines()


def lines(*clocks: str, of: tuple[str, ...] = ALL) -> list[str]:
    return sorted(line.format(clock) for clock in clocks for line in of)


def test_tasks_of_airflow_have_the_instant_of_their_run(running, tmp_path):
    file = rendered(tmp_path, "airflow")
    clocks = (SUMMER, WINTER, "2026-03-29T01:30:00.250000+00:00")
    runs = (RunOrder(SUMMER), RunOrder(WINTER), RunOrder(clocks[2], is_logical=False))
    answer = running.answer(Order(file=file, repository=tmp_path, runs=runs))
    assert [run["state"] for run in answer["runs"]] == ["success"] * 3
    assert sorted(said(tmp_path)) == lines(*clocks)
    assert said(tmp_path)[0] == FEATURES.format(SUMMER)
    assert said(tmp_path)[3] == CHECK.format(SUMMER)
    assert answer["doc"].startswith("Features, synced online, and checked.")
    runs = runs_said(tmp_path)
    assert [runs.count(run) for run in dict.fromkeys(runs)] == [len(ALL)] * 3
    assert all(run.startswith("flights_prod_nightly/") for run in runs)


def test_airflow_tries_again_only_what_can_pass(running, tmp_path):
    file = rendered(tmp_path, "airflow")
    codes = ("75\nKILL\n", "69\n69\n69\n", "1\n", "64\n")
    runs = tuple(RunOrder(f"2026-01-0{day}T00:00:00+00:00", codes={"push": text}) for day, text in enumerate(codes, 1))
    answer = running.answer(Order(file=file, repository=tmp_path, runs=runs))
    sync = [run["tasks"]["sync:-1"] for run in answer["runs"]]
    assert sync == [["success", 3], ["failed", 3], ["failed", 1], ["failed", 1]]
    assert [run["state"] for run in answer["runs"]] == ["success", "failed", "failed", "failed"]
    assert [run["tasks"]["exports:-1"][0] for run in answer["runs"]] == ["success"] * 4
    assert [run["tasks"]["check:-1"][0] for run in answer["runs"]] == ["success", *["upstream_failed"] * 3]


def test_airflow_ends_a_task_that_hangs_and_tries_it_again(running, tmp_path):
    file = rendered(
        tmp_path, "airflow", ("execution_timeout=timedelta(minutes=30)", "execution_timeout=timedelta(seconds=3)")
    )
    answer = running.answer(
        Order(file=file, repository=tmp_path, runs=(RunOrder("2026-02-01T00:00:00+00:00", codes={"push": "HANG\n"}),))
    )
    assert answer["runs"][0]["tasks"]["sync:-1"] == ["success", 2]
    assert is_gone(int((tmp_path / "hangs").read_text()))


def test_ops_of_dagster_have_the_instant_of_their_run(dagster_home, tmp_path):
    file = rendered(tmp_path, "dagster")
    again = RunOrder(is_again=True)
    runs = (RunOrder(SUMMER), RunOrder(WINTER), RunOrder(codes={"push": "1\n"}), again)
    answer = dagster_home.answer(Order(file=file, repository=tmp_path, runs=runs))
    assert [run["is_success"] for run in answer["runs"]] == [True, True, False, True]
    asked = answer["runs"][2]["asked"]
    continued = lines(asked, of=(SYNC, CHECK))
    assert sorted(said(tmp_path)) == sorted(
        lines(SUMMER, WINTER) + lines(asked, of=(FEATURES, SYNC, EXPORTS)) + continued
    )
    assert abs((parse_instant(asked) - datetime.now(UTC)).total_seconds()) < 600
    ids = [run["id"] for run in answer["runs"][:3]]
    assert [runs_said(tmp_path).count(run) for run in ids] == [len(ALL), len(ALL), len(ALL) + 1]  # push again, check


def test_dagster_tries_again_only_what_can_pass(dagster_home, tmp_path):
    file = rendered(tmp_path, "dagster")
    codes = ("75\nKILL\n", "69\n69\n69\n", "1\n", "64\n")
    runs = tuple(RunOrder(codes={"push": text}) for text in codes)
    answer = dagster_home.answer(Order(file=file, repository=tmp_path, runs=runs))
    assert [run["is_success"] for run in answer["runs"]] == [True, False, False, False]
    again, failed = ["STEP_UP_FOR_RETRY", "sync"], ["STEP_FAILURE", "sync"]
    assert [run["steps"].count(again) for run in answer["runs"]] == [2, 2, 0, 0]
    assert [run["steps"].count(failed) for run in answer["runs"]] == [0, 1, 1, 1]
    assert all(["STEP_SUCCESS", "exports"] in run["steps"] for run in answer["runs"])
    assert [line.split()[0] for line in said(tmp_path)].count("push") == 8


def test_dagster_ends_an_op_that_hangs_and_tries_it_again(dagster_home, tmp_path):
    file = rendered(tmp_path, "dagster", ("timeout=1800", "timeout=1"))
    order = Order(file=file, repository=tmp_path, runs=(RunOrder(codes={"push": "HANG\n"}),))
    assert dagster_home.answer(order)["runs"][0]["is_success"]
    assert is_gone(int((tmp_path / "hangs").read_text()))


def test_dagster_finds_definitions_of_a_file_valid(dagster_home, tmp_path):
    file = rendered(tmp_path, "dagster")
    found = dagster_home.run("dagster", "definitions", "validate", "-f", str(file), folder=tmp_path)
    assert "All code locations passed validation" in found


def test_a_thousand_times_of_both_are_those_of_the_schedule(running, dagster_home):
    written = dict[str, str]()
    for schedule in SCHEDULES:
        try:
            written[schedule] = portable_schedule(schedule, "both")
        except UsageError:
            assert schedule == "0 0 */2 * 5"
    assert len(written) == len(SCHEDULES) - 1
    wanted = [next_times(schedule, BEGIN, 1000) for schedule in written]
    for scheduler in (running, dagster_home):
        answer = scheduler.answer(Order(schedules=tuple(written.values())))
        for schedule, times, expected in zip(written, answer["times"], wanted, strict=True):
            assert [parse_instant(at) for at in times] == expected, (scheduler.name, schedule)


def is_gone(process: int) -> bool:
    """Return whether a process ends within seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not Path(f"/proc/{process}").exists():
            return True
        time.sleep(0.05)
    return False
