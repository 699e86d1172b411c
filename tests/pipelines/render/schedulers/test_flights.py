"""The nightly pipeline of flights leaves the same by each scheduler and here, when it is due at one instant."""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.pipelines.render.files_at_work import WAYS
from tests.pipelines.render.schedulers.guests import Order, RunOrder, airflow, dagster

NIGHT = "2014-01-01T05:30:00Z"


def run(root: Path, *words: str) -> None:
    """Run a command of featurectl in a repository, which must succeed."""
    command = [str(root / ".venv/bin/featurectl"), *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def repository(root: Path) -> Path:
    """Write and apply the template of flights, whose environment takes the clock as now."""
    program = root / ".venv/bin/featurectl"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m featurectl "$@"\n')
    program.chmod(0o755)
    run(root, "init", ".", "--template", "flights")
    project = root / "featurectl.yaml"
    lines = project.read_text().splitlines(keepends=True)
    project.write_text("".join(line for line in lines if "now: 2014" not in line))
    run(root, "apply", "--auto-approve", "--clock", NIGHT)
    return root


def left_by(root: Path) -> dict[str, str]:
    """Return hashes of what a run leaves: files of tables and of the model, scores, and rows online.

    Left out is what tells machines and moments apart: the hashes of keys, which have a salt of their own, the card,
    which says when it was trained, and when rows were written.
    """
    store = root / ".featurectl/offline"
    kept = [path for path in store.glob("models/*/*") if path.suffix in {".onnx", ".txt", ".parquet"}]
    files = [*store.glob("flights/*/v1/*/*.parquet"), *kept, root / "scores.parquet"]
    found = {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    with closing(sqlite3.connect(root / ".featurectl/online.db")) as connection:
        lines = [line for line in connection.iterdump() if line.startswith("INSERT") and '"views"' not in line]
    return found | {"online": hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest(), "keys": f"{len(lines)}"}


def rendered(root: Path, target: str) -> Path:
    """Render the pipeline for a target, and return its file."""
    run(root, "pipeline", "render", "nightly", "--to", target, "--folder", str(root))
    return root / f"deploy/dev/{target}/flights_dev_nightly.py"


def in_airflow(root: Path, home: Path) -> None:
    """Run the pipeline in Airflow, at its logical date."""
    answer = airflow(home).answer(Order(file=rendered(root, "airflow"), runs=(RunOrder(NIGHT),)))
    assert answer["runs"][0]["state"] == "success", answer


def in_dagster(root: Path, home: Path) -> None:
    """Run the job in Dagster, as its schedule would."""
    answer = dagster(home).answer(Order(file=rendered(root, "dagster"), runs=(RunOrder(NIGHT),)))
    assert answer["runs"][0]["is_success"], answer


@pytest.fixture(scope="module")
def left_here(tmp_path_factory) -> dict[str, str]:
    """What the pipeline leaves that runs here, at the instant."""
    root = repository(tmp_path_factory.mktemp("here") / "flights")
    run(root, "pipeline", "run", "nightly", "--clock", NIGHT)
    left = left_by(root)
    assert sum(name.endswith(".parquet") for name in left) >= 14
    assert int(left["keys"]) > 17_000
    return left


@pytest.mark.long
@pytest.mark.parametrize("target", WAYS)
def test_a_night_by_a_file_leaves_what_one_here_does(target, left_here, tmp_path):
    root = repository(tmp_path / "flights")
    WAYS[target](root, NIGHT)
    assert left_by(root) == left_here


@pytest.mark.guests
@pytest.mark.parametrize("scheduled", [in_airflow, in_dagster], ids=["airflow", "dagster"])
def test_a_night_by_a_scheduler_leaves_what_one_here_does(scheduled, left_here, tmp_path):
    root, home = repository(tmp_path / "flights"), tmp_path / "home"
    home.mkdir()
    scheduled(root, home)
    assert left_by(root) == left_here
