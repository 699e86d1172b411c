"""Print the table of speeds: `python -m benchmarks.pit [FOLDER] [RUNS] [WORK ...]`; 3 runs of every work by default.

With FEAST_PYTHON, the Python of an environment that has `feast[duckdb]`, Feast is a rival too; with CHDB_PYTHON, that
of one with `chdb`, ClickHouse is.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.pit import ours
from benchmarks.pit.data import Shape, write_events, write_states
from benchmarks.pit.measure import Cost, run
from benchmarks.pit.table import Line, compare, in_turn, render

TEN: Final = Shape(rows=10_000_000, spine=1_000_000, keys=100_000)
LIMIT_S: Final = 120.0


def rival(program: str, data: Path, out: Path, events: str) -> Cost:
    """Run a rival's program."""
    out.unlink(missing_ok=True)
    return run(["benchmarks.pit.rivals", program, str(data), str(out), events], out.parent, LIMIT_S)


def _told(cost: Cost) -> str:
    return cost.failed or f"materialize {cost.seconds:.1f} s, {cost.peak_mb:,.0f} MB"


def windows(folder: Path, runs: int, shape: Shape, rivals: dict[str, tuple[str, bool, float | None]]) -> Iterator[Line]:
    """Twelve windows; `rivals` maps names to a program, whether it reads sorted files, and the goal."""
    data, repo = folder / shape.name, folder / f"repo-{shape.name}"
    write_events(data, shape)
    ours.write_windows(repo, data, shape)
    raw, tidy, mine = str(data / "events-*.parquet"), folder / f"sorted-{shape.name}.parquet", folder / "ours.parquet"
    if any(from_sorted for _, from_sorted, _ in rivals.values()):
        rival("polars_sorted_copy", data, tidy, raw)
    made = ours.materialize(repo)
    outs = {name: folder / f"rival-{number}.parquet" for number, name in enumerate(rivals)}
    programs: list[Callable[[], Cost]] = [partial(ours.training_set, repo, mine)]
    programs += [
        partial(rival, program, data, outs[name], str(tidy) if from_sorted else raw)
        for name, (program, from_sorted, _) in rivals.items()
    ]
    if (chdb := os.environ.get("CHDB_PYTHON", "")) and shape.keys_kind == "int" and not shape.late:
        rivals = rivals | {"ClickHouse (chdb) join": ("chdb", False, None)}
        outs["ClickHouse (chdb) join"] = folder / "rival-chdb.parquet"
        told = [_beside("chdb_pit.py"), "windows", str(data), str(outs["ClickHouse (chdb) join"])]
        programs.append(partial(run, told, folder, LIMIT_S, chdb))
    mean, *theirs = in_turn(runs, *programs)
    for (name, (program, _, goal)), cost in zip(rivals.items(), theirs, strict=True):
        by = ("user", "t") if program == "chdb" else ()
        equal = "-" if cost.failed else compare(mine, outs[name], by=by)
        yield Line(work=f"12 windows, {_shown(shape)}", rival=name, ours=mean, theirs=cost, equal=equal, goal=goal,
                   beside=_told(made))  # fmt: skip


def _shown(shape: Shape) -> str:
    kinds = {"int": "", "string": ", string keys", "composite": ", composite keys"}[shape.keys_kind]
    more = ", one key a fifth" * shape.skewed + ", with available_at" * shape.late
    more += f", {shape.keys:,} keys over {shape.days} days" * (shape.days != TEN.days)
    more += {"time": "", "none": ", in no order", "table": ", sorted as the table is"}[shape.order]
    return f"{shape.spine / 1e6:g} M x {shape.rows / 1e6:g} M{kinds}{more}"


def uniform(folder: Path, runs: int) -> Iterator[Line]:
    """The windowed training set."""
    yield from windows(
        folder,
        runs,
        TEN,
        {
            "DuckDB range join, raw files": ("duckdb_range_join", False, 0.22),
            "DuckDB frames, raw files": ("duckdb_frames", False, 0.22),
            "DuckDB range join, sorted file": ("duckdb_range_join", True, 0.3),
            "DuckDB frames, sorted file": ("duckdb_frames", True, 0.3),
            "Polars rolling": ("polars_rolling", False, None),
        },
    )


