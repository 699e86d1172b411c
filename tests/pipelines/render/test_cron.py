"""The line of cron: when it is due, wherever the host is, and what a shell makes of it."""

from __future__ import annotations

import os
import re
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from featurectl.core.errors import UsageError
from featurectl.language.definitions.pipelines import Pipeline
from featurectl.language.definitions.schedule import next_times
from featurectl.pipelines.render.order import render_pipelines
from featurectl.pipelines.render.request import Site
from featurectl.pipelines.render.schedules import due_fields, due_pattern, started_minutes
from featurectl.pipelines.render.site import SitePlaces
from tests.pipelines.render.naive_calendar import BEGIN, SCHEDULES, schedules
from tests.pipelines.render.shop import files_of, order, pipelines_for, write_repository

ZONES = ("UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham")
LONG_RUN = timedelta(days=366 * 30)


def is_due(pattern: str, at: datetime) -> bool:
    return re.fullmatch(pattern, f"{at:%M %H %d %m %w}") is not None


def first_thousand(pattern: str) -> list[datetime]:
    """Return the first thousand minutes that match a pattern, of thirty years: the time of the day stands first."""
    minutes, hours, days = pattern.split(" ", 2)
    times = f"{minutes} {hours}"
    clock = [divmod(minute, 60) for minute in range(1440)]
    clock = [(hour, minute) for hour, minute in clock if re.fullmatch(times, f"{minute:02} {hour:02}")]
    found, day = list[datetime](), BEGIN
    while len(found) < 1000 and day < BEGIN + LONG_RUN:
        if re.fullmatch(days, f"{day:%d %m %w}"):
            found += [day.replace(hour=hour, minute=minute) for hour, minute in clock]
        day += timedelta(days=1)
    return [at for at in found if at > BEGIN][:1000]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.sample(6)
def test_a_thousand_times_of_the_pattern_are_those_of_the_schedule(schedule):
    found = first_thousand(due_pattern(due_fields(schedule)))
    assert found == next_times(schedule, BEGIN, len(found))
    assert len(found) >= 999 or next_times(schedule, BEGIN, len(found) + 1)[-1] > BEGIN + LONG_RUN


@given(schedule=schedules())
def test_any_pattern_is_due_when_its_schedule_is(schedule):
    pattern, due = due_pattern(due_fields(schedule)), next_times(schedule, BEGIN, 50)
    assert all(is_due(pattern, at) for at in due)
    between = {at + timedelta(minutes=step) for at in due for step in (-1, 1, 60, 1440)} - set(due)
    assert not any(is_due(pattern, at) for at in between if BEGIN < at <= due[-1])


@given(schedule=schedules())
def test_in_every_zone_the_line_is_started_whenever_it_is_due(schedule):
    minutes = started_minutes(due_fields(schedule))
    for at in next_times(schedule, BEGIN, 20):
        assert all(at.astimezone(ZoneInfo(zone)).minute in minutes for zone in ZONES)


def test_a_pipeline_without_a_schedule_is_left_out_or_refused_by_name(tmp_path):
    root = write_repository(tmp_path / "repo")
    assert render_pipelines(order(root, "cron")).left_out == {"by_hand": "it has no schedule"}
    with pytest.raises(UsageError, match="cron has nothing for the pipeline by_hand: it has no schedule"):
        render_pipelines(order(root, "cron", "by_hand"))


def test_without_variables_the_file_says_nothing_of_them():
    pipeline = Pipeline(name="nightly", stages=(), schedule="30 5 * * *")
    (file,) = files_of("cron", pipeline, Site(project="p", environment="e"))
    assert file.text.startswith("# Copy it to /etc/cron.d/p-e-nightly.")
    assert "#\n#\n" not in file.text


PROGRAM = """#!/bin/sh
sleep "${SLEEP:-0}"
echo "$REGISTRY_URL $PWD $*" >> said
echo "features: ${WORD:-materialize}"
echo "error: no such table" >&2
exit "${CODE:-0}"
"""


def written_line(root: Path, schedule: str, tmp_path: Path) -> tuple[str, dict[str, str], Path]:
    """Return the command of cron's line as cron gives it to the shell, its variables, and what records its words."""
    objects = root / "objects.yaml"
    objects.write_text(objects.read_text().replace('"0 */6 * * *"', f'"{schedule}"'))
    text = pipelines_for(root, "cron", "nightly", places=SitePlaces(folder=str(root)))["flights-prod-nightly"]
    text = text.replace("/etc/featurectl/flights-prod.env", str(tmp_path / "flights.env"))
    (tmp_path / "flights.env").write_text("REGISTRY_URL='sqlite:///a?b=$c&d'\n")
    program = root / ".venv/bin/featurectl"
    program.parent.mkdir(parents=True)
    program.write_text(PROGRAM)
    program.chmod(0o755)
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines[:-1])
    command = re.sub(r"(?<!\\)%", "\n", lines[-1].split(maxsplit=6)[6]).replace(r"\%", "%")
    return command, variables, root / "said"


