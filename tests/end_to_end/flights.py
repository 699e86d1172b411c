"""Repositories of the flights template, and the commands of featurectl run on them in this process."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import yaml

from featurectl.cli.main import main
from tests.end_to_end.declared import airport_side, read_views
from tests.prepared import make_once

SOURCES = {"arrivals": "sched_dep_at", "departures": "departed_at", "weather": "observed_at"}
SPINE, TIME = "flights", "decided_at"

# The part of the year that quick tests look at: rows of six weeks, asked about in the last eleven days.
ROWS_FROM, ASKED_FROM, ROWS_TO = (datetime(2013, *day, tzinfo=UTC) for day in ((11, 1), (12, 1), (12, 12)))
SPINE_SEED = 11


@dataclass(frozen=True)
class Repository:
    """A feature repository on disk."""

    root: Path

    def run(self, *words: str) -> dict:
        """Run a command that must succeed, and return its JSON result."""
        code, document, said = self.call(*words)
        assert code == 0, f"featurectl {' '.join(words)}: exit {code}\n{said}\n{json.dumps(document)[:2000]}"
        return document["result"]

    def call(self, *words: str) -> tuple[int, dict, str]:
        """Run a command and return its exit code, its JSON document and what it said to the terminal."""
        out, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            code = main([*words, "-C", str(self.root), "-q", "-o", "json"])
        return code, json.loads(out.getvalue() or "{}"), said.getvalue()

    def data(self, name: str) -> Path:
        """Return the file of a source."""
        return self.root / "data" / f"{name}.parquet"

    def rows(self, name: str) -> pl.DataFrame:
        """Return the rows of a source's file."""
        return pl.read_parquet(self.data(name))

    def training_set(self, model: str, *words: str) -> pl.DataFrame:
        """Return a model's training set, through the command and its file."""
        out = self.root / "made.parquet"
        self.run("training-set", model, "--out", str(out), *words)
        return pl.read_parquet(out)

    def copy(self, root: Path) -> Repository:
        """Return a copy with everything in it, stores and registry too."""
        shutil.copytree(self.root, root)
        return Repository(root)


def write_flights(root: Path) -> Repository:
    """Write the template as `init` does, with a second model, `everything`, that has every feature of every view."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(["init", str(root), "-q"])
    assert code == 0, out.getvalue()
    features = [
        {"view": view.name, "prefix": f"{view.name}__", "features": "*"}
        | ({"join": {"airport": airport_side(view)}} if "airport" in view.join else {})
        for view in read_views(root).values()
    ]
    model = {"name": "everything", "spine": {"source": SPINE, "time": TIME}, "features": features}
    (root / "models" / "everything.yaml").write_text(yaml.safe_dump({"models": [model]}))
    return Repository(root)


def write_some_flights(root: Path) -> Repository:
    """Write the template with six weeks of rows, and what makes them harder.

    The spine is out of order and has rows twice. Landings are reported again, later and with another delay. There is
    weather every four hours only, so that its three hours of life end at moments at which flights are decided.
    """
    make_once("six weeks of flights", root, lambda: _write_some_flights(root))
    return Repository(root)


def _write_some_flights(root: Path) -> None:
    repository = write_flights(root)
    for name, event in SOURCES.items():
        rows = repository.rows(name).filter(pl.col(event).is_between(ROWS_FROM, ROWS_TO))
        if name == "arrivals":
            rows = pl.concat([rows, _reported_again(rows)])
        if name == "weather":
            rows = rows.filter(pl.col(event).dt.hour() % 4 == 0)
        rows.write_parquet(repository.data(name))
    asked = repository.rows(SPINE).filter(pl.col(TIME).is_between(ASKED_FROM, ROWS_TO))
    asked = pl.concat([asked, asked.sample(50, seed=SPINE_SEED)]).sample(fraction=1.0, shuffle=True, seed=SPINE_SEED)
    asked.write_parquet(repository.data(SPINE))


def _reported_again(rows: pl.DataFrame) -> pl.DataFrame:
    """Return copies of some landings, hours later."""
    again = rows.sample(1500, seed=SPINE_SEED)
    hours = pl.duration(hours=1 + pl.int_range(pl.len()) % 48)
    return again.with_columns(pl.col("available_at") + hours, (pl.col("arr_delay") + 240).alias("arr_delay"))


def quicken_training(repository: Repository) -> None:
    """Make the models small, and ask nothing of them: what a test of the plumbing needs."""
    path = repository.root / "models" / "late_arrival.yaml"
    document = yaml.safe_load(path.read_text())
    for model in document["models"]:
        model.pop("gates", None)
        model["trainer"]["params"]["n_estimators"] = 15
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def build(repository: Repository, *words: str) -> Repository:
    """Apply and materialize a repository."""
    repository.run("apply", "--auto-approve", *[w for w in words if "as-of" not in w])
    repository.run("materialize", *words)
    return repository
