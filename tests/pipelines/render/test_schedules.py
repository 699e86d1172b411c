"""A thousand next times of each target's schedule are those of the pipeline's."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime

import pytest
from hypothesis import given, settings

from featurectl.core.errors import UsageError
from featurectl.language.definitions.schedule import next_times
from featurectl.pipelines.render.schedules import calendar_lines, portable_schedule
from tests.pipelines.render.naive_calendar import BEGIN, SCHEDULES, other_times, schedules, systemd_times

AND_ALONE = "0 0 */2 * 5"


def assert_times(found: list[datetime], schedule: str, least: int = 1000) -> None:
    """Assert that times are those of a schedule; fewer than `least` are all of thirty years."""
    assert found == next_times(schedule, BEGIN, len(found))
    assert len(found) >= least or next_times(schedule, BEGIN, len(found) + 1)[-1].year >= BEGIN.year + 30


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.sample(6)
def test_systemd_is_due_when_the_pipeline_is(schedule):
    assert_times(systemd_times(calendar_lines(schedule), BEGIN, 1000), schedule)


@pytest.mark.parametrize("schedule", [schedule for schedule in SCHEDULES if schedule != AND_ALONE])
@pytest.mark.parametrize("by_python", [False, True], ids=["kubernetes, argo, github", "airflow, dagster"])
@pytest.mark.sample(6)
def test_other_schedulers_are_due_when_the_pipeline_is(schedule, by_python):
    assert_times(other_times(portable_schedule(schedule, "argo"), BEGIN, 1000, by_python=by_python), schedule)


@settings(max_examples=40)
@given(schedule=schedules())
def test_any_schedule_means_the_same_to_systemd(schedule):
    assert_times(systemd_times(calendar_lines(schedule), BEGIN, 30), schedule, 30)


@settings(max_examples=40)
@given(schedule=schedules())
def test_any_schedule_means_the_same_to_others_or_is_refused(schedule):
    try:
        text = portable_schedule(schedule, "kubernetes")
    except UsageError:
        fields = schedule.split()
        assert fields[2].startswith("*") or fields[4].startswith("*")
    else:
        for by_python in (False, True):
            assert_times(other_times(text, BEGIN, 30, by_python=by_python), schedule, 30)


def test_two_days_that_must_both_match_are_refused_where_either_would_do():
    with pytest.raises(UsageError, match="takes either of two days, and cron both where one begins with"):
        portable_schedule(AND_ALONE, "argo")


def test_a_schedule_that_all_read_alike_stays_as_it_is_written():
    for schedule in ("0 */6 * * *", "30 4 13 * FRI", "7-59/10 8-18 * * MON-FRI", "0 12 1,15 * *"):
        assert portable_schedule(schedule, "argo") == schedule


def test_either_of_two_days_is_two_lines_of_systemd():
    assert calendar_lines("0 0 13 * 5") == ["*-*-13 00:00:00 UTC", "Fri *-*-* 00:00:00 UTC"]


@pytest.mark.guests
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_systemd_itself_is_due_when_the_pipeline_is(schedule):
    found = set[datetime]()
    for event in calendar_lines(schedule):
        command = ["systemd-analyze", "calendar", "--iterations=1000", f"--base-time={BEGIN:%F %T} UTC", event]
        said = subprocess.run(command, check=True, capture_output=True, text=True, env={"TZ": "UTC"})
        assert said.stderr == ""
        lines = re.findall(r"(?:elapse|Iteration #\d+): (.*)", said.stdout)
        found |= {datetime.strptime(line, "%a %Y-%m-%d %H:%M:%S %Z").replace(tzinfo=BEGIN.tzinfo) for line in lines}
    times = sorted(found)[:1000]
    assert times == next_times(schedule, BEGIN, len(times))
