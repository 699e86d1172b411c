"""The workflow that `init` writes: GitHub would take it, and its steps do what the files say, in their order."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from unittest import mock

import polars as pl
import pytest
import yaml

from featurectl.cli.main import main
from featurectl.operations.init import template_folder, write_repository
from tests.git_repository import GitRepository

WORKFLOW = ".github/workflows/features.yml"
TOOLS = Path(sys.executable).parent
CLOCKS = {"flights": "decided_at", "arrivals": "sched_dep_at", "departures": "departed_at", "weather": "observed_at"}
LAST_DAYS = datetime(2013, 12, 29, tzinfo=UTC)
STORES = ("REGISTRY_URL", "OFFLINE_STORE", "REDIS_URL")
SECRETS = (*STORES, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
ON_PRODUCTION = ("plan", "deploy", "refresh")


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
    command: list[str | Path] = [TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def checked_by_actionlint(path: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [TOOLS / "actionlint", "-no-color", "-shellcheck=", "-pyflakes=", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


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
    assert all(step["with"].items() >= {"persist-credentials": False}.items() for step in checkouts)


def test_who_plans_and_applies_has_the_whole_history(jobs):
    depths = {name: job["steps"][0]["with"].get("fetch-depth") for name, job in jobs.items()}
    assert depths == {"check": None, "plan": 0, "deploy": 0, "refresh": None}


def test_what_the_addresses_need_is_installed(jobs):
    installed = {name: commands(job)[0] for name, job in jobs.items()}
    everything = "pip install 'featurectl[postgres,redis,cloud]'"
    assert installed == {"check": "pip install featurectl"} | dict.fromkeys(ON_PRODUCTION, everything)
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {"postgres", "redis", "cloud"} <= set(extras["optional-dependencies"])


def test_secrets_reach_the_jobs_on_production_and_no_command_line(repository, jobs):
    named = {name: job.get("env", {}) for name, job in jobs.items()}
    wanted = {name: f"${{{{ secrets.{name} }}}}" for name in SECRETS}
    wanted["FEATURECTL_ACTOR"] = "${{ github.actor }}"
    assert named == {"check": {}} | dict.fromkeys(ON_PRODUCTION, wanted)
    assert [line for job in jobs.values() for line in commands(job) if "${{" in line] == []
    declared = re.findall(r"\$\{(\w+)\}", (repository / "featurectl.yaml").read_text())
    assert sorted(declared) == sorted(STORES)


def test_a_pull_request_from_a_fork_is_checked_and_not_planned(jobs):
    assert jobs["check"]["if"] == "github.event_name != 'schedule'"
    assert "head.repo.full_name == github.repository" in jobs["plan"]["if"]
    assert jobs["deploy"]["if"] == "github.event_name == 'push'"
    assert (jobs["plan"]["needs"], jobs["deploy"]["needs"]) == ("check", "check")


def test_a_schedule_refreshes_and_does_nothing_else(repository, jobs):
    whole = yaml.safe_load((repository / WORKFLOW).read_text())
    assert [list(item) for item in whole[True]["schedule"]] == [["cron"]], "YAML reads the key `on` as a truth"
    assert jobs["refresh"]["if"] == "github.event_name == 'schedule'"
    assert "needs" not in jobs["refresh"]
    lines = [line.split()[1] for line in commands(jobs["refresh"]) if line.startswith("featurectl ")]
    assert lines == ["materialize", "status"]
    assert "github.event_name" in whole["concurrency"]["group"], "else a schedule takes the place of a deployment"


def test_what_is_applied_is_the_plan_that_was_saved(jobs):
    plan, apply = (line for line in commands(jobs["deploy"]) if re.match("featurectl (plan|apply)", line))
    assert "--out plan.json" in plan
    assert apply.startswith("featurectl apply plan.json --env prod")
    assert "--auto-approve" not in apply


# Its steps, run as GitHub runs them: each in a new shell where it has to be one, in the checkout, with the job's
# environment.


OPERATORS = set("|>")
LINE = re.compile(r'featurectl (?P<words>[^|>]+?)(?: \| tee (?P<copy>\S+))?(?: >> "\$GITHUB_STEP_SUMMARY")?')


class Runner:
    """Runs the jobs of one workflow run; a step that fails ends its job."""

    def __init__(self, folder: Path, secrets: dict[str, str]) -> None:
        self.folder = folder
        self.secrets = secrets
        self.summary = folder.parent / "summary.md"

    def run(self, job, *, again=False) -> Iterator[tuple[str, int, str]]:
        """Run a job: by the shell what has an operator of it, unless it ran `again`; all else in this process."""
        for line in commands(job):
            if line.startswith("pip install "):
                continue
            code, said = self.here(line, job) if again or not OPERATORS & set(line) else self.shell(line, job)
            yield line, code, said
            if code:
                return

    def environ(self, job) -> dict[str, str]:
        environ = {
            k: v for k, v in os.environ.items() if k not in SECRETS and not k.startswith(("GITHUB_", "FEATURECTL_"))
        }
        environ |= {name: self.secrets[name] for name in job.get("env", {})}  # nothing that the job does not name
        return environ | {"GITHUB_STEP_SUMMARY": str(self.summary), "PATH": f"{TOOLS}:{os.environ['PATH']}"}

    def shell(self, line: str, job) -> tuple[int, str]:
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", line]
        done = subprocess.run(
            shell, cwd=self.folder, env=self.environ(job), capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def here(self, line: str, job) -> tuple[int, str]:
        found = LINE.fullmatch(line)
        assert found, line
        out, errors = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environ(job), clear=True),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
        ):
            code = main(shlex.split(found["words"]))
        if found["copy"]:
            (self.folder / found["copy"]).write_text(out.getvalue())
        if "GITHUB_STEP_SUMMARY" not in line:
            return code, out.getvalue() + errors.getvalue()
        with self.summary.open("a") as summary:
            summary.write(out.getvalue())
        return code, errors.getvalue()


def keep_last_days(root: Path) -> None:
    """Cut the data down: the test is about the commands."""
    for name, clock in CLOCKS.items():
        path = root / "data" / f"{name}.parquet"
        pl.read_parquet(path).filter(pl.col(clock) >= LAST_DAYS).write_parquet(path)


@pytest.mark.long
def test_its_commands_run_on_the_template_in_their_order(tmp_path, jobs, postgres_url, redis_url, s3):
    folder = tmp_path / "checkout"
    write_repository(template_folder() / "flights", folder, "flights_in_ci")
    keep_last_days(folder)
    git = GitRepository(folder)
    git.commit()
    secrets = {"REGISTRY_URL": postgres_url, "OFFLINE_STORE": s3.location(), "REDIS_URL": redis_url}
    secrets |= {name: s3.environ[name] for name in SECRETS if name.startswith("AWS_")}
    runner = Runner(folder, secrets | {"FEATURECTL_ACTOR": "ana"})

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
    assert [name for name, secret in secrets.items() if name != "AWS_REGION" and secret in told] == []

    again = list(runner.run(jobs["deploy"], again=True))
    assert [code for _, code, _ in again] == [0, 0, 0, 1]
    refreshed = list(runner.run(jobs["refresh"]))
    assert [(line.split()[1], code) for line, code, _ in refreshed] == [("materialize", 0), ("status", 1)]
    assert sorted(path.name for path in folder.iterdir() if "tables" in path.name) == [], "tables lie in the bucket"
    _, history = runner.here("featurectl history --env prod -o json", jobs["plan"])
    entry = json.loads(history)["result"]["entries"][0]
    assert (entry["who"], entry["commit"], entry["dirty_files"]) == ("ana", git("rev-parse", "HEAD"), 0)


@pytest.mark.long
def test_a_plan_that_is_blocked_ends_the_job_and_is_shown(tmp_path, jobs):
    folder = tmp_path / "checkout"
    write_repository(template_folder() / "flights", folder, "flights_in_ci")
    keep_last_days(folder)
    secrets = {
        "REGISTRY_URL": f"sqlite:///{tmp_path / 'registry.db'}",
        "OFFLINE_STORE": str(tmp_path / "tables"),
        "REDIS_URL": f"sqlite:///{tmp_path / 'online.db'}",
    }
    secrets |= dict.fromkeys(("FEATURECTL_ACTOR", *SECRETS[3:]), "unused")
    runner = Runner(folder, secrets)
    assert [(line.split()[1], code) for line, code, _ in islice(runner.run(jobs["deploy"], again=True), 2)] == [
        ("plan", 0),
        ("apply", 0),
    ]
    for file in ("models/late_arrival.yaml", "tests/late_arrival.yaml", "pipelines.yaml"):
        (folder / file).unlink()
    planned = list(runner.run(jobs["plan"]))
    assert [code for _, code, _ in planned] == [1]
    assert "BLOCKED" in (folder / "plan.md").read_text()
    deployed = list(runner.run(jobs["deploy"]))
    assert [(line.split()[1], code) for line, code, _ in deployed] == [("plan", 1)]

    # What the plan prints is committed after a review, and both jobs go on.
    told = (folder / "plan.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    assert yaml.safe_load(told)["allow"][0].items() >= {"environment": "prod", "remove": "model:late_arrival"}.items()
    (folder / ".allow.yaml").write_text(told)
    assert [code for _, code, _ in runner.run(jobs["plan"], again=True)] == [0]
    assert [code for _, code, _ in islice(runner.run(jobs["deploy"], again=True), 2)] == [0, 0]
    assert [code for _, code, _ in runner.run(jobs["plan"], again=True)] == [0], (
        "what is done already stays, of no effect"
    )
