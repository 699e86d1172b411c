"""Rendered files do the work: a line of cron, the jobs of GitHub and the pods of Argo leave what a run leaves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from featurectl.operations.init import init_repository
from featurectl.pipelines.render.order import render_pipelines
from featurectl.pipelines.render.site import SitePlaces
from tests.pipelines.render.shop import order, texts_of

pytestmark = pytest.mark.long  # fifteen commands, each a process

TOOLS = Path(sys.executable).parent
CLOCK = "2026-01-08T00:00:00Z"
PIPELINE = """pipelines:
  - name: nightly
    schedule: "* * * * *"
    stages:
      - {name: features, run: materialize --no-online}
      - {name: sync, run: push, needs: [features], retries: 1}
      - {name: check, run: verify --store, needs: [sync]}
"""
LOOKS = ("get customer_orders customer=ann -o json", "get customer_orders customer=ann --offline -o json")


def environ(**more: str) -> dict[str, str]:
    return {"PATH": f"{TOOLS}:{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/"), **more}


def run(words: list[str | Path], root: Path, **more: str) -> str:
    given = environ(**more)
    done = subprocess.run(words, check=False, cwd=root, env=given, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def by_hand(root: Path) -> None:
    run(["featurectl", "pipeline", "run", "nightly"], root)


def by_cron(root: Path) -> None:
    (root / ".venv/bin").mkdir(parents=True)
    (root / ".venv/bin/featurectl").symlink_to(TOOLS / "featurectl")
    lines = rendered(root, "cron").splitlines()
    variables = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]+=", line))
    command = lines[-1].split(maxsplit=6)[6].replace(r"\%", "%")
    run([variables.pop("SHELL"), "-c", command], root, **variables)


def by_github(root: Path) -> None:
    jobs = yaml.safe_load(rendered(root, "github-actions", '"0 * * * *"'))["jobs"]
    for name in TopologicalSorter({name: job.get("needs", []) for name, job in jobs.items()}).static_order():
        script = jobs[name]["steps"][-1]["run"]
        bash = [shutil.which("bash") or "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        run([*bash], root, GITHUB_OUTPUT=str(root / ".featurectl/output"), CLOCK=CLOCK)
    assert re.fullmatch(r"clock=20\d\d-\d\d-\d\dT[\d:]{8}Z\n", (root / ".featurectl/output").read_text())


def by_argo(root: Path) -> None:
    spec = yaml.safe_load(rendered(root, "argo"))["spec"]["workflowSpec"]
    templates = {template["name"]: template for template in spec["templates"]}
    tasks = {task["name"]: task for task in templates[spec["entrypoint"]]["dag"]["tasks"]}
    needs = {name: task.get("dependencies", []) for name, task in tasks.items()}
    for name in TopologicalSorter(needs).static_order():
        words = templates[tasks[name]["template"]]["container"]["command"]
        run([word.replace("{{workflow.creationTimestamp.RFC3339}}", CLOCK) for word in words], root)


WAYS: Mapping[str, Callable[[Path], None]] = {
    "cron": by_cron, "github-actions": by_github, "argo": by_argo,
}  # fmt: skip


def rendered(root: Path, target: str, schedule: str = "") -> str:
    """Return the file of the pipeline for a target, in the environment of the template; with another schedule."""
    if schedule:
        path = root / "pipelines.yaml"
        path.write_text(path.read_text().replace('"* * * * *"', schedule))
    found = render_pipelines(order(root, target, "nightly", env="dev", places=SitePlaces(folder=str(root))))
    (text,) = texts_of(found).values()
    return text


def left_by(way: Callable[[Path], None], root: Path) -> list[str]:
    """Return what a way of running the pipeline leaves, as two commands print it."""
    init_repository(root, "minimal")
    (root / "pipelines.yaml").write_text(PIPELINE)
    run(["featurectl", "apply", "--auto-approve", "-q"], root)
    way(root)
    return [re.sub(r'"[a-z_]*(at|us|asof)": [^,}]+', "", run(["featurectl", *look.split()], root)) for look in LOOKS]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What `pipeline run` leaves."""
    return left_by(by_hand, tmp_path_factory.mktemp("hand") / "shop")


@pytest.mark.parametrize("target", WAYS)
def test_a_target_leaves_what_pipeline_run_does(tmp_path, expected, target):
    assert left_by(WAYS[target], tmp_path / "shop") == expected
    assert "67.5" in expected[0]
