"""Schedulers that run stages themselves: their order, their commands, what is tried again, what runs in a shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from featurectl.core.errors import UsageError
from featurectl.language.definitions.pipelines import Pipeline, PipelineStage, Resources
from featurectl.pipelines.render.site import SitePlaces
from tests.pipelines.render.shop import in_parts_for, pipelines_for, write_repository

CLOCK = "2026-01-01T06:00:00Z"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository."""
    return write_repository(tmp_path / "repo")


def change(root: Path, old: str, new: str) -> None:
    path = root / "objects.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


RELEASE = Pipeline(
    name="release",
    stages=(
        PipelineStage(name="push", run="push"),
        PipelineStage(name="train", run="train late"),
        PipelineStage(name="canary", run="models canary start late --wait", needs=("push", "train")),
    ),
)


def test_who_trains_and_who_tries_know_their_common_run():
    """So that a canary is of the version that its own run has trained, also when its job alone is run again."""
    argo = yaml.safe_load(in_parts_for("argo", RELEASE)["flights-release.yaml"])["spec"]["templates"]
    containers = {template["name"]: template["container"] for template in argo if "container" in template}
    own = [{"name": "FEATURECTL_RUN_ID", "value": "{{workflow.uid}}"}]
    assert {name: item.get("env", []) for name, item in containers.items()} == {
        "run-push": [], "run-train": own, "run-canary": own,
    }  # fmt: skip
    jobs = yaml.safe_load(in_parts_for("github-actions", RELEASE)["release.yaml"])["jobs"]
    environs = {name: job["steps"][-1].get("env", {}) for name, job in jobs.items()}
    run = "${{ github.run_id }}"
    assert {name: environ.get("FEATURECTL_RUN_ID") for name, environ in environs.items()} == {
        "start": None, "push": None, "train": run, "canary": run,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "exit_code", "message", "again"),
    [
        ("Failed", "1", "", False),
        ("Failed", "64", "", False),
        ("Failed", "75", "", True),
        ("Failed", "143", "", True),
        ("Error", "-1", "", True),
        ("Failed", "-1", "Pod was evicted", True),
        ("Failed", "130", "Pod was active on the node longer than the specified deadline", True),
    ],
)
def test_argo_tries_again_what_can_pass_and_what_took_too_long(root, status, exit_code, message, again):
    spec = yaml.safe_load(pipelines_for(root, "argo", "nightly")["flights-nightly.yaml"])["spec"]["workflowSpec"]
    (sync,) = [template for template in spec["templates"] if template["name"] == "run-sync"]
    expression = re.sub(r'(\S+) contains ("[^"]*")', r"(\2 in \1)", sync["retryStrategy"]["expression"])
    last = SimpleNamespace(status=status, exitCode=exit_code, message=message)
    assert eval(expression, {"lastRetry": last, "asInt": int}) is again  # noqa: S307 (our own text)


def test_a_variable_that_is_given_is_not_said_by_the_processors(root):
    said = SitePlaces(variables=("POLARS_MAX_THREADS",))
    workflow = yaml.safe_load(pipelines_for(root, "github-actions", "nightly", places=said)["nightly.yaml"])
    environ = workflow["jobs"]["features"]["steps"][-1]["env"]
    assert environ["POLARS_MAX_THREADS"] == "${{ secrets.POLARS_MAX_THREADS }}"
    spec = yaml.safe_load(pipelines_for(root, "argo", "nightly", places=said)["flights-nightly.yaml"])["spec"]
    environs = spec["workflowSpec"]["templates"][1]["container"]["env"]
    (named,) = [item for item in environs if item["name"] == "POLARS_MAX_THREADS"]
    assert "secretKeyRef" in named["valueFrom"]


def jobs_of(root: Path, name: str = "nightly") -> dict[str, dict[str, Any]]:
    return yaml.safe_load(pipelines_for(root, "github-actions", name)[f"{name}.yaml"])["jobs"]


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


@pytest.mark.parametrize(
    ("codes", "code"),
    [((0,), 0), ((1,), 1), ((64,), 64), ((75, 0), 0), ((124, 0), 0), ((69, 143, 0), 0), ((69, 75, 69), 69)],
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


def test_an_option_stands_before_what_is_no_option(root):
    change(root, "run: monitor check", 'run: "get carriers -- carrier=x"')
    assert jobs_of(root)["check"]["steps"][-1]["run"] == (
        'timeout -k 10 300 featurectl get carriers --env prod --clock "$CLOCK" -- carrier=x'
    )


def test_the_step_that_runs_featurectl_alone_has_secrets(root):
    text = pipelines_for(root, "github-actions", "nightly")["nightly.yaml"]
    workflow = yaml.safe_load(text)
    steps = [step for name, job in workflow["jobs"].items() for step in job["steps"] if name != "start"]
    with_secrets = [step for step in steps if "secrets." in str(step)]
    assert "env" not in workflow
    assert [step["env"]["REGISTRY_URL"] for step in with_secrets] == ["${{ secrets.REGISTRY_URL }}"] * 4
    assert all("featurectl" in step["run"] and "pip" not in step["run"] for step in with_secrets)


def test_github_refuses_more_parts_than_a_matrix_has_jobs():
    stage = PipelineStage(name="score", run="score late --all-keys --out rows/", resources=Resources(replicas=257))
    pipeline = Pipeline(name="many", stages=(stage,))
    with pytest.raises(UsageError, match=r"the stage score has 257 replicas, .* at most 256 jobs"):
        in_parts_for("github-actions", pipeline)