def skewed(folder: Path, runs: int) -> Iterator[Line]:
    """One key holds a fifth of both sides."""
    shape = Shape(rows=TEN.rows, spine=TEN.spine, keys=TEN.keys, skewed=True)
    yield from windows(
        folder,
        runs,
        shape,
        {
            "DuckDB frames, raw files": ("duckdb_frames", False, 0.1),
            "DuckDB range join, raw files": ("duckdb_range_join", False, 0.1),
        },
    )


def shapes(folder: Path, runs: int) -> Iterator[Line]:
    """Tables as they are: keys of texts and of two columns, two years of few rows a key, late rows, files in any order."""
    for shape, goal in (
        (TEN, 0.25),
        (replace(TEN, keys_kind="string"), 0.32),
        (replace(TEN, keys=200_000, days=730), 0.75),
        (replace(TEN, keys=200_000, days=730, keys_kind="string"), 0.75),
        (replace(TEN, keys_kind="composite"), 0.25),
        (replace(TEN, late=True), 0.25),
        (replace(TEN, order="none"), 0.25),
        (replace(TEN, order="table"), 0.25),
    ):
        yield from windows(folder, runs, shape, {"DuckDB range join, raw files": ("duckdb_range_join", False, goal)})


def states(folder: Path, runs: int) -> Iterator[Line]:
    """As-of look-ups in three views."""
    shape = Shape(rows=2_000_000, spine=1_000_000, keys=100_000)
    data, repo, mine = folder / "states", folder / "repo-states", folder / "ours.parquet"
    write_states(data, shape)
    ours.write_states(repo, data, shape)
    made, own = ours.materialize(repo), str(repo / "off" / "bench")
    outs = {name: folder / f"rival-{name}.parquet" for name in ("asof", "own", "feast", "chdb")}
    rivals: list[tuple[str, float | None, str, Callable[[], Cost]]] = [
        (
            "Polars join_asof, raw files",
            0.45,
            "asof",
            partial(rival, "polars_asof", data, outs["asof"], "state-*.parquet"),
        ),
        (
            "Polars join_asof, our own sorted files",
            0.85,
            "own",
            partial(rival, "polars_asof_own", data, outs["own"], own),
        ),
    ]
    if feast := os.environ.get("FEAST_PYTHON", ""):
        program = [_beside("feast_asof.py"), str(data), str(outs["feast"])]
        rivals.append(("Feast on DuckDB", 0.1, "feast", partial(run, program, folder, LIMIT_S, feast)))
    if chdb := os.environ.get("CHDB_PYTHON", ""):
        program = [_beside("chdb_pit.py"), "asof", str(data), str(outs["chdb"])]
        rivals.append(("ClickHouse (chdb) ASOF join", None, "chdb", partial(run, program, folder, LIMIT_S, chdb)))
    cost, *theirs = in_turn(runs, partial(ours.training_set, repo, mine), *(program for *_, program in rivals))
    for (name, goal, out, _), other in zip(rivals, theirs, strict=True):
        equal = compare(mine, outs[out], by=("user", "t") if out in ("feast", "chdb") else ())
        yield Line(work="as-of, 1 M x three views of 2 M, 15 features", rival=name, ours=cost, theirs=other,
                   equal=equal, goal=goal, beside=_told(made))  # fmt: skip


def _beside(program: str) -> str:
    return str(Path(__file__).with_name(program))


