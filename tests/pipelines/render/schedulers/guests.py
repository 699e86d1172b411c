"""Airflow and Dagster as guests: their Python runs what is rendered for them, and says what became of it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.pipelines.render.naive_calendar import BEGIN
from tests.servers.guest_environment import GuestEnvironment, guest_environment

HERE = Path(__file__).parent
STUB = """#!/bin/sh
echo "$*" >> said
echo "$FEATURECTL_RUN_ID" >> runs
codes="codes/$1"
[ -s "$codes" ] || exit 0
code=$(head -n 1 "$codes")
sed -i 1d "$codes"
case $code in
KILL) kill -KILL $$ ;;
HANG) trap '' TERM; echo $$ > hangs; while :; do sleep 0.1; done ;;
*) exit "$code" ;;
esac
"""


@dataclass(frozen=True)
class Scheduler:
    """A scheduler in an environment and a home of its own."""

    name: str
    environment: GuestEnvironment
    home: Path
    variables: dict[str, str]

    def run(self, *command: str, folder: Path) -> str:
        """Run one of its programs, which must succeed, and return what it prints."""
        environ = {**self.environment.environ, **self.variables}
        path = f"{self.environment.folder / 'bin'}:{environ['PATH']}"
        words = [str(self.environment.program(command[0])), *command[1:]]
        done = subprocess.run(
            words, env={**environ, "PATH": path}, cwd=folder, capture_output=True, text=True, check=False, timeout=570
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-5000:]}\n{done.stderr[-5000:]}"
        return done.stdout + done.stderr

    def answer(self, order: Order) -> dict[str, Any]:
        """Return what it says to an order."""
        asked, said = self.home / "order.json", self.home / "answer.json"
        file = order.file
        if file is not None and (dags := self.home / "dags").is_dir():  # Airflow runs what lies in its own folder
            file = dags / file.name
            file.write_bytes((order.file or file).read_bytes())
        asked.write_text(json.dumps(order.document(file)))
        self.run("python", str(HERE / f"{self.name}_program.py"), str(asked), str(said), folder=self.home)
        answer: dict[str, Any] = json.loads(said.read_text())
        return answer


@dataclass(frozen=True)
class RunOrder:
    """A run: when it is due (Airflow: its logical date, or when it is asked for), and the exit codes of commands."""

    at: str = ""
    is_logical: bool = True
    is_again: bool = False
    codes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """A file of the scheduler's with its runs one after the other, and schedules whose times are asked for."""

    file: Path | None = None
    repository: Path = Path()
    runs: tuple[RunOrder, ...] = ()
    schedules: tuple[str, ...] = ()
    begin: datetime = BEGIN
    count: int = 1000

    def document(self, file: Path | None) -> dict[str, Any]:
        """Return it as the programs read it, with the file where it lies for them."""
        runs = [
            {
                "at": run.at,
                "is_logical": run.is_logical,
                "is_again": run.is_again,
                "files": {str(self.repository / "codes" / name): text for name, text in run.codes.items()},
            }
            for run in self.runs
        ]
        return {
            "file": str(file or ""),
            "runs": runs,
            "schedules": self.schedules,
            "begin": self.begin.isoformat(),
            "count": self.count,
        }


def airflow(home: Path) -> Scheduler:
    """Return an Airflow with a database and the pool of processors, whose own time zone has summer and winter time."""
    variables = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Europe/Berlin",
        "TZ": "Europe/Berlin",
    }
    (home / "dags").mkdir()
    made = Scheduler("airflow", guest_environment("airflow"), home, variables)
    made.run("airflow", "db", "migrate", folder=home)
    made.run("airflow", "pools", "set", "featurectl_cpu", "16", "Processors for featurectl", folder=home)
    return made


def dagster(home: Path) -> Scheduler:
    """Return a Dagster with a home, on a host that has summer and winter time."""
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return Scheduler("dagster", guest_environment("dagster"), home, {"DAGSTER_HOME": str(home), "TZ": "Europe/Berlin"})


def stub(root: Path) -> Path:
    """Put a featurectl there that notes its words and its run, and ends as the lines of `codes/COMMAND` say."""
    program = root / ".venv/bin/featurectl"
    program.parent.mkdir(parents=True)
    program.write_text(STUB)
    program.chmod(0o755)
    return root
