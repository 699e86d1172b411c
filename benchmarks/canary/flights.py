"""The flights with several versions of a model: a champion, and challengers that are good or bad in one way each."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import yaml

from benchmarks.pit.measure import ROOT

MODEL = "late_arrival"
ENTITIES = 10_000
CHAMPION = 1
CANARY = {
    "percent": 20,
    "for": "20s",
    "min_requests": 500,
    "success": {"latency_p99_ms": 200, "error_rate_percent": 1, "freshness": "2h", "score_psi": 0.2},
}
# What each challenger is trained by in place of the template's trainer; versions are numbered in this order from 2.
TRAINERS = {
    "good": {"params": {"n_estimators": 260}},
    "shifted": {"params": {"scale_pos_weight": 3}},  # ranks as well as the champion, and says other probabilities
    "late": {"estimator": "benchmarks.canary.challengers.Late"},
    "failing": {"estimator": "benchmarks.canary.challengers.Failing"},
}
VERSIONS = {name: number for number, name in enumerate(TRAINERS, CHAMPION + 1)}


def run(folder: Path, online: str, *words: str) -> str:
    """Run a command of featurectl that must succeed, and return what it prints."""
    environ = {**os.environ, "ONLINE": online, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "featurectl", *words, "-q"]
    done = subprocess.run(command, cwd=folder, env=environ, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"featurectl {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def write_flights(folder: Path, model: str = MODEL) -> None:
    """Write the template, with an online store that the environment names, a smaller prediction log and a canary."""
    run(folder.parent, "", "init", folder.name)
    config = folder / "featurectl.yaml"
    text = config.read_text().replace("sqlite:///.featurectl/online.db", "${ONLINE}")
    config.write_text(text.replace("prediction_log: {sample: 1.0}", "prediction_log: {sample: 0.01}", 1))
    write_model(folder, model)


def write_model(folder: Path, model: str = MODEL, trainer: dict | None = None, canary: dict | None = None) -> None:
    """Write the model with its own trainer or another one, and what a canary of it has to keep to."""
    path = folder / "models" / f"{MODEL}.yaml"
    kept = path.with_suffix(".template")
    if not kept.exists():
        kept.write_text(path.read_text())
    document = yaml.safe_load(kept.read_text())
    found = next(item for item in document["models"] if item["name"] == model)
    for key, value in (trainer or {}).items():
        found["trainer"][key] = found["trainer"][key] | value if key == "params" else value
    found |= {"canary": canary or CANARY, "allow_pickle": True}
    path.write_text(yaml.safe_dump(document, sort_keys=False))


def build(folder: Path, online: str, challengers: tuple[str, ...] = tuple(TRAINERS), model: str = MODEL) -> None:
    """Apply and materialize the flights, train the champion and the challengers, and say what is done."""
    for words in (("apply", "--auto-approve"), ("materialize",), ("train", model)):
        print(f"$ featurectl {' '.join(words)}\n{run(folder, online, *words)}", end="", flush=True)
    for name in challengers:
        write_model(folder, model, TRAINERS[name])
        run(folder, online, "apply", "--auto-approve")
        print(f"{name}: {run(folder, online, 'train', model)}", end="", flush=True)
    write_model(folder, model)
    run(folder, online, "apply", "--auto-approve")


def rows_of(folder: Path, columns: list[str], count: int = ENTITIES) -> list[dict]:
    """Return so many flights, each of another entity: the last ones of the year."""
    flights = pl.read_parquet(folder / "data" / "flights.parquet").drop_nulls(columns)
    keys = [name for name in ("carrier", "flight_no", "tailnum", "origin", "dest") if name in columns] or columns
    rows = flights.sort("decided_at", descending=True).unique(keys, keep="first", maintain_order=True)
    assert rows.height >= count, f"the flights have {rows.height:,} entities, not {count:,}"
    return rows.head(count).select(columns).to_dicts()