def materialize(folder: Path, runs: int) -> Iterator[Line]:
    """A first run over 10 M rows, and one over 1 % more."""
    data, repo = folder / TEN.name, folder / f"repo-{TEN.name}"
    write_events(data, TEN)
    ours.write_windows(repo, data, TEN)
    raw, out = str(data / "events-*.parquet"), folder / "sorted.parquet"
    cost, theirs = in_turn(runs, partial(ours.materialize, repo), partial(rival, "polars_sorted_copy", data, out, raw))
    yield Line(work="first materialize, 10 M rows", rival="Polars scan, sort, sink", ours=cost, theirs=theirs,
               equal="-", goal=1.5)  # fmt: skip
    more = Shape(rows=TEN.rows // 100, spine=1, keys=TEN.keys)
    write_events(folder / "more", more)
    grown = folder / "grown"
    grown.mkdir(exist_ok=True)
    for path in [*data.glob("*.parquet")]:
        (grown / path.name).unlink(missing_ok=True)
        (grown / path.name).hardlink_to(path)  # a link would lead out of the folder that may be read
    added = grown / "events-900.parquet"

    def one_percent() -> Cost:
        added.unlink(missing_ok=True)
        ours.write_windows(folder / "repo-grown", grown, TEN)
        ours.materialize(folder / "repo-grown")
        added.hardlink_to(folder / "more" / "events-000.parquet")
        return ours.materialize(folder / "repo-grown", full=False)

    (small,) = in_turn(runs, one_percent)
    yield Line(work="materialize 1 % more", rival="our first materialize", ours=small, theirs=cost, equal="-", goal=0.1)


def flights(folder: Path, runs: int) -> Iterator[Line]:
    """The template's model on its real flights: 337 k rows, 27 features of seven views."""
    repo, mine, out = folder / "flights", folder / "ours-flights.parquet", folder / "rival-flights.parquet"
    ours.write_flights(repo)
    made = run(["featurectl", "materialize", "-q", "--no-online"], repo, LIMIT_S)
    asked = ["featurectl", "training-set", "late_arrival", "-q", "--out", str(mine)]
    cost, theirs = in_turn(
        runs, partial(run, asked, repo, LIMIT_S), partial(rival, "duckdb_flights", repo / "data", out, "")
    )
    equal = compare(mine, out, by=("flight_id",))
    yield Line(work="the flights' model, 337 k rows", rival="DuckDB, blocked range joins", ours=cost, theirs=theirs,
               equal=equal, goal=None, beside=_told(made))  # fmt: skip


def growth(folder: Path, runs: int) -> Iterator[Line]:
    """More rows each: the processor's seconds a row against the size before it."""
    before: tuple[Cost, Cost] | None = None
    last = 0
    for million in (10, 40, 120):
        shape = Shape(rows=million * 1_000_000, spine=million * 100_000, keys=million * 10_000)
        data, repo, mine = folder / shape.name, folder / f"repo-{shape.name}", folder / "ours.parquet"
        write_events(data, shape)
        ours.write_windows(repo, data, shape)
        made, cost = in_turn(
            1 if million == 120 else runs,  # noqa: PLR2004 (so many rows take minutes)
            partial(ours.materialize, repo, memory="4GiB"),
            partial(ours.training_set, repo, mine, memory="4GiB"),
        )
        if before is not None:
            more = million / last
            scaled = [
                replace(c, seconds=more * c.seconds, cpu_seconds=more * c.cpu_seconds, peak_mb=c.peak_mb)
                for c in before
            ]
            for what, now, then in (("materialize", made, scaled[0]), ("training set", cost, scaled[1])):
                yield Line(work=f"{what}, {_shown(shape)}, --memory 4GiB", rival=f"{more:g} times that of {last} M", ours=now,
                           theirs=then, equal="-", goal=1.25)  # fmt: skip
        before, last = (made, cost), million


WORKS: Final = {w.__name__: w for w in (uniform, skewed, shapes, states, materialize, flights, growth)}


def main(arguments: list[str]) -> None:
    """Print the lines of the works as they are done, then the machine and the versions."""
    folder = Path(arguments[0] if arguments else "benchmark-data").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    runs = int(arguments[1]) if len(arguments) > 1 else 3
    lines: list[Line] = []
    for name in arguments[2:] or WORKS:
        for line in WORKS[name](folder, runs):
            sys.stderr.write(f"{line.cells()}\n")
            lines.append(line)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("polars", "duckdb", "numpy", "deltalake"))
    sys.stdout.write(f"{render(lines)}\n\n{os.cpu_count()} cores, {platform.machine()}, Python "
                     f"{platform.python_version()}, {libraries}; medians of {runs} runs.\n")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