def run(command: str, variables: dict[str, str], **more: str) -> int:
    """Run the line as cron does, and return its exit code."""
    return mailed(command, variables, **more)[0]


def mailed(command: str, variables: dict[str, str], **more: str) -> tuple[int, str]:
    """Run the line as cron does, and return its exit code and what it prints, which cron sends by mail."""
    environ = {"PATH": os.environ["PATH"], "TZ": "Asia/Kathmandu", **variables, **more}
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=environ,
        check=False,
        timeout=60,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def test_a_shell_runs_the_line_when_it_is_due_with_the_variables(tmp_path):
    root = write_repository(tmp_path / "repo")
    command, variables, said = written_line(root, "* * * * *", tmp_path)
    assert run(command, variables) == 0
    assert said.read_text() == f"sqlite:///a?b=$c&d {root} pipeline run nightly --env prod --if-free\n"


SAID = "features: materialize\nerror: no such table\n"
LOG = ".featurectl/prod-nightly.cron.log"


def test_a_run_that_fails_is_mailed_and_a_good_one_is_not(tmp_path):
    root = write_repository(tmp_path / "repo")
    command, variables, _ = written_line(root, "* * * * *", tmp_path)
    for code, mail in ((0, ""), (1, SAID), (69, SAID), (137, SAID), (70, SAID), (0, "")):
        assert mailed(command, variables, CODE=str(code)) == (code, mail)
        assert (root / LOG).read_text() == SAID


def test_what_is_no_failure_is_not_mailed(tmp_path):
    """It was stopped; where somebody else runs the pipeline it ends with 0. A lock that is held is a failure."""
    command, variables, _ = written_line(write_repository(tmp_path / "repo"), "* * * * *", tmp_path)
    for code in (130, 143):
        assert mailed(command, variables, CODE=str(code)) == (code, "")
    code, mail = mailed(command, variables, CODE="75")
    assert (code, mail != "") == (75, True)


def test_what_keeps_a_run_from_starting_is_mailed(tmp_path):
    root = write_repository(tmp_path / "repo")
    command, variables, _ = written_line(root, "* * * * *", tmp_path)
    (root / ".venv/bin/featurectl").unlink()
    code, mail = mailed(command, variables)
    assert (code, "not found" in mail) == (127, True)
    (tmp_path / "flights.env").unlink()
    code, mail = mailed(command, variables)
    assert code != 0
    assert "flights.env" in mail


def test_the_line_is_one_that_every_cron_takes(tmp_path):
    command, _, _ = written_line(write_repository(tmp_path / "repo"), "* * * * *", tmp_path)
    assert len(command) < 1000  # of Debian's, which cuts off the rest


def test_a_folder_of_any_letters_is_found(tmp_path):
    root = write_repository(tmp_path / "bücher")
    command, variables, said = written_line(root, "* * * * *", tmp_path)
    assert mailed(command, variables, CODE="1") == (1, SAID)
    assert said.read_text() == f"sqlite:///a?b=$c&d {root} pipeline run nightly --env prod --if-free\n"


def test_home_is_a_folder_that_is_there(tmp_path):
    """Cronie starts nothing in a home that is not, as of a user that was made by `useradd --system`."""
    root = write_repository(tmp_path / "repo")
    _, variables, _ = written_line(root, "* * * * *", tmp_path)
    assert variables["HOME"] == str(root)


def test_a_shell_runs_nothing_when_the_line_is_not_due(tmp_path):
    command, variables, said = written_line(write_repository(tmp_path / "repo"), "0 0 29 2 *", tmp_path)
    run(command, variables | {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert not said.exists() or time.gmtime()[1:3] == (2, 29)


@pytest.mark.long
def test_a_line_that_is_due_while_the_one_before_runs_ends_at_once(tmp_path):
    root = write_repository(tmp_path / "repo")
    command, variables, said = written_line(root, "* * * * *", tmp_path)
    first = subprocess.Popen(["/bin/sh", "-c", command], env={"PATH": os.environ["PATH"], **variables, "SLEEP": "2"})
    lock = root / ".featurectl/prod-nightly.cron.lock"
    while not lock.exists() or run(f"flock -n {lock} true", {}) == 0:
        assert first.poll() is None
        time.sleep(0.02)
    assert mailed(command, variables, WORD="the second") == (1, "")
    assert first.wait(30) == 0
    assert (root / LOG).read_text() == SAID
    assert len(said.read_text().splitlines()) == 1
