"""The wheel, installed into an empty environment far from the source tree, is all that the main job needs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from featurectl.operations.init import template_folder

ROOT = Path(__file__).parent.parent.parent
UV = Path(sys.executable).parent / "uv"
FROM, TO = datetime(2013, 11, 25, tzinfo=UTC), datetime(2013, 12, 5, tzinfo=UTC)
CLOCKS = {"flights": "decided_at", "arrivals": "sched_dep_at", "departures": "departed_at", "weather": "observed_at"}


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, and the folder in which commands are run."""

    environment: Path
    folder: Path

    def run(self, *words: str, inside: str = "") -> str:
        """Run the installed featurectl with nothing of the source tree or of this environment in sight."""
        command = [str(self.environment / "bin" / "featurectl"), *words]
        return run(command, self.folder / inside)

    def python(self, code: str) -> str:
        """Run Python there."""
        return run([str(self.environment / "bin" / "python"), "-c", code], self.folder)

    @property
    def megabytes(self) -> float:
        """The size of what is installed; bytecode counts, as it is written at the first run."""
        return sum(path.stat().st_size for path in self.environment.rglob("*") if path.is_file()) / 1e6


def run(command: list[str], folder: Path) -> str:
    """Run a command that must succeed and return what it prints; what it imports is compiled once."""
    hidden = {"PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"}
    environ = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel, built as `make wheel` does."""
    folder = tmp_path_factory.mktemp("wheel")
    run([str(UV), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)], folder)
    return next(folder.glob("featurectl-*-py3-none-any.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Installed:
    """An environment with the wheel and its plain dependencies alone."""
    environment, folder = tmp_path_factory.mktemp("environment") / "venv", tmp_path_factory.mktemp("work")
    run([str(UV), "venv", "--quiet", "--python", sys.executable, str(environment)], folder)
    install(environment, str(wheel))
    return Installed(environment, folder)


def install(environment: Path, *packages: str) -> None:
    """Install packages at the versions of the repository's constraints."""
    python = str(environment / "bin" / "python")
    constraints = str(ROOT / "constraints.txt")
    run(
        [
            str(UV),
            "pip",
            "install",
            "--quiet",
            "--python",
            python,
            "--constraint",
            constraints,
            *packages,
        ],
        environment,
    )


@pytest.mark.long
def test_the_wheel_holds_the_template_s_data_and_is_small(wheel):
    template = template_folder()
    files = [path for path in sorted(template.rglob("*")) if path.is_file()]
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("featurectl/feature_repo_template/")}
        for path in files:
            name = f"featurectl/feature_repo_template/{path.relative_to(template).as_posix()}"
            assert hashlib.sha256(archive.read(name)).digest() == hashlib.sha256(path.read_bytes()).digest(), name
        assert len(names) == len(files)
        assert [name for name in archive.namelist() if name.startswith(("tests/", "benchmarks/", "docs/"))] == []
    assert sum(path.stat().st_size for path in files) < 10e6
    assert wheel.stat().st_size < 12e6


@pytest.mark.guests
def test_the_main_job_works_from_an_installed_wheel(wheel, installed):
    assert installed.python("import featurectl; print(featurectl.__file__)").startswith(str(installed.environment))
    assert str(ROOT) not in installed.python("import sys; print(sys.path)")
    print(f"plain install: {installed.megabytes:.0f} MB, wheel {wheel.stat().st_size / 1e6:.1f} MB")  # noqa: T201  # for who runs it with -s
    installed.run("init", "shop", "--template", "minimal")
    installed.run("init", "flights")
    keep_ten_days(installed.folder / "flights")
    for command in ("validate", "test", "plan", "apply --auto-approve", "materialize"):
        installed.run(*command.split(), inside="flights")
    installed.run("training-set", "late_arrival", "--out", "train.parquet", inside="flights")
    answer = json.loads(installed.run("get", "carrier_arrivals", "carrier=AA", "-o", "json", inside="flights"))
    assert answer["result"]["version"] == 1
    rows = pl.read_parquet(installed.folder / "flights" / "train.parquet")
    assert rows.height == pl.read_parquet(installed.folder / "flights" / "data" / "flights.parquet").height > 5000
    train_and_score(wheel, installed, rows.height)


def train_and_score(wheel: Path, installed: Installed, height: int) -> None:
    """A model needs the extra `models`, and says so."""
    absent = subprocess.run(
        [str(installed.environment / "bin" / "featurectl"), "train", "late_arrival"],
        cwd=installed.folder / "flights", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert absent.returncode == 1
    assert "pip install 'featurectl[models]'" in absent.stderr
    install(installed.environment, f"{wheel}[models]")
    installed.run("train", "late_arrival", inside="flights")
    installed.run("score", "late_arrival", "--out", "scores.parquet", inside="flights")
    scores = pl.read_parquet(installed.folder / "flights" / "scores.parquet")
    assert scores.height == height
    assert scores["p_late"].is_between(0, 1).all()


def keep_ten_days(root: Path) -> None:
    """Cut the data down, and the model, so that the test is about the installation."""
    for name, clock in CLOCKS.items():
        path = root / "data" / f"{name}.parquet"
        pl.read_parquet(path).filter(pl.col(clock).is_between(FROM, TO)).write_parquet(path)
    path = root / "models" / "late_arrival.yaml"
    document = yaml.safe_load(path.read_text())
    for model in document["models"]:
        model.pop("gates", None)
        model["trainer"]["params"]["n_estimators"] = 5
    path.write_text(yaml.safe_dump(document, sort_keys=False))
