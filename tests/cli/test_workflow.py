"""The workflow that `init` writes: GitHub would take it, and its steps do what the files say, in their order."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import polars as pl
import pytest
import yaml

from featurectl.cli.init import template_folder, write_repository

WORKFLOW = ".github/workflows/features.yml"
TOOLS = Path(sys.executable).parent
CLOCKS = {"flights": "decided_at", "arrivals": "sched_dep_at", "departures": "departed_at", "weather": "observed_at"}
LAST_DAYS = datetime(2013, 12, 20, tzinfo=UTC)
SECRETS = ("REGISTRY_URL", "OFFLINE_STORE", "REDIS_URL")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workflow") / "flights"
    write_repository(template_folder() / "flights", folder, "flights_in_ci")
    return folder


@pytest.fixture(scope="module")
def jobs(repository):
    return yaml.safe_load((repository / WORKFLOW).read_text())["jobs"]


def commands(job) -> list[str]:
    return [step["run"] for step in job["steps"] if "run" in step]


# GitHub would take it. Both checkers bring what they know; neither asks the network.


def checked_by_schema(path: Path) -> subprocess.CompletedProcess[str]:
    command = [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, text=True)


def checked_by_actionlint(path: Path) -> subprocess.CompletedProcess[str]:
    command = [TOOLS / "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", str(path)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("check", [checked_by_schema, checked_by_actionlint])
def test_the_workflow_is_one(check, repository):
    done = check(repository / WORKFLOW)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (checked_by_schema, "runs-on: ubuntu-latest", "run-on: ubuntu-latest"),
        (checked_by_schema, "timeout-minutes: 15", "timeout-minutes: soon"),
        (checked_by_actionlint, "github.event_name", "github.event_nam"),
        (checked_by_actionlint, "needs: check", "needs: chek"),
        (checked_by_actionlint, "persist-credentials", "persist-credential"),
    ],
)
def test_the_checkers_see_what_is_wrong(check, right, wrong, repository, tmp_path):
    text = (repository / WORKFLOW).read_text()
    assert right in text
    path = tmp_path / ".github" / "workflows" / "bad.yml"
    path.parent.mkdir(parents=True)
    path.write_text(text.replace(right, wrong))
    assert check(path).returncode == 1


def test_it_may_read_the_files_and_nothing_else(repository, jobs):
    whole = yaml.safe_load((repository / WORKFLOW).read_text())
    assert whole["permissions"] == {"contents": "read"}
    assert [name for name, job in jobs.items() if "permissions" in job] == []


def test_actions_are_taken_at_a_version_and_leave_no_token_behind(jobs):
    steps = [step for job in jobs.values() for step in job["steps"] if "uses" in step]
    assert {step["uses"] for step in steps if not re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])} == set()
    checkouts = [step for step in steps if step["uses"].startswith("actions/checkout@")]
    assert len(checkouts) == len(jobs)
    assert all(step["with"] == {"persist-credentials": False} for step in checkouts)


def test_secrets_reach_the_jobs_that_look_at_production_and_no_command_line(repository, jobs):
    named = {name: job.get("env", {}) for name, job in jobs.items()}
    wanted = {name: f"${{{{ secrets.{name} }}}}" for name in SECRETS}
    assert named == {"check": {}, "plan": wanted, "deploy": wanted}
    assert [line for job in jobs.values() for line in commands(job) if "${{" in line] == []
    declared = re.findall(r"\$\{(\w+)\}", (repository / "featurectl.yaml").read_text())
    assert sorted(declared) == sorted(SECRETS)


def test_a_pull_request_from_a_fork_is_checked_and_not_planned(jobs):
    assert "if" not in jobs["check"]
    assert "head.repo.full_name == github.repository" in jobs["plan"]["if"]
    assert jobs["deploy"]["if"] == "github.event_name == 'push'"
    assert (jobs["plan"]["needs"], jobs["deploy"]["needs"]) == ("check", "check")


def test_what_is_applied_is_the_plan_that_was_saved(jobs):
    plan, apply = (line for line in commands(jobs["deploy"]) if re.match("featurectl (plan|apply)", line))
    assert "--out plan.json" in plan
    assert apply.startswith("featurectl apply plan.json --env prod")
    assert "--auto-approve" not in apply


# Its steps, run as GitHub runs them: each in a new shell, in the checkout, with the job's environment.


class Runner:
    """Runs the jobs of one workflow run; a step that fails ends its job."""

    def __init__(self, folder: Path, secrets: dict[str, str]) -> None:
        self.folder = folder
        self.secrets = secrets
        self.summary = folder.parent / "summary.md"

    def run(self, job) -> Iterator[tuple[str, int, str]]:
        environ = {k: v for k, v in os.environ.items() if k not in SECRETS and not k.startswith("GITHUB_")}
        environ |= {name: self.secrets[name] for name in job.get("env", {})}
        environ |= {"GITHUB_STEP_SUMMARY": str(self.summary), "PATH": f"{TOOLS}:{os.environ['PATH']}"}
        for line in commands(job):
            if line.startswith("pip install "):
                continue
            shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", line]
            done = subprocess.run(shell, cwd=self.folder, env=environ, capture_output=True, text=True)
            yield line, done.returncode, done.stdout + done.stderr
            if done.returncode:
                return


def keep_last_days(root: Path) -> None:
    """Cut the data down: the test is about the commands."""
    for name, clock in CLOCKS.items():
        path = root / "data" / f"{name}.parquet"
        pl.read_parquet(path).filter(pl.col(clock) >= LAST_DAYS).write_parquet(path)


def test_its_commands_run_on_the_template_in_their_order(tmp_path, jobs, postgres_url, redis_url):
    folder = tmp_path / "checkout"
    write_repository(template_folder() / "flights", folder, "flights_in_ci")
    keep_last_days(folder)
    secrets = {"REGISTRY_URL": postgres_url, "OFFLINE_STORE": str(tmp_path / "tables"), "REDIS_URL": redis_url}
    runner = Runner(folder, secrets)

    for job in ("check", "plan"):
        assert [(line, code) for line, code, _ in runner.run(jobs[job]) if code] == []
    shown = (folder / "plan.md").read_text()
    assert shown.startswith("### featurectl plan: prod\n")
    assert "to add" in shown
    assert shown in runner.summary.read_text()

    ran = list(runner.run(jobs["deploy"]))
    assert [line.split()[1] for line, _, _ in ran] == ["plan", "apply", "materialize", "status"]
    assert [code for _, code, _ in ran] == [0, 0, 0, 1]
    stale = [line for line in ran[-1][2].splitlines() if "STALE" in line]
    assert stale
    assert [line for line in stale if not line.startswith(("weather", "airport_weather"))] == []
    assert json.loads((folder / "plan.json").read_text())
    told = "".join(output for _, _, output in ran) + runner.summary.read_text() + (folder / "plan.json").read_text()
    assert [name for name, secret in secrets.items() if secret in told] == []

    again = list(runner.run(jobs["deploy"]))
    assert [code for _, code, _ in again] == [0, 0, 0, 1]


def test_a_plan_that_is_blocked_ends_the_job_and_is_shown(tmp_path, jobs):
    folder = tmp_path / "checkout"
    write_repository(template_folder() / "flights", folder, "flights_in_ci")
    keep_last_days(folder)
    secrets = {
        "REGISTRY_URL": f"sqlite:///{tmp_path / 'registry.db'}",
        "OFFLINE_STORE": str(tmp_path / "tables"),
        "REDIS_URL": f"sqlite:///{tmp_path / 'online.db'}",
    }
    runner = Runner(folder, secrets)
    assert [(line.split()[1], code) for line, code, _ in islice(runner.run(jobs["deploy"]), 2)] == [
        ("plan", 0),
        ("apply", 0),
    ]
    (folder / "models" / "late_arrival.yaml").unlink()
    (folder / "tests" / "late_arrival.yaml").unlink()
    planned = list(runner.run(jobs["plan"]))
    assert [code for _, code, _ in planned] == [1]
    assert "BLOCKED" in (folder / "plan.md").read_text()
    deployed = list(runner.run(jobs["deploy"]))
    assert [(line.split()[1], code) for line, code, _ in deployed] == [("plan", 1)]
