"""How commands grow with the views of a repository: `python -m benchmarks.many_views [VIEWS ...]`; 50, 200 and 800.

Event views of one source of one row. Measured are whole processes: the first `materialize`, one with nothing new, and
`verify --store`; processor seconds and wall time, and both of a view. Growth is to be linear.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.big_repository import once

VIEWS: Final = (50, 200, 800)
MEASURED: Final = (
    ("apply", "apply --auto-approve"),
    ("materialize, first", "materialize"),
    ("materialize, nothing new", "materialize"),
    ("verify --store", "verify --store"),
)
PROJECT: Final = """\
project: many
environments:
  dev: {registry: "sqlite:///r.db", offline: off, online: "sqlite:///o.db"}
"""
OBJECTS: Final = """\
entities: [{name: user, keys: {user: int64}}]
sources: [{name: events, path: events.parquet, event_time: ts}]
feature_views:
"""
VIEW: Final = """\
  - name: view_{number:03}
    entity: user
    source: events
    where: amount >= {number}
    aggregates: [{{column: amount, op: [sum, mean], windows: [1d, 30d]}}]
"""


def write_repository(root: Path, views: int) -> None:
    """Write the repository, and its source with the event of an hour ago."""
    root.mkdir(parents=True)
    texts = "".join(VIEW.format(number=number) for number in range(views))
    (root / "featurectl.yaml").write_text(PROJECT)
    (root / "objects.yaml").write_text(OBJECTS + texts)
    event = {"user": [1], "ts": [datetime.now(UTC) - timedelta(hours=1)], "amount": [1e6]}
    pl.DataFrame(event).write_parquet(root / "events.parquet")


def main(counts: list[int]) -> int:
    """Print a line for each command and number of views."""
    print(f"{'command':<26}{'views':>6}{'CPU s':>9}{'wall s':>9}{'CPU ms a view':>15}")
    with tempfile.TemporaryDirectory() as folder:
        for views in counts or VIEWS:
            root = Path(folder) / str(views)
            write_repository(root, views)
            for label, arguments in MEASURED:
                cost = once(arguments, root, 0)
                each = 1e3 * cost.cpu_s / views
                print(f"{label:<26}{views:>6}{cost.cpu_s:>9.2f}{cost.wall_s:>9.2f}{each:>15.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main([int(word) for word in sys.argv[1:]]))
