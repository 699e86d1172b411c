"""What stale features cost the honest model, and what training on the values as served wins back.

    python -m benchmarks.outage [DIR] [REFRESH]      (an empty folder; 48h)

Writes the template with every view refreshed that rarely, builds its training set twice, with what was known at each
flight's moment and with what the online store would have had (`--as-served`), and trains and measures on both by time
as `benchmarks.story` does.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import polars as pl

import featurectl
from benchmarks.story import Line, auc, render, split_by_time, train
from benchmarks.story_features import FEATURES, REQUEST
from featurectl.cli.main import main as run

MODEL = "late_arrival"


def write_repository(root: Path, refresh: str) -> None:
    """Write the template into `root` with the same `refresh` for every view that has an SLA."""
    _run("init", str(root))
    for file in sorted((root / "views").glob("*.yaml")):
        text = re.sub(r"^    refresh: .*\n", "", file.read_text(), flags=re.MULTILINE)
        file.write_text(re.sub(r"^    freshness:", f"    refresh: {refresh}\n    freshness:", text, flags=re.MULTILINE))


def tell(root: Path, refresh: str) -> list[Line]:
    """Apply and materialize the repository, and return the lines of the table."""
    _run("apply", "-C", str(root), "--auto-approve")
    _run("materialize", "-C", str(root), "--no-online")
    project = featurectl.open_project(root)
    known, _ = project.training_set(MODEL)
    served, _ = project.training_set(MODEL, as_served=True)
    return compare(known, served, refresh)


def compare(known: pl.DataFrame, served: pl.DataFrame, refresh: str) -> list[Line]:
    """Return the AUC of models of both training sets, on what they were trained on and on the values as served."""
    split, columns = split_by_time(known), (*REQUEST, *FEATURES)
    honest, again = train(known, columns, split), train(served, columns, split)
    return [
        Line("trained on what was known", auc(honest, known, split), auc(honest, served, split)),
        Line(f"trained as served, refresh {refresh}", auc(again, served, split), auc(again, served, split)),
    ]


def _run(*words: str) -> None:
    with redirect_stdout(sys.stderr):
        code = run([*words, "-q"])
    if code:
        raise SystemExit(code)


def main(arguments: Sequence[str]) -> int:
    """Print the table."""
    refresh = arguments[1] if len(arguments) > 1 else "48h"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(arguments[0] if arguments else folder) / "flights"
        write_repository(root, refresh)
        print(render(tell(root, refresh)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
