"""The repositories by which featurectl does the same work."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from benchmarks.pit.data import Shape
from benchmarks.pit.measure import Cost, run
from benchmarks.pit.rivals import HOURS, OPS, TTL

_PROJECT = """project: bench
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db", data_roots: [%s]}
"""


def write_windows(folder: Path, data: Path, shape: Shape) -> None:
    """Write a repository with twelve windowed features over the events of a folder, and apply it."""
    availability = ", available_at: known_at" * shape.late
    view = {
        "name": "spend",
        "entity": "user",
        "source": "events",
        "online": False,
        "aggregates": [{"column": "amount", "op": list(OPS), "windows": list(HOURS)}],
    }
    _write(
        folder, data, shape, [f"{{name: events, path: data/events-*.parquet, event_time: ts{availability}}}"], [view]
    )


def write_states(folder: Path, data: Path, shape: Shape, views: int = 3, features: int = 5) -> None:
    """Write a repository with several state views, and apply it."""
    sources = [
        f"{{name: s{i}, path: data/state-{i}.parquet, event_time: ts, tiebreak: [created]}}" for i in range(views)
    ]
    made = [
        {
            "name": f"v{i}",
            "entity": "user",
            "source": f"s{i}",
            "ttl": TTL,
            "online": False,
            "features": [f"f{i}_{n}" for n in range(features)],
        }
        for i in range(views)
    ]
    _write(folder, data, shape, sources, made)


def _write(folder: Path, data: Path, shape: Shape, sources: list[str], views: list[dict[str, object]]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "data").symlink_to(data.resolve())
    (folder / "featurectl.yaml").write_text(_PROJECT % json.dumps(str(data.resolve())))
    features = "".join(f'\n      - {view["name"]}: "*"' for view in views)
    text = f"""entities:
  - {{name: user, keys: {json.dumps(shape.key_columns)}}}
sources:
  - {{name: spine, path: data/spine.parquet, event_time: t}}
{"".join(f"  - {source}" + chr(10) for source in sources)}feature_views:
{"".join(f"  - {json.dumps(view)}" + chr(10) for view in views)}models:
  - name: m
    spine: {{source: spine, time: t}}
    features:{features}
"""
    (folder / "all.yaml").write_text(text)
    applied = run(["featurectl", "apply", "--auto-approve", "-q"], folder, 60)
    assert not applied.failed, applied.failed


def write_flights(folder: Path) -> None:
    """Write the template's repository of real flights, and apply it."""
    shutil.rmtree(folder, ignore_errors=True)
    for words in (["init", str(folder), "-q"], ["apply", "--auto-approve", "-q", "-C", str(folder)]):
        made = run(["featurectl", *words], folder.parent, 60)
        assert not made.failed, made.failed


def materialize(folder: Path, *, full: bool = True, memory: str = "") -> Cost:
    """Read all there is into an empty table, or (not `full`) what is new."""
    if full:
        shutil.rmtree(folder / "off", ignore_errors=True)
    return run(["featurectl", "materialize", "-q", *_memory(memory)], folder, 1800)


def training_set(folder: Path, out: Path, memory: str = "") -> Cost:
    """Write the training set of the spine."""
    return run(["featurectl", "training-set", "m", "--out", str(out), "-q", *_memory(memory)], folder, 1800)


def _memory(size: str) -> list[str]:
    return ["--memory", size] if size else []
