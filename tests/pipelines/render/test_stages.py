"""Schedulers that run stages themselves: their order, their commands, what is tried again, what runs in a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from featurectl.core.errors import UsageError
from tests.pipelines.render.shop import pipelines_for, write_repository

COMMANDS = {
    "features": ["featurectl", "materialize", "--no-online"],
    "sync": ["featurectl", "push"],
    "exports": ["featurectl", "get", "carriers", "carrier=a b$1", "-o", "json"],
    "check": ["featurectl", "monitor", "check"],
}
NEEDS = {"features": [], "sync": ["features"], "exports": ["features"], "check": ["sync", "exports"]}
CLOCK = "2026-01-01T06:00:00Z"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository."""
    return write_repository(tmp_path / "repo")


def change(root: Path, old: str, new: str) -> None:
    path = root / "objects.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_argo_runs_each_stage_with_the_clock_of_the_workflow(root):
    spec = yaml.safe_load(pipelines_for(root, "argo", "nightly")["flights-nightly.yaml"])["spec"]["workflowSpec"]
    templates = {template["name"]: template for template in spec["templates"]}
    tasks = templates[spec["entrypoint"]]["dag"]["tasks"]
    assert {task["name"]: task.get("dependencies", []) for task in tasks} == NEEDS
    more = ["--env", "prod", "--clock", "{{workflow.creationTimestamp.RFC3339}}"]
    commands = {task["name"]: templates[task["template"]]["container"]["command"] for task in tasks}
    assert commands == {name: [*words, *more] for name, words in COMMANDS.items()}
    assert templates["run-sync"]["retryStrategy"]["limit"] == 2
    assert templates["run-features"]["activeDeadlineSeconds"] == 7200


def jobs_of(root: Path, name: str = "nightly") -> dict[str, dict[str, Any]]:
    return yaml.safe_load(pipelines_for(root, "github-actions", name)[f"{name}.yaml"])["jobs"]


def test_github_runs_each_stage_when_those_that_it_needs_have_succeeded(root):
    jobs = jobs_of(root)
    assert {name: job["needs"][1:] for name, job in jobs.items() if name != "start"} == NEEDS
    assert [jobs[name]["timeout-minutes"] for name in NEEDS] == [120, 90, 10, 5]


def run_stage(root: Path, tmp_path: Path, stage: str, *codes: int) -> tuple[int, list[list[str]]]:
    """Run the script of a stage as GitHub does, with a featurectl that ends with some codes; return what it was given.

    Nothing is waited for between two tries.
    """
    tools = tmp_path / "tools"
    tools.mkdir()
    (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes))
    program = """#!/bin/sh
for word in "$@"; do echo "$word" >> said; done; echo >> said
code=$(head -1 codes); sed -i 1d codes; exit "$code"
"""
    for name, text in {"featurectl": program, "sleep": "#!/bin/sh\n"}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    script = jobs_of(root)[stage]["steps"][-1]
    environ = {"PATH": f"{tools}:{os.environ['PATH']}", "CLOCK": CLOCK}
    bash = [shutil.which("bash") or "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script["run"]]
    ended = subprocess.run(bash, check=False, env=environ, cwd=tmp_path, timeout=60)
    runs = (tmp_path / "said").read_text().split("\n\n")[:-1]
    return ended.returncode, [run.split("\n") for run in runs]


@pytest.mark.parametrize("stage", ["features", "exports", "check"])
def test_what_a_job_of_github_runs_is_the_command_with_the_clock(root, tmp_path, stage):
    code, runs = run_stage(root, tmp_path, stage, 0)
    assert (code, runs) == (0, [[*COMMANDS[stage][1:], "--env", "prod", "--clock", CLOCK]])


@pytest.mark.parametrize(
    ("codes", "code"), [((0,), 0), ((1,), 1), ((64,), 64), ((75, 0), 0), ((69, 143, 0), 0), ((69, 75, 69), 69)]
)
def test_a_job_of_github_tries_again_what_can_pass(root, tmp_path, codes, code):
    ended, runs = run_stage(root, tmp_path, "sync", *codes)
    assert (ended, len(runs)) == (code, len(codes))


def test_github_refuses_what_it_would_not_run_so_often(root):
    for schedule in ("* * * * *", "*/4 * * * *", "0,57 * * * *"):
        change(root, '"0 */6 * * *"', f'"{schedule}"')
        with pytest.raises(UsageError, match="more often than each 5 minutes"):
            pipelines_for(root, "github-actions", "nightly")
        change(root, f'"{schedule}"', '"0 */6 * * *"')


def test_github_works_in_the_folder_of_the_repository_in_its_checkout(tmp_path):
    (tmp_path / ".git").mkdir()
    root = write_repository(tmp_path / "ml/features")
    workflow = yaml.safe_load(pipelines_for(root, "github-actions", "nightly")["nightly.yaml"])
    assert workflow["defaults"] == {"run": {"working-directory": "ml/features"}}
    assert workflow["jobs"]["start"]["steps"][0]["working-directory"] == "/"


def test_a_stage_of_the_name_of_the_first_job_is_another_one(root):
    change(root, "{name: features, run", "{name: start, run")
    change(root, "needs: [features]", "needs: [start]")
    jobs = jobs_of(root)
    assert jobs["start_0"]["outputs"]
    assert jobs["start"]["needs"] == ["start_0"]


@pytest.mark.parametrize(("target", "name"), [("argo", "flights-nightly.yaml"), ("github-actions", "nightly.yaml")])
def test_who_is_not_notified_is_said(root, target, name):
    assert "# ops of on_success and on_failure:" in pipelines_for(root, target, "nightly")[name]


def test_an_option_stands_before_what_is_no_option(root):
    change(root, "run: monitor check", 'run: "get carriers -- carrier=x"')
    assert jobs_of(root)["check"]["steps"][-1]["run"] == (
        'featurectl get carriers --env prod --clock "$CLOCK" -- carrier=x'
    )
