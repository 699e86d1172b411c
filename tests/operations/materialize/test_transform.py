"""Python transforms: any sequence of runs gives the table of one run, and errors name the line of the user's code."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from featurectl.core.errors import DataError
from featurectl.core.units import HOUR_US
from featurectl.engines.polars.engine import PolarsEngine
from featurectl.language.definitions.entity import Entity
from featurectl.language.definitions.source import NamedExpression, Source
from featurectl.language.definitions.view import Feature, FeatureView, Transform
from featurectl.language.typing.scope import bare_column
from featurectl.language.typing.views import type_check_view
from featurectl.offline.delta import DeltaStore
from featurectl.operations.materialize.dry_run import plan_view
from featurectl.operations.materialize.run import MaterializeRun
from featurectl.operations.materialize.transform import materialize_transform
from featurectl.sources.open import open_source
from tests.seeds import seeds_from

T0 = datetime(2024, 1, 1, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
COLUMNS = {"k": "string", "v": "int64", "at": "timestamp", "seen": "timestamp"}
KNOWN = Source(
    name="known", format="parquet", path="known/*.parquet", event_time="at", available_at="seen", columns=COLUMNS
)
DELAYED = replace(KNOWN, name="delayed", path="delayed/*.parquet", available_at=None, delay_us=HOUR_US)
STATIC = Source(name="facts", format="parquet", path="facts.parquet", columns={"k": "string", "size": "int64"})

# The sum of what became available in the last four hours, or happened in the four hours before, whenever a row comes.
RECENT = '''
from datetime import timedelta

import polars as pl


def recent(known, delayed, facts):
    """What was known when a row came, of either source."""
    rows = pl.concat([one.select("k", "v", "event_time", "available_at") for one in (known, delayed)])
    moments = rows.select("k", "event_time", "available_at").unique()
    met = moments.join(rows, on="k", suffix="_of").filter(pl.col("available_at_of") <= pl.col("available_at"))
    near = pl.col("CLOCK_of") > pl.col("CLOCK") - timedelta(hours=4)
    found = met.filter(near).group_by("k", "event_time", "available_at").agg(x=pl.col("v").sum(), n=pl.len())
    sized = moments.join(found, on=["k", "event_time", "available_at"]).join(facts, on="k", how="left")
    waiting = pl.when(pl.col("x") % 3 == 0).then(timedelta(hours=2)).otherwise(timedelta())
    return sized.with_columns(pl.col("available_at") + waiting)
'''


def at(hour):
    return T0 + timedelta(hours=hour)


def a_view(text=RECENT, function="recent", others=(DELAYED, STATIC), lookback_h=None, types=None, **more):
    types = types or {"x": "int64", "n": "int64", "size": "int64"}
    lookback_us = None if lookback_h is None else lookback_h * HOUR_US
    view = FeatureView(
        name="made",
        kind="transform",
        entity=Entity(name="key", keys={"k": "string"}),
        source=KNOWN,
        join={"k": "k"},
        where=None,
        inputs=tuple(NamedExpression(name=name, expression=bare_column(name)) for name in types),
        features=tuple(Feature(name=name, op="latest", column=name, dtype=dtype) for name, dtype in types.items()),
        transform=Transform(
            path="transforms/made.py", function=function, text=text, lookback_us=lookback_us, others=others
        ),
        **more,
    )
    typed, issues = type_check_view(view, view.source.columns)
    assert issues == []
    return typed


def write(root, folder, name, rows):
    """(key, value, event hour, available hour) each, as one file."""
    (root / folder).mkdir(exist_ok=True)
    data = [(k, v, at(event), at(seen)) for k, v, event, seen in rows]
    schema = {"k": pl.String, "v": pl.Int64, "at": INSTANT, "seen": INSTANT}
    pl.DataFrame(data, schema=schema, orient="row").write_parquet(root / folder / name)


def write_facts(root, **sizes):
    pl.DataFrame({"k": list(sizes), "size": list(sizes.values())}).write_parquet(root / "facts.parquet")


def a_job(root, view, offline="offline"):
    table = DeltaStore(str(root / offline), "p").table(view.name, 1, view.entity.keys)
    first, *others = [open_source(source, root) for source in (view.source, *view.transform.others)]
    return MaterializeRun(view=view, version=1, reader=first, others=tuple(others), table=table)


def run(root, view, hour=99, offline="offline", *, full=False):
    job = a_job(root, view, offline)
    return materialize_transform(PolarsEngine(1), job, at(hour), full=full), job.table


def some_rows(chance, hour, known):
    """Rows that may be read from an hour on, where a source has `available_at`; late ones and ones of the future."""
    rows = []
    for _ in range(chance.randrange(5)):
        event = hour + chance.randrange(-12, 3)
        seen = hour + chance.choice([0.01, 0.02, 0.5, 1, 5])
        rows.append((chance.choice("abc"), chance.randrange(100), event, seen if known else event))
    return rows


CASES = [(lookback_h, clock) for lookback_h in (None, 6, 9) for clock in ("available_at", "event_time")]
SELDOM = {(None, "event_time"), (9, "available_at")}


@pytest.mark.long
@pytest.mark.parametrize(
    ("sequences", "lookback_h", "clock"),
    [
        *(pytest.param(1, *case, marks=[pytest.mark.stress] if case in SELDOM else []) for case in CASES),
        *(pytest.param(20, *case, marks=pytest.mark.stress) for case in CASES),
    ],
)
@pytest.mark.sample(1)
def test_any_sequence_of_runs_gives_the_table_of_one_run(sequences, clock, lookback_h, tmp_path):
    view = a_view(RECENT.replace("CLOCK", clock), lookback_h=lookback_h)
    appended = set()
    for seed in seeds_from(0, sequences):
        chance, root, hour = random.Random(seed), tmp_path / str(seed), 0.0
        root.mkdir()
        write_facts(root, a=1, b=2)
        write(root, "known", "0.parquet", [("a", 5, -3, -2)])
        write(root, "delayed", "0.parquet", [("b", 7, -3, -3)])
        for step in range(1, 7):
            for folder in ("known", "delayed"):
                if chance.random() < 0.6:
                    write(root, folder, f"{step}.parquet", some_rows(chance, hour, folder == "known"))
            if chance.random() < 0.1:
                write_facts(root, a=1, b=step)
            hour += chance.choice([0, 0.25, 1, 3])
            made, table = run(root, view, hour)
            appended.add(made.action)
            whole = run(root, view, hour, offline=f"whole{step}")[1]
            order = [*whole.read().columns]
            got, expected = table.read().sort(order), whole.read().sort(order)
            assert got.equals(expected), f"seed {seed}, step {step}, hour {hour}"
            assert table.coverage().watermark == whole.coverage().watermark
    rebuilt = {"rebuild"} if lookback_h is None else appended & {"rebuild"}  # facts that change are read anew
    assert appended - {"nothing"} == {"first"} | rebuilt | (set() if lookback_h is None else {"append"})


def test_a_table_with_a_lookback_is_not_rebuilt_without_a_lost_files_rows(tmp_path):
    view = a_view(RECENT.replace("CLOCK", "event_time"), lookback_h=6)
    for number in (1, 2):
        write(tmp_path, "known", f"{number}.parquet", [("a", number, number, number)])
    write(tmp_path, "delayed", "0.parquet", [("b", 7, 1, 1)])
    write_facts(tmp_path, a=1)
    before = run(tmp_path, view)[1].read()
    (tmp_path / "known" / "1.parquet").unlink()
    write_facts(tmp_path, a=2)
    job = a_job(tmp_path, view)
    for attempt in (lambda: run(tmp_path, view), lambda: plan_view(job, at(99))):
        with pytest.raises(DataError, match=r"source known: known/1\.parquet .* is gone; a static source changed"):
            attempt()
    assert job.table.read().equals(before)
    assert run(tmp_path, view, full=True)[0].action == "rebuild"
