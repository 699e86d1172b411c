"""What is rendered for cron, GitHub Actions and Argo is run as they do: by a shell, a job or a pod after another."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import yaml

from featurectl.pipelines.render.order import render_pipelines
from featurectl.pipelines.render.site import SitePlaces
from tests.pipelines.render.shop import order, texts_of

TOOLS: Final = Path(sys.executable).parent


def run(words: list[str | Path], root: Path, **more: str) -> str:
    """Return what a command prints in a repository, which must succeed."""
    environ = {"PATH": f"{TOOLS}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"), **more}
    done = subprocess.run(words, check=False, cwd=root, env=environ, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def by_cron(root: Path, clock: str) -> None:
    """Run the line of cron by its shell at an instant, of which the schedule must make it a due one.

    The line has no clock of its own: `date` and `featurectl` are given the instant by scripts in their places.
    """
    tools = root / ".venv/bin"
    tools.mkdir(parents=True, exist_ok=True)
    date = shutil.which("date")
    scripts = {
        "featurectl": f'exec {sys.executable} -m featurectl "$@" --clock {clock}',
        "date": f'exec {date} -d {clock} "$@"',
    }
    for name, line in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{line}\n")
        (tools / name).chmod(0o755)
    lines = rendered(root, "cron").splitlines()
    variables = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]+=", line))
    command = lines[-1].split(maxsplit=6)[6].replace(r"\%", "%")
    path = f"{tools}:{os.environ['PATH']}"
    run([variables.pop("SHELL"), "-c", command], root, **variables, PATH=path)


def by_github(root: Path, clock: str) -> None:
    """Run the scripts of the jobs of a workflow, each behind those that it needs."""
    jobs = yaml.safe_load(rendered(root, "github-actions"))["jobs"]
    for name in TopologicalSorter({name: job.get("needs", []) for name, job in jobs.items()}).static_order():
        script = jobs[name]["steps"][-1]["run"]
        bash = [shutil.which("bash") or "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        run([*bash], root, GITHUB_OUTPUT=str(root / ".featurectl/output"), CLOCK=clock)
    assert re.fullmatch(r"clock=20\d\d-\d\d-\d\dT[\d:]{8}Z\n", (root / ".featurectl/output").read_text())


def by_argo(root: Path, clock: str) -> None:
    """Run the commands of the pods of a workflow, each behind those that it depends on."""
    spec = yaml.safe_load(rendered(root, "argo"))["spec"]["workflowSpec"]
    templates = {template["name"]: template for template in spec["templates"]}
    tasks = {task["name"]: task for task in templates[spec["entrypoint"]]["dag"]["tasks"]}
    needs = {name: task.get("dependencies", []) for name, task in tasks.items()}
    for name in TopologicalSorter(needs).static_order():
        words = templates[tasks[name]["template"]]["container"]["command"]
        run([word.replace("{{workflow.creationTimestamp.RFC3339}}", clock) for word in words], root)


WAYS: Final[Mapping[str, Callable[[Path, str], None]]] = {
    "cron": by_cron, "github-actions": by_github, "argo": by_argo,
}  # fmt: skip


def rendered(root: Path, target: str) -> str:
    """Return the file of the pipeline `nightly` for a target, in the environment of the template."""
    found = render_pipelines(order(root, target, "nightly", env="dev", places=SitePlaces(folder=str(root))))
    (text,) = texts_of(found).values()
    return text
