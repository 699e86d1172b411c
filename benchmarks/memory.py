"""How much memory commands take that may use so much: `python -m benchmarks.memory [FOLDER] [SIZE ...]`.

Ten million events, materialized and joined in twelve windows to spines of one and of four million rows. The peak is that
of the whole process; the files of each size must be equal to the byte.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.pit import ours
from benchmarks.pit.data import Shape, write_events
from benchmarks.pit.measure import Cost, run

SIZES: Final = ("512MiB", "1GiB", "2GiB", "")
SPINES: Final = (1_000_000, 4_000_000)


def _line(work: str, size: str, cost: Cost, digest: str) -> str:
    told = cost.failed or f"{cost.seconds:.1f} s | {cost.cpu_seconds:.1f} s | {cost.peak_mb:,.0f} MiB | {digest}"
    return f"| {work} | {size or 'half of what is free'} | {told} |"


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def main(folder: Path, sizes: tuple[str, ...]) -> None:
    """Print a line for each work and size."""
    print("| work | --memory | time | CPU | peak | files |\n|---|---|---|---|---|---|")
    nothing = run(["featurectl", "--help"], folder, 60)
    print(_line("nothing: --help", "", nothing, "-"), flush=True)
    for spine in SPINES:
        shape = Shape(rows=10_000_000, spine=spine, keys=100_000)
        data, repo, out = folder / shape.name, folder / f"repo-{shape.name}", folder / "ours.parquet"
        write_events(data, shape)
        ours.write_windows(repo, data, shape)
        for size in sizes:
            made = ours.materialize(repo, memory=size)
            print(
                _line("materialize 10 M", size, made, _digest(*sorted((repo / "off").rglob("*.parquet")))), flush=True
            )
            joined = ours.training_set(repo, out, size)
            print(_line(f"training set {spine / 1e6:g} M x 10 M", size, joined, _digest(out)), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        main(Path(sys.argv[1]), tuple(sys.argv[2:]) or SIZES)
    else:
        with tempfile.TemporaryDirectory() as made:
            main(Path(made), SIZES)
